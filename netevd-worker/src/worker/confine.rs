//! What the worker gives up before it reads anything from the network. Scripts inherit it all.

use caps::{CapSet, Capability};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use std::fmt;

/// Why the worker does not start.
#[derive(Debug)]
pub(super) enum ConfineError {
    /// A prctl(2) failed.
    Prctl(&'static str, nix::errno::Errno),
    /// A set could not be emptied.
    Capabilities(CapSet, String),
}

/// Keeps other processes of the same user out: no ptrace, no /proc/PID/fd, no pidfd_getfd.
pub(super) fn hide() -> nix::Result<()> {
    prctl::set_dumpable(false)
}

/// SIGHUP that comes before its handler would end the process; it waits until it is permitted.
pub(super) fn hold_hang_up() -> nix::Result<()> {
    hang_up().thread_block()
}

/// From now on; the handler is there.
pub(super) fn permit_hang_up() -> nix::Result<()> {
    hang_up().thread_unblock()
}

fn hang_up() -> SigSet {
    let mut set = SigSet::empty();
    set.add(Signal::SIGHUP);
    set
}

/// No capability now or after any exec, no gain by exec, and the root directory as a place that
/// keeps no file system busy.
pub(super) fn confine() -> Result<(), ConfineError> {
    prctl::set_no_new_privs().map_err(|e| ConfineError::Prctl("PR_SET_NO_NEW_PRIVS", e))?;
    // Whatever is in the bounding set can no longer be gained; it is emptied where we may.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
        caps::clear(None, CapSet::Bounding)
            .map_err(|e| ConfineError::Capabilities(CapSet::Bounding, e.to_string()))?;
    }
    for set in [CapSet::Ambient, CapSet::Inheritable, CapSet::Effective, CapSet::Permitted] {
        clear(set)?;
    }
    if let Err(error) = nix::unistd::chdir("/") {
        tracing::warn!("cannot change to /: {error}");
    }
    Ok(())
}

/// Asks for nothing where the set is empty already: a unit's filter may refuse capset(2).
fn clear(set: CapSet) -> Result<(), ConfineError> {
    if caps::read(None, set).is_ok_and(|found| found.is_empty()) {
        return Ok(());
    }
    caps::clear(None, set).map_err(|e| ConfineError::Capabilities(set, e.to_string()))?;
    match caps::read(None, set) {
        Ok(left) if left.is_empty() => Ok(()),
        Ok(left) => Err(ConfineError::Capabilities(set, format!("{left:?} stay"))),
        Err(error) => Err(ConfineError::Capabilities(set, error.to_string())),
    }
}

impl fmt::Display for ConfineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConfineError::Prctl(what, errno) => {
                write!(
                    f,
                    "{what}: {errno}; netevd does not run scripts with privileges that it cannot give up"
                )
            }
            ConfineError::Capabilities(set, found) => write!(
                f,
                "the {set:?} capability set is not empty ({found}); netevd does not run scripts with capabilities"
            ),
        }
    }
}

impl std::error::Error for ConfineError {}
