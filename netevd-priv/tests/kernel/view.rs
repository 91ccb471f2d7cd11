//! What stands in the kernel, ours and foreign: the judge of hostile sessions.
//!
//! Foreign objects are kept as the bytes that the kernel gave, without what changes by itself
//! (counters, timers, the carrier). It changes nothing and knows nothing of requests.

use crate::netlink::{Message, Netlink, attributes, number};
use protocol::{Family, PROTOCOL, Prefix, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

/// `IFF_UP`
pub(crate) const UP: u32 = 1;
/// `IFF_LOOPBACK`
pub(crate) const LOOPBACK: u32 = 8;
/// `IFF_POINTOPOINT`
pub(crate) const POINT_TO_POINT: u32 = 16;
/// `IFF_RUNNING`, `IFF_LOWER_UP` and `IFF_DORMANT`: the carrier's, which comes when it comes.
const CARRIER: u32 = 0x40 | 0x1_0000 | 0x2_0000;
/// `IFF_LOWER_UP`: it has a carrier.
const LOWER_UP: u32 = 0x1_0000;
/// `IFA_F_TENTATIVE`
const TENTATIVE: u32 = 0x40;
/// `RTN_LOCAL`
const LOCAL: u8 = 2;
/// `RTN_UNICAST`
pub(crate) const UNICAST: u8 = 1;
/// Table main.
pub(crate) const MAIN_TABLE: u32 = 254;
/// Table local.
pub(crate) const LOCAL_TABLE: u32 = 255;
/// `RTN_UNREACHABLE`
const UNREACHABLE: u8 = 7;

/// Everything at one moment.
#[derive(Clone, Default)]
pub(crate) struct View {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
    /// Everything that does not carry our protocol number: what it is, and its bytes. Rules in
    /// their order, all else sorted.
    pub(crate) foreign: Vec<(&'static str, Vec<u8>)>,
    /// What the kernel makes for IPv6 addresses when it finds the time.
    late: Vec<(&'static str, Vec<u8>)>,
}

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

/// An object that carries our protocol number, with all that makes it one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ours {
    Rule(Rule),
    Route(Route),
}

impl Ours {
    /// `from A lookup T` or `to A lookup T` at this priority, and nothing more.
    pub(crate) fn rule(priority: u32, selector: Selector, address: IpAddr, table: u32) -> Self {
        let (from, to) = match selector {
            Selector::From => (Some(Prefix::host(address)), None),
            Selector::To => (None, Some(Prefix::host(address))),
        };
        let ipv4 = address.is_ipv4();
        Self::Rule(Rule { ipv4, priority, from, to, table, protocol: PROTOCOL, more: false })
    }

    /// A unicast route of the family's own metric and the way's scope, and nothing more.
    pub(crate) fn route(table: u32, destination: Prefix, way: Way) -> Self {
        let ipv4 = destination.is_ipv4();
        Self::Route(Route {
            table,
            destination,
            metric: if ipv4 { 0 } else { 1024 },
            protocol: PROTOCOL,
            kind: UNICAST,
            ways: vec![way],
            scope: if ipv4 && way.1.is_none() { 253 } else { 0 },
            onlink: false,
            source: false,
            special: false,
        })
    }

    /// `unreachable default metric 4294967295`
    pub(crate) fn fallback(table: u32, family: Family) -> Self {
        let Self::Route(route) = Self::route(table, everything(family), (0, None)) else { unreachable!() };
        Self::Route(Route { metric: u32::MAX, kind: UNREACHABLE, scope: 0, ways: Vec::new(), ..route })
    }
}

/// The destination of a default route.
pub(crate) fn everything(family: Family) -> Prefix {
    let text = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
    text.parse().expect("a prefix")
}

impl View {
    pub(crate) fn of(netlink: &mut Netlink) -> Self {
        let mut view = Self::default();
        for message in netlink.dump(18, &[0; 16]) {
            view.links.push(Link::read(&message.payload));
            // TXQLEN and so on stay; what the carrier, counters, a bridge's and IPv6's timers change goes.
            let mut bytes = without(&message, 16, &[6, 7, 16, 18, 23, 26, 33, 35, 47, 48]);
            let flags = number(&bytes[8..]) & !CARRIER;
            bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
            view.foreign.push(("link", bytes));
        }
        for message in netlink.dump(22, &[0; 8]) {
            view.addresses.push(Address::read(&message.payload));
            view.foreign.push(("address", message.payload));
        }
        for family in [2, 10] {
            let mut header = [0; 12];
            header[0] = family;
            for message in netlink.dump(26, &header) {
                view.route(&message);
            }
        }
        // Neighbours that somebody has set: the others come and go. Bridges' are of family 7.
        for message in netlink.dump(30, &[0; 12]) {
            if u16::from_ne_bytes([message.payload[8], message.payload[9]]) == 0x80 {
                view.foreign.push(("neighbour", without(&message, 12, &[3])));
            }
        }
        for message in netlink.dump(106, &[0; 8]) {
            view.foreign.push(("nexthop", message.payload));
        }
        for message in netlink.dump(82, &[0; 4]) {
            view.foreign.push(("netconf", message.payload));
        }
        view.foreign.sort();
        view.late.sort();
        for family in [2, 10] {
            let mut header = [0; 12];
            header[0] = family;
            for message in netlink.dump(34, &header) {
                let rule = Rule::read(&message.payload);
                if rule.protocol != PROTOCOL {
                    view.foreign.push(("rule", message.payload));
                }
                view.rules.push(rule);
            }
        }
        view
    }

    /// The view once the kernel has done what it does later: it puts IPv6 addresses into service
    /// from a queue, even those without a duplicate check.
    pub(crate) fn settled(netlink: &mut Netlink) -> Self {
        let began = Instant::now();
        loop {
            let view = Self::of(netlink);
            if view.is_settled() {
                return view;
            }
            assert!(began.elapsed().as_secs() < 60, "an address is never in service: {:?}", view.addresses);
            std::thread::yield_now();
        }
    }

    fn is_settled(&self) -> bool {
        let mut addresses = self.addresses.iter().filter(|a| a.address.is_ipv6());
        addresses.all(|a| {
            let flags = self.links.iter().find(|link| link.index == a.index).map_or(0, |link| link.flags);
            let host = Prefix::host(a.address);
            let served = |r: &Route| r.table == LOCAL_TABLE && r.destination == host && r.kind == LOCAL;
            // Without a carrier a duplicate check never ends.
            if a.flags & TENTATIVE != 0 {
                flags & LOWER_UP == 0
            } else {
                flags & UP == 0 || self.routes.iter().any(served)
            }
        })
    }

    fn route(&mut self, message: &Message) {
        let Some(route) = Route::read(&message.payload) else { return };
        // RTNH_F_DEAD and RTNH_F_LINKDOWN follow the carrier.
        let mut bytes = without(message, 12, &[12]);
        bytes[8] &= !17;
        let late = route.protocol == 2 && route.table == LOCAL_TABLE && !route.destination.is_ipv4();
        match route.protocol {
            PROTOCOL => {}
            // RTN_MULTICAST: an interface's, when its carrier comes.
            _ if late && route.kind == 5 => {}
            _ if late => self.late.push(("route", bytes)),
            _ => self.foreign.push(("route", bytes)),
        }
        self.routes.push(route);
    }

    /// What carries our protocol number, wherever it stands. One that stands twice is an error of
    /// its own.
    pub(crate) fn ours(&self) -> BTreeSet<Ours> {
        let rules = self.rules.iter().filter(|r| r.protocol == PROTOCOL).cloned().map(Ours::Rule);
        let routes = self.routes.iter().filter(|r| r.protocol == PROTOCOL).cloned().map(Ours::Route);
        let all: Vec<_> = rules.chain(routes).collect();
        let distinct: BTreeSet<_> = all.iter().cloned().collect();
        assert_eq!(all.len(), distinct.len(), "twice: {all:?}");
        distinct
    }

    /// Panics with the differences unless everything foreign is as it was.
    pub(crate) fn nothing_foreign_changed(&self, before: &Self, context: &str) {
        if self.foreign == before.foreign && self.late == before.late {
            return;
        }
        let counts = |view: &Self| {
            let mut counts = BTreeMap::new();
            for object in view.foreign.iter().chain(&view.late) {
                *counts.entry(object.clone()).or_insert(0) += 1;
            }
            counts
        };
        let (was, is) = (counts(before), counts(self));
        let gone = was.iter().filter(|(object, n)| is.get(object) != Some(n));
        let came = is.iter().filter(|(object, n)| was.get(object) != Some(n));
        panic!(
            "{context}: foreign objects changed (or their order)\ngone: {:?}\ncame: {:?}",
            gone.map(|((what, bytes), _)| describe(what, bytes)).collect::<Vec<_>>(),
            came.map(|((what, bytes), _)| describe(what, bytes)).collect::<Vec<_>>()
        );
    }
}

fn describe(what: &str, bytes: &[u8]) -> String {
    let text = match what {
        "link" => format!("{:?}", Link::read(bytes)),
        "address" => format!("{:?}", Address::read(bytes)),
        "route" => format!("{:?}", Route::read(bytes)),
        "rule" => format!("{:?}", Rule::read(bytes)),
        _ => String::new(),
    };
    let hexadecimal: String = bytes.iter().take(64).map(|byte| format!("{byte:02x}")).collect();
    format!("{what} {text} {hexadecimal}")
}

impl Link {
    fn read(payload: &[u8]) -> Self {
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
    fn read(payload: &[u8]) -> Self {
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
    fn read(payload: &[u8]) -> Option<Self> {
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
    fn read(payload: &[u8]) -> Self {
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

/// The payload with these attributes left out.
fn without(message: &Message, skip: usize, left_out: &[u16]) -> Vec<u8> {
    let mut bytes = message.payload[..skip].to_vec();
    for (kind, value) in attributes(&message.payload, skip) {
        if !left_out.contains(&kind) {
            let length = u16::try_from(value.len() + 4).expect("short");
            bytes.extend(length.to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
    }
    bytes
}
