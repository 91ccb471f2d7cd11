//! Which of main's routes a link's table holds, and how. Pure.

use super::world::World;
use crate::kernel::{FullRoute, Spec, SpecHop};
use crate::model::{UNICAST, UNREACHABLE};
use crate::state::LinkState;
use protocol::{Family, Ifindex, Links, Prefix};
use std::collections::{BTreeMap, BTreeSet};

/// `ICMPV6_ROUTER_PREF_HIGH`, `ICMPV6_ROUTER_PREF_LOW` (RFC 4191)
const HIGH: u8 = 1;
const LOW: u8 = 3;

/// main's routes of one prefix, in the kernel's order.
pub(super) type ByPrefix<'a> = BTreeMap<Prefix, Vec<&'a FullRoute>>;

/// What the table has of one prefix of main's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Links whose legs are left out.
    pub except: Links,
    /// The routes.
    pub routes: Vec<Spec>,
}

/// The part of a table that follows from main's routes which are no defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Copies {
    pub(super) copied: BTreeMap<Prefix, Copied>,
    /// Prefixes that leave through another uplink inside of copied ones.
    pub(super) follows: BTreeSet<Prefix>,
    /// What is left to main, because a copy of it cannot be made.
    pub(super) thrown: Vec<Prefix>,
    /// With legs through more other uplinks than a request can name.
    pub(super) too_many_legs: Vec<Prefix>,
}

impl Copied {
    /// One of its legs is through this link.
    pub(super) fn leaves_through(&self, link: Ifindex) -> bool {
        self.routes.iter().any(|route| route.hops.iter().any(|hop| hop.oif == link))
    }

    /// Without gateways: others may need it to be there first.
    pub(super) fn is_direct(&self) -> bool {
        self.routes.iter().all(|route| route.hops.iter().all(|hop| hop.gateway.is_none()))
    }
}

/// main's routes that are no defaults, by prefix.
pub(super) fn by_prefix<'a>(world: &World<'a>, family: Family) -> ByPrefix<'a> {
    let mut prefixes = ByPrefix::new();
    for route in world.main(family) {
        let is_known = route.spec.leads_nowhere() || !route.spec.hops.is_empty() || route.opaque;
        if !route.spec.destination.is_default() && (is_known || route.lacks_hops) {
            prefixes.entry(route.spec.destination).or_default().push(route);
        }
    }
    prefixes
}

/// Those of a link's table; `uplinks` may have the link itself.
pub(super) fn copies(
    world: &World<'_>,
    main: &ByPrefix<'_>,
    link: &LinkState,
    uplinks: &BTreeSet<Ifindex>,
) -> Copies {
    let own = link.ifindex;
    let mut found = Copies::default();
    let mut lost = Vec::new();
    for (prefix, routes) in main {
        let is_by_own = routes.iter().any(|route| route.leaves_through(own));
        let is_special = prefix.is_of_own_link();
        let is_kept = |hop: &SpecHop| {
            let oif = hop.oif;
            let is_local = !uplinks.contains(&oif) || world.is_point_to_point(oif) && !is_by_own;
            oif == own || !is_special && world.planning.local_networks && is_local
        };
        let hops = || routes.iter().flat_map(|route| &route.spec.hops);
        // The helper copies a special prefix by the link itself alone, whatever is named: every link has fe80::/64.
        let left_out = hops().filter(|hop| !is_special && !is_kept(hop));
        let except: BTreeSet<Ifindex> = left_out.map(|hop| hop.oif).collect();
        let has_place = |route: &&&FullRoute| {
            let is_hidden = route.opaque && route.spec.hops.is_empty();
            route.spec.leads_nowhere() || is_hidden || route.spec.hops.iter().any(is_kept)
        };
        if !routes.iter().any(|route| has_place(&route)) {
            let is_lost = |route: &&FullRoute| route.spec.is_unicast();
            if routes.iter().any(is_lost) && !prefix.is_of_own_link() {
                lost.push(*prefix);
            }
            continue;
        }
        let mut kept: Vec<Spec> = Vec::new();
        for route in routes {
            let spec = if route.opaque { route.spec.thrown() } else { route.spec.through(is_kept) };
            // IPv4 keeps apart what differs in the preferred source, which a copy does not have.
            if (spec.leads_nowhere() || !spec.hops.is_empty()) && !kept.contains(&spec) {
                kept.push(spec);
            }
        }
        if routes.iter().any(|route| route.opaque) {
            found.thrown.push(*prefix);
        }
        let Ok(except) = Links::new(except) else {
            found.too_many_legs.push(*prefix);
            continue;
        };
        found.copied.insert(*prefix, Copied { except, routes: split(kept) });
    }
    for prefix in lost {
        let around = (1..prefix.length()).rev().find_map(|length| {
            let around = Prefix::containing(prefix.address(), length).ok()?;
            found.copied.get(&around)
        });
        if around.is_some_and(|copied| !copied.leaves_through(own)) {
            found.follows.insert(prefix);
        }
    }
    found
}

/// The route of a followed prefix: as the table's first default, or unreachable where it has none.
pub(super) fn followed(prefix: Prefix, defaults: &[Spec]) -> Spec {
    let unicast = defaults.iter().filter(|route| route.is_unicast());
    // One that is for some packets alone is the last choice.
    let key = |route: &&Spec| (route.source.map_or(0, |source| source.length()), route.tos, route.metric);
    match unicast.min_by_key(key) {
        Some(default) => Spec {
            destination: prefix,
            source: None,
            tos: 0,
            metric: Spec::plain(prefix, UNICAST, 0).metric,
            ..default.clone()
        },
        None => Spec::plain(prefix, UNREACHABLE, 0),
    }
}

/// IPv6 routes by a gateway that main holds apart under one metric would be joined into one: they get this metric
/// and the next free ones, by preference, then in the order of main.
pub(super) fn split(routes: Vec<Spec>) -> Vec<Spec> {
    if routes.first().is_none_or(|route| route.destination.is_ipv4()) {
        return routes;
    }
    let has_gateway = |route: &Spec| route.hops.iter().any(|hop| hop.gateway.is_some());
    let key = |route: &Spec| (route.destination, route.source, route.metric);
    let mut taken: BTreeSet<_> = routes.iter().map(key).collect();
    let (mut apart, mut others): (Vec<Spec>, Vec<Spec>) = routes.into_iter().partition(has_gateway);
    apart.sort_by_key(|route| match route.preference() {
        HIGH => 0,
        LOW => 2,
        _ => 1,
    });
    let mut first = BTreeSet::new();
    for mut route in apart {
        if !first.insert(key(&route)) {
            while !taken.insert(key(&route)) && route.metric < u32::MAX {
                route.metric += 1;
            }
        }
        others.push(route);
    }
    others
}

/// Whether these are the same routes: of IPv4 those of one key in order, of IPv6 in any.
pub(super) fn are_equal(standing: &[Spec], wanted: &[Spec]) -> bool {
    let in_order = |routes: &[Spec]| {
        let mut routes: Vec<Spec> = routes.iter().map(|route| route.clone().sorted()).collect();
        match routes.first().is_some_and(|route| route.destination.is_ipv4()) {
            true => routes.sort_by_key(|route| (route.metric, route.tos)),
            false => routes.sort(),
        }
        routes
    };
    standing.len() == wanted.len() && in_order(standing) == in_order(wanted)
}
