//! The kernel's tables as people are shown them: read on request, handed over one by one, never
//! kept. A million routes cost time here and no memory.
//!
//! One [`View`] serves one look and is dropped with all that was left unread.

use super::exchange::{DumpError, Exchange};
use super::extra::{LinkExtra, Statistics};
use super::raw::Raw;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteVia};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use protocol::{Family, Prefix, TableId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One look at the kernel.
pub struct View {
    exchange: Exchange,
}

/// A route, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRoute {
    /// Length 0 is a default route.
    pub destination: Prefix,
    /// `rtm_type`
    pub kind: u8,
    /// `RTA_TABLE`
    pub table: u32,
    /// `RTA_PRIORITY`; 0 when none.
    pub metric: u32,
    /// `rtm_protocol`
    pub protocol: u8,
    /// `rtm_scope`
    pub scope: u8,
    /// `RTA_PREFSRC`
    pub source: Option<IpAddr>,
    /// The ways; more than one of a multipath route.
    pub hops: Vec<SeenHop>,
}

/// One way of a route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeenHop {
    /// Of either family (`RTA_GATEWAY`, `RTA_VIA`).
    pub gateway: Option<IpAddr>,
    /// `RTA_OIF`, `rtnh_ifindex`
    pub oif: Option<u32>,
}

/// A rule, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// `FRA_PRIORITY`
    pub priority: u32,
    /// `from`; none is all.
    pub source: Option<Prefix>,
    /// `to`; none is all.
    pub destination: Option<Prefix>,
    /// The table looked up; none for other actions, and where the packet's VRF decides (`l3mdev`).
    pub table: Option<u32>,
    /// As ip-rule(8) words it.
    pub action: &'static str,
    /// `FRA_IIFNAME`
    pub iif: Option<String>,
    /// `FRA_PROTOCOL`
    pub protocol: u8,
}

/// Which routes the kernel is to tell of; it need not obey but for the family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RouteWish {
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
        wish: RouteWish,
        mut each: impl FnMut(SeenRoute),
    ) -> Result<bool, DumpError> {
        let mut request = RouteMessage::default();
        request.header.address_family = address_family(family);
        request.header.protocol = wish.protocol.unwrap_or_default().into();
        request.attributes.extend(wish.table.map(|table| RouteAttribute::Table(table.0)));
        request.attributes.extend(wish.oif.map(RouteAttribute::Oif));
        self.dump("routes", RouteNetlinkMessage::GetRoute(request), |message| {
            if let RouteNetlinkMessage::NewRoute(message) = message {
                // A kernel without IPv6 answers with the families that it has.
                SeenRoute::from_message(message)
                    .filter(|route| Family::of(route.destination.address()) == family)
                    .into_iter()
                    .for_each(&mut each);
            }
        })
        .await
    }

    /// Calls `each` for every rule of a family, in the order of their priorities.
    pub async fn rules(&mut self, family: Family, mut each: impl FnMut(SeenRule)) -> Result<bool, DumpError> {
        let mut request = RuleMessage::default();
        request.header.family = address_family(family);
        self.dump("rules", RouteNetlinkMessage::GetRule(request), |message| {
            if let RouteNetlinkMessage::NewRule(message) = message {
                SeenRule::from_message(message)
                    .filter(|rule| rule.family == family)
                    .into_iter()
                    .for_each(&mut each);
            }
        })
        .await
    }

    /// Calls `each` with ifindex and counters of every link.
    pub async fn counters(&mut self, mut each: impl FnMut(u32, Statistics)) -> Result<bool, DumpError> {
        self.dump("links", RouteNetlinkMessage::GetLink(LinkMessage::default()), |message| {
            if let RouteNetlinkMessage::NewLink(message) = message {
                each(message.header.index, LinkExtra::of(&message).statistics);
            }
        })
        .await
    }

    async fn dump(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        mut each: impl FnMut(RouteNetlinkMessage),
    ) -> Result<bool, DumpError> {
        let parse = |message: &Raw<'_>| NetlinkMessage::<RouteNetlinkMessage>::deserialize(message.whole);
        self.exchange
            .dump(what, request, |message| {
                // One that does not parse costs itself.
                if let Ok(NetlinkPayload::InnerMessage(inner)) = parse(message).map(|m| m.payload) {
                    each(inner);
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

impl SeenRoute {
    /// `None` for what is no route of a table: other families, cached copies.
    fn from_message(message: RouteMessage) -> Option<Self> {
        let header = message.header;
        let any: IpAddr = match header.address_family {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        if header.flags.contains(RouteFlags::Cloned) {
            return None;
        }
        let mut route = SeenRoute {
            destination: Prefix::containing(any, 0).ok()?,
            kind: header.kind.into(),
            table: header.table.into(),
            metric: 0,
            protocol: header.protocol.into(),
            scope: header.scope.into(),
            source: None,
            hops: Vec::new(),
        };
        let mut destination = any;
        let mut hop = SeenHop::default();
        for attribute in message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => destination = ip(&address)?,
                RouteAttribute::Table(id) => route.table = id,
                RouteAttribute::Priority(priority) => route.metric = priority,
                RouteAttribute::PrefSource(address) => route.source = ip(&address),
                RouteAttribute::MultiPath(paths) => {
                    for path in paths {
                        let mut hop = SeenHop { oif: Some(path.interface_index), gateway: None };
                        path.attributes.iter().for_each(|attribute| hop.take(attribute));
                        route.hops.push(hop);
                    }
                }
                other => hop.take(&other),
            }
        }
        if route.hops.is_empty() {
            route.hops.push(hop);
        }
        route.destination = Prefix::containing(destination, header.destination_prefix_length).ok()?;
        Some(route)
    }
}

impl SeenHop {
    fn take(&mut self, attribute: &RouteAttribute) {
        match attribute {
            RouteAttribute::Oif(index) => self.oif = Some(*index),
            RouteAttribute::Gateway(address) => self.gateway = ip(address),
            RouteAttribute::Via(RouteVia::Inet(address)) => self.gateway = Some((*address).into()),
            RouteAttribute::Via(RouteVia::Inet6(address)) => self.gateway = Some((*address).into()),
            _ => {}
        }
    }
}

impl SeenRule {
    fn from_message(message: RuleMessage) -> Option<Self> {
        let header = message.header;
        let family = match header.family {
            AddressFamily::Inet => Family::V4,
            AddressFamily::Inet6 => Family::V6,
            _ => return None,
        };
        let mut rule = SeenRule {
            family,
            priority: 0,
            source: None,
            destination: None,
            table: None,
            action: action(header.action),
            iif: None,
            protocol: 0,
        };
        let mut table = u32::from(header.table);
        for attribute in message.attributes {
            match attribute {
                RuleAttribute::Source(a) => rule.source = Prefix::containing(a, header.src_len).ok(),
                RuleAttribute::Destination(a) => {
                    rule.destination = Prefix::containing(a, header.dst_len).ok()
                }
                RuleAttribute::Priority(priority) => rule.priority = priority,
                RuleAttribute::Table(id) => table = id,
                RuleAttribute::Protocol(protocol) => rule.protocol = protocol.into(),
                RuleAttribute::Iifname(name) => rule.iif = Some(name),
                _ => {}
            }
        }
        if header.action == RuleAction::ToTable && table != 0 {
            rule.table = Some(table);
        }
        Some(rule)
    }
}

fn action(action: RuleAction) -> &'static str {
    match action {
        RuleAction::ToTable => "lookup",
        RuleAction::Goto => "goto",
        RuleAction::Nop => "nop",
        RuleAction::Blackhole => "blackhole",
        RuleAction::Unreachable => "unreachable",
        RuleAction::Prohibit => "prohibit",
        _ => "unknown",
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}
