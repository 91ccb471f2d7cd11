//! A link's table and the rules of its addresses.

use super::kernel::World;
use super::link::Link;
use super::picture::{Picture, Table};
use super::policy::Policy;
use super::prefix::Prefix;
use super::route::{BLACKHOLE, Hop, Route, THROW, UNICAST, UNREACHABLE, Via};
use super::rule::{TABLE_LOCAL, TABLE_MAIN};
use super::source::{Source, is_uplink};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The metric of `fallback: unreachable`.
pub(super) const FALLBACK: u32 = u32::MAX;

impl World {
    /// netevd's objects as they have to be. Tables with a conflict are not among them: there nothing changes.
    pub(super) fn expected(&self, policy: &Policy) -> Picture {
        let mut picture = Picture::default();
        for link in self.links.iter().filter(|link| policy.lists(link)) {
            for is_v4 in [true, false] {
                if self.has_conflict(link, is_v4) {
                    picture.conflicts.insert((link.table(), is_v4));
                    continue;
                }
                let addresses = self.sources(policy, link, is_v4);
                if addresses.is_empty() {
                    continue;
                }
                let Some((table, is_main_first)) = self.table(policy, link, is_v4) else { continue };
                if table.iter().any(|route| self.may_be_refused(route)) {
                    picture.unreachable.insert((link.table(), is_v4));
                }
                picture.tables.insert((link.table(), is_v4), Table::of(table));
                for address in addresses {
                    picture.rules.extend(self.rules_of(policy, address, link.table(), is_main_first));
                }
            }
        }
        picture
    }

    /// By a gateway to which main has no route without one: it had, when the route was made.
    fn may_be_refused(&self, route: &Route) -> bool {
        let is_reached = |hop: &Hop, gateway: IpAddr| {
            let direct = |r: &&Route| r.kind == UNICAST && r.prefix.length > 0 && r.prefix.contains(gateway);
            let by_link = |r: &Route| r.living().any(|h| h.link == hop.link && h.via == Via::Nothing);
            self.main(true).filter(direct).any(by_link)
        };
        route.hops.iter().any(|hop| match hop.via {
            Via::Gateway(gateway) => gateway.is_ipv4() && !hop.onlink && !is_reached(hop, gateway),
            _ => false,
        })
    }

    /// Another program has put something unmarked where a link's table is.
    pub(super) fn has_conflict(&self, link: &Link, is_v4: bool) -> bool {
        // RTPROT_KERNEL: a link's own routes in its VRF's table.
        let foreign =
            |r: &Route| r.table == link.table() && ![110, 2].contains(&r.protocol) && r.is_v4() == is_v4;
        let rule = self.rules.iter().any(|rule| rule.is_v4 == is_v4 && rule.conflicts(link.table()));
        rule || self.routes.iter().any(foreign)
    }

    /// A link's addresses that get rules: usable, and on no other link that is up; of a link that is down, on no
    /// other link at all. The text says "another link that is up"; of two that are both down each would get rules by
    /// it, but an address has rules into one table only: that of one link would go for that of the other, in turns.
    /// One that the policy shares goes by links that are up as long as one of them has it.
    fn sources(&self, policy: &Policy, link: &Link, is_v4: bool) -> BTreeSet<IpAddr> {
        let mut sources = self.alone(policy, link, is_v4, |other| other.is_up() || !link.is_up());
        if !link.is_up() {
            let up = self.alone(&Policy::default(), link, is_v4, Link::is_up);
            sources.retain(|address| up.contains(address));
        }
        sources
    }

    /// The same as the helper grants it: by the text's words, since it grants to one link and then to another.
    pub(super) fn grantable(&self, policy: &Policy, link: &Link, is_v4: bool) -> BTreeSet<IpAddr> {
        self.alone(policy, link, is_v4, Link::is_up)
    }

    /// Usable addresses that are on no other link which counts, or that the policy shares.
    fn alone(
        &self,
        policy: &Policy,
        link: &Link,
        is_v4: bool,
        counts: impl Fn(&Link) -> bool,
    ) -> BTreeSet<IpAddr> {
        let competes = |index: u32| {
            let other = self.links.iter().find(|other| other.index == index);
            index != link.index && other.is_some_and(|other| counts(other) && !other.is_loopback())
        };
        let shared = |address: IpAddr| self.addresses.iter().any(|a| a.local == address && competes(a.link));
        let usable = self.addresses_of(link.index, is_v4).filter(|a| a.is_usable()).map(|a| a.local);
        usable.filter(|address| policy.is_shared(*address) || !shared(*address)).collect()
    }

    /// The rules of an address; with `local` behind them the host would not reach itself.
    pub(super) fn rules_of(
        &self,
        policy: &Policy,
        address: IpAddr,
        table: u32,
        is_main_first: bool,
    ) -> Vec<String> {
        let (base, is_v4) = (policy.base(), address.is_ipv4());
        let host = format!("{address}/{}", if is_v4 { 32 } else { 128 });
        let mut rules = vec![format!("{}: from {host} lookup {table}", base + 2)];
        if self.is_local_behind(base, is_v4) {
            rules.push(format!("{base}: from {host} lookup {TABLE_LOCAL}"));
        } else if policy.has_to_rules() {
            rules.push(format!("{}: to {host} lookup {table}", base + 3));
        }
        let main = format!("{}: from {host}", base + 1);
        for prefix in policy.left_to_main(is_v4) {
            rules.push(format!("{main} to {prefix} lookup {TABLE_MAIN}"));
        }
        if is_main_first {
            let wide = if is_v4 { 7 } else { 12 };
            rules.push(format!("{main} lookup {TABLE_MAIN} suppress_prefixlength {wide}"));
        }
        rules
    }

    fn is_local_behind(&self, base: u32, is_v4: bool) -> bool {
        let mut local = self.rules.iter().filter(|rule| rule.is_v4 == is_v4 && rule.is_local_for_all());
        local.next().is_none_or(|rule| rule.priority > base + 2)
    }

    /// A link's routes, and whether main is asked first.
    fn table(&self, policy: &Policy, link: &Link, is_v4: bool) -> Option<(Vec<Route>, bool)> {
        let defaults = match Source::find(self, policy, link, is_v4) {
            Source::Blocked => return None,
            Source::Nothing if !policy.falls_back() => return None,
            Source::Nothing => Vec::new(),
            Source::Defaults(defaults) => defaults,
        };
        let others: BTreeSet<u32> = self
            .links
            .iter()
            .filter(|other| other.index != link.index && is_uplink(self, policy, other, is_v4))
            .map(|other| other.index)
            .collect();
        let mut copies: Vec<Route> = Vec::new();
        let mut left_out: Vec<&Route> = Vec::new();
        for route in self.main(is_v4) {
            let hops = self.kept_hops(link, route, &others);
            let elsewhere = route.living().any(|hop| others.contains(&hop.link));
            if route.kind == UNICAST && elsewhere && hops.len() < route.living().count() {
                left_out.push(route);
            }
            let Some(copy) = copy(route, hops) else { continue };
            if !copies.contains(&copy) {
                copies.push(copy);
            }
        }
        let mut all = copies.clone();
        all.extend(defaults);
        if policy.falls_back() {
            all.push(Route::made(UNREACHABLE, Prefix::default(is_v4), FALLBACK, Vec::new()));
        }
        let mut all = if is_v4 { all } else { apart(all) };
        // A default for some sources or a TOS alone says nothing about the rest.
        let order = |route: &&Route| (route.source.length, route.tos, route.metric);
        let first = all.iter().filter(|route| route.is_default()).min_by_key(order).cloned();
        for route in left_out {
            all.extend(nested(route, &copies, first.as_ref(), link.index, &all));
        }
        let copied: BTreeSet<Prefix> = all.iter().map(|r| r.prefix).filter(|p| p.length > 0).collect();
        let is_main_first = policy.is_main_first(copied.len());
        if is_main_first {
            all.retain(|route| route.prefix.length == 0 || route.prefix.is_default_like());
        }
        Some((all, is_main_first))
    }

    /// The hops of one of main's routes that its copy has.
    fn kept_hops(&self, link: &Link, route: &Route, others: &BTreeSet<u32>) -> Vec<Hop> {
        let same = || {
            let by_link =
                |r: &Route| r.prefix == route.prefix && r.hops.iter().any(|hop| hop.link == link.index);
            self.main(route.is_v4()).any(by_link)
        };
        let tunnel = |index: u32| self.links.iter().any(|l| l.index == index && l.is_point_to_point());
        let keeps = |hop: &&Hop| {
            if hop.link == link.index {
                return true;
            }
            if route.prefix.is_link_local_v6() || route.prefix.is_default_like() {
                return false;
            }
            !others.contains(&hop.link) || (tunnel(hop.link) && !same())
        };
        route.living().filter(keeps).cloned().collect()
    }
}

/// What of one of main's routes is in the table, if anything is.
fn copy(route: &Route, hops: Vec<Hop>) -> Option<Route> {
    let is_v4 = route.is_v4();
    if route.is_deviceless() {
        return (route.prefix.length > 0 || route.metric != FALLBACK).then(|| route.copy(Vec::new()));
    }
    if !route.has_legs() || route.is_default() {
        return None;
    }
    if route.is_beyond_copy() {
        let throw = Route::made(THROW, route.prefix, 0, Vec::new());
        return (!hops.is_empty() || route.hops.is_empty()).then_some(throw);
    }
    debug_assert!(hops.iter().all(|hop| !hop.is_dead), "{is_v4}");
    (!hops.is_empty()).then(|| route.copy(hops))
}

/// A route that leaves through another uplink, inside something that the table holds and that is not by the link:
/// else what main sends there would end in it.
fn nested(
    route: &Route,
    copies: &[Route],
    default: Option<&Route>,
    link: u32,
    all: &[Route],
) -> Option<Route> {
    let no_such =
        route.prefix.length == 0 || route.prefix.is_default_like() || route.prefix.is_link_local_v6();
    if no_such || all.iter().any(|other| other.prefix == route.prefix) {
        return None;
    }
    let around = copies.iter().filter(|c| {
        c.prefix.length > 0 && c.prefix.length < route.prefix.length && c.prefix.covers(route.prefix)
    });
    let closest = around.max_by_key(|c| (c.prefix.length, c.leaves(link)))?;
    if closest.leaves(link) {
        return None;
    }
    Some(match default {
        Some(default) => default.follow(route.prefix),
        None => Route::made(UNREACHABLE, route.prefix, 0, Vec::new()),
    })
}

/// IPv6 joins routes by gateways of one prefix and metric; those that main holds apart get the next free metrics, by
/// the routers' preference (RFC 4191: high is 1, low is 3).
fn apart(routes: Vec<Route>) -> Vec<Route> {
    let has_gateway = |route: &Route| route.hops.iter().any(|hop| hop.via != Via::Nothing);
    let mut used: BTreeMap<(Prefix, Prefix), BTreeSet<u32>> = BTreeMap::new();
    for route in &routes {
        used.entry((route.prefix, route.source)).or_default().insert(route.metric);
    }
    let mut groups: BTreeMap<(Prefix, Prefix, u32), Vec<Route>> = BTreeMap::new();
    let mut all = Vec::new();
    for route in routes {
        if has_gateway(&route) && route.kind != BLACKHOLE {
            groups.entry((route.prefix, route.source, route.metric)).or_default().push(route);
        } else {
            all.push(route);
        }
    }
    for ((prefix, source, metric), mut group) in groups {
        let rank = |route: &Route| match route.pref {
            1 => 0,
            3 => 2,
            _ => 1,
        };
        group.sort_by_key(rank);
        let used = used.entry((prefix, source)).or_default();
        for (number, mut route) in group.into_iter().enumerate() {
            let free =
                if number == 0 { metric } else { (metric..).find(|m| !used.contains(m)).expect("a metric") };
            used.insert(free);
            route.metric = free;
            all.push(route);
        }
    }
    all
}
