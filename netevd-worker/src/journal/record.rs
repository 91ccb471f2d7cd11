//! One event of the ring, and its document.

use crate::document::{
    EventDetails, EventDocument, GatewayChangeDocument, MtuDocument, RouteChangeDocument, ScriptRun, UnitRun,
};
use crate::model::{
    Address, Backend, Completion, Detail, Event, EventId, EventKind, GatewayChange, Outcome, RouteChange,
};
use crate::names;
use crate::timestamp::rfc3339;
use crate::view;
use protocol::InterfaceName;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Changes of routes that an event lists.
const ROUTES: usize = 16;
/// Runs, and demands to systemd, that an event lists.
pub(super) const RUNS: usize = 256;

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventStatus {
    Waiting,
    Running,
    Done,
    Nothing,
    Coalesced(EventId),
    Lost,
    /// By a filter.
    Ignored,
}

/// One event.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) id: EventId,
    pub(super) time: SystemTime,
    pub(super) kind: EventKind,
    pub(super) link: Option<InterfaceName>,
    pub(super) revision: u64,
    /// It changed since that revision.
    pub(super) is_dirty: bool,
    pub(super) status: EventStatus,
    pub(super) skipped: u64,
    state: &'static str,
    old_state: Option<&'static str>,
    startup: bool,
    backend: Backend,
    detail: Kept,
    runs: Vec<Run>,
    units: Vec<UnitRun>,
    filters: Vec<u32>,
}

/// What is kept of an event's detail.
#[derive(Debug)]
enum Kept {
    Nothing,
    Address(Address),
    Routes(Vec<RouteChange>, u64),
    Mtu(MtuDocument),
    Gateway(GatewayChange),
    Reason(&'static str),
    Connectivity(&'static str),
    Lease,
}

#[derive(Debug)]
struct Run {
    script: PathBuf,
    started: SystemTime,
    ended: Option<(Outcome, Duration)>,
    dry: bool,
}

impl Record {
    pub(super) fn new(event: &Event, link: Option<InterfaceName>, backend: Backend) -> Self {
        let detail = match &event.detail {
            Detail::None | Detail::Dns { .. } => Kept::Nothing,
            Detail::Address(address) => Kept::Address(address.clone()),
            Detail::Routes(changes) => {
                let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
                Kept::Routes(changes.iter().take(ROUTES).cloned().collect(), count)
            }
            Detail::Gateway(change) => Kept::Gateway(*change),
            Detail::Mtu { old, new } => Kept::Mtu(MtuDocument { old: *old, new: *new }),
            Detail::Device { reason } => Kept::Reason(reason),
            Detail::Lease { .. } => Kept::Lease,
            Detail::Host { connectivity } => Kept::Connectivity(connectivity),
        };
        Self {
            id: event.id,
            time: event.time,
            kind: event.kind,
            link,
            revision: 0,
            is_dirty: true,
            status: EventStatus::Waiting,
            skipped: 0,
            state: event.state,
            old_state: event.old_state,
            startup: event.startup,
            backend,
            detail,
            runs: Vec::new(),
            units: Vec::new(),
            filters: Vec::new(),
        }
    }

    /// More changes of routes for the same run.
    pub(super) fn join(&mut self, newer: Record) {
        if let (Kept::Routes(changes, count), Kept::Routes(more, more_count)) =
            (&mut self.detail, newer.detail)
        {
            let room = ROUTES.saturating_sub(changes.len());
            changes.extend(more.into_iter().take(room));
            *count += more_count;
        }
        self.add_filters(&newer.filters);
    }

    pub(super) fn judged(&mut self, filters: &[u32], is_ignored: bool) {
        self.add_filters(filters);
        if is_ignored {
            self.status = EventStatus::Ignored;
        }
    }

    fn add_filters(&mut self, filters: &[u32]) {
        self.filters.extend(filters);
        self.filters.sort_unstable();
        self.filters.dedup();
    }

    pub(super) fn started(&mut self, script: &Path, at: SystemTime) {
        self.add(Run { script: script.to_owned(), started: at, ended: None, dry: false });
    }

    pub(super) fn would_run(&mut self, script: &Path) {
        self.add(Run { script: script.to_owned(), started: self.time, ended: None, dry: true });
    }

    fn add(&mut self, run: Run) {
        if self.runs.len() < RUNS {
            self.runs.push(run);
        }
    }

    pub(super) fn ended(&mut self, completion: &Completion) {
        let run = self.runs.iter_mut().rev().find(|run| run.script == completion.script);
        if let Some(run) = run {
            run.ended = Some((completion.outcome.clone(), completion.duration));
        }
    }

    pub(super) fn over(&mut self) {
        if self.status == EventStatus::Ignored {
            return;
        }
        let ran = !self.runs.is_empty() || !self.units.is_empty();
        self.status = if ran { EventStatus::Done } else { EventStatus::Nothing };
    }

    pub(super) fn unit(&mut self, unit: &str, verb: &'static str, result: &'static str, error: Option<&str>) {
        if self.status == EventStatus::Nothing {
            self.status = EventStatus::Done;
        }
        let (result, error) = (result.to_owned(), error.map(str::to_owned));
        let is_full = self.units.len() >= RUNS;
        match self.units.iter_mut().find(|asked| asked.unit == unit && asked.verb == verb) {
            Some(asked) => (asked.result, asked.error) = (result, error),
            None if is_full => {}
            None => self.units.push(UnitRun { unit: unit.to_owned(), verb: verb.to_owned(), result, error }),
        }
    }

    pub(super) fn running(&self) -> Option<String> {
        let run = self.runs.iter().find(|run| run.ended.is_none() && !run.dry)?;
        Some(run.script.display().to_string())
    }

    pub(super) fn document(&self) -> EventDocument {
        let action = match self.status {
            EventStatus::Waiting => "waiting",
            EventStatus::Running => "running",
            EventStatus::Done => "done",
            EventStatus::Nothing => "none",
            EventStatus::Coalesced(_) => "coalesced",
            EventStatus::Lost => "lost",
            EventStatus::Ignored => "ignored",
        };
        EventDocument {
            id: self.id.0,
            timestamp: rfc3339(self.time),
            event_type: self.kind.name().to_owned(),
            interface: self.link.as_ref().map(ToString::to_string),
            action: action.to_owned(),
            details: self.details(),
            scripts: self.runs.iter().map(Run::document).collect(),
            units: self.units.clone(),
        }
    }

    fn details(&self) -> EventDetails {
        let mut details = EventDetails {
            state: self.state.to_owned(),
            old_state: self.old_state.map(str::to_owned),
            startup: self.startup,
            backend: self.backend.name().to_owned(),
            skipped: self.skipped,
            coalesced_into: match self.status {
                EventStatus::Coalesced(EventId(id)) => Some(id),
                _ => None,
            },
            filters: self.filters.clone(),
            ..EventDetails::default()
        };
        match &self.detail {
            Kept::Nothing => {}
            Kept::Address(address) => details.address = Some(view::address(address)),
            Kept::Routes(changes, count) => {
                details.routes = changes.iter().map(route_change).collect();
                details.route_changes = Some(*count);
            }
            Kept::Mtu(mtu) => details.mtu = Some(*mtu),
            Kept::Gateway(change) => details.gateway = Some(GatewayChangeDocument::from(change)),
            Kept::Reason(reason) => details.reason = Some((*reason).to_owned()),
            Kept::Connectivity(word) => details.connectivity = Some((*word).to_owned()),
            Kept::Lease => details.lease = true,
        }
        details
    }
}

impl Run {
    fn document(&self) -> ScriptRun {
        match &self.ended {
            Some((outcome, duration)) => script_run(&self.script, self.started, outcome, *duration),
            None => ScriptRun {
                script: self.script.display().to_string(),
                result: if self.dry { "dry-run" } else { "running" }.to_owned(),
                exit_code: None,
                signal: None,
                started_at: rfc3339(self.started),
                duration_seconds: None,
                error: None,
            },
        }
    }
}

/// A run that has ended.
pub(super) fn script_run(
    script: &Path,
    started: SystemTime,
    outcome: &Outcome,
    duration: Duration,
) -> ScriptRun {
    let (result, exit_code, signal, error) = match outcome {
        Outcome::Exited(0) => ("success", Some(0), None, None),
        Outcome::Exited(code) => ("failure", Some(*code), None, None),
        Outcome::Signalled(number) => ("failure", None, Some(*number), None),
        Outcome::TimedOut => ("timeout", None, None, None),
        Outcome::NotStarted(why) => ("not-started", None, None, Some(why.clone())),
    };
    ScriptRun {
        script: script.display().to_string(),
        result: result.to_owned(),
        exit_code,
        signal,
        started_at: rfc3339(started),
        duration_seconds: Some(duration.as_secs_f64()),
        error,
    }
}

fn route_change(change: &RouteChange) -> RouteChangeDocument {
    let is_default = change.destination.length() == 0;
    RouteChangeDocument {
        action: change.action.name().to_owned(),
        destination: if is_default { "default".to_owned() } else { change.destination.to_string() },
        family: names::family(change.destination.is_ipv4()).to_owned(),
        gateway: change.gateway,
        table: names::route_table(change.table).into_owned(),
        metric: change.metric,
        protocol: names::route_protocol(change.protocol).into_owned(),
        scope: names::scope(change.scope).into_owned(),
        kind: names::route_type(change.route_type).into_owned(),
    }
}
