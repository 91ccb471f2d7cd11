//! Values that are read when they are asked for.

use super::families::Families;
use std::borrow::Cow;
use std::time::Duration;

/// What the loop and the kernel say at a scrape.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Since the worker began.
    pub uptime: Duration,
    /// Interfaces of the host.
    pub interfaces: u64,
    /// Events that wait for their scripts: [`crate::dispatch::Dispatcher::pending`].
    pub script_queue_length: u64,
    /// Rules of protocol 110 in the kernel, both families.
    pub routing_rules: u64,
    /// Routes of protocol 110 in the kernel by table, both families.
    pub routes: Vec<(String, u64)>,
    /// The checks of `/health`, and whether each is good.
    pub checks: Vec<(&'static str, bool)>,
    /// The problems of the status, by what they are about; with 0 where there is none.
    pub problems: Vec<(&'static str, u64)>,
}

impl Gauges {
    pub(super) fn set(&self, families: &Families) {
        families.uptime.set(self.uptime.as_secs_f64());
        families.interfaces.0.set(self.interfaces);
        families.script_queue.set(self.script_queue_length);
        families.rules.0.set(self.routing_rules);
        // A table without routes is no longer told.
        families.routes.clear();
        for (table, count) in &self.routes {
            families.routes.get_or_create(&[("table", Cow::Owned(table.clone()))]).0.set(*count);
        }
        for (kind, count) in &self.problems {
            families.problems.get_or_create(&[("kind", Cow::Borrowed(*kind))]).set(*count);
        }
        families.checks.clear();
        for (check, good) in &self.checks {
            families.checks.get_or_create(&[("check", Cow::Borrowed(*check))]).set(i64::from(*good));
        }
    }
}
