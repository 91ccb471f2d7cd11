//! A child process and the user that it runs as.

use crate::identity::Identity;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid, seteuid};
use std::fmt;
use std::io;
use std::process::{Child, ExitStatus};

/// One child of the launcher.
#[derive(Debug)]
pub(crate) struct Process {
    name: &'static str,
    child: Child,
    /// Its user, if that is not the launcher's.
    uid: Option<Uid>,
}

/// A signal that could not be sent.
#[derive(Debug)]
pub(crate) struct NotSignalled {
    signal: Signal,
    name: &'static str,
    error: Errno,
}

impl Process {
    /// `name` is for messages.
    pub(crate) fn new(name: &'static str, child: Child, identity: Option<Identity>) -> Self {
        Self { name, child, uid: identity.map(|identity| identity.uid) }
    }

    /// Its program's name.
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// How it ended, if it has.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.child.try_wait()
    }

    /// How it ended, once it has.
    pub(crate) fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait()
    }

    /// Sends a signal to a child that has not been waited for: its pid is still its own.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), NotSignalled> {
        let pid = pid(&self.child);
        let sent = match (kill(pid, signal), self.uid) {
            (Err(Errno::EPERM), Some(uid)) => kill_as(uid, pid, signal),
            (sent, _) => sent,
        };
        sent.map_err(|error| NotSignalled { signal, name: self.name, error })
    }
}

/// kill(2) as the child's own user, which needs CAP_SETUID and not CAP_KILL; starting the child
/// as that user needed it, too. Only the effective id changes: by its other ids this process is still root's, and
/// that user can neither signal nor trace it.
fn kill_as(uid: Uid, pid: Pid, signal: Signal) -> nix::Result<()> {
    let own = Uid::effective();
    // Without CAP_SETUID the first error is the one to report: CAP_KILL is missing, too.
    seteuid(uid).map_err(|_| Errno::EPERM)?;
    let sent = kill(pid, signal);
    if seteuid(own).is_err() {
        // Always permitted: it is the real or the saved id. Nothing may run with half an identity.
        std::process::abort();
    }
    sent
}

/// The child's pid in the kernel's type.
pub(crate) fn pid(child: &Child) -> Pid {
    // A pid is a positive int (pid_max is at most 2^22).
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}

impl fmt::Display for NotSignalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { signal, name, error } = self;
        write!(f, "cannot send {signal} to {name}: {}", io::Error::from(*error))?;
        match error {
            Errno::EPERM => f.write_str("; this needs CAP_KILL or CAP_SETUID"),
            _ => Ok(()),
        }
    }
}

impl std::error::Error for NotSignalled {}

impl From<NotSignalled> for io::Error {
    fn from(error: NotSignalled) -> Self {
        Self::other(error)
    }
}
