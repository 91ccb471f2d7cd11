//! The model's values as the kernel's messages, and the helper's messages as values; numbers are those of
//! linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h and linux/fib_rules.h.

use super::world::{Address, Hop, Link, Route, Rule};
use netlink_packet_core::{NLM_F_MULTIPART, NLMSG_DONE, NLMSG_ERROR};
use protocol::{Family, Prefix};
use std::net::IpAddr;

const HOP: usize = 8;

/// A request of the helper's, or an object of the kernel's.
pub(super) struct Message {
    pub(super) kind: u16,
    pub(super) flags: u16,
    pub(super) sequence: u32,
    pub(super) payload: Vec<u8>,
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

/// The messages of a datagram, which must be whole.
pub(super) fn messages(mut datagram: &[u8]) -> Vec<Message> {
    let mut messages = Vec::new();
    while !datagram.is_empty() {
        let length = usize::try_from(word(datagram, 0)).expect("32 bits");
        let (kind, flags, sequence) = (half(datagram, 4), half(datagram, 6), word(datagram, 8));
        messages.push(Message { kind, flags, sequence, payload: datagram[16..length].to_vec() });
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    messages
}

pub(super) fn message(kind: u16, flags: u16, sequence: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(16 + payload.len()).expect("short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    bytes.extend([0; 4]);
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
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
    message(kind, flags, sequence, &payload)
}

fn put(bytes: &mut Vec<u8>, kind: u16, value: &[u8]) {
    bytes.extend(u16::try_from(value.len() + 4).expect("short").to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

/// The attributes of a message, each once.
pub(super) fn attributes(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let length = usize::from(half(bytes, 0));
        let kind = half(bytes, 2);
        assert!(found.iter().all(|(other, _)| *other != kind), "attribute {kind} twice");
        found.push((kind, bytes[4..length].to_vec()));
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

fn ip(bytes: &[u8]) -> IpAddr {
    match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).expect("four")),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).expect("an address")),
    }
}

pub(super) fn number(family: Family) -> u8 {
    if family == Family::V4 { 2 } else { 10 }
}

pub(super) fn family(number: u8) -> Family {
    match number {
        2 => Family::V4,
        10 => Family::V6,
        other => panic!("the helper asks for family {other}"),
    }
}

pub(super) fn link(link: &Link) -> Vec<u8> {
    let flag = |is: bool, flag: u32| if is { flag } else { 0 };
    let flags = flag(link.up, 1) | flag(link.loopback, 8) | flag(link.point_to_point, 16);
    let mut bytes = vec![0; 4];
    bytes.extend(link.index.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 4]);
    let (first, others) = link.names.split_first().expect("a name");
    put(&mut bytes, 3, &[first, &b"\0"[..]].concat());
    if link.master != 0 {
        put(&mut bytes, 10, &link.master.to_ne_bytes());
    }
    if !others.is_empty() {
        let mut list = Vec::new();
        others.iter().for_each(|name| put(&mut list, 53, &[name, &b"\0"[..]].concat()));
        put(&mut bytes, 52 | 0x8000, &list);
    }
    bytes
}

pub(super) fn address(address: &Address) -> Vec<u8> {
    let flags = address.flags.to_ne_bytes();
    let mut bytes = vec![number(Family::of(address.ip)), address.length, flags[0], address.scope];
    bytes.extend(address.index.to_ne_bytes());
    put(&mut bytes, 1, &octets(address.peer.unwrap_or(address.ip)));
    if address.ip.is_ipv4() || address.peer.is_some() {
        put(&mut bytes, 2, &octets(address.ip));
    }
    put(&mut bytes, 8, &flags);
    bytes
}

/// What a hop has beside its interface.
fn of_hop(bytes: &mut Vec<u8>, to: Prefix, hop: &Hop) {
    match hop.gateway {
        Some(gateway) if gateway.is_ipv4() == to.is_ipv4() => put(bytes, 5, &octets(gateway)),
        Some(gateway) => put(bytes, 18, &[10u16.to_ne_bytes().to_vec(), octets(gateway)].concat()),
        None => {}
    }
    if let Some(flow) = hop.flow {
        put(bytes, 11, &flow.to_ne_bytes());
    }
    if let Some((kind, encap)) = &hop.encap {
        put(bytes, 21, &kind.to_ne_bytes());
        put(bytes, 22, encap);
    }
}

fn hop_flags(hop: &Hop) -> u8 {
    u8::from(hop.dead) | if hop.onlink { 4 } else { 0 }
}

pub(super) fn route(route: &Route) -> Vec<u8> {
    let source = route.source.map_or(0, |source| source.length());
    let short = u8::try_from(route.table).unwrap_or(252);
    let family = number(route.family());
    let head = [family, route.to.length(), source, route.tos, short, route.protocol, route.scope, route.kind];
    let mut flags = if route.cloned { 0x200 } else { 0u32 };
    if let [hop] = &route.hops[..] {
        flags |= u32::from(hop_flags(hop));
    }
    let mut bytes = [&head[..], &flags.to_ne_bytes()].concat();
    put(&mut bytes, 15, &route.table.to_ne_bytes());
    if route.to.length() > 0 {
        put(&mut bytes, 1, &octets(route.to.address()));
    }
    if let Some(source) = route.source {
        put(&mut bytes, 2, &octets(source.address()));
    }
    if route.metric > 0 {
        put(&mut bytes, 6, &route.metric.to_ne_bytes());
    }
    if let Some(metrics) = &route.metrics {
        put(&mut bytes, 8, metrics);
    }
    if !route.to.is_ipv4() {
        put(&mut bytes, 20, &[route.preference]);
    }
    // `struct rta_cacheinfo`, eight numbers.
    let mut info = [0; 32];
    info[8..12].copy_from_slice(&route.expires.to_ne_bytes());
    put(&mut bytes, 12, &info);
    if route.by_object {
        put(&mut bytes, 30, &7u32.to_ne_bytes());
    }
    match &route.hops[..] {
        // As the kernel words an unreachable route of IPv6.
        [] if !route.to.is_ipv4() && route.is_deviceless() => put(&mut bytes, 4, &1u32.to_ne_bytes()),
        [] => {}
        [hop] => {
            put(&mut bytes, 4, &hop.oif.to_ne_bytes());
            of_hop(&mut bytes, route.to, hop);
        }
        hops => {
            let mut list = Vec::new();
            for hop in hops {
                let mut one = vec![0, 0, hop_flags(hop), hop.weight];
                one.extend(hop.oif.to_ne_bytes());
                of_hop(&mut one, route.to, hop);
                let length = u16::try_from(one.len()).expect("short");
                one[..2].copy_from_slice(&length.to_ne_bytes());
                list.extend(one);
            }
            put(&mut bytes, 9, &list);
        }
    }
    bytes
}

pub(super) fn rule(rule: &Rule) -> Vec<u8> {
    let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.length());
    let table = rule.table.map_or(0, |table| u8::try_from(table).unwrap_or(252));
    let action = if rule.table.is_some() { 1 } else { 8 };
    let mut bytes = vec![number(rule.family), length(rule.to), length(rule.from), 0, table, 0, 0, action];
    bytes.extend(if rule.inverted { 2u32 } else { 0 }.to_ne_bytes());
    put(&mut bytes, 15, &rule.table.unwrap_or_default().to_ne_bytes());
    put(&mut bytes, 14, &rule.suppress.unwrap_or(u32::MAX).to_ne_bytes());
    put(&mut bytes, 21, &[rule.protocol]);
    if rule.priority > 0 {
        put(&mut bytes, 6, &rule.priority.to_ne_bytes());
    }
    if let Some((value, mask)) = rule.mark {
        put(&mut bytes, 10, &value.to_ne_bytes());
        put(&mut bytes, 16, &mask.to_ne_bytes());
    }
    for (kind, prefix) in [(1, rule.to), (2, rule.from)] {
        if let Some(prefix) = prefix {
            put(&mut bytes, kind, &octets(prefix.address()));
        }
    }
    bytes
}

fn gateway(value: &[u8], kind: u16) -> IpAddr {
    if kind == 18 { ip(&value[2..]) } else { ip(value) }
}

fn read_of_hop(hop: &mut Hop, kind: u16, value: &[u8]) -> bool {
    let encap = hop.encap.get_or_insert_default();
    match kind {
        5 | 18 => hop.gateway = Some(gateway(value, kind)),
        11 => hop.flow = Some(word(value, 0)),
        21 => encap.0 = half(value, 0),
        22 => encap.1 = value.to_vec(),
        _ => return false,
    }
    true
}

/// A route as the helper writes it; another attribute than these has no business in it.
pub(super) fn written_route(payload: &[u8]) -> Route {
    let (head, rest) = payload.split_at(12);
    let any = if family(head[0]) == Family::V4 { "0.0.0.0" } else { "::" };
    let any: IpAddr = any.parse().expect("an address");
    let flags = word(head, 8);
    assert!(flags & !4 == 0, "{flags:#x}");
    let (mut to, mut source) = (any, any);
    let mut route = Route::new(head[4].into(), Prefix::host(any), head[7]);
    (route.tos, route.protocol, route.scope) = (head[3], head[5], head[6]);
    let mut hop = Hop { onlink: flags & 4 != 0, ..Hop::default() };
    for (kind, value) in attributes(rest) {
        match kind {
            1 => to = ip(&value),
            2 => source = ip(&value),
            4 => hop.oif = word(&value, 0),
            6 => route.metric = word(&value, 0),
            8 => route.metrics = Some(value),
            9 => {
                let mut list = &value[..];
                while !list.is_empty() {
                    let length = usize::from(half(list, 0));
                    let mut one = Hop { oif: word(list, 4), weight: list[3], ..Hop::default() };
                    assert!(list[2] & !4 == 0, "{:#x}", list[2]);
                    one.onlink = list[2] & 4 != 0;
                    for (kind, value) in attributes(&list[HOP..length]) {
                        assert!(read_of_hop(&mut one, kind, &value), "attribute {kind} of a hop");
                    }
                    one.encap = one.encap.filter(|(kind, _)| *kind != 0);
                    route.hops.push(one);
                    list = &list[length.next_multiple_of(4)..];
                }
            }
            15 => route.table = word(&value, 0),
            20 => route.preference = value[0],
            // RTA_FLOW of what leads nowhere has no hop to be of.
            11 if route.is_deviceless() => {}
            // RTA_TTL_PROPAGATE
            26 => {}
            _ => assert!(read_of_hop(&mut hop, kind, &value), "the helper writes attribute {kind}"),
        }
    }
    hop.encap = hop.encap.filter(|(kind, _)| *kind != 0);
    route.to = Prefix::new(to, head[1]).expect("a prefix");
    route.source = (head[2] > 0).then(|| Prefix::new(source, head[2]).expect("a prefix"));
    if hop.oif != 0 || hop.gateway.is_some() {
        assert!(route.hops.is_empty(), "one hop or several");
        route.hops.push(hop);
    }
    route
}

/// A rule as the helper writes it, or names it for deletion.
pub(super) fn written_rule(payload: &[u8]) -> Rule {
    let (head, rest) = payload.split_at(12);
    let mut rule = Rule::new(family(head[0]), 0, (head[7] == 1).then_some(head[4].into()), 0);
    rule.inverted = word(head, 8) & 2 != 0;
    let (mut value, mut mask) = (None, None);
    for (kind, bytes) in attributes(rest) {
        match kind {
            1 => rule.to = Some(Prefix::new(ip(&bytes), head[1]).expect("a prefix")),
            2 => rule.from = Some(Prefix::new(ip(&bytes), head[2]).expect("a prefix")),
            6 => rule.priority = word(&bytes, 0),
            10 => value = Some(word(&bytes, 0)),
            14 => rule.suppress = Some(word(&bytes, 0)).filter(|length| *length != u32::MAX),
            15 => rule.table = rule.table.map(|_| word(&bytes, 0)),
            16 => mask = Some(word(&bytes, 0)),
            21 => rule.protocol = bytes[0],
            other => panic!("the helper writes attribute {other} of a rule"),
        }
    }
    rule.mark = value.map(|value| (value, mask.unwrap_or(u32::MAX)));
    rule
}
