//! What the loop tells metrics and audit log of events, and how long each took on its way.

use crate::audit::{Audit, Entry};
use crate::metrics::Metrics;
use crate::model::{Class, Completion, Event, EventId, EventKind, EventOutcome};
use std::collections::HashMap;
use std::time::Instant;

/// Counts and records. It remembers the events that are not over, as many as the queues hold.
pub(super) struct EventObserver {
    pub(super) metrics: Metrics,
    pub(super) audit: Audit,
    in_progress: HashMap<EventId, EventInProgress>,
}

struct EventInProgress {
    read: Instant,
    kind: EventKind,
    /// Empty for the host.
    link: String,
    /// A script was started for it.
    started: bool,
}

impl EventObserver {
    /// Nothing has happened yet.
    pub(super) fn new(metrics: Metrics, audit: Audit) -> Self {
        Self { metrics, audit, in_progress: HashMap::new() }
    }

    /// A new event; `link` is `None` for the host's. Before it is submitted.
    pub(super) fn begin(&mut self, event: &Event, link: Option<&str>, backend: &'static str) {
        self.metrics.event(event.kind, link, backend);
        if let (Class::State, Some(link)) = (event.kind.class(), link) {
            self.metrics.state_changed(link, event.kind.name());
        }
        self.audit.record(|| Entry::event(event, link, backend));
        let link = link.unwrap_or_default().to_owned();
        let in_progress = EventInProgress { read: Instant::now(), kind: event.kind, link, started: false };
        self.in_progress.insert(event.id, in_progress);
    }

    /// What becomes of an event.
    pub(super) fn note(&mut self, note: &EventOutcome) {
        match note {
            EventOutcome::Begun { skipped, .. } => self.metrics.coalesced(*skipped),
            EventOutcome::Started { event, .. } => {
                if let Some(event) = self.in_progress.get_mut(event).filter(|event| !event.started) {
                    event.started = true;
                    self.metrics.event_to_script(event.read.elapsed());
                }
            }
            EventOutcome::Over(event) => {
                if let Some(event) = self.in_progress.remove(event).filter(|event| event.started) {
                    self.metrics.event_finished(event.kind, event.read.elapsed());
                }
            }
            EventOutcome::Coalesced { event, .. }
            | EventOutcome::Lost(event)
            | EventOutcome::Judged { event, is_ignored: true, .. } => {
                self.in_progress.remove(event);
            }
            EventOutcome::Judged { .. } | EventOutcome::WouldRun { .. } => {}
        }
    }

    /// A run ended. Before the notes that follow from it.
    pub(super) fn ran(&mut self, completion: &Completion) {
        let Completion { event, kind, script, outcome, duration, .. } = completion;
        self.metrics.script(script, *kind, outcome, *duration);
        let link = self.in_progress.get(event).map(|event| event.link.as_str()).unwrap_or_default();
        self.audit.record(|| Entry::script(completion, link));
    }

    /// A reload ended, or the first configuration was read.
    pub(super) fn reloaded(&self, successful: bool) {
        self.metrics.reloaded(successful);
        // External rotation says so by SIGHUP.
        self.audit.reopen();
    }
}
