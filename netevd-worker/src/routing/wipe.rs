//! Another program that deletes what is ours: how often it may before it is named, and how long
//! to wait before the next repair. Pure over the clock.

use std::time::{Duration, Instant};

/// Wipes within this time belong together.
const WINDOW: Duration = Duration::from_secs(60);
/// So many are repaired at once; the last of them is named in a warning.
const AT_ONCE: u32 = 3;
/// What goes within this time after the first is one wipe: a flush deletes rule by rule, and each
/// may be back before the next is gone.
const BURST: Duration = Duration::from_millis(500);
/// The longest wait before a repair.
const MAX_LENGTH: Duration = Duration::from_secs(60);

/// Counts wipes.
#[derive(Debug, Default)]
pub struct WipeWatch {
    count: u32,
    /// When the wipe that was counted last began.
    began: Option<Instant>,
    last: Option<Instant>,
    backoff_until: Option<Instant>,
}

/// What follows from a wipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WipeVerdict {
    /// Repaired; nothing more.
    Repaired,
    /// Repaired, and to be named now, once.
    Warn,
    /// Repaired; the next one that comes alone waits this long.
    BackOff(Duration),
}

impl WipeWatch {
    /// A pass found that objects of ours were deleted by someone else, and put them back.
    pub fn wiped(&mut self, now: Instant) -> WipeVerdict {
        if self.last.is_none_or(|last| now.duration_since(last) > WINDOW) {
            self.count = 0;
            self.began = None;
        }
        self.last = Some(now);
        if self.began.is_some_and(|began| now.duration_since(began) < BURST) {
            return WipeVerdict::Repaired;
        }
        self.began = Some(now);
        self.count = self.count.saturating_add(1);
        if self.count < AT_ONCE {
            return WipeVerdict::Repaired;
        }
        // 1, 2, 4 … 60 seconds: a fight that nobody wins must not cost a processor.
        let wait = Duration::from_secs(1 << (self.count - AT_ONCE).min(6)).min(MAX_LENGTH);
        self.backoff_until = now.checked_add(wait);
        if self.count == AT_ONCE { WipeVerdict::Warn } else { WipeVerdict::BackOff(wait) }
    }

    /// Until when a deletion of ours that comes alone is left as it is; `None`: repair now.
    pub fn backoff_until(&self, now: Instant) -> Option<Instant> {
        self.backoff_until.filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_are_repaired_at_once_and_then_it_backs_off() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut watch = WipeWatch::default();
        assert_eq!(watch.wiped(at(0)), WipeVerdict::Repaired);
        assert_eq!(watch.wiped(at(1)), WipeVerdict::Repaired);
        assert_eq!(watch.backoff_until(at(1)), None);
        assert_eq!(watch.wiped(at(2)), WipeVerdict::Warn);
        assert_eq!(watch.backoff_until(at(2)), Some(at(3)));
        assert_eq!(watch.wiped(at(3)), WipeVerdict::BackOff(Duration::from_secs(2)));
        for second in 4..44 {
            watch.wiped(at(second));
        }
        assert_eq!(watch.wiped(at(45)), WipeVerdict::BackOff(MAX_LENGTH));
        assert_eq!(watch.wiped(at(106)), WipeVerdict::Repaired);
    }

    #[test]
    fn a_flush_that_takes_rule_by_rule_is_one_wipe() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut watch = WipeWatch::default();
        for millis in 0..400 {
            assert_eq!(watch.wiped(at(millis)), WipeVerdict::Repaired);
        }
        assert_eq!(watch.backoff_until(at(400)), None);
        // Who goes on and on is noticed all the same.
        let verdicts: Vec<_> = (400..1_100).map(|millis| watch.wiped(at(millis))).collect();
        assert!(verdicts.contains(&WipeVerdict::Warn));
    }
}
