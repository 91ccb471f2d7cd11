//! When freed memory goes back to the kernel: the allocator keeps what a storm needed, and nobody
//! needs it again soon. Not during the storm, where it would be taken again at once. Pure over the clock.

use std::time::{Duration, Instant};

/// Pieces of work that are a storm: below, what they needed is not worth the walk through the heap.
const STORM: usize = 1_000;
/// So long after the last of them it is over.
const CALM: Duration = Duration::from_secs(1);

/// What has been done since memory was given back.
#[derive(Debug, Default)]
pub(super) struct Thrift {
    work: usize,
    at: Option<Instant>,
}

impl Thrift {
    /// So many events were told, questions answered.
    pub(super) fn worked(&mut self, pieces: usize, now: Instant) {
        self.work = self.work.saturating_add(pieces);
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

    /// It was.
    pub(super) fn given_back(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_goes_back_when_a_storm_is_over_and_never_for_little() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut thrift = Thrift::default();
        for millis in 0..999 {
            thrift.worked(1, at(millis));
        }
        assert_eq!(thrift.due(), None);
        thrift.worked(1, at(1_000));
        assert_eq!(thrift.due(), Some(at(2_000)));
        thrift.worked(64, at(1_500));
        assert_eq!(thrift.due(), Some(at(2_500)), "it goes on");
        thrift.worked(0, at(2_000));
        assert_eq!(thrift.due(), Some(at(2_500)), "nothing was done");
        thrift.given_back();
        thrift.worked(999, at(3_000));
        assert_eq!(thrift.due(), None);
        thrift.read_much(at(4_000));
        assert_eq!(thrift.due(), Some(at(5_000)));
    }
}
