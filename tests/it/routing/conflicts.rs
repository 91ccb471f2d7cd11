//! Others' objects where ours would go: reported, never replaced.

use crate::support::{Host, eth1_complete, holds_for, rules};
use std::time::Duration;

#[test]
fn routing_a_foreign_route_in_our_table() {
    let Some(host) = Host::new("routing_a_foreign_route_in_our_table") else { return };
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
fn routing_a_foreign_rule_at_our_priority_is_nobody_s_conflict() {
    let name = "routing_a_foreign_rule_at_our_priority_is_nobody_s_conflict";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    host.ip("rule add priority 32002 from 198.51.100.2 lookup 4711 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert_eq!(host.foreign(), foreign, "and nothing replaced");
    assert!(!daemon.log().contains("Conflict"), "{}", daemon.log());
}

#[test]
fn routing_a_marked_foreign_rule_into_our_table_is_welcome() {
    let Some(host) = Host::new("routing_a_marked_foreign_rule_into_our_table_is_welcome") else { return };
    host.two_uplinks();
    host.ip("rule add priority 50 fwmark 7 lookup 207 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert_eq!(host.foreign(), foreign);
    assert!(!daemon.log().contains("Conflict"), "{}", daemon.log());
}

#[test]
fn routing_a_conflict_is_named_when_it_appears_and_what_is_whole_stays() {
    let name = "routing_a_conflict_is_named_when_it_appears_and_what_is_whole_stays";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.ip("rule add priority 50 to 203.0.113.0/24 lookup 207 protocol static");
    daemon.await_log(&["WARN", "eth1", "Conflict", "rule", "203.0.113.0/24"]);
    let foreign = host.foreign();
    host.ip("addr add 198.51.100.3/24 dev eth1");
    host.ip("route add 203.0.113.128/25 dev eth1");
    let stands = || host.ours() == eth1_complete().into_iter().collect();
    holds_for(Duration::from_millis(500), "nothing is added, nothing goes", stands);
    // Over a restart too, and with something of an earlier policy's to delete.
    assert_eq!(daemon.stop().status, 0);
    let daemon = host.start_daemon();
    daemon.await_log(&["WARN", "eth1", "Conflict", "203.0.113.0/24"]);
    holds_for(Duration::from_millis(500), "it stays over a restart", stands);
    host.ip("route del 203.0.113.128/25 dev eth1");
    host.ip("addr del 198.51.100.3/24 dev eth1");
    assert_eq!(host.foreign(), foreign);

    host.ip("addr add 198.51.100.3/24 dev eth1");
    host.ip("rule del priority 50");
    let mut both = eth1_complete();
    both.extend(rules("198.51.100.3", 207));
    host.await_ours("once the rule is gone", &both);
    daemon.await_log(&["INFO", "no longer", "Conflict"]);
}

#[test]
fn routing_local_moved_before_ours_keeps_the_own_address_reachable() {
    let name = "routing_local_moved_before_ours_keeps_the_own_address_reachable";
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
fn routing_local_behind_ours_is_asked_first_for_each_address() {
    let Some(host) = Host::new("routing_local_behind_ours_is_asked_first_for_each_address") else {
        return;
    };
    host.two_uplinks();
    // As the kernel's VRF documentation has it.
    host.ip("rule add priority 32765 lookup local; ip rule del priority 0");
    let _daemon = host.start_daemon();
    // A `to` rule would hide the address from the host itself.
    let mut expected = eth1_complete();
    expected.retain(|line| !line.contains(" to "));
    expected.push("32000: from 198.51.100.2 lookup local".to_owned());
    host.await_ours("the answers to itself stay here", &expected);
    for address in ["198.51.100.2", "192.0.2.2"] {
        host.sh(&format!("ping -q -c 1 -W 2 {address}"));
    }
    assert_eq!(host.route_get("203.0.113.9 from 198.51.100.2"), "eth1");
    let messages = host.sh("timeout 1 ip monitor rule route | wc -l");
    assert!(messages.trim().parse::<u32>().unwrap() < 10, "it rests: {messages} changes in a second");

    host.ip("rule add priority 0 lookup local; ip rule del priority 32765");
    host.await_ours("once local comes first again", &eth1_complete());
}
