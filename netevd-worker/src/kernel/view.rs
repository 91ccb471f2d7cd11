//! The kernel's tables as people are shown them: read on request, handed over one by one, never
//! kept. A million routes cost time here and no memory.
//!
//! One [`View`] serves one look and is dropped with all that was left unread.

use super::exchange::{DumpError, Exchange};
use super::raw::Raw;
use super::{SeenRoute, SeenRule};
use crate::model::{LinkExtra, Statistics};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage};
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::{RTM_NEWROUTE, RTM_NEWRULE};
use protocol::{Family, TableId};
use std::net::IpAddr;

/// One look at the kernel.
pub struct View {
    exchange: Exchange,
}

/// A packet whose way is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where to.
    pub destination: IpAddr,
    /// Where from; none where the kernel is to choose.
    pub source: Option<IpAddr>,
    /// The link that it came in by; none of a packet of this host.
    pub iif: Option<u32>,
    /// `fwmark`; 0 is none.
    pub mark: u32,
}

/// Which routes the kernel is to tell of; it need not obey but for the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteSelection {
    /// Of this table alone.
    pub table: Option<TableId>,
    /// With this protocol number alone.
    pub protocol: Option<u8>,
    /// By the link of this ifindex alone.
    pub oif: Option<u32>,
}

impl View {
    /// Opens the socket; needs a tokio runtime.
    pub fn new() -> Result<Self, DumpError> {
        Ok(Self { exchange: Exchange::open()? })
    }

    /// Calls `each` for every route of a family; false when changes meanwhile made it inexact.
    pub async fn routes(
        &mut self,
        family: Family,
        selection: RouteSelection,
        mut each: impl FnMut(SeenRoute),
    ) -> Result<bool, DumpError> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        request.header.protocol = selection.protocol.unwrap_or_default().into();
        request.attributes.extend(selection.table.map(|table| RouteAttribute::Table(table.0)));
        request.attributes.extend(selection.oif.map(RouteAttribute::Oif));
        self.exchange
            .dump("routes", RouteNetlinkMessage::GetRoute(request), |message| {
                if message.kind == RTM_NEWROUTE {
                    // One that does not parse costs itself. A kernel without IPv6 answers with the
                    // families that it has.
                    let route = SeenRoute::read(message.payload).ok().flatten();
                    route
                        .filter(|route| Family::of(route.destination.address()) == family)
                        .into_iter()
                        .for_each(&mut each);
                }
            })
            .await
    }

    /// What the kernel decides for a packet: the route of the table (`fib_match`), or the way that it takes.
    /// [`DumpError::Refused`] has the kernel's reason where there is no way.
    pub async fn decide(
        &mut self,
        question: &Question,
        fib_match: bool,
    ) -> Result<Option<SeenRoute>, DumpError> {
        let bytes = |address: IpAddr| match address {
            IpAddr::V4(address) => RouteAddress::Inet(address),
            IpAddr::V6(address) => RouteAddress::Inet6(address),
        };
        let length = if question.destination.is_ipv4() { 32 } else { 128 };
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(Family::of(question.destination));
        request.header.destination_prefix_length = length;
        // Of IPv6 the kernel always tells the table, and refuses to be asked for it.
        if question.destination.is_ipv4() {
            request.header.flags |= RouteFlags::LookupTable;
        }
        if fib_match {
            request.header.flags |= RouteFlags::FibMatch;
        }
        request.attributes.push(RouteAttribute::Destination(bytes(question.destination)));
        if let Some(source) = question.source {
            request.header.source_prefix_length = length;
            request.attributes.push(RouteAttribute::Source(bytes(source)));
        }
        request.attributes.extend(question.iif.map(RouteAttribute::Iif));
        if question.mark != 0 {
            request.attributes.push(RouteAttribute::Mark(question.mark));
        }
        let mut found = None;
        self.exchange
            .one("the way of a packet", RouteNetlinkMessage::GetRoute(request), |message| {
                found = SeenRoute::read_any(message.payload).ok().flatten();
            })
            .await?;
        Ok(found)
    }

    /// Calls `each` for every rule of a family, in the order of their priorities.
    pub async fn rules(&mut self, family: Family, mut each: impl FnMut(SeenRule)) -> Result<bool, DumpError> {
        let mut request = RuleMessage::default();
        request.header.family = address_family(family);
        self.exchange
            .dump("rules", RouteNetlinkMessage::GetRule(request), |message| {
                if message.kind == RTM_NEWRULE {
                    let rule = SeenRule::read(message.payload).ok().flatten();
                    rule.filter(|rule| rule.family == family).into_iter().for_each(&mut each);
                }
            })
            .await
    }

    /// Calls `each` with ifindex and counters of every link.
    pub async fn counters(&mut self, mut each: impl FnMut(u32, Statistics)) -> Result<bool, DumpError> {
        let parse = |message: &Raw<'_>| NetlinkMessage::<RouteNetlinkMessage>::deserialize(message.whole);
        self.exchange
            .dump("links", RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| {
                // One that does not parse costs itself.
                let payload = parse(message).map(|message| message.payload);
                if let Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(link))) = payload {
                    each(link.header.index, LinkExtra::of(&link).statistics);
                }
            })
            .await
    }
}

fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}
