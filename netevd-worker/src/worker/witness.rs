//! What the loop tells metrics and audit log of events, and how long each took on its way.

use crate::audit::{Audit, Entry};
use crate::dispatch::{Completion, Note};
use crate::event::{Class, Event, EventId, EventKind};
use crate::metrics::Metrics;
use std::collections::HashMap;
use std::time::Instant;

/// Counts and records. It remembers the events that are not over, as many as the queues hold.
pub(super) struct Witness {
    pub(super) metrics: Metrics,
    pub(super) audit: Audit,
    under_way: HashMap<EventId, UnderWay>,
}

struct UnderWay {
    read: Instant,
    kind: EventKind,
    /// Empty for the host.
    link: String,
    /// A script was started for it.
    started: bool,
}

impl Witness {
    /// Nothing has happened yet.
    pub(super) fn new(metrics: Metrics, audit: Audit) -> Self {
        Self { metrics, audit, under_way: HashMap::new() }
    }

    /// A new event; `link` is `None` for the host's. Before it is submitted.
    pub(super) fn heard(&mut self, event: &Event, link: Option<&str>, backend: &'static str) {
        self.metrics.event(event.kind, link, backend);
        if let (Class::State, Some(link)) = (event.kind.class(), link) {
            self.metrics.state_changed(link, event.kind.name());
        }
        self.audit.record(|| Entry::event(event, link, backend));
        let link = link.unwrap_or_default().to_owned();
        let under_way = UnderWay { read: Instant::now(), kind: event.kind, link, started: false };
        self.under_way.insert(event.id, under_way);
    }

    /// What becomes of an event.
    pub(super) fn note(&mut self, note: &Note) {
        match note {
            Note::Begun { skipped, .. } => self.metrics.coalesced(*skipped),
            Note::Started { event, .. } => {
                if let Some(event) = self.under_way.get_mut(event).filter(|event| !event.started) {
                    event.started = true;
                    self.metrics.event_to_script(event.read.elapsed());
                }
            }
            Note::Over(event) => {
                if let Some(event) = self.under_way.remove(event).filter(|event| event.started) {
                    self.metrics.event_finished(event.kind, event.read.elapsed());
                }
            }
            Note::Coalesced { event, .. }
            | Note::Lost(event)
            | Note::Judged { event, is_ignored: true, .. } => {
                self.under_way.remove(event);
            }
            Note::Judged { .. } | Note::WouldRun { .. } => {}
        }
    }

    /// A run ended. Before the notes that follow from it.
    pub(super) fn ran(&mut self, completion: &Completion) {
        let Completion { event, kind, script, outcome, duration, .. } = completion;
        self.metrics.script(script, *kind, outcome, *duration);
        let link = self.under_way.get(event).map(|event| event.link.as_str()).unwrap_or_default();
        self.audit.record(|| Entry::script(completion, link));
    }

    /// A reload ended, or the first configuration was read.
    pub(super) fn reloaded(&self, successful: bool) {
        self.metrics.reloaded(successful);
        // External rotation says so by SIGHUP.
        self.audit.reopen();
    }
}
