//! Links, addresses, routes and rules as the kernel tells them: values read from bytes, without the code that is judged by them.

use crate::netlink::{attributes, number};
use protocol::Prefix;
use std::net::IpAddr;

/// `IFF_UP`
pub(crate) const UP: u32 = 1;
/// Table local.
pub(crate) const LOCAL_TABLE: u32 = 255;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) flags: u32,
    pub(crate) master: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) index: u32,
    pub(crate) address: IpAddr,
    /// The connected prefix: the peer's, where there is one.
    pub(crate) subnet: Prefix,
    pub(crate) scope: u8,
    pub(crate) flags: u32,
}

/// Where a route leads: out of an interface (0: none named) by a gateway or without.
pub(crate) type Way = (u32, Option<IpAddr>);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) table: u32,
    pub(crate) destination: Prefix,
    pub(crate) metric: u32,
    pub(crate) protocol: u8,
    pub(crate) kind: u8,
    /// Several for a multipath route, none for an unreachable one.
    pub(crate) ways: Vec<Way>,
    /// Of IPv4: 0 for universe, 253 for link.
    pub(crate) scope: u8,
    /// `RTNH_F_ONLINK`: the gateway was taken on trust.
    pub(crate) onlink: bool,
    /// A preferred source.
    pub(crate) source: bool,
    /// A TOS, source prefix, encapsulation, nexthop object: what is not kept here.
    pub(crate) special: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule {
    pub(crate) ipv4: bool,
    pub(crate) priority: u32,
    pub(crate) from: Option<Prefix>,
    pub(crate) to: Option<Prefix>,
    /// What it looks up; 0 for every other action.
    pub(crate) table: u32,
    pub(crate) protocol: u8,
    /// A mark, interface, port, inversion or suppressor.
    pub(crate) more: bool,
}

impl Link {
    pub(crate) fn read(payload: &[u8]) -> Self {
        let mut link = Self {
            index: number(&payload[4..]),
            name: String::new(),
            flags: number(&payload[8..]),
            master: 0,
        };
        for (kind, value) in attributes(payload, 16) {
            match kind {
                3 => link.name = String::from_utf8_lossy(value).trim_end_matches('\0').to_owned(),
                10 => link.master = number(value),
                _ => {}
            }
        }
        link
    }
}

impl Address {
    pub(crate) fn read(payload: &[u8]) -> Self {
        let (mut own, mut peer, mut flags) = (None, None, u32::from(payload[2]));
        for (kind, value) in attributes(payload, 8) {
            match kind {
                1 => peer = Some(address(value)),
                2 => own = Some(address(value)),
                8 => flags = number(value),
                _ => {}
            }
        }
        let peer = peer.or(own).expect("an address");
        Self {
            index: number(&payload[4..]),
            address: own.unwrap_or(peer),
            subnet: Prefix::containing(peer, payload[1]).expect("a length"),
            scope: payload[3],
            flags,
        }
    }
}

impl Route {
    /// `None` for what is no IPv4 or IPv6 unicast routing (multicast routing's own families).
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let any = match payload[0] {
            2 => IpAddr::from([0; 4]),
            10 => IpAddr::from([0; 16]),
            _ => return None,
        };
        let (mut destination, mut single) = (any, (0, None));
        let mut route = Self {
            table: payload[4].into(),
            destination: Prefix::host(any),
            metric: 0,
            protocol: payload[5],
            kind: payload[7],
            ways: Vec::new(),
            scope: payload[6],
            onlink: payload[8] & 4 != 0,
            source: false,
            special: payload[2] != 0 || payload[3] != 0,
        };
        for (kind, value) in attributes(payload, 12) {
            match kind {
                1 => destination = address(value),
                4 => single.0 = number(value),
                5 => single.1 = Some(address(value)),
                18 => single.1 = Some(address(&value[2..])),
                6 => route.metric = number(value),
                9 => route.ways = several(value),
                15 => route.table = number(value),
                7 => route.source = true,
                // Cache data; the preference of routers, always medium.
                12 | 20 => {}
                _ => route.special = true,
            }
        }
        route.destination = Prefix::containing(destination, payload[1]).ok()?;
        // RTN_BLACKHOLE to RTN_THROW lead nowhere, though IPv6 names the loopback interface.
        if route.ways.is_empty() && !(6..=9).contains(&route.kind) {
            route.ways.push(single);
        }
        Some(route)
    }
}

impl Rule {
    pub(crate) fn read(payload: &[u8]) -> Self {
        let ipv4 = payload[0] == 2;
        let mut table = u32::from(payload[4]);
        let mut rule = Self {
            ipv4,
            priority: 0,
            from: None,
            to: None,
            table: 0,
            protocol: 0,
            more: payload[3] != 0 || number(&payload[8..]) & 2 != 0,
        };
        for (kind, value) in attributes(payload, 12) {
            match kind {
                1 => rule.to = Prefix::containing(address(value), payload[1]).ok(),
                2 => rule.from = Prefix::containing(address(value), payload[2]).ok(),
                6 => rule.priority = number(value),
                15 => table = number(value),
                21 => rule.protocol = value[0],
                // Suppressors that suppress nothing.
                13 | 14 if number(value) == u32::MAX => {}
                _ => rule.more = true,
            }
        }
        if payload[7] == 1 {
            rule.table = table;
        }
        rule
    }
}

/// The hops of RTA_MULTIPATH: each a `struct rtnexthop` with attributes.
fn several(mut rest: &[u8]) -> Vec<Way> {
    let mut ways = Vec::new();
    while rest.len() >= 8 {
        let length = usize::from(u16::from_ne_bytes([rest[0], rest[1]]));
        let gateway = attributes(&rest[..length], 8).into_iter().find_map(|(kind, value)| match kind {
            5 => Some(address(value)),
            18 => Some(address(&value[2..])),
            _ => None,
        });
        ways.push((number(&rest[4..]), gateway));
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    ways
}

fn address(value: &[u8]) -> IpAddr {
    match value.len() {
        4 => <[u8; 4]>::try_from(value).expect("4 bytes").into(),
        16 => <[u8; 16]>::try_from(value).expect("16 bytes").into(),
        other => panic!("an address of {other} bytes"),
    }
}
