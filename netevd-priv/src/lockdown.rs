//! Giving up everything that the helper does not need. What fails here is a refusal to start.

mod calls;
mod sandbox;

use crate::start::cannot;
use crate::sys;
use caps::{CapSet, Capability, CapsHashSet};
use nix::sys::prctl;
use nix::sys::resource::{Resource, setrlimit};
use std::fs::File;
use std::os::fd::AsFd;

/// The first descriptor number that is closed: 0, 1, 2, the channel and both netlink sockets stay.
pub(crate) const DESCRIPTORS: u32 = 6;

/// Closes what is not needed, then drops what is not needed, in the order in which each step is
/// still possible.
pub(crate) fn lock_down() -> Result<(), String> {
    sys::close_from(DESCRIPTORS).map_err(cannot("lock down, close_range"))?;
    drop_capabilities()?;
    // No core image, no ptrace and no pidfd_getfd by processes of the same uid.
    prctl::set_dumpable(false).map_err(cannot("lock down, PR_SET_DUMPABLE"))?;
    prctl::set_no_new_privs().map_err(cannot("lock down, PR_SET_NO_NEW_PRIVS"))?;
    // Its descriptor is the last one: after the limits there is none to be had.
    let landlock = sandbox::no_rule()?;
    limit_resources()?;
    sandbox::enforce(landlock)?;
    sandbox::filter_calls()
}

fn drop_capabilities() -> Result<(), String> {
    let only = CapsHashSet::from([Capability::CAP_NET_ADMIN]);
    let failed = cannot("reduce the capabilities");
    let permitted = caps::read(None, CapSet::Permitted).map_err(&failed)?;
    if !permitted.contains(&Capability::CAP_NET_ADMIN) {
        return Err(not_alone(&permitted));
    }
    // While CAP_SETPCAP is there; without it no_new_privs alone keeps an exec from gaining any.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).map_err(&failed)? {
        caps::clear(None, CapSet::Bounding).map_err(&failed)?;
    }
    caps::clear(None, CapSet::Ambient).map_err(&failed)?;
    caps::clear(None, CapSet::Inheritable).map_err(&failed)?;
    caps::set(None, CapSet::Effective, &only).map_err(&failed)?;
    caps::set(None, CapSet::Permitted, &only).map_err(&failed)?;
    // What counts is what the kernel says, not that the calls succeeded.
    let left = caps::read(None, CapSet::Permitted).map_err(&failed)?;
    if left == only { Ok(()) } else { Err(not_alone(&left)) }
}

fn not_alone(found: &CapsHashSet) -> String {
    let mut names: Vec<String> = found.iter().map(ToString::to_string).collect();
    names.sort();
    format!("exactly CAP_NET_ADMIN must be permitted, found: {names:?}; start it by `netevd start` as root")
}

fn limit_resources() -> Result<(), String> {
    let limit = |resource: Resource, value| {
        setrlimit(resource, value, value).map_err(cannot(format!("lock down, {resource:?}")))
    };
    // First, for asking needs a descriptor more. It writes no file; but a log that is one would
    // end it with SIGXFSZ.
    if !stderr_is_file() {
        limit(Resource::RLIMIT_FSIZE, 0)?;
    }
    // No image of its memory.
    limit(Resource::RLIMIT_CORE, 0)?;
    // It starts no process and no thread.
    limit(Resource::RLIMIT_NPROC, 0)?;
    // It locks no memory and has no message queue.
    limit(Resource::RLIMIT_MEMLOCK, 0)?;
    limit(Resource::RLIMIT_MSGQUEUE, 0)?;
    // It opens nothing more. Not 0, with which poll(2) fails even on what is open.
    limit(Resource::RLIMIT_NOFILE, DESCRIPTORS.into())
}

fn stderr_is_file() -> bool {
    let own = std::io::stderr().as_fd().try_clone_to_owned();
    // What cannot be asked is taken for a file: the limit is a second line of defence.
    own.and_then(|fd| File::from(fd).metadata()).map_or(true, |metadata| metadata.is_file())
}
