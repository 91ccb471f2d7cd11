//! What the kernel tells, and what it is to tell: messages, losses, dumps, and the interest in routes.

use super::Worker;
use crate::kernel::{Dump, KernelMessage, Received, RouteInterest, Tally};
use crate::model::EventKind;
use crate::routing::PassReport;
use crate::state::{Changes, Interest, Newer, is_reported};
use crate::worker::fatal::Fatal;
use crate::worker::routing_controller::RoutingController;
use crate::worker::routing_task::RoutingUpdate;
use std::time::Instant;

/// Rules and routes of a pass whose memory is worth giving back.
const MUCH: usize = 1_000;

impl Worker {
    pub(super) fn received(&mut self, received: Received, batch: &mut Vec<KernelMessage>) {
        self.count(&received, batch);
        let has_copied_changes = matches!(received, Received::Messages(Tally { rings: 1.., .. }));
        let mut changes = Changes { copies: has_copied_changes, ..Changes::default() };
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes: self.routes_wanted };
        for message in batch.drain(..) {
            self.state.apply(message, &interest, &mut changes);
        }
        self.apply_changes(changes);
        self.handle(received);
    }

    fn count(&mut self, received: &Received, batch: &[KernelMessage]) {
        let tally = if let Received::Messages(tally) = received { *tally } else { Tally::default() };
        self.observer.metrics.netlink(batch, tally);
        // Asked only where the answer matters: every look at a directory delays a script.
        if batch.iter().any(is_of_routes) {
            self.update_interest();
        }
    }

    /// What was not understood, and what was lost.
    pub(super) fn handle(&mut self, received: Received) {
        match received {
            Received::Messages(Tally { faults: 0, .. }) => {}
            Received::Messages(Tally { faults, .. }) => {
                tracing::warn!(
                    "{faults} netlink messages were not understood; reading the kernel's state again"
                );
                self.resync.soon(Instant::now());
            }
            Received::Overrun => {
                self.overruns += 1;
                self.observer.metrics.overrun();
                tracing::warn!(
                    "the kernel had more to tell than the receive buffer holds (overrun {}); reading its \
                     state again. What happened meanwhile is told as one difference",
                    self.overruns
                );
                self.multicast.discard();
                self.resync.now(Instant::now());
            }
        }
    }

    /// Whether anybody wants to hear of routes, and what the kernel is to tell of them.
    pub(super) fn update_interest(&mut self) {
        let of_units = || self.config.units.iter().any(|rule| rule.on.contains(&EventKind::Routes));
        let wanted = self.dispatcher.wanted(EventKind::Routes) || of_units();
        self.multicast.set_interest(RouteInterest {
            // Nobody would notice a new script if there were neither messages nor eyes.
            reported: wanted || self.scripts.is_none(),
            private: self.routing.as_ref().is_some_and(RoutingController::has_work),
            main: self.routing.as_ref().is_some_and(RoutingController::has_work),
            unused_routes: self.routing.as_ref().map(RoutingController::unused_routes).unwrap_or_default(),
            ignored: self.config.planning.ignored_protocols,
        });
        if self.state.ignore_routes_of(self.config.planning.ignored_protocols) {
            self.resync.quietly(Instant::now());
        }
        if wanted != self.routes_wanted {
            self.routes_wanted = wanted;
            self.state.remember_all_routes(wanted);
            if wanted {
                self.resync.quietly(Instant::now());
            }
        }
    }

    /// What the routing task tells, and what that makes of interest.
    pub(super) fn routing_update(&mut self, update: RoutingUpdate) -> Result<(), Fatal> {
        let Some(routing) = &mut self.routing else { return Ok(()) };
        let now = Instant::now();
        if let RoutingUpdate::Passed(Ok(PassReport { read: MUCH.., .. })) = &update {
            self.trimmer.read_much(now);
        }
        let before = routing.unused_routes();
        routing.handle(update, &self.state)?;
        let has_changed = routing.unused_routes() != before;
        self.notify.touch(now);
        if has_changed {
            self.update_interest();
            self.routing.iter_mut().for_each(|routing| routing.run_again(Instant::now()));
        }
        Ok(())
    }

    /// With the dump all that the kernel has said since it was begun. After an overrun meanwhile the
    /// dump is not the last, but it counts: in a storm without end another would be no better.
    pub(super) fn resynchronise(&mut self, dump: Dump) -> Result<(Changes, Received), Fatal> {
        self.observer.metrics.resync(self.resync.took());
        if self.resync.was_long() {
            self.trimmer.read_much(Instant::now());
        }
        let mut messages = Vec::new();
        let received = self.multicast.receive_queued(|m| messages.push(m)).map_err(Fatal::Multicast)?;
        self.count(&received, &messages);
        // What was lost may have changed the meaning of what came after it.
        if self.resync.was_incomplete() && !messages.is_empty() {
            self.resync.soon(Instant::now());
        }
        let routes = self.routes_wanted && !self.resync.was_silent();
        let newer = Newer { messages, routes: self.routes_wanted };
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes };
        let mut changes = Changes::default();
        self.state.resynchronise(dump, newer, &interest, &mut changes);
        // A saved state may be of another monitored set.
        self.state.reconsider(&interest, &mut changes);
        Ok((changes, received))
    }
}

/// Routes, and what takes routes along without a word.
fn is_of_routes(message: &KernelMessage) -> bool {
    match message {
        KernelMessage::Route(route, _) | KernelMessage::RouteGone(route) => is_reported(route),
        KernelMessage::Link(_) | KernelMessage::LinkGone(_) | KernelMessage::AddressGone(..) => true,
        KernelMessage::Address(..) | KernelMessage::Rule(_) | KernelMessage::RuleGone(_) => false,
    }
}
