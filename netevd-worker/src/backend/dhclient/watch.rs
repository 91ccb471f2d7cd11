//! The backend's task: lease files are watched, read when they have settled, and told whole.
//!
//! dhclient writes its file before or while it sets the address, so the first event of a file is
//! told at once ([`Report::LeasesPending`]), and what the file says some 25 ms later.

use super::eyes::{Eyes, Seen};
use super::files::Files;
use super::place::Place;
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
const SETTLE_AT_MOST: Duration = Duration::from_millis(50);
/// A file that is half written is read again after its next event, or so long,
const AGAIN: Duration = Duration::from_millis(50);
/// at most so often; then it is taken as it is, until something happens to it.
const MOST_AGAIN: u32 = 4;
/// Without eyes (no inotify instance is left) everything is read this often.
const BLIND: Duration = Duration::from_secs(5);

/// Tells the leases of dhclient's files: those of the usual places and of `lease_files` (absolute
/// paths, the last component may be a pattern). Ends when nobody listens.
pub async fn run(outbox: mpsc::Sender<Report>, lease_files: Vec<String>) {
    let (places, faults) = Place::all(&lease_files);
    for fault in faults {
        tracing::warn!("dhclient: {fault}");
    }
    let watch = Watch { outbox, places, eyes: None, files: Files::default(), told: None };
    // An end is no error: the loop is gone.
    let _ = watch.run().await;
}

/// Nobody listens any more.
struct Gone;

struct Watch {
    outbox: mpsc::Sender<Report>,
    places: Vec<Place>,
    eyes: Option<Eyes>,
    files: Files,
    /// Why there are no eyes, as it was told.
    told: Option<String>,
}

impl Watch {
    async fn run(mut self) -> Result<(), Gone> {
        // Eyes first: what is written while the files are read is seen.
        self.open_eyes();
        let again = self.files.read_all(&self.places);
        tracing::info!("dhclient: {} lease files at {}", self.files.count(), self.shown_places());
        if !again.is_empty() {
            self.settle(Seen::Files(again)).await;
        }
        let mut until = self.tell().await?;
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
                self.settle(seen).await;
            }
            until = self.tell().await?;
        }
    }

    /// Waits for something to happen.
    async fn seen(&mut self) -> Seen {
        let Some(eyes) = &mut self.eyes else {
            clock::sleep(BLIND).await;
            return Seen::Anything;
        };
        match eyes.seen(&self.places).await {
            Ok(seen) => seen,
            Err(error) => {
                tracing::warn!("dhclient: the lease files cannot be watched: {error}; looking again");
                self.eyes = None;
                Seen::Anything
            }
        }
    }

    /// Waits until the files are quiet, and reads them; those that are half written, again.
    async fn settle(&mut self, seen: Seen) {
        let mut seen = seen;
        for _ in 0..MOST_AGAIN {
            seen = self.until_quiet(seen).await;
            let again = self.read(seen);
            if again.is_empty() {
                return;
            }
            seen = Seen::Files(again);
            tokio::select! {
                more = self.seen() => seen = seen.and(more),
                () = sleep(AGAIN) => {}
            }
        }
        self.read(seen);
    }

    async fn until_quiet(&mut self, seen: Seen) -> Seen {
        let mut seen = seen;
        let first = Instant::now();
        let mut quiet = first + SETTLE;
        loop {
            tokio::select! {
                more = self.seen() => seen = seen.and(more),
                () = sleep_until(quiet) => return seen,
            }
            quiet = (Instant::now() + SETTLE).min(first + SETTLE_AT_MOST);
        }
    }

    fn read(&mut self, seen: Seen) -> BTreeSet<PathBuf> {
        match seen {
            Seen::Files(files) => self.files.read_some(files),
            Seen::Anything => {
                self.open_eyes();
                self.files.read_all(&self.places)
            }
        }
    }

    fn open_eyes(&mut self) {
        let fault = match Eyes::open(&self.places) {
            Ok((eyes, faults)) => {
                self.eyes = Some(eyes);
                (!faults.is_empty()).then(|| faults.join("; "))
            }
            Err(error) => {
                self.eyes = None;
                Some(format!(
                    "the lease files cannot be watched: {error}; they are read every {} s until they can \
                     (sysctl fs.inotify.max_user_instances=1024)",
                    BLIND.as_secs()
                ))
            }
        };
        if let Some(fault) = fault.as_ref().filter(|_| fault != self.told) {
            tracing::warn!("dhclient: {fault}");
        }
        self.told = fault;
    }

    /// Tells who has which lease now, and returns when that changes by itself.
    async fn tell(&self) -> Result<Option<SystemTime>, Gone> {
        let picture = self.files.picture();
        self.send(Report::Leases(picture.leases)).await?;
        Ok(picture.until)
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
