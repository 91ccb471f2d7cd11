//! States by family, and `gateway.d`, on a real kernel: packets say what a link reaches.

use crate::support::{Host, Record, wait_for};

const KERNEL: &str = "system: { backend: kernel }\nmonitoring: { interfaces: [eth1] }\n";
const ELSEWHERE: [&str; 2] = ["203.0.113.9", "2001:db8:9::9"];

/// eth1 (index 7), up, and behind its gateways 198.51.100.1 and fe80::b1 somebody elsewhere. Every gateway and
/// state of eth1 is recorded.
fn machine(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.isp();
    host.veth("eth1", 7);
    host.peer(&format!(
        "ip addr add 198.51.100.1/24 dev eth1p; ip addr add 198.51.100.9/24 dev eth1p
         ip addr add fe80::b1/64 dev eth1p nodad; ip addr add 2001:db8:b::1/64 dev eth1p nodad
         ip addr add {}/32 dev lo; ip addr add {}/128 dev lo",
        ELSEWHERE[0], ELSEWHERE[1]
    ));
    host.sh("ip addr add fe80::7/64 dev eth1 nodad");
    for event in ["carrier", "degraded", "configured", "routable", "gateway", "manager"] {
        host.recorder(event, "10-note", "");
    }
    host.config(KERNEL);
    Some(host)
}

/// Whether packets from this address arrive elsewhere and are answered.
fn reaches(host: &Host, elsewhere: &str, from: &str) -> bool {
    host.run(&["ping", "-c", "1", "-W", "2", "-I", from, elsewhere]).status == 0
}

/// `ACTION FAMILY OLD_GATEWAY>GATEWAY STATE`, of each gateway event.
fn gateways(records: &[Record]) -> Vec<String> {
    let of = |r: &Record| {
        let [action, family, old, new, state] =
            ["ACTION", "FAMILY", "OLD_GATEWAY", "GATEWAY", "STATE"].map(|name| r.env(name));
        format!("{action} {family} {old}>{new} {state}")
    };
    records.iter().filter(|r| r.what() == ("gateway", "eth1")).map(of).collect()
}

fn states(records: &[Record]) -> Vec<String> {
    let is_state = |event: &&str| !["gateway", "manager"].contains(event);
    records.iter().map(|r| r.env("EVENT")).filter(is_state).map(str::to_owned).collect()
}

/// Waits until so many runs were recorded for eth1 and the host, and returns those after the first `before`.
fn next(host: &Host, before: &mut usize, what: &str, count: usize) -> Vec<Record> {
    let records = host.await_records(what, |records| records.len() >= *before + count);
    let new = records[*before..].to_vec();
    *before = records.len();
    new
}

#[test]
fn the_default_of_one_family_does_nothing_for_the_other() {
    let Some(host) = machine("the_default_of_one_family_does_nothing_for_the_other") else { return };
    host.sh("ip -6 route add default via fe80::b1 dev eth1 proto ra");
    let _daemon = host.start_daemon();
    let mut seen = 0;
    let start = next(&host, &mut seen, "the start", 4);
    assert_eq!(gateways(&start), ["added ipv6 >fe80::b1 degraded"]);
    assert!(start.iter().all(|r| r.env("STARTUP") == "1"));

    host.sh("ip addr add 198.51.100.2/24 dev eth1");
    let new = next(&host, &mut seen, "an address", 1);
    assert_eq!(states(&new), ["configured"]);
    assert!(!reaches(&host, ELSEWHERE[0], "198.51.100.2"));

    host.sh("ip route add default via 198.51.100.1 dev eth1");
    let new = next(&host, &mut seen, "its default", 3);
    assert_eq!(
        (states(&new), gateways(&new)),
        (vec!["routable".to_owned()], vec!["added ipv4 >198.51.100.1 routable".to_owned()])
    );
    assert_eq!(new[0].env("GATEWAY"), "198.51.100.1");
    assert!(new.iter().any(|r| r.what() == ("manager", "") && r.env("STATE") == "online"), "{new:?}");
    assert!(reaches(&host, ELSEWHERE[0], "198.51.100.2"));

    host.sh("ip route del default via 198.51.100.1 dev eth1");
    let new = next(&host, &mut seen, "no default", 3);
    assert_eq!(states(&new), ["degraded"]);
    assert_eq!(gateways(&new), ["removed ipv4 198.51.100.1> degraded"]);

    host.sh("ip addr add 2001:db8:b::2/64 dev eth1 nodad");
    let new = next(&host, &mut seen, "an address of the other family", 2);
    assert_eq!(states(&new), ["routable"]);
    assert!(reaches(&host, ELSEWHERE[1], "2001:db8:b::2"));
}

#[test]
fn a_default_for_one_source_counts() {
    let Some(host) = machine("a_default_for_one_source_counts") else { return };
    let _daemon = host.start_daemon();
    let mut seen = 0;
    next(&host, &mut seen, "the start", 3);
    // The kernel tells of an address of IPv6 later than of what follows it.
    host.sh("ip addr add 2001:db8:b::2/64 dev eth1 nodad");
    assert_eq!(states(&next(&host, &mut seen, "an address", 1)), ["configured"]);
    host.sh("ip -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1");
    let new = next(&host, &mut seen, "a default for this source", 3);
    assert_eq!(states(&new), ["routable"]);
    assert_eq!(gateways(&new), ["added ipv6 >fe80::b1 routable"]);
    assert_eq!(
        new.iter().find(|r| r.env("EVENT") == "routable").map(|r| r.env("GATEWAY6")),
        Some("fe80::b1")
    );
    assert!(reaches(&host, ELSEWHERE[1], "2001:db8:b::2"));
    host.sh("ip -6 route del default from 2001:db8:b::/64 via fe80::b1 dev eth1");
    let new = next(&host, &mut seen, "its end", 3);
    assert_eq!(
        (states(&new)[0].as_str(), gateways(&new)[0].as_str()),
        ("degraded", "removed ipv6 fe80::b1> degraded")
    );
}

#[test]
fn a_gateway_of_the_configuration_counts() {
    let Some(host) = machine("a_gateway_of_the_configuration_counts") else { return };
    let with = |gateways: &str| {
        host.config(&format!("{KERNEL}routing: {{ policy_rules: [eth1], gateways: {{ {gateways} }} }}\n"));
    };
    with("eth1: [203.0.113.1, 198.51.100.1]");
    host.sh("ip addr add 198.51.100.2/24 dev eth1");
    let daemon = host.start_daemon();
    let mut seen = 0;
    let start = next(&host, &mut seen, "the start", 5);
    assert_eq!(states(&start), ["carrier", "configured", "routable"]);
    assert_eq!(gateways(&start), ["added ipv4 >198.51.100.1 routable"], "the one that is a neighbour");
    assert!(reaches(&host, ELSEWHERE[0], "198.51.100.2"), "by netevd's table: main has no default");

    // Another link's counts for that link alone. Policy and helper are exchanged by a start.
    with("eth9: [198.51.100.1]");
    daemon.stop();
    host.sh("/opt/netevd/netevd flush");
    let _daemon = host.start_daemon();
    let new = next(&host, &mut seen, "without it", 3);
    assert_eq!(
        (states(&new), gateways(&new)),
        (vec!["degraded".to_owned()], vec!["removed ipv4 198.51.100.1> degraded".to_owned()])
    );
    assert!(!reaches(&host, ELSEWHERE[0], "198.51.100.2"));
}

/// Where no process is exchanged, as under systemd: a dry run has no helper.
#[test]
fn a_reload_takes_gateways_over() {
    let Some(host) = machine("a_reload_takes_gateways_over") else { return };
    let with = |gateways: &str| {
        host.config(&format!("{KERNEL}routing: {{ policy_rules: [eth1], gateways: {{ {gateways} }} }}\n"));
    };
    with("");
    host.sh("ip addr add 198.51.100.2/24 dev eth1");
    let mut daemon = host.launch_with("--dry-run");
    daemon.await_ready();
    with("eth1: [198.51.100.1]");
    daemon.signal("HUP");
    daemon.await_log(&["eth1", "ipv4 gateway 198.51.100.1 (was none)"]);
    daemon.await_log(&["dry run: would run", "eth1", "/etc/netevd/routable.d/10-note"]);
    with("eth1: [198.51.100.9]");
    daemon.signal("HUP");
    daemon.await_log(&["eth1", "ipv4 gateway 198.51.100.9 (was 198.51.100.1)"]);
}

/// The kernel's names of at most 127 bytes (ip-link(8), `altname`): worker and helper read them.
#[test]
fn a_link_is_listed_and_excluded_by_its_alternative_names() {
    let Some(host) = machine("a_link_is_listed_and_excluded_by_its_alternative_names") else { return };
    host.sh("ip addr add 198.51.100.2/24 dev eth1
        ip link property add dev eth1 altname uplink-of-provider-two");
    host.config(&format!(
        "{KERNEL}routing:\n  policy_rules: [\"uplink-of-*\", \"!*-guest\"]\n  \
         gateways: {{ uplink-of-provider-two: [first] }}\n"
    ));
    let _daemon = host.start_daemon();
    let mut seen = 0;
    let start = next(&host, &mut seen, "the start", 5);
    assert_eq!(states(&start), ["carrier", "configured", "routable"]);
    assert_eq!(gateways(&start), ["added ipv4 >198.51.100.1 routable"]);
    assert!(reaches(&host, ELSEWHERE[0], "198.51.100.2"), "by netevd's table: main has no default");
    for (add, delete) in [("wan-guest", "wan-guest"), ("other", "uplink-of-provider-two")] {
        host.sh(&format!("ip link property add dev eth1 altname {add}"));
        if add != delete {
            host.sh(&format!("ip link property del dev eth1 altname {delete}"));
        }
        let new = next(&host, &mut seen, "it is listed no longer", 3);
        assert_eq!(states(&new), ["degraded"]);
        assert_eq!(gateways(&new), ["removed ipv4 198.51.100.1> degraded"]);
        wait_for("no rule and no route", || host.log(), || host.ours().is_empty());
        assert!(!reaches(&host, ELSEWHERE[0], "198.51.100.2"));
        if add == delete {
            host.sh(&format!("ip link property del dev eth1 altname {delete}"));
            let new = next(&host, &mut seen, "it is listed again", 3);
            assert_eq!(states(&new), ["routable"]);
            wait_for("its rules", || host.log(), || host.ours().len() >= 4);
        }
    }
}

#[test]
fn a_gateway_is_told_when_it_changes_and_by_its_filter() {
    let Some(host) = machine("a_gateway_is_told_when_it_changes_and_by_its_filter") else { return };
    host.config(&format!(
        "{KERNEL}filters:\n- {{ match: {{ event: gateway, ip_family: ipv6 }}, action: ignore }}\n"
    ));
    host.sh(
        "ip addr add 198.51.100.2/24 dev eth1; ip route add default via 198.51.100.1 dev eth1 metric 200",
    );
    let daemon = host.start_daemon();
    let mut seen = 0;
    next(&host, &mut seen, "the start", 5);
    // The same gateway by another metric, as DHCP clients change it; and the other family's, which is filtered.
    host.sh("ip route add default via 198.51.100.1 dev eth1 metric 50
        ip route del default via 198.51.100.1 dev eth1 metric 200
        ip -6 route add default via fe80::b1 dev eth1
        ip route replace default via 198.51.100.9 dev eth1 metric 50");
    let new = next(&host, &mut seen, "another gateway", 1);
    assert_eq!(gateways(&new), ["changed ipv4 198.51.100.1>198.51.100.9 routable"]);
    assert_eq!(
        new[0].document()["gateway"],
        serde_json::json!({
            "action": "changed", "family": "ipv4", "old": "198.51.100.1", "new": "198.51.100.9"
        })
    );
    daemon.await_log(&["ipv4 gateway 198.51.100.9 (was 198.51.100.1)"]);
    let text = host.sh("/opt/netevd/netevd events --interface eth1 --type gateway");
    assert!(text.contains("gateway: ipv4 changed: 198.51.100.1 -> 198.51.100.9; done"), "{text}");
    assert!(text.contains("gateway: ipv6 added: fe80::b1") && text.contains("; ignored"), "{text}");

    // What changes while the daemon is away is told at its start, and nothing else is.
    daemon.stop();
    host.sh("ip route replace default via 198.51.100.1 dev eth1 metric 50");
    let _daemon = host.start_daemon();
    let new = next(&host, &mut seen, "what changed meanwhile", 1);
    assert_eq!(gateways(&new), ["changed ipv4 198.51.100.9>198.51.100.1 routable"]);
    assert_eq!((new.len(), new[0].env("STARTUP")), (1, "1"));
}

#[test]
fn each_manager_s_gateways_are_told() {
    for (backend, feature, link, gateway) in [
        ("systemd-networkd", "networkd", "up0", "192.0.2.1"),
        ("NetworkManager", "nm", "nm0", "198.18.0.1"),
        ("dhclient", "dhclient", "up2", "203.0.113.1"),
    ] {
        let Some(host) = Host::with_managers("each_manager_s_gateways_are_told", &[feature]) else { return };
        host.await_uplinks();
        host.config(&format!("system: {{ backend: {backend} }}\n"));
        host.recorder("gateway", "10-note", "");
        let _daemon = host.start_daemon();
        let run = host.await_run("gateway", link);
        let told = ["BACKEND", "ACTION", "FAMILY", "GATEWAY", "STARTUP"].map(|name| run.env(name).to_owned());
        assert_eq!(told, [backend, "added", "ipv4", gateway, "1"]);
        host.sh(&format!("ip -4 route del default dev {link}"));
        host.await_records("its end", |records| {
            records.iter().any(|r| {
                r.what() == ("gateway", link)
                    && r.env("ACTION") == "removed"
                    && r.env("OLD_GATEWAY") == gateway
            })
        });
    }
}
