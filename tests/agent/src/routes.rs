//! `routes LINK BASE COUNT add|del|storm [ROUNDS [PROTOCOL [KEEP]]] [paced]`: changes of routes as fast as the
//! kernel takes them, many requests in one sendmsg(2) and one acknowledgement for all of them.
//!
//! The routes are of COUNT single addresses from BASE on, by LINK, in main, with a routing daemon's protocol
//! unless another is named.
//! `storm` adds and deletes them all, ROUNDS times, and leaves the first KEEP (0) of the last round.
//! Prints `{began, ended, changes}`; the times are CLOCK_MONOTONIC in nanoseconds.
//!
//! Unpaced can be more than a listener reads. With `paced` it never lets more than [`QUEUED`] bytes wait for
//! any listener of the namespace, so that what is lost was lost by the listener.

use crate::record::now;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

/// Requests in one call: some 20 KiB.
const BATCH: usize = 512;
/// The same when paced: what they make wait, beside [`QUEUED`], is within every usual receive buffer.
const PACED_BATCH: usize = 64;
/// Bytes that may wait for a listener: a third of the smallest receive buffer that is usual.
const QUEUED: u64 = 64 * 1024;
/// Between two looks at what waits.
const PAUSE: Duration = Duration::from_micros(50);
/// Headers of netlink, route and attribute: where the destination is, which is the first attribute.
const DESTINATION: usize = 16 + 12 + 4;
/// Where a message's flags are (nlmsghdr).
const FLAGS: usize = 6;
/// RTPROT_BGP: no network manager's.
const PROTOCOL: u8 = 186;

pub(crate) fn run(arguments: &[String]) {
    let (words, paced) = match arguments.split_last() {
        Some((last, words)) if last == "paced" => (words, true),
        _ => (arguments, false),
    };
    let [link, base, count, action, more @ ..] = words else {
        panic!("routes LINK BASE COUNT add|del|storm [ROUNDS [PROTOCOL [KEEP]]] [paced]")
    };
    let base: Ipv4Addr = base.parse().expect("BASE is an IPv4 address");
    let count: u32 = count.parse().expect("COUNT");
    let rounds: u32 = more.first().map_or(1, |text| text.parse().expect("ROUNDS"));
    let protocol = more.get(1).map_or(PROTOCOL, |text| text.parse().expect("PROTOCOL"));
    let keep: u32 = more.get(2).map_or(0, |text| text.parse().expect("KEEP"));
    let producer = Producer::new(link, base, protocol, paced);
    let began = now();
    let changes: u32 = match action.as_str() {
        "add" => producer.each(&producer.add, 0..count),
        "del" => producer.each(&producer.delete, 0..count),
        "storm" => (1..=rounds)
            .map(|round| {
                let kept = if round == rounds { keep } else { 0 };
                producer.each(&producer.add, 0..count) + producer.each(&producer.delete, kept..count)
            })
            .sum(),
        other => panic!("{other} is not among add, del, storm"),
    };
    println!("{}", serde_json::json!({ "began": began, "ended": now(), "changes": changes }));
}

struct Producer {
    socket: Socket,
    base: u32,
    paced: bool,
    /// A request each, to which a destination is written.
    add: Vec<u8>,
    delete: Vec<u8>,
}

impl Producer {
    fn new(link: &str, base: Ipv4Addr, protocol: u8, paced: bool) -> Producer {
        let index = nix::net::if_::if_nametoindex(link).expect("LINK exists");
        let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
        socket.bind_auto().expect("bound");
        socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
        let mut route = RouteMessage::default();
        route.header = RouteHeader {
            address_family: AddressFamily::Inet,
            destination_prefix_length: 32,
            table: RouteHeader::RT_TABLE_MAIN,
            protocol: RouteProtocol::from(protocol),
            scope: RouteScope::Link,
            kind: RouteType::Unicast,
            ..RouteHeader::default()
        };
        route.attributes =
            vec![RouteAttribute::Destination(RouteAddress::Inet(base)), RouteAttribute::Oif(index)];
        Producer {
            socket,
            base: base.to_bits(),
            paced,
            add: bytes(RouteNetlinkMessage::NewRoute(route.clone()), NLM_F_CREATE | NLM_F_EXCL),
            delete: bytes(RouteNetlinkMessage::DelRoute(route), 0),
        }
    }

    /// Sends the request for each of these destinations; how many.
    fn each(&self, request: &[u8], which: Range<u32>) -> u32 {
        let together = if self.paced { PACED_BATCH } else { BATCH };
        let mut batch = Vec::with_capacity(request.len() * together);
        let mut destinations = self.base + which.start..self.base + which.end;
        while !destinations.is_empty() {
            batch.clear();
            for destination in destinations.by_ref().take(together) {
                let start = batch.len();
                batch.extend_from_slice(request);
                let destination = destination.to_be_bytes();
                batch[start + DESTINATION..start + DESTINATION + 4].copy_from_slice(&destination);
            }
            // The kernel works through all of them before the call returns, and answers failures unasked.
            let last = batch.len() - request.len();
            let flags = (NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes();
            batch[last + FLAGS] |= flags[0];
            batch[last + FLAGS + 1] |= flags[1];
            while self.paced && waiting() > QUEUED {
                std::thread::sleep(PAUSE);
            }
            self.socket.send(&batch, 0).expect("sent");
            self.acknowledged();
        }
        which.end - which.start
    }

    /// Reads the answer to a batch, which says that nothing failed.
    fn acknowledged(&self) {
        let mut answer = vec![0u8; 8192];
        let length = self.socket.recv(&mut &mut answer[..], 0).expect("an answer");
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).expect("netlink");
        match message.payload {
            NetlinkPayload::Error(error) => assert_eq!(error.raw_code(), 0, "the kernel refused a route"),
            other => panic!("unexpected answer: {other:?}"),
        }
    }
}

fn bytes(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    assert_eq!(bytes.len() % 4, 0, "the next one follows aligned");
    bytes
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
