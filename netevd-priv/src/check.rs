//! What is refused and why: pure functions over what the kernel has answered.
//!
//! Nothing here asks or changes anything. A function returns `Err` with the one reason that the
//! worker and the log are told.

use crate::kernel::{Address, Link};
use crate::route::{Hop, Route};
use crate::rule::{OurRule, Rule};
use netlink_packet_route::route::RouteType;
use protocol::{Family, Ifindex, Policy, Prefix, PriorityPair, Refusal, TableId};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

type Verdict = Result<(), Refusal>;

/// Where an addition of one family is to go, and what stands there.
pub(crate) struct Place {
    pub(crate) ifindex: Ifindex,
    pub(crate) family: Family,
    pub(crate) table: TableId,
    pub(crate) priorities: PriorityPair,
    /// All rules, of both families.
    pub(crate) rules: Vec<Rule>,
    /// The routes of the table.
    pub(crate) routes: Vec<Route>,
}

impl Place {
    /// Somebody else's route in another table has such a hop by the interface.
    pub(crate) fn seen_elsewhere(&self, route: &Route, gateway: Option<IpAddr>) -> bool {
        let hop_is = |hop: &Hop| hop.oif == self.ifindex.get() && hop.gateway == gateway;
        !route.is_ours() && route.table != self.table && route.hops.iter().any(hop_is)
    }
}

/// The one way to a refusal.
pub(crate) fn refuse_if(condition: bool, refusal: Refusal) -> Verdict {
    if condition { Err(refusal) } else { Ok(()) }
}

/// The interface is there, in the policy by its current name, and neither loopback nor enslaved.
pub(crate) fn link(policy: &Policy, link: Option<Link>) -> Result<Link, Refusal> {
    let link = link.ok_or(Refusal::NoInterface)?;
    refuse_if(!policy.interfaces.matches(&link.name), Refusal::NotListed)?;
    refuse_if(link.loopback, Refusal::Loopback)?;
    refuse_if(link.enslaved, Refusal::Enslaved)?;
    Ok(link)
}

/// Not of a range that is never a routed source: 127/8, 169.254/16, fe80::/10, multicast,
/// unspecified, broadcast.
fn source_range(address: IpAddr) -> Verdict {
    let never = match address {
        IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    let never = never || address.is_loopback() || address.is_multicast() || address.is_unspecified();
    refuse_if(never, Refusal::AddressUnusable)
}

/// The address is of a usable range, among those of the interface, and usable there.
pub(crate) fn source(address: IpAddr, present: &[Address]) -> Result<Address, Refusal> {
    source_range(address)?;
    let mut found = present.iter().filter(|a| a.address == address).peekable();
    refuse_if(found.peek().is_none(), Refusal::AddressAbsent)?;
    // One address may stand twice, with different prefixes.
    found.find(|a| a.usable).copied().ok_or(Refusal::AddressUnusable)
}

/// A unicast address that a router can have: not multicast, broadcast, loopback, unspecified, nor
/// of 0/8 and 240/4. Link-local addresses are: clouds use them.
pub(crate) fn gateway_unicast(gateway: IpAddr) -> Verdict {
    let other = match gateway {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.octets()[0] >= 240,
        IpAddr::V6(a) => a.to_ipv4_mapped().is_some(),
    };
    let other = other || gateway.is_multicast() || gateway.is_loopback() || gateway.is_unspecified();
    refuse_if(other, Refusal::GatewayNotUnicast)
}

/// `way` is the kernel's way to the gateway with no interface named: local means our own.
pub(crate) fn gateway_not_own(way: Option<&Route>) -> Verdict {
    match way.map(|route| route.kind) {
        Some(RouteType::Local) => Err(Refusal::GatewayOwn),
        // The subnet's own broadcast or anycast address.
        Some(RouteType::Broadcast | RouteType::Multicast | RouteType::Anycast) => {
            Err(Refusal::GatewayNotUnicast)
        }
        _ => Ok(()),
    }
}

/// `way` is the kernel's way to the gateway by that interface: it must be unicast, without a
/// gateway, out of that interface, and more than a default route.
///
/// A route of ours is no answer: rules and subnets of ours outlive an address that went away, and a
/// `to` rule would have it for a gateway by our own word.
pub(crate) fn gateway_on_link(way: Option<&Route>, ifindex: Ifindex) -> Verdict {
    let on_link = way.is_some_and(|route| {
        (route.kind == RouteType::Unicast && !route.is_ours())
            && !route.destination.is_default_like()
            && matches!(&route.hops[..], [hop] if hop.oif == ifindex.get() && hop.gateway.is_none())
    });
    refuse_if(!on_link, Refusal::GatewayOffLink)
}

/// One of `routes`, by that interface and not ours, goes by this gateway.
pub(crate) fn gateway_known(place: &Place, gateway: IpAddr, routes: &[Route]) -> Verdict {
    let held = routes.iter().any(|route| place.seen_elsewhere(route, Some(gateway)));
    refuse_if(!held, Refusal::GatewayUnknown)
}

/// A route without a gateway is right where the link has but one other end (IFF_POINTOPOINT), or
/// where somebody else's default route does the same. IFF_NOARP alone says nothing about that.
pub(crate) fn no_gateway_needed(place: &Place, link: &Link, routes: &[Route]) -> Verdict {
    let done = |route: &Route| route.destination.length() == 0 && place.seen_elsewhere(route, None);
    refuse_if(!link.point_to_point && !routes.iter().any(done), Refusal::NotPointToPoint)
}

/// The table holds nothing that is not ours; no rule but ours looks it up or stands at our
/// priorities.
pub(crate) fn nothing_foreign(place: &Place) -> Verdict {
    refuse_if(!place.routes.iter().all(Route::is_ours), Refusal::TableConflict)?;
    let priorities = [place.priorities.from, place.priorities.to];
    let conflicts = |rule: &Rule| {
        let leads_here = rule.table == Some(place.table) || priorities.contains(&rule.priority);
        rule.family == place.family && !rule.is_ours() && leads_here
    };
    refuse_if(place.rules.iter().any(conflicts), Refusal::RuleConflict)
}

/// Table local is looked up without condition before our rules; else a `to` rule would send what
/// is for this host out of an interface, and a `from` rule what it sends to itself.
pub(crate) fn local_precedes(place: &Place) -> Verdict {
    let precedes = |rule: &Rule| {
        let everything = rule.plain && rule.source.is_none() && rule.destination.is_none();
        let local = rule.family == place.family && rule.table == Some(TableId::LOCAL);
        local && everything && rule.priority < place.priorities.from
    };
    refuse_if(!place.rules.iter().any(precedes), Refusal::LocalRule)
}

/// With these rules no more than `limit` addresses have rules into the table. What stands already
/// is not too much.
pub(crate) fn addresses_within(standing: &BTreeSet<OurRule>, new: &[OurRule], limit: u32) -> Verdict {
    let addresses: BTreeSet<IpAddr> = standing.iter().chain(new).map(|rule| rule.address).collect();
    refuse_if(!new.is_empty() && addresses.len() > limit as usize, Refusal::Limit)
}

/// With this copy no more than `limit` copies stand in the table (`routes`: both families). A
/// copy is what leaves by another interface than the table's own.
pub(crate) fn copies_within(routes: &[Route], copy: &Route, ifindex: Ifindex, limit: u32) -> Verdict {
    let is_copy = |route: &&Route| route.kind == RouteType::Unicast && !route.leaves_by(ifindex.get());
    let copies: BTreeSet<_> = routes.iter().filter(is_copy).chain([copy]).map(Route::key).collect();
    refuse_if(copies.len() > limit as usize, Refusal::Limit)
}

/// A prefix that may be a subnet of ours: no default in disguise, no link-local, no multicast.
pub(crate) fn routed_prefix(prefix: Prefix) -> Verdict {
    let first = prefix.address();
    let link_local = match first {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    let special = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    let bad = prefix.is_default_like()
        || link_local
        || first.is_multicast()
        || first.is_loopback()
        || special.iter().any(|a| prefix.contains(*a));
    refuse_if(bad, Refusal::RouteNotCopyable)
}

/// main's route for exactly this prefix, if it is of a kind that is copied: unicast, one path,
/// by another interface, of protocol kernel, boot, static, dhcp or ra (linux/rtnetlink.h).
pub(crate) fn copyable(main: &[Route], destination: Prefix) -> Result<(&Route, u32), Refusal> {
    const COPIED: [u8; 5] = [2, 3, 4, 16, 9];
    // A routing daemon's route for the same prefix is its own business; of those that are copied
    // the kernel follows the lowest metric.
    let there = || main.iter().filter(|r| r.destination == destination);
    let copied = there().filter(|r| COPIED.contains(&r.protocol)).min_by_key(|r| r.metric);
    let route = copied.or_else(|| there().next()).ok_or(Refusal::NoSuchRoute)?;
    match &route.hops[..] {
        [hop]
            if route.kind == RouteType::Unicast
                && !route.special
                && COPIED.contains(&route.protocol)
                && hop.oif != 0 =>
        {
            Ok((route, hop.oif))
        }
        _ => Err(Refusal::RouteNotCopyable),
    }
}

/// The interface is no uplink: main holds no default route by it (`routes` hold main's), nor one of the huge prefixes
/// that stand for one, and the policy does not list it.
pub(crate) fn no_uplink<'a>(
    policy: &Policy,
    link: &Link,
    oif: u32,
    mut routes: impl Iterator<Item = &'a Route>,
) -> Verdict {
    let uplink = policy.interfaces.matches(&link.name)
        || routes.any(|r| r.table == TableId::MAIN && r.destination.is_default_like() && r.leaves_by(oif));
    refuse_if(uplink, Refusal::RouteByUplink)?;
    refuse_if(link.loopback, Refusal::RouteNotCopyable)
}

#[cfg(test)]
mod tests;
