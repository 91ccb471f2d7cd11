//! Default routes: the checks of the gateway, the replacement, the fallback.

use crate::world::{HOST, World, add_rule, add_subnet, address, policy, via};
use protocol::{
    Fallback, Family, GatewayCheck, InterfaceName, NextHop, Policy, Refusal, Reply, Request, RouteKind,
    Selector,
};
use std::collections::BTreeMap;

fn on_link(interfaces: &[&str]) -> Policy {
    Policy { gateway_check: GatewayCheck::OnLink, ..policy(interfaces) }
}

#[test]
fn adds_the_default_by_a_known_gateway_of_either_family() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for gateway in ["10.0.2.1", "fe80::1"] {
        assert_eq!(helper.ask(via(eth1, gateway)), Reply::Ok);
        assert_eq!(helper.ask(via(eth1, gateway)), Reply::Exists);
    }
    assert_eq!(world.table("-4", 241), ["default via 10.0.2.1 dev eth1 proto 110"]);
    assert_eq!(world.table("-6", 241), ["default via fe80::1 dev eth1 proto 110 metric 1024 pref medium"]);
}

/// Of an address that went away our rules and our subnet stand until the worker takes them back: until
/// then a look-up of it ends in our own table, which says on-link of it.
#[test]
fn refuses_an_address_that_was_its_own_as_gateway() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("addr add 10.0.9.5/24 dev eth1");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&on_link(&["eth1"]));
    for request in [add_subnet(eth1, "10.0.9.5"), add_rule(eth1, Selector::To, "10.0.9.5")] {
        assert_eq!(helper.ask(&request), Reply::Ok);
    }
    assert_eq!(helper.ask(via(eth1, "10.0.9.5")), Reply::Refused(Refusal::GatewayOwn));
    world.ip("addr del 10.0.9.5/24 dev eth1");
    assert!(world.table("-4", 241).contains(&"10.0.9.0/24 dev eth1 proto 110 scope link".to_owned()));
    assert_eq!(helper.ask(via(eth1, "10.0.9.5")), Reply::Refused(Refusal::GatewayOffLink));
}

/// With a rule in front of it table local does not answer for own addresses.
#[test]
fn refuses_its_own_address_as_gateway_also_where_main_is_looked_up_first() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("rule add pref 0 lookup main\nrule del pref 0 lookup local\nrule add pref 0 lookup local");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&on_link(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.5")), Reply::Refused(Refusal::GatewayOwn));
    assert_eq!(helper.ask(via(eth1, "10.0.2.1")), Reply::Ok);
}

#[test]
fn refuses_every_gateway_that_is_none() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    // 10.0.2.9 is known, but of the other uplink; a default without gateway makes nothing on-link.
    world.ip("route add 10.9.0.0/16 via 10.0.1.9 dev eth0\nroute add default dev eth1 metric 900");
    world.ip("addr add fe80::41/64 dev eth1 nodad\naddr add fe80::40/64 dev eth0 nodad");
    let eth1 = world.ifindex("eth1");
    let before = world.everything();
    let mut helper = world.helper(&policy(&["eth1"]));
    for (gateway, refusal) in [
        ("224.0.0.5", Refusal::GatewayNotUnicast),
        ("255.255.255.255", Refusal::GatewayNotUnicast),
        ("0.0.0.0", Refusal::GatewayNotUnicast),
        ("127.0.0.1", Refusal::GatewayNotUnicast),
        ("ff02::1", Refusal::GatewayNotUnicast),
        ("::", Refusal::GatewayNotUnicast),
        ("10.0.2.255", Refusal::GatewayNotUnicast),
        ("10.0.2.5", Refusal::GatewayOwn),
        ("10.0.1.5", Refusal::GatewayOwn),
        ("2001:db8:2::5", Refusal::GatewayOwn),
        ("fe80::41", Refusal::GatewayOwn),
        ("fe80::40", Refusal::GatewayOwn),
        ("10.0.1.1", Refusal::GatewayOffLink),
        ("9.9.9.9", Refusal::GatewayOffLink),
        ("2001:db8:77::1", Refusal::GatewayOffLink),
        ("10.0.2.9", Refusal::GatewayUnknown),
        ("fe80::9", Refusal::GatewayUnknown),
    ] {
        assert_eq!(helper.ask(via(eth1, gateway)), Reply::Refused(refusal), "{gateway}");
    }
    let mixed = Request::SetDefault {
        ifindex: eth1,
        family: Family::V6,
        next_hop: NextHop::Gateway(address("10.0.2.1")),
    };
    assert_eq!(helper.ask(mixed), Reply::Refused(Refusal::Family));
    assert_eq!(world.everything(), before);
}

#[test]
fn an_own_address_is_no_gateway_also_where_table_local_comes_late() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&on_link(&["eth1"]));
    for text in ["10.0.2.5", "2001:db8:2::5"] {
        assert_eq!(helper.ask(add_subnet(eth1, text)), Reply::Ok);
        assert_eq!(helper.ask(add_rule(eth1, Selector::To, text)), Reply::Ok);
    }
    // Behind our rules, which now answer for these addresses from the interface's own table.
    for family in ["-4", "-6"] {
        world.ip(&format!("{family} rule add lookup local priority 32500\n{family} rule del priority 0"));
    }
    let before = world.everything();
    for text in ["10.0.2.5", "2001:db8:2::5", "10.0.1.5"] {
        assert_eq!(helper.ask(via(eth1, text)), Reply::Refused(Refusal::GatewayOwn), "{text}");
    }
    assert_eq!(world.everything(), before);
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Ok);
}

#[test]
fn takes_a_gateway_that_the_policy_names_or_any_on_link_one_if_it_says_so() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let name = InterfaceName::new("eth1").expect("a name");
    let gateways = BTreeMap::from([(name, vec![address("10.0.2.7")])]);
    let mut helper = world.helper(&Policy { gateways, ..policy(&["eth1"]) });
    assert_eq!(helper.ask(via(eth1, "10.0.2.7")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Refused(Refusal::GatewayUnknown));
    assert_eq!(helper.end().status, 0);
    let mut helper = world.helper(&on_link(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "10.0.1.1")), Reply::Refused(Refusal::GatewayOffLink));
}

#[test]
fn a_gateway_is_known_from_a_multipath_route_but_not_from_its_own() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add 9.0.0.0/8 nexthop via 10.0.1.1 dev eth0 nexthop via 10.0.2.33 dev eth1");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.33")), Reply::Ok);
    world.ip("route del 9.0.0.0/8");
    assert_eq!(helper.ask(via(eth1, "10.0.2.33")), Reply::Refused(Refusal::GatewayUnknown));
}

#[test]
fn replaces_the_default_without_a_moment_without_one() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&on_link(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.1")), Reply::Ok);
    // The kernel's own record of what happens: a replacement is one message, and no deletion.
    let mut monitor = world.monitor("route");
    for gateway in ["10.0.2.8", "10.0.2.1", "10.0.2.8"] {
        assert_eq!(helper.ask(via(eth1, gateway)), Reply::Ok);
        assert_eq!(world.table("-4", 241), [format!("default via {gateway} dev eth1 proto 110")]);
    }
    world.ip("route add 192.0.2.99/32 dev eth1");
    let seen = monitor.until("192.0.2.99");
    let ours: Vec<_> = seen.iter().filter(|line| line.contains("table 241")).collect();
    assert_eq!(ours.len(), 3, "{seen:?}");
    assert!(ours.iter().all(|line| !line.contains("Deleted")), "{ours:?}");
}

#[test]
fn an_ipv6_default_with_and_without_gateway_is_always_one() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    // A bare default elsewhere is what makes this a link without gateway.
    world.ip("-6 route add default dev eth1 metric 900\n-4 route add default dev eth1 metric 900");
    let mut helper = world.helper(&on_link(&["eth1"]));
    let bare = |family| Request::SetDefault { ifindex: eth1, family, next_hop: NextHop::PointToPoint };
    for (flag, family, gateways) in
        [("-6", Family::V6, ["fe80::1", "fe80::2"]), ("-4", Family::V4, ["10.0.2.1", "10.0.2.2"])]
    {
        for request in [
            via(eth1, gateways[0]),
            bare(family),
            via(eth1, gateways[1]),
            via(eth1, gateways[0]),
            bare(family),
        ] {
            assert_eq!(helper.ask(&request), Reply::Ok, "{request:?}");
            assert_eq!(world.table(flag, 241).len(), 1, "{:?}", world.table(flag, 241));
            assert_eq!(helper.ask(&request), Reply::Exists, "{request:?}");
        }
    }
}

#[test]
fn refuses_a_default_without_gateway_where_one_is_needed() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let mut helper = world.helper(&policy(&["eth1", "tun1"]));
    let bare = |ifindex| Request::SetDefault { ifindex, family: Family::V4, next_hop: NextHop::PointToPoint };
    assert_eq!(helper.ask(bare(world.ifindex("eth1"))), Reply::Refused(Refusal::NotPointToPoint));
    if std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_err() {
        eprintln!("SKIPPED: no default without gateway by a tun device: /dev/net/tun cannot be opened");
        return;
    }
    world.ip("tuntap add dev tun1 mode tun\nlink set tun1 up\naddr add 10.7.0.2/32 dev tun1");
    let tun1 = world.ifindex("tun1");
    assert_eq!(helper.ask(bare(tun1)), Reply::Ok);
    let table = world.table("-4", 200 + tun1.get());
    assert_eq!(table.len(), 1);
    assert!(table[0].starts_with("default dev tun1 proto 110 scope link"), "{table:?}");
}

#[test]
fn never_replaces_a_foreign_default() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add default via 10.0.2.1 dev eth1 table 241");
    let eth1 = world.ifindex("eth1");
    let before = world.everything();
    let mut helper = world.helper(&on_link(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Refused(Refusal::TableConflict));
    for route in [RouteKind::Default, RouteKind::Fallback] {
        let delete = Request::DelRoute { ifindex: eth1, family: Family::V4, route };
        assert_eq!(helper.ask(&delete), Reply::Absent);
    }
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Absent);
    assert_eq!(world.everything(), before);
}

#[test]
fn the_fallback_goes_in_first_and_is_deleted_by_its_own_name() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) });
    let unreachable4 = "unreachable default proto 110 metric 4294967295";
    let unreachable6 = "unreachable default dev lo proto 110 metric 4294967295 pref medium";
    let mut monitor = world.monitor("route");
    assert_eq!(helper.ask(via(eth1, "10.0.2.1")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "fe80::1")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "fe80::1")), Reply::Exists);
    world.ip("route add 192.0.2.99/32 dev eth1");
    let seen = monitor.until("192.0.2.99");
    let ours: Vec<_> = seen.iter().filter(|line| line.contains("table 241")).collect();
    assert_eq!(ours.len(), 4, "{seen:?}");
    assert!(ours[0].contains("unreachable") && ours[2].contains("unreachable"), "{ours:?}");
    assert_eq!(world.table("-4", 241), ["default via 10.0.2.1 dev eth1 proto 110", unreachable4]);
    let delete = |family, route| Request::DelRoute { ifindex: eth1, family, route };
    for family in [Family::V4, Family::V6] {
        assert_eq!(helper.ask(delete(family, RouteKind::Default)), Reply::Ok);
        assert_eq!(helper.ask(delete(family, RouteKind::Default)), Reply::Absent);
    }
    assert_eq!(world.table("-4", 241), [unreachable4]);
    assert_eq!(world.table("-6", 241), [unreachable6]);
    // It outlives the interface, and so does the right to delete it.
    world.ip("link del eth1");
    for family in [Family::V4, Family::V6] {
        assert_eq!(helper.ask(delete(family, RouteKind::Fallback)), Reply::Ok);
        assert_eq!(helper.ask(delete(family, RouteKind::Fallback)), Reply::Absent);
    }
    assert!(world.table("-4", 241).is_empty() && world.table("-6", 241).is_empty());
}
