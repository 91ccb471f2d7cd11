//! What is counted, and how it is told to Prometheus: docs/metrics.md has each family.
//!
//! [`Metrics`] belongs to the event loop and bounds the values of labels: at most 1,024 interfaces
//! and 1,024 scripts, beyond that "other"; an interface that is gone loses its series five minutes
//! later. [`Handle`] is what tasks and the server hold: it counts and writes, and decides nothing.
//!
//! Limits: nothing here blocks but the reading of /proc/self at a scrape.

mod bounded;
mod families;
mod gauges;
mod process;
#[cfg(test)]
mod tests;
mod text;

pub use gauges::Gauges;
pub use text::{OPENMETRICS, TEXT, wants_openmetrics};

use crate::kernel::{KernelMessage, Tally};
use crate::model::{EventKind, Outcome};
use bounded::{Bounded, Scripts};
use families::Families;
use nix::sys::signal::Signal;
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The event loop's side.
pub struct Metrics {
    handle: Handle,
    interfaces: Bounded,
    scripts: Scripts,
}

/// Counts from anywhere, and writes what was counted. Clones count into the same.
#[derive(Clone)]
pub struct Handle {
    families: Families,
    registry: Arc<Registry>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let families = Families::register(&mut registry);
        process::register(&mut registry);
        let handle = Handle { families, registry: Arc::new(registry) };
        Self { handle, interfaces: Bounded::default(), scripts: Scripts::default() }
    }
}

impl Metrics {
    /// For tasks and the server.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// An event was read; `interface` is `None` for the host's.
    pub fn event(&mut self, kind: EventKind, interface: Option<&str>, backend: &'static str) {
        let interface = interface.map_or(Cow::Borrowed(""), |name| self.interfaces.name(name));
        let labels = families::event(kind.name(), interface.clone(), backend);
        self.handle.families.events.get_or_create(&labels).inc();
        self.interfaces.note_event(&interface, kind.name(), backend);
    }

    /// A link reached a state.
    pub fn state_changed(&mut self, interface: &str, state: &'static str) {
        let interface = self.interfaces.name(interface);
        let labels = families::state(interface.clone(), state);
        self.handle.families.state_changes.get_or_create(&labels).inc();
        self.interfaces.note_state(&interface, state);
    }

    /// An event is over: from when the worker read it to the end of its last script.
    pub fn event_finished(&self, kind: EventKind, took: Duration) {
        let labels = [("type", Cow::Borrowed(kind.name()))];
        self.handle.families.event_duration.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// From when the worker read an event to the start of its first script.
    pub fn event_to_script(&self, took: Duration) {
        self.handle.families.event_to_script.observe(took.as_secs_f64());
    }

    /// A script ended, or did not start.
    pub fn script(&mut self, path: &Path, kind: EventKind, outcome: &Outcome, took: Duration) {
        let script = self.scripts.name(path);
        let families = &self.handle.families;
        if !matches!(outcome, Outcome::NotStarted(_)) {
            let labels = [("script", script.clone()), ("event_type", Cow::Borrowed(kind.name()))];
            families.script_executions.get_or_create(&labels).inc();
            let labels = [("script", script.clone())];
            families.script_duration.get_or_create(&labels).observe(took.as_secs_f64());
        }
        if *outcome != Outcome::Exited(0) {
            let labels = [("script", script), ("exit_code", exit_code(outcome))];
            families.script_failures.get_or_create(&labels).inc();
        }
    }

    /// So many events, or route changes, that the run for another one stood for.
    pub fn coalesced(&self, count: u64) {
        self.handle.families.coalesced.inc_by(count);
    }

    /// What one call of [`crate::kernel::Multicast::receive`] brought, and what it passed over or did not
    /// understand.
    pub fn netlink(&self, batch: &[KernelMessage], Tally { faults, passed_over, .. }: Tally) {
        let mut counts = [0_u64; families::MESSAGES.len()];
        [counts[families::NEW_ROUTE], counts[families::ROUTE_GONE]] = passed_over;
        for message in batch {
            counts[families::message(message)] += 1;
        }
        for (counter, count) in self.handle.families.netlink_messages.iter().zip(counts) {
            counter.inc_by(count);
        }
        self.handle.families.netlink_errors.inc_by(u64::try_from(faults).unwrap_or(u64::MAX));
    }

    /// The kernel had more to tell than the receive buffer holds.
    pub fn overrun(&self) {
        self.handle.families.netlink_overruns.inc();
    }

    /// The kernel's whole state was read again; the first look at the start is one.
    pub fn resync(&self, took: Duration) {
        self.handle.families.resyncs.inc();
        self.handle.families.resync_duration.observe(took.as_secs_f64());
    }

    /// The configuration was read, at the start or again.
    pub fn reloaded(&self, successful: bool) {
        self.handle.families.reload_successful.set(i64::from(successful));
    }

    /// A link is gone; its series go five minutes later, unless the name comes back.
    pub fn interface_gone(&mut self, name: &str, now: Instant) {
        self.interfaces.gone(name, now);
    }

    /// Drops the series of interfaces that are gone for long. Call it now and then; at a scrape will do.
    pub fn maintain(&mut self, now: Instant) {
        let families = &self.handle.families;
        for (name, used) in self.interfaces.expired(now) {
            for (kind, backend) in used.events {
                families.events.remove(&families::event(kind, Cow::Owned(name.clone()), backend));
            }
            for state in used.states {
                families.state_changes.remove(&families::state(Cow::Owned(name.clone()), state));
            }
        }
    }
}

impl Handle {
    /// A method call on the bus: the service's well-known name, and how it ended.
    pub fn dbus_call(&self, service: &'static str, method: &'static str, succeeded: bool) {
        let labels = [("service", Cow::Borrowed(service)), ("method", Cow::Borrowed(method))];
        self.families.dbus_calls.get_or_create(&labels).inc();
        if !succeeded {
            self.families.dbus_errors.inc();
        }
    }

    /// The bus was lost, or could not be reached.
    pub fn dbus_error(&self) {
        self.families.dbus_errors.inc();
    }

    /// A request to the helper, how it was answered, and how long that took.
    pub fn helper_request(&self, request: &'static str, result: &'static str, took: Duration) {
        let labels = [("request", Cow::Borrowed(request)), ("result", Cow::Borrowed(result))];
        self.families.helper_requests.get_or_create(&labels).inc();
        self.families.helper_duration.observe(took.as_secs_f64());
    }

    /// Rules of ours and fallbacks that another program deleted, as a pass found.
    pub fn wipes(&self, count: usize) {
        self.families.external_wipes.inc_by(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// So many records went into the audit log.
    pub fn audited(&self, records: u64) {
        self.families.audit_records.inc_by(records);
    }

    /// So many records did not: the disk, or a full queue.
    pub fn audit_lost(&self, records: u64) {
        self.families.audit_lost.inc_by(records);
    }

    /// The audit log could not be written, rotated or opened.
    pub fn audit_error(&self) {
        self.families.audit_errors.inc();
    }

    /// Everything, with the values of this moment: [`TEXT`] of version 0.0.4, or [`OPENMETRICS`].
    pub fn encode(&self, gauges: &Gauges, openmetrics: bool) -> String {
        gauges.set(&self.families);
        let mut text = String::with_capacity(64 * 1024);
        // Writing into a String does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        if openmetrics { text } else { text::of_version_0_0_4(&text) }
    }
}

/// The status, the signal's name, or why there is none.
fn exit_code(outcome: &Outcome) -> Cow<'static, str> {
    match outcome {
        Outcome::Exited(code) => Cow::Owned(code.to_string()),
        Outcome::Signalled(number) => Signal::try_from(*number)
            .map_or_else(|_| Cow::Owned(format!("signal {number}")), |signal| Cow::Borrowed(signal.as_str())),
        Outcome::TimedOut => Cow::Borrowed("timeout"),
        Outcome::NotStarted(_) => Cow::Borrowed("not_started"),
    }
}
