//! From what stands to what should: the requests, in an order in which no look-up between two of
//! them is answered by the wrong interface. Pure.
//!
//! Up: copies, those without gateways first, default, followed prefixes, rules. Down: rules, routes. What is new
//! is added before what is old goes.

use super::copies::{are_equal, followed};
use super::rules::Subject;
use crate::routing::{Actual, Plan, PlannedTable, TableKey};
use protocol::{Addresses, Ifindex, Links, Policy, Prefix, Prefixes, Request, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One request and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose table.
    pub key: TableKey,
    /// The request.
    pub request: Request,
    /// Without it the table must not be used: its rules are not added when it fails.
    pub essential: bool,
}

/// The steps that turn `actual` into `plan`; none when they agree.
pub fn changes(plan: &Plan, actual: &Actual, policy: &Policy) -> Vec<Step> {
    let mut steps = Vec::new();
    for (key, planned) in free(plan) {
        up(*key, planned, Some((actual, policy)), &mut steps);
    }
    rules_down(plan, actual, &mut steps);
    for (key, standing) in &actual.tables {
        if plan.in_grace.contains(key) || plan.conflicts.contains_key(key) && is_in_use(plan, actual, *key) {
            continue;
        }
        let planned = plan.tables.get(key).filter(|_| !plan.conflicts.contains_key(key));
        let is_stale = |prefix: &&Prefix| planned.is_none_or(|planned| !planned.has(**prefix));
        for prefixes in Prefixes::lists(standing.keys().filter(is_stale).copied()) {
            let request = Request::DelRoutes { ifindex: key.ifindex, prefixes };
            steps.push(Step { key: *key, request, essential: false });
        }
    }
    steps
}

/// The steps that name the whole plan, for a synchronisation.
pub fn everything(plan: &Plan) -> Vec<Step> {
    let mut steps = Vec::new();
    for (key, planned) in free(plan) {
        up(*key, planned, None, &mut steps);
    }
    steps
}

/// Tables that nobody else uses.
fn free(plan: &Plan) -> impl Iterator<Item = (&TableKey, &PlannedTable)> {
    plan.tables.iter().filter(|(key, _)| !plan.conflicts.contains_key(key))
}

/// A table with a conflict that was whole before stays as it is.
fn is_in_use(plan: &Plan, actual: &Actual, key: TableKey) -> bool {
    plan.tables.contains_key(&key) && actual.is_looked_up(key)
}

impl PlannedTable {
    fn has(&self, prefix: Prefix) -> bool {
        if prefix.is_default() {
            return !self.defaults.is_empty();
        }
        self.copies.contains_key(&prefix) || self.follows.contains(&prefix)
    }
}

/// `actual` is none where everything is to be named.
fn up(key: TableKey, planned: &PlannedTable, actual: Option<(&Actual, &Policy)>, steps: &mut Vec<Step>) {
    let TableKey { ifindex, family } = key;
    let mut step = |request, essential| steps.push(Step { key, request, essential });
    let stands = |prefix: Prefix, wanted: &[crate::kernel::Spec]| {
        actual.is_some_and(|(actual, _)| are_equal(actual.routes(key, prefix), wanted))
    };
    let mut groups: BTreeMap<(bool, &Links), Vec<Prefix>> = BTreeMap::new();
    for (prefix, copied) in planned.copies.iter().filter(|(prefix, copied)| !stands(**prefix, &copied.routes))
    {
        groups.entry((!copied.is_direct(), &copied.except)).or_default().push(*prefix);
    }
    for ((_, except), prefixes) in groups {
        for prefixes in Prefixes::lists(prefixes) {
            step(Request::Copy { ifindex, except: except.clone(), prefixes }, false);
        }
    }
    if !stands(Prefix::everything(family), &planned.defaults) {
        step(Request::SetDefault { ifindex, family, next_hop: planned.next_hop }, true);
    }
    let follows = planned.follows.iter().copied();
    let follows = follows.filter(|prefix| !stands(*prefix, &[followed(*prefix, &planned.defaults)]));
    for prefixes in Prefixes::lists(follows) {
        step(Request::Follow { ifindex, prefixes }, false);
    }
    let through = planned.through;
    let is_missing = |subject: &Subject, rules: &BTreeSet<_>| {
        let standing = actual.and_then(|(actual, policy)| Some((actual.rules.get(subject)?, policy)));
        standing.is_none_or(|(standing, policy)| {
            let others = matches!(subject, Subject::Address(address) if policy.shared.contains(address));
            let is_same =
                if others { standing.of(ifindex, policy) == *rules } else { standing.rules == *rules };
            standing.are_doubled || !is_same
        })
    };
    let missing: Vec<Subject> =
        planned.rules.iter().filter(|(s, rules)| is_missing(s, rules)).map(|(subject, _)| *subject).collect();
    for rules in lists(&missing) {
        step(Request::AddRules { ifindex, rules, through }, true);
    }
}

/// Rules of addresses and marks that are not planned.
fn rules_down(plan: &Plan, actual: &Actual, steps: &mut Vec<Step>) {
    let mut stale: BTreeMap<TableKey, Vec<Subject>> = BTreeMap::new();
    for (subject, standing) in &actual.rules {
        for ifindex in &standing.owners {
            let key = TableKey { ifindex: *ifindex, family: subject.family() };
            let is_planned = plan.tables.get(&key).is_some_and(|table| table.rules.contains_key(subject));
            if !is_planned && !plan.in_grace.contains(&key) {
                stale.entry(key).or_default().push(*subject);
            }
        }
    }
    for (key, subjects) in stale {
        let ifindex: Ifindex = key.ifindex;
        for rules in lists(&subjects) {
            steps.push(Step { key, request: Request::DelRules { ifindex, rules }, essential: false });
        }
    }
}

/// The helper looks at the kernel once for a request: at few of them, however many the addresses.
fn lists(subjects: &[Subject]) -> Vec<Rules> {
    let addresses = subjects.iter().filter_map(|subject| match subject {
        Subject::Address(address) => Some(*address),
        Subject::Mark(..) => None,
    });
    let addresses: Vec<IpAddr> = addresses.collect();
    let marks = subjects.iter().filter(|subject| matches!(subject, Subject::Mark(..)));
    let families: BTreeSet<_> = marks.map(|subject| subject.family()).collect();
    let addresses = Addresses::lists(addresses).into_iter().map(Rules::Addresses);
    addresses.chain(families.into_iter().map(Rules::Mark)).collect()
}
