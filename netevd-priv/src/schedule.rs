//! When the helper checks again by itself. Pure: the clock is a parameter.

use std::time::Duration;

/// After the first ring the worker's own repair comes first.
const PATIENCE: Duration = Duration::from_millis(200);
/// After a pass nothing is done for this many times what it took of a processor: a twentieth at most. Not by
/// the clock, for on a busy machine a pass mostly waits.
const REST: u32 = 20;
/// A synchronisation of the worker delays a pass by no more than this.
const SYNC: Duration = Duration::from_secs(5);

/// What the next pass depends on.
pub(crate) struct Schedule {
    /// More rings mean nothing.
    pub(crate) rung: Option<Duration>,
    /// Without a ring.
    next: Option<Duration>,
    /// Not before this.
    rested: Duration,
}

impl Schedule {
    /// The first pass is at once.
    pub(crate) fn new(now: Duration) -> Self {
        Self { rung: None, next: Some(now), rested: now }
    }

    /// Something has changed in the kernel.
    pub(crate) fn ring(&mut self, now: Duration) {
        self.rung.get_or_insert(now);
    }

    /// When the next pass begins, if nothing happens until then. `syncing`: the worker names its desired set.
    pub(crate) fn due(&self, syncing: bool) -> Option<Duration> {
        let rung = self.rung.map(|rung| rung + PATIENCE);
        let wanted = [rung, self.next].into_iter().flatten().min()?.max(self.rested);
        Some(if syncing { wanted + SYNC } else { wanted })
    }

    /// A pass is over, with what it `used` of a processor; there must be another one `next`. What rang while it
    /// went on is still to be heard.
    pub(crate) fn passed(&mut self, used: Duration, now: Duration, next: Option<Duration>) {
        (self.rung, self.rested, self.next) = (None, now + used * REST, next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(1000 + milliseconds)
    }

    /// After a pass from 0 to 10 ms.
    fn after(next: Option<Duration>) -> Schedule {
        let mut schedule = Schedule::new(at(0));
        assert_eq!(schedule.due(false), Some(at(0)));
        schedule.passed(Duration::from_millis(10), at(10), next);
        schedule
    }

    #[test]
    fn a_ring_is_answered_after_a_while_and_never_more_than_a_twentieth_of_the_time() {
        let mut schedule = after(None);
        assert_eq!((schedule.due(false), schedule.rung.is_some()), (None, false));
        schedule.ring(at(20));
        schedule.ring(at(150));
        assert_eq!((schedule.due(false), schedule.rung.is_some()), (Some(at(220)), true));
        schedule.passed(Duration::from_millis(100), at(320), None);
        schedule.ring(at(330));
        assert_eq!(schedule.due(false), Some(at(320 + 20 * 100)));
    }

    #[test]
    fn what_is_held_is_looked_at_without_a_ring() {
        assert_eq!(after(Some(at(2000))).due(false), Some(at(2000)));
        assert_eq!(after(Some(at(20))).due(false), Some(at(210)), "but never without a rest");
    }

    #[test]
    fn a_synchronisation_delays_a_pass_and_does_not_prevent_it() {
        let mut schedule = after(Some(at(30_010)));
        schedule.ring(at(1000));
        assert_eq!(schedule.due(true), Some(at(6200)));
        schedule.ring(at(6000));
        assert_eq!(schedule.due(true), Some(at(6200)));
        assert_eq!(schedule.due(false), Some(at(1200)));
    }
}
