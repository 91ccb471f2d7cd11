//! `bulk links add|del FIRST COUNT`, `bulk addresses add|del FIRST COUNT LINK`,
//! `bulk routes add|del FIRST COUNT LINK PROTOCOL [GATEWAY]`: objects by the thousand, as fast as the kernel takes
//! them: many requests a sendmsg(2), of which the last alone is acknowledged. Prints the nanoseconds that it took.
//!
//! The n-th link is `dN`, up: a dummy, or where the kernel has none an ifb; the n-th address is n above 10.64.0.0, /32; the n-th route leads to the
//! n-th /24 above 16.0.0.0, in main. The first refusal ends it.

use crate::record::now;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::net::{IpAddr, Ipv4Addr};

/// Requests a message: well within the default send buffer, and within one of answers if each fails.
const TOGETHER: usize = 128;

/// What all objects of a call have in common.
enum Kind {
    Link(InfoKind),
    Address { link: u32 },
    Route { link: u32, protocol: u8, gateway: Option<Ipv4Addr> },
}

pub(crate) fn run(arguments: &[String]) {
    let [what, verb, first, count, rest @ ..] = arguments else {
        panic!("bulk links|addresses|routes add|del FIRST COUNT ...")
    };
    let number = |text: &String| text.parse::<u32>().unwrap_or_else(|_| panic!("{text}: a number"));
    let index = |name: &String| nix::net::if_::if_nametoindex(name.as_str()).expect("LINK exists");
    let kind = match (what.as_str(), rest) {
        ("links", []) => Kind::Link(if has_dummies() { InfoKind::Dummy } else { InfoKind::Ifb }),
        ("addresses", [link]) => Kind::Address { link: index(link) },
        ("routes", [link, protocol, gateway @ ..]) => Kind::Route {
            link: index(link),
            protocol: protocol.parse().expect("PROTOCOL is a number"),
            gateway: gateway.first().map(|gateway| gateway.parse().expect("GATEWAY is an address")),
        },
        _ => panic!("bulk {what}: not so many words"),
    };
    let adds = verb == "add";
    let (first, count) = (number(first), number(count));
    let socket = open();
    let began = now();
    let mut together = Vec::new();
    let all: Vec<u32> = (first..first + count).collect();
    for chunk in all.chunks(TOGETHER) {
        together.clear();
        for n in chunk {
            let is_last = Some(n) == chunk.last();
            append(&mut together, kind.request(*n, adds), adds, is_last);
        }
        socket.send(&together, 0).expect("sent");
        if let Err(error) = acknowledged(&socket) {
            panic!("the kernel refuses {what} {verb}, one of {chunk:?}: {error}");
        }
    }
    println!("{}", now() - began);
}

fn open() -> Socket {
    let socket = Socket::new(NETLINK_ROUTE).expect("a netlink socket");
    socket.connect(&SocketAddr::new(0, 0)).expect("connected to the kernel");
    socket
}

/// Tried with one, which is gone again.
fn has_dummies() -> bool {
    let (socket, kind) = (open(), Kind::Link(InfoKind::Dummy));
    let done = |adds| {
        let mut request = Vec::new();
        append(&mut request, kind.request(u32::MAX, adds), adds, true);
        socket.send(&request, 0).expect("sent");
        acknowledged(&socket).is_ok()
    };
    done(true) && done(false)
}

fn append(buffer: &mut Vec<u8>, request: RouteNetlinkMessage, adds: bool, is_last: bool) {
    let mut message = NetlinkMessage::from(request);
    message.header.flags = NLM_F_REQUEST;
    if adds {
        message.header.flags |= NLM_F_CREATE | NLM_F_EXCL;
    }
    if is_last {
        message.header.flags |= NLM_F_ACK;
    }
    message.finalize();
    let start = buffer.len();
    buffer.resize(start + message.buffer_len(), 0);
    message.serialize(&mut buffer[start..]);
}

/// A refusal comes unasked, and before the acknowledgement of what was sent behind it.
fn acknowledged(socket: &Socket) -> std::io::Result<()> {
    let mut answer = vec![0; 32 << 10];
    let length = socket.recv(&mut &mut answer[..], 0).expect("an answer");
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&answer[..length]).expect("netlink");
    match message.payload {
        NetlinkPayload::Error(error) if error.code.is_none() => Ok(()),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        other => panic!("unexpected answer: {other:?}"),
    }
}

impl Kind {
    fn request(&self, n: u32, adds: bool) -> RouteNetlinkMessage {
        match self {
            Kind::Link(kind) => {
                let mut message = LinkMessage::default();
                message.attributes.push(LinkAttribute::IfName(format!("d{n}")));
                if !adds {
                    return RouteNetlinkMessage::DelLink(message);
                }
                message.header.flags = LinkFlags::Up;
                message.header.change_mask = LinkFlags::Up;
                message.attributes.push(LinkAttribute::LinkInfo(vec![LinkInfo::Kind(kind.clone())]));
                RouteNetlinkMessage::NewLink(message)
            }
            Kind::Address { link } => {
                let address = IpAddr::V4(Ipv4Addr::from_bits(0x0a40_0000 + n));
                let mut message = AddressMessage::default();
                message.header.family = AddressFamily::Inet;
                message.header.prefix_len = 32;
                message.header.index = *link;
                message.attributes =
                    vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
                if adds {
                    RouteNetlinkMessage::NewAddress(message)
                } else {
                    RouteNetlinkMessage::DelAddress(message)
                }
            }
            Kind::Route { link, protocol, gateway } => {
                let mut message = RouteMessage::default();
                let scope = if gateway.is_some() { RouteScope::Universe } else { RouteScope::Link };
                message.header = RouteHeader {
                    address_family: AddressFamily::Inet,
                    destination_prefix_length: 24,
                    table: RouteHeader::RT_TABLE_MAIN,
                    protocol: (*protocol).into(),
                    scope,
                    kind: RouteType::Unicast,
                    ..RouteHeader::default()
                };
                let destination = RouteAddress::Inet(Ipv4Addr::from_bits(0x1000_0000 + (n << 8)));
                message.attributes =
                    vec![RouteAttribute::Destination(destination), RouteAttribute::Oif(*link)];
                message
                    .attributes
                    .extend(gateway.map(|gateway| RouteAttribute::Gateway(RouteAddress::Inet(gateway))));
                if adds {
                    RouteNetlinkMessage::NewRoute(message)
                } else {
                    RouteNetlinkMessage::DelRoute(message)
                }
            }
        }
    }
}
