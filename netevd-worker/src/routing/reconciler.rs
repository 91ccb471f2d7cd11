//! One pass: dump, compare, ask the helper. Knows the last pass only as far as is needed to tell
//! another program's deletions from our own.

use super::pass::{Failure, Outcome, carry_out, describe};
use crate::kernel::{DumpError, Dumper, ManagedDump};
use crate::routing::{Actual, Helper, HelperError, Plan, TableKey, changes, everything};
use protocol::{Policy, Refusal, Reply, Request, Selector, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// How many foreign objects a message names before it says how many more there are.
const NAMED: usize = 3;

/// The reconciler: owns the helper's channel and a socket for dumps.
pub struct Reconciler {
    helper: Helper,
    dumper: Dumper,
    policy: Policy,
    synchronised: bool,
    /// Rules and fallbacks that stood at the end of the last pass. Only these: rules never go by
    /// themselves, while the kernel itself drops routes when a link goes down.
    left: Left,
}

type Left = BTreeMap<TableKey, (BTreeSet<(Selector, IpAddr)>, bool)>;

/// What a pass did.
#[derive(Clone, Debug, Default)]
pub struct PassReport {
    /// Objects changed, by table.
    pub changed: BTreeMap<TableKey, usize>,
    /// What could not be done, in words for the administrator.
    pub refused: Vec<Refused>,
    /// Rules of ours and fallbacks that someone else deleted since the last pass.
    pub wiped: usize,
    /// The interfaces' names at the time of the plan, for the log.
    pub plan: Arc<Plan>,
}

/// One refusal, with what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose table.
    pub key: TableKey,
    /// The whole message.
    pub text: String,
}

/// Why a pass ended early.
#[derive(Debug)]
pub enum PassError {
    /// The helper is gone or beside itself: final.
    Helper(HelperError),
    /// No dump this time; the next pass tries again.
    Dump(DumpError),
}

impl Reconciler {
    /// With a greeted helper and the policy that it was started with.
    pub fn new(helper: Helper, dumper: Dumper, policy: Policy) -> Self {
        Self { helper, dumper, policy, synchronised: false, left: Left::new() }
    }

    /// Brings the kernel to the plan.
    pub async fn pass(&mut self, plan: Arc<Plan>) -> Result<PassReport, PassError> {
        let dump = self.dumper.managed().await.map_err(PassError::Dump)?;
        let actual = Actual::new(&dump, &self.policy);
        let wiped = self.wiped(&actual);
        let mut outcome = if !self.synchronised || actual.strays > 0 {
            self.synchronise(&plan, &actual).await.map_err(PassError::Helper)?
        } else {
            let steps = changes(&plan, &actual);
            let (mut outcome, back) =
                carry_out(&mut self.helper, &steps, &actual.tables).await.map_err(PassError::Helper)?;
            self.take_back(&back, &mut outcome).await.map_err(PassError::Helper)?;
            outcome
        };
        self.remember(&plan, &outcome);
        let refused = self.explain(&plan, &dump, &mut outcome).await;
        Ok(PassReport { changed: outcome.changed, refused, wiped, plan })
    }

    /// Names the whole plan; what is ours and not named is deleted by the helper, whatever table
    /// or priority an earlier configuration gave it.
    async fn synchronise(&mut self, plan: &Plan, actual: &Actual) -> Result<Outcome, HelperError> {
        self.helper.call(&Request::SyncBegin).await?;
        let (mut outcome, back) = carry_out(&mut self.helper, &everything(plan), &actual.tables).await?;
        let ended = self.helper.call(&Request::SyncEnd).await?;
        self.synchronised = ended == Reply::Ok;
        self.take_back(&back, &mut outcome).await?;
        Ok(outcome)
    }

    async fn take_back(&mut self, back: &[super::Step], outcome: &mut Outcome) -> Result<(), HelperError> {
        for step in back {
            self.helper.call(&step.request).await?;
            if let Some(count) = outcome.changed.get_mut(&step.key) {
                *count = count.saturating_sub(1);
            }
        }
        outcome.changed.retain(|_, count| *count > 0);
        Ok(())
    }

    fn wiped(&self, actual: &Actual) -> usize {
        let missing = self.left.iter().map(|(key, (rules, fallback))| {
            let there = actual.tables.get(key);
            let lost_rules =
                rules.iter().filter(|rule| there.is_none_or(|table| !table.rules.contains(rule))).count();
            let lost_fallback = *fallback && there.is_none_or(|table| !table.fallback);
            lost_rules + usize::from(lost_fallback)
        });
        missing.sum()
    }

    fn remember(&mut self, plan: &Plan, outcome: &Outcome) {
        // A held table keeps what it had.
        let mut left = std::mem::take(&mut self.left);
        left.retain(|key, _| plan.held.contains(key));
        let failed: BTreeSet<TableKey> = outcome.failed.keys().map(|(key, _)| *key).collect();
        let whole = plan.tables.iter().filter(|(key, _)| !failed.contains(key));
        let both = |address: &IpAddr| [(Selector::From, *address), (Selector::To, *address)];
        left.extend(
            whole.map(|(key, table)| {
                (*key, (table.addresses.iter().flat_map(both).collect(), table.fallback))
            }),
        );
        self.left = left;
    }

    async fn explain(&mut self, plan: &Plan, dump: &ManagedDump, outcome: &mut Outcome) -> Vec<Refused> {
        let mut explained = Vec::new();
        for ((key, failure), request) in std::mem::take(&mut outcome.failed) {
            let name = plan.tables.get(&key).map_or("(gone)", |table| table.name.as_str());
            let table = TableId::for_interface(self.policy.table_base, key.ifindex);
            let reason = match failure {
                Failure::Refused(Refusal::TableConflict) => {
                    format!("Conflict: {}", self.foreign_routes(table).await)
                }
                Failure::Refused(Refusal::RuleConflict) => {
                    format!("Conflict: {}", foreign_rules(dump, table, key, &self.policy))
                }
                Failure::Refused(refusal) => refusal.to_string(),
                Failure::Kernel(errno) => std::io::Error::from_raw_os_error(errno).to_string(),
            };
            let text = format!("{name} {}: {} not done: {reason}", key.family, describe(&request));
            explained.push(Refused { key, text });
        }
        explained
    }

    async fn foreign_routes(&mut self, table: TableId) -> String {
        let routes = self.dumper.table(table).await.unwrap_or_default();
        let foreign: Vec<String> = routes
            .iter()
            .filter(|route| !route.is_ours())
            .map(|route| format!("{} proto {}", route.destination, route.protocol))
            .collect();
        format!(
            "table {table} holds what netevd did not put there ({}); nothing is replaced. Move it to \
             another table, or set routing.table_base",
            listed(&foreign)
        )
    }
}

fn foreign_rules(dump: &ManagedDump, table: TableId, key: TableKey, policy: &Policy) -> String {
    let priorities = policy.priorities();
    let in_the_way = |rule: &&crate::kernel::Rule| {
        !rule.is_ours()
            && rule.family == key.family
            && (rule.table == Some(table) || [priorities.from, priorities.to].contains(&rule.priority))
    };
    let foreign: Vec<String> = dump.rules.iter().filter(in_the_way).map(ToString::to_string).collect();
    format!(
        "a rule that is not netevd's looks up table {table} or has its priority ({}); nothing is \
         replaced. Change that rule, or set routing.table_base or routing.rule_priority",
        listed(&foreign)
    )
}

fn listed(items: &[String]) -> String {
    match items.get(NAMED..) {
        Some(more) if !more.is_empty() => format!("{} and {} more", items[..NAMED].join(", "), more.len()),
        _ => items.join(", "),
    }
}

impl fmt::Display for PassError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PassError::Helper(error) => error.fmt(f),
            PassError::Dump(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for PassError {}
