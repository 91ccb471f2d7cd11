//! Questions to the kernel by rtnetlink(7): dumps, synchronous, read only.
//!
//! For commands that a person waits for. Limits: nothing is written here, and a dump that the
//! kernel calls inconsistent is repeated a few times and then reported.

use netlink_packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteMessage, RouteProtocol};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use protocol::PROTOCOL;
use std::fmt;
use std::io;

const ATTEMPTS: usize = 5;

/// How much of netevd's own stands in the kernel, both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Census {
    /// Rules of protocol 110.
    pub(crate) rules: usize,
    /// Routes of protocol 110, in any table.
    pub(crate) routes: usize,
}

impl Census {
    /// Counts.
    pub(crate) fn take() -> io::Result<Self> {
        let ours = RouteProtocol::from(PROTOCOL);
        let rules = dump(RouteNetlinkMessage::GetRule(RuleMessage::default()))?;
        let rules = rules.iter().filter(|message| match message {
            RouteNetlinkMessage::NewRule(rule) => rule.attributes.contains(&RuleAttribute::Protocol(ours)),
            _ => false,
        });
        // The kernel filters; a router may have a million routes.
        let mut filter = RouteMessage::default();
        filter.header.protocol = ours;
        let routes = dump(RouteNetlinkMessage::GetRoute(filter))?;
        let routes = routes.iter().filter(|message| match message {
            RouteNetlinkMessage::NewRoute(route) => route.header.protocol == ours,
            _ => false,
        });
        Ok(Self { rules: rules.count(), routes: routes.count() })
    }

    /// Nothing at all.
    pub(crate) fn is_empty(self) -> bool {
        self.rules == 0 && self.routes == 0
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let Self { rules, routes } = *self;
        write!(f, "{rules} rule{} and {routes} route{}", plural(rules), plural(routes))
    }
}

/// Every object that a dump request names.
pub(crate) fn dump(request: RouteNetlinkMessage) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    // A refused filter is an error then, and not a dump of everything.
    socket.set_netlink_get_strict_chk(true)?;
    socket.bind_auto()?;
    // Connected to the kernel it takes messages from nobody else.
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut sequence = 0;
    loop {
        sequence += 1;
        match attempt(&socket, request.clone(), sequence) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted && sequence < ATTEMPTS => {}
            done => return done,
        }
    }
}

fn attempt(
    socket: &Socket,
    request: RouteNetlinkMessage,
    sequence: usize,
) -> io::Result<Vec<RouteNetlinkMessage>> {
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    header.sequence_number = u32::try_from(sequence).unwrap_or_default();
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(request));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let (mut found, mut interrupted) = (Vec::new(), false);
    loop {
        let (datagram, _) = socket.recv_from_full()?;
        let mut rest = datagram.as_slice();
        while !rest.is_empty() {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
            let length = usize::try_from(message.header.length).unwrap_or(rest.len());
            rest = rest.get(length.next_multiple_of(4).max(16)..).unwrap_or_default();
            if message.header.sequence_number != header.sequence_number {
                continue;
            }
            interrupted |= message.header.flags & NLM_F_DUMP_INTR != 0;
            match message.payload {
                NetlinkPayload::InnerMessage(inner) => found.push(inner),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                // Where a refused filter is reported; "no such table" is an empty answer.
                NetlinkPayload::Done(done) if done.code == -libc::ENOENT => return Ok(found),
                NetlinkPayload::Done(done) if done.code < 0 => {
                    return Err(io::Error::from_raw_os_error(done.code.saturating_neg()));
                }
                NetlinkPayload::Done(_) if interrupted => {
                    return Err(io::Error::new(
                        io::ErrorKind::Interrupted,
                        "the kernel's state changes too fast",
                    ));
                }
                NetlinkPayload::Done(_) => return Ok(found),
                _ => {}
            }
        }
    }
}
