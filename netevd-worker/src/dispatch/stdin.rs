//! Standard input of a script: a pipe that is filled once the script runs.
//!
//! The document is not waited for: the script starts first and finds it when it reads. The pipe
//! is made large enough to take the whole of it where the kernel permits (pipe(7): 1 MiB for an
//! unprivileged owner), so that a script which does not read costs nothing; what does not fit is
//! handed over while the script runs, and dropped when it has exited.

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::unistd::{pipe2, write};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use tokio::net::unix::pipe::Sender;

/// What a pipe holds from the start.
const CAPACITY: usize = 64 * 1024;

/// The daemon's end.
#[derive(Debug)]
pub struct Feed {
    pipe: OwnedFd,
}

/// What did not fit.
#[derive(Debug)]
pub(super) struct RemainingInput {
    pipe: Sender,
    document: Rc<[u8]>,
    written: usize,
}

/// Both ends, the script's first.
pub(super) fn open() -> io::Result<(OwnedFd, Feed)> {
    let (read, pipe) = pipe2(OFlag::O_CLOEXEC)?;
    // Of the daemon's end alone: the script's is another open file description.
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok((read, Feed { pipe }))
}

impl Feed {
    /// Hands the document over as far as it fits; `None` when that is all of it.
    pub(super) fn begin(self, document: Rc<[u8]>) -> io::Result<Option<RemainingInput>> {
        if document.len() > CAPACITY
            && let Ok(size) = i32::try_from(document.len())
        {
            // Refused beyond /proc/sys/fs/pipe-max-size: then it takes a few turns.
            let _ = fcntl(&self.pipe, FcntlArg::F_SETPIPE_SZ(size));
        }
        let mut written = 0;
        while let Some(left) = document.get(written..).filter(|left| !left.is_empty()) {
            match write(&self.pipe, left) {
                Ok(count) => written += count,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    return Ok(Some(RemainingInput {
                        pipe: Sender::from_owned_fd(self.pipe)?,
                        document,
                        written,
                    }));
                }
                // The script has closed its standard input, or exited: as it likes.
                Err(Errno::EPIPE) => return Ok(None),
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(None)
    }

    /// The same for a caller without a runtime, which then waits for the script to read.
    pub fn all(self, document: &[u8]) -> io::Result<()> {
        fcntl(&self.pipe, FcntlArg::F_SETFL(OFlag::empty()))?;
        match io::Write::write_all(&mut std::fs::File::from(self.pipe), document) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }
}

impl RemainingInput {
    /// Hands over what is left, as the script reads.
    pub(super) async fn finish(mut self) {
        while let Some(left) = self.document.get(self.written..).filter(|left| !left.is_empty()) {
            if self.pipe.writable().await.is_err() {
                return;
            }
            match self.pipe.try_write(left) {
                Ok(count) => self.written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::io::Read as _;

    #[test]
    fn a_document_waits_for_its_reader() {
        let (read, feed) = open().expect("a pipe");
        assert!(feed.begin(Rc::from(&b"{}"[..])).expect("written").is_none());
        let mut text = String::new();
        File::from(read).read_to_string(&mut text).expect("readable");
        assert_eq!(text, "{}", "and its end is the end of the file");
    }

    #[test]
    fn a_script_that_does_not_read_is_no_error() {
        let (read, feed) = open().expect("a pipe");
        drop(read);
        assert!(feed.begin(Rc::from(&b"{}"[..])).expect("no error").is_none());
    }

    #[tokio::test(flavor = "current_thread")]
    async fn more_than_any_pipe_holds_arrives_whole() {
        let document: Rc<[u8]> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
        let (read, feed) = open().expect("a pipe");
        let rest = feed.begin(Rc::clone(&document)).expect("written");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            File::from(read).read_to_end(&mut all).map(|_| all)
        });
        rest.expect("3 MB do not fit").finish().await;
        let read = reader.join().expect("no panic").expect("readable");
        assert!(read == *document);
    }
}
