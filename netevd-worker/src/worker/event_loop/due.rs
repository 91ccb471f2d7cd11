//! What the loop does when its time has come, and when that is.

use super::{PERIOD, Worker};
use crate::model::{EventKind, UnfinishedEvent};
use crate::state::Changes;
use crate::worker::notify::Status;
use crate::worker::routing_controller::RoutingController;
use std::time::{Duration, Instant};

/// How much longer a save waits while scripts run.
const SAVE_BUSY_AFTER: Duration = Duration::from_secs(2);
/// Links, or events that wait, beyond which a save waits until nothing is under way: it takes long then.
const SAVED_WHILE_BUSY: usize = 1_000;

impl Worker {
    pub(super) fn next_wake(&self) -> Instant {
        let pass = self.routing.as_ref().and_then(RoutingController::due);
        [
            pass,
            self.resync.due(),
            self.save_due(),
            self.leases_at.map(|(_, at)| at),
            self.state.waits_until(),
            self.notify.due(),
            self.overview.due(),
            self.trimmer.due(),
        ]
        .into_iter()
        .flatten()
        .fold(self.period_at, Instant::min)
    }

    pub(super) fn do_what_is_due(&mut self) {
        let now = Instant::now();
        if let Some(slept) = self.sleep_watch.slept() {
            tracing::info!("the machine slept {} s: reading the kernel's state again", slept.as_secs());
            // What was to be tried again by now is tried now.
            self.period_at = now;
            self.resync.wake(now);
            self.leases_at = self.leases_at.map(|(wait, _)| (wait, now));
        }
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.period_at <= now {
            self.period_at = now + PERIOD;
            self.resync.routinely(now);
            self.give_back();
            if self.scripts.is_none() {
                self.scripts = self.dispatcher.watch(EventKind::Routes).ok();
            }
            self.update_interest();
            self.observer.metrics.maintain(now);
            if let Some(routing) = &mut self.routing {
                routing.routinely(now);
            }
        }
        if is_due(self.trimmer.due()) {
            self.give_back();
        }
        if is_due(self.resync.due()) {
            self.resync.begin(self.state.routes().route_filter(), now);
        }
        if let Some(routing) = self.routing.as_mut().filter(|routing| is_due(routing.due())) {
            routing.begin(&self.state);
        }
        if is_due(self.leases_at.map(|(_, at)| at)) {
            self.leases_at = None;
            let mut changes = Changes::default();
            self.state.release_leases(&mut changes);
            self.apply_changes(changes);
        }
        if is_due(self.state.waits_until()) {
            let mut changes = Changes::default();
            self.state.release_waits(now, &mut changes);
            self.apply_changes(changes);
        }
        if is_due(self.save_due()) {
            self.save_at = None;
            self.save(&self.dispatcher.unfinished());
        }
        if is_due(self.notify.due()) {
            let status = self.status();
            self.notify.maintain(status, now);
        }
        if is_due(self.overview.due()) {
            let overview = self.overview_document();
            let changed = self.overview.look(now, overview);
            // The types have nothing that could fail.
            if let Some(json) = changed.and_then(|overview| serde_json::to_string(overview).ok()) {
                self.journal.publish_state(&json);
            }
        }
    }

    fn give_back(&mut self) {
        if self.trimmer.includes_program() {
            crate::sys::give_back_program();
        }
        self.trimmer.trimmed();
        crate::sys::give_back();
    }

    /// What the service manager shows.
    pub(super) fn status(&self) -> Status {
        let counts = self.dispatcher.counts();
        Status {
            monitored: self.state.links().filter(|link| link.monitored).count(),
            links: self.state.links().count(),
            host: self.state.host(),
            runs: counts.runs,
            failures: counts.failures + counts.timeouts + counts.not_started,
            routing: self.routing.as_ref().map_or("off", RoutingController::status),
            stale: self.loaded.error.is_some(),
        }
    }

    /// With nothing under way soon after a change; else later, with what has not run, if that is not much.
    fn save_due(&self) -> Option<Instant> {
        let at = self.save_at?;
        if self.dispatcher.is_idle() {
            return Some(at);
        }
        let is_little =
            self.dispatcher.pending() <= SAVED_WHILE_BUSY && self.state.links().count() <= SAVED_WHILE_BUSY;
        is_little.then(|| at + SAVE_BUSY_AFTER)
    }

    pub(super) fn save(&self, unfinished: &[UnfinishedEvent]) {
        if self.options.dry_run {
            return;
        }
        if let Err(error) = self.state_file.save(&self.state, unfinished) {
            tracing::warn!(
                "the state is not saved ({error}): scripts would run for everything after a restart"
            );
        }
    }
}
