//! The queue of each link, and whose turn it is: decisions alone, nothing is run here.
//!
//! At most one event of a link is out at a time; links with work take turns in the order in which
//! they became ready. Events that have not started coalesce by their [`Class`]; what is left out
//! is counted into the event that stands for it (`SKIPPED`). Everything is bounded:
//! [`EDGES_PER_LINK`], [`EDGES_MAX`], [`EVENTS_MAX`].

use super::batch::Batch;
use super::climb::supersedes;
use super::note::Note;
use crate::event::{Class, Detail, Event, LinkId};
use crate::facts::LinkFacts;
use crate::filter::Runs;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Pending edge events of one link.
pub(super) const EDGES_PER_LINK: usize = 8_192;
/// Pending events in all beyond which no edge event gets in.
pub(super) const EDGES_MAX: usize = 65_536;
/// Pending events in all. States and values coalesce to a handful a link, so there is room above
/// [`EDGES_MAX`] for the final state of very many links.
pub(super) const EVENTS_MAX: usize = 131_072;

/// An event whose turn it is.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) event: Event,
    /// Events (for routes: changes) that it stands for beside itself.
    pub(super) skipped: u64,
    /// Route changes are missing from the batch.
    pub(super) truncated: bool,
    /// Of changes of routes: what filters said.
    pub(super) runs: Option<Runs>,
    /// The last values of a link that is gone.
    pub(super) last: Option<Arc<LinkFacts>>,
}

/// A queue is full and the event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) link: LinkId,
    /// Events that wait, of this link.
    pub(super) pending: usize,
}

#[derive(Debug)]
struct Pending {
    event: Event,
    skipped: u64,
    batch: Option<Batch>,
    /// What filters said of the batch.
    runs: Option<Runs>,
}

#[derive(Debug, Default)]
struct LinkQueue {
    pending: VecDeque<Pending>,
    edges: usize,
    is_out: bool,
    last: Option<Arc<LinkFacts>>,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    links: HashMap<LinkId, LinkQueue>,
    ready: VecDeque<LinkId>,
    /// Links that went away since [`Queues::forget_idle`].
    gone: Vec<LinkId>,
    pending: usize,
    /// What coalesced; whoever pushes takes them.
    pub(super) notes: Vec<Note>,
}

impl Queues {
    /// Takes an event in, coalescing; changes of routes with those that run the same.
    pub(super) fn push(&mut self, event: Event, runs: Option<Runs>) -> Result<(), Full> {
        let link = event.link;
        let queue = self.links.entry(link).or_default();
        let before = queue.pending.len();
        let bound = if event.kind.class() == Class::Edge { EDGES_MAX } else { EVENTS_MAX };
        let full = Full { link, pending: before };
        let is_edge = event.kind.class() == Class::Edge;
        if is_edge && queue.edges >= EDGES_PER_LINK {
            return Err(full);
        }
        if !queue.absorb(event, runs, self.pending < bound, &mut self.notes) {
            self.forget_if_idle(link);
            return Err(full);
        }
        let was_ready = before > 0 || queue.is_out;
        self.pending = (self.pending + queue.pending.len()).saturating_sub(before);
        if !was_ready {
            self.ready.push_back(link);
        }
        Ok(())
    }

    /// The next event; its link is out until [`Queues::finished`].
    pub(super) fn next(&mut self) -> Option<Due> {
        while let Some(link) = self.ready.pop_front() {
            let Some(queue) = self.links.get_mut(&link) else { continue };
            let Some(pending) = queue.pending.pop_front() else { continue };
            self.pending = self.pending.saturating_sub(1);
            if pending.event.kind.class() == Class::Edge {
                queue.edges = queue.edges.saturating_sub(1);
            }
            queue.is_out = true;
            return Some(pending.due(queue.last.clone()));
        }
        None
    }

    /// The link's event is over; its next one may be due.
    pub(super) fn finished(&mut self, link: LinkId) {
        if let Some(queue) = self.links.get_mut(&link) {
            queue.is_out = false;
            if !queue.pending.is_empty() {
                self.ready.push_back(link);
            }
        }
        self.forget_if_idle(link);
    }

    /// The link is gone; what waits for it uses these values. A queue that is empty stays until
    /// [`Queues::forget_idle`], so that the event of the removal itself may follow.
    pub(super) fn link_gone(&mut self, link: LinkId, last: Arc<LinkFacts>) {
        self.links.entry(link).or_default().last = Some(last);
        self.gone.push(link);
    }

    /// The last values of a link that is gone.
    pub(super) fn last(&self, link: LinkId) -> Option<Arc<LinkFacts>> {
        self.links.get(&link).and_then(|queue| queue.last.clone())
    }

    /// Drops the queues of links that are gone and have nothing left.
    pub(super) fn forget_idle(&mut self) {
        for link in std::mem::take(&mut self.gone) {
            self.forget_if_idle(link);
        }
    }

    /// Events of this link that wait.
    pub(super) fn waiting(&self, link: LinkId) -> usize {
        self.links.get(&link).map_or(0, |queue| queue.pending.len())
    }

    /// Drops everything that waits and returns how many events that were.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.pending;
        self.links.clear();
        self.ready.clear();
        self.gone.clear();
        self.pending = 0;
        dropped
    }

    /// Events that wait.
    pub(super) fn len(&self) -> usize {
        self.pending
    }

    fn forget_if_idle(&mut self, link: LinkId) {
        if self.links.get(&link).is_some_and(|q| !q.is_out && q.pending.is_empty()) {
            self.links.remove(&link);
        }
    }
}

impl LinkQueue {
    /// False when the event needs a place of its own and there is none.
    fn absorb(
        &mut self,
        mut event: Event,
        runs: Option<Runs>,
        has_room: bool,
        notes: &mut Vec<Note>,
    ) -> bool {
        match event.kind.class() {
            Class::State => self.push_state(event, has_room, notes),
            Class::Value => {
                if let Some(older) = self.pending.iter_mut().find(|p| p.event.kind == event.kind) {
                    keep_oldest_value(&mut event, &older.event);
                    notes.push(Note::Coalesced { event: older.event.id, into: event.id });
                    older.event = event;
                    older.skipped += 1;
                    return true;
                }
                self.append(Pending { event, skipped: 0, batch: None, runs: None }, has_room)
            }
            Class::Batch => self.push_routes(event, runs, has_room, notes),
            Class::Edge => {
                let taken = self.append(Pending { event, skipped: 0, batch: None, runs: None }, has_room);
                self.edges += usize::from(taken);
                taken
            }
        }
    }

    fn push_state(&mut self, mut event: Event, has_room: bool, notes: &mut Vec<Note>) -> bool {
        let before = self.pending.len();
        let mut oldest_lease = None;
        let mut skipped = 0;
        self.pending.retain(|older| {
            let stays = older.event.kind.class() != Class::State || !supersedes(&event, &older.event);
            if !stays {
                skipped += older.skipped + 1;
                notes.push(Note::Coalesced { event: older.event.id, into: event.id });
            }
            if let (false, Detail::Lease { old }) = (stays, &older.event.detail) {
                oldest_lease.get_or_insert_with(|| old.clone());
            }
            stays
        });
        // The lease before all the changes that one run stands for.
        if let (Some(oldest), Detail::Lease { old }) = (oldest_lease, &mut event.detail) {
            *old = oldest;
        }
        let has_room = has_room || self.pending.len() < before;
        self.append(Pending { event, skipped, batch: None, runs: None }, has_room)
    }

    fn push_routes(
        &mut self,
        mut event: Event,
        runs: Option<Runs>,
        has_room: bool,
        notes: &mut Vec<Note>,
    ) -> bool {
        let Detail::Routes(changes) = std::mem::replace(&mut event.detail, Detail::None) else {
            return self.append(Pending { event, skipped: 0, batch: None, runs: None }, has_room);
        };
        let older = self
            .pending
            .iter_mut()
            .find(|p| p.event.kind == event.kind && p.batch.is_some() && p.runs == runs);
        if let Some(Pending { event: older, skipped, batch: Some(batch), .. }) = older {
            // The batch keeps the number and time of its first event, and the newest state.
            older.state = event.state;
            older.startup &= event.startup;
            *skipped += changes.into_iter().map(|change| batch.push(change)).sum::<u64>();
            notes.push(Note::Coalesced { event: event.id, into: older.id });
            return true;
        }
        let mut batch = Batch::default();
        let skipped = changes.into_iter().map(|change| batch.push(change)).sum();
        self.append(Pending { event, skipped, batch: Some(batch), runs }, has_room)
    }

    fn append(&mut self, pending: Pending, has_room: bool) -> bool {
        if has_room {
            self.pending.push_back(pending);
        }
        has_room
    }
}

impl Pending {
    fn due(mut self, last: Option<Arc<LinkFacts>>) -> Due {
        let mut truncated = false;
        if let Some(batch) = self.batch {
            truncated = batch.is_truncated();
            self.event.detail = Detail::Routes(batch.into_changes());
        }
        Due { event: self.event, skipped: self.skipped, truncated, runs: self.runs, last }
    }
}

/// The value before all the changes that one run stands for.
fn keep_oldest_value(event: &mut Event, older: &Event) {
    if let (Detail::Mtu { old, .. }, Detail::Mtu { old: oldest, .. }) = (&mut event.detail, &older.detail) {
        *old = *oldest;
    }
    if event.old_state.is_some() {
        event.old_state = older.old_state;
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
