//! Synchronisation, purge, and what remains when the worker goes away.

use crate::world::{HOST, World, add_local, add_rule, add_subnet, policy, via};
use protocol::{Fallback, Policy, Refusal, Reply, Request, Selector};

#[test]
fn removes_what_was_not_named_and_touches_nothing_else() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) });
    let wanted = [
        add_subnet(eth1, "10.0.2.5"),
        add_local(eth1, "172.17.0.0/16"),
        via(eth1, "10.0.2.1"),
        add_rule(eth1, Selector::From, "10.0.2.5"),
        add_rule(eth1, Selector::To, "10.0.2.5"),
        add_rule(eth1, Selector::From, "2001:db8:2::5"),
    ];
    for request in &wanted {
        assert_eq!(helper.ask(request), Reply::Ok, "{request:?}");
    }
    // Foreign ones, of all kinds; they stay.
    world.ip("rule add from 9.9.9.9 lookup 7 priority 31000
         -6 rule add from 2001:db8::9 lookup 7 priority 31000 protocol static
         route add 9.9.9.0/24 dev eth0 table 7
         -6 route add 2001:db8:9::/64 dev eth1 table 7");
    let expected = world.everything();
    // Of ours, in other tables, at other priorities and in other forms; they go.
    world.ip(
        "rule add from 10.0.2.5 lookup 1241 priority 5002 protocol 110
         rule add from 10.0.2.5 lookup 241 priority 32002 iif eth0 protocol 110
         rule add fwmark 5 blackhole priority 4000 protocol 110
         rule add to 10.0.2.9 lookup 241 priority 32003 protocol 110
         -6 rule add from 2001:db8:2::9 lookup 241 priority 32002 protocol 110
         route add default via 10.0.2.1 dev eth1 table 1241 proto 110
         route add unreachable default table 1241 proto 110 metric 4294967295
         route add 10.55.0.0/16 dev docker0 table 241 proto 110
         route add 10.56.0.0/16 table 241 proto 110 nexthop via 172.17.0.8 nexthop via 172.17.0.9
         -6 route add 2001:db8:55::/64 dev docker0 table 241 proto 110
         -6 route add unreachable default table 1241 proto 110 metric 4294967295
         -6 route add default table 1242 proto 110 nexthop via fe80::1 dev eth1 nexthop via fe80::2 dev eth1",
    );
    assert_ne!(world.everything(), expected);
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    for request in &wanted {
        assert_eq!(helper.ask(request), Reply::Exists, "{request:?}");
    }
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert_eq!(world.everything(), expected);
}

#[test]
fn what_is_refused_during_a_synchronisation_is_not_kept() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("rule add from 10.0.2.9 lookup 241 priority 32002 protocol 110");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    let reply = helper.ask(add_rule(eth1, Selector::From, "10.0.2.9"));
    assert_eq!(reply, Reply::Refused(Refusal::AddressAbsent));
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert!(world.rules("-4").is_empty());
}

#[test]
fn the_state_stays_when_the_worker_goes_and_an_empty_synchronisation_removes_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let clean = world.everything();
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for request in [via(eth1, "10.0.2.1"), add_rule(eth1, Selector::From, "10.0.2.5")] {
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
}

#[test]
fn purges_one_table_and_the_rules_to_it() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    let mut helper = world.helper(&policy(&["eth0", "eth1"]));
    for request in [via(eth0, "10.0.1.1"), add_rule(eth0, Selector::To, "10.0.1.5")] {
        assert_eq!(helper.ask(request), Reply::Ok);
    }
    let expected = world.everything();
    for request in [
        via(eth1, "10.0.2.1"),
        via(eth1, "fe80::1"),
        add_subnet(eth1, "10.0.2.5"),
        add_rule(eth1, Selector::From, "10.0.2.5"),
        add_rule(eth1, Selector::To, "2001:db8:2::5"),
    ] {
        assert_eq!(helper.ask(request), Reply::Ok);
    }
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Ok);
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Absent);
    assert_eq!(world.everything(), expected);
}
