//! The audit log: what happened, who did it, and how it ended, one JSON line a record, each with the
//! hash of the line before. docs/audit.md is its contract.
//!
//! [`Audit`] is what everybody holds. A record is made only while the log is on, and goes into a
//! bounded queue; a thread of its own writes (`writer`, `file`). A full queue costs records and never
//! time: how many are missing is written down, and so is what a full disk cost.
//!
//! Limits: whoever runs with the worker's uid, as scripts do, can write the file. The chain shows a
//! change in the middle; that the end was cut off or all of it rewritten shows only against a head
//! that was noted elsewhere, which is why the journal gets one now and then.

mod entry;
mod file;
mod names;
mod reader;
mod record;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use entry::{Entry, Kind, Verdict};
pub use names::{days_of, files_of};
pub use reader::Reader;
pub use record::Head;
pub use verify::{Finding, Report, verify};

use crate::config::Audit as Settings;
use crate::metrics::Handle;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use writer::Message;

/// Records that may wait for the disk.
const QUEUE: usize = 4_096;
/// How long the end of the daemon waits for what is queued.
const TIMEOUT: Duration = Duration::from_secs(2);

/// The audit log, on or off. Clones are the same one.
#[derive(Clone)]
pub struct Audit {
    shared: Arc<Shared>,
}

/// What everybody and the writer share.
struct Shared {
    writer: watch::Sender<Option<Writer>>,
    /// What keeps the log from being written, for `status`.
    problem: watch::Sender<Option<String>>,
    /// Records that found the queue full and are not written down as missing yet.
    dropped: AtomicU64,
    /// The file may be another one.
    reopen: AtomicBool,
    metrics: Handle,
}

/// The writer's thread, seen from outside. It ends when its queue has no sender any more.
struct Writer {
    settings: Settings,
    queue: SyncSender<Message>,
    ended: oneshot::Receiver<()>,
}

impl Audit {
    /// Off.
    pub fn new(metrics: Handle) -> Self {
        let shared = Shared {
            writer: watch::Sender::new(None),
            problem: watch::Sender::new(None),
            dropped: AtomicU64::new(0),
            reopen: AtomicBool::new(false),
            metrics,
        };
        Self { shared: Arc::new(shared) }
    }

    /// On, off, or elsewhere. Never waits: what the writer before still has is written first.
    pub fn reconfigure(&self, settings: &Settings) {
        let shared = &self.shared;
        if shared.writer.borrow().as_ref().is_some_and(|writer| writer.settings == *settings) {
            return;
        }
        let before = shared.writer.send_replace(None).map(|writer| writer.ended);
        if !settings.enabled {
            shared.problem.send_replace(None);
            return;
        }
        match writer::start(settings.clone(), Arc::clone(shared), before) {
            Ok((queue, ended)) => {
                let writer = Writer { settings: settings.clone(), queue, ended };
                shared.writer.send_replace(Some(writer));
            }
            Err(error) => {
                let text = format!("the audit log has no thread to write it: {error}");
                tracing::error!("{text}");
                shared.metrics.audit_error();
                shared.problem.send_replace(Some(text));
            }
        }
    }

    /// Whether records are kept at all.
    pub fn is_enabled(&self) -> bool {
        self.shared.writer.borrow().is_some()
    }

    /// Keeps a record; `make` is called only while the log is on. Never blocks.
    pub fn record(&self, make: impl FnOnce() -> Entry) {
        let writer = self.shared.writer.borrow();
        let Some(writer) = writer.as_ref() else { return };
        match writer.queue.try_send(Message::Entry(Box::new(make()))) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.shared.dropped.fetch_add(1, Ordering::Relaxed);
                self.shared.metrics.audit_lost(1);
            }
        }
    }

    /// The file may have been renamed (SIGHUP): the writer looks, and opens a new one if so.
    pub fn reopen(&self) {
        self.shared.reopen.store(true, Ordering::SeqCst);
        if let Some(writer) = self.shared.writer.borrow().as_ref() {
            // A full queue has a writer that is awake, and looks before it waits again.
            let _ = writer.queue.try_send(Message::Wake);
        }
    }

    /// What keeps the log from being written.
    pub fn problem(&self) -> Option<String> {
        self.shared.problem.borrow().clone()
    }

    /// Off for good: what is queued is written, if the disk takes it within two seconds.
    pub async fn stop(&self) {
        let Some(Writer { queue, ended, .. }) = self.shared.writer.send_replace(None) else { return };
        drop(queue);
        if tokio::time::timeout(TIMEOUT, ended).await.is_err() {
            tracing::error!("the audit log's disk does not answer; what is not written yet is lost");
        }
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit").field("enabled", &self.is_enabled()).finish_non_exhaustive()
    }
}
