//! The backend's task: lease files are watched, read when they have settled, and told whole.
//!
//! dhclient writes its file before or while it sets the address, so the first event of a file is
//! told at once ([`Report::LeasesPending`]), and what the file says some 25 ms later.

use super::files::Files;
use super::lease_location::LeaseLocation;
use super::lease_watch::{LeaseWatch, Seen};
use crate::backend::Report;
use crate::clock;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

/// A file is read when nothing has happened to it for so long; dhclient writes a lease with
/// several writes within a millisecond,
const SETTLE: Duration = Duration::from_millis(25);
/// but at the latest so long after its first event.
const SETTLE_MAX: Duration = Duration::from_millis(50);
/// A file that is half written is read again after its next event, or so long,
const RETRY_INTERVAL: Duration = Duration::from_millis(50);
/// at most so often; then it is taken as it is, until something happens to it.
const MAX_RETRIES: u32 = 4;
/// Without eyes (no inotify instance is left) everything is read this often.
const POLL_INTERVAL: Duration = Duration::from_secs(5);

/// Tells the leases of dhclient's files: those of the usual places and of `lease_files` (absolute
/// paths, the last component may be a pattern). Ends when nobody listens.
pub async fn run(outbox: mpsc::Sender<Report>, lease_files: Vec<String>) {
    let (places, faults) = LeaseLocation::all(&lease_files);
    for fault in faults {
        tracing::warn!("dhclient: {fault}");
    }
    let watch = Watch { outbox, places, lease_watch: None, files: Files::default(), reported: None };
    // An end is no error: the loop is gone.
    let _ = watch.run().await;
}

/// Nobody listens any more.
struct Gone;

struct Watch {
    outbox: mpsc::Sender<Report>,
    places: Vec<LeaseLocation>,
    lease_watch: Option<LeaseWatch>,
    files: Files,
    /// Why there are no eyes, as it was told.
    reported: Option<String>,
}

impl Watch {
    async fn run(mut self) -> Result<(), Gone> {
        // Eyes first: what is written while the files are read is seen.
        self.open_watch();
        let again = self.files.read_all(&self.places);
        tracing::info!("dhclient: {} lease files at {}", self.files.count(), self.shown_places());
        if !again.is_empty() {
            self.read_settled(Seen::Files(again)).await;
        }
        let mut until = self.send_leases().await?;
        self.send(Report::Synced).await?;
        loop {
            let outbox = self.outbox.clone();
            let seen = tokio::select! {
                seen = self.seen() => Some(seen),
                () = end_of(until) => None,
                () = outbox.closed() => return Err(Gone),
            };
            if let Some(seen) = seen {
                self.send(Report::LeasesPending).await?;
                self.read_settled(seen).await;
            }
            until = self.send_leases().await?;
        }
    }

    /// Waits for something to happen.
    async fn seen(&mut self) -> Seen {
        let Some(lease_watch) = &mut self.lease_watch else {
            clock::sleep(POLL_INTERVAL).await;
            return Seen::Anything;
        };
        match lease_watch.seen(&self.places).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!("dhclient: the lease files cannot be watched: {error}; looking again");
                self.lease_watch = None;
                Seen::Anything
            }
        }
    }

    /// Waits until the files are quiet, and reads them; those that are half written, again.
    async fn read_settled(&mut self, seen: Seen) {
        let mut seen = seen;
        for _ in 0..MAX_RETRIES {
            seen = self.until_settled(seen).await;
            let again = self.read(seen);
            if again.is_empty() {
                return;
            }
            seen = Seen::Files(again);
            tokio::select! {
                more = self.seen() => seen = seen.and(more),
                () = sleep(RETRY_INTERVAL) => {}
            }
        }
        self.read(seen);
    }

    async fn until_settled(&mut self, seen: Seen) -> Seen {
        let mut seen = seen;
        let first = Instant::now();
        let mut quiet = first + SETTLE;
        loop {
            tokio::select! {
                more = self.seen() => seen = seen.and(more),
                () = sleep_until(quiet) => return seen,
            }
            quiet = (Instant::now() + SETTLE).min(first + SETTLE_MAX);
        }
    }

    fn read(&mut self, seen: Seen) -> BTreeSet<PathBuf> {
        match seen {
            Seen::Files(files) => self.files.read_some(files),
            Seen::Anything => {
                self.open_watch();
                self.files.read_all(&self.places)
            }
        }
    }

    fn open_watch(&mut self) {
        let fault = match LeaseWatch::open(&self.places) {
            Ok((lease_watch, faults)) => {
                self.lease_watch = Some(lease_watch);
                (!faults.is_empty()).then(|| faults.join("; "))
            }
            Err(error) => {
                self.lease_watch = None;
                Some(format!(
                    "the lease files cannot be watched: {error}; they are read every {} s until they can \
                     (sysctl fs.inotify.max_user_instances=1024)",
                    POLL_INTERVAL.as_secs()
                ))
            }
        };
        if let Some(fault) = fault.as_ref().filter(|_| fault != self.reported) {
            tracing::warn!("dhclient: {fault}");
        }
        self.reported = fault;
    }

    /// Tells who has which lease now, and returns when that changes by itself.
    async fn send_leases(&self) -> Result<Option<SystemTime>, Gone> {
        let snapshot = self.files.snapshot();
        self.send(Report::Leases(snapshot.leases)).await?;
        Ok(snapshot.until)
    }

    async fn send(&self, report: Report) -> Result<(), Gone> {
        self.outbox.send(report).await.map_err(|_| Gone)
    }

    fn shown_places(&self) -> String {
        let places: Vec<String> = self.places.iter().map(ToString::to_string).collect();
        places.join(", ")
    }
}

/// Waits until a time of the clock on the wall; forever if there is none.
async fn end_of(until: Option<SystemTime>) {
    let Some(until) = until else { return std::future::pending().await };
    // An end is at a full second; a millisecond later it is over also where the timer is early.
    clock::sleep_until(until + Duration::from_millis(1)).await;
}

#[cfg(test)]
#[path = "watch_tests.rs"]
mod tests;
