//! The routes that the worker remembers: defaults of every foreign table, main's local networks,
//! and, while something wants route events, all others (so that a lost message can be told).

use super::gateway::DefaultNextHops;
use crate::kernel::{RouteInterest, UnusedRoutes};
use crate::model::DefaultNextHop;
use crate::model::{Hop, Protocols, Route, RouteKey};
use protocol::{Family, Ifindex, TableId};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

/// The store. Routes of one key are kept in the order in which they were told. Defaults stand
/// apart: they are asked for at every message, and the others may be very many.
#[derive(Debug, Default)]
pub struct Routes {
    defaults: ByKey,
    others: ByKey,
    everything: bool,
    ignored: Protocols,
}

type ByKey = BTreeMap<RouteKey, Vec<Route>>;

/// What inserting a route meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inserted {
    /// It was not there.
    New,
    /// It replaced one of the same key.
    Replaced,
    /// It was there in this very form.
    Known,
    /// Which of several it replaced cannot be told from the message.
    Ambiguous,
}

impl Routes {
    /// Remembers all routes from now on, or only those that are needed.
    pub fn remember_everything(&mut self, everything: bool) {
        self.everything = everything;
        if !everything {
            self.others.retain(|_, routes| routes.iter().any(is_needed));
        }
    }

    /// Routes of these protocols are no longer read, defaults aside. Whether that is a change, after which only a
    /// dump tells what to remember.
    pub fn ignore(&mut self, protocols: Protocols) -> bool {
        std::mem::replace(&mut self.ignored, protocols) != protocols
    }

    /// Whether a route is one to remember.
    pub fn keeps(&self, route: &Route) -> bool {
        is_needed(route) || (self.everything && is_reported(route))
    }

    /// [`Routes::keeps`] as a function of its own, for a dump that runs beside the state.
    pub fn route_filter(&self) -> (RouteInterest, impl Fn(&Route) -> bool + Send + Sync + 'static) {
        let everything = self.everything;
        let keeps = move |route: &Route| is_needed(route) || (everything && is_reported(route));
        (
            RouteInterest {
                reported: everything,
                private: false,
                main: false,
                unused_routes: UnusedRoutes::default(),
                ignored: self.ignored,
            },
            keeps,
        )
    }

    /// Remembers a route that [`Routes::keeps`]; others are only classified.
    pub fn insert(&mut self, route: &Route, replaced: bool) -> Inserted {
        let (keeps, key) = (self.keeps(route), route.key());
        let (part, other) = if route.is_default() {
            (&mut self.defaults, &self.others)
        } else {
            (&mut self.others, &self.defaults)
        };
        // Of what stands at this place, the one that is remembered, or one that is not?
        if replaced && (other.contains_key(&key) || (!keeps && part.contains_key(&key))) {
            return Inserted::Ambiguous;
        }
        if !keeps {
            return if replaced { Inserted::Replaced } else { Inserted::New };
        }
        // With room for the one that nearly always stays alone.
        let routes = match part.entry(key) {
            Entry::Vacant(place) => {
                place.insert(vec![route.clone()]);
                return Inserted::New;
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        if !replaced {
            if routes.contains(route) {
                return Inserted::Known;
            }
            routes.push(route.clone());
            return Inserted::New;
        }
        match routes.as_mut_slice() {
            [only] if only == route => Inserted::Known,
            [only] => {
                *only = route.clone();
                Inserted::Replaced
            }
            _ => Inserted::Ambiguous,
        }
    }

    /// Forgets a route and returns it; `None` when it was not remembered.
    pub fn remove(&mut self, route: &Route) -> Option<Route> {
        if !self.keeps(route) {
            return None;
        }
        let part = self.part(route);
        let routes = part.get_mut(&route.key())?;
        // A deletion names the hops; a single entry of the key is meant in any case, since some
        // attributes differ between what was announced and what is withdrawn.
        let at = match routes.as_slice() {
            [_] => 0,
            several => several.iter().position(|r| r.hops == route.hops)?,
        };
        let removed = routes.remove(at);
        if routes.is_empty() {
            part.remove(&route.key());
        }
        Some(removed)
    }

    /// Those that are remembered and not in a dump.
    pub fn missing_from(&self, dump: &[Route]) -> Vec<Route> {
        let mut missing = Vec::new();
        let mut there: Vec<&Route> = dump.iter().collect();
        // A dump is nearly in order, which this sort makes use of.
        there.sort_by_key(|route| route.key());
        for part in [&self.defaults, &self.others] {
            let mut rest = there.as_slice();
            for (key, routes) in part {
                let before = rest.iter().take_while(|route| route.key() < *key).count();
                rest = &rest[before..];
                let same = || rest.iter().take_while(|route| route.key() == *key);
                missing.extend(routes.iter().filter(|known| !same().any(|route| route == known)).cloned());
            }
        }
        missing
    }

    /// Forgets the routes that leave through this link alone, all or of one family: the kernel says
    /// nothing of IPv4 routes that go with a link or with its last address.
    pub fn forget_link(&mut self, ifindex: Ifindex, family: Option<Family>) -> Vec<Route> {
        self.forget(|route| {
            route.hops.iter().all(|hop| hop.oif == Some(ifindex))
                && family.is_none_or(|f| f == route.family())
        })
    }

    /// Forgets main's IPv4 routes with this preferred source (`fib_sync_down_addr`, silent).
    pub fn forget_source(&mut self, source: IpAddr) -> Vec<Route> {
        self.forget(|route| source.is_ipv4() && route.source == Some(source) && route.table == TableId::MAIN)
    }

    fn forget(&mut self, goes: impl Fn(&Route) -> bool) -> Vec<Route> {
        let mut gone = Vec::new();
        for part in [&mut self.defaults, &mut self.others] {
            part.retain(|_, routes| {
                gone.extend(routes.extract_if(.., |route| goes(route)));
                !routes.is_empty()
            });
        }
        gone
    }

    /// All remembered routes.
    pub fn iter(&self) -> impl Iterator<Item = &Route> {
        self.defaults.values().chain(self.others.values()).flatten()
    }

    /// Remembered routes through this link: its defaults, and the others while they are few enough for
    /// a walk at each event.
    pub fn of_link(&self, ifindex: Ifindex) -> impl Iterator<Item = &Route> {
        let others = (self.others.len() <= 10_000).then_some(self.others.values()).into_iter().flatten();
        let all = self.defaults.values().chain(others).flatten();
        all.filter(move |route| !route.is_ours() && route.hops.iter().any(|hop| hop.oif == Some(ifindex)))
    }

    /// The lowest-metric default route of a family through this link, in any table but local.
    pub fn exit(&self, ifindex: Ifindex, family: Family) -> Option<DefaultNextHop> {
        let by_link = |hop: &&Hop| hop.oif == Some(ifindex) && !hop.foreign_gateway;
        let plain = self.defaults.values().flatten().filter(|r| r.is_default_candidate());
        let defaults = plain.filter(|r| r.family() == family);
        let exits = defaults.filter_map(|r| Some((r.metric, r.table, r.hops.iter().find(by_link)?)));
        let (_, _, hop) =
            exits.min_by_key(|(metric, table, hop)| (*metric, *table != TableId::MAIN, hop.gateway))?;
        Some(hop.gateway.map_or(DefaultNextHop::OnLink, DefaultNextHop::Via))
    }

    /// What the kernel has of ways out through this link: of each family the default route of the lowest metric in
    /// any table but local, whatever its source; one for all sources comes first.
    pub fn default_next_hops(&self, ifindex: Ifindex) -> DefaultNextHops {
        let mut best = [None, None];
        for route in self.defaults.values().flatten() {
            let Some(hop) = route.hops.iter().find(|hop| hop.oif == Some(ifindex)) else { continue };
            let rank = (route.selective, route.metric, route.table != TableId::MAIN, hop.gateway);
            let place = &mut best[usize::from(route.family() == Family::V6)];
            if place.is_none_or(|known| rank < known) {
                *place = Some(rank);
            }
        }
        let [v4, v6] = best
            .map(|way| way.map(|(.., gateway)| gateway.map_or(DefaultNextHop::OnLink, DefaultNextHop::Via)));
        DefaultNextHops { v4, v6 }
    }
}

impl Routes {
    fn part(&mut self, route: &Route) -> &mut ByKey {
        if route.is_default() { &mut self.defaults } else { &mut self.others }
    }
}

fn is_needed(route: &Route) -> bool {
    route.is_default() || route.is_main_candidate() || route.may_lead()
}

/// Whether `routes.d` hears of it: not our own, not the local table, not a cached copy.
pub fn is_reported(route: &Route) -> bool {
    !route.is_ours() && route.table != TableId::LOCAL && !route.cloned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;
    use crate::model::Hops;
    use proptest::prelude::*;

    fn route(destination: &str, oif: u32, gateway: Option<&str>, metric: u32) -> Route {
        Route { metric, ..fixtures::route(destination, oif, gateway.unwrap_or_default()) }
    }

    fn link(n: u32) -> Ifindex {
        Ifindex::try_from(n).expect("valid")
    }

    #[test]
    fn the_lowest_metric_default_by_the_link_is_its_exit() {
        let mut routes = Routes::default();
        routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.1"), 100), false);
        routes.insert(&route("0.0.0.0/0", 3, Some("198.51.100.1"), 50), false);
        routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.254"), 50), false);
        let via = |text: &str| Some(DefaultNextHop::Via(text.parse().expect("an address")));
        assert_eq!(routes.exit(link(2), Family::V4), via("192.0.2.254"));
        assert_eq!(routes.exit(link(3), Family::V4), via("198.51.100.1"));
        assert_eq!(routes.exit(link(2), Family::V6), None);
        routes.insert(&route("0.0.0.0/0", 4, None, 0), false);
        assert_eq!(routes.exit(link(4), Family::V4), Some(DefaultNextHop::OnLink));
    }

    #[test]
    fn a_multipath_default_is_an_exit_of_each_of_its_links() {
        let mut both = route("0.0.0.0/0", 2, Some("192.0.2.1"), 0);
        both.hops =
            Hops::Several([&both.hops[..], &route("0.0.0.0/0", 3, Some("198.51.100.1"), 0).hops].concat());
        let mut routes = Routes::default();
        routes.insert(&both, false);
        assert!(routes.exit(link(2), Family::V4).is_some() && routes.exit(link(3), Family::V4).is_some());
        assert!(routes.forget_link(link(2), None).is_empty());
    }

    #[test]
    fn replacing_one_of_several_asks_for_a_dump() {
        let mut routes = Routes::default();
        assert_eq!(routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.1"), 0), false), Inserted::New);
        assert_eq!(routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.9"), 0), true), Inserted::Replaced);
        assert_eq!(routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.9"), 0), true), Inserted::Known);
        routes.insert(&route("0.0.0.0/0", 3, Some("198.51.100.1"), 0), false);
        assert_eq!(routes.insert(&route("0.0.0.0/0", 4, None, 0), true), Inserted::Ambiguous);
        assert!(routes.remove(&route("0.0.0.0/0", 3, Some("198.51.100.1"), 0)).is_some());
        assert_eq!(routes.exit(link(3), Family::V4), None);
        assert!(routes.exit(link(2), Family::V4).is_some());
    }

    proptest! {
        #[test]
        fn what_is_missing_is_what_the_dump_lacks(
            known in prop::collection::vec((0u8..6, 0u32..2, 2u32..4), 0..20),
            reported in prop::collection::vec((0u8..6, 0u32..2, 2u32..4), 0..20),
        ) {
            let make = |&(net, metric, oif): &(u8, u32, u32)| match net {
                0 => route("0.0.0.0/0", oif, Some("192.0.2.1"), metric),
                _ => route(&format!("10.{net}.0.0/16"), oif, None, metric),
            };
            let mut routes = Routes::default();
            for of in &known {
                routes.insert(&make(of), false);
            }
            let dump: Vec<Route> = reported.iter().map(make).collect();
            let expected: Vec<&Route> = routes.iter().filter(|route| !dump.contains(route)).collect();
            let missing = routes.missing_from(&dump);
            prop_assert_eq!(missing.iter().collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn what_a_foreign_route_replaces_is_not_remembered_for_ever() {
        let mut routes = Routes::default();
        let bgp = |destination| Route { protocol: 186, ..route(destination, 2, None, 0) };
        routes.insert(&route("10.1.0.0/16", 2, None, 0), false);
        assert_eq!(routes.insert(&bgp("10.1.0.0/16"), true), Inserted::Ambiguous);
        assert_eq!(routes.insert(&bgp("10.2.0.0/16"), true), Inserted::Replaced);
        assert_eq!(routes.remove(&bgp("10.1.0.0/16")), None, "it never was");
        assert_eq!(routes.iter().count(), 1);
        routes.insert(&route("0.0.0.0/0", 2, Some("192.0.2.1"), 0), false);
        let nowhere = Route { route_type: 7, ..route("0.0.0.0/0", 2, None, 0) };
        assert_eq!(routes.insert(&nowhere, true), Inserted::Ambiguous);
    }

    #[test]
    fn a_million_bgp_routes_are_not_remembered_unless_wanted() {
        let mut bgp = route("10.1.0.0/16", 2, None, 0);
        bgp.protocol = 186;
        let mut routes = Routes::default();
        assert_eq!(routes.insert(&bgp, false), Inserted::New);
        assert_eq!(routes.iter().count(), 0);
        routes.remember_everything(true);
        routes.insert(&bgp, false);
        assert_eq!(routes.iter().count(), 1);
        routes.remember_everything(false);
        assert_eq!(routes.iter().count(), 0);
    }
}
