//! Requests as a worker might make them, right and wrong, in states that permit them.

use crate::ours::Ours;
use crate::random::Random;
use crate::world::address;
use protocol::{Addresses, Family, Ifindex, NextHop, Prefix, Request, RouteKind, Selector};
use std::net::IpAddr;

/// eth1 most of all, eth2, eth3; the others are not to be served.
const INTERFACES: [u32; 14] = [41, 41, 41, 41, 41, 41, 43, 43, 44, 40, 42, 1, 54, 999];
const ADDRESSES: [&str; 17] = [
    "10.0.2.5",
    "10.0.2.5",
    "10.0.2.6",
    "10.0.4.5",
    "10.0.5.5",
    "10.0.3.5",
    "10.0.2.77",
    "10.0.2.9",
    "2001:db8:2::5",
    "2001:db8:2::6",
    "2001:db8:3::5",
    "2001:db8:4::5",
    "169.254.7.7",
    "10.0.6.77",
    "1.2.3.4",
    "fe80::41",
    "224.0.0.1",
];
const GATEWAYS: [&str; 24] = [
    "10.0.2.1",
    "10.0.2.1",
    "10.0.2.2",
    "10.0.2.3",
    "10.0.2.4",
    "10.0.2.8",
    "10.0.2.9",
    "10.0.3.1",
    "10.0.1.1",
    "10.0.5.6",
    "10.0.2.255",
    "10.0.2.5",
    "10.0.2.77",
    "9.9.9.9",
    "fe80::1",
    "fe80::1",
    "fe80::2",
    "fe80::8",
    "fe80::40",
    "fe80::41",
    "2001:db8:2::1",
    "2001:db8:3::1",
    "2001:db8:2::5",
    "ff02::1",
];
const PREFIXES: [&str; 21] = [
    "172.17.0.0/16",
    "10.88.0.0/16",
    "10.89.0.0/16",
    "10.90.0.0/16",
    "10.91.0.0/16",
    "2001:db8:17::/64",
    "2001:db8:88::/64",
    "10.70.0.0/16",
    "10.71.0.0/16",
    "10.72.0.0/16",
    "10.0.2.0/24",
    "10.0.3.0/24",
    "10.0.1.0/24",
    "10.55.0.0/16",
    "10.56.0.0/16",
    "2001:db8:55::/64",
    "10.99.0.0/16",
    "0.0.0.0/0",
    "::/0",
    "2000::/3",
    "10.66.0.0/16",
];

/// One that is permitted while serving or syncing.
pub(crate) fn a_request(random: &mut Random, syncing: bool) -> Request {
    let request = any_request(random, syncing);
    // Otherwise most would be refused for the interface alone.
    if random.below(4) > 0 { at_home(request) } else { request }
}

/// The withdrawal of what stands, as a worker that knows its own would ask for it; `None` for what
/// no request names.
pub(crate) fn withdrawal(object: &Ours, table_base: u32) -> Option<Request> {
    let of = |table: u32| Ifindex::try_from(table.checked_sub(table_base)?).ok();
    match object {
        Ours::Rule(rule) => {
            let (selector, prefix) = match (rule.from, rule.to) {
                (Some(prefix), None) => (Selector::From, prefix),
                (None, Some(prefix)) => (Selector::To, prefix),
                _ => return None,
            };
            Some(Request::DelRule { ifindex: of(rule.table)?, selector, address: prefix.address() })
        }
        Ours::Route(route) => {
            let family = Family::of(route.destination.address());
            let kind = match (route.destination.length(), route.metric) {
                (0, u32::MAX) => RouteKind::Fallback,
                (0, _) => RouteKind::Default,
                _ => RouteKind::Local(route.destination),
            };
            Some(Request::DelRoute { ifindex: of(route.table)?, family, route: kind })
        }
    }
}

/// The same of the interface to which its address, gateway or prefix belongs, or else of eth1.
fn at_home(request: Request) -> Request {
    let home = |address: IpAddr| {
        let text = address.to_string();
        let is = |start: &&str| text.starts_with(*start);
        let index = if ["10.0.3.", "2001:db8:3:"].iter().any(is) { 43 } else { 41 };
        Ifindex::try_from(index).expect("valid")
    };
    match request {
        Request::AddRule { selector, address, .. } => {
            Request::AddRule { ifindex: home(address), selector, address }
        }
        Request::AddRules { addresses, .. } => {
            let first = addresses.iter().next().expect("one at least");
            Request::AddRules { ifindex: home(first), addresses }
        }
        Request::DelRule { selector, address, .. } => {
            Request::DelRule { ifindex: home(address), selector, address }
        }
        Request::AddSubnet { address, .. } => Request::AddSubnet { ifindex: home(address), address },
        Request::SetDefault { family, next_hop: NextHop::Gateway(gateway), .. } => {
            Request::SetDefault { ifindex: home(gateway), family, next_hop: NextHop::Gateway(gateway) }
        }
        Request::DelRoute {
            ifindex, route: RouteKind::Subnet(prefix) | RouteKind::Local(prefix), ..
        } => {
            let family = Family::of(prefix.address());
            Request::DelRoute { ifindex, family, route: RouteKind::Local(prefix) }
        }
        Request::AddLocal { ifindex, destination } if [40, 42, 1, 54, 999].contains(&ifindex.get()) => {
            Request::AddLocal { ifindex: home(destination.address()), destination }
        }
        other => other,
    }
}

fn any_request(random: &mut Random, syncing: bool) -> Request {
    let ifindex = Ifindex::try_from(random.of(&INTERFACES)).expect("valid");
    match random.below(if syncing { 21 } else { 34 }) {
        0..=3 => {
            let (selector, address) = a_rule(random);
            Request::AddRule { ifindex, selector, address }
        }
        4..=5 => {
            let some: Vec<IpAddr> = (0..=random.below(3)).map(|_| address(random.of(&ADDRESSES))).collect();
            Request::AddRules { ifindex, addresses: Addresses::lists(some).remove(0) }
        }
        6..=9 => Request::AddSubnet { ifindex, address: address(random.of(&ADDRESSES)) },
        10..=13 => Request::AddLocal { ifindex, destination: prefix(random) },
        14..=18 => {
            let gateway = address(random.of(&GATEWAYS));
            // Sometimes of the wrong family, sometimes without.
            let family = if random.below(20) > 0 { Family::of(gateway) } else { a_family(random) };
            let bare = random.below(6) == 0;
            let next_hop = if bare { NextHop::PointToPoint } else { NextHop::Gateway(gateway) };
            Request::SetDefault { ifindex, family, next_hop }
        }
        19 if syncing => Request::SyncEnd,
        19 => Request::SyncBegin,
        20 => Request::Ping,
        21..=26 => {
            let (selector, address) = a_rule(random);
            Request::DelRule { ifindex, selector, address }
        }
        27..=31 => Request::DelRoute { ifindex, family: a_family(random), route: a_kind(random) },
        32 => Request::Purge { ifindex },
        _ => Request::SyncBegin,
    }
}

fn a_rule(random: &mut Random) -> (Selector, IpAddr) {
    (random.of(&[Selector::From, Selector::To]), address(random.of(&ADDRESSES)))
}

fn a_family(random: &mut Random) -> Family {
    random.of(&[Family::V4, Family::V6])
}

fn a_kind(random: &mut Random) -> RouteKind {
    match random.below(4) {
        0 => RouteKind::Default,
        1 => RouteKind::Fallback,
        2 => RouteKind::Subnet(address_subnet(random)),
        _ => RouteKind::Local(prefix(random)),
    }
}

fn address_subnet(random: &mut Random) -> Prefix {
    random
        .of(&["10.0.2.0/24", "10.0.3.0/24", "2001:db8:2::/64", "2001:db8:3::/64"])
        .parse()
        .expect("a prefix")
}

fn prefix(random: &mut Random) -> Prefix {
    random.of(&PREFIXES).parse().expect("a prefix")
}
