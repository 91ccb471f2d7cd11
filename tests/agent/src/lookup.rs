//! `lookup SOURCE DESTINATION`: RTM_GETROUTE as fast as the kernel answers, until standard input
//! ends. Prints one JSON object: `{lookups, by: {IFINDEX: COUNT}, errors: {ERRNO: COUNT}}`.
//!
//! It says "looking" on standard error after the first answer, so that a test can wait for it.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

static ENOUGH: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(arguments: &[String]) {
    let [source, destination] = arguments else { panic_usage() };
    let question = question(source.parse().expect("SOURCE"), destination.parse().expect("DESTINATION"));
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    std::thread::spawn(|| {
        let mut rest = Vec::new();
        let _ = std::io::stdin().read_to_end(&mut rest);
        ENOUGH.store(true, Ordering::Relaxed);
    });

    let (mut lookups, mut by, mut errors) = (0u64, BTreeMap::new(), BTreeMap::new());
    let mut answer = vec![0u8; 8192];
    while !ENOUGH.load(Ordering::Relaxed) {
        socket.send(&question, 0).expect("sent");
        let length = socket.recv(&mut &mut answer[..], 0).expect("an answer");
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).expect("netlink");
        match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
                let oif = route.attributes.iter().find_map(|a| match a {
                    RouteAttribute::Oif(index) => Some(*index),
                    _ => None,
                });
                *by.entry(oif.unwrap_or(0)).or_insert(0u64) += 1;
            }
            NetlinkPayload::Error(error) => *errors.entry(-error.raw_code()).or_insert(0u64) += 1,
            other => eprintln!("unexpected answer: {other:?}"),
        }
        lookups += 1;
        if lookups == 1 {
            eprintln!("looking");
        }
    }
    println!("{}", json!({ "lookups": lookups, "by": by, "errors": errors }));
}

fn panic_usage() -> ! {
    eprintln!("usage: netevd-test-agent lookup SOURCE DESTINATION");
    std::process::exit(2);
}

fn question(source: IpAddr, destination: IpAddr) -> Vec<u8> {
    let mut route = RouteMessage::default();
    route.header.address_family = if source.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let bits = if source.is_ipv4() { 32 } else { 128 };
    route.header.source_prefix_length = bits;
    route.header.destination_prefix_length = bits;
    let address = |ip| match ip {
        IpAddr::V4(a) => RouteAddress::Inet(a),
        IpAddr::V6(a) => RouteAddress::Inet6(a),
    };
    route.attributes =
        vec![RouteAttribute::Source(address(source)), RouteAttribute::Destination(address(destination))];
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(route));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
