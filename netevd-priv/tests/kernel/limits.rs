//! The policy's limits, the write budget, and the log of refusals.

use crate::world::{HOST, World, add_rules, copy, del_rules, policy, via};
use protocol::{Limits, Policy, Refusal, Reply};
use std::time::{Duration, Instant};

fn limited(limits: Limits) -> Policy {
    Policy { limits, ..policy(&["eth1"]) }
}

#[test]
fn refuses_more_addresses_networks_or_objects_than_the_policy_allows() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("addr add 10.0.2.6/24 dev eth1
         addr add 10.0.2.7/24 dev eth1
         route add 10.88.0.0/16 dev docker0
         route add 10.89.0.0/16 dev docker0
         route add 10.89.0.0/16 dev docker0 metric 7");
    let eth1 = world.ifindex("eth1");
    let limits = Limits { addresses: 1, copies: 2, objects: 8, writes_per_second: 1000 };
    let mut helper = world.helper(&limited(limits));
    for (request, reply) in [
        (add_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"]), Reply::Refused(Refusal::Limit)),
        (add_rules(eth1, &["10.0.2.5"]), Reply::Ok),
        // Each family counts by itself.
        (add_rules(eth1, &["2001:db8:2::5"]), Reply::Ok),
        (add_rules(eth1, &["10.0.2.7"]), Reply::Refused(Refusal::Limit)),
        (copy(eth1, &["10.88.0.0/16", "10.89.0.0/16", "172.17.0.0/16"]), Reply::Refused(Refusal::Limit)),
        (copy(eth1, &["10.89.0.0/16", "172.17.0.0/16"]), Reply::Ok),
        (copy(eth1, &["10.88.0.0/16"]), Reply::Refused(Refusal::Limit)),
        (copy(eth1, &["10.89.0.0/16"]), Reply::Exists),
        // The default is no copy.
        (via(eth1, "10.0.2.1"), Reply::Ok),
        (via(eth1, "fe80::1"), Reply::Refused(Refusal::Limit)),
        (via(eth1, "10.0.2.1"), Reply::Exists),
    ] {
        assert_eq!(helper.ask(&request), reply, "{request:?}");
    }
    // One that goes makes room, whoever deleted it, as soon as the helper has noticed.
    world.ip("rule del priority 32003 to 10.0.2.5");
    let began = Instant::now();
    while helper.ask(via(eth1, "fe80::1")) != Reply::Ok {
        assert!(began.elapsed() < Duration::from_secs(30), "there is no room");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5"])), Reply::Refused(Refusal::Limit));
}

#[test]
fn is_busy_when_the_budget_is_spent_but_never_too_busy_to_delete() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let limits = Limits { objects: 6, writes_per_second: 1, ..Limits::default() };
    let mut helper = world.helper(&limited(limits));
    let mut replies = Vec::new();
    for _ in 0..5 {
        replies.push(helper.ask(add_rules(eth1, &["10.0.2.5"])));
        let deleted = if replies.last() == Some(&Reply::Ok) { Reply::Ok } else { Reply::Absent };
        assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), deleted);
    }
    assert_eq!(replies, [Reply::Ok, Reply::Ok, Reply::Ok, Reply::Busy, Reply::Busy]);
}

#[test]
fn logs_the_first_refusals_and_counts_the_others() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth0 = world.ifindex("eth0");
    let mut helper = world.helper(&policy(&["eth1"]));
    for _ in 0..25 {
        let reply = helper.ask(add_rules(eth0, &["10.0.1.5"]));
        assert_eq!(reply, Reply::Refused(Refusal::NotListed));
    }
    let end = helper.end();
    let lines: Vec<_> = end.log.lines().collect();
    assert_eq!(lines.len(), 11, "{}", end.log);
    let first = "netevd-priv: AddRules { ifindex: Ifindex(40), rules: Addresses(10.0.1.5), through: Table } \
                 refused: the interface is not in routing.policy_rules";
    assert_eq!(lines[0], first);
    assert!(lines[10].contains("15 times"), "{}", lines[10]);
}
