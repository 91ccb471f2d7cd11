//! What a table is to hold: main's routes as copies, and what follows its default; which changes lead
//! there, and what would be refused now. Pure.

use crate::netlink::Message;
use crate::route::{Hop, Route, Slot};
use netlink_packet_core::{NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use nix::libc::{RTN_THROW, RTN_UNREACHABLE};
use protocol::kernel::FALLBACK_METRIC;
use protocol::{Prefix, TableId};
use std::collections::{BTreeMap, BTreeSet};

/// The copies of these routes, with the hops that stay. What cannot be copied whole is thrown, so that
/// main decides.
pub(crate) fn copies(table: TableId, main: &[Route], stays: impl Fn(&Route, &Hop) -> bool) -> Vec<Route> {
    let mut copies = Vec::new();
    for route in main.iter().filter(|route| route.counts()) {
        let hops: Vec<Hop> =
            route.hops.iter().filter(|hop| !hop.is_dead() && stays(route, hop)).cloned().collect();
        if hops.is_empty() && !route.hops.is_empty() {
            continue;
        }
        let copy = match route.copy(table, hops) {
            copy if copy.is_whole() => copy,
            _ => Route::ours(table, route.destination, RTN_THROW, None),
        };
        if !copies.contains(&copy) {
            copies.push(copy);
        }
    }
    if copies.iter().any(|route| !route.destination.is_ipv4()) { apart(copies) } else { copies }
}

/// IPv6 routes by a gateway that main holds apart under one key would be joined by a copy. They get
/// M, M+1, ... (the next free), by router preference, then in the order of main's dump.
fn apart(mut routes: Vec<Route>) -> Vec<Route> {
    // By `ICMPV6_ROUTER_PREF_*`, two bits; the sort keeps the order of equals.
    routes.sort_by_key(|route| [1, 0, 1, 2][usize::from(route.preference() & 3)]);
    let (mut taken, mut first) =
        (routes.iter().map(Route::slot).collect::<BTreeSet<Slot>>(), BTreeSet::new());
    for route in routes.iter_mut().filter(|route| route.has_gateway()) {
        if !first.insert(route.slot()) {
            while !taken.insert(route.slot()) && route.metric < FALLBACK_METRIC {
                route.metric += 1;
            }
        }
    }
    routes
}

/// Where a prefix goes when it follows the default of a table, which is among these; `unreachable` without.
pub(crate) fn follow(table: TableId, own: &[Route], prefix: Prefix) -> Route {
    let defaults = own.iter().filter(|route| route.table == table && route.is_default());
    // One from everywhere and for every TOS rather than one of few.
    let first = defaults.min_by_key(|route| (route.slot().2, route.metric));
    first.map_or_else(|| Route::ours(table, prefix, RTN_UNREACHABLE, None), |default| default.follow(prefix))
}

/// A route of ours, of a single way where it is IPv6, is what main has for its prefix: a copy with any
/// exceptions, or what follows one of the table's defaults.
pub(crate) fn is_granted(route: &Route, oif: u32, defaults: &[Route], main: &[Route]) -> bool {
    let alone = route.destination.is_of_own_link();
    let mine = route.is_whole() && route.hops.iter().all(|hop| !alone || hop.oif() == oif);
    let originals = || main.iter().filter(|original| original.counts());
    // Those of one key that main holds apart have metrics one after the other.
    let apart = if route.has_gateway() && !route.destination.is_ipv4() { originals().count() } else { 1 };
    let copied = |original: &Route| {
        let further = route.metric.checked_sub(original.metric).is_some_and(|more| (more as usize) < apart);
        let thrown = || *route == Route::ours(route.table, route.destination, RTN_THROW, None);
        if original.is_whole() { further && mine && route.is_part_of(original) } else { thrown() }
    };
    let followed = follow(route.table, defaults, route.destination);
    let held = mine && originals().any(Route::is_unicast) && !route.destination.is_default() && !alone;
    originals().any(copied) || (held && route.is_part_of(&followed) && route.metric == followed.metric)
}

/// The changes that make the routes of ours at some prefixes, in the order of the dump, equal to the
/// wanted ones. Or, and `true`, only those that shed the hops of IPv6 routes with several that are too many: when
/// those are deleted by name, what is left of them is another program's, joined to ours by the kernel.
pub(crate) fn changes(own: Vec<&Route>, wanted: &[Route]) -> (Vec<Message>, bool) {
    // Hops are a set.
    let sorted = |route: &&Route| route.copy(route.table, route.hops.clone());
    let mut slots = BTreeMap::<Slot, [Vec<&Route>; 2]>::new();
    for (which, routes) in [own, wanted.iter().collect()].into_iter().enumerate() {
        routes.into_iter().for_each(|route| slots.entry(route.slot()).or_default()[which].push(route));
    }
    let (mut puts, mut gone, mut shed) = (Vec::new(), Vec::new(), Vec::new());
    for ((destination, ..), [mut own, mut wanted]) in slots {
        if !destination.is_ipv4() {
            // IPv6 knows no order under one key.
            own.sort_by_cached_key(sorted);
            wanted.sort_by_cached_key(sorted);
        }
        if own.iter().map(sorted).eq(wanted.iter().map(sorted)) {
            continue;
        }
        if wanted.is_empty() {
            gone.extend(own.into_iter().cloned());
            continue;
        }
        let kept = |part: &Route| wanted.iter().any(|route| part.has_ways_of(route));
        let several = own.iter().filter(|route| route.parts().len() > 1);
        shed.extend(several.flat_map(|route| route.parts()).filter(|part| !kept(part)));
        // REPLACE does nothing where a later one of the key is the same: those go first.
        let mut steps: Vec<Message> = own.iter().skip(1).flat_map(|route| route.deletions()).collect();
        let first = if own.is_empty() { NLM_F_EXCL } else { NLM_F_REPLACE };
        if own.first().map(sorted) != wanted.first().map(sorted) {
            steps.push(wanted[0].addition(NLM_F_CREATE | first));
        }
        steps.extend(wanted[1..].iter().map(|route| route.addition(NLM_F_CREATE | NLM_F_APPEND)));
        puts.push((wanted.iter().any(|route| route.has_gateway()), steps));
    }
    // What is direct first: a gateway may be reached by it.
    puts.sort_by_key(|(by_gateway, _)| *by_gateway);
    let puts = puts.into_iter().flat_map(|(_, steps)| steps);
    if shed.is_empty() {
        (puts.chain(teardown(gone)).collect(), false)
    } else {
        (teardown(shed).collect(), true)
    }
}

/// Deletions in the order in which routes go: the default, what has a gateway, what is direct (a gateway
/// may be reached by it), and the fallback last, so that no table leaks in between.
pub(crate) fn teardown(mut routes: Vec<Route>) -> impl Iterator<Item = Message> {
    routes.sort_by_key(|route| {
        (route.metric == FALLBACK_METRIC, !route.destination.is_default(), !route.has_gateway())
    });
    routes.into_iter().flat_map(|route| route.deletions().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests;
