//! Each check against values, one row a case.
#![cfg(test)]

use super::*;
use netlink_packet_core::Emitable;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::RuleAttribute;
use proptest::prelude::*;
use protocol::{NextHop, PatternList, Priority, Selector};

const TABLE: TableId = TableId(203);

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn ifindex() -> Ifindex {
    Ifindex::try_from(3).expect("valid")
}

fn priorities() -> PriorityPair {
    PriorityPair { from: Priority(32_002), to: Priority(32_003) }
}

/// Somebody else's route in main.
fn foreign(destination: &str, oif: u32, gateway: Option<&str>) -> Route {
    let hop = Hop { oif, gateway: gateway.map(ip), onlink: false };
    Route { protocol: 3, ..Route::ours(TableId::MAIN, prefix(destination), hop) }
}

/// A rule with these numbers in place of ours.
fn rule(address: &str, table: u32, priority: u32, protocol: u8) -> Rule {
    let ours = OurRule::new(priorities(), TableId(table), Selector::From, ip(address));
    let mut message = OurRule { priority: Priority(priority), ..ours }.message();
    message.attributes.pop();
    message.attributes.push(RuleAttribute::Protocol(RouteProtocol::from(protocol)));
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    Rule::read(&bytes).expect("legible").expect("a rule")
}

fn place(rules: Vec<Rule>, routes: Vec<Route>) -> Place {
    let family = Family::V4;
    Place { ifindex: ifindex(), family, table: TABLE, priorities: priorities(), rules, routes }
}

#[test]
fn interfaces() {
    let policy =
        Policy { interfaces: PatternList::new(["eth*", "lo", "!eth9"]).expect("good"), ..Policy::default() };
    let of = |name: &str, loopback, enslaved| {
        Some(Link { name: name.to_owned(), loopback, enslaved, point_to_point: false })
    };
    for (found, verdict) in [
        (None, Some(Refusal::NoInterface)),
        (of("wan0", false, false), Some(Refusal::NotListed)),
        (of("eth9", false, false), Some(Refusal::NotListed)),
        (of("lo", true, false), Some(Refusal::Loopback)),
        (of("eth1", false, true), Some(Refusal::Enslaved)),
        (of("eth1", false, false), None),
    ] {
        assert_eq!(link(&policy, found.clone()).err(), verdict, "{found:?}");
    }
}

#[test]
fn addresses() {
    for never in ["127.0.0.2", "169.254.0.1", "224.0.0.1", "255.255.255.255", "0.0.0.0"]
        .into_iter()
        .chain(["fe80::1", "ff02::1", "::", "::1"])
    {
        assert_eq!(source_range(ip(never)), Err(Refusal::AddressUnusable), "{never}");
    }
    let a = |text, usable| Address { address: ip(text), subnet: prefix("10.0.0.0/8"), usable };
    let present = [a("10.0.0.1", false), a("10.0.0.2", true), a("10.0.0.2", false), a("10.0.0.3", true)];
    assert_eq!(source(ip("10.0.0.9"), &present).err(), Some(Refusal::AddressAbsent));
    assert_eq!(source(ip("10.0.0.1"), &present).err(), Some(Refusal::AddressUnusable));
    assert_eq!(source(ip("10.0.0.2"), &present), Ok(present[1]));
}

#[test]
fn gateways() {
    for bad in ["0.1.2.3", "127.0.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"].into_iter().chain([
        "::",
        "::1",
        "ff02::2",
        "::ffff:10.0.0.1",
    ]) {
        assert_eq!(gateway_unicast(ip(bad)), Err(Refusal::GatewayNotUnicast), "{bad}");
    }
    assert_eq!(gateway_unicast(ip("169.254.1.1")), Ok(()));
    let kind = |kind| Some(Route { kind, ..foreign("10.0.2.1", 1, None) });
    assert_eq!(gateway_not_own(kind(RouteType::Local).as_ref()), Err(Refusal::GatewayOwn));
    assert_eq!(gateway_not_own(kind(RouteType::Broadcast).as_ref()), Err(Refusal::GatewayNotUnicast));
    assert_eq!(gateway_not_own(kind(RouteType::Anycast).as_ref()), Err(Refusal::GatewayNotUnicast));
    assert_eq!(gateway_not_own(kind(RouteType::Unicast).as_ref()), Ok(()));
    assert_eq!(gateway_not_own(None), Ok(()));

    let mut twice = foreign("10.0.2.0/24", 3, None);
    twice.hops.push(Hop { oif: 4, gateway: None, onlink: false });
    for (way, on_link) in [
        (Some(foreign("10.0.2.0/24", 3, None)), true),
        (Some(foreign("10.0.2.0/24", 4, None)), false),
        (Some(Route { protocol: 110, ..foreign("10.0.2.0/24", 3, None) }), false),
        (Some(foreign("10.0.2.0/24", 3, Some("10.0.3.1"))), false),
        (Some(foreign("0.0.0.0/0", 3, None)), false),
        (Some(foreign("0.0.0.0/1", 3, None)), false),
        (Some(Route { kind: RouteType::Local, ..foreign("10.0.2.0/24", 3, None) }), false),
        (Some(twice), false),
        (None, false),
    ] {
        assert_eq!(gateway_on_link(way.as_ref(), ifindex()).is_ok(), on_link, "{way:?}");
    }
}

#[test]
fn known_gateways_and_bare_defaults() {
    let place = place(Vec::new(), Vec::new());
    let of_ours = Route { protocol: 110, ..foreign("0.0.0.0/0", 3, Some("10.0.2.1")) };
    let of_our_table = Route { table: TABLE, ..foreign("0.0.0.0/0", 3, Some("10.0.2.1")) };
    for (route, known) in [
        (foreign("0.0.0.0/0", 3, Some("10.0.2.1")), true),
        (foreign("10.9.0.0/16", 3, Some("10.0.2.1")), true),
        (foreign("0.0.0.0/0", 4, Some("10.0.2.1")), false),
        (foreign("0.0.0.0/0", 3, Some("10.0.2.2")), false),
        (of_ours, false),
        (of_our_table, false),
    ] {
        let verdict = gateway_known(&place, ip("10.0.2.1"), std::slice::from_ref(&route));
        assert_eq!(verdict.is_ok(), known, "{route:?}");
    }
    let link =
        |point_to_point| Link { name: "ppp0".to_owned(), loopback: false, enslaved: false, point_to_point };
    let refused = Err(Refusal::NotPointToPoint);
    assert_eq!(no_gateway_needed(&place, &link(true), &[]), Ok(()));
    assert_eq!(no_gateway_needed(&place, &link(false), &[]), refused);
    assert_eq!(no_gateway_needed(&place, &link(false), &[foreign("0.0.0.0/0", 3, None)]), Ok(()));
    assert_eq!(no_gateway_needed(&place, &link(false), &[foreign("0.0.0.0/0", 4, None)]), refused);
    assert_eq!(no_gateway_needed(&place, &link(false), &[foreign("10.0.0.0/8", 3, None)]), refused);
}

#[test]
fn foreign_routes_and_rules() {
    let ours = Route::default_by(TABLE, ifindex(), Family::V4, NextHop::PointToPoint);
    assert_eq!(nothing_foreign(&place(Vec::new(), vec![ours.clone()])), Ok(()));
    let theirs = Route { protocol: 4, ..ours };
    assert_eq!(nothing_foreign(&place(Vec::new(), vec![theirs])), Err(Refusal::TableConflict));
    for (found, conflict) in [
        (rule("10.0.0.1", 203, 32_002, 110), false),
        (rule("10.0.0.1", 203, 90, 4), true),
        (rule("10.0.0.1", 7, 32_002, 4), true),
        (rule("10.0.0.1", 7, 32_003, 0), true),
        (rule("10.0.0.1", 7, 32_001, 4), false),
        (rule("2001:db8::1", 203, 32_002, 4), false),
    ] {
        assert_eq!(nothing_foreign(&place(vec![found.clone()], Vec::new())).is_err(), conflict, "{found:?}");
    }
}

#[test]
fn table_local_first() {
    let local = |priority| Rule { source: None, ..rule("10.0.0.1", 255, priority, 2) };
    for (found, precedes) in [
        (local(0), true),
        (local(32_001), true),
        (local(32_002), false),
        (Rule { plain: false, ..local(0) }, false),
        (Rule { family: Family::V6, ..local(0) }, false),
        (Rule { table: Some(TableId::MAIN), ..local(0) }, false),
        (rule("10.0.0.1", 255, 0, 2), false),
    ] {
        let verdict = local_precedes(&place(vec![found.clone()], Vec::new()));
        assert_eq!(verdict, if precedes { Ok(()) } else { Err(Refusal::LocalRule) }, "{found:?}");
    }
}

#[test]
fn limits() {
    let rule = |selector, text| OurRule::new(priorities(), TABLE, selector, ip(text));
    let standing = [rule(Selector::From, "10.0.0.1")].into();
    let new = |texts: &[&'static str]| texts.iter().map(|text| rule(Selector::To, text)).collect::<Vec<_>>();
    assert_eq!(addresses_within(&standing, &new(&["10.0.0.2"]), 1), Err(Refusal::Limit));
    assert_eq!(addresses_within(&standing, &new(&["10.0.0.2"]), 2), Ok(()));
    assert_eq!(addresses_within(&standing, &new(&["10.0.0.1"]), 1), Ok(()));
    assert_eq!(
        addresses_within(&standing, &new(&["10.0.0.1", "10.0.0.2", "10.0.0.3"]), 2),
        Err(Refusal::Limit)
    );
    // What stands is not refused by a limit that came later.
    assert_eq!(addresses_within(&standing, &[], 0), Ok(()));
    let copy = |text| foreign(text, 9, None);
    let standing = [copy("10.1.0.0/16"), foreign("10.2.0.0/16", 3, None), Route::fallback(TABLE, Family::V4)];
    assert_eq!(copies_within(&standing, &copy("10.3.0.0/16"), ifindex(), 1), Err(Refusal::Limit));
    assert_eq!(copies_within(&standing, &copy("10.3.0.0/16"), ifindex(), 2), Ok(()));
    assert_eq!(copies_within(&standing, &copy("10.1.0.0/16"), ifindex(), 1), Ok(()));
}

#[test]
fn copies_of_main() {
    let destination = prefix("10.88.0.0/16");
    let good = foreign("10.88.0.0/16", 9, Some("172.17.0.2"));
    assert_eq!(copyable(std::slice::from_ref(&good), destination), Ok((&good, 9)));
    assert_eq!(copyable(&[], destination), Err(Refusal::NoSuchRoute));
    assert_eq!(copyable(&[foreign("10.88.0.0/17", 9, None)], destination), Err(Refusal::NoSuchRoute));
    let two = Route { hops: [good.hops.clone(), good.hops.clone()].concat(), ..good.clone() };
    for bad in [
        Route { kind: RouteType::BlackHole, hops: Vec::new(), ..good.clone() },
        Route { special: true, ..good.clone() },
        two,
    ] {
        let higher = Route { metric: 50, ..good.clone() };
        let verdict = copyable(&[higher, bad.clone()], destination).map(drop);
        assert_eq!(verdict, Err(Refusal::RouteNotCopyable), "{bad:?}");
    }
    for other in [Route { protocol: 186, ..good.clone() }, Route { protocol: 110, ..good.clone() }] {
        assert_eq!(copyable(std::slice::from_ref(&other), destination), Err(Refusal::RouteNotCopyable));
        let higher = Route { metric: 50, ..good.clone() };
        assert_eq!(copyable(&[other, higher.clone()], destination), Ok((&higher, 9)));
    }
}

#[test]
fn uplinks() {
    let policy = Policy { interfaces: PatternList::new(["eth1"]).expect("good"), ..Policy::default() };
    let link = |name: &str, loopback| Link {
        name: name.to_owned(),
        loopback,
        enslaved: false,
        point_to_point: false,
    };
    let in_other_table = Route { table: TableId(7), ..foreign("0.0.0.0/0", 9, None) };
    for (name, routes, uplink) in [
        ("docker0", vec![foreign("10.0.0.0/8", 9, None)], false),
        ("docker0", vec![foreign("0.0.0.0/0", 8, None)], false),
        ("docker0", vec![in_other_table], false),
        ("docker0", vec![foreign("128.0.0.0/1", 9, None)], true),
        ("docker0", vec![foreign("2000::/3", 9, None)], true),
        ("eth1", Vec::new(), true),
    ] {
        let verdict = no_uplink(&policy, &link(name, false), 9, routes.iter());
        assert_eq!(verdict, if uplink { Err(Refusal::RouteByUplink) } else { Ok(()) }, "{name} {routes:?}");
    }
    let verdict = no_uplink(&policy, &link("lo", true), 1, std::iter::empty());
    assert_eq!(verdict, Err(Refusal::RouteNotCopyable));
}

proptest! {
    #[test]
    fn no_default_link_local_multicast_or_loopback_prefix_passes(address: IpAddr, length in 0u8..=128) {
        let Ok(prefix) = Prefix::containing(address, length) else { return Ok(()) };
        if routed_prefix(prefix).is_ok() {
            prop_assert!(!prefix.is_default_like());
            for never in ["127.0.0.1", "::1"] { prop_assert!(!prefix.contains(ip(never))); }
            prop_assert!(!prefix.address().is_multicast() && !prefix.address().is_loopback());
            for range in ["169.254.0.0/16", "fe80::/10"] {
                let range: Prefix = range.parse().expect("a prefix");
                prop_assert!(!range.contains(prefix.address()));
            }
        }
    }

    #[test]
    fn an_ordinary_prefix_passes(host in 0u32..0x00ff_ffff, length in 8u8..=32) {
        let address = IpAddr::V4((0x0a00_0000 | host).into());
        let prefix = Prefix::containing(address, length).expect("at most 32");
        prop_assert_eq!(routed_prefix(prefix), Ok(()));
    }
}
