//! When the kernel's whole state is read again, and the dump under way.
//!
//! While a dump runs no multicast message is applied: it could be newer than what the dump
//! read, and would be undone by it. What has come meanwhile is applied with the dump
//! ([`crate::state::Newer`]).

use super::fatal::Fatal;
use crate::kernel::{Dump, DumpError, Dumper, RouteInterest};
use crate::model::Route;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// A full dump as a precaution must be cheap.
const CHEAP: Duration = Duration::from_millis(50);
/// After a doubt the dump waits a moment: doubts come in bunches.
const SETTLE: Duration = Duration::from_millis(20);
/// Before a failed dump is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// A dump under way; the dumper comes back with it.
type Dumping = JoinHandle<(Dumper, Result<Dump, DumpError>)>;

/// The dumper, and what is due.
pub(super) struct Resync {
    /// Absent while a dump is under way: it comes back with it.
    dumper: Option<Dumper>,
    running: Option<(Dumping, Instant)>,
    at: Option<Instant>,
    took: Duration,
    /// Why the last one failed.
    problem: Option<String>,
    /// The next dump, and the one under way, are for the sake of memory alone.
    silent: (bool, bool),
    /// Before the next dump, and the one under way, messages were lost, or nothing was known.
    incomplete: (bool, bool),
}

impl Resync {
    /// With a socket for dumps.
    pub(super) fn new() -> Result<Self, DumpError> {
        let dumper = Some(Dumper::new()?);
        Ok(Self {
            dumper,
            running: None,
            at: None,
            took: Duration::ZERO,
            problem: None,
            silent: (false, false),
            incomplete: (true, false),
        })
    }

    /// Now: messages were lost.
    pub(super) fn now(&mut self, now: Instant) {
        self.incomplete.0 = true;
        self.at = Some(now);
    }

    /// Now, for routes that nobody wanted to hear of before: they are no news.
    pub(super) fn quietly(&mut self, now: Instant) {
        self.silent.0 = true;
        self.at = Some(now);
    }

    /// Soon: the kernel may have changed more than it said. On a router with a million routes a
    /// dump takes a second; it may take a tenth of the time.
    pub(super) fn soon(&mut self, now: Instant) {
        self.at.get_or_insert(now + SETTLE.max(self.took * 10));
    }

    /// The machine slept: at once, also after a failure.
    pub(super) fn wake(&mut self, now: Instant) {
        self.at = Some(now);
    }

    /// As a precaution, if that is cheap here.
    pub(super) fn routinely(&mut self, now: Instant) {
        if self.took < CHEAP {
            self.at.get_or_insert(now);
        }
    }

    /// A dump is under way.
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When the next dump is to begin.
    pub(super) fn due(&self) -> Option<Instant> {
        self.at.filter(|_| self.running.is_none())
    }

    /// Begins a dump of links, addresses and those routes of an interest that `keep` chooses.
    pub(super) fn begin(
        &mut self,
        (interest, keep): (RouteInterest, impl Fn(&Route) -> bool + Send + Sync + 'static),
        now: Instant,
    ) {
        let Some(mut dumper) = self.dumper.take() else { return };
        self.at = None;
        self.silent = (false, self.silent.0);
        self.incomplete = (false, self.incomplete.0);
        let task = tokio::spawn(async move {
            let dump = dumper.state(interest, keep).await;
            (dumper, dump)
        });
        self.running = Some((task, now));
    }

    /// The dump under way; pending forever without one. `None` when it failed, which is logged
    /// and tried again. Cancel-safe.
    pub(super) async fn dump(&mut self) -> Result<Option<Dump>, Fatal> {
        let Some((task, began)) = &mut self.running else { return std::future::pending().await };
        let (dumper, dump) = task.await.map_err(|_| Fatal::Task("the dump"))?;
        self.took = began.elapsed();
        self.dumper = Some(dumper);
        self.running = None;
        self.problem = None;
        Ok(dump
            .inspect_err(|error| {
                self.problem = Some(error.to_string());
                tracing::warn!("{error}; trying again in {} s", RETRY.as_secs());
                self.at = Some(Instant::now() + RETRY);
            })
            .ok())
    }

    /// Why the last dump failed, if it did.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// How long the last one took.
    pub(super) fn took(&self) -> Duration {
        self.took
    }

    /// The last one was no cheap precaution: there was much to read.
    pub(super) fn was_long(&self) -> bool {
        self.took >= CHEAP
    }

    /// Whether the dump that just came was for the sake of memory alone.
    pub(super) fn was_silent(&mut self) -> bool {
        std::mem::take(&mut self.silent.1)
    }

    /// Whether the dump that just came was to make up for a loss.
    pub(super) fn was_incomplete(&mut self) -> bool {
        std::mem::take(&mut self.incomplete.1)
    }
}
