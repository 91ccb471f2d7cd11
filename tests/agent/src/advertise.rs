//! `advertise IFACE SOURCE [lifetime=1800] [pref=low|medium|high] [prefix=P[,P]] [flags=LA] [valid=S]
//! [preferred=S] [route=P[,P]]`: sends one router advertisement (RFC 4861, RFC 4191) to all nodes.

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn6, bind, sendto, setsockopt, socket,
    sockopt::Ipv6MulticastHops,
};
use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddrV6};
use std::os::fd::AsRawFd;

pub(crate) fn run(arguments: &[String]) {
    let [iface, source, more @ ..] = arguments else { panic!("advertise IFACE SOURCE [KEY=VALUE...]") };
    let options: HashMap<&str, &str> = more.iter().map(|o| o.split_once('=').expect("KEY=VALUE")).collect();
    let index = nix::net::if_::if_nametoindex(iface.as_str()).expect("IFACE exists");
    let source: Ipv6Addr = source.parse().expect("SOURCE is an IPv6 address");
    let socket = socket(AddressFamily::Inet6, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::IcmpV6)
        .expect("a raw socket");
    // RFC 4861, 6.1.2: receivers drop what has crossed a router.
    setsockopt(&socket, Ipv6MulticastHops, &255).expect("hops set");
    let address = |address| SockaddrIn6::from(SocketAddrV6::new(address, 0, 0, index));
    bind(socket.as_raw_fd(), &address(source)).expect("bound to SOURCE");
    let all_nodes = address(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1));
    sendto(socket.as_raw_fd(), &message(&options), &all_nodes, MsgFlags::empty()).expect("sent");
}

fn message(options: &HashMap<&str, &str>) -> Vec<u8> {
    let number =
        |key: &str, usual: u32| options.get(key).map_or(usual, |text| text.parse().expect("a number"));
    let preference = match options.get("pref") {
        Some(&"low") => 0b11,
        Some(&"high") => 0b01,
        _ => 0_u8,
    } << 3;
    let lifetime = u16::try_from(number("lifetime", 1800)).expect("16 bits").to_be_bytes();
    // Type, code, checksum (the kernel's), hop limit, flags, lifetime, reachable time, retransmission timer.
    let mut bytes = vec![134, 0, 0, 0, 64, preference, lifetime[0], lifetime[1], 0, 0, 0, 0, 0, 0, 0, 0];
    let list =
        |key: &str| options.get(key).into_iter().flat_map(|text| text.split(',')).map(prefix).collect();
    let prefixes: Vec<(Ipv6Addr, u8)> = list("prefix");
    let letters = options.get("flags").copied().unwrap_or("LA");
    let flags = u8::from(letters.contains('L')) << 7 | u8::from(letters.contains('A')) << 6;
    for (network, length) in prefixes {
        bytes.extend([3, 4, length, flags]);
        bytes.extend(number("valid", 86_400).to_be_bytes());
        bytes.extend(number("preferred", 14_400).to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(network.octets());
    }
    let routes: Vec<(Ipv6Addr, u8)> = list("route");
    for (network, length) in routes {
        bytes.extend([24, 3, length, preference]);
        bytes.extend(1800_u32.to_be_bytes());
        bytes.extend(network.octets());
    }
    bytes
}

fn prefix(text: &str) -> (Ipv6Addr, u8) {
    let (network, length) = text.split_once('/').expect("a prefix");
    (network.parse().expect("a network"), length.parse().expect("a length"))
}
