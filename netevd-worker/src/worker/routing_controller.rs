//! The loop's routing side: when a pass is due, what it is handed, and what its report means to
//! the administrator.

use super::fatal::Fatal;
use super::helper_listener::HelperListener;
use super::routing_task::{Loss, RoutingTask, RoutingUpdate};
use crate::audit::{Audit, Entry};
use crate::config::Planning;
use crate::kernel::{Dumper, UnusedRoutes};
use crate::metrics::Handle;
use crate::routing::{Helper, Note, Order, PassReport, Plan, TableKey, WipeVerdict, WipeWatch};
use crate::state::{Changes, State};
use protocol::{Ifindex, Policy, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Before what failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Before the planner's word counts: an address comes before its gateway.
const NOTE_DELAY: Duration = Duration::from_secs(1);

/// What became of a note.
#[derive(Clone, Copy, Debug)]
struct NoteState {
    since: Instant,
    is_reported: bool,
}

/// Where the routing side tells what it did, and what it needs beside the policy.
pub(super) struct RoutingContext {
    pub(super) metrics: Handle,
    pub(super) audit: Audit,
    pub(super) planning: Planning,
}

/// What the loop knows of routing.
pub(super) struct RoutingController {
    task: RoutingTask,
    policy: Policy,
    planning: Planning,
    /// Whether helpers come and go. If not, the one helper has the policy of the start, and its
    /// loss is the end.
    replaceable: bool,
    connected: bool,
    /// Why systemd starts the helper in vain, until one connects.
    failing: Option<String>,
    /// A dry run: there is no helper, and none is wanted.
    dry_run: bool,
    /// What was planned last.
    plan: Arc<Plan>,
    at: Option<Instant>,
    /// The next pass has another reason than that objects of ours went.
    replan: bool,
    /// See [`Order::urgent`].
    urgent: bool,
    wipes: WipeWatch,
    /// What the last pass could not do or found in the way, each with the links that it is about.
    reported: BTreeMap<String, BTreeSet<Ifindex>>,
    /// What the planner has to say, and since when.
    notes: BTreeMap<Note, NoteState>,
    /// How often rules or routes of ours changed, by us or by others.
    changes: u64,
    metrics: Handle,
    audit: Audit,
}

impl RoutingController {
    /// With one helper for good: the first pass is due at once.
    pub(super) fn with_helper(
        helper: Helper,
        dumper: Dumper,
        policy: Policy,
        context: RoutingContext,
    ) -> Self {
        let task = RoutingTask::with_helper(helper, dumper, policy.clone(), context.metrics.clone());
        Self { connected: true, at: Some(Instant::now()), ..Self::new(task, policy, context) }
    }

    /// With helpers that come by a door: the first pass is due when one has come.
    pub(super) fn with_listener(
        helper_listener: HelperListener,
        policy: Policy,
        context: RoutingContext,
    ) -> Self {
        let task = RoutingTask::with_listener(helper_listener, policy.clone(), context.metrics.clone());
        Self { replaceable: true, ..Self::new(task, policy, context) }
    }

    /// Without a helper: what would be asked of one is told.
    pub(super) fn dry_run(dumper: Dumper, policy: Policy, context: RoutingContext) -> Self {
        let task = RoutingTask::dry_run(dumper, policy.clone(), context.metrics.clone());
        let at = Some(Instant::now());
        Self { dry_run: true, replaceable: true, connected: true, at, ..Self::new(task, policy, context) }
    }

    fn new(task: RoutingTask, policy: Policy, context: RoutingContext) -> Self {
        let RoutingContext { metrics, audit, planning } = context;
        Self {
            task,
            policy,
            planning,
            replaceable: false,
            connected: false,
            failing: None,
            dry_run: false,
            plan: Arc::default(),
            at: None,
            replan: true,
            urgent: true,
            wipes: WipeWatch::default(),
            reported: BTreeMap::new(),
            notes: BTreeMap::new(),
            changes: 0,
            metrics,
            audit,
        }
    }

    /// When the next pass is to begin; one at a time.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at.filter(|_| self.connected && !self.task.is_busy())
    }

    /// Takes note of changes.
    pub(super) fn apply_changes(&mut self, changes: &Changes, now: Instant) {
        self.changes += u64::from(changes.ours_gone);
        if changes.routing {
            (self.replan, self.urgent) = (true, true);
            self.at = Some(now);
        } else if changes.copies {
            self.replan = true;
            self.at = Some(self.at.map_or(now, |at| at.min(now)));
        } else if changes.ours_gone {
            let earliest = self.wipes.backoff_until(now).unwrap_or(now);
            self.at = Some(self.at.map_or(earliest, |at| at.min(earliest)));
        }
    }

    /// A pass without any reason.
    pub(super) fn routinely(&mut self, now: Instant) {
        self.replan = true;
        self.at.get_or_insert(now);
    }

    /// Hands over what the next pass plans from.
    pub(super) fn begin(&mut self, state: &State) {
        self.at = None;
        let links = Arc::new(state.links().cloned().collect());
        let (planning, lists) = (self.planning.clone(), self.audit.is_enabled());
        let (replan, urgent) = (std::mem::take(&mut self.replan), std::mem::take(&mut self.urgent));
        self.task.begin(Order { links, planning, replan, urgent, lists });
    }

    /// Tells what the planner has to say and what it says no longer; when it is to be asked again, because
    /// something has not stood for long enough.
    fn note(&mut self, notes: &[Note], now: Instant) -> Option<Instant> {
        for (gone, _) in
            self.notes.extract_if(.., |note, _| !notes.contains(note)).filter(|(_, n)| n.is_reported)
        {
            tracing::info!("routing: no longer: {}", gone.text);
        }
        for note in notes {
            let noted =
                self.notes.entry(note.clone()).or_insert(NoteState { since: now, is_reported: false });
            if !noted.is_reported && now >= noted.since + NOTE_DELAY {
                noted.is_reported = true;
                tracing::warn!("routing: {}", note.text);
            }
        }
        self.notes.values().filter(|noted| !noted.is_reported).map(|noted| noted.since + NOTE_DELAY).min()
    }

    /// What the task has to tell. Cancel-safe.
    pub(super) async fn update(&mut self) -> Result<RoutingUpdate, Fatal> {
        self.task.update().await.ok_or(Fatal::Task("the routing task"))
    }

    /// Follows what the task told.
    pub(super) fn handle(&mut self, update: RoutingUpdate, state: &State) -> Result<(), Fatal> {
        match update {
            RoutingUpdate::Failing(fault) => {
                tracing::error!("routing: {fault}. Rules and routes stay as they are");
                self.failing = Some(fault);
            }
            RoutingUpdate::Connected => {
                tracing::info!("routing: the helper is connected");
                self.connected = true;
                self.failing = None;
                self.replan = true;
                self.at = Some(Instant::now());
            }
            RoutingUpdate::Passed(Ok(report)) => self.passed(report, state),
            RoutingUpdate::Passed(Err(error)) => {
                tracing::warn!("{error}; the routing pass is tried again in {} s", RETRY.as_secs());
                self.retry();
            }
            RoutingUpdate::Lost(Loss::Helper(error)) if !self.replaceable => {
                return Err(Fatal::Helper(error));
            }
            RoutingUpdate::Lost(loss) => {
                self.connected = false;
                match loss {
                    Loss::Policy => tracing::info!("routing: {loss} and was sent away; waiting for the next"),
                    Loss::Helper(_) => tracing::warn!(
                        "routing: {loss}; what it put into the kernel stays. Waiting for the next helper"
                    ),
                }
            }
        }
        Ok(())
    }

    /// Tells what a pass did.
    fn passed(&mut self, report: PassReport, state: &State) {
        for (key, count) in &report.changed {
            let link = name_of(&report, *key, state);
            let table = TableId::for_interface(self.policy.table_base, key.ifindex);
            let changes = if *count == 1 { "change" } else { "changes" };
            tracing::info!(link, "routing: {count} {changes} for {} in table {table}", key.family);
        }
        for done in &report.done {
            self.audit.record(|| Entry::routing(done));
        }
        self.changes += u64::from(!report.changed.is_empty());
        self.metrics.wipes(report.wiped);
        if report.wiped > 0 {
            self.wiped(report.wiped);
        }
        let links = |keys: Vec<TableKey>| keys.into_iter().map(|key| key.ifindex).collect();
        let reported: BTreeMap<String, BTreeSet<Ifindex>> =
            report.refused.into_iter().map(|refused| (refused.text, links(refused.keys))).collect();
        let mut is_new = false;
        for text in reported.keys().filter(|text| !self.reported.contains_key(*text)) {
            is_new = true;
            tracing::warn!("routing: {text}");
        }
        for text in self.reported.keys().filter(|text| !reported.contains_key(*text)) {
            tracing::info!("routing: no longer: {text}");
        }
        self.plan = report.plan;
        let now = Instant::now();
        let plan = Arc::clone(&self.plan);
        if let Some(at) = self.note(&plan.notes, now).into_iter().chain(report.again).min() {
            self.replan |= report.again.is_some();
            self.at = Some(self.at.map_or(at, |other| other.min(at)));
        }
        if is_new {
            // Often a race with the kernel that the next look settles.
            self.retry();
        }
        self.reported = reported;
    }

    /// Another policy takes a helper that was started with it, and there is one for good.
    pub(super) fn is_stuck_with_another(&self, policy: &Policy) -> bool {
        self.policy != *policy && !self.replaceable
    }

    /// From now on this policy. Not where [`RoutingController::is_stuck_with_another`].
    pub(super) fn apply_policy(&mut self, policy: &Policy, planning: &Planning) {
        if self.planning != *planning {
            self.planning = planning.clone();
            self.replan = true;
            self.at = Some(Instant::now());
        }
        if self.policy != *policy {
            self.policy = policy.clone();
            self.task.set_policy(policy.clone());
            self.replan = true;
            if self.dry_run {
                self.at = Some(Instant::now());
            }
        }
    }

    /// In a word, for people.
    pub(super) fn status(&self) -> &'static str {
        match (self.dry_run, self.connected) {
            (true, _) => "dry run",
            (false, true) => "on",
            (false, false) => "waiting for the helper",
        }
    }

    /// `connected`, `waiting` or `none`.
    pub(super) fn helper(&self) -> &'static str {
        match (self.dry_run, self.connected) {
            (true, _) => "none",
            (false, true) => "connected",
            (false, false) => "waiting",
        }
    }

    /// Why it does not come, where systemd starts it in vain.
    pub(super) fn failing(&self) -> Option<&str> {
        self.failing.as_deref()
    }

    /// Some interface may be managed.
    pub(super) fn has_work(&self) -> bool {
        !self.policy.interfaces.is_empty()
    }

    /// Rises when rules or routes of ours changed, by us or by others.
    pub(super) fn changes(&self) -> u64 {
        self.changes
    }

    /// The policy in force.
    pub(super) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// What was planned last.
    pub(super) fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Routes of main that matter to none of the tables.
    pub(super) fn unused_routes(&self) -> UnusedRoutes {
        self.plan.unused_routes
    }

    /// From now on other routes of main are heard of: what happened to them before is to be seen by a look.
    pub(super) fn run_again(&mut self, now: Instant) {
        self.replan = true;
        self.at = Some(self.at.map_or(now, |at| at.min(now)));
    }

    /// What keeps routing from being as it should.
    pub(super) fn complaints(&self) -> impl Iterator<Item = &String> {
        let notes = self.notes.iter().filter(|(_, noted)| noted.is_reported);
        self.reported.keys().chain(notes.map(|(note, _)| &note.text))
    }

    /// What of it is about one link.
    pub(super) fn complaints_of(&self, link: Ifindex) -> impl Iterator<Item = &String> {
        let reported =
            self.reported.iter().filter(move |(_, links)| links.contains(&link)).map(|(text, _)| text);
        let notes =
            self.notes.iter().filter(move |(note, noted)| noted.is_reported && note.link == Some(link));
        reported.chain(notes.map(|(note, _)| &note.text))
    }

    fn retry(&mut self) {
        self.replan = true;
        self.at.get_or_insert(Instant::now() + RETRY);
    }

    fn wiped(&mut self, count: usize) {
        match self.wipes.wiped(Instant::now()) {
            WipeVerdict::Repaired => {
                tracing::info!("routing: another program deleted {count} of our objects; put back");
            }
            WipeVerdict::Warn => tracing::warn!(
                "routing: another program keeps deleting our rules ({count} now, the third time within a \
                 minute); put back. If it is systemd-networkd, set ManageForeignRoutingPolicyRules=no and \
                 ManageForeignRoutes=no in networkd.conf. Further repairs wait longer and longer"
            ),
            WipeVerdict::BackOff(wait) => tracing::info!(
                "routing: another program deleted {count} of our objects again; put back, the next repair \
                 waits {} s",
                wait.as_secs()
            ),
        }
    }
}

fn name_of(report: &PassReport, key: TableKey, state: &State) -> String {
    let planned = report.plan.tables.get(&key).map(|table| table.name.clone());
    let known = || state.links().find(|link| link.ifindex == key.ifindex).map(|link| link.name.to_string());
    planned.or_else(known).unwrap_or_else(|| format!("interface {} (gone)", key.ifindex))
}
