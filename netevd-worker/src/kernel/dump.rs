//! Dumps by rtnetlink, with what its plain interface hides made visible: a dump that the kernel
//! refuses under strict checking ends in an errno inside `NLMSG_DONE` and looks like an empty
//! success otherwise; one that was interrupted by a change carries `NLM_F_DUMP_INTR`.

use crate::facts::Address;
use crate::kernel::message::convert;
use crate::kernel::{KernelMessage, Link, Route, Rule};
use futures_util::StreamExt;
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use protocol::{Ifindex, PROTOCOL};
use rtnetlink::Handle;
use std::fmt;
use std::io;

/// How often an interrupted dump is repeated before it is taken as it is: on a host whose routes
/// change without end no dump is ever clean, and the messages behind it correct it.
const REPEATS: usize = 5;
const FAMILIES: [AddressFamily; 2] = [AddressFamily::Inet, AddressFamily::Inet6];

/// The kernel's state, read whole.
#[derive(Clone, Debug, Default)]
pub struct Dump {
    /// Every link.
    pub links: Vec<Link>,
    /// Every address.
    pub addresses: Vec<(Ifindex, Address)>,
    /// The routes that the caller chose.
    pub routes: Vec<Route>,
}

/// What the routing pass compares with.
#[derive(Debug, Default)]
pub struct ManagedDump {
    /// Every rule of both families, ours and foreign.
    pub rules: Vec<Rule>,
    /// Every route with our protocol number, in any table.
    pub routes: Vec<Route>,
}

/// Why a dump brought nothing.
#[derive(Debug)]
pub enum DumpError {
    /// No socket, or it broke.
    Socket(io::Error),
    /// The kernel refused; the text names what was asked.
    Refused(&'static str, io::Error),
    /// The connection ended before `NLMSG_DONE`.
    Incomplete(&'static str),
}

/// One netlink socket for dumps; one dump at a time, as the kernel demands.
pub struct Dumper {
    handle: Handle,
}

impl Dumper {
    /// Opens the socket; its driver is a task of the current tokio runtime.
    pub fn new() -> Result<Self, DumpError> {
        let (mut connection, handle, _) =
            rtnetlink::new_connection_with_strict_check().map_err(DumpError::Socket)?;
        connection.set_forward_done(true);
        tokio::spawn(connection);
        Ok(Self { handle })
    }

    /// Links, addresses and the routes that `keep` chooses.
    pub async fn state(&mut self, keep: impl Fn(&Route) -> bool) -> Result<Dump, DumpError> {
        let mut dump = Dump::default();
        self.collect("links", RouteNetlinkMessage::GetLink(LinkMessage::default()), &mut dump.links, |m| {
            match m {
                KernelMessage::Link(link) => Some(link),
                _ => None,
            }
        })
        .await?;
        let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
        self.collect("addresses", request, &mut dump.addresses, |m| match m {
            KernelMessage::Address(ifindex, address) => Some((ifindex, address)),
            _ => None,
        })
        .await?;
        for family in FAMILIES {
            let mut request = RouteMessage::default();
            request.header.address_family = family;
            self.collect("routes", RouteNetlinkMessage::GetRoute(request), &mut dump.routes, |m| match m {
                KernelMessage::Route(route, _) if keep(&route) => Some(route),
                _ => None,
            })
            .await?;
        }
        Ok(dump)
    }

    /// All rules, and the routes of our protocol.
    pub async fn managed(&mut self) -> Result<ManagedDump, DumpError> {
        let mut dump = ManagedDump::default();
        for family in FAMILIES {
            let mut request = RuleMessage::default();
            request.header.family = family;
            self.collect("rules", RouteNetlinkMessage::GetRule(request), &mut dump.rules, |m| match m {
                KernelMessage::Rule(rule) => Some(rule),
                _ => None,
            })
            .await?;
            self.routes_of(family, None, &mut dump.routes).await?;
        }
        Ok(dump)
    }

    /// All rules.
    pub async fn rules(&mut self) -> Result<Vec<Rule>, DumpError> {
        let mut rules = Vec::new();
        for family in FAMILIES {
            let mut request = RuleMessage::default();
            request.header.family = family;
            self.collect("rules", RouteNetlinkMessage::GetRule(request), &mut rules, |m| match m {
                KernelMessage::Rule(rule) => Some(rule),
                _ => None,
            })
            .await?;
        }
        Ok(rules)
    }

    /// Routes of one table, whoever made them.
    pub async fn table(&mut self, table: protocol::TableId) -> Result<Vec<Route>, DumpError> {
        let mut routes = Vec::new();
        for family in FAMILIES {
            self.routes_of(family, Some(table), &mut routes).await?;
        }
        Ok(routes)
    }

    /// Routes of one table, or those of our protocol.
    async fn routes_of(
        &mut self,
        family: AddressFamily,
        table: Option<protocol::TableId>,
        into: &mut Vec<Route>,
    ) -> Result<(), DumpError> {
        let mut request = RouteMessage::default();
        request.header.address_family = family;
        match table {
            Some(table) => {
                request.attributes.push(netlink_packet_route::route::RouteAttribute::Table(table.0));
            }
            None => request.header.protocol = PROTOCOL.into(),
        }
        let result = self
            .collect("routes by table or protocol", RouteNetlinkMessage::GetRoute(request), into, |m| match m
            {
                KernelMessage::Route(route, _) => Some(route),
                _ => None,
            })
            .await;
        match result {
            // No such table: it is empty.
            Err(DumpError::Refused(_, error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn collect<T>(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        into: &mut Vec<T>,
        select: impl Fn(KernelMessage) -> Option<T>,
    ) -> Result<(), DumpError> {
        let start = into.len();
        for attempt in 1..=REPEATS {
            into.truncate(start);
            let clean = self.once(what, request.clone(), |m| into.extend(select(m))).await?;
            if clean || attempt == REPEATS {
                break;
            }
        }
        Ok(())
    }

    /// One dump; false when a change interrupted it.
    async fn once(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        mut each: impl FnMut(KernelMessage),
    ) -> Result<bool, DumpError> {
        let mut message = NetlinkMessage::from(request);
        message.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut stream =
            self.handle.request(message).map_err(|e| DumpError::Socket(io::Error::other(e.to_string())))?;
        let mut clean = true;
        while let Some(message) = stream.next().await {
            clean &= message.header.flags & NLM_F_DUMP_INTR == 0;
            match &message.payload {
                NetlinkPayload::Done(done) if done.code == 0 => return Ok(clean),
                NetlinkPayload::Done(done) => {
                    return Err(DumpError::Refused(what, io::Error::from_raw_os_error(-done.code)));
                }
                NetlinkPayload::Error(error) => return Err(DumpError::Refused(what, error.to_io())),
                // The receive buffer of this socket overflowed: what came is not all.
                NetlinkPayload::Overrun(_) => clean = false,
                _ => {
                    if let Some(value) = convert(message) {
                        each(value);
                    }
                }
            }
        }
        Err(DumpError::Incomplete(what))
    }
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Socket(error) => write!(f, "netlink socket: {error}"),
            DumpError::Refused(what, error) => write!(f, "the kernel refused to dump {what}: {error}"),
            DumpError::Incomplete(what) => write!(f, "the dump of {what} ended early"),
        }
    }
}

impl std::error::Error for DumpError {}
