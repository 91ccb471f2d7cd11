//! ISC dhclient: what its lease files say.
//!
//! The client itself is not asked: it has no interface, and its hook scripts belong to the
//! administrator. So the files are all there is, and they tell the whole truth: a lease that is
//! given back is written there as ended.

mod date;
mod file;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod grammar;
mod lease_location;
mod lease_snapshot;
mod lease_watch;
mod lexer;
mod options;
mod watch;

pub use watch::run;

/// Whether some interface has an unexpired lease now.
pub fn has_leases(lease_files: &[String]) -> bool {
    let mut files = files::Files::default();
    files.read_all(&lease_location::LeaseLocation::all(lease_files).0);
    !files.snapshot().leases.is_empty()
}
