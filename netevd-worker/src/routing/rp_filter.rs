//! Strict reverse path filtering (`rp_filter=1`, ip-sysctl(7)): the kernel looks up the way back to a packet's
//! source, and drops it where that is not through the link that it came by. Policy routing changes that way.
//! IPv4 alone has it.

use super::notes::listed;
use super::snapshot::Foreign;
use super::world::World;
use super::{Note, PlannedTable, is_managed};
use crate::state::LinkState;
use protocol::{Family, Ifindex, Policy, Prefix, Through};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Settings of links, as far as a plan may need them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filters {
    /// Links by which packets are dropped whose answers leave through another.
    pub strict: BTreeSet<Ifindex>,
    /// Links whose look-up of the way back uses the packet's mark (`src_valid_mark`).
    pub by_mark: BTreeSet<Ifindex>,
}

impl Filters {
    /// Reads the settings of links that have a default or are under routing.
    pub(super) fn read(links: &[LinkState], foreign: &Foreign, policy: &Policy) -> Self {
        let mut filters = Self::default();
        if !links.iter().any(|link| is_managed(link, policy)) {
            return filters;
        }
        let routes = foreign.main.iter().chain(&foreign.wide).filter(|route| route.family() == Family::V4);
        let defaults = routes.filter(|route| route.spec.destination.is_default());
        let exits: BTreeSet<Ifindex> =
            defaults.flat_map(|route| &route.spec.hops).map(|hop| hop.oif).collect();
        let of_all = |setting| read("all", setting);
        let (filter, mark) = (of_all("rp_filter"), of_all("src_valid_mark"));
        // The kernel goes by the larger of the link's own and that of all; 2 is loose.
        if filter > 1 {
            return filters;
        }
        for link in links.iter().filter(|link| exits.contains(&link.ifindex) || is_managed(link, policy)) {
            if read(link.name.as_str(), "rp_filter").max(filter) != 1 {
                continue;
            }
            filters.strict.insert(link.ifindex);
            if read(link.name.as_str(), "src_valid_mark").max(mark) > 0 {
                filters.by_mark.insert(link.ifindex);
            }
        }
        filters
    }
}

/// A number of the kernel's; 0 of a link that has just gone.
fn read(name: &str, setting: &str) -> u32 {
    let text = fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}/{setting}"));
    text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

/// A link within a key of sysctl(8), where a dot separates.
fn key(name: &str) -> String {
    name.replace('.', "/")
}

/// Uplinks that look strictly, and the nets of their neighbours.
pub(super) fn filtered(world: &World<'_>, uplinks: &BTreeSet<Ifindex>) -> BTreeMap<Ifindex, Vec<Prefix>> {
    let strict = &world.snapshot.filters.strict;
    let mut nets: BTreeMap<Ifindex, Vec<Prefix>> = BTreeMap::new();
    if strict.is_empty() {
        return nets;
    }
    // Routes of a point-to-point link are copied.
    let is_asked = |oif: Ifindex| {
        let is_up = world.link(oif).is_some_and(LinkState::is_up);
        is_up && strict.contains(&oif) && uplinks.contains(&oif) && !world.is_point_to_point(oif)
    };
    for route in world.main(Family::V4).filter(|route| route.spec.is_unicast()) {
        let net = route.spec.destination;
        if net.is_default() || world.policy.main_prefixes.iter().any(|prefix| prefix.covers(net)) {
            continue;
        }
        let direct = route.spec.hops.iter().filter(|hop| hop.gateway.is_none() && is_asked(hop.oif));
        direct.for_each(|hop| nets.entry(hop.oif).or_default().push(net));
    }
    nets
}

/// What such a setting drops of a link's traffic.
pub(super) fn notes(
    world: &World<'_>,
    link: &LinkState,
    table: &PlannedTable,
    filtered: &BTreeMap<Ifindex, Vec<Prefix>>,
) -> Vec<Note> {
    let name = &link.name;
    let note = |text: String| Note { link: Some(link.ifindex), text };
    let filters = &world.snapshot.filters;
    let mut notes = Vec::new();
    // What both links are connected to, the table has: there the filter only keeps their ARP apart.
    let is_lost = |(other, nets): &(&Ifindex, &Vec<Prefix>)| {
        **other != link.ifindex && nets.iter().any(|net| !table.copies.contains_key(net))
    };
    let others = filtered.iter().filter(is_lost).filter_map(|(other, _)| world.link(*other));
    let others: Vec<String> = others.map(|other| other.name.to_string()).collect();
    // With many routes main is asked first, and it has the neighbours.
    if table.has_default() && table.through == Through::Table && !others.is_empty() {
        let at = if let [only] = &others[..] { key(only) } else { "all".to_owned() };
        notes.push(note(format!(
            "{name} ipv4: rp_filter is 1 (strict) on {}, so the kernel drops what neighbours there send to an address \
             of {name}: the way back is through {name}. Remedy: sysctl net.ipv4.conf.{at}.rp_filter=2",
            listed(&others)
        )));
    }
    let marked = world.policy.mark_of(&super::listed::names_of(link)).is_some();
    if marked && filters.strict.contains(&link.ifindex) && !filters.by_mark.contains(&link.ifindex) {
        notes.push(note(format!(
            "{name} ipv4: rp_filter is 1 (strict) and looks the way back up without the mark of routing.marks, so \
             published ports are not reached. Remedy: sysctl net.ipv4.conf.{0}.src_valid_mark=1 and the ruleset of \
             netevd policy --nft, or net.ipv4.conf.{0}.rp_filter=2",
            key(name.as_str())
        )));
    }
    notes
}
