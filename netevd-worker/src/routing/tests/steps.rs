//! From what stands to the plan, against a model of the helper.

use super::super::copies::followed;
use super::super::rules::{OwnRule, Subject};
use super::super::{Actual, Copied, Plan, PlannedTable, Step, TableKey, changes, everything};
use super::{address, eth1, index, planned, policy, prefix, two_uplinks};
use crate::kernel::{Spec, SpecHop};
use crate::model::UNICAST;
use proptest::prelude::*;
use protocol::{Family, Links, NextHop, Policy, Prefix, Priority, Request, Rules, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

fn diff(plan: &Plan, actual: &Actual) -> Vec<Step> {
    changes(plan, actual, &Policy::default())
}

/// What the helper does, in the shape of the comparison.
fn run(plan: &Plan, mut actual: Actual, steps: &[Step]) -> Actual {
    for step in steps {
        let planned = plan.tables.get(&step.key).cloned().unwrap_or_default();
        let table = actual.tables.entry(step.key).or_default();
        let mut put = |prefix: Prefix, routes: Vec<Spec>| match routes.is_empty() {
            true => drop(table.remove(&prefix)),
            false => drop(table.insert(prefix, routes)),
        };
        match &step.request {
            Request::SetDefault { family, .. } => put(Prefix::everything(*family), planned.defaults.clone()),
            Request::Copy { prefixes, .. } => {
                prefixes.iter().for_each(|prefix| put(prefix, planned.copies[&prefix].routes.clone()));
            }
            Request::Follow { prefixes, .. } => {
                prefixes.iter().for_each(|prefix| put(prefix, vec![followed(prefix, &planned.defaults)]));
            }
            Request::DelRoutes { prefixes, .. } => prefixes.iter().for_each(|prefix| put(prefix, vec![])),
            Request::AddRules { rules: Rules::Addresses(addresses), .. } => {
                for subject in addresses.iter().map(Subject::Address) {
                    let standing = actual.rules.entry(subject).or_default();
                    standing.rules.clone_from(&planned.rules[&subject]);
                    standing.owners = [step.key.ifindex].into();
                }
            }
            Request::DelRules { rules: Rules::Addresses(addresses), .. } => {
                for subject in addresses.iter().map(Subject::Address) {
                    let Some(standing) = actual.rules.get_mut(&subject) else { continue };
                    standing.rules.retain(|rule| rule.table.0 != 200 + step.key.ifindex.get());
                    standing.owners.remove(&step.key.ifindex);
                    if standing.rules.is_empty() {
                        actual.rules.remove(&subject);
                    }
                }
            }
            other => panic!("no such step: {other:?}"),
        }
    }
    actual.tables.retain(|_, table| !table.is_empty());
    actual
}

#[test]
fn up_ends_with_the_rules_and_down_begins_with_them() {
    let mut dump = two_uplinks();
    dump.routes.push(crate::fixtures::route("203.0.113.0/24", 3, "192.0.2.7"));
    let plan = planned(dump, &policy(&["eth1"]));
    let kinds = |steps: &[Step]| steps.iter().map(|s| s.request.name()).collect::<Vec<_>>();
    let up = diff(&plan, &Actual::default());
    assert_eq!(kinds(&up), ["Copy", "Copy", "Copy", "SetDefault", "AddRules"]);
    let last = Request::Copy {
        ifindex: index(3),
        except: Links::default(),
        prefixes: prefix("203.0.113.0/24").into(),
    };
    assert_eq!(up[2].request, last, "its gateway is reached by another");
    let there = run(&plan, Actual::default(), &up);
    let down = diff(&Plan::default(), &there);
    assert_eq!(kinds(&down), ["DelRules", "DelRoutes"]);
}

#[test]
fn what_a_conflict_finds_whole_stays_and_what_it_finds_half_goes() {
    let mut plan = planned(two_uplinks(), &policy(&["eth1"]));
    let whole = run(&plan, Actual::default(), &diff(&plan, &Actual::default()));
    plan.conflicts.insert(eth1(), "a conflict".to_owned());
    assert_eq!(diff(&plan, &Actual::default()), []);
    assert_eq!(everything(&plan), []);
    assert_eq!(diff(&plan, &whole), []);
    let mut half = whole.clone();
    half.rules.clear();
    assert!(matches!(diff(&plan, &half)[..], [Step { request: Request::DelRoutes { .. }, .. }]));
    let mut stale = whole;
    let other = Subject::Address(ip(99));
    stale.rules.insert(other, stale.rules.values().next().cloned().expect("one"));
    assert!(matches!(diff(&plan, &stale)[..], [Step { request: Request::DelRules { .. }, .. }]));
}

fn ip(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn rule(address: IpAddr, table: u32) -> OwnRule {
    OwnRule {
        priority: Priority(32_002),
        source: Some(Prefix::host(address)),
        destination: None,
        mark: None,
        table: TableId(table),
        suppress_length: None,
    }
}

fn specs(prefix: Prefix) -> impl Strategy<Value = Vec<Spec>> {
    let hop = (5u32..7, prop::option::of((1u8..3).prop_map(ip)));
    let spec = (hop, 0u32..3).prop_map(move |((oif, gateway), metric)| Spec {
        hops: vec![SpecHop::new(index(oif), gateway)],
        ..Spec::plain(prefix, UNICAST, metric)
    });
    prop::collection::vec(spec, 1..3)
}

fn routes() -> impl Strategy<Value = BTreeMap<Prefix, Vec<Spec>>> {
    let one = (0u8..6).prop_flat_map(|n| {
        let prefix = prefix(&format!("10.{n}.0.0/16"));
        specs(prefix).prop_map(move |specs| (prefix, specs))
    });
    prop::collection::vec(one, 0..4).prop_map(|routes| routes.into_iter().collect())
}

fn key() -> impl Strategy<Value = TableKey> {
    (2u32..5).prop_map(|n| TableKey { ifindex: index(n), family: Family::V4 })
}

fn plans() -> impl Strategy<Value = Plan> {
    let table = (routes(), specs(prefix("0.0.0.0/0")), prop::collection::btree_set(20u8..24, 0..3), 0u8..4);
    prop::collection::btree_map(key(), table, 0..3).prop_map(|tables| {
        let tables = tables.into_iter().map(|(key, (copies, defaults, follows, rules))| {
            // Of each link another: an address has one table.
            let first = u8::try_from(key.ifindex.get()).expect("small") * 10;
            let addresses: BTreeSet<IpAddr> = (first..first + rules + 1).map(ip).collect();
            let number = 200 + key.ifindex.get();
            let copied = |routes| Copied { except: Links::default(), routes };
            let table = PlannedTable {
                name: "eth1".to_owned(),
                next_hop: NextHop::Table(TableId::MAIN),
                defaults,
                copies: copies.into_iter().map(|(prefix, routes)| (prefix, copied(routes))).collect(),
                follows: follows.into_iter().map(|n| prefix(&format!("10.{n}.0.0/16"))).collect(),
                rules: addresses.iter().map(|a| (Subject::Address(*a), [rule(*a, number)].into())).collect(),
                addresses,
                ..PlannedTable::default()
            };
            (key, table)
        });
        Plan { tables: tables.collect(), ..Plan::default() }
    })
}

fn actuals() -> impl Strategy<Value = Actual> {
    let table = (routes(), prop::option::of(specs(prefix("0.0.0.0/0"))));
    let tables = prop::collection::btree_map(key(), table, 0..3);
    let rules = prop::collection::btree_map(20u8..44, 2u32..5, 0..6);
    (tables, rules).prop_map(|(tables, rules)| {
        let tables = tables.into_iter().map(|(key, (mut routes, defaults))| {
            routes.extend(defaults.map(|specs| (prefix("0.0.0.0/0"), specs)));
            (key, routes)
        });
        let rules = rules.into_iter().map(|(n, owner)| {
            let mut standing = super::super::actual::StandingRules::default();
            standing.rules.insert(rule(ip(n), 200 + owner));
            standing.owners = [index(owner)].into();
            (Subject::Address(ip(n)), standing)
        });
        let tables = tables.filter(|(_, table): &(_, BTreeMap<_, _>)| !table.is_empty()).collect();
        Actual { tables, rules: rules.collect(), leftover: 0 }
    })
}

proptest! {
    #[test]
    fn one_run_of_steps_reaches_the_plan(plan in plans(), actual in actuals()) {
        let reached = run(&plan, actual.clone(), &diff(&plan, &actual));
        prop_assert_eq!(diff(&plan, &reached), vec![]);
        prop_assert_eq!(reached.tables.keys().collect::<Vec<_>>(), plan.tables.keys().collect::<Vec<_>>());
        let subjects: BTreeSet<&Subject> = plan.tables.values().flat_map(|table| table.rules.keys()).collect();
        prop_assert_eq!(reached.rules.keys().collect::<BTreeSet<_>>(), subjects);
    }

    /// At no point does a rule lead to a table that lacks a route: a look-up in between would leave by
    /// another interface.
    #[test]
    fn no_rule_stands_before_its_table_is_whole(plan in plans()) {
        let steps = everything(&plan);
        for n in 0..=steps.len() {
            let between = run(&plan, Actual::default(), &steps[..n]);
            for (key, planned) in &plan.tables {
                let count = planned.copies.len() + planned.follows.len() + 1;
                let is_whole = between.tables.get(key).is_some_and(|table| table.len() == count);
                prop_assert!(is_whole || !between.is_looked_up(*key), "after {} steps", n);
            }
        }
    }
}

/// Those that lack rules share a request, whatever of them is missing.
#[test]
fn rules_are_asked_for_together() {
    let mut dump = two_uplinks();
    dump.addresses.extend((20..120).map(|n| (index(3), address(&format!("192.0.2.{n}/24")))));
    let plan = planned(dump, &policy(&["eth1"]));
    let mut there = run(&plan, Actual::default(), &diff(&plan, &Actual::default()));
    assert_eq!(diff(&plan, &there), []);
    assert_eq!(there.rules.values().map(|standing| standing.rules.len()).sum::<usize>(), 202);
    there.rules.get_mut(&Subject::Address(ip(20))).expect("it is there").rules.pop_first();
    there.rules.get_mut(&Subject::Address(ip(21))).expect("it is there").are_doubled = true;
    there.rules.remove(&Subject::Address(ip(30)));
    let requests: Vec<Request> = diff(&plan, &there).into_iter().map(|step| step.request).collect();
    let addresses = protocol::Addresses::lists([ip(20), ip(21), ip(30)]).remove(0);
    let rules = Rules::Addresses(addresses);
    assert_eq!(requests, [Request::AddRules { ifindex: index(3), rules, through: protocol::Through::Table }]);
}
