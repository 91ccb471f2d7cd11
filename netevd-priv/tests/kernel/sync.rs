//! Synchronisation, and what remains when the worker goes away.

use crate::world::{HOST, World, add_rules, as_main, copy, del_routes, del_rules, follow, policy, via};
use protocol::{Fallback, Family, Policy, Refusal, Reply, Request};

#[test]
fn removes_what_was_not_named_and_touches_nothing_else() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) });
    let wanted = [
        as_main(eth1, Family::V4),
        copy(eth1, &["172.17.0.0/16", "10.0.2.0/24"]),
        follow(eth1, &["10.0.1.0/24"]),
        add_rules(eth1, &["10.0.2.5"]),
        add_rules(eth1, &["2001:db8:2::5"]),
    ];
    for request in &wanted {
        assert_eq!(helper.ask(request), Reply::Ok, "{request:?}");
    }
    // Foreign ones, of all kinds; they stay.
    world.ip("rule add from 9.9.9.9 lookup 7 priority 31000
         -6 rule add from 2001:db8::9 lookup 7 priority 31000 protocol static
         rule add fwmark 7 lookup 241 priority 90
         nexthop add id 7 via 172.17.0.9 dev docker0
         route add 9.9.9.0/24 dev eth0 table 7
         -6 route add 2001:db8:9::/64 dev eth1 table 7");
    let expected = world.everything();
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    // Of ours, in other tables, at other priorities and in other forms; they go.
    world.ip(
        "rule add from 10.0.2.5 lookup 1241 priority 5002 protocol 110
         rule add from 10.0.2.5 lookup 241 priority 32002 iif eth0 protocol 110
         rule add fwmark 5 blackhole priority 4000 protocol 110
         rule add not from 10.0.2.5 lookup 241 priority 4001 protocol 110
         rule add to 10.0.2.9 lookup 241 priority 32003 protocol 110
         -6 rule add from 2001:db8:2::9 lookup 241 priority 32002 protocol 110
         route add default via 10.0.2.1 dev eth1 table 1241 proto 110
         route add unreachable default table 1241 proto 110 metric 4294967295
         route add 10.55.0.0/16 dev docker0 table 241 proto 110
         route add 10.56.0.0/16 table 241 proto 110 nexthop via 172.17.0.8 nexthop via 172.17.0.9
         route add 10.58.0.0/16 table 241 proto 110 nexthop via 172.17.0.9 nexthop via 172.17.0.8
         route add 10.59.0.0/16 table 241 proto 110 nhid 7
         route add 10.57.0.0/16 dev docker0 proto 110
         -6 route add 2001:db8:55::/64 dev docker0 table 241 proto 110
         -6 route add unreachable default table 1241 proto 110 metric 4294967295
         -6 route add default table 1242 proto 110 nexthop via fe80::1 dev eth1 nexthop via fe80::2 dev eth1",
    );
    assert_ne!(world.everything(), expected);
    for request in &wanted {
        let reply = helper.ask(request);
        assert!([Reply::Exists, Reply::Ok].contains(&reply), "{request:?} {reply:?}");
    }
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert_eq!(world.everything(), expected);
}

/// This request alone looks at no rule (`make test-arm64-helper`).
#[test]
fn routes_of_our_own_are_deleted_by_their_prefix() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let foreign = "10.0.92.0/24 dev eth1 scope link metric 9";
    world.ip(&format!("route add {foreign} table 241\nroute add 2001:db8:92::/64 dev eth1 table 241"));
    let ours = "proto 110 table 241";
    world.ip(&format!(
        "route add 10.0.92.0/24 via 10.0.2.1 dev eth1 mtu lock 1400 {ours}\n\
         route add 10.0.92.0/24 metric 7 {ours} nexthop via 10.0.2.1 dev eth1 nexthop via 10.0.2.7 dev eth1\n\
         route add 2001:db8:92::/64 via fe80::1 dev eth1 metric 77 {ours}"
    ));
    for prefix in ["10.0.92.0/24", "2001:db8:92::/64"] {
        // The helper's own check may have been first.
        let reply = helper.ask(del_routes(eth1, &[prefix]));
        assert!([Reply::Ok, Reply::Absent].contains(&reply), "{reply:?}");
        assert_eq!(helper.ask(del_routes(eth1, &[prefix])), Reply::Absent);
    }
    assert_eq!(world.table("-4", 241), [foreign]);
    assert_eq!(world.table("-6", 241), ["2001:db8:92::/64 dev eth1 metric 1024 pref medium"]);
}

#[test]
fn what_is_refused_during_a_synchronisation_is_not_kept() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    world.ip("rule add from 10.0.2.9 lookup 241 priority 32002 protocol 110");
    let reply = helper.ask(add_rules(eth1, &["10.0.2.9"]));
    assert_eq!(reply, Reply::Refused(Refusal::AddressAbsent));
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert!(world.rules("-4").is_empty());
}

/// What is whole in spite of a conflict stays so over a restart.
#[test]
fn in_a_conflict_what_is_there_stays_and_nothing_is_added() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let wanted = [as_main(eth1, Family::V4), copy(eth1, &["172.17.0.0/16"]), add_rules(eth1, &["10.0.2.5"])];
    for request in &wanted {
        assert_eq!(helper.ask(request), Reply::Ok, "{request:?}");
    }
    for (put, refusal) in [
        ("rule add iif eth0 lookup 241 priority 90", Refusal::RuleConflict),
        ("route add 9.9.9.0/24 dev eth0 table 241", Refusal::TableConflict),
    ] {
        world.ip(put);
        let before = world.everything();
        assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
        for request in &wanted {
            assert_eq!(helper.ask(request), Reply::Refused(refusal), "{request:?}");
        }
        assert_eq!(helper.ask(copy(eth1, &["10.0.2.0/24"])), Reply::Refused(refusal));
        assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
        assert_eq!(world.everything(), before);
    }
}

#[test]
fn the_state_stays_when_the_worker_goes_and_an_empty_synchronisation_removes_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let clean = world.everything();
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for request in [via(eth1, "10.0.2.1"), add_rules(eth1, &["10.0.2.5"])] {
        assert_eq!(helper.ask(request), Reply::Ok);
    }
    let state = world.everything();
    let end = helper.end();
    assert_eq!((end.status, end.log.as_str()), (0, ""));
    assert_eq!(world.everything(), state);
    // In the midst of a synchronisation nothing is removed either.
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    assert_eq!(helper.end().status, 0);
    assert_eq!(world.everything(), state);
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert_eq!(world.everything(), clean);
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), Reply::Absent);
}
