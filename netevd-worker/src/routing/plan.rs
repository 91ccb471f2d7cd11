//! `desired(state, policy)`: the rules and routes that should stand in the kernel. Pure.

use crate::kernel::{COPYABLE_PROTOCOLS, Hop, Route, link_flag};
use crate::routing::listed;
use crate::state::{Exit, LinkState, State};
use protocol::{Fallback, Family, GatewayCheck, Ifindex, NextHop, Policy, Prefix, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One family in one interface's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableKey {
    /// The interface.
    pub ifindex: Ifindex,
    /// The family.
    pub family: Family,
}

/// What should stand for one [`TableKey`]. Every address has its two rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlannedTable {
    /// The interface's name, for logs.
    pub name: String,
    /// An unreachable default of the worst metric.
    pub fallback: bool,
    /// Connected subnets, each with an address that the helper can read it from.
    pub subnets: BTreeMap<Prefix, IpAddr>,
    /// Copies of main's local networks, with the hop that main has now.
    pub locals: BTreeMap<Prefix, Hop>,
    /// The default route.
    pub default: Option<NextHop>,
    /// Addresses with a `from` and a `to` rule.
    pub addresses: BTreeSet<IpAddr>,
}

/// The whole desired set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By interface and family.
    pub tables: BTreeMap<TableKey, PlannedTable>,
    /// Tables to leave as they are for a moment; see [`crate::routing::Hold`].
    pub held: BTreeSet<TableKey>,
    /// Tables with routes of other programs that decide for nearly everything (a default or its halves), each
    /// with the length of the longest of these.
    pub leading: BTreeMap<(Family, TableId), u8>,
    /// What the administrator should know: cut off by a limit, or a gateway of no use.
    pub notes: Vec<Note>,
}

/// One thing that the administrator should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Of this link.
    pub link: Option<Ifindex>,
    /// With what to do about it.
    pub text: String,
}

/// What should stand in the kernel. With `fallback: main` a family of an interface is planned
/// only when it is whole (link up, gateway known); with `unreachable` its rules stay for as long
/// as the address does.
pub fn desired(state: &State, policy: &Policy) -> Plan {
    let mut plan =
        Plan { notes: listed::misplaced(state, policy), leading: leading(state), ..Plan::default() };
    let uplinks = uplinks(state, policy);
    let locals = if policy.local_networks { local_networks(state, &uplinks) } else { BTreeMap::new() };
    for link in state.links().filter(|link| is_managed(link, policy)) {
        for family in [Family::V4, Family::V6] {
            let key = TableKey { ifindex: link.ifindex, family };
            if let Some(table) = table(link, family, state, policy, &locals, &mut plan.notes) {
                plan.tables.insert(key, table);
            }
        }
    }
    plan
}

/// Listed by the policy, not loopback, not enslaved.
pub fn is_managed(link: &LinkState, policy: &Policy) -> bool {
    policy.interfaces.matches(link.name.as_str())
        && link.flags & link_flag::LOOPBACK == 0
        && link.controller == 0
}

fn table(
    link: &LinkState,
    family: Family,
    state: &State,
    policy: &Policy,
    locals: &BTreeMap<Prefix, Hop>,
    notes: &mut Vec<Note>,
) -> Option<PlannedTable> {
    let of_family = |ip: IpAddr| Family::of(ip) == family;
    let usable = || link.addresses.iter().map(|k| &k.address).filter(|a| of_family(a.ip) && a.is_usable());
    let mut addresses: BTreeSet<IpAddr> = usable().map(|a| a.ip).collect();
    shorten(&mut addresses, policy.limits.addresses, link, family, notes);
    if addresses.is_empty() {
        return None;
    }
    let keeps_rules = policy.fallback == Fallback::Unreachable;
    let default = if link.is_up() { exit(link, family, state, policy, notes) } else { None };
    if default.is_none() && !keeps_rules {
        return None;
    }
    let mut table = PlannedTable {
        name: link.name.to_string(),
        fallback: keeps_rules,
        default,
        addresses,
        ..PlannedTable::default()
    };
    if link.is_up() {
        // Of every address, usable or not: a subnet stands for the link, not for its rules.
        let own: BTreeSet<Prefix> = link.addresses.iter().filter_map(|k| k.address.subnet()).collect();
        for address in usable().filter(|a| table.addresses.contains(&a.ip)) {
            // A host prefix is the address itself, or a peer that the default reaches as well.
            if let Some(subnet) = address.subnet().filter(|p| *p != Prefix::host(p.address())) {
                table.subnets.entry(subnet).or_insert(address.ip);
            }
        }
        let copied = locals.iter().filter(|(p, _)| Family::of(p.address()) == family && !own.contains(p));
        table.locals = copied.map(|(prefix, hop)| (*prefix, *hop)).collect();
        let limit = usize::try_from(policy.limits.local_networks).unwrap_or(usize::MAX);
        if table.locals.len() > limit {
            let found = table.locals.len();
            let text = format!(
                "{} {family}: {found} local networks, of which routing.limits.local_networks lets {limit} in",
                link.name
            );
            notes.push(Note { link: Some(link.ifindex), text });
            let last = table.locals.keys().nth(limit).copied();
            if let Some(last) = last {
                table.locals.split_off(&last);
            }
        }
    }
    Some(table)
}

fn shorten(set: &mut BTreeSet<IpAddr>, limit: u32, link: &LinkState, family: Family, notes: &mut Vec<Note>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if set.len() > limit {
        let text = format!(
            "{} {family}: {} addresses, of which routing.limits.addresses lets {limit} in",
            link.name,
            set.len()
        );
        notes.push(Note { link: Some(link.ifindex), text });
        if let Some(first_out) = set.iter().nth(limit).copied() {
            set.split_off(&first_out);
        }
    }
}

/// The way out of a link: the administrator's gateway, else the kernel's, else none on a
/// point-to-point link, else the manager's or a lease's, where the helper takes one that the kernel
/// does not know (`gateway_check: on-link`). A gateway that is not on-link is none: the kernel keeps a default route
/// whose gateway's subnet is gone, but would not take it anew, and what stands must follow from
/// the state and not from its history.
fn exit(
    link: &LinkState,
    family: Family,
    state: &State,
    policy: &Policy,
    notes: &mut Vec<Note>,
) -> Option<NextHop> {
    let named: Vec<IpAddr> = policy.gateways_of(link.name.as_str()).to_vec();
    let named: Vec<IpAddr> = named.into_iter().filter(|gateway| Family::of(*gateway) == family).collect();
    let candidates = match state.routes().exit(link.ifindex, family) {
        _ if !named.is_empty() => named,
        Some(Exit::Via(gateway)) => vec![gateway],
        Some(Exit::OnLink) => return Some(NextHop::PointToPoint),
        None if link.flags & link_flag::POINTOPOINT != 0 => return Some(NextHop::PointToPoint),
        None if policy.gateway_check == GatewayCheck::OnLink => {
            link.believed_gateway(family).into_iter().collect()
        }
        None => Vec::new(),
    };
    if candidates.is_empty() {
        notes.extend(listed::without_gateway(link, family, policy));
    }
    let reachable = candidates.iter().find(|gateway| is_on_link(**gateway, link, state));
    if let (None, Some(gateway)) = (reachable, candidates.first()) {
        let text = format!(
            "{} {family}: the gateway {gateway} is not on-link by {}, so nothing is installed; the interface \
             needs an address in its subnet, or a route to it without a gateway",
            link.name, link.name
        );
        notes.push(Note { link: Some(link.ifindex), text });
    }
    reachable.map(|gateway| NextHop::Gateway(*gateway))
}

/// In a subnet of the link, or reached by a gateway-less route of main's; IPv6 link-local always.
fn is_on_link(gateway: IpAddr, link: &LinkState, state: &State) -> bool {
    let by_link = |hop: &Hop| hop.oif == Some(link.ifindex) && hop.gateway.is_none() && !hop.foreign_gateway;
    let mut subnets = link.addresses.iter().filter_map(|known| known.address.subnet());
    let mut routes =
        state.routes().iter().filter(|r| r.is_main_candidate() && !r.destination.is_default_like());
    is_link_local(gateway)
        || subnets.any(|prefix| prefix.contains(gateway))
        || routes.any(|r| r.single_hop().is_some_and(by_link) && r.destination.contains(gateway))
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// Tables of others that decide for nearly everything, and the longest of the prefixes that do.
fn leading(state: &State) -> BTreeMap<(Family, TableId), u8> {
    let mut tables = BTreeMap::new();
    for route in state.routes().iter().filter(|route| route.may_lead()) {
        let longest = tables.entry((route.family(), route.table)).or_default();
        *longest = route.destination.length().max(*longest);
    }
    tables
}

/// Interfaces with a default route in main, of either family, and the managed ones.
fn uplinks(state: &State, policy: &Policy) -> BTreeSet<Ifindex> {
    let defaults =
        state.routes().iter().filter(|r| r.table == TableId::MAIN && r.destination.is_default_like());
    let mut uplinks: BTreeSet<Ifindex> =
        defaults.flat_map(|r| r.hops.iter()).filter_map(|hop| hop.oif).collect();
    let listed = state.links().filter(|link| policy.interfaces.matches(link.name.as_str()));
    uplinks.extend(listed.map(|link| link.ifindex));
    uplinks
}

/// Main's single-path routes by interfaces that are no uplinks. Of a prefix that stands twice
/// the lowest metric counts, as in main, and if that one is not copied none is. Routes of routing
/// daemons stand apart: they are neither copied nor do they hide others.
fn local_networks(state: &State, uplinks: &BTreeSet<Ifindex>) -> BTreeMap<Prefix, Hop> {
    let mut best: BTreeMap<Prefix, &Route> = BTreeMap::new();
    let candidates = state.routes().iter().filter(|r| r.is_main_candidate());
    for route in candidates.filter(|r| COPYABLE_PROTOCOLS.contains(&r.protocol)) {
        let known = best.entry(route.destination).or_insert(route);
        if route.metric < known.metric {
            *known = route;
        }
    }
    let local = best.into_iter().filter_map(|(prefix, route)| {
        let hop = route.copyable_hop()?;
        let by_local = hop.oif.is_some_and(|oif| !uplinks.contains(&oif));
        (by_local && !prefix.is_default_like() && !is_special(prefix)).then_some((prefix, *hop))
    });
    local.collect()
}

/// Link-local, multicast and loopback prefixes are never local networks.
fn is_special(prefix: Prefix) -> bool {
    match prefix.address() {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_multicast() || ip.is_loopback(),
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast() || ip.is_loopback(),
    }
}
