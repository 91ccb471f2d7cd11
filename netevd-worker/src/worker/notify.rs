//! What the service manager is told, sd_notify(3): readiness, a status line, reloads, life signs.
//!
//! Without NOTIFY_SOCKET nothing is told, and nothing here wakes the loop. When what is due is
//! for the loop; the clock is a parameter.

use sd_notify::NotifyState;
use std::time::{Duration, Instant};

/// Between two status lines.
const PERIOD: Duration = Duration::from_secs(2);

/// What was told, and what is due.
pub(super) struct Notify {
    /// The line that stands.
    status: String,
    /// When the next line may go out, if something may have changed.
    status_at: Option<Instant>,
    last_status: Option<Instant>,
    /// Half of what the manager permits between two life signs, and the next one.
    watchdog: Option<(Duration, Instant)>,
    active: bool,
}

/// What a status line says, in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// Links that are monitored.
    pub(super) monitored: usize,
    /// All links.
    pub(super) links: usize,
    /// The host's state.
    pub(super) host: &'static str,
    /// Scripts that ran.
    pub(super) runs: u64,
    /// Of these and of those that could not start: what did not end well.
    pub(super) failures: u64,
    /// Policy routing, in a word.
    pub(super) routing: &'static str,
    /// The last reload was refused.
    pub(super) stale: bool,
}

impl Notify {
    /// Reads NOTIFY_SOCKET and WATCHDOG_USEC.
    pub(super) fn new(now: Instant) -> Self {
        let active = std::env::var_os("NOTIFY_SOCKET").is_some();
        let watchdog = sd_notify::watchdog_enabled().filter(|_| active).map(|limit| limit / 2);
        Self::with(active, watchdog, now)
    }

    fn with(active: bool, watchdog: Option<Duration>, now: Instant) -> Self {
        let watchdog = watchdog.map(|period| (period, now + period));
        Self { status: String::new(), status_at: None, last_status: None, watchdog, active }
    }

    /// Everything stands: the first dump is in, the sockets listen.
    pub(super) fn ready(&mut self, status: &Status, now: Instant) {
        self.set_status(status, now);
        self.send(&[NotifyState::Ready, NotifyState::Status(&self.status)]);
    }

    /// A reload begins. Both in one datagram, or the manager takes READY for the answer to an
    /// older one.
    pub(super) fn reloading(&self) {
        match NotifyState::monotonic_usec_now() {
            Ok(stamp) => self.send(&[NotifyState::Reloading, stamp]),
            Err(error) => tracing::warn!("the clock: {error}; the service manager is not told of the reload"),
        }
    }

    /// The end is near.
    pub(super) fn stopping(&self) {
        self.send(&[NotifyState::Stopping]);
    }

    /// Something may have changed that the status line says.
    pub(super) fn touch(&mut self, now: Instant) {
        if self.active && self.status_at.is_none() {
            self.status_at = Some(self.last_status.map_or(now, |last| now.max(last + PERIOD)));
        }
    }

    /// When [`Notify::maintain`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        let watchdog = self.watchdog.map(|(_, at)| at);
        [self.status_at, watchdog].into_iter().flatten().min()
    }

    /// Sends what is due.
    pub(super) fn maintain(&mut self, status: Status, now: Instant) {
        if let Some((period, at)) = &mut self.watchdog
            && *at <= now
        {
            *at = now + *period;
            self.send(&[NotifyState::Watchdog]);
        }
        if self.status_at.is_some_and(|at| at <= now) {
            self.status_at = None;
            if self.set_status(&status, now) {
                self.send(&[NotifyState::Status(&self.status)]);
            }
        }
    }

    /// Whether it is another line than the last.
    fn set_status(&mut self, status: &Status, now: Instant) -> bool {
        let line = status.to_string();
        let differs = line != self.status;
        if differs {
            self.status = line;
            self.last_status = Some(now);
        }
        differs
    }

    fn send(&self, states: &[NotifyState<'_>]) {
        if self.active
            && let Err(error) = sd_notify::notify(states)
        {
            tracing::warn!("the service manager cannot be told: NOTIFY_SOCKET: {error}");
        }
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Status { monitored, links, host, runs, failures, routing, stale } = self;
        if *stale {
            f.write_str("Reload refused, the old configuration holds (see the log); ")?;
        }
        write!(
            f,
            "{monitored} of {links} links monitored, host {host}; {runs} scripts run, {failures} failed; \
             policy routing {routing}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(runs: u64) -> Status {
        Status { host: "online", routing: "on", runs, ..Status::default() }
    }

    #[test]
    fn a_status_line_waits_for_its_turn_and_for_a_change() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        // Nothing is sent: the test has no NOTIFY_SOCKET.
        let mut notify = Notify::with(true, None, start);
        notify.set_status(&status(0), at(0));
        assert_eq!(notify.due(), None, "at rest nothing wakes");
        notify.touch(at(500));
        notify.touch(at(700));
        assert_eq!(notify.due(), Some(at(2000)), "two seconds after the last line");
        notify.maintain(status(1), at(1999));
        assert!(notify.status.contains("0 scripts run"), "{}", notify.status);
        notify.maintain(status(0), at(2000));
        assert_eq!(notify.due(), None);
        // The same line was not sent: the next one need not wait.
        notify.touch(at(2100));
        assert_eq!(notify.due(), Some(at(2100)));
        notify.maintain(status(1), at(2100));
        assert!(notify.status.contains("1 scripts run"), "{}", notify.status);
        notify.touch(at(2200));
        assert_eq!(notify.due(), Some(at(4100)));
    }

    #[test]
    fn life_signs_come_at_half_of_the_limit() {
        let start = Instant::now();
        let mut notify = Notify::with(false, Some(Duration::from_secs(15)), start);
        assert_eq!(notify.due(), Some(start + Duration::from_secs(15)));
        let late = start + Duration::from_secs(16);
        notify.maintain(status(0), late);
        assert_eq!(notify.due(), Some(late + Duration::from_secs(15)));
        // Nobody listens: nothing wakes.
        let mut silent = Notify::with(false, None, start);
        silent.touch(start);
        assert_eq!(silent.due(), None);
    }

    #[test]
    fn a_refused_reload_stands_in_the_line() {
        let line = Status { stale: true, ..status(0) }.to_string();
        assert!(line.starts_with("Reload refused"), "{line}");
        assert!(!line.contains('\n'));
    }
}
