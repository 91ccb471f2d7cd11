//! A pass that changes nothing: what the reconciler would ask of the helper, told once.

use super::done::objects;
use super::reading::{Change, Reader};
use super::reconciler::{Order, plan};
use crate::kernel::{DumpError, Dumper};
use crate::routing::{Actual, PassReport, Recent, TableKey, changes};
use protocol::Policy;
use std::collections::BTreeSet;
use std::sync::Arc;

/// In place of the reconciler, in a dry run.
pub struct DryRun {
    reader: Reader,
    recent: Recent,
    reported: BTreeSet<String>,
}

impl DryRun {
    /// With a socket for dumps.
    pub fn new(dumper: Dumper) -> Self {
        Self { reader: Reader::new(dumper), recent: Recent::default(), reported: BTreeSet::new() }
    }

    /// Compares the plan with the kernel, and logs what would be done and was not told yet.
    ///
    /// # Errors
    /// No dump this time.
    pub async fn pass(&mut self, order: &Order, policy: &Policy) -> Result<PassReport, DumpError> {
        let links = Arc::clone(&order.links);
        let (snapshot, again) = self.reader.read(links, policy, &order.planning, Change::of(order)).await?;
        let (plan, grace_end) = plan(&snapshot, policy, &order.planning, &mut self.recent);
        let actual = Actual::new(&snapshot, policy);
        let name_of = |key: &TableKey| plan.tables.get(key).map_or("(gone)", |table| table.name.as_str());
        let mut would: BTreeSet<String> = BTreeSet::new();
        for step in changes(&plan, &actual, policy) {
            for object in objects(step.key, &step.request, &plan, &actual, policy) {
                let kind = if object.is_rule { "rule" } else { "route" };
                let (action, text) = (object.action, object.text);
                would.insert(format!("{} {}: {action} {kind} {text}", name_of(&step.key), step.key.family));
            }
        }
        if actual.leftover > 0 {
            would.insert(format!("deletion of {} objects that an earlier policy left", actual.leftover));
        }
        for text in would.difference(&self.reported) {
            tracing::info!("dry run: routing: would do: {text}");
        }
        self.reported = would;
        let again = again.into_iter().chain(grace_end).min();
        Ok(PassReport { plan: Arc::new(plan.without_copies()), again, ..PassReport::default() })
    }
}
