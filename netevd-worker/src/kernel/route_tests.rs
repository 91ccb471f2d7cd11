//! What is read here against what netlink-packet-route reads of the same message.

use super::*;
use netlink_packet_core::{Emitable, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHop, RouteVia,
};
use proptest::prelude::*;

/// By the other parser.
fn expected(message: &RouteMessage) -> Route {
    let header = &message.header;
    let ip = |address: &RouteAddress| match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    };
    let hop = |attributes: &[RouteAttribute], oif| {
        let mut hop = Hop { oif, gateway: None, foreign_gateway: false };
        for attribute in attributes {
            match attribute {
                RouteAttribute::Oif(index) => hop.oif = Ifindex::try_from(*index).ok(),
                RouteAttribute::Gateway(address) => hop.gateway = ip(address),
                RouteAttribute::Via(_) => hop.foreign_gateway = true,
                _ => {}
            }
        }
        hop
    };
    let mut route = Route {
        destination: "0.0.0.0/0".parse().expect("a prefix"),
        table: TableId(header.table.into()),
        metric: 0,
        protocol: header.protocol.into(),
        scope: header.scope.into(),
        route_type: header.kind.into(),
        tos: header.tos,
        selective: header.tos != 0 || header.source_prefix_length != 0,
        cloned: header.flags.contains(RouteFlags::Cloned),
        source: None,
        hops: hop(&message.attributes, None).into(),
    };
    let mut destination: IpAddr = match header.address_family {
        AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
        _ => Ipv6Addr::UNSPECIFIED.into(),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => destination = ip(address).expect("of the family"),
            RouteAttribute::Table(id) => route.table = TableId(*id),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::PrefSource(address) => route.source = ip(address),
            RouteAttribute::NhId(_) => route.selective = true,
            RouteAttribute::MultiPath(paths) => {
                let path = |p: &RouteNextHop| hop(&p.attributes, Ifindex::try_from(p.interface_index).ok());
                route.hops = Hops::Several(paths.iter().map(path).collect());
            }
            _ => {}
        }
    }
    route.destination =
        Prefix::containing(destination, header.destination_prefix_length).expect("a legal length");
    route
}

fn bytes(message: &RouteMessage) -> Vec<u8> {
    let mut bytes = vec![0; message.buffer_len()];
    message.emit(&mut bytes);
    bytes
}

fn addresses(is_v4: bool) -> impl Strategy<Value = RouteAddress> {
    (any::<[u8; 4]>(), any::<[u8; 16]>()).prop_map(move |(v4, v6)| match is_v4 {
        true => RouteAddress::Inet(v4.into()),
        false => RouteAddress::Inet6(v6.into()),
    })
}

fn of_hop(is_v4: bool) -> impl Strategy<Value = Vec<RouteAttribute>> {
    let via = if is_v4 { RouteVia::Inet6(Ipv6Addr::LOCALHOST) } else { RouteVia::Inet(Ipv4Addr::LOCALHOST) };
    let attribute = prop_oneof![
        addresses(is_v4).prop_map(RouteAttribute::Gateway),
        Just(RouteAttribute::Via(via)),
        (0u32..9).prop_map(RouteAttribute::Iif),
    ];
    prop::collection::vec(attribute, 0..2)
}

fn messages() -> impl Strategy<Value = RouteMessage> {
    any::<bool>().prop_flat_map(|is_v4| {
        let attribute = prop_oneof![
            addresses(is_v4).prop_map(RouteAttribute::Destination),
            addresses(is_v4).prop_map(RouteAttribute::PrefSource),
            any::<u32>().prop_map(RouteAttribute::Table),
            any::<u32>().prop_map(RouteAttribute::Priority),
            (0u32..9).prop_map(RouteAttribute::Oif),
            (1u32..9).prop_map(RouteAttribute::NhId),
            prop::collection::vec((0u32..9, of_hop(is_v4)), 1..4).prop_map(|paths| {
                let path = |(interface_index, attributes)| {
                    let mut path = RouteNextHop::default();
                    (path.interface_index, path.attributes) = (interface_index, attributes);
                    path
                };
                RouteAttribute::MultiPath(paths.into_iter().map(path).collect())
            }),
        ];
        let header = (0u8..=32, any::<u8>(), any::<u8>(), any::<u8>(), 0u8..2, any::<bool>());
        (header, prop::collection::vec(attribute, 0..6), of_hop(is_v4)).prop_map(
            move |(header, mut all, hop)| {
                let mut message = RouteMessage::default();
                let (length, table, protocol, kind, tos, cloned) = header;
                message.header = RouteHeader {
                    address_family: if is_v4 { AddressFamily::Inet } else { AddressFamily::Inet6 },
                    destination_prefix_length: length,
                    table,
                    protocol: protocol.into(),
                    kind: kind.into(),
                    tos,
                    flags: if cloned { RouteFlags::Cloned } else { RouteFlags::empty() },
                    ..RouteHeader::default()
                };
                all.extend(hop);
                message.attributes = all;
                message
            },
        )
    })
}

proptest! {
    #[test]
    fn both_parsers_agree(message in messages()) {
        let bytes = bytes(&message);
        let parsed = RouteMessage::parse(&bytes).expect("what was emitted");
        let read = Route::read(&bytes).expect("legible").expect("a route");
        prop_assert_eq!(read, expected(&parsed));
    }

    #[test]
    fn no_changed_byte_panics(message in messages(), at: prop::sample::Index, value: u8) {
        let mut bytes = bytes(&message);
        let at = at.index(bytes.len());
        bytes[at] = value;
        let _ = Route::read(&bytes);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let _ = Route::read(&bytes);
    }
}
