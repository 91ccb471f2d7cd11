//! When the helper checks again by itself. Pure: the clock is a parameter.

use std::time::Duration;

/// After the first ring the worker's own repair comes first.
const PATIENCE: Duration = Duration::from_millis(200);
/// After a pass nothing is done for this many times what it took of a processor: a twentieth at most. Not by
/// the clock, for on a busy machine a pass mostly waits.
const REST: u32 = 20;
/// So often while there is anything of ours, without a ring.
const INTERVAL: Duration = Duration::from_secs(30);
/// A synchronisation of the worker delays a pass by no more than this.
const SYNC: Duration = Duration::from_secs(5);

/// What the next pass depends on.
#[derive(Debug)]
pub(crate) struct Schedule {
    rung: Option<Duration>,
    /// Without a ring.
    next: Option<Duration>,
    /// Not before this.
    rested: Duration,
    syncing: bool,
}

impl Schedule {
    /// The first pass is at once.
    pub(crate) fn new(now: Duration) -> Self {
        Self { rung: None, next: Some(now), rested: now, syncing: false }
    }

    /// Something has changed in the kernel.
    pub(crate) fn ring(&mut self, now: Duration) {
        self.rung.get_or_insert(now);
    }

    /// It was rung already: more rings mean nothing.
    pub(crate) fn is_rung(&self) -> bool {
        self.rung.is_some()
    }

    /// The worker names its desired set.
    pub(crate) fn sync(&mut self, syncing: bool) {
        self.syncing = syncing;
    }

    /// When the next pass begins, if nothing happens until then.
    pub(crate) fn due(&self) -> Option<Duration> {
        let rung = self.rung.map(|rung| rung + PATIENCE);
        let wanted = [rung, self.next].into_iter().flatten().min()?.max(self.rested);
        Some(if self.syncing { wanted + SYNC } else { wanted })
    }

    /// A pass begins: what rings from now on is news.
    pub(crate) fn begin(&mut self) {
        (self.rung, self.next) = (None, None);
    }

    /// The pass is over, with what it `used` of a processor. `holds`: there is something of ours; `again`: there must be one by then.
    pub(crate) fn end(&mut self, used: Duration, now: Duration, holds: bool, again: Option<Duration>) {
        self.rested = now + used * REST;
        let regular = holds.then_some(now + INTERVAL);
        self.next = [regular, again].into_iter().flatten().min();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(1000 + milliseconds)
    }

    /// After a pass from 0 to 10 ms.
    fn after(holds: bool, again: Option<Duration>) -> Schedule {
        let mut schedule = Schedule::new(at(0));
        assert_eq!(schedule.due(), Some(at(0)));
        schedule.begin();
        schedule.end(Duration::from_millis(10), at(10), holds, again);
        schedule
    }

    #[test]
    fn a_ring_is_answered_after_a_while_and_never_more_than_a_twentieth_of_the_time() {
        let mut schedule = after(false, None);
        assert_eq!((schedule.due(), schedule.is_rung()), (None, false));
        schedule.ring(at(20));
        schedule.ring(at(150));
        assert_eq!((schedule.due(), schedule.is_rung()), (Some(at(220)), true));
        schedule.begin();
        schedule.end(Duration::from_millis(100), at(320), false, None);
        schedule.ring(at(330));
        assert_eq!(schedule.due(), Some(at(320 + 20 * 100)));
    }

    #[test]
    fn what_is_held_is_looked_at_without_a_ring() {
        assert_eq!(after(true, None).due(), Some(at(30_010)));
        assert_eq!(after(true, Some(at(2000))).due(), Some(at(2000)));
        assert_eq!(after(true, Some(at(20))).due(), Some(at(210)), "but never without a rest");
    }

    #[test]
    fn a_synchronisation_delays_a_pass_and_does_not_prevent_it() {
        let mut schedule = after(true, None);
        schedule.ring(at(1000));
        schedule.sync(true);
        assert_eq!(schedule.due(), Some(at(6200)));
        schedule.sync(false);
        schedule.sync(true);
        schedule.ring(at(6000));
        assert_eq!(schedule.due(), Some(at(6200)));
        schedule.sync(false);
        assert_eq!(schedule.due(), Some(at(1200)));
    }
}
