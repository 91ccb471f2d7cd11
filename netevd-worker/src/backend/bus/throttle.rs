//! Log lines that a stranger can cause: some, then counted.

use std::time::{Duration, Instant};

/// At most one line in this time.
const PERIOD: Duration = Duration::from_secs(60);

/// Permits one line a minute and counts what it held back.
#[derive(Debug, Default)]
pub struct Throttle {
    last: Option<Instant>,
    suppressed: u64,
}

impl Throttle {
    /// `Some(n)` when a line may be written now; `n` were held back since the last one.
    pub fn permit(&mut self, now: Instant) -> Option<u64> {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < PERIOD) {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_and_the_rest_counted() {
        let mut throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.permit(start), Some(0));
        assert_eq!(throttle.permit(start + Duration::from_secs(1)), None);
        assert_eq!(throttle.permit(start + Duration::from_secs(59)), None);
        assert_eq!(throttle.permit(start + PERIOD), Some(2));
        assert_eq!(throttle.permit(start + PERIOD), None);
    }
}
