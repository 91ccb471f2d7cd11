//! Filters at work: an event is judged when its turn comes, a change of a route when it happens, so
//! that what is ignored fills no batch.
//!
//! Without filters nothing here is reached. Limits: [`LINES`] log lines a second.

use super::name_queue::Due;
use super::{Dispatcher, Note};
use crate::event::{Detail, Event, EventId, LinkId, RouteChange, Then};
use crate::facts::{Facts, LinkFacts};
use crate::filter::{Filters, Ruling, Runs, Subject};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Lines a second that filters may log.
const LINES: u32 = 200;
/// How long a row of ignored changes is told as one event.
const ROW: Duration = Duration::from_secs(1);

/// The filters, and what they remember.
#[derive(Debug, Default)]
pub(super) struct Sieve {
    pub(super) filters: Filters,
    /// The values of the link that changes of routes were last judged by, within a turn of the loop.
    link: Option<(LinkId, Option<Arc<LinkFacts>>)>,
    /// The event before this one, if it was changes of routes that were ignored.
    ignored: Option<Ignored>,
    lines: Lines,
}

/// An event that the next ones join, if they are ignored by the same filters within [`ROW`].
#[derive(Debug)]
struct Ignored {
    link: LinkId,
    event: EventId,
    time: SystemTime,
    filters: Vec<u32>,
}

/// What is left of the second's lines.
#[derive(Debug, Default)]
struct Lines {
    since: Option<Instant>,
    written: u32,
    held: u64,
}

impl Sieve {
    /// Whatever was known of links is of before.
    pub(super) fn forget(&mut self) {
        self.link = None;
    }
}

impl Dispatcher {
    /// Other filters, for all but the changes of routes that wait.
    pub fn set_filters(&mut self, filters: Filters) {
        self.sieve.filters = filters;
    }

    /// What the filters say of an event whose turn has come; `None` without filters.
    pub(super) fn judge_due(&mut self, due: &mut Due, facts: &dyn Facts) -> Option<Runs> {
        // Judged when they were submitted.
        if let Some(runs) = due.runs.take() {
            return Some(runs);
        }
        if self.sieve.filters.is_empty() {
            return None;
        }
        let link = due.event.link;
        let look_up = || match &due.event.then {
            Then::Whole(values) => Some(Arc::clone(values)),
            _ => due.last.clone().or_else(|| self.queues.last(link)).or_else(|| facts.link(link)),
        };
        let subject = Subject::new(&due.event, self.backend, &look_up);
        let ruling = self.sieve.filters.judge(&subject);
        self.sieve.lines.log(&due.event, None, &ruling, &look_up);
        self.note_ruling(due.event.id, &ruling);
        Some(ruling.runs)
    }

    fn note_ruling(&mut self, event: EventId, ruling: &Ruling) {
        let is_ignored = ruling.runs == Runs::Nothing;
        self.counts.ignored_events += u64::from(is_ignored);
        if is_ignored || !ruling.filters.is_empty() {
            self.notes.push(Note::Judged { event, filters: ruling.filters.clone(), is_ignored });
        }
    }

    /// Judges changes of routes and hands on those that run something, in parts that run the same.
    pub(super) fn sift(&mut self, event: Event, facts: &dyn Facts) -> Vec<(Event, Option<Runs>)> {
        let Detail::Routes(changes) = &event.detail else { return vec![(event, None)] };
        let link = event.link;
        if self.sieve.link.as_ref().is_none_or(|(known, _)| *known != link) {
            let values = self.queues.last(link).or_else(|| facts.link(link));
            self.sieve.link = Some((link, values));
        }
        let values = self.sieve.link.as_ref().and_then(|(_, values)| values.clone());
        let look_up = || values.clone();
        let whole = Subject::new(&event, self.backend, &look_up);
        let mut parts: Vec<(Runs, Vec<RouteChange>)> = Vec::new();
        let mut all = Ruling { runs: Runs::Nothing, filters: Vec::new(), logs: Vec::new() };
        for change in changes {
            let ruling = self.sieve.filters.judge(&whole.of_change(change));
            self.sieve.lines.log(&event, Some(change), &ruling, &look_up);
            all.filters.extend(ruling.filters);
            if ruling.runs == Runs::Nothing {
                continue;
            }
            all.runs = Runs::All;
            match parts.iter_mut().find(|(runs, _)| *runs == ruling.runs) {
                Some((_, part)) => part.push(change.clone()),
                None => parts.push((ruling.runs, vec![change.clone()])),
            }
        }
        all.filters.sort_unstable();
        all.filters.dedup();
        self.note_ruling(event.id, &all);
        if parts.is_empty() {
            self.join_ignored(Ignored { link, event: event.id, time: event.time, filters: all.filters });
        }
        let part = |(runs, changes)| {
            let detail = Detail::Routes(changes);
            (Event { detail, ..event.clone() }, Some(runs))
        };
        parts.into_iter().map(part).collect()
    }

    /// A storm of ignored changes is one event a second to whoever keeps a record.
    fn join_ignored(&mut self, ignored: Ignored) {
        let event = ignored.event;
        let joins = |first: &&Ignored| {
            let is_soon = ignored.time.duration_since(first.time).is_ok_and(|since| since < ROW);
            first.link == ignored.link && first.filters == ignored.filters && is_soon
        };
        match self.sieve.ignored.as_ref().filter(joins) {
            Some(first) => self.notes.push(Note::Coalesced { event, into: first.event }),
            None => {
                self.notes.push(Note::Over(event));
                self.sieve.ignored = Some(ignored);
            }
        }
    }

    /// An event that is not ignored ends a row of those that are.
    pub(super) fn end_ignored(&mut self) {
        self.sieve.ignored = None;
    }
}

impl Lines {
    /// One line for each filter that logs.
    fn log(
        &mut self,
        event: &Event,
        change: Option<&RouteChange>,
        ruling: &Ruling,
        look_up: &dyn Fn() -> Option<Arc<LinkFacts>>,
    ) {
        if ruling.logs.is_empty() {
            return;
        }
        let values = look_up();
        let link = values.as_ref().map(|values| values.name.as_str()).unwrap_or_default();
        for filter in &ruling.logs {
            if !self.permit(Instant::now()) {
                continue;
            }
            let held = std::mem::take(&mut self.held);
            if held > 0 {
                tracing::info!("{held} lines of filters left out: more than {LINES} a second");
            }
            let (event_id, state) = (event.id.0, event.state);
            match change {
                Some(RouteChange { action, destination, .. }) => tracing::info!(
                    link, event = %event.kind, event_id, filter,
                    "a filter logs: route {destination} {}", action.name()
                ),
                None => {
                    tracing::info!(link, event = %event.kind, event_id, filter, "a filter logs: state {state}");
                }
            }
        }
    }

    fn permit(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= Duration::from_secs(1)) {
            (self.since, self.written) = (Some(now), 0);
        }
        let is_permitted = self.written < LINES;
        self.written += u32::from(is_permitted);
        self.held += u64::from(!is_permitted);
        is_permitted
    }
}
