//! The queues of all link names, and whose turn it is: decisions alone, nothing is run here.
//!
//! At most one event of a name is out at a time. Names take turns, one script each: a name that was
//! idle goes before those that have had a turn since. What is left out is counted into the event that
//! stands for it (`SKIPPED`). Everything is bounded: [`EDGES_PER_NAME`], [`EDGES_MAX`], [`EVENTS_MAX`].

use super::name_queue::{Due, NameQueue};
use crate::filter::ScriptSelection;
use crate::model::{Class, Event, EventOutcome, LinkFacts, LinkId};
use protocol::InterfaceName;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Pending edge events of one name.
pub(super) const EDGES_PER_NAME: usize = 8_192;
/// Pending events in all beyond which no edge event gets in.
pub(super) const EDGES_MAX: usize = 65_536;
/// Pending events in all. States and values coalesce to a handful a link, so there is room above
/// [`EDGES_MAX`] for the final state of very many links.
pub(super) const EVENTS_MAX: usize = 131_072;

/// Whose turn it is. It is made and taken apart at once, so that its size does not matter.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a box for each event would cost more than it saves")]
pub(super) enum Turn {
    /// This event begins. Its name has no other turn before [`Queues::paused`] or
    /// [`Queues::finished`].
    Event(Due),
    /// The event of this link goes on with its next script.
    Script(LinkId),
}

/// A queue is full and the event was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full {
    pub(super) link: LinkId,
    /// Events that wait, of its name.
    pub(super) pending: usize,
}

/// What has one order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Link(InterfaceName),
    /// The host, and a link whose name is not known.
    Number(LinkId),
}

/// A link with events that wait or are out, or one that has just gone.
#[derive(Debug)]
struct Incarnation {
    name: Name,
    /// Its events that wait or are out.
    events: usize,
    /// Its last values, when it is gone.
    last: Option<Arc<LinkFacts>>,
}

/// All queues.
#[derive(Debug, Default)]
pub(super) struct Queues {
    links: HashMap<LinkId, Incarnation>,
    names: HashMap<Name, NameQueue>,
    /// Names that were idle, in the order in which they became ready.
    first: VecDeque<Name>,
    /// Names that have had a turn since they were idle.
    again: VecDeque<Name>,
    /// Links that went away since [`Queues::forget_idle`].
    gone: Vec<LinkId>,
    pending: usize,
    /// What coalesced; whoever pushes takes them.
    pub(super) outcomes: Vec<EventOutcome>,
}

impl Queues {
    /// Takes an event in, coalescing; changes of routes with those that run the same. `name` is asked
    /// for a link of which nothing waits.
    pub(super) fn push(
        &mut self,
        event: Event,
        selection: Option<ScriptSelection>,
        name: impl FnOnce() -> Option<InterfaceName>,
    ) -> Result<(), Full> {
        let link = event.link;
        let is_edge = event.kind.class() == Class::Edge;
        let bound = if is_edge { EDGES_MAX } else { EVENTS_MAX };
        let incarnation = self.links.entry(link).or_insert_with(|| Incarnation {
            name: name().map_or(Name::Number(link), Name::Link),
            events: 0,
            last: None,
        });
        let queue = self.names.entry(incarnation.name.clone()).or_default();
        let was_idle = queue.is_idle();
        let before = queue.pending.len();
        let has_room = self.pending < bound && !(is_edge && queue.edges >= EDGES_PER_NAME);
        if !queue.absorb(event, selection, has_room, &mut self.outcomes) {
            self.forget_if_idle(link);
            return Err(Full { link, pending: before });
        }
        let after = queue.pending.len();
        incarnation.events = (incarnation.events + after).saturating_sub(before);
        self.pending = (self.pending + after).saturating_sub(before);
        if was_idle {
            self.first.push_back(incarnation.name.clone());
        }
        Ok(())
    }

    /// The next turn.
    pub(super) fn next(&mut self) -> Option<Turn> {
        while let Some(name) = self.first.pop_front().or_else(|| self.again.pop_front()) {
            let Some(queue) = self.names.get_mut(&name) else { continue };
            if let Some(link) = queue.out {
                return Some(Turn::Script(link));
            }
            let Some(pending) = queue.pop() else { continue };
            self.pending = self.pending.saturating_sub(1);
            let last = self.last(pending.event.link);
            return Some(Turn::Event(pending.due(last)));
        }
        None
    }

    /// A script of the link's event is over, and the event has more of them.
    pub(super) fn paused(&mut self, link: LinkId) {
        if let Some(incarnation) = self.links.get(&link) {
            self.again.push_back(incarnation.name.clone());
        }
    }

    /// The link's event is over; the next one of its name may be due.
    pub(super) fn finished(&mut self, link: LinkId) {
        if let Some(incarnation) = self.links.get_mut(&link)
            && let Some(queue) = self.names.get_mut(&incarnation.name)
        {
            incarnation.events = incarnation.events.saturating_sub(1);
            queue.out = None;
            if !queue.pending.is_empty() {
                self.again.push_back(incarnation.name.clone());
            }
        }
        self.forget_if_idle(link);
    }

    /// The link is gone; what waits for it uses these values. It stays known until
    /// [`Queues::forget_idle`], so that the event of the removal itself may follow.
    pub(super) fn link_gone(&mut self, link: LinkId, last: Arc<LinkFacts>) {
        let name = || Name::Link(last.name.clone());
        let incarnation =
            self.links.entry(link).or_insert_with(|| Incarnation { name: name(), events: 0, last: None });
        incarnation.last = Some(last);
        self.gone.push(link);
    }

    /// The last values of a link that is gone.
    pub(super) fn last(&self, link: LinkId) -> Option<Arc<LinkFacts>> {
        self.links.get(&link).and_then(|incarnation| incarnation.last.clone())
    }

    /// Forgets links that are gone and have nothing left.
    pub(super) fn forget_idle(&mut self) {
        for link in std::mem::take(&mut self.gone) {
            self.forget_if_idle(link);
        }
    }

    /// Events under a name that wait, and the link whose event is out.
    pub(super) fn of_name(&self, name: &InterfaceName) -> (usize, Option<LinkId>) {
        let queue = self.names.get(&Name::Link(name.clone()));
        queue.map_or((0, None), |queue| (queue.pending.len(), queue.out))
    }

    /// Everything that waits.
    pub(super) fn names(&self) -> impl Iterator<Item = &NameQueue> {
        self.names.values()
    }

    /// Names that wait for a turn.
    pub(super) fn ready(&self) -> usize {
        self.first.len() + self.again.len()
    }

    /// Drops everything that waits and returns how many events that were.
    pub(super) fn clear(&mut self) -> usize {
        let dropped = self.pending;
        *self = Self { outcomes: std::mem::take(&mut self.outcomes), ..Self::default() };
        dropped
    }

    /// Events that wait.
    pub(super) fn len(&self) -> usize {
        self.pending
    }

    fn forget_if_idle(&mut self, link: LinkId) {
        let Some(incarnation) = self.links.get(&link).filter(|known| known.events == 0) else { return };
        if self.names.get(&incarnation.name).is_some_and(NameQueue::is_idle) {
            self.names.remove(&incarnation.name);
        }
        self.links.remove(&link);
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
