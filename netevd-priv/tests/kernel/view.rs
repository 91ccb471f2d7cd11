//! What stands in the kernel, ours and foreign: the judge of hostile sessions.
//!
//! Foreign objects are kept as the bytes that the kernel gave, without what changes by itself
//! (counters, timers, the carrier). It changes nothing and knows nothing of requests.

use crate::netlink::{Message, Netlink, attributes, number};
use crate::objects::{Address, LOCAL_TABLE, Link, Route, Rule, UP};
use crate::ours::Ours;
use protocol::{PROTOCOL, Prefix};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

// linux/rtnetlink.h
const RTM_GETLINK: u16 = 18;
const RTM_GETADDR: u16 = 22;
const RTM_GETROUTE: u16 = 26;
const RTM_GETNEIGH: u16 = 30;
const RTM_GETRULE: u16 = 34;
const RTM_GETNETCONF: u16 = 82;
const RTM_GETNEXTHOP: u16 = 106;
/// Of a link: queueing discipline, operational state, kind (a bridge's timers), statistics twice,
/// families (IPv6's timers), and four that count carriers.
const LINK_CHANGES: [u16; 10] = [6, 7, 16, 18, 23, 26, 33, 35, 47, 48];
/// `IFF_RUNNING`, `IFF_LOWER_UP` and `IFF_DORMANT`: the carrier's, which comes when it comes.
const CARRIER: u32 = 0x40 | LOWER_UP | 0x2_0000;
/// `IFF_LOWER_UP`: it has a carrier.
const LOWER_UP: u32 = 0x1_0000;
/// `IFA_F_TENTATIVE`
const TENTATIVE: u32 = 0x40;
/// `RTN_LOCAL`
const LOCAL: u8 = 2;
/// `RTN_MULTICAST`
const MULTICAST: u8 = 5;
/// `NUD_PERMANENT`
const PERMANENT: u16 = 0x80;

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
    pub(crate) late: Vec<(&'static str, Vec<u8>)>,
}

impl View {
    pub(crate) fn of(netlink: &mut Netlink) -> Self {
        let mut view = Self::default();
        for message in netlink.dump(RTM_GETLINK, &[0; 16]) {
            view.links.push(Link::read(&message.payload));
            let mut bytes = without(&message, 16, &LINK_CHANGES);
            let flags = number(&bytes[8..]) & !CARRIER;
            bytes[8..12].copy_from_slice(&flags.to_ne_bytes());
            view.foreign.push(("link", bytes));
        }
        for message in netlink.dump(RTM_GETADDR, &[0; 8]) {
            view.addresses.push(Address::read(&message.payload));
            view.foreign.push(("address", message.payload));
        }
        for family in [2, 10] {
            let mut header = [0; 12];
            header[0] = family;
            for message in netlink.dump(RTM_GETROUTE, &header) {
                view.route(&message);
            }
        }
        // Neighbours that somebody has set: the others come and go. Bridges' are of family 7.
        for message in netlink.dump(RTM_GETNEIGH, &[0; 12]) {
            if u16::from_ne_bytes([message.payload[8], message.payload[9]]) == PERMANENT {
                view.foreign.push(("neighbour", without(&message, 12, &[3])));
            }
        }
        for message in netlink.dump(RTM_GETNEXTHOP, &[0; 8]) {
            view.foreign.push(("nexthop", message.payload));
        }
        for message in netlink.dump(RTM_GETNETCONF, &[0; 4]) {
            view.foreign.push(("netconf", message.payload));
        }
        view.foreign.sort();
        view.late.sort();
        for family in [2, 10] {
            let mut header = [0; 12];
            header[0] = family;
            for message in netlink.dump(RTM_GETRULE, &header) {
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
            // An interface's own, when its carrier comes.
            _ if late && route.kind == MULTICAST => {}
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
