//! `routes-storm LINK PROTOCOL ROUTES ROUNDS [KEEP] [paced]`: adds ROUTES routes (10.0.0.0/8, /32, main)
//! by LINK and deletes them again, ROUNDS times, many requests a system call. Of the last round the
//! first KEEP (0) are left. Prints `{"changes": N, "seconds": S}`.
//!
//! Unpaced it is as fast as the kernel takes requests, which can be more than a listener reads. With
//! `paced` it never lets more than [`QUEUED`] bytes wait for any listener of the namespace, so that what
//! is lost was lost by the listener.

use crate::record::now;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteProtocol, RouteScope};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::net::Ipv4Addr;
use std::time::Duration;

/// Requests a system call. The last of them is acknowledged, which is waited for: errors are seen, and
/// an answer never finds the socket full.
const BATCH: u32 = 64;
/// Bytes that may wait for a listener: a third of the smallest receive buffer that is usual.
const QUEUED: u64 = 64 * 1024;
/// Between two looks at what waits.
const PAUSE: Duration = Duration::from_micros(50);

pub(crate) fn run(arguments: &[String]) {
    let (words, paced) = match arguments.split_last() {
        Some((last, words)) if last == "paced" => (words, true),
        _ => (arguments, false),
    };
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u32>().ok());
    let (Some(link), Some(protocol), Some(routes), Some(rounds)) =
        (words.first(), number(1), number(2), number(3))
    else {
        panic!("usage: routes-storm LINK PROTOCOL ROUTES ROUNDS [KEEP] [paced]");
    };
    let index = nix::net::if_::if_nametoindex(link.as_str()).expect("LINK exists");
    let protocol = u8::try_from(protocol).expect("a protocol is a byte");
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    let began = now();
    let mut changes = 0;
    for round in 1..=rounds {
        let kept = if round == rounds { number(4).unwrap_or(0) } else { 0 };
        for (is_addition, first) in [(true, 0), (false, kept)] {
            changes += pass(&socket, is_addition, (index, protocol), first..routes, paced);
        }
    }
    let seconds = (now() - began) as f64 / 1e9;
    println!("{}", serde_json::json!({ "changes": changes, "seconds": seconds }));
}

/// One addition or deletion of each of these routes.
fn pass(
    socket: &Socket,
    is_addition: bool,
    (index, protocol): (u32, u8),
    which: std::ops::Range<u32>,
    paced: bool,
) -> u64 {
    let mut numbers = which.clone();
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let chunk: Vec<u32> = numbers.by_ref().take(BATCH as usize).collect();
        let Some(last) = chunk.last() else { break };
        for number in &chunk {
            append(&mut batch, is_addition, (index, protocol), *number, number == last);
        }
        if paced {
            while waiting() > QUEUED {
                std::thread::sleep(PAUSE);
            }
        }
        socket.send(&batch, 0).expect("sent");
        await_acknowledgement(socket);
    }
    u64::from(which.end.saturating_sub(which.start))
}

fn append(
    batch: &mut Vec<u8>,
    is_addition: bool,
    (index, protocol): (u32, u8),
    number: u32,
    acknowledged: bool,
) {
    let mut route = RouteMessage::default();
    route.header.address_family = AddressFamily::Inet;
    route.header.destination_prefix_length = 32;
    route.header.table = 254;
    route.header.protocol = RouteProtocol::from(protocol);
    route.header.scope = RouteScope::Link;
    route.header.kind = netlink_packet_route::route::RouteType::Unicast;
    let destination = Ipv4Addr::from_bits(0x0a00_0000 + number);
    route.attributes =
        vec![RouteAttribute::Destination(RouteAddress::Inet(destination)), RouteAttribute::Oif(index)];
    let (message, flags) = if is_addition {
        (RouteNetlinkMessage::NewRoute(route), NLM_F_CREATE | NLM_F_EXCL)
    } else {
        (RouteNetlinkMessage::DelRoute(route), 0)
    };
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | flags | if acknowledged { NLM_F_ACK } else { 0 };
    message.finalize();
    let start = batch.len();
    batch.resize(start + message.buffer_len(), 0);
    message.serialize(&mut batch[start..]);
}

/// An error is told for any request, success for the last alone.
fn await_acknowledgement(socket: &Socket) {
    let mut answer = vec![0_u8; 8192];
    let length = socket.recv(&mut &mut answer[..], 0).expect("an answer");
    // struct nlmsghdr (16 bytes), then the errno, 0 or negative (struct nlmsgerr).
    let errno = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    assert_eq!(errno.filter(|_| length >= 20), Some(0), "a change of a route is accepted");
}

/// The most that waits for a listener of rtnetlink here: /proc/net/netlink, whose columns are sk, Eth
/// (0: route), Pid, Groups, Rmem.
fn waiting() -> u64 {
    let table = std::fs::read_to_string("/proc/net/netlink").expect("/proc is mounted");
    let queued = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listens = words.get(1) == Some(&"0") && words.get(3) != Some(&"00000000");
        if listens { words.get(4)?.parse().ok() } else { None }
    };
    table.lines().filter_map(queued).max().unwrap_or(0)
}
