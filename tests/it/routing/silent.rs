//! Nothing is silent: each reason for which a listed link is not, or not completely, routed is one problem with its
//! remedy in the status, the API, the interface's view, the metrics and one line of the log, and it goes with its
//! reason. The dashboard shows the status as the API gives it.

use crate::support::{Daemon, Host, eth1_complete, wait_within};
use std::time::Duration;

/// On a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a change of a sysctl, of which no message comes, a change that does lead to a look.
const LOOK: &str = "ip route add 10.250.0.0/24 dev eth1; ip route del 10.250.0.0/24 dev eth1";
const USUAL: &str = "policy_rules: [eth1]";

/// A reason, how it goes, and what its problem says.
struct Reason {
    routing: &'static str,
    script: &'static str,
    undo: &'static str,
    /// The link whose view shows it.
    link: Option<&'static str>,
    /// What was found.
    part: &'static str,
    /// What to do.
    remedy: &'static str,
}

/// By what the configuration says.
const CONFIGURED: &[Reason] = &[
    Reason {
        routing: "policy_rules: [eth1, eth11]",
        script: "",
        undo: "",
        link: None,
        part: "routing.policy_rules lists eth11, and there is no such link",
        remedy: "correct the name",
    },
    Reason {
        routing: "policy_rules: [eth1, eth2]",
        script: "",
        undo: "",
        link: Some("eth2"),
        part: "routing.policy_rules lists eth2, a port of br0",
        remedy: "write br0",
    },
    Reason {
        routing: "policy_rules: [eth1, lo]",
        script: "",
        undo: "",
        link: Some("lo"),
        part: "routing.policy_rules lists lo, the loopback link",
        remedy: "take it out",
    },
    Reason {
        routing: "policy_rules: [eth1], marks: { eth0: 0x650000/0xff0000 }",
        script: "",
        undo: "",
        link: Some("eth0"),
        part: "routing.marks names eth0, which routing.policy_rules does not list",
        remedy: "list it there, or take it out",
    },
    Reason {
        routing: "policy_rules: [eth1], gateways: { eth12: first }",
        script: "",
        undo: "",
        link: None,
        part: "routing.gateways names eth12, and there is no such link",
        remedy: "correct the name",
    },
    Reason {
        routing: "policy_rules: ['eth[12]'], gateways: { eth2: first }",
        script: "",
        undo: "",
        link: Some("eth2"),
        part: "routing.gateways names eth2, which is loopback or a port of another link",
        remedy: "take it out",
    },
    Reason {
        routing: "policy_rules: [eth1], gateways: { eth1: 203.0.113.77 }",
        script: "",
        undo: "",
        link: Some("eth1"),
        part: "eth1 ipv4: the gateway 203.0.113.77 is not on-link on eth1, so the next source's is used",
        remedy: "an address in its subnet",
    },
    Reason {
        routing: "policy_rules: [eth1], limits: { copies: 8 }",
        script: "for n in 1 2 3 4 5 6 7 8; do ip route add 10.$n.0.0/16 dev br0; done",
        undo: "for n in 1 2 3 4 5 6 7 8; do ip route del 10.$n.0.0/16 dev br0; done",
        link: Some("eth1"),
        part: "eth1 ipv4: main has more than 8 routes to copy",
        remedy: "raise routing.limits.copies",
    },
    Reason {
        routing: "policy_rules: [eth1], limits: { addresses: 1 }",
        script: "ip addr add 198.51.100.3/24 dev eth1",
        undo: "ip addr del 198.51.100.3/24 dev eth1",
        link: Some("eth1"),
        part: "eth1 ipv4: 2 addresses, of which routing.limits.addresses lets 1 in",
        remedy: "routing.limits.addresses",
    },
    Reason {
        routing: "policy_rules: [eth1], marks: { eth1: 0x650000/0xff0000 }",
        script: "sysctl -qw net.ipv4.conf.eth1.rp_filter=1",
        undo: "sysctl -qw net.ipv4.conf.eth1.rp_filter=2",
        link: Some("eth1"),
        part: "eth1 ipv4: rp_filter is 1 (strict) and looks the way back up without the mark of routing.marks",
        remedy: "sysctl net.ipv4.conf.eth1.src_valid_mark=1",
    },
    Reason {
        routing: "policy_rules: [eth1], gateways: { eth1: 203.0.113.77 }",
        script: "ip route del default dev eth1",
        undo: "ip addr add 203.0.113.1/24 dev eth1",
        link: Some("eth1"),
        part: "eth1 ipv4: the gateway 203.0.113.77 is not on-link on eth1, so nothing is installed for ipv4",
        remedy: "an address in its subnet",
    },
];

/// By what the kernel has.
const FOUND: &[Reason] = &[
    Reason {
        routing: USUAL,
        script: "ip -6 addr add 2001:db8:b::2/64 dev eth1 nodad",
        undo: "ip -6 addr del 2001:db8:b::2/64 dev eth1",
        link: Some("eth1"),
        part: "eth1 ipv6: 2001:db8:b::2 has no gateway",
        remedy: "set routing.gateways: { eth1: [ADDRESS] }",
    },
    Reason {
        routing: USUAL,
        script: "ip nexthop add id 30 dev br0; ip route add 10.9.0.0/16 nhid 30",
        undo: "ip route del 10.9.0.0/16; ip nexthop del id 30",
        link: Some("eth1"),
        part: "eth1 ipv4: 10.9.0.0/16 cannot be copied",
        remedy: "replace that route by a plain one",
    },
    Reason {
        routing: USUAL,
        script: "ip nexthop add id 30 via 198.51.100.1 dev eth1; ip route add default nhid 30 metric 50",
        undo: "ip route del default metric 50; ip nexthop del id 30",
        link: Some("eth1"),
        part: "eth1 ipv4: its default route (",
        remedy: "replace that route, or set routing.gateways",
    },
    Reason {
        routing: USUAL,
        script: "ip addr add 198.51.100.2/32 dev eth0",
        undo: "ip addr del 198.51.100.2/32 dev eth0",
        link: Some("eth1"),
        part: "eth1: 198.51.100.2 is on eth0 as well, so it gets no rule",
        remedy: "set routing.shared: [198.51.100.2]",
    },
    Reason {
        routing: USUAL,
        script: "ip rule add from 10.1.2.4 lookup 207 priority 40",
        undo: "ip rule del priority 40",
        link: Some("eth1"),
        part: "eth1 ipv4: Conflict: a rule that is not netevd's looks up table 207",
        remedy: "set routing.table_base",
    },
    Reason {
        routing: USUAL,
        script: "ip route add 10.1.2.0/24 dev eth0 table 207",
        undo: "ip route del 10.1.2.0/24 table 207",
        link: Some("eth1"),
        part: "eth1 ipv4: Conflict: table 207 holds routes that are not netevd's",
        remedy: "set routing.table_base",
    },
    Reason {
        routing: USUAL,
        script: "ip route add default dev eth0 table 52; ip rule add priority 5270 lookup 52",
        undo: "ip rule del priority 5270; ip route flush table 52",
        link: Some("eth1"),
        part: "eth1 ipv4: rule 5270 (from all lookup 52) of another program decides before netevd's",
        remedy: "set routing.rule_priority: 5200",
    },
    Reason {
        routing: USUAL,
        script: "for n in $(seq 11 79); do echo route add $n.0.0.0/8 dev br0; done | ip -batch -",
        undo: "for n in $(seq 11 79); do echo route del $n.0.0.0/8 dev br0; done | ip -batch -",
        link: Some("eth1"),
        part: "eth1 ipv4: routes through br0 cover more than a quarter of all addresses",
        remedy: "give it a default route",
    },
    Reason {
        routing: USUAL,
        script: "sysctl -qw net.ipv4.conf.eth0.rp_filter=1",
        undo: "sysctl -qw net.ipv4.conf.eth0.rp_filter=2",
        link: Some("eth1"),
        part: "eth1 ipv4: rp_filter is 1 (strict) on eth0",
        remedy: "sysctl net.ipv4.conf.eth0.rp_filter=2",
    },
];

fn machine(host: &Host) {
    host.two_uplinks();
    host.veth("eth2", 8);
    host.sh("ip link add br0 type bridge; ip link set br0 up; ip link set eth2 master br0
         sysctl -qw net.ipv4.nexthop_compat_mode=0
         for link in all eth0 eth1 eth2; do sysctl -qw net.ipv4.conf.$link.rp_filter=0; done");
    configure(host, USUAL);
}

fn configure(host: &Host, routing: &str) {
    host.config(&format!("system: {{ backend: kernel }}\nrouting: {{ {routing} }}\n"));
}

fn problems(host: &Host, path: &str) -> Vec<String> {
    let Some(document) = host.try_api(path) else { return Vec::new() };
    let list = document["problems"].as_array().into_iter().flatten();
    list.map(|text| text.as_str().map(str::to_owned).expect("a text")).collect()
}

/// `netevd_problems` of routing.
fn counted(host: &Host) -> String {
    let text = host.ask("GET", "/metrics", "").text();
    let line = text.lines().find_map(|line| line.strip_prefix("netevd_problems{kind=\"routing\"} "));
    line.unwrap_or_else(|| panic!("netevd_problems is in {text}")).to_owned()
}

fn await_problems(host: &Host, what: &str, holds: impl Fn(&[String]) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    let explain = || format!("{:#?}\n{}", problems(host, "/api/v1/status"), host.log());
    wait_within(PATIENCE, what, explain, || {
        found = problems(host, "/api/v1/status");
        holds(&found)
    });
    found
}

/// Sees one reason come, everywhere, and go.
fn see(host: &Host, daemon: &Daemon<'_>, reason: &Reason, before: &str) {
    let Reason { routing, script, undo, link, part, remedy } = reason;
    if *routing != before {
        configure(host, routing);
        host.sh("/opt/netevd/netevd reload");
    }
    host.sh(&format!("{script}\n{LOOK}"));
    let found =
        await_problems(host, &format!("the one problem: {part}"), |f| f.len() == 1 && f[0].contains(part));
    let problem = &found[0];
    assert!(problem.contains(remedy), "{remedy}: {problem}");
    assert_eq!(counted(host), "1", "{problem}");
    let status = host.sh("/opt/netevd/netevd status");
    assert!(status.contains("1 problem") && status.contains(problem.as_str()), "{problem}: {status}");
    let bare = problem.strip_prefix("routing: ").expect("it is of routing");
    for name in ["eth0", "eth1", "eth2", "lo"] {
        let listed = problems(host, &format!("/api/v1/interfaces/{name}"));
        let expected = if *link == Some(name) { vec![bare.to_owned()] } else { Vec::new() };
        assert_eq!(listed, expected, "{name}: {problem}");
    }
    if let Some(link) = link {
        let shown = host.sh(&format!("/opt/netevd/netevd show interface {link}"));
        assert!(shown.contains(bare), "{bare}: {shown}");
    }
    daemon.await_log(&["WARN", problem]);

    host.sh(&format!("{undo}\n{LOOK}"));
    if *routing != USUAL && undo.is_empty() {
        configure(host, USUAL);
        host.sh("/opt/netevd/netevd reload");
    }
    await_problems(host, &format!("no problem any longer: {part}"), <[String]>::is_empty);
    assert_eq!(counted(host), "0", "{problem}");
    if !undo.is_empty() {
        // Another policy is another worker, who knows of no problem before.
        daemon.await_log(&["INFO", "no longer", bare]);
    }
    let log = daemon.log();
    let lines = log.lines().filter(|line| line.contains("WARN") && line.contains(problem.as_str()));
    assert_eq!(lines.count(), 1, "one line of the log: {problem}\n{log}");
}

fn see_all(test: &str, reasons: &[Reason]) {
    let Some(host) = Host::new(test) else { return };
    machine(&host);
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    await_problems(&host, "no problem at first", <[String]>::is_empty);
    let mut before = USUAL;
    for reason in reasons {
        see(&host, &daemon, reason, before);
        before = if reason.undo.is_empty() { USUAL } else { reason.routing };
    }
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn routing_each_reason_of_the_configuration_is_seen_everywhere_and_goes() {
    see_all("routing_each_reason_of_the_configuration_is_seen_everywhere_and_goes", CONFIGURED);
}

/// Before anything is started, and without any link.
#[test]
fn routing_what_has_no_effect_is_a_warning_of_validate() {
    let Some(host) = Host::new("routing_what_has_no_effect_is_a_warning_of_validate") else { return };
    configure(&host, "policy_rules: [eth1], marks: { eth0: 0x1/0xff }, gateways: { eth1: first }");
    let output = host.run(&["/opt/netevd/netevd", "validate"]);
    assert_eq!(output.status, 0, "{output:?}");
    let said = format!("{}{}", output.stdout, output.stderr);
    let expected = "warning: `routing.marks` names eth0, which `routing.policy_rules` does not list";
    assert!(said.contains(expected), "{said}");
    assert_eq!(said.matches("warning:").count(), 1, "{said}");
}

#[test]
fn routing_each_reason_of_the_kernel_is_seen_everywhere_and_goes() {
    see_all("routing_each_reason_of_the_kernel_is_seen_everywhere_and_goes", FOUND);
}

/// Of two links that are both down with the fallback, none has rules for an address of both: the helper would take
/// them from one for the other, and netevd would name another program that deletes its objects.
#[test]
fn routing_an_address_on_two_links_that_are_down_is_named_as_that() {
    let name = "routing_an_address_on_two_links_that_are_down_is_named_as_that";
    let Some(host) = Host::new(name) else { return };
    machine(&host);
    host.veth("eth3", 9);
    host.sh("ip addr add 203.0.113.3/32 dev eth3; ip addr add 198.51.100.7/32 dev eth1");
    configure(&host, "policy_rules: [eth1, eth3], fallback: unreachable");
    let daemon = host.start_daemon();
    host.sh("ip link set eth1 down; ip link set eth3 down; ip addr add 198.51.100.7/32 dev eth3");
    let parts = ["eth1: 198.51.100.7 is on eth3 as well", "eth3: 198.51.100.7 is on eth1 as well"];
    let has = |found: &[String]| parts.iter().all(|part| found.iter().any(|text| text.contains(part)));
    let found = await_problems(&host, "both links are named, and nothing else", |f| f.len() == 2 && has(f));
    assert!(found.iter().all(|text| text.contains("ip addr del")), "{found:?}");
    let rules = |address: &str| host.ip("rule").matches(&format!("from {address} ")).count();
    assert_eq!(["198.51.100.2", "203.0.113.3", "198.51.100.7"].map(rules), [1, 1, 0], "{}", host.ip("rule"));
    // Three wipes within a minute would be named; five looks are more.
    for _ in 0..5 {
        host.sh(LOOK_OF_DOWN);
        crate::support::holds_for(Duration::from_millis(500), "no rule comes", || rules("198.51.100.7") == 0);
    }
    assert!(!daemon.log().contains("another program deleted"), "{}", daemon.log());
    // One of them up: it has the address, as the only one that is.
    host.ip("link set eth1 up");
    host.sh("ip route add default via 198.51.100.1 dev eth1 metric 200");
    wait_within(PATIENCE, "eth1's rule", || host.ip("rule"), || rules("198.51.100.7") == 1);
    assert!(host.ip("rule").contains("from 198.51.100.7 lookup 207"), "{}", host.ip("rule"));
    assert_eq!(daemon.stop().status, 0);
}

/// As [`LOOK`], where eth1 is down.
const LOOK_OF_DOWN: &str = "ip route add 10.250.0.0/24 dev br0; ip route del 10.250.0.0/24 dev br0";

/// A link's neighbours reach the other link's address only while the filter lets them: seen by packets, and the
/// command of the problem cures it.
#[test]
fn routing_the_remedy_for_strict_filtering_cures_it() {
    let name = "routing_the_remedy_for_strict_filtering_cures_it";
    let Some(host) = Host::new(name) else { return };
    machine(&host);
    // A neighbour of eth0's who sends to eth1's address through it.
    host.peer(
        "ip route add 198.51.100.2/32 via 192.0.2.2 dev eth0p src 192.0.2.1
               for link in all eth0p eth1p; do sysctl -qw net.ipv4.conf.$link.rp_filter=0; done",
    );
    host.sh("sysctl -qw net.ipv4.conf.eth0.rp_filter=1 net.ipv4.conf.eth1.rp_filter=1");
    let is_reached = || {
        let ping = ["nsenter", "--net=/run/netns/isp", "ping", "-c1", "-W2", "-I192.0.2.1", "198.51.100.2"];
        host.run(&ping).status == 0
    };
    wait_within(PATIENCE, "the neighbour is answered without netevd", || host.ip("route"), is_reached);
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert!(!is_reached(), "the way back is through eth1");
    let found = await_problems(&host, "it is named", |f| f.len() == 1 && f[0].contains("rp_filter is 1"));
    let (_, remedy) = found[0].split_once("Remedy: sysctl ").expect("a remedy");
    host.sh(&format!("sysctl -qw {remedy}\n{LOOK}"));
    wait_within(PATIENCE, "the neighbour is answered", || found[0].clone(), is_reached);
    await_problems(&host, "the problem is gone", <[String]>::is_empty);
}
