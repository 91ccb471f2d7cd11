//! The loop's own timer: timerfd_create(2).
//!
//! The runtime keeps its timers in a wheel and wakes up to move a far one to a finer place, some seconds
//! before it is due; a daemon at rest wakes when there is something to do. Set only when the time comes
//! nearer: a time that was put off costs one wake-up and no system call at each event. It goes on while the
//! machine sleeps: a time that came meanwhile has come when the machine wakes up.

use crate::clock::SleepWatch;
use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A timer of which nobody but its owner knows when it is due.
pub(super) struct Alarm {
    timer: TimerFd,
    /// The same open file, for readiness.
    ready: AsyncFd<OwnedFd>,
    /// When it rings; `None` after that.
    set_for: Option<Instant>,
    sleep_watch: SleepWatch,
}

impl Alarm {
    /// Needs a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_BOOTTIME, flags)?;
        let ready = crate::sys::watch_readable(timer.as_fd().try_clone_to_owned()?)?;
        Ok(Self { timer, ready, set_for: None, sleep_watch: SleepWatch::new() })
    }

    /// Waits until that time, or for as long while the machine slept; not at all when it is over. Cancel-safe.
    pub(super) async fn wait(&mut self, until: Instant) -> io::Result<()> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            if self.set_for.is_none_or(|earlier| until < earlier) {
                self.set(left)?;
                self.set_for = Some(until);
            }
            let mut ready = self.ready.readable().await?;
            match nix::unistd::read(&self.timer, &mut [0; 8]) {
                Ok(_) => {
                    let put_off = self.set_for.take().is_some_and(|set| set < until);
                    if !put_off || self.sleep_watch.slept().is_some() {
                        return Ok(());
                    }
                }
                // It was set again after it rang.
                Err(nix::Error::EAGAIN) => ready.clear_ready(),
                Err(nix::Error::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// `left` is not zero, which would unset it.
    fn set(&self, left: Duration) -> io::Result<()> {
        let once = Expiration::OneShot(TimeSpec::from_duration(left));
        Ok(self.timer.set(once, TimerSetTimeFlags::empty())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Far longer than any test; a guard ends what rings too late.
    const FAR: Duration = Duration::from_secs(3600);

    async fn rings(alarm: &mut Alarm, until: Instant) {
        let guarded = tokio::time::timeout(Duration::from_secs(60), alarm.wait(until));
        guarded.await.expect("it rings").expect("no error");
        assert!(Instant::now() >= until, "not before its time");
    }

    #[tokio::test]
    async fn it_rings_at_its_time_and_again() {
        let mut alarm = Alarm::new().expect("a timer");
        let start = Instant::now();
        for millis in [0, 5, 10, 10, 15] {
            rings(&mut alarm, start + Duration::from_millis(millis)).await;
        }
    }

    #[tokio::test]
    async fn a_nearer_time_counts_and_a_later_one_is_kept() {
        let mut alarm = Alarm::new().expect("a timer");
        let begun = |alarm: &mut Alarm, until: Instant| {
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(std::pin::pin!(alarm.wait(until)).poll(&mut context).is_pending());
        };
        let start = Instant::now();
        begun(&mut alarm, start + FAR);
        rings(&mut alarm, start + Duration::from_millis(10)).await;
        // It rings at the earlier of the two, and that is not yet the end of the wait.
        begun(&mut alarm, Instant::now() + Duration::from_millis(5));
        rings(&mut alarm, Instant::now() + Duration::from_millis(30)).await;
    }
}
