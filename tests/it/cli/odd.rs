//! What other programs put into the kernel, as `list` shows it: judged by the words of `ip -d`.

use super::{json, shown};
use crate::support::{Host, eth1_complete, rules, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

/// Kinds of rules that wg-quick, Tailscale, TPROXY, OpenWrt, VRFs and people make.
const RULES: &str = "
    rule add priority 32100 not fwmark 51820 table 51820
    rule add priority 32099 table main suppress_prefixlength 0
    rule add priority 100 fwmark 1 lookup 100
    rule add priority 101 iif lo uidrange 0-9 lookup 77
    rule add priority 102 oif eth1 lookup 78
    rule add priority 103 ipproto tcp dport 80 lookup 79
    rule add priority 104 from 10.0.0.0/8 blackhole
    rule add priority 105 fwmark 0x10/0xff goto 32766
    rule add priority 106 from 10.1.0.0/16 to 10.2.0.1 tos 0x04 lookup 100
    rule add priority 107 iif no-such lookup 100
    rule add priority 108 oif no-such lookup 100
    rule add priority 109 fwmark 2 goto 110
    rule add priority 111 ipproto udp sport 100-200 prohibit
    rule add priority 112 from 10.3.0.0/16 unreachable
    rule add priority 113 nop
    rule add priority 114 tun_id 5 lookup 100
    rule add priority 115 fwmark 3 lookup 100 suppress_prefixlength 3 suppress_ifgroup 7 protocol static
    rule add priority 116 fwmark 4 lookup 100 realms 3/4
    rule add priority 117 ipproto gre lookup 100
    rule add priority 1000 l3mdev
    -6 rule add priority 50 not from 2001:db8::/32 fwmark 7 lookup 200";

/// Kinds of routes; the nexthop object comes first.
const ROUTES: &str = "
    nexthop add id 9 via 198.51.100.1 dev eth1
    route add local default dev lo table 100
    route add 10.1.0.0/16 nhid 9
    route add 10.2.0.0/16 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 198.51.100.1 dev eth1
    route add 10.3.0.0/16 via 172.31.1.1 dev eth1 onlink
    route add blackhole 10.4.0.0/16
    route add 10.5.0.0/16 dev eth1 src 198.51.100.2 mtu 1300
    route add 10.6.0.0/16 via 198.51.100.1 tos 0x04
    route add 10.7.0.0/16 via inet6 fe80::b1 dev eth1 mtu lock 1400 window 100 rtt 500 rttvar 3s advmss 1200 hoplimit 9 initcwnd 20 features ecn rto_min 300ms initrwnd 4 quickack 1 congctl reno
    route add throw 10.8.0.0/16 metric 5
    route add 10.9.0.0/16 via 198.51.100.1 realm 3/4
    route add 10.11.0.0/16 encap ip id 30 dst 192.0.2.9 dev eth1
    route add 10.12.0.0/16 nexthop via inet6 fe80::b1 dev eth1 weight 256 nexthop via 192.0.2.1 dev eth0 onlink
    addr add 10.99.0.1 peer 10.99.0.2 dev eth1
    -6 addr add 2001:db8:b::2/64 dev eth1 nodad
    -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1
    -6 route add 2001:db8:c::/64 via fe80::b1 dev eth1 pref high expires 3000
    -6 route add unreachable 2001:db8:d::/64
    -6 route add 2001:db8:e::/64 nexthop via fe80::b1 dev eth1 nexthop via fe80::a1 dev eth0 weight 2
    -6 route add 2001:db8:f::/64 via fe80::b1 dev eth1 mtu 1300 hoplimit 3";

fn odd(host: &Host, commands: &str) {
    for words in commands.lines().map(str::trim).filter(|line| !line.is_empty()) {
        host.ip(words);
    }
}

#[test]
fn cli_rules_of_others_are_shown_with_all_their_selectors() {
    let Some(host) = Host::new("cli_rules_of_others_are_shown_with_all_their_selectors") else { return };
    host.two_uplinks();
    odd(&host, RULES);
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let of_ip: Vec<String> = ["-d rule", "-6 -d rule"]
        .iter()
        .flat_map(|words| {
            host.ip(words).lines().map(|line| line.trim().replace(":\t", ": ")).collect::<Vec<_>>()
        })
        .map(|line| line.replace("proto 110", "proto netevd"))
        .collect();
    assert!(of_ip.len() > 25, "{of_ip:?}");
    let document = json(&host, "list rules");
    let word = |rule: &Value, key: &str| rule[key].as_str().expect("a word").to_owned();
    let rules = document["rules"].as_array().expect("a list").iter();
    let ours: Vec<String> = rules
        .map(|rule| format!("{}: {} proto {}", rule["priority"], word(rule, "text"), word(rule, "protocol")))
        .collect();
    assert_eq!(ours, of_ip);
    // For people: each of ip's lines stands in the list.
    let text = shown(&host, "list rules");
    for line in &of_ip {
        let (priority, rest) = line.split_once(": ").expect("a priority");
        let (words, _) = rest.rsplit_once(" proto ").expect("a protocol");
        let is =
            |row: &str| row.starts_with(&format!("{priority} ")) && row.contains(&format!("  {words}  "));
        assert!(text.lines().any(is), "{line}\n{text}");
    }
    let one = shown(&host, "show rule 32100");
    assert!(one.contains("not from all fwmark 0xca6c lookup 51820"), "{one}");
    let marked = json(&host, "show rule 105");
    let marked = &marked["rules"][0];
    assert_eq!((&marked["fwmark"], &marked["goto"]), (&"0x10/0xff".into(), &32766.into()), "{marked}");
}

/// ip's line of a route as netevd words it: the type is named unless it is unicast, IPv6's lo of
/// unreachable routes is no link, of an encapsulation the name alone is shown.
fn as_netevd(line: &str) -> String {
    let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    line = line.strip_prefix("unicast ").unwrap_or(&line).replace("proto 110", "proto netevd");
    line = line.replace("encap ip id 30 src 0.0.0.0 dst 192.0.2.9 ttl 0 tos 0", "encap ip");
    if line.starts_with("unreachable") {
        line = line.replace(" dev lo", "");
    }
    without_seconds(&line)
}

fn without_seconds(line: &str) -> String {
    let words = line.split(' ').map(|word| if word.ends_with("sec") { "…sec" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// The routes of `ip -d`: next hops in lines of their own are joined, nexthop objects left out.
fn routes_of_ip(host: &Host) -> BTreeSet<String> {
    let mut routes: Vec<String> = Vec::new();
    for words in ["-4 -d route show table all", "-6 -d route show table all"] {
        for line in host.ip(words).lines() {
            match line.strip_prefix('\t') {
                None => routes.push(line.to_owned()),
                Some(hop) if hop.starts_with("nexthop") => {
                    let last = routes.last_mut().expect("a route before its next hops");
                    last.push_str(&format!(" {hop}"));
                }
                Some(_) => {}
            }
        }
    }
    routes.iter().map(|line| as_netevd(line)).collect()
}

/// Addresses in full length, as netevd's documents have them, without it, as ip has them.
fn without_host_lengths(line: &str) -> String {
    let bare = |word: &str| match (word.strip_suffix("/32"), word.strip_suffix("/128")) {
        (Some(bare), _) if bare.contains('.') => bare.to_owned(),
        (_, Some(bare)) => bare.to_owned(),
        _ => word.to_owned(),
    };
    line.split(' ').map(bare).collect::<Vec<_>>().join(" ")
}

#[test]
fn cli_routes_of_others_are_shown_with_all_their_attributes() {
    let Some(host) = Host::new("cli_routes_of_others_are_shown_with_all_their_attributes") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    odd(&host, ROUTES);
    // Nearly all of them are copied, of both families, with a second address of each.
    let mut before = host.ours();
    wait_for(
        "eth1's table is at rest",
        || host.log(),
        || {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let now = host.ours();
            let is_at_rest = std::mem::replace(&mut before, now.clone()) == now;
            is_at_rest
                && ["10.99.0.1", "2001:db8:b::2"]
                    .iter()
                    .flat_map(|a| rules(a, 207))
                    .all(|rule| now.contains(&rule))
        },
    );
    let of_ip = routes_of_ip(&host);
    assert!(of_ip.len() > 30, "{of_ip:?}");
    let mut ours = BTreeSet::new();
    for table in ["main", "local", "100", "207"] {
        let text = shown(&host, &format!("list routes --table {table} --format json"));
        let document: Value = serde_json::from_str(&text).expect("JSON");
        for route in document["routes"].as_array().expect("a list") {
            let destination = route["destination"].as_str().expect("a destination");
            // `show route` writes each of them as one line of ip's.
            let page = shown(&host, &format!("show route {destination}"));
            let lines = page.lines().filter_map(|line| line.trim().strip_prefix("route "));
            ours.extend(lines.map(|line| without_seconds(&without_host_lengths(line.trim()))));
        }
    }
    let missing: Vec<_> = of_ip.difference(&ours).collect();
    let odd: Vec<_> = ours.difference(&of_ip).collect();
    assert!(missing.is_empty() && odd.is_empty(), "of ip alone: {missing:#?}\nof netevd alone: {odd:#?}");
    let detail = shown(&host, "show interface eth1");
    assert!(detail.contains("10.99.0.1/32 global peer 10.99.0.2"), "{detail}");
}
