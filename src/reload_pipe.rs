//! How the worker asks for a reload that it cannot do itself: one byte through a pipe. It says nothing
//! but that, and does what SIGHUP does: what is read then is root's file.

use nix::fcntl::OFlag;
use nix::unistd::{pipe2, read};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// Between two reloads for the bell: whoever owns the worker must not keep this process busy.
const PAUSE: Duration = Duration::from_secs(1);

/// This process's end.
#[derive(Debug)]
pub(crate) struct ReloadPipe {
    pipe: OwnedFd,
    /// It is not listened to before.
    ignore_until: Option<Instant>,
}

impl ReloadPipe {
    /// The bell, and the worker's end of it.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (pipe, worker_end) = pipe2(OFlag::O_CLOEXEC | OFlag::O_NONBLOCK)?;
        Ok((Self { pipe, ignore_until: None }, worker_end))
    }

    /// What to wait for, unless it was heard just now; then until when not.
    pub(crate) fn listen(&self, now: Instant) -> Result<BorrowedFd<'_>, Instant> {
        match self.ignore_until {
            Some(until) if now < until => Err(until),
            _ => Ok(self.pipe.as_fd()),
        }
    }

    /// Whether it was rung; `None` when there is nobody any more who could.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<bool> {
        let mut bytes = [0; 512];
        match read(&self.pipe, &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                self.ignore_until = Some(now + PAUSE);
                Some(true)
            }
            Err(_would_block) => Some(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rung_once_however_often_the_rope_is_pulled() {
        let (mut reload_pipe, worker_end) = ReloadPipe::new().expect("a pipe");
        let now = Instant::now();
        assert_eq!(reload_pipe.receive(now), Some(false));
        for _ in 0..3 {
            nix::unistd::write(&worker_end, b"!").expect("written");
        }
        assert!(reload_pipe.listen(now).is_ok());
        assert_eq!(reload_pipe.receive(now), Some(true));
        assert!(reload_pipe.listen(now).is_err(), "not at once again");
        assert!(reload_pipe.listen(now + PAUSE).is_ok());
        drop(worker_end);
        assert_eq!(reload_pipe.receive(now + PAUSE), None);
    }
}
