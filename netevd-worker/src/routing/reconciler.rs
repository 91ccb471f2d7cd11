//! One pass: dump, compare, ask the helper. Knows the last pass only as far as is needed to tell
//! another program's deletions from our own.

use super::done;
use super::interference::interference;
use super::pass::{Failure, Outcome, carry_out, describe};
use super::reading::Reader;
use crate::kernel::{DumpError, Dumper, ManagedDump};
use crate::routing::{Actual, Done, Helper, HelperError, Plan, TableKey, changes, everything};
use protocol::{Family, Policy, Refusal, Reply, Request, Selector, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

/// How many foreign objects a message names before it says how many more there are.
const NAMED: usize = 3;

/// The reconciler: owns the helper's channel and the reader of what stands.
pub struct Reconciler {
    helper: Helper,
    reader: Reader,
    policy: Policy,
    synchronised: bool,
    /// Tables that could not be made whole; see [`Reconciler::pass`].
    refused: BTreeSet<TableKey>,
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
    /// Each object that was changed or refused, in order, if that was asked for.
    pub done: Vec<Done>,
    /// The interfaces' names at the time of the plan, for the log.
    pub plan: Arc<Plan>,
}

/// One refusal, with what stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Whose tables.
    pub keys: Vec<TableKey>,
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
        let reader = Reader::new(dumper);
        Self { helper, reader, policy, synchronised: false, refused: BTreeSet::new(), left: Left::new() }
    }

    /// Waits until the helper is lost, while nothing is asked of it. Cancel-safe.
    pub async fn lost(&mut self) -> HelperError {
        self.helper.lost().await
    }

    /// Brings the kernel to the plan. A table that was refused is not tried again until the pass
    /// is `fresh`, that is has another reason than that objects of ours went: taking back a half
    /// would otherwise be the reason for the next attempt, without end.
    ///
    /// `lists`: the report lists what was done.
    pub async fn pass(&mut self, plan: Arc<Plan>, fresh: bool, lists: bool) -> Result<PassReport, PassError> {
        if fresh {
            self.refused.clear();
        }
        let mut wanted = (*plan).clone();
        let dump = self.reader.read(&plan, &self.policy).await.map_err(PassError::Dump)?;
        let actual = Actual::new(&dump, &self.policy);
        let wiped = self.wiped(&actual);
        set_aside(&mut wanted, &self.refused, &actual);
        let mut refused = self.demand_local_first(&mut wanted, &dump);
        let mut outcome = if !self.synchronised || actual.strays > 0 {
            self.synchronise(&wanted, &actual, lists).await
        } else {
            carry_out(&mut self.helper, changes(&wanted, &actual), &actual, lists).await
        }
        .map_err(PassError::Helper)?;
        if !outcome.broken.is_empty() {
            // Nothing stays half-installed: what was whole before is left as it was, the rest goes.
            self.refused.extend(&outcome.broken);
            set_aside(&mut wanted, &outcome.broken, &actual);
            let after = self.reader.read(&plan, &self.policy).await.map_err(PassError::Dump)?;
            let after = Actual::new(&after, &self.policy);
            let steps = changes(&wanted, &after);
            let second =
                carry_out(&mut self.helper, steps, &after, lists).await.map_err(PassError::Helper)?;
            outcome.absorb(second);
            for key in &outcome.broken {
                outcome.changed.remove(key);
            }
        }
        self.remember(&wanted);
        refused.extend(self.explain(&plan, &dump, &mut outcome).await);
        refused.extend(interference(&dump.rules, &plan, &self.policy));
        let done = done::list(&outcome.steps, &plan, &actual, &self.policy);
        Ok(PassReport { changed: outcome.changed, refused, wiped, done, plan })
    }

    /// Table local must be looked up before our rules: behind a `to` rule the host's own address
    /// leaves by an interface, and behind a `from` rule the answers to itself do. What stands goes.
    fn demand_local_first(&self, wanted: &mut Plan, dump: &ManagedDump) -> Vec<Refused> {
        let ours = self.policy.priorities().from;
        let mut refused = Vec::new();
        for family in [Family::V4, Family::V6] {
            let first = dump.rules.iter().any(|rule| {
                let all = rule.source.is_none() && rule.destination.is_none() && !rule.narrower;
                rule.family == family && all && rule.table == Some(TableId::LOCAL) && rule.priority < ours
            });
            if first {
                continue;
            }
            wanted.held.retain(|key| key.family != family);
            let tables = wanted.tables.extract_if(.., |key, _| key.family == family);
            refused.extend(tables.map(|(key, table)| Refused {
                keys: vec![key],
                text: format!(
                    "{} {family}: nothing is installed: no rule for table local precedes priority {ours}, \
                     so rules of ours would hide this host's own addresses. Put it back (ip rule add priority 0 \
                     lookup local), or raise routing.rule_priority",
                    table.name
                ),
            }));
        }
        refused
    }

    /// Names the whole plan; what is ours and not named is deleted by the helper, whatever table
    /// or priority an earlier configuration gave it.
    async fn synchronise(
        &mut self,
        plan: &Plan,
        actual: &Actual,
        lists: bool,
    ) -> Result<Outcome, HelperError> {
        self.helper.call(&Request::SyncBegin).await?;
        let mut outcome = carry_out(&mut self.helper, everything(plan), actual, lists).await?;
        let ended = self.helper.call(&Request::SyncEnd).await?;
        self.synchronised = ended == Reply::Ok;
        if lists && self.synchronised {
            // The helper has deleted what was not named; a stray has no request that could name it.
            let stale = changes(plan, actual)
                .into_iter()
                .filter(|step| matches!(step.request, Request::DelRule { .. } | Request::DelRoute { .. }));
            outcome.steps.extend(stale.map(|step| (step.key, step.request, Reply::Ok)));
        }
        Ok(outcome)
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

    fn remember(&mut self, plan: &Plan) {
        // A held table keeps what it had.
        let mut left = std::mem::take(&mut self.left);
        left.retain(|key, _| plan.held.contains(key));
        let both = |address: &IpAddr| [(Selector::From, *address), (Selector::To, *address)];
        left.extend(
            plan.tables.iter().map(|(key, table)| {
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
            explained.push(Refused { keys: vec![key], text });
        }
        explained
    }

    async fn foreign_routes(&mut self, table: TableId) -> String {
        let routes = self.reader.table(table).await.unwrap_or_default();
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

/// Takes tables out of a plan: what stands whole is held, what does not is to go.
fn set_aside(plan: &mut Plan, keys: &BTreeSet<TableKey>, actual: &Actual) {
    for key in keys {
        plan.tables.remove(key);
        if actual.tables.get(key).is_some_and(|table| !table.rules.is_empty()) {
            plan.held.insert(*key);
        }
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
