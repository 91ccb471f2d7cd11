//! The thread that writes. It waits for records, for the end of the day and, while the disk fails, for
//! the next try; it never makes anybody wait.

use super::entry::Entry;
use super::file::Log;
use super::record::Head;
use super::{QUEUE, Shared};
use crate::config::Audit as Settings;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;

/// Before a disk that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// How much longer it is left alone while nothing is to be written.
const IDLE_RETRY: Duration = Duration::from_secs(9);
/// The head goes to the journal so often, if it moved.
const PUBLISH_HEAD: Duration = Duration::from_secs(3_600);
/// Deep enough for serde_json and a path; the default is eight times as much.
const STACK: usize = 256 * 1024;

/// What goes to the thread.
pub(super) enum Message {
    /// Write this.
    Entry(Box<Entry>),
    /// Something else is to be looked at.
    Wake,
}

/// Starts the thread; it begins when the one before it has ended.
pub(super) fn start(
    settings: Settings,
    shared: Arc<Shared>,
    before: Option<oneshot::Receiver<()>>,
) -> io::Result<(SyncSender<Message>, oneshot::Receiver<()>)> {
    let (queue, inbox) = sync_channel(QUEUE);
    let (alive, ended) = oneshot::channel::<()>();
    std::thread::Builder::new().name("audit".to_owned()).stack_size(STACK).spawn(move || {
        if let Some(before) = before {
            // It sends nothing; its end is what is waited for.
            let _ = before.blocking_recv();
        }
        Thread::new(settings, shared, SystemTime::now).run(&inbox);
        drop(alive);
    })?;
    Ok((queue, ended))
}

/// The thread's own state.
pub(super) struct Thread {
    settings: Settings,
    shared: Arc<Shared>,
    clock: fn() -> SystemTime,
    log: Log,
    /// Records that the disk did not take.
    missing: u64,
    /// What failed last; told once until it changes.
    failure: Option<String>,
    retry_at: Option<Instant>,
    head_published: Head,
    head_at: Instant,
}

impl Thread {
    pub(super) fn new(settings: Settings, shared: Arc<Shared>, clock: fn() -> SystemTime) -> Self {
        let log = Log::new(settings.path.clone());
        Self {
            settings,
            shared,
            clock,
            log,
            missing: 0,
            failure: None,
            retry_at: None,
            head_published: Head::default(),
            head_at: Instant::now(),
        }
    }

    fn run(mut self, inbox: &Receiver<Message>) {
        self.begin();
        loop {
            let message = match inbox.recv_timeout(self.patience()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            self.maintain();
            let mut next = message;
            // What waits is written in one go; what comes meanwhile has the next look before it.
            for _ in 0..QUEUE {
                match next.take() {
                    Some(Message::Entry(entry)) => self.keep(*entry),
                    Some(Message::Wake) => {}
                    None => break,
                }
                next = inbox.try_recv().ok();
            }
            if let Some(Message::Entry(entry)) = next {
                self.keep(*entry);
            }
            self.record_missing();
        }
        self.end();
    }

    /// Opens, and tells the head.
    pub(super) fn begin(&mut self) {
        if self.ready() {
            let entries = self.log.retain(self.settings.retention_days, (self.clock)());
            self.note_all(entries);
            self.note(Entry::own("audit-start", self.log.path(), (self.clock)()));
            self.publish_head_at();
        }
    }

    /// How long nothing needs to be done.
    pub(super) fn patience(&self) -> Duration {
        // A full queue takes no wake-up; what asked for it may have come while the queue was being written.
        if self.shared.reopen.load(Ordering::SeqCst) {
            return Duration::ZERO;
        }
        let now = Instant::now();
        let day = self.log.rotates_at().duration_since((self.clock)()).unwrap_or_default();
        // A clock that is set meanwhile is noticed within an hour.
        let mut wait = day.clamp(RETRY, PUBLISH_HEAD * 24);
        if self.log.head() != self.head_published {
            wait = wait.min((self.head_at + PUBLISH_HEAD).saturating_duration_since(now));
        }
        if let Some(at) = self.retry_at {
            wait = wait.min((at + IDLE_RETRY).saturating_duration_since(now));
        }
        wait
    }

    /// Ends the pause after a failure.
    #[cfg(test)]
    pub(super) fn retry_now(&mut self) {
        self.retry_at = None;
    }

    /// Looks at the file, the day and the head.
    pub(super) fn maintain(&mut self) {
        self.shared.reopen.store(false, Ordering::SeqCst);
        let now = (self.clock)();
        if let Some(note) = self.log.check(now) {
            self.note(note);
        }
        if self.ready() {
            match self.log.rotate(now) {
                Ok(false) => {}
                Ok(true) => {
                    let entries = self.log.retain(self.settings.retention_days, now);
                    if self.ready() {
                        self.note_all(entries);
                    }
                    self.publish_head();
                }
                Err(error) => self.failed(error),
            }
        }
        if self.log.head() != self.head_published && self.head_at.elapsed() >= PUBLISH_HEAD {
            self.publish_head_at();
        }
        // Nothing waits for another try: what failed was a rotation.
        if self.missing == 0 && self.log.is_open() {
            self.retry_at = None;
        }
    }

    /// Writes one record, or counts it as missing.
    pub(super) fn keep(&mut self, entry: Entry) {
        let pause = self.retry_at.is_some_and(|at| at > Instant::now());
        if pause || !self.ready() || !self.record_missing() {
            self.missing += 1;
            self.shared.metrics.audit_lost(1);
            return;
        }
        if !self.note(entry) {
            self.missing += 1;
            self.shared.metrics.audit_lost(1);
        }
    }

    /// Says what is missing; false when that cannot be said yet.
    pub(super) fn record_missing(&mut self) -> bool {
        let dropped = self.shared.dropped.load(Ordering::Relaxed);
        if self.missing + dropped == 0 {
            return true;
        }
        if self.retry_at.is_some_and(|at| at > Instant::now()) || !self.ready() {
            return false;
        }
        let entry = Entry::own("audit-missing", self.log.path(), (self.clock)())
            .ended(super::Verdict::Partial)
            .with("records", self.missing + dropped)
            .with("queue_full", dropped)
            .with("disk", self.missing);
        let recorded = self.note(entry);
        if recorded {
            self.missing = 0;
            self.shared.dropped.fetch_sub(dropped, Ordering::Relaxed);
        }
        recorded
    }

    /// Opens the file if it is not open; true when it is.
    fn ready(&mut self) -> bool {
        if self.log.is_open() {
            return true;
        }
        if self.retry_at.is_some_and(|at| at > Instant::now()) {
            return false;
        }
        match self.log.open((self.clock)()) {
            Ok(notes) => {
                self.note_all(notes);
                self.log.is_open()
            }
            Err(error) => {
                self.failed(error);
                false
            }
        }
    }

    fn note_all(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.note(entry);
        }
    }

    /// Appends; what fails is told and tried again later.
    fn note(&mut self, entry: Entry) -> bool {
        match self.log.append(entry, (self.clock)()) {
            Ok(()) => {
                self.shared.metrics.audited(1);
                self.retry_at = None;
                if self.failure.take().is_some() {
                    tracing::info!("audit: {} is written again", self.log.path().display());
                    self.shared.problem.send_replace(None);
                }
                true
            }
            Err(error) => {
                self.failed(error);
                false
            }
        }
    }

    fn failed(&mut self, error: String) {
        self.shared.metrics.audit_error();
        self.retry_at = Some(Instant::now() + RETRY);
        if self.failure.as_ref() != Some(&error) {
            tracing::error!(
                "audit: {error}; events go on, what is missing is counted, and it is tried again"
            );
            self.shared.problem.send_replace(Some(error.clone()));
            self.failure = Some(error);
        }
    }

    fn publish_head_at(&mut self) {
        tracing::info!("audit: head {}", self.log.head());
        self.publish_head();
    }

    fn publish_head(&mut self) {
        self.head_published = self.log.head();
        self.head_at = Instant::now();
    }

    /// The last record, and the head for the journal.
    fn end(&mut self) {
        self.retry_at = None;
        if self.ready()
            && self.record_missing()
            && self.note(Entry::own("audit-stop", self.log.path(), (self.clock)()))
        {
            self.log.sync();
            self.publish_head_at();
        }
    }
}
