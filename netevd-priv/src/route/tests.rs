#![cfg(test)]

use super::*;
use nix::libc::{RTA_PREFSRC, RTN_BROADCAST};
use proptest::prelude::*;

const T: TableId = TableId(65_789);

fn prefix_of(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn gateway(text: &str) -> Option<IpAddr> {
    Some(text.parse().expect("an address"))
}

fn read(bytes: &[u8]) -> Route {
    Route::read(bytes, &|_| true).expect("legible").expect("a route")
}

/// As the kernel dumps it.
fn dumped(route: &Route) -> Route {
    read(&route.addition(0).bytes)
}

fn multipath(to: &str, hops: &[(u32, &str)]) -> Route {
    let hops = hops.iter().map(|(oif, via)| Hop::by(*oif, gateway(via), false)).collect();
    Route::ours(T, prefix_of(to), RTN_UNICAST, None).copy(T, hops)
}

#[test]
fn each_of_ours_reads_back_as_itself() {
    let mut via6 = Hop::by(3, None, true);
    via6.0 = via6.0.with(RTA_VIA, [vec![10, 0], vec![254, 128], vec![0; 14]].concat());
    assert_eq!(via6.gateway(), gateway("fe80::"));
    for route in [
        Route::ours(T, prefix_of("0.0.0.0/0"), RTN_UNICAST, Some(Hop::by(3, gateway("192.0.2.1"), true))),
        Route::ours(T, prefix_of("::/0"), RTN_UNICAST, Some(Hop::by(3, gateway("fe80::1"), false))),
        Route::ours(T, prefix_of("192.0.2.0/24"), RTN_UNICAST, Some(Hop::by(3, None, false))),
        Route::ours(T, prefix_of("10.0.0.0/8"), RTN_UNICAST, Some(via6)),
        Route::ours(T, prefix_of("10.0.0.0/8"), RTN_THROW, None),
        Route::fallback(T, Family::V4),
        Route::fallback(T, Family::V6),
        multipath("10.0.0.0/8", &[(3, "192.0.2.1"), (4, "192.0.2.2")]),
        multipath("2001:db8::/32", &[(3, "fe80::1"), (4, "fe80::2")]),
    ] {
        assert_eq!(dumped(&route), route);
        assert!(route.is_ours() && route.is_whole());
    }
}

#[test]
fn a_copy_has_attributes_as_bytes_and_no_preferred_source() {
    let metrics = vec![8, 0, 2, 0, 0x78, 5, 0, 0, 8, 0, 1, 0, 4, 0, 0, 0];
    let mut main =
        Route::ours(TableId::MAIN, prefix_of("10.0.0.0/8"), RTN_UNICAST, Some(Hop::by(3, None, false)));
    main.object.head[5] = 4;
    let object = Object { head: main.addition(0).bytes, ..Object::default() };
    let more = object
        .with(RTA_METRICS, metrics.clone())
        .with(RTA_PREFSRC, [10, 0, 0, 1])
        .with(RTA_FLOW, [7, 0, 0, 0]);
    let original = read(&more.bytes());
    assert!(original.counts() && original.object.attributes[&RTA_METRICS] == metrics);
    let copy = original.copy(T, original.hops.clone());
    assert_eq!(dumped(&copy), copy);
    let written = Object::read(&copy.addition(0).bytes, RTMSG).expect("legible").attributes;
    let kinds: Vec<u16> = written.keys().copied().collect();
    assert_eq!(kinds, [RTA_DST, RTA_OIF, RTA_METRICS, RTA_FLOW, RTA_TABLE]);
    // A deletion names table, prefix, protocol and hop, and nothing that might differ by a hair.
    let deletion = copy.deletions().next().expect("one");
    let kinds: Vec<u16> =
        Object::read(&deletion.bytes, RTMSG).expect("legible").attributes.keys().copied().collect();
    assert_eq!(kinds, [RTA_DST, RTA_MULTIPATH, RTA_TABLE]);
    assert_eq!((deletion.kind, deletion.flags, deletion.bytes[5]), (RTM_DELROUTE, 0, PROTOCOL));
}

#[test]
fn what_is_gone_or_foreign_or_hidden_is_seen_as_such() {
    let mut route =
        Route::ours(TableId::MAIN, prefix_of("2001:db8::/32"), RTN_UNICAST, Some(Hop::by(3, None, false)));
    route.object.head[5] = 9;
    let with = |kind: u16, value: Vec<u8>| {
        let object = Object { head: route.addition(0).bytes, ..Object::default() };
        read(&object.with(kind, value).bytes())
    };
    let expires = |seconds: i32| [vec![0; 8], seconds.to_ne_bytes().to_vec(), vec![0; 20]].concat();
    assert!(with(RTA_CACHEINFO, expires(0)).counts() && with(RTA_CACHEINFO, expires(9)).counts());
    assert!(!with(RTA_CACHEINFO, expires(-1)).counts());
    let mut bytes = route.addition(0).bytes;
    bytes[9] |= 2;
    assert!(!read(&bytes).counts(), "RTM_F_CLONED");
    assert!(!with(RTA_ENCAP_TYPE, vec![6, 0]).is_whole() && with(RTA_ENCAP_TYPE, vec![2, 0]).is_whole());
    let mut hidden = route.clone();
    hidden.hops.clear();
    assert!(!dumped(&hidden).is_whole());
    assert_eq!(with(RTA_NH_ID, vec![7, 0, 0, 0]), route);
    let own =
        Route::ours(T, prefix_of("10.0.0.0/8"), RTN_UNICAST, Some(Hop::by(3, gateway("192.0.2.1"), false)));
    let own = Object { head: own.addition(0).bytes, ..Object::default() }.with(RTA_NH_ID, [7, 0, 0, 0]);
    assert!(read(&own.bytes()).hops.is_empty(), "one of ours by an object is not the helper's");
    assert_eq!(with(RTA_PREF, vec![3]).preference(), 3);
    assert_eq!(with(RTA_PREF, vec![0]), route);
    let mut broadcast = route.clone();
    broadcast.object.head[7] = RTN_BROADCAST;
    assert!(!broadcast.counts());
}

#[test]
fn ipv6_routes_of_several_hops_are_deleted_by_each() {
    let six = multipath("2001:db8::/32", &[(3, "fe80::1"), (4, "fe80::2")]);
    assert_eq!((six.parts().len(), six.deletions().count()), (2, 2));
    assert!(six.parts().iter().all(|part| part.is_part_of(&six)));
    let four = multipath("10.0.0.0/8", &[(3, "192.0.2.1"), (4, "192.0.2.2")]);
    assert_eq!((four.parts().len(), four.deletions().count()), (1, 1));
}

#[test]
fn a_message_that_is_cut_is_an_error() {
    let bytes = multipath("10.0.0.0/8", &[(3, "192.0.2.1"), (4, "192.0.2.2")]).addition(0).bytes;
    for length in [0, 5, 11, 13, 30, bytes.len() - 1] {
        assert!(Route::read(&bytes[..length], &|_| true).is_err(), "{length}");
    }
    assert!(Route::read(&bytes, &|_| false).is_ok_and(|route| route.is_none()));
    let other = Route::read(&[&[128], &bytes[1..]].concat(), &|_| true);
    assert!(other.is_ok_and(|route| route.is_none()), "multicast routing");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), family in prop_oneof![Just(2u8), Just(10)]) {
        let _ = Route::read(&[&[family], &bytes[..]].concat(), &|_| true);
    }

    #[test]
    fn a_delete_always_names_table_and_protocol(address: IpAddr, length in 0u8..=32, table: u32) {
        let prefix = Prefix::containing(address, length).expect("at most 32");
        let route = Route::ours(TableId(table), prefix, RTN_UNICAST, Some(Hop::by(7, None, false)));
        for message in route.deletions() {
            let object = Object::read(&message.bytes, RTMSG).expect("legible");
            prop_assert_eq!((object.number(RTA_TABLE), object.head[5]), (Some(table), PROTOCOL));
            let hop = if prefix.is_ipv4() { object.attributes[&RTA_MULTIPATH][4..].to_vec() } else { object.attributes[&RTA_OIF].clone() };
            prop_assert_eq!(hop, 7u32.to_ne_bytes());
        }
    }
}
