//! A route as the kernel tells it (`rtmsg`, rtnetlink(7)).

use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteNextHop};
use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `RTN_UNICAST`
pub const UNICAST: u8 = 1;
/// `RTN_UNREACHABLE`
pub const UNREACHABLE: u8 = 7;
/// Protocols of main's routes that describe local networks: kernel, boot, static, ra, dhcp.
/// A routing daemon's routes are its own business and may be a million.
pub const COPYABLE_PROTOCOLS: [u8; 5] = [2, 3, 4, 9, 16];

/// One way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hop {
    /// Outgoing interface; none for unreachable, blackhole and the like.
    pub oif: Option<Ifindex>,
    /// Gateway of the route's own family; none when on-link, or of the other family (`via inet6`).
    pub gateway: Option<IpAddr>,
    /// True when the gateway is of the other family.
    pub foreign_gateway: bool,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Destination; length 0 is a default route.
    pub destination: Prefix,
    /// `RTA_TABLE`
    pub table: TableId,
    /// `RTA_PRIORITY`; 0 when none.
    pub metric: u32,
    /// `rtm_protocol`
    pub protocol: u8,
    /// `rtm_scope`
    pub scope: u8,
    /// `rtm_type`
    pub route_type: u8,
    /// Bound to a TOS or a source prefix, or made of a nexthop object: no candidate for a gateway
    /// or a copy.
    pub selective: bool,
    /// A cached copy (`RTM_F_CLONED`), not a route of the table.
    pub cloned: bool,
    /// `RTA_PREFSRC`: with it, main's IPv4 routes go silently when the address does.
    pub source: Option<IpAddr>,
    /// Several ways for a multipath route, else one.
    pub hops: Vec<Hop>,
}

/// What tells two routes of one table apart for `NLM_F_REPLACE`: IPv4 and IPv6 alike allow
/// several of one key (`append`, router advertisements of two routers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// `RTA_TABLE`
    pub table: TableId,
    /// Destination
    pub destination: Prefix,
    /// `RTA_PRIORITY`
    pub metric: u32,
}

impl Route {
    /// Takes what is of use from a message; `None` for families that are not IP.
    pub fn from_message(message: RouteMessage) -> Option<Route> {
        let header = message.header;
        let any: IpAddr = match header.address_family {
            AddressFamily::Inet => Ipv4Addr::UNSPECIFIED.into(),
            AddressFamily::Inet6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return None,
        };
        let mut destination = any;
        let (mut table, mut metric, mut source) = (u32::from(header.table), 0, None);
        let mut nexthop_object = false;
        let mut hop = Hop { oif: None, gateway: None, foreign_gateway: false };
        let mut hops = Vec::new();
        for attribute in message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => destination = ip(&address)?,
                RouteAttribute::Table(id) => table = id,
                RouteAttribute::Priority(priority) => metric = priority,
                RouteAttribute::NhId(_) => nexthop_object = true,
                RouteAttribute::PrefSource(address) => source = ip(&address),
                RouteAttribute::MultiPath(paths) => hops = paths.into_iter().map(path).collect(),
                other => hop.take(&other),
            }
        }
        if hops.is_empty() {
            hops.push(hop);
        }
        Some(Route {
            destination: Prefix::containing(destination, header.destination_prefix_length).ok()?,
            table: TableId(table),
            metric,
            protocol: header.protocol.into(),
            scope: header.scope.into(),
            route_type: header.kind.into(),
            selective: header.tos != 0 || header.source_prefix_length != 0 || nexthop_object,
            cloned: header.flags.contains(netlink_packet_route::route::RouteFlags::Cloned),
            source,
            hops,
        })
    }

    /// See [`RouteKey`].
    pub fn key(&self) -> RouteKey {
        RouteKey { table: self.table, destination: self.destination, metric: self.metric }
    }

    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        Family::of(self.destination.address())
    }

    /// Carries our protocol number.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// A default route, in any foreign table, that may tell a link's gateway.
    pub fn is_default_candidate(&self) -> bool {
        self.destination.length() == 0 && self.is_plain_unicast() && self.table != TableId::LOCAL
    }

    /// Of main, and worth knowing: a default-like route (who is an uplink), or one of a protocol
    /// whose local networks are copied. Of any type: a blackhole in front of a network counts.
    pub fn is_main_candidate(&self) -> bool {
        self.table == TableId::MAIN
            && !self.cloned
            && !self.is_ours()
            && (self.destination.is_default_like() || COPYABLE_PROTOCOLS.contains(&self.protocol))
    }

    /// May stand for a local network in another table: unicast, one path, gateway of its family.
    pub fn copyable_hop(&self) -> Option<&Hop> {
        let plain = self.is_plain_unicast() && COPYABLE_PROTOCOLS.contains(&self.protocol);
        self.single_hop().filter(|hop| plain && !hop.foreign_gateway)
    }

    fn is_plain_unicast(&self) -> bool {
        self.route_type == UNICAST && !self.selective && !self.cloned && !self.is_ours()
    }

    /// The interface of a single-path route.
    pub fn single_hop(&self) -> Option<&Hop> {
        match self.hops.as_slice() {
            [hop] => Some(hop),
            _ => None,
        }
    }
}

impl Hop {
    fn take(&mut self, attribute: &RouteAttribute) {
        match attribute {
            RouteAttribute::Oif(index) => self.oif = Ifindex::try_from(*index).ok(),
            RouteAttribute::Gateway(address) => self.gateway = ip(address),
            RouteAttribute::Via(_) => self.foreign_gateway = true,
            _ => {}
        }
    }
}

fn path(next_hop: RouteNextHop) -> Hop {
    let oif = Ifindex::try_from(next_hop.interface_index).ok();
    let mut hop = Hop { oif, gateway: None, foreign_gateway: false };
    for attribute in &next_hop.attributes {
        hop.take(attribute);
    }
    hop
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(a) => Some(IpAddr::V4(*a)),
        RouteAddress::Inet6(a) => Some(IpAddr::V6(*a)),
        _ => None,
    }
}
