//! When memory goes back to the kernel: the allocator keeps what a storm needed, and the program's own pages
//! stay, and nobody needs either again soon. Not during the storm, where both would be taken again at once; the
//! program's not between events either, which would wait for them. Pure over the clock.

use std::time::{Duration, Instant};

/// Pieces of work that are a storm: below, what they needed is not worth the walk through the heap.
const STORM: usize = 1_000;
/// So long after the last of them it is over.
const CALM: Duration = Duration::from_secs(1);

/// What has been done since memory was given back.
#[derive(Debug, Default)]
pub(super) struct MemoryTrimmer {
    work: usize,
    at: Option<Instant>,
    /// Pages of the program have come that nothing at rest needs.
    has_pages: bool,
}

impl MemoryTrimmer {
    /// So many events were told, questions answered.
    pub(super) fn worked(&mut self, pieces: usize, now: Instant) {
        self.work = self.work.saturating_add(pieces);
        self.has_pages |= pieces > 0;
        if self.work >= STORM && pieces > 0 {
            self.at = Some(now + CALM);
        }
    }

    /// The kernel's whole state was read, and that was much.
    pub(super) fn read_much(&mut self, now: Instant) {
        self.worked(STORM, now);
    }

    /// When memory is to be given back; `None` after little work.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at
    }

    /// Whether the program's pages go as well: after a storm, and when nothing has been done since the last time.
    pub(super) fn includes_program(&self) -> bool {
        self.has_pages && (self.at.is_some() || self.work == 0)
    }

    /// It was.
    pub(super) fn trimmed(&mut self) {
        *self = Self { has_pages: self.has_pages && !self.includes_program(), ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_back_when_a_storm_is_over_and_never_for_little() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut trimmer = MemoryTrimmer::default();
        for millis in 0..999 {
            trimmer.worked(1, at(millis));
        }
        assert_eq!(trimmer.due(), None);
        trimmer.worked(1, at(1_000));
        assert_eq!(trimmer.due(), Some(at(2_000)));
        trimmer.worked(64, at(1_500));
        assert_eq!(trimmer.due(), Some(at(2_500)), "it goes on");
        trimmer.worked(0, at(2_000));
        assert_eq!(trimmer.due(), Some(at(2_500)), "nothing was done");
        trimmer.trimmed();
        trimmer.worked(999, at(3_000));
        assert_eq!(trimmer.due(), None);
        trimmer.read_much(at(4_000));
        assert_eq!(trimmer.due(), Some(at(5_000)));
    }

    #[test]
    fn the_program_s_pages_go_after_a_storm_and_after_a_minute_without_work() {
        let now = Instant::now();
        let mut trimmer = MemoryTrimmer::default();
        let mut a_minute_with = |pieces: usize| {
            trimmer.worked(pieces, now);
            let go = trimmer.includes_program();
            trimmer.trimmed();
            go
        };
        assert!(!a_minute_with(0), "none have come");
        assert!(!a_minute_with(1), "they may be needed for the next");
        assert!(!a_minute_with(1));
        assert!(a_minute_with(0));
        assert!(!a_minute_with(0), "they went");
        assert!(a_minute_with(1_000), "a storm is over");
        assert!(!a_minute_with(0), "they went");
    }
}
