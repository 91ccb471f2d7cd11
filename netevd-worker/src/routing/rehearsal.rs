//! A pass that changes nothing: what the reconciler would ask of the helper, told once.

use super::pass::{describe, new_rules};
use crate::kernel::{DumpError, Dumper};
use crate::routing::{Actual, PassReport, Plan, changes};
use protocol::Policy;
use std::collections::BTreeSet;
use std::sync::Arc;

/// In place of the reconciler, in a dry run.
pub struct Rehearsal {
    dumper: Dumper,
    told: BTreeSet<String>,
}

impl Rehearsal {
    /// With a socket for dumps.
    pub fn new(dumper: Dumper) -> Self {
        Self { dumper, told: BTreeSet::new() }
    }

    /// Compares the plan with the kernel, and logs what would be done and was not told yet.
    ///
    /// # Errors
    /// No dump this time.
    pub async fn pass(&mut self, plan: Arc<Plan>, policy: &Policy) -> Result<PassReport, DumpError> {
        let actual = Actual::new(&self.dumper.managed().await?, policy);
        let name_of = |key| plan.tables.get(key).map_or("(gone)", |table| table.name.as_str());
        let mut would: BTreeSet<String> = changes(&plan, &actual)
            .iter()
            .flat_map(|step| {
                let rules = new_rules(step.key, &step.request, &actual);
                let rules: Vec<String> =
                    rules.map(|(way, address)| format!("rule {way} {address}")).collect();
                let what = if rules.is_empty() { vec![describe(&step.request)] } else { rules };
                what.into_iter().map(|what| format!("{} {}: {what}", name_of(&step.key), step.key.family))
            })
            .collect();
        if actual.strays > 0 {
            would.insert(format!("deletion of {} objects that an earlier policy left", actual.strays));
        }
        for text in would.difference(&self.told) {
            tracing::info!("dry run: routing: would do: {text}");
        }
        self.told = would;
        Ok(PassReport { plan, ..PassReport::default() })
    }
}
