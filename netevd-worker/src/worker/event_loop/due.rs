//! What the loop does when its time has come, and when that is.

use super::{PERIOD, Worker};
use crate::event::EventKind;
use crate::state::Changes;
use crate::worker::notify::Status;
use crate::worker::routing_side::RoutingSide;
use std::time::Instant;

impl Worker {
    pub(super) fn next_wake(&self) -> Instant {
        let pass = self.routing.as_ref().and_then(RoutingSide::due);
        let save = self.save_at.filter(|_| self.dispatcher.is_idle());
        [
            pass,
            self.resync.due(),
            save,
            self.leases_at.map(|(_, at)| at),
            self.notify.due(),
            self.thrift.due(),
        ]
        .into_iter()
        .flatten()
        .fold(self.period_at, Instant::min)
    }

    pub(super) fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.period_at <= now {
            self.period_at = now + PERIOD;
            self.resync.routinely(now);
            self.give_back();
            if self.scripts.is_none() {
                self.scripts = self.dispatcher.watch(EventKind::Routes).ok();
            }
            self.update_interest();
            self.witness.metrics.tend(now);
            if let Some(routing) = &mut self.routing {
                routing.routinely(now);
            }
        }
        if is_due(self.thrift.due()) {
            self.give_back();
        }
        if is_due(self.resync.due()) {
            self.resync.begin(self.state.routes().keeper(), now);
        }
        if let Some(routing) = self.routing.as_mut().filter(|routing| is_due(routing.due())) {
            routing.begin(&self.state, now);
        }
        if is_due(self.leases_at.map(|(_, at)| at)) {
            self.leases_at = None;
            let mut changes = Changes::default();
            self.state.release_leases(&mut changes);
            self.follow(changes);
        }
        if is_due(self.save_at) && self.dispatcher.is_idle() {
            self.save_at = None;
            self.save();
        }
        if is_due(self.notify.due()) {
            let status = self.status();
            self.notify.tend(status, now);
        }
    }

    fn give_back(&mut self) {
        if self.thrift.program_too() {
            crate::sys::give_back_program();
        }
        self.thrift.given_back();
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
            routing: self.routing.as_ref().map_or("off", RoutingSide::status),
            stale: self.loaded.error.is_some(),
        }
    }

    pub(super) fn save(&self) {
        if self.options.dry_run {
            return;
        }
        if let Err(error) = self.memory.save(&self.state) {
            tracing::warn!(
                "the state is not saved ({error}): scripts would run for everything after a restart"
            );
        }
    }
}
