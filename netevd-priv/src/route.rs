//! A route as a value: read from the kernel, made by us, and written as a message.
//!
//! Only what the checks and our own routes need is kept; a route with more is marked `special`.

use netlink_packet_core::{DecodeError, Parseable};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteNextHop, RouteNextHopFlags, RouteProtocol,
    RouteScope, RouteType, RouteVia,
};
use protocol::{Family, Ifindex, NextHop, PROTOCOL, Prefix, TableId};
use std::net::IpAddr;

/// Metric of the fallback route: the last of all.
pub(crate) const FALLBACK_METRIC: u32 = u32::MAX;
/// What the kernel makes of metric 0 for IPv6 (`IP6_RT_PRIO_USER`, linux/ipv6_route.h).
const IPV6_METRIC: u32 = 1024;

/// One way out of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// Interface index; 0 for none.
    pub(crate) oif: u32,
    /// The gateway, which for an IPv4 route may be an IPv6 address (`RTA_VIA`).
    pub(crate) gateway: Option<IpAddr>,
    /// `RTNH_F_ONLINK`: the gateway was taken on trust.
    pub(crate) onlink: bool,
}

/// One route of one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) table: TableId,
    pub(crate) destination: Prefix,
    pub(crate) metric: u32,
    pub(crate) kind: RouteType,
    pub(crate) protocol: u8,
    pub(crate) scope: RouteScope,
    pub(crate) hops: Vec<Hop>,
    /// A TOS, source prefix, encapsulation or nexthop object: more than is kept here.
    pub(crate) special: bool,
}

/// What makes a route of ours one and the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RouteKey {
    pub(crate) table: TableId,
    pub(crate) destination: Prefix,
    pub(crate) metric: u32,
}

impl Route {
    /// A unicast route of ours with the family's own metric, and the scope that the way has.
    pub(crate) fn ours(table: TableId, destination: Prefix, hop: Hop) -> Self {
        let direct = destination.is_ipv4() && hop.gateway.is_none();
        Self {
            table,
            destination,
            metric: if destination.is_ipv4() { 0 } else { IPV6_METRIC },
            kind: RouteType::Unicast,
            protocol: PROTOCOL,
            // IPv6 has no scopes of routes and always answers with the widest.
            scope: if direct { RouteScope::Link } else { RouteScope::Universe },
            hops: vec![hop],
            special: false,
        }
    }

    /// The default route of an interface's table. No preferred source: it would outlive its
    /// address and then answer ENETUNREACH.
    pub(crate) fn default_by(table: TableId, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Self {
        let hop = Hop { oif: ifindex.get(), gateway: next_hop.gateway(), onlink: false };
        Self::ours(table, Prefix::everything(family), hop)
    }

    /// A connected subnet.
    pub(crate) fn subnet(table: TableId, ifindex: Ifindex, prefix: Prefix) -> Self {
        Self::ours(table, prefix, Hop { oif: ifindex.get(), gateway: None, onlink: false })
    }

    /// The unreachable route that ends a table.
    pub(crate) fn fallback(table: TableId, family: Family) -> Self {
        let nowhere = Hop { oif: 0, gateway: None, onlink: false };
        Self {
            metric: FALLBACK_METRIC,
            kind: RouteType::Unreachable,
            scope: RouteScope::Universe,
            hops: Vec::new(),
            ..Self::ours(table, Prefix::everything(family), nowhere)
        }
    }

    /// Carries our protocol number.
    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// True when some hop leaves by this interface.
    pub(crate) fn leaves_by(&self, ifindex: u32) -> bool {
        self.hops.iter().any(|hop| hop.oif == ifindex)
    }

    /// The key under which a table holds it.
    pub(crate) fn key(&self) -> RouteKey {
        RouteKey { table: self.table, destination: self.destination, metric: self.metric }
    }

    /// Reads a kernel message; `None` for what is no IPv4 or IPv6 route.
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        RouteMessage::parse(payload).map(|message| Self::of(&message))
    }

    fn of(message: &RouteMessage) -> Option<Self> {
        let header = &message.header;
        let onlink = header.flags.contains(RouteFlags::Onlink);
        let mut single = Hop { oif: 0, gateway: None, onlink };
        let mut route = Self {
            table: TableId(header.table.into()),
            destination: Prefix::everything(family_of(header.address_family)?),
            metric: 0,
            kind: header.kind,
            protocol: header.protocol.into(),
            scope: header.scope,
            hops: Vec::new(),
            special: header.tos != 0 || header.source_prefix_length != 0,
        };
        for attribute in &message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => {
                    let address = plain(address)?;
                    route.destination = Prefix::containing(address, header.destination_prefix_length).ok()?;
                }
                RouteAttribute::Table(table) => route.table = TableId(*table),
                RouteAttribute::Priority(metric) => route.metric = *metric,
                RouteAttribute::Oif(oif) => single.oif = *oif,
                RouteAttribute::Gateway(_) | RouteAttribute::Via(_) => single.gateway = gateway(attribute),
                RouteAttribute::MultiPath(hops) => route.hops = hops.iter().map(Hop::read).collect(),
                RouteAttribute::Encap(_) | RouteAttribute::NhId(_) | RouteAttribute::NewDestination(_) => {
                    route.special = true;
                }
                _ => {}
            }
        }
        // IPv6 names the loopback interface as the way out of an unreachable route.
        let leaves = !matches!(
            route.kind,
            RouteType::Unreachable | RouteType::BlackHole | RouteType::Prohibit | RouteType::Throw
        );
        if leaves && route.hops.is_empty() {
            route.hops.push(single);
        }
        Some(route)
    }

    /// The message that adds, replaces or deletes it: always the full key, with the protocol.
    pub(crate) fn message(&self) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.address_family = address_family(Family::of(self.destination.address()));
        message.header.destination_prefix_length = self.destination.length();
        message.header.protocol = RouteProtocol::from(self.protocol);
        message.header.scope = self.scope;
        message.header.kind = self.kind;
        let attributes = &mut message.attributes;
        attributes.push(RouteAttribute::Table(self.table.0));
        if self.destination.length() > 0 {
            attributes.push(RouteAttribute::Destination(self.destination.address().into()));
        }
        if self.metric > 0 {
            attributes.push(RouteAttribute::Priority(self.metric));
        }
        // Of several hops none is named: we make no such route, and when one that carries our
        // protocol is deleted, table, prefix, metric and protocol tell which.
        if let [hop] = &self.hops[..] {
            if hop.oif != 0 {
                attributes.push(RouteAttribute::Oif(hop.oif));
            }
            match hop.gateway {
                Some(IpAddr::V6(gateway)) if self.destination.is_ipv4() => {
                    attributes.push(RouteAttribute::Via(RouteVia::Inet6(gateway)));
                }
                Some(gateway) => attributes.push(RouteAttribute::Gateway(gateway.into())),
                None => {}
            }
            if hop.onlink {
                message.header.flags |= RouteFlags::Onlink;
            }
        }
        message
    }
}

impl Hop {
    fn read(hop: &RouteNextHop) -> Self {
        Self {
            oif: hop.interface_index,
            gateway: hop.attributes.iter().find_map(gateway),
            onlink: hop.flags.contains(RouteNextHopFlags::Onlink),
        }
    }
}

/// The kernel's number of a family.
pub(crate) fn address_family(family: Family) -> AddressFamily {
    match family {
        Family::V4 => AddressFamily::Inet,
        Family::V6 => AddressFamily::Inet6,
    }
}

/// The family of the kernel's number, if it is one that rules and routes of ours can have.
pub(crate) fn family_of(number: AddressFamily) -> Option<Family> {
    [Family::V4, Family::V6].into_iter().find(|family| address_family(*family) == number)
}

fn plain(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

fn gateway(attribute: &RouteAttribute) -> Option<IpAddr> {
    match attribute {
        RouteAttribute::Gateway(address) => plain(address),
        RouteAttribute::Via(RouteVia::Inet(address)) => Some(IpAddr::V4(*address)),
        RouteAttribute::Via(RouteVia::Inet6(address)) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ifindex() -> Ifindex {
        Ifindex::try_from(7).expect("valid")
    }

    #[test]
    fn each_of_ours_reads_back_as_itself() {
        let table = TableId(65_789);
        let gateway4 = NextHop::Gateway("192.0.2.1".parse().expect("an address"));
        let gateway6 = NextHop::Gateway("fe80::1".parse().expect("an address"));
        let via6 = Hop { oif: 3, gateway: Some("fe80::2".parse().expect("an address")), onlink: true };
        for route in [
            Route::default_by(table, ifindex(), Family::V4, gateway4),
            Route::default_by(table, ifindex(), Family::V6, gateway6),
            Route::default_by(table, ifindex(), Family::V4, NextHop::PointToPoint),
            Route::subnet(table, ifindex(), "192.0.2.0/24".parse().expect("a prefix")),
            Route::subnet(table, ifindex(), "2001:db8::/64".parse().expect("a prefix")),
            Route::fallback(table, Family::V4),
            Route::fallback(table, Family::V6),
            Route::ours(table, "10.88.0.0/16".parse().expect("a prefix"), via6),
        ] {
            assert_eq!(Route::of(&route.message()), Some(route.clone()));
            assert!(route.is_ours());
        }
    }

    #[test]
    fn a_multipath_or_special_route_is_seen_as_such() {
        let mut message = Route::fallback(TableId(254), Family::V4).message();
        message.header.kind = RouteType::Unicast;
        let mut hop = RouteNextHop::default();
        hop.interface_index = 4;
        hop.attributes =
            vec![RouteAttribute::Gateway("192.0.2.9".parse::<IpAddr>().expect("an address").into())];
        message.attributes.push(RouteAttribute::MultiPath(vec![hop.clone(), hop]));
        let route = Route::of(&message).expect("a route");
        assert_eq!(route.hops.len(), 2);
        assert!(route.leaves_by(4) && !route.special);
        message.attributes.push(RouteAttribute::NhId(9));
        assert!(Route::of(&message).expect("a route").special);
    }

    proptest! {
        #[test]
        fn a_delete_always_names_table_and_protocol(address: IpAddr, length in 0u8..=32, table: u32) {
            let prefix = Prefix::containing(address, length).expect("at most 32");
            let message = Route::subnet(TableId(table), ifindex(), prefix).message();
            prop_assert_eq!(message.header.protocol, RouteProtocol::Other(PROTOCOL));
            prop_assert!(message.attributes.contains(&RouteAttribute::Table(table)));
            prop_assert!(message.attributes.contains(&RouteAttribute::Oif(7)));
        }
    }
}
