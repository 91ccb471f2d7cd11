//! The kernel's decision for each of the host's addresses, and for none, to each of some destinations.

use netlink_packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// By `DESTINATION from SOURCE` (or `DESTINATION`): `dev LINK`, `dev LINK via GATEWAY`, a type, or an error's number.
pub(super) fn run<'a>(
    sources: &[IpAddr],
    destinations: impl Iterator<Item = &'a str>,
) -> BTreeMap<String, String> {
    let mut socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.bind_auto().expect("bound");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    let mut found = BTreeMap::new();
    for text in destinations {
        let destination: IpAddr = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
        found.insert(text.to_owned(), look_up(&socket, None, destination));
        for source in sources.iter().filter(|source| source.is_ipv4() == destination.is_ipv4()) {
            let local = matches!(source, IpAddr::V6(ip) if ip.is_unicast_link_local());
            if !local {
                let name = format!("{text} from {source}");
                found.insert(name, look_up(&socket, Some(*source), destination));
            }
        }
    }
    found
}

fn look_up(socket: &Socket, source: Option<IpAddr>, destination: IpAddr) -> String {
    socket.send(&question(source, destination), 0).expect("sent");
    let mut answer = vec![0u8; 8192];
    let length = socket.recv(&mut &mut answer[..], 0).expect("an answer");
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).expect("netlink");
    match message.payload {
        NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => decision(&route),
        NetlinkPayload::Error(error) => format!("error {}", -error.raw_code()),
        other => panic!("unexpected answer: {other:?}"),
    }
}

fn decision(route: &RouteMessage) -> String {
    let mut words = Vec::new();
    if !matches!(route.header.kind, RouteType::Unicast) {
        words.push(format!("{:?}", route.header.kind).to_lowercase());
    }
    let indexes = route.attributes.iter().filter_map(|a| match a {
        RouteAttribute::Oif(index) => Some(*index),
        _ => None,
    });
    for index in indexes {
        let name = nix::net::if_::if_indextoname(index).expect("a link");
        words.push(format!("dev {}", name.to_string_lossy()));
    }
    let gateway = route.attributes.iter().find_map(|a| match a {
        RouteAttribute::Gateway(RouteAddress::Inet(ip)) => Some(format!("via {ip}")),
        RouteAttribute::Gateway(RouteAddress::Inet6(ip)) => Some(format!("via {ip}")),
        RouteAttribute::Via(via) => Some(format!("via {via:?}")),
        _ => None,
    });
    words.extend(gateway);
    words.join(" ")
}

fn question(source: Option<IpAddr>, destination: IpAddr) -> Vec<u8> {
    let mut route = RouteMessage::default();
    let family = if destination.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let bits = if destination.is_ipv4() { 32 } else { 128 };
    route.header.address_family = family;
    route.header.destination_prefix_length = bits;
    let address = |ip| match ip {
        IpAddr::V4(a) => RouteAddress::Inet(a),
        IpAddr::V6(a) => RouteAddress::Inet6(a),
    };
    route.attributes = vec![RouteAttribute::Destination(address(destination))];
    if let Some(source) = source {
        route.header.source_prefix_length = bits;
        route.attributes.push(RouteAttribute::Source(address(source)));
    }
    let mut message = NetlinkMessage::from(RouteNetlinkMessage::GetRoute(route));
    message.header.flags = NLM_F_REQUEST;
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    bytes
}
