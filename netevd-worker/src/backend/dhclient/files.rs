//! All lease files as they were last read, and what could not be.

use super::file::LeaseFile;
use super::lease_location::{LeaseLocation, is_absent};
use super::lease_snapshot::{LeaseSnapshot, snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The files, and the last complaint about each path.
#[derive(Debug, Default)]
pub(super) struct Files {
    read: BTreeMap<PathBuf, LeaseFile>,
    complaints: BTreeMap<PathBuf, String>,
}

impl Files {
    /// Reads everything there is at these places, and forgets what is not. Returns the files that
    /// are to be read again, for they are being written.
    pub(super) fn read_all(&mut self, places: &[LeaseLocation]) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        for place in places {
            match place.files() {
                Ok(files) => {
                    self.complaints.remove(&place.directory);
                    found.extend(files);
                }
                Err(error) => self.complain(&place.directory, "a+rx", &error),
            }
        }
        found.extend(self.read.keys().cloned());
        self.read_some(found)
    }

    /// As [`Files::read_all`], for these files alone. A file that is half written, or that no longer
    /// mentions a lease that holds, is taken as it is, and returned.
    pub(super) fn read_some(&mut self, paths: BTreeSet<PathBuf>) -> BTreeSet<PathBuf> {
        let now = SystemTime::now();
        paths.into_iter().filter(|path| self.read_one(path, now)).collect()
    }

    fn read_one(&mut self, path: &Path, now: SystemTime) -> bool {
        let file = match LeaseFile::read(path) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => {
                self.read.remove(path);
                self.complaints.remove(path);
                return false;
            }
            // What it said before holds until it ends.
            Err(error) => {
                self.complain(path, "a+r", &error);
                return false;
            }
        };
        self.complaints.remove(path);
        let missed = self.read.get(path).is_some_and(|old| old.is_missed_in(&file, now));
        let again = file.incomplete || missed;
        self.read.insert(path.to_owned(), file);
        again
    }

    /// Warns once until the reason changes or is gone.
    fn complain(&mut self, path: &Path, modes: &str, error: &io::Error) {
        let mut text = format!("{} cannot be read, so its leases are not known: {error}", path.display());
        if error.kind() == io::ErrorKind::PermissionDenied {
            text += &format!("; fix it: chmod {modes} {}", path.display());
        }
        if self.complaints.get(path) != Some(&text) {
            tracing::warn!("dhclient: {text}");
            self.complaints.insert(path.to_owned(), text);
        }
    }

    /// How many files could be read.
    pub(super) fn count(&self) -> usize {
        self.read.len()
    }

    /// Who has which lease now.
    pub(super) fn snapshot(&self) -> LeaseSnapshot {
        snapshot(&self.read, SystemTime::now())
    }
}
