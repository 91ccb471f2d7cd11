//! One pass: read, plan, compare, ask the helper. Knows the last pass only as far as is needed to tell
//! another program's deletions from our own, and for how long a gateway has been gone.

use super::done;
use super::interference::interference;
use super::pass::{Context, Failure, Outcome, carry_out, describe};
use super::reading::{Change, Reader};
use super::rules::{OwnRule, Subject};
use super::snapshot::Snapshot;
use crate::config::Planning;
use crate::kernel::{DumpError, Dumper};
use crate::routing::{
    Actual, Done, Helper, HelperError, Plan, Recent, TableKey, changes, desired, everything,
};
use crate::state::LinkState;
use protocol::{Policy, Reply, Request};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Instant;

/// One pass.
#[derive(Debug)]
pub struct Order {
    /// Every link.
    pub links: Arc<Vec<LinkState>>,
    /// What the planner needs beside the policy.
    pub planning: Planning,
    /// See [`Reconciler::pass`].
    pub replan: bool,
    /// More changed than what routing daemons change all the time: read at once what takes long.
    pub urgent: bool,
    /// The report lists what was done.
    pub lists: bool,
}

/// The reconciler: owns the helper's channel and the reader of what stands.
pub struct Reconciler {
    helper: Helper,
    reader: Reader,
    policy: Policy,
    recent: Recent,
    synchronised: bool,
    /// Tables that could not be made whole; see [`Reconciler::pass`].
    refused: BTreeSet<TableKey>,
    /// Rules and fallbacks that stood at the end of the last pass. Only these: rules never go by
    /// themselves, while the kernel itself drops routes when a link goes down.
    left: Left,
}

#[derive(Debug, Default)]
struct Left {
    rules: BTreeMap<TableKey, BTreeMap<Subject, BTreeSet<OwnRule>>>,
    fallbacks: BTreeSet<TableKey>,
}

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
    /// What was planned, without what there may be thousands of.
    pub plan: Arc<Plan>,
    /// When to look again, though nothing happens until then.
    pub again: Option<Instant>,
    /// Rules and routes that it was planned from.
    pub read: usize,
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

/// Plans from a snapshot; also when to plan again because a gateway is waited for.
pub(super) fn plan(
    snapshot: &Snapshot,
    policy: &Policy,
    planning: &Planning,
    recent: &mut Recent,
) -> (Plan, Option<Instant>) {
    let now = Instant::now();
    let mut plan = desired(snapshot, policy, planning, &recent.history(now));
    let again = recent.consider(&mut plan, &snapshot.links, policy, now);
    (plan, again)
}

impl Reconciler {
    /// With a greeted helper and the policy that it was started with.
    pub fn new(helper: Helper, dumper: Dumper, policy: Policy) -> Self {
        Self {
            helper,
            reader: Reader::new(dumper),
            policy,
            recent: Recent::default(),
            synchronised: false,
            refused: BTreeSet::new(),
            left: Left::default(),
        }
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
    pub async fn pass(&mut self, order: &Order) -> Result<PassReport, PassError> {
        let Order { links, planning, replan, lists, .. } = order;
        if *replan {
            self.refused.clear();
        }
        let change = Change::of(order);
        let read = self.reader.read(Arc::clone(links), &self.policy, planning, change).await;
        let (snapshot, again) = read.map_err(PassError::Dump)?;
        let (plan, grace_end) = plan(&snapshot, &self.policy, planning, &mut self.recent);
        let actual = Actual::new(&snapshot, &self.policy);
        let wiped = self.wiped(&actual, &plan);
        let mut wanted = plan.clone();
        set_aside(&mut wanted, &self.refused, &actual);
        let mut outcome = self.reach(&wanted, &actual, *lists).await.map_err(PassError::Helper)?;
        if !outcome.broken.is_empty() {
            // Nothing stays half-installed: what was whole before is left as it was, the rest goes.
            self.refused.extend(&outcome.broken);
            set_aside(&mut wanted, &outcome.broken, &actual);
            let links = Arc::clone(links);
            let read = self.reader.read(links, &self.policy, planning, Change::None).await;
            let (after, _) = read.map_err(PassError::Dump)?;
            let after = Actual::new(&after, &self.policy);
            let context = Context { plan: &wanted, before: &after, policy: &self.policy, lists: *lists };
            let second = carry_out(&mut self.helper, changes(&wanted, &after, &self.policy), context);
            outcome.absorb(second.await.map_err(PassError::Helper)?);
            for key in &outcome.broken {
                outcome.changed.remove(key);
            }
        }
        self.remember(&wanted);
        let mut refused: Vec<Refused> = plan
            .conflicts
            .iter()
            .map(|(key, text)| Refused { keys: vec![*key], text: text.clone() })
            .collect();
        refused.extend(explain(&plan, &outcome));
        refused.extend(interference(&snapshot.rules, &plan, &self.policy));
        let done = done::list(&outcome.steps, &plan, &actual, &self.policy);
        let again = again.into_iter().chain(grace_end).min();
        let plan = Arc::new(plan.without_copies());
        let read = snapshot.rules.len() + snapshot.foreign.main.len() + snapshot.ours.len();
        Ok(PassReport { changed: outcome.changed, refused, wiped, done, plan, again, read })
    }

    /// The first time everything is named, so that what an earlier policy left goes as well. Not while a table is
    /// to stay as it is: what is not named would go.
    async fn reach(&mut self, wanted: &Plan, actual: &Actual, lists: bool) -> Result<Outcome, HelperError> {
        let is_due = !self.synchronised || actual.leftover > 0;
        let context = Context { plan: wanted, before: actual, policy: &self.policy, lists };
        if !is_due || !wanted.conflicts.is_empty() || !wanted.in_grace.is_empty() {
            return carry_out(&mut self.helper, changes(wanted, actual, &self.policy), context).await;
        }
        self.helper.call(&Request::SyncBegin).await?;
        let mut outcome = carry_out(&mut self.helper, everything(wanted), context).await?;
        let ended = self.helper.call(&Request::SyncEnd).await?;
        self.synchronised = ended == Reply::Ok;
        if lists && self.synchronised {
            // The helper has deleted what was not named; a stray has no request that could name it.
            let is_deletion =
                |request: &Request| matches!(request, Request::DelRules { .. } | Request::DelRoutes { .. });
            let stale =
                changes(wanted, actual, &self.policy).into_iter().filter(|step| is_deletion(&step.request));
            outcome.steps.extend(stale.map(|step| (step.key, step.request, Reply::Ok)));
        }
        Ok(outcome)
    }

    /// What stood at the end of the last pass, is to stand and does not. What is not to stand any more, as the rules
    /// of an address that went, the helper may have withdrawn by itself.
    fn wiped(&self, actual: &Actual, plan: &Plan) -> usize {
        let stays = |key: &TableKey| plan.in_grace.contains(key) || plan.conflicts.contains_key(key);
        let rules = self.left.rules.iter().flat_map(|(key, subjects)| {
            let wanted = plan.tables.get(key).map(|table| &table.rules);
            subjects.iter().map(move |(subject, rules)| {
                let wanted = wanted.and_then(|wanted| wanted.get(subject));
                let standing = actual.rules.get(subject);
                let is_meant = |rule: &&OwnRule| stays(key) || wanted.is_some_and(|w| w.contains(*rule));
                let is_gone = |rule: &&OwnRule| standing.is_none_or(|s| !s.rules.contains(*rule));
                rules.iter().filter(is_meant).filter(is_gone).count()
            })
        });
        let is_meant =
            |key: &&TableKey| stays(key) || plan.tables.get(*key).is_some_and(|table| table.fallback);
        let fallbacks = self.left.fallbacks.iter().filter(is_meant).filter(|key| !actual.has_fallback(**key));
        rules.sum::<usize>() + fallbacks.count()
    }

    fn remember(&mut self, plan: &Plan) {
        // What is left alone keeps what it had.
        let stays = |key: &TableKey| plan.in_grace.contains(key) || plan.conflicts.contains_key(key);
        self.left.rules.retain(|key, _| stays(key));
        self.left.fallbacks.retain(stays);
        for (key, table) in plan.tables.iter().filter(|(key, _)| !stays(key)) {
            self.left.rules.insert(*key, table.rules.clone());
            if table.fallback {
                self.left.fallbacks.insert(*key);
            }
        }
    }
}

fn explain(plan: &Plan, outcome: &Outcome) -> Vec<Refused> {
    let failed = outcome.failed.iter().map(|((key, failure), request)| {
        let name = plan.tables.get(key).map_or("(gone)", |table| table.name.as_str());
        let reason = match failure {
            Failure::Refused(refusal) => refusal.to_string(),
            Failure::Kernel(errno) => std::io::Error::from_raw_os_error(*errno).to_string(),
        };
        let text = format!("{name} {}: {} not done: {reason}", key.family, describe(request));
        Refused { keys: vec![*key], text }
    });
    failed.collect()
}

/// Takes tables out of a plan: what stands whole is held, what does not is to go.
fn set_aside(plan: &mut Plan, keys: &BTreeSet<TableKey>, actual: &Actual) {
    for key in keys {
        plan.tables.remove(key);
        if actual.is_looked_up(*key) {
            plan.in_grace.insert(*key);
        }
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
