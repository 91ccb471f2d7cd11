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
    /// Those with a gateway that the kernel may refuse, since main has a route by it and no longer one to it.
    pub(super) unreachable: BTreeSet<(u32, bool)>,
}

impl Picture {
    pub(crate) fn len(&self) -> usize {
        self.rules.len() + self.tables.values().map(|table| table.0.len()).sum::<usize>()
    }

    /// Without a table and the rules into it, or in front of those.
    fn leave_out(&mut self, key: (u32, bool)) {
        self.tables.remove(&key);
        let suffix = format!(" lookup {}", key.0);
        let (gone, stay): (BTreeSet<String>, BTreeSet<String>) =
            std::mem::take(&mut self.rules).into_iter().partition(|rule| rule.ends_with(&suffix));
        let who = |rule: &str| rule.split(' ').nth(2).map(str::to_owned);
        let gone: BTreeSet<Option<String>> = gone.iter().map(|rule| who(rule)).collect();
        self.rules = stay.into_iter().filter(|rule| !gone.contains(&who(rule))).collect();
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

/// Whether a problem says that something of a table could not be done.
fn is_named(host: &Host, world: &World, (table, is_v4): (u32, bool)) -> bool {
    let Some(link) = world.links.iter().find(|link| link.table() == table) else { return false };
    let start = format!("routing: {} ipv{}: ", link.names[0], if is_v4 { 4 } else { 6 });
    let status = host.try_api("/api/v1/status").unwrap_or_default();
    let problems = status["problems"].as_array().into_iter().flatten().filter_map(|text| text.as_str());
    problems.into_iter().any(|text| text.starts_with(&start) && text.contains("not done"))
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
        Picture { rules, tables, ..Picture::default() }
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
            let world = self.look().without_ignored(policy);
            let difference = world.expected(policy).difference(&world.actual());
            let state = host.sh(
                "ip -d addr; ip rule; ip -6 rule; ip -d route show table all; ip -6 -d route show table all",
            );
            format!("{difference}\n{state}\n{}", host.log())
        };
        wait_within(patience, &format!("netevd's objects are the oracle's: {what}"), explain, || {
            let world = self.look().without_ignored(policy);
            let (mut expected, mut actual) = (world.expected(policy), world.actual());
            for conflict in std::mem::take(&mut expected.conflicts) {
                actual.leave_out(conflict);
                expected.leave_out(conflict);
            }
            let mut is_told = true;
            for key in std::mem::take(&mut expected.unreachable) {
                let is_whole = actual.tables.get(&key) == expected.tables.get(&key);
                is_told &= is_whole || (world.is_granted(policy) && is_named(host, &world, key));
                actual.leave_out(key);
                expected.leave_out(key);
            }
            last = actual;
            is_told && last == expected
        });
        last
    }
}
