//! A route as the kernel tells it (`rtmsg`, rtnetlink(7)).

use netlink_packet_core::{DecodeError, NlasIterator, parse_u32};
use nix::libc;
use protocol::kernel::RTA_NH_ID;
use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
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

/// `struct rtmsg`
const HEADER: usize = 12;
/// Attributes that libc does not name (linux/rtnetlink.h).
const RTA_VIA: u16 = 18;

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
    /// Reads what follows the header of an `RTM_NEWROUTE` or `RTM_DELROUTE`, attribute by attribute, for
    /// there may be a million; `None` for families that are not IP.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Route>, DecodeError> {
        let Some((
            &[family, length, source_length, tos, table, protocol, scope, kind, flags @ ..],
            attributes,
        )) = payload.split_first_chunk::<HEADER>()
        else {
            return Err("shorter than struct rtmsg".into());
        };
        let any: IpAddr = match i32::from(family) {
            libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return Ok(None),
        };
        let ip = |bytes: &[u8]| address(Family::of(any), bytes);
        let mut destination = Some(any);
        let (mut table, mut metric, mut source) = (u32::from(table), 0, None);
        let mut nexthop_object = false;
        let mut hop = Hop { oif: None, gateway: None, foreign_gateway: false };
        let mut hops = Vec::new();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::RTA_DST => destination = ip(value),
                libc::RTA_TABLE => table = parse_u32(value)?,
                libc::RTA_PRIORITY => metric = parse_u32(value)?,
                RTA_NH_ID => nexthop_object = true,
                libc::RTA_PREFSRC => source = ip(value),
                libc::RTA_MULTIPATH => hops = paths(Family::of(any), value)?,
                kind => hop.take(Family::of(any), kind, value)?,
            }
        }
        let Some(destination) = destination.and_then(|to| Prefix::containing(to, length).ok()) else {
            return Ok(None);
        };
        Ok(Some(Route {
            destination,
            table: TableId(table),
            metric,
            protocol,
            scope,
            route_type: kind,
            selective: tos != 0 || source_length != 0 || nexthop_object,
            tos,
            cloned: u32::from_ne_bytes(flags) & libc::RTM_F_CLONED != 0,
            source,
            hops: if hops.is_empty() { hop.into() } else { Hops::Several(hops) },
        }))
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

impl Hop {
    fn take(&mut self, family: Family, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            libc::RTA_OIF => self.oif = Ifindex::try_from(parse_u32(value)?).ok(),
            libc::RTA_GATEWAY => self.gateway = address(family, value),
            RTA_VIA => self.foreign_gateway = true,
            _ => {}
        }
        Ok(())
    }
}

/// `struct rtnexthop` after `struct rtnexthop`, each with attributes of its own.
fn paths(family: Family, mut rest: &[u8]) -> Result<Vec<Hop>, DecodeError> {
    const PATH: usize = 8;
    let mut hops = Vec::new();
    while let Some(&[low, high, _flags, _weight, index @ ..]) = rest.first_chunk::<PATH>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let attributes = rest.get(PATH..length).ok_or("a next hop of an impossible length")?;
        let oif = Ifindex::try_from(u32::from_ne_bytes(index)).ok();
        let mut hop = Hop { oif, gateway: None, foreign_gateway: false };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            hop.take(family, attribute.kind(), attribute.value())?;
        }
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

/// An address of this family; `None` when it is of another length.
fn address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        Family::V6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
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

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
