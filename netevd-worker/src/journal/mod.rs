//! The ring of recent events: each with what ran for it and how it ended. Pure; the loop owns it.
//!
//! Every change of an event (it came, its turn came, a script ended) moves it to the end of the
//! stream, where readers of [`Journal::follow`] meet it again as it is then. A place in the stream is
//! the worker's start and the number of the change, so that a reader can go on where it left off, and
//! notices a worker that restarted.
//!
//! Limits: [`EVENTS`] events, [`record::RUNS`] runs an event, [`scripts::SCRIPTS`] scripts. Changes of
//! routes that wait for the same run are one event here as they are for scripts.

mod record;
mod scripts;
#[cfg(test)]
mod tests;

use crate::document::{EventDocument, LastEvent};
use crate::model::{Backend, Completion, Event, EventId, EventKind, EventOutcome};
use crate::request::{
    Change, ChangeKind, EventPage, EventQuery, Followed, STREAM_BEHIND, ScriptRuns, Since, StreamPosition,
};
use crate::timestamp::rfc3339;
use protocol::InterfaceName;
use record::{EventStatus, Record};
use scripts::Scripts;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::broadcast;

/// Events that are remembered.
pub const EVENTS: usize = 1_000;

/// The ring.
#[derive(Debug)]
pub struct Journal {
    instance: u64,
    /// By rising number.
    ring: VecDeque<Record>,
    received: u64,
    revision: u64,
    /// Events that changed and have no number of the change yet, oldest change first.
    dirty: VecDeque<EventId>,
    readers: Option<broadcast::Sender<Change>>,
    /// What readers were told last of the host as a whole.
    state: Option<Change>,
    scripts: Scripts,
}

impl Journal {
    /// Of a worker that starts now.
    pub fn new(now: SystemTime) -> Self {
        let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            instance: u64::try_from(since.as_micros()).unwrap_or_default(),
            ring: VecDeque::new(),
            received: 0,
            revision: 0,
            dirty: VecDeque::new(),
            readers: None,
            state: None,
            scripts: Scripts::default(),
        }
    }

    /// Microseconds since 1970 at the worker's start.
    pub fn instance(&self) -> u64 {
        self.instance
    }

    /// Events so far, also those that are forgotten or stand in another one.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Takes a new event in.
    pub fn record_event(&mut self, event: &Event, link: Option<InterfaceName>, backend: Backend) {
        self.received += 1;
        if self.ring.len() >= EVENTS {
            self.ring.pop_front();
        }
        self.ring.push_back(Record::new(event, link, backend));
        self.dirty.push_back(event.id);
    }

    /// Takes note of what became of an event; one that is forgotten stays so.
    pub fn note(&mut self, note: &EventOutcome) {
        if let Some(event) = self.noted(note) {
            self.touch(event);
        }
    }

    /// The event that changed by it, if it is still there.
    fn noted(&mut self, note: &EventOutcome) -> Option<EventId> {
        Some(match note {
            EventOutcome::Coalesced { event, into } => {
                if self.join_routes(*event, *into) {
                    *into
                } else {
                    self.find(*event)?.status = EventStatus::Coalesced(*into);
                    *event
                }
            }
            EventOutcome::Lost(event) => {
                self.find(*event)?.status = EventStatus::Lost;
                *event
            }
            EventOutcome::Judged { event, filters, is_ignored } => {
                self.find(*event)?.judged(filters, *is_ignored);
                *event
            }
            EventOutcome::Begun { event, skipped } => {
                let record = self.find(*event)?;
                record.skipped = *skipped;
                record.status = EventStatus::Running;
                *event
            }
            EventOutcome::Started { event, script, at } => {
                self.scripts.started(script, *at);
                self.find(*event)?.started(script, *at);
                *event
            }
            EventOutcome::WouldRun { event, script } => {
                self.find(*event)?.would_run(script);
                *event
            }
            EventOutcome::Over(event) => {
                self.find(*event)?.over();
                *event
            }
        })
    }

    /// A script has ended.
    pub fn ended(&mut self, completion: &Completion) {
        self.scripts.ended(completion);
        if let Some(record) = self.find(completion.event) {
            record.ended(completion);
            self.touch(completion.event);
        }
    }

    /// systemd was asked, or answered.
    pub fn unit(
        &mut self,
        event: EventId,
        unit: &str,
        verb: &'static str,
        result: &'static str,
        error: Option<&str>,
    ) {
        if let Some(record) = self.find(event) {
            record.unit(unit, verb, result, error);
            self.touch(event);
        }
    }

    /// The newest event.
    pub fn last(&self) -> Option<LastEvent> {
        self.ring.back().map(|record| LastEvent {
            id: record.id.0,
            timestamp: rfc3339(record.time),
            event_type: record.kind.name().to_owned(),
            interface: record.link.as_ref().map(ToString::to_string),
        })
    }

    /// Events by a query, in the order of their numbers.
    pub fn page(&self, query: &EventQuery) -> EventPage {
        let is_wanted = |record: &&Record| {
            let of_link = query
                .interface
                .as_ref()
                .is_none_or(|name| record.link.as_ref().is_some_and(|link| link.as_str() == name));
            let of_kind = query.kinds.is_empty() || query.kinds.contains(&record.kind);
            let is_later = match query.since {
                None => true,
                Some(Since::Id(id)) => record.id.0 > id,
                Some(Since::Time(time)) => record.time > time,
            };
            of_link && of_kind && is_later
        };
        let (found, has_more) = if query.since.is_some() {
            let mut wanted = self.ring.iter().filter(is_wanted);
            let found: Vec<&Record> = wanted.by_ref().take(query.limit).collect();
            (found, wanted.next().is_some())
        } else {
            let mut wanted = self.ring.iter().rev().filter(is_wanted);
            let mut found: Vec<&Record> = wanted.by_ref().take(query.limit).collect();
            found.reverse();
            (found, wanted.next().is_some())
        };
        EventPage { events: found.into_iter().map(Record::document).collect(), has_more }
    }

    /// One event.
    pub fn event(&self, id: EventId) -> Option<EventDocument> {
        self.get(id).map(Record::document)
    }

    /// What is known of each script's runs, by path.
    pub fn runs(&self) -> Vec<ScriptRuns> {
        self.scripts.all()
    }

    /// The script that runs for an event now.
    pub fn running(&self, event: EventId) -> Option<String> {
        self.get(event).and_then(Record::running)
    }

    /// What changed after a place, and everything from now on.
    pub fn follow(&mut self, after: Option<StreamPosition>) -> Followed {
        self.publish();
        let readers = self.readers.get_or_insert_with(|| broadcast::Sender::new(STREAM_BEHIND));
        let changes = readers.subscribe();
        let from = match after {
            None => self.revision,
            Some(place) if place.instance == self.instance => place.revision,
            Some(_) => 0,
        };
        let mut missed: Vec<&Record> = self.ring.iter().filter(|record| record.revision > from).collect();
        missed.sort_by_key(|record| record.revision);
        let missed = missed.into_iter().map(|record| self.change(record)).collect();
        let state = self.state.clone();
        Followed { instance: self.instance, revision: self.revision, missed, state, changes }
    }

    /// Numbers what changed, and tells the readers. Call it when the work of a turn is done.
    pub fn publish(&mut self) {
        if self.readers.as_ref().is_some_and(|readers| readers.receiver_count() == 0) {
            (self.readers, self.state) = (None, None);
        }
        while let Some(id) = self.dirty.pop_front() {
            let revision = self.revision + 1;
            let Some(record) = self.find(id) else { continue };
            record.revision = revision;
            record.is_dirty = false;
            self.revision = revision;
            if let Some(readers) = &self.readers
                && let Some(record) = self.get(id)
            {
                // Fails when the last reader has just gone.
                let _ = readers.send(self.change(record));
            }
        }
    }

    fn change(&self, record: &Record) -> Change {
        let place = StreamPosition { instance: self.instance, revision: record.revision };
        // The types have nothing that could fail.
        let json = serde_json::to_string(&record.document()).unwrap_or_default();
        Change { kind: ChangeKind::Event, place, json: Arc::from(json) }
    }

    /// Somebody reads the stream.
    pub fn has_readers(&self) -> bool {
        self.readers.as_ref().is_some_and(|readers| readers.receiver_count() > 0)
    }

    /// Tells the readers how the host is as a whole.
    pub fn publish_state(&mut self, json: &str) {
        let place = StreamPosition { instance: self.instance, revision: self.revision };
        let change = Change { kind: ChangeKind::State, place, json: Arc::from(json) };
        self.state = Some(change.clone());
        if let Some(readers) = &self.readers {
            // Fails when the last reader has just gone.
            let _ = readers.send(change);
        }
    }

    fn touch(&mut self, event: EventId) {
        // What changes again in the same turn is told once.
        if self.find(event).is_some_and(|record| !std::mem::replace(&mut record.is_dirty, true)) {
            self.dirty.push_back(event);
        }
    }

    /// A change of routes that waits for the run of another one is told as part of it. False for all
    /// other events.
    fn join_routes(&mut self, event: EventId, into: EventId) -> bool {
        let is_newest =
            self.ring.back().is_some_and(|last| last.id == event && last.kind == EventKind::Routes);
        if !is_newest || self.get(into).is_none() {
            return false;
        }
        if let Some(joined) = self.ring.pop_back()
            && let Some(record) = self.find(into)
        {
            record.join(joined);
        }
        if self.dirty.back() == Some(&event) {
            self.dirty.pop_back();
        }
        true
    }

    fn place_of(&self, id: EventId) -> Option<usize> {
        self.ring.binary_search_by_key(&id, |record| record.id).ok()
    }

    fn find(&mut self, id: EventId) -> Option<&mut Record> {
        let place = self.place_of(id)?;
        self.ring.get_mut(place)
    }

    fn get(&self, id: EventId) -> Option<&Record> {
        self.ring.get(self.place_of(id)?)
    }
}
