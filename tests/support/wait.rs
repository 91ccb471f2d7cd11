//! Waiting for a condition: the one place that sleeps.

use std::time::{Duration, Instant};

/// A guard against hangs, not a measure of speed; under a profiler NETEVD_TEST_PATIENCE, in seconds.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(8);

/// Waits until `condition` holds.
///
/// # Panics
/// After [`PATIENCE`], with `what` and what `explain` has to say.
pub(crate) fn wait_for(what: &str, explain: impl Fn() -> String, condition: impl FnMut() -> bool) {
    let asked = std::env::var("NETEVD_TEST_PATIENCE").ok();
    let seconds = |text: String| Duration::from_secs(text.parse().expect("a number of seconds"));
    wait_within(asked.map_or(PATIENCE, seconds), what, explain, condition);
}

/// The same for what takes longer than that by its nature; `patience` guards against hangs alone.
pub(crate) fn wait_within(
    patience: Duration,
    what: &str,
    explain: impl Fn() -> String,
    mut condition: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + patience;
    while !condition() {
        assert!(Instant::now() < deadline, "not seen within {patience:?}: {what}\n{}", explain());
        std::thread::sleep(PAUSE);
    }
}

/// Asserts that `condition` goes on to hold for `period`: for what must not happen, where there
/// is nothing to wait for.
pub(crate) fn holds_for(period: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + period;
    while Instant::now() < deadline {
        assert!(condition(), "no longer so: {what}");
        std::thread::sleep(PAUSE);
    }
}
