//! Why something is not, or not completely, under policy routing: in words, each with its remedy. Pure.

use super::copies::{ByPrefix, Copies};
use super::snapshot::Snapshot;
use super::world::World;
use super::{Note, TableKey};
use crate::state::LinkState;
use protocol::{Family, Ifindex, Policy, Prefix, TableId};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Objects that a message names before it says how many more there are.
const NAMED: usize = 3;

/// Items of a list, the first few.
pub(super) fn listed(items: &[String]) -> String {
    match items.get(NAMED..) {
        Some(more) if !more.is_empty() => format!("{} and {} more", items[..NAMED].join(", "), more.len()),
        _ => items.join(", "),
    }
}

/// What another program has in a table of ours, or leads there without asking for a mark.
pub(super) fn conflict(snapshot: &Snapshot, key: TableKey, policy: &Policy) -> Option<String> {
    let table = TableId::for_interface(policy.table_base, key.ifindex);
    let name = snapshot.links.iter().find(|link| link.ifindex == key.ifindex)?.name.as_str();
    let family = key.family;
    let is_foreign = |rule: &&crate::kernel::Rule| {
        rule.family == family
            && rule.table == Some(table)
            && rule.foreign.as_deref().is_some_and(|seen| {
                !seen.mark.is_some_and(|(value, mask)| value != 0 && mask != 0) || seen.inverted
            })
    };
    let rules: Vec<String> = snapshot.rules.iter().filter(is_foreign).map(ToString::to_string).collect();
    if !rules.is_empty() {
        return Some(format!(
            "{name} {family}: Conflict: a rule that is not netevd's looks up table {table} ({}); nothing is added or \
             replaced there. Delete that rule, have it ask for a mark, or set routing.table_base",
            listed(&rules)
        ));
    }
    let routes: Vec<String> =
        snapshot.intruders.get(&(table, family))?.iter().map(|spec| spec.destination.to_string()).collect();
    Some(format!(
        "{name} {family}: Conflict: table {table} holds routes that are not netevd's ({}); nothing is added or replaced \
         there. Move them to another table, or set routing.table_base",
        listed(&routes)
    ))
}

/// An address that two links have.
pub(super) fn shared(world: &World<'_>, link: &LinkState, address: IpAddr, other: Ifindex) -> Note {
    let other = world.link(other).map_or("another link", |other| other.name.as_str());
    Note {
        link: Some(link.ifindex),
        text: format!(
            "{}: {address} is on {other} as well, so it gets no rule; delete one of them (ip addr del), or set \
             routing.shared: [{address}] if that is meant",
            link.name
        ),
    }
}

/// Prefixes of main's that the table cannot have.
pub(super) fn of_copies(copies: &Copies, link: &LinkState, family: Family) -> Vec<Note> {
    let name = &link.name;
    let text = |prefixes: &[Prefix], why: &str| {
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        let text = format!("{name} {family}: {} {why}", listed(&prefixes));
        (!prefixes.is_empty()).then_some(Note { link: Some(link.ifindex), text })
    };
    let thrown = text(
        &copies.thrown,
        "cannot be copied (an eBPF encapsulation, or a nexthop object without next hops), so main decides for it; \
         replace that route by a plain one if it must leave as its table says",
    );
    let legs = text(
        &copies.too_many_legs,
        "is a route through more than 16 other uplinks and is not copied; traffic to it takes the default",
    );
    thrown.into_iter().chain(legs).collect()
}

/// Too many routes to copy.
pub(super) fn too_many(link: &LinkState, family: Family, count: usize, limit: usize) -> Note {
    // A full table changes all the time, and a message with each number would be news each time.
    let _ = count;
    Note {
        link: Some(link.ifindex),
        text: format!(
            "{} {family}: main has more than {limit} routes to copy (routing.limits.copies), so main is asked first for \
             all but defaults, and what it reaches through other uplinks leaves through them; raise \
             routing.limits.copies, set routing.ignore_protocols, or set routing.specific_routes: main if this is meant",
            link.name
        ),
    }
}

/// A link whose routes, copied, take more than a quarter of all addresses.
pub(super) fn covered(
    world: &World<'_>,
    link: &LinkState,
    family: Family,
    copies: &Copies,
    main: &ByPrefix<'_>,
) -> Vec<Note> {
    let mut shares: BTreeMap<Ifindex, f64> = BTreeMap::new();
    for prefix in copies.copied.keys().filter(|prefix| !prefix.is_default_like()) {
        let in_use = family == Family::V4
            || prefix.length() > 12 && prefix.address().to_string().starts_with(['2', '3']);
        let bits = if family == Family::V4 { prefix.length() } else { prefix.length().saturating_sub(3) };
        for route in main.get(prefix).into_iter().flatten().filter(|_| in_use) {
            for hop in route.spec.hops.iter().filter(|hop| hop.oif != link.ifindex).take(1) {
                *shares.entry(hop.oif).or_default() += 0.5_f64.powi(i32::from(bits));
            }
        }
    }
    let much = shares.into_iter().filter(|(_, share)| *share > 0.25);
    let note = |(other, _): (Ifindex, f64)| {
        let other = world.link(other)?;
        Some(Note {
            link: Some(link.ifindex),
            text: format!(
                "{} {family}: routes through {other} cover more than a quarter of all addresses and are copied, so \
                 traffic of {}'s addresses takes them; if {other} is an uplink, give it a default route, or list it in \
                 routing.policy_rules",
                link.name,
                link.name,
                other = other.name
            ),
        })
    };
    much.filter_map(note).collect()
}
