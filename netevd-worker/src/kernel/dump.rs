//! The kernel's state, read whole or in part, as the values that the worker keeps.

use crate::kernel::exchange::{DumpError, Exchange};
use crate::kernel::message::value;
use crate::kernel::{FullRoute, KernelMessage, Link, RouteInterest, Rule};
use crate::model::{Address, Route};
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::link::LinkMessage;
use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::rule::RuleMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use nix::libc::RTM_NEWROUTE;
use protocol::{Family, Ifindex, PROTOCOL, TableId};

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

/// One netlink socket for dumps; one dump at a time, as the kernel demands.
pub struct Dumper {
    exchange: Exchange,
}

impl Dumper {
    /// Opens the socket; needs a tokio runtime.
    pub fn new() -> Result<Self, DumpError> {
        Ok(Self { exchange: Exchange::open()? })
    }

    /// Links, addresses and those routes of `interest` that `keep` chooses.
    pub async fn state(
        &mut self,
        interest: RouteInterest,
        keep: impl Fn(&Route) -> bool,
    ) -> Result<Dump, DumpError> {
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
            let request = RouteNetlinkMessage::GetRoute(request);
            self.collect_of(Some(interest), "routes", request, &mut dump.routes, |m| match m {
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

    /// Hands over every route of a family, of one table or of all; false when changes meanwhile made it inexact.
    pub async fn full_routes(
        &mut self,
        family: Family,
        table: Option<TableId>,
        mut each: impl FnMut(FullRoute),
    ) -> Result<bool, DumpError> {
        let mut request = RouteMessage::default();
        request.header.address_family = match family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        };
        request
            .attributes
            .extend(table.map(|table| netlink_packet_route::route::RouteAttribute::Table(table.0)));
        self.exchange
            .dump("routes", RouteNetlinkMessage::GetRoute(request), |message| {
                if message.kind == RTM_NEWROUTE {
                    // One that does not parse costs itself. A kernel without IPv6 answers with the families
                    // that it has.
                    let route = FullRoute::read(message.payload).ok().flatten();
                    route.filter(|route| route.family() == family).into_iter().for_each(&mut each);
                }
            })
            .await
    }

    /// Routes of one table, whoever made them.
    pub async fn table(&mut self, table: TableId) -> Result<Vec<Route>, DumpError> {
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
        table: Option<TableId>,
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
        self.collect("routes by table or protocol", RouteNetlinkMessage::GetRoute(request), into, |m| match m
        {
            KernelMessage::Route(route, _) => Some(route),
            _ => None,
        })
        .await
    }

    async fn collect<T>(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        into: &mut Vec<T>,
        select: impl Fn(KernelMessage) -> Option<T>,
    ) -> Result<(), DumpError> {
        self.collect_of(None, what, request, into, select).await
    }

    async fn collect_of<T>(
        &mut self,
        interest: Option<RouteInterest>,
        what: &'static str,
        request: RouteNetlinkMessage,
        into: &mut Vec<T>,
        select: impl Fn(KernelMessage) -> Option<T>,
    ) -> Result<(), DumpError> {
        let start = into.len();
        for attempt in 1..=REPEATS {
            into.truncate(start);
            let clean = self
                .exchange
                .dump(what, request.clone(), |message| {
                    if interest.is_none_or(|interest| interest.wants(message)) {
                        // One that does not parse costs itself.
                        into.extend(value(message).ok().flatten().and_then(&select));
                    }
                })
                .await?;
            if clean || attempt == REPEATS {
                break;
            }
        }
        Ok(())
    }
}
