//! Giving up everything that the helper does not need. What fails here is a refusal to start.

use crate::sys;
use caps::{CapSet, Capability, CapsHashSet};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use std::fmt;
use std::fs::File;
use std::os::fd::AsFd;

/// The first descriptor number that is closed: 0, 1, 2, the channel and netlink stay.
pub(crate) const DESCRIPTORS: u32 = 5;

/// Which step failed.
#[derive(Debug)]
pub(crate) enum LockdownError {
    /// The permitted capabilities are not exactly CAP_NET_ADMIN; this is what they are.
    Capabilities(CapsHashSet),
    /// Capabilities could not be read or dropped.
    Caps(caps::errors::CapsError),
    /// A system call, by name.
    Step(&'static str, Errno),
}

/// Closes what is not needed, then drops what is not needed, in the order in which each step is
/// still possible.
pub(crate) fn lock_down() -> Result<(), LockdownError> {
    sys::close_from(DESCRIPTORS).map_err(|errno| LockdownError::Step("close_range", errno))?;
    drop_capabilities()?;
    // No core image, no ptrace and no pidfd_getfd by processes of the same uid.
    prctl::set_dumpable(false).map_err(|errno| LockdownError::Step("PR_SET_DUMPABLE", errno))?;
    prctl::set_no_new_privs().map_err(|errno| LockdownError::Step("PR_SET_NO_NEW_PRIVS", errno))?;
    limit_resources()
}

fn drop_capabilities() -> Result<(), LockdownError> {
    let only = CapsHashSet::from([Capability::CAP_NET_ADMIN]);
    let permitted = caps::read(None, CapSet::Permitted).map_err(LockdownError::Caps)?;
    if !permitted.contains(&Capability::CAP_NET_ADMIN) {
        return Err(LockdownError::Capabilities(permitted));
    }
    // While CAP_SETPCAP is there; without it no_new_privs alone keeps an exec from gaining any.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(LockdownError::Caps)? {
        caps::clear(None, CapSet::Bounding).map_err(LockdownError::Caps)?;
    }
    caps::clear(None, CapSet::Ambient).map_err(LockdownError::Caps)?;
    caps::clear(None, CapSet::Inheritable).map_err(LockdownError::Caps)?;
    caps::set(None, CapSet::Effective, &only).map_err(LockdownError::Caps)?;
    caps::set(None, CapSet::Permitted, &only).map_err(LockdownError::Caps)?;
    // What counts is what the kernel says, not that the calls succeeded.
    let left = caps::read(None, CapSet::Permitted).map_err(LockdownError::Caps)?;
    if left == only { Ok(()) } else { Err(LockdownError::Capabilities(left)) }
}

fn limit_resources() -> Result<(), LockdownError> {
    let limit = |resource, name, value| {
        setrlimit(resource, value, value).map_err(|errno| LockdownError::Step(name, errno))
    };
    // First, for asking needs a descriptor more. It writes no file; but a log that is one would end it with SIGXFSZ.
    if !stderr_is_file() {
        limit(Resource::RLIMIT_FSIZE, "RLIMIT_FSIZE", 0)?;
    }
    // No image of its memory.
    limit(Resource::RLIMIT_CORE, "RLIMIT_CORE", 0)?;
    // It starts no process and no thread.
    limit(Resource::RLIMIT_NPROC, "RLIMIT_NPROC", 0)?;
    // It opens nothing more. Not 0, with which poll(2) fails even on what is open.
    limit(Resource::RLIMIT_NOFILE, "RLIMIT_NOFILE", DESCRIPTORS.into())?;
    // It locks no memory and has no message queue.
    limit(Resource::RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK", 0)?;
    limit(Resource::RLIMIT_MSGQUEUE, "RLIMIT_MSGQUEUE", 0)?;
    Ok(())
}

fn stderr_is_file() -> bool {
    let own = std::io::stderr().as_fd().try_clone_to_owned();
    // What cannot be asked is taken for a file: the limit is a second line of defence.
    own.and_then(|fd| File::from(fd).metadata()).map_or(true, |metadata| metadata.is_file())
}

impl fmt::Display for LockdownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockdownError::Capabilities(found) => {
                let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
                names.sort();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
                write!(
                    f,
                    "exactly CAP_NET_ADMIN must be permitted, found: {names}; start it by `netevd start` as root"
                )
            }
            LockdownError::Caps(error) => write!(f, "cannot reduce the capabilities: {error}"),
            LockdownError::Step(step, errno) => write!(f, "cannot lock down, {step}: {errno}"),
        }
    }
}
