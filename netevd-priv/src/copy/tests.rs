#![cfg(test)]

use super::*;
use crate::object::Object;
use nix::libc::{RTA_GATEWAY, RTA_MULTIPATH, RTA_PREF, RTA_SRC, RTM_DELROUTE, RTN_BLACKHOLE, RTN_UNICAST};
use protocol::Family;

const T: TableId = TableId(241);

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn hop(oif: u32, via: &str) -> Hop {
    Hop::by(oif, (!via.is_empty()).then(|| via.parse().expect("an address")), false)
}

/// A route of ours in T; a metric of 0 is the family's own.
fn ours(to: &str, metric: u32, hops: &[(u32, &str)]) -> Route {
    let first = hops.first().map(|(oif, via)| hop(*oif, via));
    let mut route = Route::ours(T, prefix(to), RTN_UNICAST, first);
    route.metric += metric;
    route.copy(T, hops.iter().map(|(oif, via)| hop(*oif, via)).collect())
}

/// The same in main, of protocol static.
fn main(to: &str, metric: u32, hops: &[(u32, &str)]) -> Route {
    let mut bytes = ours(to, metric, hops).copy(TableId::MAIN, ours(to, metric, hops).hops).addition(0).bytes;
    bytes[5] = 4;
    Route::read(&bytes, &|_| true).expect("legible").expect("a route")
}

fn preferring(route: &Route, preference: u8) -> Route {
    let object = Object { head: route.addition(0).bytes, ..Object::default() };
    let bytes = object.with(RTA_PREF, [preference]).bytes();
    Route::read(&bytes, &|_| true).expect("legible").expect("a route")
}

#[test]
fn hops_that_do_not_stay_are_left_out_and_one_that_is_left_is_a_plain_route() {
    let routes = [
        main("10.1.0.0/16", 0, &[(3, "192.0.2.1"), (4, "192.0.2.2")]),
        main("10.2.0.0/16", 0, &[(4, "192.0.2.2")]),
        main("10.3.0.0/16", 7, &[(3, "")]),
    ];
    let copied = copies(T, &routes, |_, hop| hop.oif() != 4);
    assert_eq!(copied, [ours("10.1.0.0/16", 0, &[(3, "192.0.2.1")]), ours("10.3.0.0/16", 7, &[(3, "")])]);
    // Ours in main are none of main's.
    assert_eq!(copies(T, &[ours("10.1.0.0/16", 0, &[(3, "")])], |_, _| true), []);
}

#[test]
fn ipv6_routes_that_main_holds_apart_get_metrics_one_after_the_other() {
    let route = |metric, via, preference| preferring(&main("::/0", metric, &[(3, via)]), preference);
    let routes = [
        route(0, "fe80::1", 3),
        route(0, "fe80::2", 0),
        route(0, "fe80::3", 1),
        route(2, "fe80::4", 0),
        route(0, "", 0),
    ];
    let copied = copies(T, &routes, |_, _| true);
    let mut found: Vec<_> =
        copied.iter().map(|r| (r.metric, r.hops[0].gateway().map(|g| g.to_string()))).collect();
    found.sort();
    let via = |metric, text: &str| (metric, Some(text.to_owned()));
    assert_eq!(
        found,
        [
            (1024, None),
            via(1024, "fe80::3"),
            via(1025, "fe80::2"),
            via(1026, "fe80::4"),
            via(1027, "fe80::1")
        ]
    );
    for copy in &copied {
        assert!(is_granted(copy, 3, &[], &routes), "{copy:?}");
    }
}

#[test]
fn what_follows_goes_where_the_default_goes() {
    let other = Route::ours(TableId(242), prefix("0.0.0.0/0"), RTN_UNICAST, Some(hop(9, "192.0.2.9")));
    let own = [other, ours("0.0.0.0/0", 20, &[(3, "192.0.2.2")]), ours("0.0.0.0/0", 10, &[(3, "192.0.2.1")])];
    assert_eq!(follow(T, &own, prefix("10.0.1.0/24")), ours("10.0.1.0/24", 0, &[(3, "192.0.2.1")]));
    // A default of one source alone is no way for everybody else.
    let bytes = ours("::/0", 5, &[(3, "fe80::1")]).addition(0).bytes;
    let source = [0x20, 1, 0xd, 0xb8].into_iter().chain([0; 12]).collect::<Vec<u8>>();
    let mut special = Object::read(&bytes, 12).expect("legible").with(RTA_SRC, source);
    special.head[2] = 32;
    let special = Route::read(&special.bytes(), &|_| true).expect("legible").expect("a route");
    let six = [special, ours("::/0", 9, &[(3, "fe80::2")])];
    assert_eq!(follow(T, &six, prefix("2001:db8:1::/64")), ours("2001:db8:1::/64", 0, &[(3, "fe80::2")]));
    let nowhere = Route::ours(T, prefix("10.0.1.0/24"), RTN_UNREACHABLE, None);
    assert_eq!(follow(T, &own[..1], prefix("10.0.1.0/24")), nowhere);
    // Granted as long as main holds the prefix and the default is this.
    let held = [main("10.0.1.0/24", 0, &[(8, "")])];
    let route = follow(T, &own, prefix("10.0.1.0/24"));
    assert!(is_granted(&route, 3, &own, &held));
    assert!(!is_granted(&route, 3, &own, &[]) && !is_granted(&route, 3, &own[..2], &held));
    assert!(is_granted(&nowhere, 3, &[], &held) && !is_granted(&nowhere, 3, &own, &held));
}

#[test]
fn a_copy_is_granted_as_long_as_main_says_the_same() {
    let to = "10.1.0.0/16";
    let both = [main(to, 5, &[(3, "192.0.2.1"), (4, "192.0.2.2")])];
    for granted in [ours(to, 5, &[(3, "192.0.2.1")]), ours(to, 5, &[(4, "192.0.2.2"), (3, "192.0.2.1")])] {
        assert!(is_granted(&granted, 9, &[], &both), "{granted:?}");
    }
    for refused in [
        ours(to, 6, &[(3, "192.0.2.1")]),
        ours(to, 5, &[(3, "192.0.2.2")]),
        ours(to, 5, &[(3, "192.0.2.1"), (5, "192.0.2.3")]),
        Route::ours(T, prefix(to), RTN_BLACKHOLE, None),
        Route::ours(T, prefix(to), RTN_THROW, None),
    ] {
        assert!(!is_granted(&refused, 9, &[], &both), "{refused:?}");
    }
    // What stands for a default, and what is of one link, by the own link alone.
    let huge = [main("0.0.0.0/1", 0, &[(3, "192.0.2.1"), (4, "192.0.2.2")])];
    assert!(is_granted(&ours("0.0.0.0/1", 0, &[(3, "192.0.2.1")]), 3, &[], &huge));
    assert!(!is_granted(&ours("0.0.0.0/1", 0, &[(4, "192.0.2.2")]), 3, &[], &huge));
}

/// What is written, as `add`, `append`, `replace` or `del` with the gateway's last byte.
fn steps(own: &[Route], wanted: &[Route]) -> Vec<String> {
    let (writes, _) = changes(own.iter().collect(), wanted);
    let word = |message: &Message| match message.flags {
        0 => "del",
        flags if flags & NLM_F_REPLACE != 0 => "replace",
        flags if flags & NLM_F_APPEND != 0 => "append",
        _ => "add",
    };
    writes
        .iter()
        .map(|message| {
            assert_eq!(message.kind == RTM_DELROUTE, message.flags == 0);
            let object = Object::read(&message.bytes, 12).expect("legible");
            let via = object.attributes.get(&RTA_GATEWAY).or(object.attributes.get(&RTA_MULTIPATH));
            let last = via.and_then(|via| via.last().copied());
            format!("{} {}", word(message), last.unwrap_or(0))
        })
        .collect()
}

#[test]
fn the_least_that_leads_from_one_set_of_routes_to_another() {
    let four = |n: u8| ours("10.0.0.0/8", 0, &[(3, &format!("192.0.2.{n}"))]);
    let six = |n: u8, metric| ours("2001:db8::/32", metric, &[(3, &format!("fe80::{n}"))]);
    let none: [Route; 0] = [];
    assert_eq!(steps(&none, &none), Vec::<String>::new());
    assert_eq!(steps(&[four(1)], &[four(1)]), Vec::<String>::new());
    assert_eq!(steps(&none, &[four(1), four(2)]), ["add 1", "append 2"]);
    assert_eq!(steps(&[four(1)], &none), ["del 1"]);
    assert_eq!(steps(&[four(1)], &[four(2)]), ["replace 2"]);
    // The order of IPv4 routes of one key counts.
    assert_eq!(steps(&[four(1), four(2)], &[four(2), four(1)]), ["del 2", "replace 2", "append 1"]);
    assert_eq!(steps(&[four(1), four(2)], &[four(1)]), ["del 2"]);
    // Another metric is another place: first there, then gone here.
    assert_eq!(steps(&[six(1, 0)], &[six(1, 7)]), ["add 1", "del 1"]);
    // What is direct comes first and goes last.
    let direct = ours("192.0.2.0/24", 0, &[(3, "")]);
    assert_eq!(steps(&none, &[four(1), direct.clone()]), ["add 0", "add 1"]);
    assert_eq!(steps(&[direct, four(1)], &none), ["del 1", "del 0"]);
    let fallback = Route::fallback(T, Family::V4);
    assert_eq!(steps(&[fallback, ours("0.0.0.0/0", 0, &[(3, "192.0.2.9")])], &none), ["del 9", "del 0"]);
}

#[test]
fn hops_in_another_order_are_equal_and_are_deleted_in_theirs() {
    let to = "10.0.0.0/8";
    let wanted = [ours(to, 0, &[(3, "192.0.2.1"), (4, "192.0.2.2")])];
    let mut turned = wanted[0].clone();
    turned.hops.reverse();
    let turned = Route::read(&turned.addition(0).bytes, &|_| true).expect("legible").expect("a route");
    assert_eq!(steps(std::slice::from_ref(&turned), &wanted), Vec::<String>::new());
    let deletion = teardown(vec![turned]).next().expect("one");
    let list = Object::read(&deletion.bytes, 12).expect("legible").attributes[&RTA_MULTIPATH].clone();
    assert_eq!([list[4], list[20]], [4, 3], "the interfaces of hops of 16 bytes");
}

#[test]
fn hops_of_an_ipv6_route_that_nobody_wants_are_shed_by_name() {
    let to = "2001:db8::/32";
    let joined = ours(to, 0, &[(3, "fe80::1"), (3, "fe80::2"), (3, "fe80::3")]);
    let wanted = [ours(to, 0, &[(3, "fe80::1"), (3, "fe80::2")])];
    let shed: Vec<Message> = ours(to, 0, &[(3, "fe80::3")]).deletions().collect();
    assert_eq!(changes(vec![&joined], &wanted), (shed, true));
    assert_eq!(changes(vec![&wanted[0]], &wanted), (Vec::new(), false));
    let (_, shed) = changes(vec![&wanted[0]], &[joined]);
    assert!(!shed, "all of it is wanted");
}
