//! A route of the kernel (`rtmsg`, rtnetlink(7)).

use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::net::IpAddr;
use std::ops::Deref;

/// `RTN_UNICAST`
pub const UNICAST: u8 = 1;
/// `RTN_UNREACHABLE`
pub const UNREACHABLE: u8 = 7;
/// `RTN_BLACKHOLE`
pub const BLACKHOLE: u8 = 6;
/// `RTN_PROHIBIT`
pub const PROHIBIT: u8 = 8;
/// `RTN_THROW`
pub const THROW: u8 = 9;
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

/// The ways of a route: nearly always one, which then costs no allocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hops {
    /// One, or none at all (unreachable and the like: a hop without an interface).
    One(Hop),
    /// Of a multipath route.
    Several(Vec<Hop>),
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
    /// `rtm_tos`; such a route leads packets of this TOS alone.
    pub tos: u8,
    /// A cached copy (`RTM_F_CLONED`), not a route of the table.
    pub cloned: bool,
    /// `RTA_PREFSRC`: with it, main's IPv4 routes go silently when the address does.
    pub source: Option<IpAddr>,
    /// The ways out.
    pub hops: Hops,
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
        self.is_default() && !self.selective
    }

    /// A default route, in any foreign table: of whatever source, by a nexthop object or not. A host
    /// whose router gives it `default from 2001:db8::/64` has no other one, and reaches the world.
    pub fn is_default(&self) -> bool {
        self.destination.length() == 0
            && self.route_type == UNICAST
            && self.tos == 0
            && !self.cloned
            && !self.is_ours()
            && self.table != TableId::LOCAL
    }

    /// Of main, and worth knowing: a default-like route (who is an uplink), or one of a protocol
    /// whose local networks are copied. Of any type: a blackhole in front of a network counts.
    pub fn is_main_candidate(&self) -> bool {
        self.table == TableId::MAIN
            && !self.cloned
            && !self.is_ours()
            && (self.destination.is_default_like() || COPYABLE_PROTOCOLS.contains(&self.protocol))
    }

    /// Decides for nearly everything wherever its table is looked up: a default or a half, of another program.
    pub fn may_lead(&self) -> bool {
        self.destination.is_default_like()
            && (self.route_type == UNICAST || (BLACKHOLE..=PROHIBIT).contains(&self.route_type))
            && !self.selective
            && !self.cloned
            && !self.is_ours()
            && self.table != TableId::LOCAL
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
        match &self.hops[..] {
            [hop] => Some(hop),
            _ => None,
        }
    }
}

impl From<Hop> for Hops {
    fn from(hop: Hop) -> Self {
        Hops::One(hop)
    }
}

impl Deref for Hops {
    type Target = [Hop];

    fn deref(&self) -> &[Hop] {
        match self {
            Hops::One(hop) => std::slice::from_ref(hop),
            Hops::Several(hops) => hops,
        }
    }
}
