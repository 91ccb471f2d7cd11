//! Events that a dispatcher has not seen to their end: for the saved state.

use super::Dispatcher;
use super::name_queue::NameQueue;
use crate::model::UnfinishedEvent;
use crate::model::{Completion, EventId, Outcome};

/// What a dispatcher leaves behind.
#[derive(Debug)]
pub struct Stopped {
    /// Runs that ended with it.
    pub completions: Vec<Completion>,
    /// Events for the next start, in order.
    pub unfinished: Vec<UnfinishedEvent>,
}

impl Dispatcher {
    /// What has not run: first the events that are out, then those that wait, each name in its order.
    pub fn unfinished(&self) -> Vec<UnfinishedEvent> {
        let mut unfinished: Vec<UnfinishedEvent> =
            self.active.values().map(|active| self.unfinished_active(active)).collect();
        let waiting = self.queues.names().flat_map(NameQueue::events);
        let waiting = waiting.map(|event| UnfinishedEvent { last: self.queues.last(event.link), event });
        unfinished.extend(waiting);
        // Numbers rise with time; incarnations of one name come one after the other.
        unfinished.sort_by_key(|unfinished| (unfinished.event.id, unfinished.event.link));
        unfinished
    }

    fn unfinished_active(&self, active: &super::Active) -> UnfinishedEvent {
        let (event, last) = active.unfinished();
        let last = last.or_else(|| self.queues.last(event.link));
        UnfinishedEvent { event, last }
    }
}

/// Whether a run that was ended with the daemon is to be made again: it did not come to its own end.
pub(super) fn is_cut_off(outcome: &Outcome) -> bool {
    !matches!(outcome, Outcome::Exited(0))
}

/// Those that are left of these, when the ones of `over` have run.
pub(super) fn without(mut unfinished: Vec<UnfinishedEvent>, over: &[EventId]) -> Vec<UnfinishedEvent> {
    unfinished.retain(|unfinished| !over.contains(&unfinished.event.id));
    unfinished
}
