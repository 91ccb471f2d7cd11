//! Others' objects where ours would go: reported, never replaced.

use crate::support::{Host, eth1_complete, holds_for};
use std::time::Duration;

#[test]
fn routing_11_a_foreign_route_in_our_table() {
    let Some(host) = Host::new("routing_11_a_foreign_route_in_our_table") else { return };
    host.two_uplinks();
    host.ip("route add default via 198.51.100.99 dev eth1 table 207 protocol static");
    host.ip("route add 203.0.113.0/24 via 198.51.100.99 dev eth1 table 207 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    let line = daemon.await_log(&["eth1", "Conflict", "table 207", "203.0.113.0/24"]);
    assert!(line.contains("WARN") || line.contains("ERROR"), "{line}");
    holds_for(Duration::from_millis(300), "nothing is installed", || host.ours().is_empty());
    assert_eq!(host.foreign(), foreign, "and nothing replaced");

    host.ip("route flush table 207");
    // A change wakes the daemon up; else the next timed pass would find it.
    host.ip("addr add 198.51.100.3/24 dev eth1; ip addr del 198.51.100.3/24 dev eth1");
    host.await_ours("once the foreign routes are gone", &eth1_complete());
}

#[test]
fn routing_11_a_foreign_rule_at_our_priority() {
    let Some(host) = Host::new("routing_11_a_foreign_rule_at_our_priority") else { return };
    host.two_uplinks();
    host.ip("rule add priority 32002 from 198.51.100.2 lookup 4711 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    let line = daemon.await_log(&["eth1", "Conflict", "rule"]);
    assert!(line.contains("WARN") || line.contains("ERROR"), "{line}");
    holds_for(Duration::from_millis(300), "no rule is installed", || {
        !host.ours().iter().any(|line| line.starts_with("3200"))
    });
    assert_eq!(host.foreign(), foreign, "and nothing replaced");

    host.ip("rule del priority 32002");
    host.await_ours("once the foreign rule is gone", &eth1_complete());
}

#[test]
fn routing_11_a_foreign_rule_that_looks_our_table_up() {
    let Some(host) = Host::new("routing_11_a_foreign_rule_that_looks_our_table_up") else { return };
    host.two_uplinks();
    host.ip("rule add priority 50 fwmark 7 lookup 207 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    daemon.await_log(&["eth1", "Conflict", "rule"]);
    holds_for(Duration::from_millis(300), "no rule is installed", || {
        !host.ours().iter().any(|line| line.starts_with("3200"))
    });
    assert_eq!(host.foreign(), foreign);
}

#[test]
fn routing_11_local_moved_before_ours_keeps_the_own_address_reachable() {
    let name = "routing_11_local_moved_before_ours_keeps_the_own_address_reachable";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    // As Cilium does it.
    host.ip("rule add priority 100 lookup local; ip rule del priority 0");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    for address in ["198.51.100.2", "192.0.2.2"] {
        host.sh(&format!("ping -q -c 1 -W 2 {address}"));
    }
}

#[test]
fn routing_11_local_moved_behind_ours_installs_no_rules() {
    let Some(host) = Host::new("routing_11_local_moved_behind_ours_installs_no_rules") else { return };
    host.two_uplinks();
    host.ip("rule add priority 32100 lookup local; ip rule del priority 0");
    let daemon = host.start_daemon();
    daemon.await_log(&["eth1", "local", "precede"]);
    // A `to` rule would hide the address from the host itself, and so would a `from` rule, since
    // what a host sends to itself comes from that address.
    holds_for(Duration::from_secs(1), "no rule is installed, not for a moment", || {
        !host.ours().iter().any(|line| line.starts_with("3200"))
    });
    for address in ["198.51.100.2", "192.0.2.2"] {
        host.sh(&format!("ping -q -c 1 -W 2 {address}"));
    }
    let messages = host.sh("timeout 1 ip monitor rule route | wc -l");
    assert!(messages.trim().parse::<u32>().unwrap() < 10, "it rests: {messages} changes in a second");

    host.ip("rule add priority 0 lookup local; ip rule del priority 32100");
    host.await_ours("once local comes first again", &eth1_complete());
}
