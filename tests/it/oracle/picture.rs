//! netevd's objects, as they have to be or as they are, to compare.

use super::kernel::{Kernel, World};
use super::policy::Policy;
use super::route::{Key, Route};
use crate::support::{Host, wait_within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// How long until all is as it has to be, on a machine that is busy with everything else.
const PATIENCE: Duration = Duration::from_secs(30);

/// A table's routes. Of IPv4 routes of one key the kernel uses the first, so their order counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Table(Vec<String>);

impl Table {
    pub(super) fn of(routes: Vec<Route>) -> Table {
        let mut lines: Vec<(Key, String)> = routes.iter().map(|route| (route.key(), route.text())).collect();
        let unordered = |(key, text): &(Key, String)| (*key, key.0.address.is_ipv6().then(|| text.clone()));
        lines.sort_by_key(unordered);
        Table(lines.into_iter().map(|(_, text)| text).collect())
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(super) rules: BTreeSet<String>,
    /// By table and whether it is IPv4.
    pub(super) tables: BTreeMap<(u32, bool), Table>,
    /// Those with another program's objects: nothing changes there.
    pub(super) conflicts: BTreeSet<(u32, bool)>,
}

impl Picture {
    pub(crate) fn len(&self) -> usize {
        self.rules.len() + self.tables.values().map(|table| table.0.len()).sum::<usize>()
    }

    /// What is missing here (-) and what is too much (+).
    fn difference(&self, actual: &Picture) -> String {
        let lines = |picture: &Picture| {
            let mut lines: Vec<String> = picture.rules.iter().cloned().collect();
            for ((table, is_v4), Table(routes)) in &picture.tables {
                let family = if *is_v4 { 4 } else { 6 };
                lines.extend(routes.iter().map(|route| format!("table {table} (IPv{family}): {route}")));
            }
            lines
        };
        let (wanted, found) = (lines(self), lines(actual));
        let count = |list: &[String], line: &String| list.iter().filter(|other| *other == line).count();
        let missing =
            wanted.iter().filter(|line| count(&found, line) < count(&wanted, line)).map(|l| format!("- {l}"));
        let surplus =
            found.iter().filter(|line| count(&found, line) > count(&wanted, line)).map(|l| format!("+ {l}"));
        let differing: Vec<String> = missing.chain(surplus).collect();
        if differing.is_empty() {
            return format!("the same objects in another order:\n{wanted:#?}\n{found:#?}");
        }
        differing.join("\n")
    }
}

impl World {
    /// What is there of protocol 110.
    pub(super) fn actual(&self) -> Picture {
        let mut tables: BTreeMap<(u32, bool), Vec<Route>> = BTreeMap::new();
        for route in self.routes.iter().filter(|route| route.protocol == 110 && route.counts()) {
            tables.entry((route.table, route.is_v4())).or_default().push(route.without_dead());
        }
        let rules = self.rules.iter().filter(|rule| rule.is_ours).map(super::rule::Rule::text).collect();
        let tables = tables.into_iter().map(|(key, routes)| (key, Table::of(routes))).collect();
        Picture { rules, tables, conflicts: BTreeSet::new() }
    }
}

impl Kernel {
    /// netevd's objects.
    pub(crate) fn actual(&self) -> Picture {
        self.look().actual()
    }

    /// Rules of others.
    pub(crate) fn foreign_rules(&self) -> Vec<String> {
        self.look().rules.iter().filter(|rule| !rule.is_ours).map(super::rule::Rule::text).collect()
    }

    /// Waits until netevd's objects are exactly those that the definition demands, and returns them.
    pub(crate) fn await_exact(&self, host: &Host, policy: &Policy, what: &str) -> Picture {
        self.await_exact_within(PATIENCE, host, policy, what)
    }

    /// The same with another patience.
    pub(crate) fn await_exact_within(
        &self,
        patience: Duration,
        host: &Host,
        policy: &Policy,
        what: &str,
    ) -> Picture {
        let mut last = Picture::default();
        let explain = || {
            let world = self.look();
            let difference = world.expected(policy).difference(&world.actual());
            let state = host.sh(
                "ip -d addr; ip rule; ip -6 rule; ip -d route show table all; ip -6 -d route show table all",
            );
            format!("{difference}\n{state}\n{}", host.log())
        };
        wait_within(patience, &format!("netevd's objects are the oracle's: {what}"), explain, || {
            let world = self.look();
            let (mut expected, mut actual) = (world.expected(policy), world.actual());
            for conflict in std::mem::take(&mut expected.conflicts) {
                let suffix = format!(" lookup {}", conflict.0);
                actual.tables.remove(&conflict);
                actual.rules.retain(|rule| !rule.ends_with(&suffix));
                expected.rules.retain(|rule| !rule.ends_with(&suffix));
            }
            last = actual;
            last == expected
        });
        last
    }
}
