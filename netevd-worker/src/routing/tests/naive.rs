//! The definition of the table said a second time, route by route and without any index, and compared with the
//! planner over random hosts.

use super::super::copies::{are_equal, followed};
use super::super::{Plan, Snapshot, TableKey, is_managed};
use super::{full, plan_of, policy, snapshot_of, state, usual_rules};
use crate::fixtures::{self, index, route};
use crate::kernel::{Dump, FullRoute, Link, Rule, SeenRule, Spec, SpecHop, link_flag};
use crate::model::{Route, UNICAST};
use proptest::prelude::*;
use protocol::{Fallback, Family, Ifindex, Policy, Prefix, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

struct Host<'a> {
    snapshot: &'a Snapshot,
    policy: &'a Policy,
}

impl Host<'_> {
    fn flags(&self, link: u32) -> u32 {
        self.snapshot.links.iter().find(|l| l.ifindex.get() == link).map_or(0, |l| l.flags)
    }

    fn addresses(&self, link: u32) -> Vec<IpAddr> {
        let of = self.snapshot.links.iter().filter(|l| l.ifindex.get() == link);
        of.flat_map(|l| &l.addresses).map(|known| known.address.ip).collect()
    }

    fn managed(&self, link: u32) -> bool {
        self.snapshot.links.iter().any(|l| l.ifindex.get() == link && is_managed(l, self.policy))
    }

    fn main(&self) -> Vec<&FullRoute> {
        self.snapshot.foreign.main.iter().filter(|r| r.spec.destination.is_ipv4()).collect()
    }

    /// Tables that rules lead this link's addresses to, in order.
    fn led(&self, link: u32) -> Vec<u32> {
        let mut tables = Vec::new();
        for rule in &self.snapshot.rules {
            let Some(seen) = rule.foreign.as_deref() else { continue };
            let Some(table) = seen.table else { continue };
            let of_ours = (2..9).any(|l| self.managed(l) && table == 200 + l);
            if seen.family != Family::V4 || table == 254 || table == 255 || of_ours {
                continue;
            }
            if seen.mark.is_some_and(|(value, mask)| value != 0 && mask != 0) || seen.iif.is_some() {
                continue;
            }
            let mine = self.addresses(link);
            if seen.source.is_none_or(|source| mine.iter().any(|address| source.contains(*address))) {
                tables.push(table);
            }
        }
        tables
    }

    fn defaults(&self, link: u32, table: u32) -> Vec<&FullRoute> {
        let all = if table == 254 { self.main() } else { self.snapshot.foreign.wide.iter().collect() };
        let by_link = |route: &&FullRoute| route.spec.hops.iter().any(|hop| hop.oif.get() == link);
        all.into_iter()
            .filter(|r| r.table.0 == table && r.spec.destination.length() == 0 && r.spec.kind == UNICAST)
            .filter(by_link)
            .collect()
    }

    fn gateway(&self, link: u32) -> Vec<Spec> {
        if self.flags(link) & link_flag::UP == 0 {
            return Vec::new();
        }
        for table in [vec![254], self.led(link)].concat() {
            let found = self.defaults(link, table);
            if !found.is_empty() {
                return found.into_iter().map(|r| r.spec.through(|hop| hop.oif.get() == link)).collect();
            }
        }
        let mine = self.addresses(link);
        let everybody: Vec<IpAddr> = (2..9).flat_map(|link| self.addresses(link)).collect();
        let mut seen = BTreeSet::new();
        for route in self.main().into_iter().filter(|r| r.spec.kind == UNICAST) {
            for hop in route.spec.hops.iter().filter(|hop| hop.oif.get() == link) {
                let to_own = mine.iter().any(|address| route.spec.destination.contains(*address));
                seen.extend(hop.gateway.filter(|gateway| to_own && !everybody.contains(gateway)));
            }
        }
        let default = |gateway, scope| Spec {
            scope,
            hops: vec![SpecHop::new(index(link), gateway)],
            ..Spec::plain(Prefix::everything(Family::V4), UNICAST, 0)
        };
        if seen.len() == 1 {
            return vec![default(seen.first().copied(), 0)];
        }
        let half =
            self.main().into_iter().any(|r| self.half(r) && r.spec.hops.iter().any(|h| h.oif.get() == link));
        match self.flags(link) & link_flag::POINTOPOINT != 0 && half {
            true => vec![default(None, 253)],
            false => Vec::new(),
        }
    }

    fn half(&self, route: &FullRoute) -> bool {
        let destination = route.spec.destination;
        let first = match destination.address() {
            IpAddr::V4(address) => address.octets()[0],
            IpAddr::V6(_) => unreachable!("IPv4"),
        };
        route.spec.kind == UNICAST
            && (1..=7).contains(&destination.length())
            && !(destination.length() >= 3 && first >= 224)
    }

    fn uplink(&self, link: u32) -> bool {
        !self.defaults(link, 254).is_empty()
            || self.led(link).iter().any(|table| !self.defaults(link, *table).is_empty())
            || self.managed(link) && !self.gateway(link).is_empty()
    }

    fn wanted(&self, link: u32) -> Option<BTreeMap<Prefix, Vec<Spec>>> {
        let mut defaults = self.gateway(link);
        let strict = self.policy.fallback == Fallback::Unreachable;
        if defaults.is_empty() && !strict {
            return None;
        }
        let mut table: BTreeMap<Prefix, Vec<Spec>> = BTreeMap::new();
        let (mut kept, mut lost) = (Vec::new(), Vec::new());
        for route in self.main() {
            let spec = &route.spec;
            if spec.leads_nowhere() {
                if spec.destination.length() > 0 {
                    kept.push(spec.clone());
                } else if spec.metric != u32::MAX {
                    defaults.push(spec.clone());
                }
                continue;
            }
            if spec.destination.length() == 0 {
                continue;
            }
            let same_by_link = self.main().into_iter().any(|other| {
                other.spec.destination == spec.destination
                    && other.spec.hops.iter().any(|hop| hop.oif.get() == link)
            });
            let stays = |hop: &SpecHop| {
                let by = hop.oif.get();
                let p2p = self.flags(by) & link_flag::POINTOPOINT != 0;
                by == link || !self.half(route) && (!self.uplink(by) || p2p && !same_by_link)
            };
            let copy = spec.through(stays);
            if copy.hops.len() < spec.hops.len() {
                lost.push(route);
            }
            if !copy.hops.is_empty() {
                kept.push(copy);
            }
        }
        for spec in &kept {
            let routes = table.entry(spec.destination).or_default();
            if !routes.contains(spec) {
                routes.push(spec.clone());
            }
        }
        if strict {
            defaults.push(Spec::plain(Prefix::everything(Family::V4), 7, u32::MAX));
        }
        for route in lost.into_iter().filter(|route| !self.half(route)) {
            let destination = route.spec.destination;
            if table.contains_key(&destination) {
                continue;
            }
            let around =
                kept.iter().filter(|k| k.destination != destination && k.destination.covers(destination));
            let closest =
                around.map(|k| (k.destination.length(), k.hops.iter().any(|hop| hop.oif.get() == link)));
            if closest.max().is_some_and(|(_, by_link)| !by_link) {
                table.insert(destination, vec![followed(destination, &defaults)]);
            }
        }
        table.insert(Prefix::everything(Family::V4), defaults);
        Some(table)
    }
}

fn planned(plan: &Plan, link: Ifindex) -> Option<BTreeMap<Prefix, Vec<Spec>>> {
    let table = plan.tables.get(&TableKey { ifindex: link, family: Family::V4 })?;
    let mut all: BTreeMap<Prefix, Vec<Spec>> =
        table.copies.iter().map(|(prefix, copied)| (*prefix, copied.routes.clone())).collect();
    all.extend(table.follows.iter().map(|prefix| (*prefix, vec![followed(*prefix, &table.defaults)])));
    all.insert(Prefix::everything(Family::V4), table.defaults.clone());
    Some(all)
}

fn links() -> impl Strategy<Value = Vec<Link>> {
    prop::collection::vec((any::<bool>(), 0u8..8), 5).prop_map(|links| {
        let link = |(n, (p2p, up)): (u32, (bool, u8))| {
            let flags = if up == 0 { 0 } else { link_flag::UP };
            fixtures::link(n, &format!("eth{n}"), flags | if p2p { link_flag::POINTOPOINT } else { 0 })
        };
        (2..).zip(links).map(link).collect()
    })
}

const PREFIXES: [&str; 12] = [
    "0.0.0.0/0",
    "0.0.0.0/0",
    "0.0.0.0/0",
    "0.0.0.0/1",
    "64.0.0.0/2",
    "10.0.0.0/8",
    "10.0.2.0/24",
    "10.0.3.0/24",
    "10.0.3.128/25",
    "224.0.0.0/4",
    "172.16.0.0/12",
    "172.17.0.0/16",
];

fn routes() -> impl Strategy<Value = Vec<FullRoute>> {
    let one = (
        prop::sample::select(&PREFIXES[..]),
        2u32..7,
        prop::option::of(2u32..7),
        prop::option::of((2u8..4, 1u8..4)),
        prop::sample::select(&[254u32, 254, 254, 254, 60, 61][..]),
        prop::sample::select(&[1u8, 1, 1, 1, 1, 6, 7][..]),
        prop::sample::select(&[0u32, 0, 100, u32::MAX][..]),
    );
    type Parts = (&'static str, u32, Option<u32>, Option<(u8, u8)>, u32, u8, u32);
    let make = |(prefix, oif, second, gateway, table, kind, metric): Parts| {
        let text = gateway.map(|(net, host)| format!("10.0.{net}.{host}")).unwrap_or_default();
        let base = Route { table: TableId(table), metric, route_type: kind, ..route(prefix, oif, &text) };
        let mut full = full(&base);
        if let Some(second) = second.filter(|_| kind == UNICAST) {
            full.spec.hops.push(SpecHop::new(index(second), None));
        }
        full
    };
    prop::collection::vec(one.prop_map(make), 0..14)
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let one = (60u32..62, prop::option::of(2u8..4), prop::option::of(0u32..2), any::<bool>());
    let make = |(table, source, mark, iif): (u32, Option<u8>, Option<u32>, bool)| {
        let source = source.and_then(|net| format!("10.0.{net}.0/24").parse().ok());
        SeenRule {
            priority: 100,
            table: Some(table),
            source,
            mark: mark.map(|value| (value, u32::MAX)),
            iif: iif.then(|| "eth9".to_owned()),
            ..SeenRule::any(Family::V4, "lookup")
        }
        .into()
    };
    prop::collection::vec(one.prop_map(make), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]
    #[test]
    fn the_planner_says_what_the_definition_says(
        links in links(),
        routes in routes(),
        rules in rules(),
        addresses in prop::collection::vec((2u32..7, 2u8..4), 0..6),
        strict: bool,
    ) {
        // Each address once: those of several links have no rules.
        let addresses: Vec<_> = (10..).zip(addresses).map(|(host, (link, net)): (u32, _)| {
            (index(link), super::address(&format!("10.0.{net}.{host}/24")))
        }).collect();
        let fallback = if strict { Fallback::Unreachable } else { Fallback::Main };
        let policy = Policy { fallback, ..policy(&["eth[23]"]) };
        let state = state(Dump { links, addresses: addresses.clone(), routes: Vec::new() });
        let snapshot = snapshot_of(&state, &routes, [rules, usual_rules()].concat(), &policy);
        let plan = plan_of(&snapshot, &policy);
        let host = Host { snapshot: &snapshot, policy: &policy };
        for link in [2, 3] {
            let wanted = host.wanted(link).filter(|_| !host.addresses(link).is_empty());
            let planned = planned(&plan, index(link));
            prop_assert_eq!(planned.is_some(), wanted.is_some(), "link {}", link);
            let (planned, wanted) = (planned.unwrap_or_default(), wanted.unwrap_or_default());
            let prefixes: BTreeSet<&Prefix> = planned.keys().chain(wanted.keys()).collect();
            for prefix in prefixes {
                let [planned, wanted] = [&planned, &wanted].map(|all| all.get(prefix).cloned().unwrap_or_default());
                let distinct: Vec<Spec> = wanted.iter().fold(Vec::new(), |mut seen, spec| {
                    if !seen.contains(spec) { seen.push(spec.clone()); }
                    seen
                });
                prop_assert!(
                    are_equal(&planned, &distinct),
                    "link {}, {}: planned {:?}, wanted {:?}", link, prefix, planned, distinct
                );
            }
        }
    }
}
