//! How long to wait before the next attempt. No reason and no log: whoever waits tells why.

use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_millis(100);
const MAX_LENGTH: Duration = Duration::from_secs(10);
/// A session that held this long was a good one.
const GOOD: Duration = Duration::from_secs(5);

/// The pause between attempts: none, then 100 ms doubling to 10 s; from the start again after a
/// good session.
#[derive(Debug, Default)]
pub struct Backoff {
    pause: Duration,
    since: Option<Instant>,
}

impl Backoff {
    /// Waits for the pause that is due, and doubles the next one.
    pub async fn pause(&mut self) {
        let pause = self.next();
        if !pause.is_zero() {
            crate::clock::sleep(pause).await;
        }
    }

    /// An attempt succeeded.
    pub fn connected(&mut self) {
        self.since = Some(Instant::now());
    }

    /// What was connected is gone.
    pub fn lost(&mut self) {
        self.lost_after(self.since.map(|since| since.elapsed()).unwrap_or_default());
    }

    fn lost_after(&mut self, session: Duration) {
        self.since = None;
        if session >= GOOD {
            self.pause = FIRST;
        }
    }

    fn next(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = (pause * 2).clamp(FIRST, MAX_LENGTH);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_to_ten_seconds_and_starts_again_after_a_good_session() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..10).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(pauses, [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        backoff.lost_after(Duration::from_millis(20));
        assert_eq!(backoff.next(), MAX_LENGTH, "a session that breaks at once is no reason to hurry");
        backoff.lost_after(GOOD);
        assert_eq!(backoff.next(), FIRST);
    }
}
