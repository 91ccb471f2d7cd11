//! Which events have been told, so that none is told twice in the same way.

use netevd_worker::document::EventDocument;
use std::collections::BTreeSet;

/// Numbers that are remembered; the daemon's own memory of events is smaller.
const REMEMBERED: usize = 16_384;

/// Per life of the daemon: what was told as come, and what as done.
#[derive(Debug)]
pub(super) struct SeenEvents {
    instance: String,
    /// Events up to this one are done with, but for those that were told as come.
    floor: u64,
    come: BTreeSet<u64>,
    done: BTreeSet<u64>,
}

impl SeenEvents {
    /// Nothing yet.
    pub(super) fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), floor: 0, come: BTreeSet::new(), done: BTreeSet::new() }
    }

    /// Events up to this one that were not told are not to be told.
    pub(super) fn begins_after(&mut self, id: u64) {
        self.floor = self.floor.max(id);
    }

    /// Whether there is something new to tell of this event, which is then taken as told.
    pub(super) fn is_new(&mut self, instance: &str, event: &EventDocument) -> bool {
        if instance != self.instance {
            *self = Self::new(instance);
        }
        let is_open = matches!(event.action.as_str(), "waiting" | "running");
        let was_come = self.come.contains(&event.id);
        if (event.id <= self.floor && !was_come) || self.done.contains(&event.id) {
            return false;
        }
        if is_open {
            return self.come.insert(event.id);
        }
        self.come.remove(&event.id);
        self.done.insert(event.id);
        while self.done.len() > REMEMBERED {
            self.floor = self.floor.max(self.done.pop_first().unwrap_or(0));
        }
        while self.come.len() > REMEMBERED {
            self.come.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::views::fixtures::event;

    #[test]
    fn an_event_comes_once_and_is_done_once() {
        let mut seen = SeenEvents::new("a");
        let says = |seen: &mut SeenEvents, id, action| seen.is_new("a", &event(id, action));
        assert!(says(&mut seen, 1, "waiting"));
        assert!(!says(&mut seen, 1, "running"));
        assert!(says(&mut seen, 2, "none"));
        assert!(says(&mut seen, 1, "done"));
        assert!(!says(&mut seen, 1, "done") && !says(&mut seen, 2, "none") && !says(&mut seen, 1, "running"));
    }

    #[test]
    fn the_tail_begins_where_it_was_asked_to() {
        let mut seen = SeenEvents::new("a");
        assert!(seen.is_new("a", &event(7, "running")));
        seen.begins_after(9);
        assert!(!seen.is_new("a", &event(8, "done")), "older, and not in the tail");
        assert!(seen.is_new("a", &event(7, "done")), "it was told as come");
        assert!(seen.is_new("a", &event(10, "none")));
    }

    #[test]
    fn another_life_of_the_daemon_counts_anew() {
        let mut seen = SeenEvents::new("a");
        assert!(seen.is_new("a", &event(1, "done")));
        assert!(seen.is_new("b", &event(1, "done")));
        assert!(!seen.is_new("b", &event(1, "done")));
    }

    #[test]
    fn memory_is_bounded() {
        let mut seen = SeenEvents::new("a");
        for id in 1..=40_000 {
            assert!(seen.is_new("a", &event(id, "none")));
        }
        assert_eq!(seen.done.len(), REMEMBERED);
        assert!(!seen.is_new("a", &event(3, "none")));
    }
}
