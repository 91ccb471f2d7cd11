//! `poke LINK`: at each line on standard input, removes and adds an address of LINK, and prints
//! the CLOCK_MONOTONIC nanoseconds right before the addition was asked for.

use crate::record::now;
use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::io::{BufRead, Write};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 1));
/// Between removal and addition, so that nobody still works on the one at the other.
const PAUSE: Duration = Duration::from_millis(3);

pub(crate) fn run(arguments: &[String]) {
    let link = arguments.first().expect("LINK");
    let index = nix::net::if_::if_nametoindex(link.as_str()).expect("LINK exists");
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = 32;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(ADDRESS), AddressAttribute::Address(ADDRESS)];
    let add = bytes(RouteNetlinkMessage::NewAddress(message.clone()), NLM_F_CREATE);
    let delete = bytes(RouteNetlinkMessage::DelAddress(message), 0);
    for line in std::io::stdin().lock().lines() {
        line.expect("a line");
        ask(&socket, &delete);
        std::thread::sleep(PAUSE);
        let asked = now();
        assert_eq!(ask(&socket, &add), 0, "the address is added");
        println!("{asked}");
        std::io::stdout().flush().expect("flushed");
    }
}

fn bytes(message: RouteNetlinkMessage, flags: u16) -> Vec<u8> {
    let mut message = NetlinkMessage::from(message);
    message.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}

/// Sends, and returns the errno of the answer.
fn ask(socket: &Socket, question: &[u8]) -> i32 {
    socket.send(question, 0).expect("sent");
    let mut answer = vec![0u8; 8192];
    let length = socket.recv(&mut &mut answer[..], 0).expect("an answer");
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).expect("netlink");
    match message.payload {
        NetlinkPayload::Error(error) => -error.raw_code(),
        other => panic!("unexpected answer: {other:?}"),
    }
}
