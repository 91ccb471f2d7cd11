//! Events that a dispatcher has not seen to their end: for the saved state.

use super::name_queue::NameQueue;
use super::{Completion, Dispatcher, Outcome};
use crate::event::{Event, EventId};
use crate::facts::LinkFacts;
use std::sync::Arc;

/// An event that waits, or some script of which has not run to its own end.
#[derive(Clone, Debug)]
pub struct Unrun {
    /// The event.
    pub event: Event,
    /// The last values of its link, if that is gone.
    pub last: Option<Arc<LinkFacts>>,
}

/// What a dispatcher leaves behind.
#[derive(Debug)]
pub struct Stopped {
    /// Runs that ended with it.
    pub completions: Vec<Completion>,
    /// Events for the next start, in order.
    pub unrun: Vec<Unrun>,
}

impl Dispatcher {
    /// What has not run: first the events that are out, then those that wait, each name in its order.
    pub fn unrun(&self) -> Vec<Unrun> {
        let mut unrun: Vec<Unrun> = self.active.values().map(|active| self.unrun_active(active)).collect();
        let waiting = self.queues.names().flat_map(NameQueue::events);
        let waiting = waiting.map(|event| Unrun { last: self.queues.last(event.link), event });
        unrun.extend(waiting);
        // Numbers rise with time; incarnations of one name come one after the other.
        unrun.sort_by_key(|unrun| (unrun.event.id, unrun.event.link));
        unrun
    }

    fn unrun_active(&self, active: &super::Active) -> Unrun {
        let (event, last) = active.unrun();
        let last = last.or_else(|| self.queues.last(event.link));
        Unrun { event, last }
    }
}

/// Whether a run that was ended with the daemon is to be made again: it did not come to its own end.
pub(super) fn is_cut_off(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Exited(0))
}

/// Those that are left of these, when the ones of `over` have run.
pub(super) fn without(mut unrun: Vec<Unrun>, over: &[EventId]) -> Vec<Unrun> {
    unrun.retain(|unrun| !over.contains(&unrun.event.id));
    unrun
}
