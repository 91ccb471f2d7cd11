//! Bytes into a policy, a host, and what a worker and the rest of the world do to them, in turn.

use crate::apply::Helper;
use crate::bytes::{Bytes, INDICES};
use crate::channel::Channel;
use crate::kernel::Kernel;
use crate::model::world::{Address, Hop, LOCAL, Link, MAIN, Route, Rule, World};
use crate::model::{self, Model};
use crate::netlink::Netlink;
use crate::report::Report;
use crate::socket::connect_to;
use netlink_packet_route::route::{RouteScope, RouteType};
use protocol::{
    Addresses, Fallback, Family, GatewayCheck, Ifindex, InterfaceName, Limits, NextHop, PROTOCOL,
    PatternList, Policy, Prefix, Request, RouteKind, Selector, VERSION, decode_request, encode_request,
};
use std::net::IpAddr;
use std::time::Duration;

const LINKS: [(u32, &str); 8] = [
    (1, "lo"),
    (2, "eth0"),
    (3, "eth1"),
    (4, "docker0"),
    (5, "ppp0"),
    (6, "eth9"),
    (53, "eth53"),
    (55, "eth55"),
];

pub(crate) fn run(bytes: &[u8]) {
    let mut bytes = Bytes::new(bytes);
    let flags = bytes.byte();
    let policy = policy(flags, bytes.byte());
    let mut world = host();
    for _ in 0..bytes.byte() % 4 {
        plant(&mut world, &mut bytes);
    }
    let mut model = Model::default();
    (model.world, model.operations, model.greets) = (world, bytes, flags & 0x80 == 0);
    model.judge.policy = policy.clone();
    let shared = model::set(model);
    connect_to(shared.clone());
    crate::sys::CLOCK.set(Duration::ZERO);
    let netlink = Netlink::open().expect("a socket");
    let mut helper = Helper::new(Kernel { netlink }, policy);
    let mut report = Report::default();
    let served = crate::session::serve(&Channel, &mut helper, &mut report);
    if let Some(sum) = report.close(Duration::ZERO, true) {
        crate::start::log(&sum);
    }
    let mut model = shared.0.borrow_mut();
    let Model { world, judge, .. } = &mut *model;
    judge.finish(world, served.is_ok());
}

fn policy(flags: u8, limits: u8) -> Policy {
    let is = |bit: u8| flags & bit != 0;
    let patterns: &[&str] = if is(0x20) { &["*"] } else { &["eth*", "!eth9", "ppp0"] };
    let gateway: IpAddr = "198.51.100.1".parse().expect("an address");
    let name = InterfaceName::new("eth1").expect("a name");
    let small = |bits: u8| u32::from(bits & 3) + 1;
    Policy {
        interfaces: PatternList::new(patterns).expect("patterns"),
        table_base: if is(0x08) { 60_000 } else { 200 },
        fallback: if is(0x01) { Fallback::Unreachable } else { Fallback::Main },
        gateway_check: if is(0x02) { GatewayCheck::OnLink } else { GatewayCheck::Known },
        local_networks: !is(0x04),
        gateways: if is(0x10) { [(name, vec![gateway])].into() } else { [].into() },
        limits: if is(0x40) {
            Limits {
                addresses: small(limits),
                local_networks: small(limits >> 2),
                objects: small(limits >> 4) + small(limits >> 6),
                writes_per_second: 2_000,
            }
        } else {
            Limits::default()
        },
        ..Policy::default()
    }
}

fn link(index: u32, name: &'static str) -> Link {
    Link { index, name, loopback: name == "lo", point_to_point: name == "ppp0", master: 0 }
}

/// A host with two uplinks, a bridge of containers, a point-to-point link.
fn host() -> World {
    let mut world = World::default();
    world.links.extend(LINKS.map(|(index, name)| link(index, name)));
    for (index, ip, length, peer) in [
        (1, "127.0.0.1", 8, None),
        (1, "::1", 128, None),
        (2, "192.0.2.2", 24, None),
        (2, "2001:db8::2", 64, None),
        (2, "fe80::2", 64, None),
        (3, "198.51.100.2", 24, None),
        (4, "172.17.0.1", 16, None),
        (5, "10.64.0.2", 32, Some("10.64.0.1")),
    ] {
        let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
        let scope = if ip.starts_with("fe80") { 253 } else { 0 };
        let peer = peer.map(parse);
        world.add_address(Address { index, ip: parse(ip), length, peer, scope, flags: 0x80 });
    }
    for (family, gateway, oif, metric) in [
        ("0.0.0.0/0", "192.0.2.1", 2, 0),
        ("0.0.0.0/0", "198.51.100.1", 3, 100),
        ("::/0", "fe80::1", 2, 1024),
    ] {
        let gateway = Some(gateway.parse().expect("an address"));
        world.routes.push(Route {
            table: MAIN,
            to: family.parse().expect("a prefix"),
            metric,
            kind: RouteType::Unicast,
            protocol: 4,
            scope: RouteScope::Universe,
            tos: 0,
            hops: vec![Hop { oif, gateway, onlink: false }],
        });
    }
    for family in [Family::V4, Family::V6] {
        for (priority, table) in [(0, LOCAL), (32_766, MAIN)] {
            world.rules.push(rule(family, priority, Some(table), 2));
        }
    }
    world
}

fn rule(family: Family, priority: u32, table: Option<u32>, protocol: u8) -> Rule {
    Rule { family, priority, table, from: None, to: None, protocol, mark: None, inverted: false }
}

/// What an earlier netevd, of another policy perhaps, has left.
fn plant(world: &mut World, bytes: &mut Bytes) {
    if bytes.byte() & 1 == 0 {
        let mut rule = any_rule(bytes);
        rule.protocol = PROTOCOL;
        if !world.rules.contains(&rule) {
            world.rules.push(rule);
        }
    } else {
        let mut route = any_route(bytes);
        (route.protocol, route.tos) = (PROTOCOL, 0);
        add_route(world, route);
    }
}

fn any_rule(bytes: &mut Bytes) -> Rule {
    let address = bytes.address();
    let shape = bytes.byte();
    let priority = bytes.of(&[32_002, 32_003, 0, 100, 32_766, 5_000]);
    let table = bytes.of(&[Some(202), Some(203), Some(MAIN), Some(LOCAL), Some(500), None, Some(65_789)]);
    let protocol = bytes.of(&[2, 3, 4, 186]);
    let prefix = if shape & 0x40 == 0 { Prefix::host(address) } else { bytes.prefix() };
    let mut rule = rule(Family::of(prefix.address()), priority, table, protocol);
    rule.from = (shape & 1 != 0 && prefix.length() > 0).then_some(prefix);
    rule.to = (shape & 2 != 0 && prefix.length() > 0).then_some(prefix);
    rule.mark = (shape & 4 != 0).then_some(7);
    rule.inverted = shape & 8 != 0;
    rule
}

fn any_route(bytes: &mut Bytes) -> Route {
    let to = bytes.prefix();
    let table = bytes.of(&[MAIN, 202, 203, 500, LOCAL, 65_789]);
    let shape = bytes.byte();
    let kind = match shape % 8 {
        5 => RouteType::Unreachable,
        6 => RouteType::BlackHole,
        7 => RouteType::Throw,
        _ => RouteType::Unicast,
    };
    let mut hop = || {
        let gateway = Some(bytes.address()).filter(|a| shape & 8 != 0 && (!a.is_ipv4() || to.is_ipv4()));
        Hop { oif: bytes.index(), gateway, onlink: shape & 0x80 != 0 }
    };
    let hops = match kind {
        RouteType::Unicast if shape & 0x10 != 0 => vec![hop(), hop()],
        RouteType::Unicast => vec![hop()],
        _ => Vec::new(),
    };
    let metric = bytes.of(&[0, 1024, u32::MAX, 100, 256]);
    let protocol = bytes.of(&[2, 3, 4, 9, 16, 186]);
    let metric = if to.is_ipv4() { metric } else { metric.max(1) };
    let tos = if shape & 0x20 != 0 { 4 } else { 0 };
    let scope = RouteScope::Universe;
    Route { table, to, metric, kind, protocol, scope, tos, hops }
}

fn add_route(world: &mut World, route: Route) {
    let key = |r: &Route| (r.table, r.to, r.metric, r.tos);
    let stands = world.routes.iter().any(|r| key(r) == key(&route));
    if !stands && route.hops.iter().all(|hop| world.link(hop.oif).is_some()) {
        world.routes.push(route);
    }
}

/// Somebody else, or the kernel itself, changes something.
pub(crate) fn change(world: &mut World, bytes: &mut Bytes) {
    match bytes.byte() % 12 {
        0 => {
            let (index, ip, shape) = (bytes.index(), bytes.address(), bytes.byte());
            let full = Prefix::host(ip).length();
            let length = [full, 24, 16, 0, 1, 8][usize::from(shape % 6)].min(full);
            let peer = Some(bytes.address()).filter(|peer| shape & 8 != 0 && peer.is_ipv4() == ip.is_ipv4());
            let scope = if shape & 0x10 != 0 { 253 } else { 0 };
            let flags = if shape & 0x20 != 0 { 0x40 } else { 0x80 } | if shape & 0x40 != 0 { 8 } else { 0 };
            world.add_address(Address { index, ip, length, peer, scope, flags });
        }
        1 => world.remove_address(bytes.byte().into()),
        2 => world.remove_link(bytes.index()),
        3 => {
            let (index, name) = bytes.of(&LINKS);
            if world.link(index).is_none() && !world.links.iter().any(|link| link.name == name) {
                world.links.push(link(index, name));
            }
        }
        4 => {
            let (index, name) = (bytes.index(), bytes.of(&["eth7", "wan0", "eth8"]));
            if !world.links.iter().any(|link| link.name == name)
                && let Some(link) = world.links.iter_mut().find(|link| link.index == index)
            {
                link.name = name;
            }
        }
        5 => {
            let index = bytes.index();
            if let Some(link) = world.links.iter_mut().find(|link| link.index == index) {
                link.master = if link.master == 0 { 4 } else { 0 };
            }
        }
        6 | 7 => add_route(world, any_route(bytes)),
        8 => {
            let number = usize::from(bytes.byte());
            let foreign = (0..world.routes.len()).filter(|at| !world.routes[*at].is_ours());
            let foreign: Vec<usize> = foreign.collect();
            if !foreign.is_empty() {
                world.routes.remove(foreign[number % foreign.len()]);
            }
        }
        9 => {
            let rule = any_rule(bytes);
            if !world.rules.contains(&rule) {
                world.rules.push(rule);
            }
        }
        10 => {
            let number = usize::from(bytes.byte());
            let foreign: Vec<usize> =
                (0..world.rules.len()).filter(|at| !world.rules[*at].is_ours()).collect();
            if !foreign.is_empty() {
                world.rules.remove(foreign[number % foreign.len()]);
            }
        }
        _ => {
            let (number, flags) = (usize::from(bytes.byte()), bytes.of(&[0x80, 0x40, 0x48, 0x20]));
            let count = world.addresses.len().max(1);
            if let Some(address) = world.addresses.get_mut(number % count) {
                address.flags = flags;
            }
        }
    }
}

/// Whatever a worker may ask for, of things that are mostly there.
pub(crate) fn request(bytes: &mut Bytes) -> Request {
    let kind = bytes.byte();
    let ifindex = Ifindex::try_from(bytes.index()).expect("valid");
    let selector = if kind & 0x10 == 0 { Selector::From } else { Selector::To };
    let family = if kind & 0x20 == 0 { Family::V4 } else { Family::V6 };
    match kind & 15 {
        0 => Request::AddRule { ifindex, selector, address: bytes.address() },
        1 => {
            let several: Vec<IpAddr> = (0..=kind >> 6).map(|_| bytes.address()).collect();
            Request::AddRules { ifindex, addresses: Addresses::lists(several).swap_remove(0) }
        }
        2 => Request::DelRule { ifindex, selector, address: bytes.address() },
        3 | 4 => Request::SetDefault { ifindex, family, next_hop: NextHop::Gateway(bytes.address()) },
        5 => Request::SetDefault { ifindex, family, next_hop: NextHop::PointToPoint },
        6 => Request::AddSubnet { ifindex, address: bytes.address() },
        7 | 8 => Request::AddLocal { ifindex, destination: bytes.prefix() },
        9 => Request::DelRoute { ifindex, family, route: RouteKind::Default },
        10 => Request::DelRoute { ifindex, family, route: RouteKind::Subnet(bytes.prefix()) },
        11 => Request::DelRoute { ifindex, family, route: RouteKind::Fallback },
        12 => Request::Purge { ifindex },
        13 => Request::SyncBegin,
        14 => Request::SyncEnd,
        _ if kind & 0x40 == 0 => Request::Ping,
        _ => Request::Hello { version: u16::from(bytes.byte()) },
    }
}
