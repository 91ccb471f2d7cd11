//! What is refused and why: pure functions over what the kernel has answered.
//!
//! Nothing here asks or changes anything. A function returns `Err` with the one reason that the
//! worker and the log are told.

use crate::kernel::{Address, Link, is_default};
use crate::route::Route;
use crate::rule::{OurRule, Rule};
use netlink_packet_route::route::RouteType;
use protocol::{Family, Ifindex, Policy, Prefix, PriorityPair, Refusal, TableId};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

type Verdict = Result<(), Refusal>;

fn refuse_if(condition: bool, refusal: Refusal) -> Verdict {
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
pub(crate) fn source_range(address: IpAddr) -> Verdict {
    let never = match address {
        IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    let never = never || address.is_loopback() || address.is_multicast() || address.is_unspecified();
    refuse_if(never, Refusal::AddressUnusable)
}

/// The address is among those of the interface, and usable.
pub(crate) fn source(address: IpAddr, present: &[Address]) -> Result<Address, Refusal> {
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

/// Link-local IPv6, which every interface reaches directly.
pub(crate) fn is_link_local6(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
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
/// Our own tables cannot have answered. The look-up has no source, so no `from` rule of ours
/// matches; a `to` rule matches own addresses only, which table local answers first; and a
/// foreign rule that leads into our table is a conflict that refuses the request.
pub(crate) fn gateway_on_link(way: Option<&Route>, ifindex: Ifindex) -> Verdict {
    let on_link = way.is_some_and(|route| {
        route.kind == RouteType::Unicast
            && !route.destination.is_default_like()
            && matches!(&route.hops[..], [hop] if hop.oif == ifindex.get() && hop.gateway.is_none())
    });
    refuse_if(!on_link, Refusal::GatewayOffLink)
}

/// The gateway stands in some route by that interface that is not ours, or the policy names it.
pub(crate) fn gateway_known(
    gateway: IpAddr,
    ifindex: Ifindex,
    table: TableId,
    routes: &[Route],
    named: &[IpAddr],
) -> Verdict {
    let hop_is =
        |route: &Route| route.hops.iter().any(|hop| hop.oif == ifindex.get() && hop.gateway == Some(gateway));
    let held = routes.iter().any(|route| !route.is_ours() && route.table != table && hop_is(route));
    refuse_if(!held && !named.contains(&gateway), Refusal::GatewayUnknown)
}

/// A route without a gateway is right where the link has but one other end (IFF_POINTOPOINT), or
/// where somebody else's default route does the same. IFF_NOARP alone says nothing about that.
pub(crate) fn no_gateway_needed(link: &Link, ifindex: Ifindex, table: TableId, routes: &[Route]) -> Verdict {
    let bare = |route: &Route| route.hops.iter().any(|hop| hop.oif == ifindex.get() && hop.gateway.is_none());
    let done = |route: &Route| !route.is_ours() && route.table != table && is_default(route) && bare(route);
    refuse_if(!link.point_to_point && !routes.iter().any(done), Refusal::NotPointToPoint)
}

/// The table holds nothing that is not ours.
pub(crate) fn table_is_ours(routes: &[Route]) -> Verdict {
    refuse_if(!routes.iter().all(Route::is_ours), Refusal::TableConflict)
}

/// No rule but ours looks the table up or stands at our priorities.
pub(crate) fn rules_are_ours(
    rules: &[Rule],
    family: Family,
    table: TableId,
    priorities: PriorityPair,
) -> Verdict {
    let conflicts = |rule: &Rule| {
        rule.family == family
            && !rule.is_ours()
            && (rule.table == Some(table) || [priorities.from, priorities.to].contains(&rule.priority))
    };
    refuse_if(rules.iter().any(conflicts), Refusal::RuleConflict)
}

/// Table local is looked up without condition before our rules; else a `to` rule would send
/// what is for this host out of an interface.
pub(crate) fn local_precedes(rules: &[Rule], family: Family, priorities: PriorityPair) -> Verdict {
    let precedes = |rule: &Rule| {
        rule.family == family
            && rule.table == Some(TableId::LOCAL)
            && rule.plain
            && rule.source.is_none()
            && rule.destination.is_none()
            && rule.priority < priorities.from
    };
    refuse_if(!rules.iter().any(precedes), Refusal::LocalRule)
}

/// With this rule no more than `limit` addresses have rules into the table.
pub(crate) fn addresses_within(rules: &[Rule], rule: &OurRule, limit: u32) -> Verdict {
    let mut addresses: BTreeSet<IpAddr> =
        rules.iter().filter_map(Rule::as_ours).filter(|r| r.table == rule.table).map(|r| r.address).collect();
    addresses.insert(rule.address);
    refuse_if(exceeds(addresses.len(), limit), Refusal::Limit)
}

/// With this copy no more than `limit` copies stand in the table (`routes`: both families). A
/// copy is what leaves by another interface than the table's own.
pub(crate) fn copies_within(routes: &[Route], copy: &Route, ifindex: Ifindex, limit: u32) -> Verdict {
    let is_copy = |route: &&Route| route.kind == RouteType::Unicast && !route.leaves_by(ifindex.get());
    let mut copies: BTreeSet<_> = routes.iter().filter(is_copy).map(Route::key).collect();
    copies.insert(copy.key());
    refuse_if(exceeds(copies.len(), limit), Refusal::Limit)
}

/// `count` is more than `limit`.
pub(crate) fn exceeds(count: usize, limit: u32) -> bool {
    u32::try_from(count).map_or(true, |count| count > limit)
}

/// A prefix that may be a subnet of ours: no default in disguise, no link-local, no multicast.
pub(crate) fn routed_prefix(prefix: Prefix) -> Verdict {
    let first = prefix.address();
    let link_local = match first {
        IpAddr::V4(a) => a.is_link_local() && prefix.length() >= 16,
        IpAddr::V6(a) => a.is_unicast_link_local() && prefix.length() >= 10,
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
    // Of several the kernel follows the lowest metric; a higher one would be another way.
    let route = main.iter().filter(|r| r.destination == destination).min_by_key(|r| r.metric);
    let route = route.ok_or(Refusal::NoSuchRoute)?;
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

/// The interface is no uplink: `main` holds no default route by it, nor one of the huge prefixes
/// that stand for one, and the policy does not list it.
pub(crate) fn no_uplink<'a>(
    policy: &Policy,
    link: &Link,
    oif: u32,
    mut main: impl Iterator<Item = &'a Route>,
) -> Verdict {
    let uplink = policy.interfaces.matches(&link.name)
        || main.any(|route| route.destination.is_default_like() && route.leaves_by(oif));
    refuse_if(uplink, Refusal::RouteByUplink)?;
    refuse_if(link.loopback, Refusal::RouteNotCopyable)
}
