//! How the launcher is asked for a reload that takes new processes: one byte into a pipe.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::write;
use std::io;
use std::os::fd::OwnedFd;

/// The worker's end.
pub(super) struct ReloadPipe(OwnedFd);

impl ReloadPipe {
    /// Takes the inherited end.
    pub(super) fn new(pipe: OwnedFd) -> io::Result<Self> {
        fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        Ok(Self(pipe))
    }

    /// Asks; false when nobody is there to hear it.
    pub(super) fn request(&self) -> bool {
        // A full pipe has been rung and not heard yet.
        matches!(write(&self.0, b"!"), Ok(_) | Err(Errno::EAGAIN))
    }
}
