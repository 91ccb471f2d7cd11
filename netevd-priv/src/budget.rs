//! The token bucket that bounds writes to the kernel. Pure: the clock is a parameter.

use std::time::Duration;

/// `rate` writes per second, with a burst of `burst` so that an initial pass fits.
pub(crate) struct Budget {
    rate: u32,
    burst: Duration,
    /// When all that was taken will have been earned.
    earned: Duration,
}

impl Budget {
    /// A full bucket. `rate` is at least 1 by the policy's own grammar.
    pub(crate) fn new(rate: u32, burst: u32) -> Self {
        let rate = rate.max(1);
        Self { rate, burst: Duration::from_secs(burst.into()) / rate, earned: Duration::ZERO }
    }

    /// Takes `count` tokens at `now`, a time since any fixed point; none, and false, when there are
    /// fewer.
    pub(crate) fn take(&mut self, count: usize, now: Duration) -> bool {
        let earned = self.earned.max(now) + Duration::from_secs(count as u64) / self.rate;
        let enough = earned <= now + self.burst;
        self.earned = if enough { earned } else { self.earned };
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_burst_then_the_rate() {
        let mut budget = Budget::new(10, 3);
        let now = Duration::from_secs(5);
        assert_eq!([(); 4].map(|()| budget.take(1, now)), [true, true, true, false]);
        assert!(!budget.take(1, now + Duration::from_millis(99)));
        assert!(budget.take(1, now + Duration::from_millis(100)));
        assert!(!budget.take(1, now + Duration::from_millis(100)));
        // Of several that are asked for at once none is given if not all can be.
        let later = now + Duration::from_millis(300);
        assert_eq!([3, 2, 1].map(|count| budget.take(count, later)), [false, true, false]);
    }

    proptest! {
        #[test]
        fn never_more_than_burst_and_rate(rate in 1u32..5000, burst in 1u32..100,
                                          gaps in prop::collection::vec(0u64..50, 1..300)) {
            let mut budget = Budget::new(rate, burst);
            let (mut now, mut taken) = (Duration::ZERO, 0u64);
            for gap in gaps {
                now += Duration::from_millis(gap);
                taken += u64::from(budget.take(1, now));
            }
            let earned = now.as_nanos() as f64 / 1e9 * f64::from(rate);
            prop_assert!(taken as f64 <= f64::from(burst) + earned * 1.001 + 1.0);
        }

        #[test]
        fn a_clock_that_stands_or_goes_back_earns_nothing(times in prop::collection::vec(0u64..1000, 20..40)) {
            let mut budget = Budget::new(1000, 5);
            let now = Duration::from_secs(2);
            while budget.take(1, now) {}
            for time in times { prop_assert!(!budget.take(1, Duration::from_millis(time))); }
        }
    }
}
