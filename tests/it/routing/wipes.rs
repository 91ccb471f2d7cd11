//! Other programs that wipe, and a daemon that puts back what is its own.

use crate::support::{Host, eth1_complete, wait_for};

#[test]
fn routing_08_flushed_rules_and_table_come_back() {
    let Some(host) = Host::new("routing_08_flushed_rules_and_table_come_back") else { return };
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
fn routing_08_repeated_wipes_are_named_once_with_the_cure() {
    let Some(host) = Host::new("routing_08_repeated_wipes_are_named_once_with_the_cure") else { return };
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
fn routing_08_what_carries_our_protocol_and_is_not_desired_goes() {
    let Some(host) = Host::new("routing_08_what_carries_our_protocol_and_is_not_desired_goes") else {
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
