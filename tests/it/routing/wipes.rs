//! Other programs that wipe, and a daemon that puts back what is its own.

use crate::support::{Host, eth1_complete, wait_for, wait_within};
use std::time::Duration;

/// On a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn routing_flushed_rules_and_table_come_back() {
    let Some(host) = Host::new("routing_flushed_rules_and_table_come_back") else { return };
    host.two_uplinks();
    host.ip("rule add priority 100 from 203.0.113.0/24 lookup 4711 protocol static");
    host.ip("rule add priority 32001 to 203.0.113.7 unreachable");
    host.ip("route add unreachable default table 4711");
    let foreign = host.foreign();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());

    host.ip("rule flush protocol 110");
    host.await_ours("the rules are back", &eth1_complete());
    host.ip("route flush table 207");
    host.await_ours("the table is back", &eth1_complete());
    host.ip("rule del priority 32003");
    host.await_ours("the one rule is back", &eth1_complete());
    host.ip("route del 198.51.100.0/24 table 207");
    host.await_ours("the one route is back", &eth1_complete());
    assert_eq!(host.foreign(), foreign, "foreign rules and routes are untouched");
}

#[test]
fn routing_repeated_wipes_are_named_once_with_the_cure() {
    let Some(host) = Host::new("routing_repeated_wipes_are_named_once_with_the_cure") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    // What goes within half a second is one wipe, so it takes a while until it is the third.
    wait_for(
        "the warning",
        || host.log(),
        || {
            host.ip("rule flush protocol 110");
            daemon.log().contains("ManageForeignRoutingPolicyRules=no")
        },
    );
    let line = daemon.await_log(&["ManageForeignRoutingPolicyRules=no"]);
    assert!(line.contains("WARN"), "{line}");
    host.await_ours("the rules are back, if later than before", &eth1_complete());
    let said = daemon.log().matches("ManageForeignRoutingPolicyRules=no").count();
    assert_eq!(said, 1, "{}", daemon.log());
}

#[test]
fn routing_what_carries_our_protocol_and_is_not_desired_goes() {
    let Some(host) = Host::new("routing_what_carries_our_protocol_and_is_not_desired_goes") else {
        return;
    };
    host.two_uplinks();
    // As a daemon with another table_base and rule_priority has left it.
    host.ip("rule add priority 100 from 198.51.100.2 lookup 4711 protocol 110");
    host.ip("route add default via 198.51.100.1 dev eth1 table 4711 protocol 110");
    host.ip("-6 rule add priority 32002 from 2001:db8::7 lookup 207 protocol 110");
    let _daemon = host.start_daemon();
    host.await_ours("stale objects are gone, desired ones there", &eth1_complete());

    host.ip("rule add priority 32002 from 203.0.113.99 lookup 207 protocol 110");
    // It takes effect on nothing that netevd manages; the next pass, for whatever reason, finds it.
    host.ip("addr add 198.51.100.3/24 dev eth1; ip addr del 198.51.100.3/24 dev eth1");
    host.await_ours("a rule of ours that nobody desires goes while running", &eth1_complete());
}

/// While the worker is stopped the helper withdraws what has lost its reason; nobody wiped that, and the next repair
/// does not wait.
#[test]
fn routing_what_the_helper_withdraws_is_nobodys_wipe() {
    let Some(host) = Host::new("routing_what_the_helper_withdraws_is_nobodys_wipe") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let worker = daemon.child("netevd-worker").expect("it runs");
    let rules = |address: &str| host.ip("rule").matches(&format!(" {address} ")).count();
    // The third within a minute would be answered by waiting.
    for address in ["198.51.100.11", "198.51.100.12", "198.51.100.13", "198.51.100.14"] {
        host.ip(&format!("addr add {address}/24 dev eth1"));
        wait_within(PATIENCE, "its rules", || host.log(), || rules(address) == 2);
        host.sh(&format!("kill -STOP {worker}; ip addr del {address}/24 dev eth1"));
        wait_within(PATIENCE, "the helper withdraws them", || host.log(), || rules(address) == 0);
        host.sh(&format!("kill -CONT {worker}"));
    }
    host.ip("addr add 198.51.100.15/24 dev eth1");
    wait_within(PATIENCE, "the worker has gone on", || host.log(), || rules("198.51.100.15") == 2);
    assert!(!daemon.log().contains("another program deleted"), "{}", daemon.log());
}
