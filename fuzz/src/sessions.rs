//! Bytes into a policy, a host, and what a worker and the rest of the world do to them, in turn.

use crate::apply::Helper;
use crate::bytes::{Bytes, INDICES};
use crate::channel::Channel;
use crate::doorbell::Doorbell;
use crate::model::world::{
    Address, BLACKHOLE, Hop, LOCAL, Link, MAIN, MULTICAST, PROHIBIT, Route, Rule, THROW, UNICAST,
    UNREACHABLE, World,
};
use crate::model::{self, BPF, Model};
use crate::netlink::Netlink;
use crate::report::Report;
use crate::socket::connect_to;
use protocol::{
    Addresses, Fallback, Family, GatewayCheck, GatewayName, Ifindex, InterfaceName, Limits, Links, Mark,
    NextHop, PROTOCOL, PatternList, Policy, Prefix, Prefixes, Request, Rules, TableId, Through,
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
    model.judge.watches = true;
    let shared = model::set(model);
    connect_to(shared.clone());
    crate::sys::CLOCK.set(Duration::ZERO);
    let netlink = Netlink::open().expect("a socket");
    let mut helper = Helper::new(netlink, policy);
    let mut report = Report::default();
    let served = crate::session::serve(&Channel, &Doorbell, &mut helper, &mut report);
    if let Some(sum) = report.close(Duration::ZERO, true) {
        crate::start::log(&sum);
    }
    let mut model = shared.0.borrow_mut();
    let Model { world, judge, .. } = &mut *model;
    judge.finish(world, served.is_ok());
}

fn policy(flags: u8, limits: u8) -> Policy {
    let is = |bit: u8| flags & bit != 0;
    // By an alternative name as well.
    let patterns: &[&str] = if is(0x20) { &["*"] } else { &["eth*", "!eth9", "ppp0", "uplink-*"] };
    let parse = |text: &str| text.parse::<IpAddr>().expect("an address");
    let name = |name| InterfaceName::alternative(name).expect("a name");
    let small = |bits: u8| u32::from(bits & 3) + 1;
    let named = vec![GatewayName::Address(parse("198.51.100.1")), GatewayName::First];
    let prefix = |text: &str| text.parse().expect("a prefix");
    Policy {
        interfaces: PatternList::new(patterns).expect("patterns"),
        table_base: if is(0x08) { 60_000 } else { 200 },
        fallback: if is(0x01) { Fallback::Unreachable } else { Fallback::Main },
        gateway_check: if is(0x02) { GatewayCheck::OnLink } else { GatewayCheck::Known },
        to_rules: !is(0x04),
        gateways: if is(0x10) { [(name("uplink-two"), named)].into() } else { [].into() },
        marks: [
            (name("eth0"), Mark { value: 0x10, mask: 0xf0 }),
            (name("uplink-two"), Mark { value: 7, mask: u32::MAX }),
        ]
        .into(),
        shared: if limits & 1 == 0 { [parse("192.0.2.2")].into() } else { [].into() },
        main_prefixes: if limits & 2 == 0 {
            Vec::new()
        } else {
            vec![prefix("10.0.0.0/8"), prefix("2001:db8:1::/64")]
        },
        limits: if is(0x40) {
            Limits {
                addresses: small(limits),
                copies: small(limits >> 2),
                objects: 2 * (small(limits >> 4) + small(limits >> 6)),
                writes_per_second: 2_000,
            }
        } else {
            Limits::default()
        },
        ..Policy::default()
    }
}

fn link(index: u32, name: &'static str) -> Link {
    let mut names = vec![name.as_bytes()];
    if name == "eth1" {
        names.push(b"uplink-two");
    }
    Link { index, names, up: true, loopback: name == "lo", point_to_point: name == "ppp0", master: 0 }
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
        let to: Prefix = family.parse().expect("a prefix");
        let hops = vec![Hop { oif, gateway, ..Hop::default() }];
        world.routes.push(Route { metric, protocol: 4, hops, ..Route::new(MAIN, to, UNICAST) });
    }
    for family in [Family::V4, Family::V6] {
        for (priority, table) in [(0, LOCAL), (32_766, MAIN)] {
            world.rules.push(Rule::new(family, priority, Some(table), 2));
        }
    }
    world
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
        (route.protocol, route.cloned, route.expires) = (PROTOCOL, false, 0);
        world.add_route(route);
    }
}

fn any_rule(bytes: &mut Bytes) -> Rule {
    let address = bytes.address();
    let shape = bytes.byte();
    let priority = bytes.of(&[32_002, 32_003, 0, 100, 32_766, 5_000, 32_000, 32_001]);
    let table = bytes.of(&[Some(202), Some(203), Some(MAIN), Some(LOCAL), Some(500), None, Some(65_789)]);
    let protocol = bytes.of(&[2, 3, 4, 186]);
    let prefix = if shape & 0x40 == 0 { Prefix::host(address) } else { bytes.prefix() };
    let mut rule = Rule::new(Family::of(prefix.address()), priority, table, protocol);
    rule.from = (shape & 1 != 0 && prefix.length() > 0).then_some(prefix);
    rule.to = (shape & 2 != 0 && prefix.length() > 0).then_some(prefix);
    rule.mark = (shape & 4 != 0).then_some(if shape & 0x80 == 0 { (7, u32::MAX) } else { (0x10, 0xf0) });
    rule.inverted = shape & 8 != 0;
    rule.suppress = (shape & 0x30 == 0x30).then_some(if rule.family == Family::V4 { 7 } else { 12 });
    rule
}

fn any_route(bytes: &mut Bytes) -> Route {
    let to = bytes.prefix();
    let table = bytes.of(&[MAIN, MAIN, 202, 203, 500, LOCAL, 65_789]);
    let (shape, more) = (bytes.byte(), bytes.byte());
    let kind = match shape % 8 {
        4 => [PROHIBIT, MULTICAST][usize::from(more & 1)],
        5 => UNREACHABLE,
        6 => BLACKHOLE,
        7 => THROW,
        _ => UNICAST,
    };
    let mut hop = || {
        let gateway = Some(bytes.address()).filter(|a| shape & 8 != 0 && (!a.is_ipv4() || to.is_ipv4()));
        let encap = [None, None, Some((1, vec![8, 0, 1, 0, 7, 0, 0, 0])), Some((BPF, vec![4, 0, 1, 0]))];
        Hop {
            oif: bytes.index(),
            gateway,
            onlink: shape & 0x80 != 0 && gateway.is_some(),
            dead: false,
            weight: if shape & 0x10 != 0 { more & 3 } else { 0 },
            flow: (more & 4 != 0).then_some(0x1_0002),
            encap: if more & 8 != 0 { encap[usize::from(more >> 4 & 3)].clone() } else { None },
        }
    };
    let hops = match kind {
        // By an object without its hops.
        UNICAST if more == 0x42 => Vec::new(),
        UNICAST | MULTICAST if shape & 0x10 != 0 => vec![hop(), hop()],
        UNICAST | MULTICAST => vec![hop()],
        _ => Vec::new(),
    };
    let metric = bytes.of(&[0, 1024, u32::MAX, 100, 256, 101]);
    let origin = bytes.byte();
    let protocol = [2, 3, 4, 9, 16, 80][usize::from(origin % 6)];
    let ipv4 = to.is_ipv4();
    let by_object = kind == UNICAST && (hops.is_empty() || origin >= 0xe0);
    let direct = hops.first().is_some_and(|hop| hop.gateway.is_none());
    Route {
        protocol,
        metric: if ipv4 { metric } else { metric.max(1) },
        tos: if ipv4 && shape & 0x20 != 0 { 4 } else { 0 },
        scope: if ipv4 && direct { 253 } else { 0 },
        source: if !ipv4 && shape & 0x20 != 0 && more & 1 != 0 { "2001:db8::/64".parse().ok() } else { None },
        metrics: (more & 0x40 != 0).then(|| vec![8, 0, 2, 0, 0x14, 5, 0, 0]),
        preference: if ipv4 { 0 } else { [0, 0, 1, 3][usize::from(more >> 1 & 3)] },
        cloned: more == 0xff,
        expires: if more & 0xe0 == 0xa0 { -1 } else { 0 },
        hops,
        by_object,
        ..Route::new(table, to, kind)
    }
}

/// Somebody else, or the kernel itself, changes something.
pub(crate) fn change(world: &mut World, bytes: &mut Bytes) {
    match bytes.byte() % 14 {
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
            let taken = world.links.iter().any(|link| link.names.contains(&name.as_bytes()));
            if world.link(index).is_none() && !taken {
                world.links.push(link(index, name));
            }
        }
        4 => {
            let (index, name) =
                (bytes.index(), bytes.of(&[&b"eth7"[..], b"wan0", b"eth8", b"uplink-\xff", b"eth9"]));
            if !world.links.iter().any(|link| link.names.contains(&name))
                && let Some(link) = world.links.iter_mut().find(|link| link.index == index)
            {
                // Its alternative name, or its own.
                if bytes.byte() & 1 == 0 {
                    link.names[0] = name
                } else {
                    link.names.truncate(1);
                    link.names.push(name)
                }
            }
        }
        5 => {
            let index = bytes.index();
            if let Some(link) = world.links.iter_mut().find(|link| link.index == index) {
                link.master = if link.master == 0 { 4 } else { 0 };
            }
        }
        6 | 7 | 12 => world.add_route(any_route(bytes)),
        13 => world.turn(bytes.index()),
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
    let family = if kind & 0x20 == 0 { Family::V4 } else { Family::V6 };
    let several = kind >> 6;
    let through = if kind & 0x10 == 0 { Through::Table } else { Through::MainFirst };
    let mut addresses = || {
        let several: Vec<IpAddr> = (0..=several).map(|_| bytes.address()).collect();
        Rules::Addresses(Addresses::lists(several).swap_remove(0))
    };
    match kind & 15 {
        0 | 1 => return Request::AddRules { ifindex, rules: addresses(), through },
        2 => return Request::DelRules { ifindex, rules: addresses() },
        _ => {}
    }
    let mut prefixes = || {
        let several: Vec<Prefix> = (0..=several).map(|_| bytes.prefix()).collect();
        Prefixes::lists(several).swap_remove(0)
    };
    match kind & 15 {
        3 => Request::AddRules { ifindex, rules: Rules::Mark(family), through },
        4 => Request::DelRules { ifindex, rules: Rules::Mark(family) },
        5 => Request::SetDefault { ifindex, family, next_hop: NextHop::Gateway(bytes.address()) },
        6 => {
            let table = TableId(bytes.of(&[MAIN, 500, LOCAL, 202, 203, 0]));
            Request::SetDefault { ifindex, family, next_hop: NextHop::Table(table) }
        }
        7 => Request::SetDefault { ifindex, family, next_hop: NextHop::PointToPoint },
        8 => Request::SetDefault { ifindex, family, next_hop: NextHop::Nothing },
        9 | 10 => {
            let prefixes = prefixes();
            let except = (0..usize::from(bytes.byte() & 3)).map(|_| bytes.index());
            let except = except.map(|index| Ifindex::try_from(index).expect("valid"));
            Request::Copy { ifindex, except: Links::new(except).expect("few"), prefixes }
        }
        11 => Request::Follow { ifindex, prefixes: prefixes() },
        12 => Request::DelRoutes { ifindex, prefixes: prefixes() },
        13 => Request::SyncBegin,
        14 => Request::SyncEnd,
        _ if kind & 0x40 == 0 => {
            Request::SetDefault { ifindex, family, next_hop: NextHop::Table(TableId(MAIN)) }
        }
        _ => Request::Hello { version: u16::from(bytes.byte()) },
    }
}
