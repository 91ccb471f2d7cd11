//! The model's values as the kernel's messages, and the helper's messages as values.

use super::world::{Address, Hop, Link, Route, Rule};
use netlink_packet_core::{
    NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol,
    RouteType, RouteVia,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use protocol::{Family, Prefix};
use std::net::IpAddr;

pub(super) fn number(family: Family) -> AddressFamily {
    if family == Family::V4 { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

pub(super) fn family(number: AddressFamily) -> Family {
    match number {
        AddressFamily::Inet => Family::V4,
        AddressFamily::Inet6 => Family::V6,
        other => panic!("the helper asks for family {other:?}"),
    }
}

/// One message.
pub(super) fn message(sequence: u32, flags: u16, inner: RouteNetlinkMessage) -> Vec<u8> {
    let mut header = NetlinkHeader::default();
    (header.sequence_number, header.flags) = (sequence, flags);
    let mut message = NetlinkMessage::new(header, NetlinkPayload::from(inner));
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// An acknowledgement (`code` 0), an error, or the end of a dump; with words where it is an error.
pub(super) fn end(sequence: u32, is_dump: bool, code: i32) -> Vec<u8> {
    let (kind, flags) = if is_dump { (NLMSG_DONE, NLM_F_MULTIPART) } else { (NLMSG_ERROR, 0) };
    let mut payload = code.to_ne_bytes().to_vec();
    if !is_dump {
        payload.extend([0; 16]);
        if code != 0 {
            payload.extend(b"\x08\x00\x01\x00no!\0");
        }
    }
    let length = u32::try_from(16 + payload.len()).expect("short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes
}

pub(super) fn link(link: &Link) -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = link.index;
    let flag = |is: bool, flag| if is { flag } else { LinkFlags::empty() };
    message.header.flags = LinkFlags::Up
        | flag(link.loopback, LinkFlags::Loopback)
        | flag(link.point_to_point, LinkFlags::Pointopoint);
    message.attributes.push(LinkAttribute::IfName(link.name.to_owned()));
    if link.master != 0 {
        message.attributes.push(LinkAttribute::Controller(link.master));
    }
    RouteNetlinkMessage::NewLink(message)
}

pub(super) fn address(address: &Address) -> RouteNetlinkMessage {
    let mut message = AddressMessage::default();
    message.header.family = number(Family::of(address.ip));
    message.header.prefix_len = address.length;
    message.header.scope = address.scope.into();
    message.header.index = address.index;
    let far = address.peer.unwrap_or(address.ip);
    message.attributes.push(AddressAttribute::Address(far));
    if address.ip.is_ipv4() || address.peer.is_some() {
        message.attributes.push(AddressAttribute::Local(address.ip));
    }
    message.attributes.push(AddressAttribute::Flags(AddressFlags::from_bits_retain(address.flags)));
    RouteNetlinkMessage::NewAddress(message)
}

pub(super) fn route(route: &Route) -> RouteNetlinkMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = number(route.family());
    header.destination_prefix_length = route.to.length();
    header.table = u8::try_from(route.table).unwrap_or(252);
    header.protocol = RouteProtocol::from(route.protocol);
    header.scope = route.scope;
    header.kind = route.kind;
    header.tos = route.tos;
    let attributes = &mut message.attributes;
    attributes.push(RouteAttribute::Table(route.table));
    if route.to.length() > 0 {
        attributes.push(RouteAttribute::Destination(route.to.address().into()));
    }
    if route.metric > 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    match &route.hops[..] {
        // As the kernel words an unreachable route of IPv6.
        [] if !route.to.is_ipv4() => attributes.push(RouteAttribute::Oif(1)),
        [] => {}
        [hop] => {
            attributes.push(RouteAttribute::Oif(hop.oif));
            attributes.extend(hop.gateway.map(|gateway| by(route, gateway)));
            if hop.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
        }
        hops => {
            let path = |hop: &Hop| {
                let mut path = RouteNextHop::default();
                path.interface_index = hop.oif;
                path.attributes.extend(hop.gateway.map(|gateway| by(route, gateway)));
                if hop.onlink {
                    path.flags = RouteNextHopFlags::Onlink;
                }
                path
            };
            attributes.push(RouteAttribute::MultiPath(hops.iter().map(path).collect()));
        }
    }
    RouteNetlinkMessage::NewRoute(message)
}

fn by(route: &Route, gateway: IpAddr) -> RouteAttribute {
    match gateway {
        IpAddr::V6(gateway) if route.to.is_ipv4() => RouteAttribute::Via(RouteVia::Inet6(gateway)),
        gateway => RouteAttribute::Gateway(gateway.into()),
    }
}

pub(super) fn rule(rule: &Rule) -> RouteNetlinkMessage {
    let mut message = RuleMessage::default();
    let header = &mut message.header;
    header.family = number(rule.family);
    header.action = if rule.table.is_some() { RuleAction::ToTable } else { RuleAction::Prohibit };
    header.table = rule.table.map_or(0, |table| u8::try_from(table).unwrap_or(252));
    header.src_len = rule.from.map_or(0, |prefix| prefix.length());
    header.dst_len = rule.to.map_or(0, |prefix| prefix.length());
    if rule.inverted {
        header.flags = RuleFlags::Invert;
    }
    let attributes = &mut message.attributes;
    attributes.push(RuleAttribute::Table(rule.table.unwrap_or_default()));
    attributes.push(RuleAttribute::SuppressPrefixLen(u32::MAX));
    attributes.push(RuleAttribute::Protocol(RouteProtocol::from(rule.protocol)));
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.extend(rule.mark.map(RuleAttribute::FwMark));
    attributes.extend(rule.from.map(|prefix| RuleAttribute::Source(prefix.address())));
    attributes.extend(rule.to.map(|prefix| RuleAttribute::Destination(prefix.address())));
    RouteNetlinkMessage::NewRule(message)
}

fn ip(address: &RouteAddress) -> IpAddr {
    match address {
        RouteAddress::Inet(address) => (*address).into(),
        RouteAddress::Inet6(address) => (*address).into(),
        other => panic!("the helper names {other:?}"),
    }
}

/// A route as the helper writes it; another attribute than these has no business in it.
pub(super) fn written_route(message: &RouteMessage) -> Route {
    let header = &message.header;
    let any = if family(header.address_family) == Family::V4 { "0.0.0.0" } else { "::" };
    let (mut to, mut table, mut metric) = (any.parse().expect("an address"), header.table.into(), 0);
    let onlink = header.flags.contains(RouteFlags::Onlink);
    let mut hop = Hop { oif: 0, gateway: None, onlink };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Table(number) => table = *number,
            RouteAttribute::Destination(address) => to = ip(address),
            RouteAttribute::Priority(number) => metric = *number,
            RouteAttribute::Oif(index) => hop.oif = *index,
            RouteAttribute::Gateway(address) => hop.gateway = Some(ip(address)),
            RouteAttribute::Via(RouteVia::Inet6(address)) => hop.gateway = Some((*address).into()),
            other => panic!("the helper writes {other:?}"),
        }
    }
    assert!(header.source_prefix_length == 0 && (header.flags.is_empty() || onlink), "{header:?}");
    Route {
        table,
        to: Prefix::new(to, header.destination_prefix_length).expect("a prefix"),
        metric,
        kind: header.kind,
        protocol: header.protocol.into(),
        scope: header.scope,
        tos: header.tos,
        hops: if hop.oif == 0 && hop.gateway.is_none() { Vec::new() } else { vec![hop] },
    }
}

/// A rule as the helper writes it, or names it for deletion.
pub(super) fn written_rule(message: &RuleMessage) -> Rule {
    let header = &message.header;
    let mut rule = Rule {
        family: family(header.family),
        priority: 0,
        table: (header.action == RuleAction::ToTable).then_some(header.table.into()),
        from: None,
        to: None,
        protocol: 0,
        mark: None,
        inverted: header.flags.contains(RuleFlags::Invert),
    };
    let prefix = |address: &IpAddr, length| Some(Prefix::new(*address, length).expect("a prefix"));
    for attribute in &message.attributes {
        match attribute {
            RuleAttribute::Table(table) => rule.table = rule.table.map(|_| *table),
            RuleAttribute::Priority(priority) => rule.priority = *priority,
            RuleAttribute::Protocol(protocol) => rule.protocol = (*protocol).into(),
            RuleAttribute::Source(address) => rule.from = prefix(address, header.src_len),
            RuleAttribute::Destination(address) => rule.to = prefix(address, header.dst_len),
            RuleAttribute::FwMark(mark) => rule.mark = Some(*mark),
            RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
            other => panic!("the helper writes {other:?}"),
        }
    }
    rule
}

/// What can leave by a device.
pub(super) fn leaves(kind: RouteType) -> bool {
    !matches!(kind, RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit | RouteType::Throw)
}
