//! Waits by the clocks that go on while the machine sleeps: timerfd_create(2).
//!
//! The clock of [`std::time::Instant`] and of the runtime's timers stands still in suspend
//! (CLOCK_MONOTONIC, clock_gettime(2)). That is right for what the machine itself does, and wrong for what
//! others wait for meanwhile: the end of a lease, another attempt to reach a service.

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use nix::time::clock_gettime;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::io::unix::AsyncFd;

/// A jump of the offset between the clocks below this is no suspend.
const LEAST: Duration = Duration::from_secs(1);

/// Sleeps for this long, the time in suspend included.
pub(crate) async fn sleep(duration: Duration) {
    // A length of zero would unset the timer.
    let left = Expiration::OneShot(TimeSpec::from_duration(duration.max(Duration::from_nanos(1))));
    if expires(ClockId::CLOCK_BOOTTIME, left, TimerSetTimeFlags::empty()).await.is_err() {
        tokio::time::sleep(duration).await;
    }
}

/// Sleeps until the clock on the wall says this, whether it goes there, is set there, or was there when the
/// machine woke up.
pub(crate) async fn sleep_until(time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default().max(Duration::from_nanos(1));
    let end = Expiration::OneShot(TimeSpec::from_duration(since));
    if expires(ClockId::CLOCK_REALTIME, end, TimerSetTimeFlags::TFD_TIMER_ABSTIME).await.is_err() {
        tokio::time::sleep(time.duration_since(SystemTime::now()).unwrap_or_default()).await;
    }
}

async fn expires(clock: ClockId, when: Expiration, flags: TimerSetTimeFlags) -> io::Result<()> {
    let timer = TimerFd::new(clock, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
    timer.set(when, flags)?;
    let ready: AsyncFd<OwnedFd> = crate::sys::watch_readable(timer.as_fd().try_clone_to_owned()?)?;
    ready.readable().await?.retain_ready();
    Ok(())
}

/// How long the machine has slept since it was last asked.
#[derive(Debug)]
pub(crate) struct SleepWatch {
    apart: Duration,
}

impl SleepWatch {
    /// From now on.
    pub(crate) fn new() -> Self {
        Self { apart: apart() }
    }

    /// The length of a sleep since the last call, if there was one.
    pub(crate) fn slept(&mut self) -> Option<Duration> {
        let before = std::mem::replace(&mut self.apart, apart());
        let slept = self.apart.saturating_sub(before);
        (slept >= LEAST).then_some(slept)
    }
}

/// How far the clock that stands in suspend is behind the one that does not.
fn apart() -> Duration {
    let read = |clock: nix::time::ClockId| clock_gettime(clock).map(Duration::from).unwrap_or_default();
    let monotonic = read(nix::time::ClockId::CLOCK_MONOTONIC);
    read(nix::time::ClockId::CLOCK_BOOTTIME).saturating_sub(monotonic)
}

/// The time that this process itself has run while it waits: without what a stopped, frozen or paused
/// machine took. Whoever waits is woken every so often; a wake-up that comes far too late was no wait.
#[derive(Debug)]
pub(crate) struct RunningTime {
    slice: Duration,
    last: Instant,
    counted: Duration,
    paused: Duration,
}

impl RunningTime {
    /// Begins now. `limit` says how exact it needs to be.
    pub(crate) fn new(limit: Duration) -> Self {
        Self::since(Instant::now(), limit)
    }

    /// Began a moment ago.
    pub(crate) fn since(begun: Instant, limit: Duration) -> Self {
        let slice = (limit / 16).clamp(Duration::from_millis(50), Duration::from_secs(2));
        Self { slice, last: begun, counted: Duration::ZERO, paused: Duration::ZERO }
    }

    /// Waits until so much time has run. Cancel-safe.
    pub(crate) async fn reaches(&mut self, limit: Duration) {
        loop {
            self.tick(Instant::now());
            let left = limit.saturating_sub(self.counted);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(self.slice)).await;
        }
    }

    fn tick(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.last);
        self.last = now;
        let counts = if passed > 2 * self.slice { self.slice } else { passed };
        self.counted += counts;
        self.paused += passed.saturating_sub(counts);
    }

    /// What did not count until now.
    pub(crate) fn paused(&mut self) -> Duration {
        self.tick(Instant::now());
        self.paused
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_does_not_count() {
        let limit = Duration::from_secs(30);
        let mut time = RunningTime::new(limit);
        let mut now = time.last;
        // Ten slices, somewhat late each, and a machine that stood for an hour among them.
        for slice in 0..10 {
            now += time.slice + Duration::from_millis(100);
            if slice == 5 {
                now += Duration::from_secs(3_600);
            }
            time.tick(now);
        }
        let ten = time.slice * 10;
        assert!(time.counted >= ten && time.counted <= ten + Duration::from_secs(1), "{time:?}");
        assert!(time.paused >= Duration::from_secs(3_600), "{time:?}");
    }

    /// Nothing may suspend the machine of a test. In a time namespace (time_namespaces(7)) the clock that goes on in
    /// suspend is as far ahead of the other as after an hour of it.
    #[test]
    fn a_sleep_is_seen_by_the_distance_of_the_real_clocks() {
        const BEFORE: &str = "NETEVD_TEST_CLOCKS_APART";
        let name = "clock::tests::a_sleep_is_seen_by_the_distance_of_the_real_clocks";
        if let Ok(before) = std::env::var(BEFORE) {
            let mut watch = SleepWatch { apart: Duration::from_nanos(before.parse().expect("a number")) };
            let slept = watch.slept().expect("an hour").as_secs_f64();
            assert!((3_599.0..3_601.0).contains(&slept), "{slept}");
            assert_eq!(watch.slept(), None, "once");
            return;
        }
        let mut unshare = std::process::Command::new("unshare");
        let own = std::env::current_exe().expect("this program");
        unshare.args(["--user", "--map-root-user", "--time", "--boottime", "3600"]);
        let may = unshare.arg("true").output();
        let Some(_) = may.as_ref().ok().filter(|done| done.status.success()) else {
            return crate::skip::skip(format_args!("no time namespace (CONFIG_TIME_NS): {may:?}"));
        };
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--time", "--boottime", "3600"]).arg(own);
        let done = unshare
            .args(["--exact", name, "--nocapture"])
            .env(BEFORE, apart().as_nanos().to_string())
            .output();
        let done = done.expect("unshare (util-linux) is installed");
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{text}{done:?}");
    }

    #[tokio::test]
    async fn all_of_them_wait_as_long_as_they_should() {
        let wait = Duration::from_millis(30);
        let start = Instant::now();
        sleep(wait).await;
        assert!(start.elapsed() >= wait);
        let until = SystemTime::now() + wait;
        sleep_until(until).await;
        assert!(SystemTime::now() >= until);
        sleep_until(SystemTime::now() - Duration::from_secs(60)).await;
        let start = Instant::now();
        RunningTime::new(wait).reaches(wait).await;
        assert!(start.elapsed() >= wait && start.elapsed() < 100 * wait);
        assert_eq!(SleepWatch::new().slept(), None);
    }
}
