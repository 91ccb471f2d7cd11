//! Default routes: where they come from, the checks of a gateway, the replacement, the fallback.

use crate::world::{HOST, World, address, as_main, copy, default, del_routes, policy, via};
use protocol::{
    Fallback, Family, GatewayCheck, GatewayName, InterfaceName, NextHop, Policy, Refusal, Reply, TableId,
};
use std::collections::BTreeMap;

fn on_link(interfaces: &[&str]) -> Policy {
    Policy { gateway_check: GatewayCheck::OnLink, ..policy(interfaces) }
}

fn with_gateways(gateways: &[&str]) -> Policy {
    let gateways = gateways.iter().map(|text| text.parse::<GatewayName>().expect("a gateway")).collect();
    let name = InterfaceName::new("eth1").expect("a name");
    Policy { gateways: BTreeMap::from([(name, gateways)]), ..policy(&["eth1"]) }
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

#[test]
fn copies_main_s_defaults_by_the_interface_with_metric_and_attributes() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add default metric 150 mtu lock 1400 advmss 1300 initcwnd 20 nexthop via 10.0.2.1 dev eth1 nexthop via 10.0.1.1 dev eth0
         route add default via 192.0.2.7 dev eth1 onlink metric 160
         -4 route add default via inet6 fe80::1 dev eth1 metric 170
         route add blackhole default metric 180
         route add unreachable default metric 4294967295
         -6 route add default from 2001:db8:2::/64 via fe80::1 dev eth1 metric 300 hoplimit 9
         -6 route append default via fe80::3 dev eth1 metric 200");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for family in [Family::V4, Family::V6] {
        assert_eq!(helper.ask(as_main(eth1, family)), Reply::Ok);
        assert_eq!(helper.ask(as_main(eth1, family)), Reply::Exists);
    }
    assert_eq!(
        world.table("-4", 241),
        [
            "default via 10.0.2.1 dev eth1 proto 110 metric 150 mtu lock 1400 advmss 1300 initcwnd 20",
            "default via 192.0.2.7 dev eth1 proto 110 metric 160 onlink",
            "default via inet6 fe80::1 dev eth1 proto 110 metric 170",
            "blackhole default proto 110 metric 180",
            "default via 10.0.2.1 dev eth1 proto 110 metric 200",
        ]
    );
    let six = world.table("-6", 241);
    assert_eq!(six.len(), 4, "{six:?}");
    assert_eq!(
        six[0],
        "default from 2001:db8:2::/64 via fe80::1 dev eth1 proto 110 metric 300 hoplimit 9 pref medium"
    );
    assert!(six[1].starts_with("default proto 110 metric 200"), "{six:?}");
    // What main no longer has goes, and nothing else is touched.
    world.ip("route del default metric 150\nroute del default metric 160\nroute del default metric 180");
    assert_eq!(helper.ask(as_main(eth1, Family::V4)), Reply::Ok);
    assert_eq!(
        world.table("-4", 241),
        [
            "default via inet6 fe80::1 dev eth1 proto 110 metric 170",
            "default via 10.0.2.1 dev eth1 proto 110 metric 200",
        ]
    );
    // Without a default through the interface only what has no interface is copied.
    world.ip("route add prohibit default metric 190");
    assert_eq!(helper.ask(default(eth1, Family::V4, NextHop::Nothing)), Reply::Ok);
    assert_eq!(world.table("-4", 241), ["prohibit default proto 110 metric 190"]);
}

#[test]
fn ipv6_defaults_that_main_holds_apart_stay_apart_by_preference() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    // As router advertisements make them: apart at one metric, which only the kernel itself does. Routes by
    // nexthop objects are not joined either.
    world.ip("nexthop add id 1 via fe80::11 dev eth1
         nexthop add id 2 via fe80::12 dev eth1
         nexthop add id 3 via fe80::13 dev eth1
         -6 route flush default
         -6 route add default nhid 1 metric 500 pref low
         -6 route append default nhid 2 metric 500 pref high
         -6 route append default nhid 3 metric 500
         -6 route add default via fe80::14 dev eth1 metric 501");
    assert_eq!(world.table("-6", 254).iter().filter(|line| line.starts_with("default")).count(), 4);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(as_main(eth1, Family::V6)), Reply::Ok);
    assert_eq!(
        world.table("-6", 241),
        [
            "default via fe80::12 dev eth1 proto 110 metric 500 pref high",
            "default via fe80::14 dev eth1 proto 110 metric 501 pref medium",
            "default via fe80::13 dev eth1 proto 110 metric 502 pref medium",
            "default via fe80::11 dev eth1 proto 110 metric 503 pref low",
        ]
    );
    assert_eq!(helper.ask(as_main(eth1, Family::V6)), Reply::Exists);
}

#[test]
fn takes_defaults_from_another_table_but_never_from_its_own_or_local() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add default via 10.0.2.44 dev eth1 table 77 metric 5
         route add default via 10.0.1.44 dev eth0 table 77 metric 6
         route add default via 10.0.1.44 dev eth0 table 78
         route add default via 10.0.2.44 dev eth1 table 79 proto 110");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let from = |table| default(eth1, Family::V4, NextHop::Table(TableId(table)));
    assert_eq!(helper.ask(from(77)), Reply::Ok);
    assert_eq!(world.table("-4", 241), ["default via 10.0.2.44 dev eth1 proto 110 metric 5"]);
    for (table, refusal) in [
        (78, Refusal::NoSuchRoute),
        (79, Refusal::NoSuchRoute),
        (80, Refusal::NoSuchRoute),
        (241, Refusal::TableForbidden),
        (255, Refusal::TableForbidden),
        (0, Refusal::TableForbidden),
    ] {
        assert_eq!(helper.ask(from(table)), Reply::Refused(refusal), "{table}");
    }
    assert_eq!(world.table("-4", 241), ["default via 10.0.2.44 dev eth1 proto 110 metric 5"]);
}

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
    let mixed = default(eth1, Family::V6, NextHop::Gateway(address("10.0.2.1")));
    assert_eq!(helper.ask(mixed), Reply::Refused(Refusal::Family));
    assert_eq!(world.everything(), before);
}

#[test]
fn takes_a_gateway_that_the_policy_names_or_any_on_link_one_if_it_says_so() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    world.ip("addr add 10.0.8.130/25 dev eth1");
    let mut helper = world.helper(&with_gateways(&["10.0.2.7"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.7")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Refused(Refusal::GatewayUnknown));
    assert_eq!(helper.ask(via(eth1, "10.0.8.129")), Reply::Refused(Refusal::GatewayUnknown));
    assert_eq!(helper.end().status, 0);
    // The first host of each of its subnets, and no other.
    let mut helper = world.helper(&with_gateways(&["10.0.2.7", "first"]));
    assert_eq!(helper.ask(via(eth1, "10.0.8.129")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "2001:db8:2::1")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "10.0.8.131")), Reply::Refused(Refusal::GatewayUnknown));
    assert_eq!(helper.end().status, 0);
    let mut helper = world.helper(&on_link(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "10.0.2.8")), Reply::Ok);
}

#[test]
fn a_gateway_that_the_kernel_has_on_trust_is_taken_on_trust() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip("route add 10.66.0.0/16 via 192.0.2.1 dev eth1 onlink");
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(via(eth1, "192.0.2.1")), Reply::Ok);
    assert_eq!(world.table("-4", 241), ["default via 192.0.2.1 dev eth1 proto 110 onlink"]);
    assert_eq!(helper.ask(via(eth1, "192.0.2.2")), Reply::Refused(Refusal::GatewayOffLink));
}

#[test]
fn takes_a_gateway_from_one_path_of_several() {
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
    let bare = |family| default(eth1, family, NextHop::PointToPoint);
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
    let bare = |ifindex| default(ifindex, Family::V4, NextHop::PointToPoint);
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
    assert_eq!(helper.ask(del_routes(eth1, &["0.0.0.0/0"])), Reply::Absent);
    assert_eq!(world.everything(), before);
}

#[test]
fn the_fallback_is_there_with_and_without_a_gateway() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) });
    let unreachable4 = "unreachable default proto 110 metric 4294967295";
    let unreachable6 = "unreachable default dev lo proto 110 metric 4294967295 pref medium";
    assert_eq!(helper.ask(default(eth1, Family::V4, NextHop::Nothing)), Reply::Ok);
    assert_eq!(world.table("-4", 241), [unreachable4]);
    assert_eq!(helper.ask(via(eth1, "10.0.2.1")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "fe80::1")), Reply::Ok);
    assert_eq!(helper.ask(via(eth1, "fe80::1")), Reply::Exists);
    assert_eq!(world.table("-4", 241), ["default via 10.0.2.1 dev eth1 proto 110", unreachable4]);
    for family in [Family::V4, Family::V6] {
        assert_eq!(helper.ask(default(eth1, family, NextHop::Nothing)), Reply::Ok);
        assert_eq!(helper.ask(default(eth1, family, NextHop::Nothing)), Reply::Exists);
    }
    assert_eq!(world.table("-4", 241), [unreachable4]);
    assert_eq!(world.table("-6", 241), [unreachable6]);
    for text in ["0.0.0.0/0", "::/0"] {
        assert_eq!(helper.ask(del_routes(eth1, &[text])), Reply::Ok);
        assert_eq!(helper.ask(del_routes(eth1, &[text])), Reply::Absent);
    }
    assert!(world.table("-4", 241).is_empty() && world.table("-6", 241).is_empty());
}

#[test]
fn a_default_is_no_prefix_to_copy() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    for text in ["0.0.0.0/0", "::/0"] {
        assert_eq!(helper.ask(copy(eth1, &[text])), Reply::Refused(Refusal::RouteNotCopyable));
        assert_eq!(
            helper.ask(crate::world::follow(eth1, &[text])),
            Reply::Refused(Refusal::RouteNotCopyable)
        );
    }
}
