//! The queue of one link name: what waits for its turn, coalesced by [`Class`], over all incarnations
//! of the link.
//!
//! A link that is deleted and made again, or renamed away and back, is another incarnation under the
//! same name, and scripts and units know names only. So there is one order for all of them: first
//! what was asked for the older one. Only events of the same incarnation coalesce.

use super::batch::Batch;
use super::coalesce::supersedes;
use crate::filter::ScriptSelection;
use crate::model::{Class, Detail, Event, EventOutcome, LinkFacts, LinkId};
use std::collections::VecDeque;
use std::sync::Arc;

/// An event whose turn it is.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) event: Event,
    /// Events (for routes: changes) that it stands for beside itself.
    pub(super) skipped: u64,
    /// Route changes are missing from the batch.
    pub(super) truncated: bool,
    /// Of changes of routes: what filters said.
    pub(super) selection: Option<ScriptSelection>,
    /// The last values of a link that is gone.
    pub(super) last: Option<Arc<LinkFacts>>,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) event: Event,
    pub(super) skipped: u64,
    batch: Option<Batch>,
    /// What filters said of the batch.
    selection: Option<ScriptSelection>,
}

/// What waits under one name, and the incarnation whose event is out.
#[derive(Debug, Default)]
pub(super) struct NameQueue {
    pub(super) pending: VecDeque<Pending>,
    /// Edge events among them.
    pub(super) edges: usize,
    pub(super) out: Option<LinkId>,
}

impl NameQueue {
    /// Nothing waits and nothing is out.
    pub(super) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.out.is_none()
    }

    /// The next event, which is out from now on.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        self.edges -= usize::from(pending.event.kind.class() == Class::Edge);
        self.out = Some(pending.event.link);
        Some(pending)
    }

    /// What waits, as it would be due.
    pub(super) fn events(&self) -> impl Iterator<Item = Event> {
        self.pending.iter().map(|pending| match &pending.batch {
            None => pending.event.clone(),
            Some(batch) => {
                Event { detail: Detail::Routes(batch.changes().cloned().collect()), ..pending.event.clone() }
            }
        })
    }

    /// Takes an event in. False when it needs a place in the queue and `has_room` says that there is
    /// none.
    pub(super) fn absorb(
        &mut self,
        mut event: Event,
        selection: Option<ScriptSelection>,
        has_room: bool,
        outcomes: &mut Vec<EventOutcome>,
    ) -> bool {
        match event.kind.class() {
            Class::State => self.push_state(event, has_room, outcomes),
            Class::Value => {
                let is_older = |p: &&mut Pending| is_same_value(&p.event, &event);
                if let Some(older) = self.pending.iter_mut().find(is_older) {
                    keep_oldest_value(&mut event, &older.event);
                    outcomes.push(EventOutcome::Coalesced { event: older.event.id, into: event.id });
                    older.event = event;
                    older.skipped += 1;
                    return true;
                }
                self.insert(Pending { event, skipped: 0, batch: None, selection: None }, has_room)
            }
            Class::Batch => self.push_routes(event, selection, has_room, outcomes),
            Class::Edge => {
                let taken =
                    self.insert(Pending { event, skipped: 0, batch: None, selection: None }, has_room);
                self.edges += usize::from(taken);
                taken
            }
        }
    }

    fn push_state(&mut self, mut event: Event, has_room: bool, outcomes: &mut Vec<EventOutcome>) -> bool {
        let before = self.pending.len();
        let mut oldest_lease = None;
        let mut skipped = 0;
        self.pending.retain(|older| {
            let is_state = older.event.kind.class() == Class::State && older.event.link == event.link;
            let stays = !is_state || !supersedes(&event, &older.event);
            if !stays {
                skipped += older.skipped + 1;
                outcomes.push(EventOutcome::Coalesced { event: older.event.id, into: event.id });
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
        self.insert(Pending { event, skipped, batch: None, selection: None }, has_room)
    }

    fn push_routes(
        &mut self,
        mut event: Event,
        selection: Option<ScriptSelection>,
        has_room: bool,
        outcomes: &mut Vec<EventOutcome>,
    ) -> bool {
        let Detail::Routes(changes) = std::mem::replace(&mut event.detail, Detail::None) else {
            return self.insert(Pending { event, skipped: 0, batch: None, selection: None }, has_room);
        };
        let older = self.pending.iter_mut().find(|p| {
            (p.event.link, p.event.kind) == (event.link, event.kind)
                && p.batch.is_some()
                && p.selection == selection
        });
        if let Some(Pending { event: older, skipped, batch: Some(batch), .. }) = older {
            // The batch keeps the number and time of its first event, and the newest state.
            older.state = event.state;
            older.startup &= event.startup;
            *skipped += changes.into_iter().map(|change| batch.push(change)).sum::<u64>();
            outcomes.push(EventOutcome::Coalesced { event: event.id, into: older.id });
            return true;
        }
        let mut batch = Batch::default();
        let skipped = changes.into_iter().map(|change| batch.push(change)).sum();
        self.insert(Pending { event, skipped, batch: Some(batch), selection }, has_room)
    }

    /// Last, but before those of a newer incarnation: a dump tells links by their index, so the end of
    /// the older one may come after the beginning of the newer one.
    fn insert(&mut self, pending: Pending, has_room: bool) -> bool {
        if has_room {
            let link = pending.event.link;
            let newer = self.pending.iter().rposition(|p| p.event.link <= link).map_or(0, |last| last + 1);
            self.pending.insert(newer, pending);
        }
        has_room
    }
}

impl Pending {
    pub(super) fn due(mut self, last: Option<Arc<LinkFacts>>) -> Due {
        let mut truncated = false;
        if let Some(batch) = self.batch {
            truncated = batch.is_truncated();
            self.event.detail = Detail::Routes(batch.into_changes());
        }
        Due { event: self.event, skipped: self.skipped, truncated, selection: self.selection, last }
    }
}

/// Each family has a gateway of its own.
fn is_same_value(a: &Event, b: &Event) -> bool {
    let family = |event: &Event| match &event.detail {
        Detail::Gateway(change) => Some(change.family),
        _ => None,
    };
    (a.link, a.kind) == (b.link, b.kind) && family(a) == family(b)
}

/// The value before all the changes that one run stands for.
fn keep_oldest_value(event: &mut Event, older: &Event) {
    if let (Detail::Mtu { old, .. }, Detail::Mtu { old: oldest, .. }) = (&mut event.detail, &older.detail) {
        *old = *oldest;
    }
    match (&mut event.detail, &older.detail) {
        (Detail::Gateway(change), Detail::Gateway(oldest)) => change.old = oldest.old,
        (Detail::Dns { old }, Detail::Dns { old: oldest }) => old.clone_from(oldest),
        (Detail::Lease { old }, Detail::Lease { old: oldest }) => old.clone_from(oldest),
        _ => {}
    }
    if event.old_state.is_some() {
        event.old_state = older.old_state;
    }
}
