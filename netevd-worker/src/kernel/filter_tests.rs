//! The program, step by step as the kernel would go, against the predicate that it stands for, and
//! that against what the state needs.

use super::*;
use crate::fixtures::index;
use crate::kernel::raw::Messages;
use crate::kernel::{KernelMessage, UnusedRoutes, parse};
use crate::model::Protocols;
use proptest::prelude::*;
use protocol::Prefix;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What classic BPF does with a packet (Documentation/networking/filter.rst): the value returned. A
/// load beyond the end returns 0.
fn run(program: &[sock_filter], packet: &[u8]) -> u32 {
    let (mut a, mut x, mut at, mut stored) = (0_u32, 0_u32, 0_usize, 0_u32);
    loop {
        let sock_filter { code, jt, jf, k } = program[at];
        at += 1;
        let place = usize::try_from(k).expect("64 bits");
        let jump = |condition: bool| usize::from(if condition { jt } else { jf });
        match u32::from(code) {
            LOAD_WORD if k == FIND => a = find(packet, a, x),
            LOAD_WORD_AT_X => match packet.get(place + usize::try_from(x).expect("64 bits")..) {
                Some([b0, b1, b2, b3, ..]) => a = u32::from_be_bytes([*b0, *b1, *b2, *b3]),
                _ => return 0,
            },
            LOAD_NUMBER => a = k,
            NUMBER_TO_X => x = k,
            STORE if k == 0 => stored = a,
            LOAD_STORED if k == 0 => a = stored,
            LOAD_LENGTH => a = u32::try_from(packet.len()).expect("short"),
            LOAD_BYTE => match packet.get(place) {
                Some(byte) => a = (*byte).into(),
                None => return 0,
            },
            LOAD_HALF => match packet.get(place..place + 2) {
                Some(bytes) => a = u16::from_be_bytes([bytes[0], bytes[1]]).into(),
                None => return 0,
            },
            SHIFT => a <<= k,
            ADD => a = a.wrapping_add(k),
            ADD_X => a = a.wrapping_add(x),
            AND => a &= k,
            TO_X => x = a,
            RETURN => return k,
            IF_EQUAL => at += jump(a == k),
            IF_EQUAL_X => at += jump(a == x),
            IF_GREATER => at += jump(a > k),
            IF_AT_LEAST => at += jump(a >= k),
            IF_BIT => at += jump(a & k != 0),
            other => panic!("no code of ours: {other:#x}"),
        }
    }
}

/// `nla_find`, of the packet from there on: the place of an attribute, or 0.
fn find(packet: &[u8], from: u32, kind: u32) -> u32 {
    let mut at = usize::try_from(from).expect("64 bits");
    while let Some([l0, l1, k0, k1, ..]) = packet.get(at..) {
        let length = usize::from(u16::from_ne_bytes([*l0, *l1]));
        if length < 4 || at + length > packet.len() {
            return 0;
        }
        if u32::from(u16::from_ne_bytes([*k0, *k1]) & 0x3fff) == kind {
            return u32::try_from(at).expect("short");
        }
        at += (length + 3) & !3;
    }
    0
}

fn unused_routes() -> impl Strategy<Value = UnusedRoutes> {
    let links =
        |most| prop::collection::btree_set(prop::sample::select(vec![2_u32, 3, 0x0200_0000]), 0..most);
    let nets = vec!["10.0.0.0/8", "10.64.0.0/16", "172.17.0.0/16", "10.64.1.0/24"];
    let nets = prop::collection::btree_set(prop::sample::select(nets), 0..4);
    (links(3), links(3), nets).prop_map(|(ipv4, ipv6, nets)| {
        let indexes = |links: BTreeSet<u32>| links.into_iter().map(index).collect();
        let nets = nets.into_iter().map(|net| net.parse().expect("a prefix")).collect();
        let some = UnusedRoutes::default().with(Family::V4, &indexes(ipv4), &nets);
        some.with(Family::V6, &indexes(ipv6), &BTreeSet::new())
    })
}

fn interests() -> impl Strategy<Value = RouteInterest> {
    let ignored = prop::collection::vec(prop::sample::select(vec![0_u8, 1, 4, 16, 17, 186]), 0..3);
    (any::<bool>(), any::<bool>(), any::<bool>(), unused_routes(), ignored).prop_map(
        |(reported, private, main, unused_routes, ignored)| RouteInterest {
            reported,
            private,
            main,
            unused_routes,
            ignored: protocols(&ignored),
        },
    )
}

fn protocols(numbers: &[u8]) -> Protocols {
    let mut protocols = Protocols::default();
    numbers.iter().for_each(|number| protocols.insert(*number));
    protocols
}

/// A message about a route: type, flags and the eight bytes of `struct rtmsg` that are told apart.
fn message(kind: u16, flags: u16, route: [u8; 8], attributes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(28 + attributes.len()).expect("short");
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend(route);
    bytes.extend([0; 4]);
    bytes.extend(attributes);
    bytes
}

/// Nearly all values matter to some branch.
fn messages() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(vec![16, 17, 20, 24, 25, 26, 32, 0x1800]);
    let flags = prop::sample::select(vec![0, NLM_F_REPLACE, 0x400, 0x600, NLM_F_REPLACE | 0x400]);
    let length = prop::sample::select(vec![0_u8, 1, 2, 3, 4, 8, 12, 13, 24, 32, 64, 128]);
    let table = prop::sample::select(vec![0_u8, 1, 200, 207, 252, 253, 254, 255]);
    let protocol = prop::sample::select(vec![0_u8, 1, 2, 3, 4, 9, 16, 17, 110, 186]);
    let family = prop::sample::select(vec![2_u8, 10]);
    let kind_of_route = prop::sample::select(vec![1_u8, 2, 6, 7]);
    let destination = prop::sample::select(vec![[0_u8; 4], [10, 64, 1, 0], [10, 63, 0, 0], [172, 17, 0, 9]]);
    let links = prop::sample::select(vec![None, Some(2_u32), Some(3), Some(4), Some(0x0200_0000)]);
    let rest = (kind_of_route, destination, links, any::<bool>());
    (kind, flags, family, length, table, protocol, rest).prop_map(
        |(kind, flags, family, length, table, protocol, (route_type, destination, link, is_first))| {
            let width = if family == 2 { 4 } else { 16 };
            let length = if width == 4 { length.min(32) } else { length };
            let mut attributes = vec![u8::try_from(width + 4).expect("short"), 0, 1, 0];
            attributes.extend(destination);
            attributes.resize(4 + width, 0);
            if let Some(link) = link {
                // RTA_OIF, wherever it stands.
                let number = [vec![8, 0, 4, 0], link.to_ne_bytes().to_vec()].concat();
                attributes =
                    if is_first { [number, attributes].concat() } else { [attributes, number].concat() };
            }
            message(kind, flags, [family, length, 0, 0, table, protocol, 0, route_type], &attributes)
        },
    )
}

fn wants(interest: RouteInterest, datagram: &[u8]) -> bool {
    Messages::of(datagram).any(|message| message.is_ok_and(|message| interest.wants(&message)))
}

fn rings(interest: RouteInterest, datagram: &[u8]) -> bool {
    let is_of_route = |kind: u16| [24, 25].contains(&kind);
    let mut messages = Messages::of(datagram);
    messages.any(|message| message.is_ok_and(|m| is_of_route(m.kind) && interest.rings(&m)))
}

#[test]
fn nothing_jumps_out_of_the_program() {
    let all: Vec<u8> = (0..64).map(|number| number + 130).collect();
    let ignored = protocols(&all);
    assert_eq!(ignored.iter().count(), crate::config::IGNORED_MAX);
    let links: BTreeSet<_> = (1..=8).map(index).collect();
    let net = |n: u8| Prefix::containing(IpAddr::from([10, n, 0, 0]), 16).expect("a prefix");
    let unused_routes = UnusedRoutes::default().with(Family::V4, &links, &(0..16).map(net).collect());
    let unused_routes = unused_routes.with(Family::V6, &links, &BTreeSet::new());
    let program =
        program(RouteInterest { reported: true, private: true, main: true, unused_routes, ignored });
    assert!(program.len() > 190, "every part is there: {}", program.len());
    for (at, step) in program.iter().enumerate().filter(|(_, step)| u32::from(step.code) & 7 == libc::BPF_JMP)
    {
        for distance in [step.jt, step.jf] {
            assert!(at + 1 + usize::from(distance) < program.len(), "step {at}");
        }
    }
    assert_eq!(program.last().map(|step| u32::from(step.code)), Some(RETURN));
}

fn quiet() -> RouteInterest {
    let (unused_routes, ignored) = (UnusedRoutes::default(), Protocols::default());
    RouteInterest { reported: false, private: false, main: false, unused_routes, ignored }
}

#[test]
fn a_full_table_through_another_uplink_wakes_nobody() {
    let nets = BTreeSet::from(["172.17.0.0/16".parse().expect("a prefix")]);
    let unused_routes = UnusedRoutes::default().with(Family::V4, &BTreeSet::from([index(2)]), &nets);
    let interest = RouteInterest { private: true, main: true, unused_routes, ..quiet() };
    let route = |destination: [u8; 4], protocol, length, link: u8| {
        let attributes = [[8, 0, 1, 0], destination, [8, 0, 4, 0], u32::from(link).to_ne_bytes()].concat();
        message(24, 0x600, [2, length, 0, 0, 254, protocol, 0, 1], &attributes)
    };
    for (what, datagram, passes) in [
        ("a route through the other uplink", route([203, 0, 113, 0], 186, 24, 2), false),
        ("its half of the world", route([128, 0, 0, 0], 186, 1, 2), true),
        ("one of ip(8)", route([203, 0, 113, 0], 3, 24, 2), true),
        ("one through a link that is none", route([203, 0, 113, 0], 186, 24, 3), true),
        ("one inside of a net that is copied", route([172, 17, 9, 0], 186, 24, 2), true),
        ("one by several ways", message(24, 0x600, [2, 24, 0, 0, 254, 186, 0, 1], &[]), true),
    ] {
        assert_eq!(run(&program(interest), &datagram) != 0, passes, "{what}");
    }
}

#[test]
fn what_a_quiet_host_is_spared() {
    let quiet = quiet();
    let route = |table, protocol, length| message(24, 0x600, [2, length, 0, 0, table, protocol, 0, 1], &[]);
    for (what, datagram, passes) in [
        ("a route of a routing daemon", route(254, 186, 24), false),
        ("its default", route(254, 186, 0), true),
        ("a static route", route(254, 4, 24), true),
        ("an own address", route(255, 2, 32), false),
        ("a route of a VRF", route(252, 186, 24), false),
        ("a default of a VRF", route(252, 186, 0), true),
        ("what we put in", route(207, 110, 24), false),
        ("what we put in, gone", message(25, 0, [2, 24, 0, 0, 207, 110, 0, 1], &[]), true),
        ("a replacement in main", message(24, 0x100, [2, 24, 0, 0, 254, 186, 0, 1], &[]), true),
        ("two messages", [route(254, 186, 24), route(254, 186, 24)].concat(), true),
        ("half a message", route(254, 186, 24)[..24].to_vec(), true),
    ] {
        assert_eq!(run(&program(quiet), &datagram) != 0, passes, "{what}");
    }
}

#[test]
fn a_full_table_that_is_ignored_wakes_nobody() {
    let interest = RouteInterest {
        reported: true,
        private: true,
        main: true,
        ignored: protocols(&[12, 186]),
        ..quiet()
    };
    let route = |protocol, length| message(24, NLM_F_REPLACE, [2, length, 0, 0, 254, protocol, 0, 1], &[]);
    for (what, datagram, passes) in [
        ("a route of bird", route(12, 24), false),
        ("its default", route(12, 0), true),
        ("its half of the world", route(12, 1), true),
        ("a route of zebra, which is not ignored", route(11, 24), true),
        ("a route of BGP", route(186, 13), false),
        ("a route of BGP that goes", message(25, 0, [10, 48, 0, 0, 254, 186, 0, 1], &[]), false),
        ("two messages", [route(12, 24), route(12, 24)].concat(), true),
    ] {
        assert_eq!(run(&program(interest), &datagram) != 0, passes, "{what}");
    }
    assert!(!wants(interest, &[route(12, 24), route(12, 24)].concat()), "of two each is looked at");
}

proptest! {
    #[test]
    fn a_single_message_passes_if_it_is_wanted(interest in interests(), datagram in messages()) {
        let passes = run(&program(interest), &datagram);
        let is_asked_for = wants(interest, &datagram) || rings(interest, &datagram);
        prop_assert_eq!(passes, if is_asked_for { u32::MAX } else { 0 });
    }

    #[test]
    fn several_messages_pass(interest in interests(), datagrams in prop::collection::vec(messages(), 2..5)) {
        prop_assert_eq!(run(&program(interest), &datagrams.concat()), u32::MAX);
    }

    #[test]
    fn of_no_bytes_a_wanted_message_is_dropped(
        interest in interests(),
        datagram in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let passes = run(&program(interest), &datagram) != 0;
        prop_assert!(passes || !wants(interest, &datagram));
    }

    /// What [`crate::state::Routes`] keeps, what starts a routing pass, what scripts hear of.
    #[test]
    fn what_is_needed_is_wanted(interest in interests(), datagram in messages()) {
        let mut found = Vec::new();
        parse(&datagram, |message| found.push(message));
        for message in found {
            let (route, is_gone) = match message {
                KernelMessage::Route(route, _) => (route, false),
                KernelMessage::RouteGone(route) => (route, true),
                _ => continue,
            };
            let is_ignored = route.destination.length() > WIDE && interest.ignored.contains(route.protocol);
            let is_needed = route.is_default()
                || route.is_main_candidate()
                || (is_gone && route.is_ours())
                || (interest.reported && crate::state::is_reported(&route) && !route.is_ours())
                || (interest.private && crate::state::is_in_private_table(&route));
            prop_assert!(!is_needed || is_ignored || wants(interest, &datagram), "{route:?}");
        }
    }
}
