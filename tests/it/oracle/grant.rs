//! What the helper, asked now, would grant: each object of protocol 110 that is there has to be so, whatever the
//! worker once asked for.

use super::kernel::{Kernel, World};
use super::link::Link;
use super::plan::FALLBACK;
use super::policy::Policy;
use super::route::{Hop, Route, THROW, UNICAST, UNREACHABLE, Via};
use crate::support::{Host, wait_within};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

impl World {
    /// netevd's objects that nothing justifies any longer.
    fn unjustified(&self, policy: &Policy) -> Vec<String> {
        let listed: Vec<&Link> = self.links.iter().filter(|link| policy.lists(link)).collect();
        let mut shapes = BTreeSet::new();
        for link in &listed {
            for address in [true, false].into_iter().flat_map(|is_v4| self.grantable(policy, link, is_v4)) {
                // Whether main is asked first, the worker says.
                for is_main_first in [true, false] {
                    shapes.extend(self.rules_of(policy, address, link.table(), is_main_first));
                }
            }
        }
        let ours = self.rules.iter().filter(|rule| rule.is_ours).map(super::rule::Rule::text);
        let mut wrong: Vec<String> = ours.filter(|rule| !shapes.contains(rule)).collect();
        for route in self.routes.iter().filter(|route| route.protocol == 110 && route.counts()) {
            let link = listed.iter().find(|link| link.table() == route.table);
            if !link.is_some_and(|link| self.would_grant(policy, link, &route.without_dead())) {
                wrong.push(format!("table {}: {}", route.table, route.text()));
            }
        }
        wrong
    }

    /// Nothing is there that would be refused now.
    pub(super) fn is_granted(&self, policy: &Policy) -> bool {
        self.unjustified(policy).is_empty()
    }

    fn would_grant(&self, policy: &Policy, link: &Link, route: &Route) -> bool {
        if route.prefix.length == 0 {
            return self.would_grant_default(policy, link, route);
        }
        let same: Vec<&Route> = self.main(route.is_v4()).filter(|r| r.prefix == route.prefix).collect();
        if same.iter().any(|main| is_part(main, route)) {
            return true;
        }
        // By the hops of the table's default, what main has by other hops.
        let defaults =
            || self.ours(route.table, route.is_v4()).filter(|r| r.is_default()).map(Route::without_dead);
        let followed = match route.kind {
            UNREACHABLE => defaults().next().is_none(),
            UNICAST => defaults().any(|default| default.hops == route.hops),
            _ => false,
        };
        let held = same.iter().any(|main| main.kind == UNICAST) && !route.prefix.is_default_like();
        let thrown = route.kind == THROW && same.iter().any(|main| main.is_beyond_copy());
        (followed && held) || thrown
    }

    fn would_grant_default(&self, policy: &Policy, link: &Link, route: &Route) -> bool {
        if route.is_deviceless() {
            let fallback = route.kind == UNREACHABLE && route.metric == FALLBACK;
            let copied = |main: &Route| {
                main.prefix == route.prefix
                    && main.kind == route.kind
                    && main.metric == route.metric
                    && main.tos == route.tos
            };
            return (fallback && policy.falls_back()) || self.main(route.is_v4()).any(copied);
        }
        // Each hop is one that the kernel has through this link, or that the configuration names, or there is none.
        let known = |hop: &Hop| {
            let has =
                |r: &Route| r.protocol != 110 && r.living().any(|h| h.link == hop.link && h.via == hop.via);
            let named = || {
                policy.gateways(link).any(|gateway| match (gateway, &hop.via) {
                    (Some(gateway), Via::Gateway(via)) => gateway == *via,
                    (gateway, _) => gateway.is_none(),
                })
            };
            let alone = hop.via == Via::Nothing && link.is_point_to_point();
            hop.link == link.index && (alone || named() || self.routes.iter().any(has))
        };
        route.kind == UNICAST && route.hops.iter().all(known)
    }
}

/// Whether this is what main has, without some of its hops; IPv6 routes that main holds apart have other metrics.
fn is_part(main: &Route, copy: &Route) -> bool {
    if main.is_deviceless() || copy.is_deviceless() {
        return main.copy(Vec::new()).text() == copy.text();
    }
    let mut whole = main.copy(copy.hops.clone());
    if !main.is_v4() && (main.metric..main.metric.saturating_add(64)).contains(&copy.metric) {
        whole.metric = copy.metric;
    }
    let is_leg = |hop: &Hop| {
        let alike = |leg: &Hop| leg.at_weight(hop.weight) == *hop;
        main.living().any(|leg| if copy.hops.len() == 1 { alike(leg) } else { leg == hop })
    };
    whole.text() == copy.text() && copy.hops.iter().all(is_leg)
}

impl Kernel {
    /// Waits until each of netevd's objects is one that the helper would grant now.
    pub(crate) fn await_granted(&self, host: &Host, policy: &Policy, what: &str) {
        let explain = || {
            let world = self.look();
            let state = host.sh(
                "ip -d addr; ip rule; ip -6 rule; ip -d route show table all; ip -6 -d route show table all",
            );
            format!("{:#?}\n{state}\n{}", world.unjustified(policy), host.log())
        };
        let what = format!("nothing remains that the helper would refuse: {what}");
        wait_within(PATIENCE, &what, explain, || self.look().unjustified(policy).is_empty());
    }

    /// netevd's routes of a table.
    pub(crate) fn routes_of(&self, table: u32) -> BTreeSet<String> {
        let world = self.look();
        [true, false].into_iter().flat_map(|is_v4| world.ours(table, is_v4)).map(Route::text).collect()
    }
}
