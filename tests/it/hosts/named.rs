//! Nothing is silent: each reason for which a listed link is not, or not completely, routed is one problem that says
//! what to do, and it ends with its reason.

use super::site::{PATIENCE, Site};
use crate::support::{Daemon, Host, wait_within};

fn problems(host: &Host) -> Vec<String> {
    let Some(status) = host.try_api("/api/v1/status") else { return Vec::new() };
    let list = status["problems"].as_array().cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
}

/// Waits until a problem has all of these parts.
pub(super) fn await_named(host: &Host, what: &str, parts: &[&str]) {
    let explain = || format!("{:#?}\n{}", problems(host), host.log());
    wait_within(PATIENCE, &format!("{what}: a problem with {parts:?}"), explain, || {
        problems(host).iter().any(|text| parts.iter().all(|part| text.contains(part)))
    });
}

pub(super) fn await_none(host: &Host, what: &str) {
    let explain = || format!("{:#?}\n{}", problems(host), host.log());
    wait_within(PATIENCE, &format!("{what}: no problem"), explain, || problems(host).is_empty());
}

pub(super) fn await_problem_count(host: &Host, what: &str, count: usize) {
    let explain = || format!("{:#?}\n{}", problems(host), host.log());
    wait_within(PATIENCE, &format!("{what}: {count} problems"), explain, || problems(host).len() == count);
}

fn start<'h>(host: &'h Host, listed: &str) -> Daemon<'h> {
    host.config(&format!("system: {{ backend: kernel }}\nrouting: {{ policy_rules: [{listed}] }}\n"));
    host.start_daemon()
}

/// A listed link whose only family is IPv4: what it lacks is named, and each kind of gateway ends it.
#[test]
fn hosts_a_missing_gateway_is_named() {
    let Some(site) = Site::new("hosts_a_missing_gateway_is_named") else { return };
    let host = &site.host;
    site.sh("ip link property add dev eth1 altname enp3s0; ip addr add 198.51.100.2/24 dev eth1
         sysctl -qw net.ipv6.conf.eth1.disable_ipv6=1");
    let daemon = start(host, "enp3s0");
    await_named(host, "an address and no gateway", &["eth1", "198.51.100.2"]);
    for default in [
        "ip route add default via 198.51.100.1 dev eth1 metric 200",
        "ip route replace default via 198.51.100.7 dev eth1 onlink metric 200",
        "ip nexthop add id 30 via 198.51.100.1 dev eth1; ip route replace default nhid 30 metric 200",
        "ip route del default nhid 30; ip -6 addr add fe80::7/64 dev eth0
         ip route add default via inet6 fe80::b1 dev eth0 metric 7; ip route add default via 198.51.100.1 dev eth1",
    ] {
        site.sh(default);
        await_none(host, default);
    }
    site.sh("ip link add br0 type bridge; ip link set br0 up; ip link set eth1 master br0");
    await_named(host, "a port of a bridge", &["enp3s0", "br0"]);
    site.sh("ip link set eth1 nomaster");
    await_none(host, "no port any longer");
    assert_eq!(daemon.stop().status, 0);
}

/// What others do to eth1's address and table.
#[test]
fn hosts_conflicts_are_named() {
    let Some(site) = Site::with_eth1("hosts_conflicts_are_named") else { return };
    let host = &site.host;
    let daemon = start(host, "eth1");
    await_none(host, "the usual");
    for (script, undo, part) in [
        ("ip addr add 198.51.100.2/32 dev eth0", "ip addr del 198.51.100.2/32 dev eth0", "198.51.100.2"),
        ("ip rule add from 10.1.2.4 lookup 207 pref 40", "ip rule del pref 40", "207"),
        (
            "ip -6 route add fd01::/16 dev eth1 table 207 proto static",
            "ip -6 route del fd01::/16 table 207",
            "207",
        ),
    ] {
        site.sh(script);
        await_named(host, script, &[part]);
        site.sh(undo);
        await_none(host, undo);
    }
    assert_eq!(daemon.stop().status, 0);
}

/// A name that no link has, the loopback, a family without a gateway; a pattern promises nothing.
#[test]
fn hosts_names_are_named_and_patterns_are_not() {
    let Some(site) = Site::with_eth1("hosts_names_are_named_and_patterns_are_not") else { return };
    let host = &site.host;
    site.sh("ip link add tap1 type bridge; ip addr add 10.6.1.1/24 dev tap1; ip link set tap1 up");
    for listed in ["eth11", "lo"] {
        let daemon = start(host, listed);
        await_named(host, listed, &[listed]);
        assert_eq!(daemon.stop().status, 0);
    }
    let daemon = start(host, "'tap*', eth1");
    await_none(host, "a pattern matches a link without a gateway");
    // IPv4 is fine.
    site.sh("ip -6 route del default via fe80::b1 dev eth1");
    await_named(host, "a family without a gateway", &["eth1", "ipv6"]);
    site.sh("ip -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1");
    await_none(host, "a source-specific default is one");
    assert_eq!(daemon.stop().status, 0);
}

/// What other programs put into rules and routes is shown as ip shows it: wg-quick, Tailscale, TPROXY, OpenWrt, FRR.
#[test]
fn hosts_lists_are_true() {
    let Some(site) = Site::with_eth1("hosts_lists_are_true") else { return };
    site.sh("ip rule add not fwmark 51820 table 51820 pref 32100; ip rule add table main suppress_prefixlength 0 pref 32099
         ip rule add fwmark 1 lookup 100 pref 100; ip rule add iif lo uidrange 0-0 lookup 77 pref 101
         ip rule add oif eth1 lookup 78 pref 102; ip rule add ipproto tcp dport 80 lookup 79 pref 103
         ip rule add l3mdev pref 1000; ip rule add from 10.0.0.0/8 blackhole pref 104; ip rule add pref 105 goto 32766
         ip route add local default dev lo table 100; ip nexthop add id 9 via 198.51.100.1 dev eth1
         ip route add 10.1.0.0/16 nhid 9; ip route add blackhole 10.4.0.0/16
         ip route add 10.2.0.0/16 nexthop via 192.0.2.1 dev eth0 weight 3 nexthop via 198.51.100.1 dev eth1
         ip route add 10.3.0.0/16 via 172.31.1.1 dev eth1 onlink
         ip route add 10.5.0.0/16 dev eth1 src 198.51.100.2 mtu 1300; ip route add 10.6.0.0/16 via 198.51.100.1 tos 0x10
         ip -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1");
    let daemon = start(&site.host, "eth1");
    let shows = |command: &str, lines: &[&[&str]]| {
        let text = site.host.sh(&format!("/opt/netevd/netevd {command}"));
        for parts in lines {
            let has = |line: &str| parts.iter().all(|part| line.contains(part));
            assert!(text.lines().any(has), "{command}: a line with {parts:?}\n{text}");
        }
    };
    shows(
        "list rules",
        &[
            &["32100", "not", "fwmark 0xca6c", "51820"],
            &["32099", "main", "suppress_prefixlength 0"],
            &["100", "fwmark 0x1"],
            &["101", "iif lo", "uidrange 0-0"],
            &["102", "oif eth1"],
            &["103", "ipproto tcp", "dport 80"],
            &["1000", "l3mdev"],
            &["104", "10.0.0.0/8", "blackhole"],
            &["105", "goto 32766"],
        ],
    );
    shows(
        "list routes --table main",
        &[
            &["10.1.0.0/16", "198.51.100.1", "nhid 9"],
            &["10.2.0.0/16", "192.0.2.1"],
            &["10.3.0.0/16", "172.31.1.1", "onlink"],
            &["blackhole", "10.4.0.0/16"],
            &["10.5.0.0/16", "mtu 1300"],
            &["10.6.0.0/16", "tos"],
        ],
    );
    assert_eq!(daemon.stop().status, 0);
}
