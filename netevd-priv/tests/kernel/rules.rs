//! Rules: added, refused, deleted.

use crate::world::{HOST, World, add_rule, address, policy};
use protocol::{Family, NextHop, Refusal, Reply, Request, RouteKind, Selector};

#[test]
fn adds_both_rules_of_an_address_once() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for (selector, text) in [(Selector::From, "10.0.2.5"), (Selector::To, "10.0.2.5")] {
        assert_eq!(helper.ask(add_rule(eth1, selector, text)), Reply::Ok);
        assert_eq!(helper.ask(add_rule(eth1, selector, text)), Reply::Exists);
    }
    assert_eq!(helper.ask(add_rule(eth1, Selector::From, "2001:db8:2::5")), Reply::Ok);
    assert_eq!(
        world.rules("-4"),
        ["32002: from 10.0.2.5 lookup 241 proto 110", "32003: from all to 10.0.2.5 lookup 241 proto 110"]
    );
    assert_eq!(world.rules("-6"), ["32002: from 2001:db8:2::5 lookup 241 proto 110"]);
}

#[test]
fn deletes_its_own_rule_also_when_the_interface_is_gone_and_never_a_foreign_one() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let delete = Request::DelRule { ifindex: eth1, selector: Selector::From, address: address("10.0.2.5") };
    assert_eq!(helper.ask(&delete), Reply::Absent);
    assert_eq!(helper.ask(add_rule(eth1, Selector::From, "10.0.2.5")), Reply::Ok);
    world.ip("link del eth1");
    assert_eq!(helper.ask(&delete), Reply::Ok);
    // The same in every field but the protocol.
    world.ip("rule add from 10.0.2.5 lookup 241 priority 32002 protocol static");
    let before = world.everything();
    assert_eq!(helper.ask(&delete), Reply::Absent);
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Absent);
    assert_eq!(world.everything(), before);
}

#[test]
fn refuses_interfaces_that_are_gone_unlisted_loopback_or_enslaved() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("link add br0 type bridge\nlink add eth2 type veth peer name p3\nlink set eth2 master br0 up");
    world.ip("addr add 10.0.3.5/24 dev eth2\naddr add 10.0.9.9/32 dev lo");
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth1", "eth2", "lo"]));
    let gone = protocol::Ifindex::try_from(999).expect("valid");
    for (ifindex, text, refusal) in [
        (gone, "10.0.2.5", Refusal::NoInterface),
        (world.ifindex("eth0"), "10.0.1.5", Refusal::NotListed),
        (world.ifindex("lo"), "10.0.9.9", Refusal::Loopback),
        (world.ifindex("eth2"), "10.0.3.5", Refusal::Enslaved),
    ] {
        assert_eq!(helper.ask(add_rule(ifindex, Selector::From, text)), Reply::Refused(refusal));
    }
    assert_eq!(world.everything(), before);
}

#[test]
fn the_current_name_decides_not_the_index() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    world.ip("link set eth1 down\nlink set eth1 name wan1\nlink set wan1 up");
    let request = add_rule(eth1, Selector::From, "10.0.2.5");
    assert_eq!(helper.ask(&request), Reply::Refused(Refusal::NotListed));
}

#[test]
fn refuses_addresses_that_are_absent_or_unusable() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("link add eth3 type veth peer name peer3
         link set eth3 up
         addr add 2001:db8:3::5/64 dev eth3
         addr add 169.254.7.7/16 dev eth1
         addr add 10.0.6.77/24 dev eth1 scope link
         addr add 127.0.0.9/8 dev eth1
         -6 addr add fe80::77/64 dev eth1 nodad");
    let (eth1, eth3) = (world.ifindex("eth1"), world.ifindex("eth3"));
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth*"]));
    for (ifindex, text, refusal) in [
        (eth1, "10.0.2.6", Refusal::AddressAbsent),
        // On this host, but by another interface.
        (eth1, "10.0.1.5", Refusal::AddressAbsent),
        (eth1, "2001:db8:2::6", Refusal::AddressAbsent),
        (eth1, "10.0.6.77", Refusal::AddressUnusable),
        (eth1, "169.254.7.7", Refusal::AddressUnusable),
        (eth1, "127.0.0.9", Refusal::AddressUnusable),
        (eth1, "fe80::77", Refusal::AddressUnusable),
        (eth1, "224.0.0.1", Refusal::AddressUnusable),
        (eth1, "0.0.0.0", Refusal::AddressUnusable),
        (eth1, "::", Refusal::AddressUnusable),
        // Without a carrier its duplicate check never ends.
        (eth3, "2001:db8:3::5", Refusal::AddressUnusable),
    ] {
        for selector in [Selector::From, Selector::To] {
            let reply = helper.ask(add_rule(ifindex, selector, text));
            assert_eq!(reply, Reply::Refused(refusal), "{text}");
        }
    }
    assert_eq!(world.everything(), before);
}

#[test]
fn refuses_beside_foreign_rules_and_routes() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let request = add_rule(eth1, Selector::From, "10.0.2.5");
    for (put, take, refusal) in [
        ("rule add fwmark 7 lookup 241 priority 90", "rule del priority 90", Refusal::RuleConflict),
        ("rule add from 9.9.9.9 lookup 7 priority 32002", "rule del priority 32002", Refusal::RuleConflict),
        ("rule add from 9.9.9.9 blackhole priority 32003", "rule del priority 32003", Refusal::RuleConflict),
        ("route add unreachable 9.9.9.0/24 table 241", "route flush table 241", Refusal::TableConflict),
        ("route add 9.9.9.0/24 dev eth0 table 241", "route flush table 241", Refusal::TableConflict),
    ] {
        world.ip(put);
        let before = world.everything();
        assert_eq!(helper.ask(&request), Reply::Refused(refusal), "{put}");
        assert_eq!(world.everything(), before);
        world.ip(take);
    }
    // Of the other family they are in nobody's way.
    world.ip(
        "-6 rule add fwmark 7 lookup 241 priority 90\n-6 route add unreachable 2001:db8:9::/64 table 241",
    );
    assert_eq!(helper.ask(&request), Reply::Ok);
    let reply = helper.ask(add_rule(eth1, Selector::From, "2001:db8:2::5"));
    assert_eq!(reply, Reply::Refused(Refusal::TableConflict));
}

#[test]
fn refuses_rules_unless_table_local_precedes() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let to = add_rule(eth1, Selector::To, "10.0.2.5");
    world.ip("rule add lookup local priority 32500\nrule del priority 0 lookup local");
    assert_eq!(helper.ask(&to), Reply::Refused(Refusal::LocalRule));
    world.ip("rule add fwmark 1 lookup local priority 50");
    assert_eq!(helper.ask(&to), Reply::Refused(Refusal::LocalRule));
    let from = add_rule(eth1, Selector::From, "10.0.2.5");
    assert_eq!(helper.ask(from), Reply::Refused(Refusal::LocalRule));
    // Where some programs move it to.
    world.ip("rule add lookup local priority 100");
    assert_eq!(helper.ask(&to), Reply::Ok);
}

#[test]
fn tables_of_the_kernel_stay_as_they_are_at_their_indices() {
    let Some(world) = World::new() else { return };
    for index in 53..=55 {
        world.ip(&format!(
            "link add eth{index} index {index} type veth peer name p{index}
             link set p{index} up
             link set eth{index} up
             addr add 10.0.{index}.5/24 dev eth{index}
             route add default via 10.0.{index}.1 dev eth{index} metric {index}"
        ));
    }
    let kernel_s = |world: &World| [253, 254, 255].map(|table| world.table("-4", table));
    let before = kernel_s(&world);
    let mut helper = world.helper(&policy(&["eth*"]));
    for index in 53u32..=55 {
        let ifindex = world.ifindex(&format!("eth{index}"));
        let own = format!("10.0.{index}.5");
        let hop = NextHop::Gateway(address(&format!("10.0.{index}.1")));
        for request in [
            Request::AddSubnet { ifindex, address: address(&own) },
            Request::SetDefault { ifindex, family: Family::V4, next_hop: hop },
            add_rule(ifindex, Selector::From, &own),
            add_rule(ifindex, Selector::To, &own),
        ] {
            assert_eq!(helper.ask(&request), Reply::Ok, "{request:?}");
        }
        assert_eq!(world.table("-4", 65_736 + index).len(), 2);
        let delete = Request::DelRoute { ifindex, family: Family::V4, route: RouteKind::Default };
        assert_eq!(helper.ask(&delete), Reply::Ok);
    }
    assert_eq!(kernel_s(&world), before);
    assert_eq!(world.rules("-4").len(), 6);
    for index in 53..=55 {
        let purge = Request::Purge { ifindex: world.ifindex(&format!("eth{index}")) };
        assert_eq!(helper.ask(&purge), Reply::Ok);
    }
    assert_eq!(kernel_s(&world), before);
    assert!(world.rules("-4").is_empty());
}
