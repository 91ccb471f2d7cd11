//! `desired(state, policy)`: the rules and routes that should stand in the kernel. Pure.

use crate::kernel::{COPYABLE_PROTOCOLS, Hop, Route, link_flag};
use crate::state::{Exit, LinkState, State};
use protocol::{Fallback, Family, Ifindex, NextHop, Policy, Prefix, TableId};
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
    /// What the policy's limits cut off, in words.
    pub cut: Vec<String>,
}

/// What should stand in the kernel. With `fallback: main` a family of an interface is planned
/// only when it is whole (link up, gateway known); with `unreachable` its rules stay for as long
/// as the address does.
pub fn desired(state: &State, policy: &Policy) -> Plan {
    let mut plan = Plan::default();
    let uplinks = uplinks(state, policy);
    let locals = if policy.local_networks { local_networks(state, &uplinks) } else { BTreeMap::new() };
    for link in state.links().filter(|link| is_managed(link, policy)) {
        for family in [Family::V4, Family::V6] {
            let key = TableKey { ifindex: link.ifindex, family };
            if let Some(table) = table(link, family, state, policy, &locals, &mut plan.cut) {
                plan.tables.insert(key, table);
            }
        }
    }
    plan
}

/// Listed by the policy, not loopback, not enslaved.
fn is_managed(link: &LinkState, policy: &Policy) -> bool {
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
    cut: &mut Vec<String>,
) -> Option<PlannedTable> {
    let of_family = |ip: IpAddr| Family::of(ip) == family;
    let usable = || link.addresses.iter().map(|k| &k.address).filter(|a| of_family(a.ip) && a.is_usable());
    let mut addresses: BTreeSet<IpAddr> = usable().map(|a| a.ip).collect();
    shorten(&mut addresses, policy.limits.addresses, || format!("{} {family} addresses", link.name), cut);
    if addresses.is_empty() {
        return None;
    }
    let keeps_rules = policy.fallback == Fallback::Unreachable;
    let default = exit(link, family, state, policy).filter(|_| link.is_up());
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
            cut.push(format!("{} {family} local networks: {} of {limit}", link.name, table.locals.len()));
            let last = table.locals.keys().nth(limit).copied();
            if let Some(last) = last {
                table.locals.split_off(&last);
            }
        }
    }
    Some(table)
}

fn shorten(set: &mut BTreeSet<IpAddr>, limit: u32, what: impl Fn() -> String, cut: &mut Vec<String>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if set.len() > limit {
        cut.push(format!("{}: {} of {limit}", what(), set.len()));
        if let Some(first_out) = set.iter().nth(limit).copied() {
            set.split_off(&first_out);
        }
    }
}

/// The way out of a link: the administrator's gateway, else the kernel's, else none on a
/// point-to-point link.
fn exit(link: &LinkState, family: Family, state: &State, policy: &Policy) -> Option<NextHop> {
    let named: Vec<IpAddr> = policy.gateways_of(link.name.as_str()).to_vec();
    let mut named = named.into_iter().filter(|gateway| Family::of(*gateway) == family).peekable();
    if let Some(first) = named.peek().copied() {
        let on_link = |gateway: &IpAddr| {
            is_link_local(*gateway)
                || link.addresses.iter().filter_map(|k| k.address.subnet()).any(|p| p.contains(*gateway))
        };
        return Some(NextHop::Gateway(named.find(on_link).unwrap_or(first)));
    }
    match state.routes().exit(link.ifindex, family) {
        Some(Exit::Via(gateway)) => Some(NextHop::Gateway(gateway)),
        Some(Exit::OnLink) => Some(NextHop::PointToPoint),
        None if link.flags & link_flag::POINTOPOINT != 0 => Some(NextHop::PointToPoint),
        None => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
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

/// Main's single-path routes by interfaces that are no uplinks; of a prefix that stands twice
/// the lowest metric alone counts, as in main.
fn local_networks(state: &State, uplinks: &BTreeSet<Ifindex>) -> BTreeMap<Prefix, Hop> {
    let mut best: BTreeMap<Prefix, &Route> = BTreeMap::new();
    for route in state.routes().iter().filter(|r| r.is_main_candidate()) {
        let known = best.entry(route.destination).or_insert(route);
        if route.metric < known.metric {
            *known = route;
        }
    }
    let local = best.into_iter().filter_map(|(prefix, route)| {
        let hop = route.single_hop().filter(|hop| !hop.foreign_gateway)?;
        let by_local = hop.oif.is_some_and(|oif| !uplinks.contains(&oif));
        let plain = COPYABLE_PROTOCOLS.contains(&route.protocol) && !prefix.is_default_like();
        (by_local && plain && !is_special(prefix)).then_some((prefix, *hop))
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
