//! Filters at work: an event is judged when its turn comes, a change of a route when it happens, so
//! that what is ignored fills no batch.
//!
//! Without filters nothing here is reached. Limits: [`LINES`] log lines a second.

use super::Dispatcher;
use super::name_queue::Due;
use crate::filter::{FilterVerdict, Filters, ScriptSelection, Subject};
use crate::model::{
    Detail, Event, EventId, EventOutcome, EventValues, Facts, LinkFacts, LinkId, RouteChange,
};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

/// Lines a second that filters may log.
const LINES: u32 = 200;
/// How long a row of ignored changes is told as one event.
const ROW: Duration = Duration::from_secs(1);

/// The filters, and what they remember.
#[derive(Debug, Default)]
pub(super) struct FilterStage {
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
    suppressed: u64,
}

impl FilterStage {
    /// Whatever was known of links is of before.
    pub(super) fn forget(&mut self) {
        self.link = None;
    }
}

impl Dispatcher {
    /// Other filters, for all but the changes of routes that wait.
    pub fn set_filters(&mut self, filters: Filters) {
        self.filter_stage.filters = filters;
    }

    /// What the filters say of an event whose turn has come; `None` without filters.
    pub(super) fn judge_due(&mut self, due: &mut Due, facts: &dyn Facts) -> Option<ScriptSelection> {
        // Judged when they were submitted.
        if let Some(selection) = due.selection.take() {
            return Some(selection);
        }
        if self.filter_stage.filters.is_empty() {
            return None;
        }
        let link = due.event.link;
        let look_up = || match &due.event.then {
            EventValues::Whole(values) => Some(Arc::clone(values)),
            _ => due.last.clone().or_else(|| self.queues.last(link)).or_else(|| facts.link(link)),
        };
        let subject = Subject::new(&due.event, self.backend, &look_up);
        let verdict = self.filter_stage.filters.judge(&subject);
        self.filter_stage.lines.log(&due.event, None, &verdict, &look_up);
        self.note_verdict(due.event.id, &verdict);
        Some(verdict.selection)
    }

    fn note_verdict(&mut self, event: EventId, verdict: &FilterVerdict) {
        let is_ignored = verdict.selection == ScriptSelection::Nothing;
        self.counts.ignored_events += u64::from(is_ignored);
        if is_ignored || !verdict.filters.is_empty() {
            self.outcomes.push(EventOutcome::Judged { event, filters: verdict.filters.clone(), is_ignored });
        }
    }

    /// Judges changes of routes and hands on those that run something, in parts that run the same.
    pub(super) fn apply_filters(
        &mut self,
        event: Event,
        facts: &dyn Facts,
    ) -> Vec<(Event, Option<ScriptSelection>)> {
        let Detail::Routes(changes) = &event.detail else { return vec![(event, None)] };
        let link = event.link;
        if self.filter_stage.link.as_ref().is_none_or(|(known, _)| *known != link) {
            let values = self.queues.last(link).or_else(|| facts.link(link));
            self.filter_stage.link = Some((link, values));
        }
        let values = self.filter_stage.link.as_ref().and_then(|(_, values)| values.clone());
        let look_up = || values.clone();
        let whole = Subject::new(&event, self.backend, &look_up);
        let mut parts: Vec<(ScriptSelection, Vec<RouteChange>)> = Vec::new();
        let mut all =
            FilterVerdict { selection: ScriptSelection::Nothing, filters: Vec::new(), logs: Vec::new() };
        for change in changes {
            let verdict = self.filter_stage.filters.judge(&whole.of_change(change));
            self.filter_stage.lines.log(&event, Some(change), &verdict, &look_up);
            all.filters.extend(verdict.filters);
            if verdict.selection == ScriptSelection::Nothing {
                continue;
            }
            all.selection = ScriptSelection::All;
            match parts.iter_mut().find(|(selection, _)| *selection == verdict.selection) {
                Some((_, part)) => part.push(change.clone()),
                None => parts.push((verdict.selection, vec![change.clone()])),
            }
        }
        all.filters.sort_unstable();
        all.filters.dedup();
        self.note_verdict(event.id, &all);
        if parts.is_empty() {
            self.join_ignored(Ignored { link, event: event.id, time: event.time, filters: all.filters });
        }
        let part = |(selection, changes)| {
            let detail = Detail::Routes(changes);
            (Event { detail, ..event.clone() }, Some(selection))
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
        match self.filter_stage.ignored.as_ref().filter(joins) {
            Some(first) => self.outcomes.push(EventOutcome::Coalesced { event, into: first.event }),
            None => {
                self.outcomes.push(EventOutcome::Over(event));
                self.filter_stage.ignored = Some(ignored);
            }
        }
    }

    /// An event that is not ignored ends a row of those that are.
    pub(super) fn end_ignored(&mut self) {
        self.filter_stage.ignored = None;
    }
}

impl Lines {
    /// One line for each filter that logs.
    fn log(
        &mut self,
        event: &Event,
        change: Option<&RouteChange>,
        verdict: &FilterVerdict,
        look_up: &dyn Fn() -> Option<Arc<LinkFacts>>,
    ) {
        if verdict.logs.is_empty() {
            return;
        }
        let values = look_up();
        let link = values.as_ref().map(|values| values.name.as_str()).unwrap_or_default();
        for filter in &verdict.logs {
            if !self.permit(Instant::now()) {
                continue;
            }
            let suppressed = std::mem::take(&mut self.suppressed);
            if suppressed > 0 {
                tracing::info!("{suppressed} lines of filters left out: more than {LINES} a second");
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
        self.suppressed += u64::from(!is_permitted);
        is_permitted
    }
}
