//! Where calls and losses are counted. One place for the whole process, as the bus is one: set once,
//! at the start, and nothing is counted before.

use crate::metrics::Handle;
use std::sync::OnceLock;

static METRICS: OnceLock<Handle> = OnceLock::new();

/// Counts from now on; only the first call has an effect.
pub fn count_in(metrics: Handle) {
    // A second one would be another worker in this process, in a test.
    let _ = METRICS.set(metrics);
}

/// A call of `method` ended.
pub(super) fn called(service: &'static str, method: &'static str, succeeded: bool) {
    if let Some(metrics) = METRICS.get() {
        metrics.dbus_call(service, method, succeeded);
    }
}

/// The bus was lost, or could not be reached.
pub(super) fn lost() {
    if let Some(metrics) = METRICS.get() {
        metrics.dbus_error();
    }
}
