//! A script for somebody who watches (`netevd test`): the same program, the same input and the same end as
//! in the daemon, but its output goes to the caller and not into the log.

use super::Input;
use super::process::Process;
use super::remote::{self, Runner};
use super::stdin::{Feed, RemainingInput};
use crate::clock::RunningTime;
use crate::model::{EventKind, Outcome};
use crate::sys;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::Child;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;
use tokio::time::timeout;

/// Between TERM and KILL, as the worker gives it.
const GRACE: Duration = Duration::from_secs(5);
/// After KILL.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// What is read at once.
const PIECE: usize = 16 * 1024;
/// Reads behind the exit: more than both pipes hold. Only a child that goes on writing is cut off here.
const LAST_READS: usize = 256;

/// Takes a piece of what a script prints; `true` for its standard error.
pub type OutputSink<'a> = &'a mut dyn FnMut(bool, &[u8]);

/// What to run, and for how long.
#[derive(Debug)]
pub struct Trial<'a> {
    /// The script's absolute path, which was judged.
    pub path: &'a Path,
    /// The event.
    pub kind: EventKind,
    /// Arguments and environment.
    pub input: &'a Input,
    /// Standard input.
    pub document: Rc<[u8]>,
    /// `scripts.timeout`.
    pub timeout: Duration,
}

impl Trial<'_> {
    /// By a runner; ends early when `stop` does.
    pub async fn by(&self, runner: &Runner, stop: impl Future<Output = ()>, sink: OutputSink<'_>) -> Outcome {
        let (prepared, feed) = match remote::prepare(self.path, self.kind, self.input) {
            Ok(prepared) => prepared,
            Err(error) => return Outcome::NotStarted(error.to_string()),
        };
        match remote::started(runner, prepared, self.path).await {
            Ok((run, pipes)) => self.attend(Process::Runner(run), pipes, feed, stop, sink).await,
            Err(why) => Outcome::NotStarted(why),
        }
    }

    /// By a child of the caller's, who started it with [`super::command`] and in its own process group.
    pub async fn of(
        &self,
        mut child: Child,
        feed: Feed,
        stop: impl Future<Output = ()>,
        sink: OutputSink<'_>,
    ) -> Outcome {
        let pipes = (child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from));
        let exit = sys::pidfd_open(child.id()).and_then(sys::watch_readable);
        match (pipes, exit) {
            ((Some(out), Some(err)), Ok(exit)) => {
                self.attend(Process::Own(child, exit), [out, err], feed, stop, sink).await
            }
            (_, answer) => {
                super::group::signal(child.id(), nix::sys::signal::Signal::SIGKILL);
                let _ = child.wait();
                Outcome::NotStarted(format!("it cannot be watched ({:?})", answer.err()))
            }
        }
    }

    async fn attend(
        &self,
        process: Process,
        pipes: [OwnedFd; 2],
        feed: Feed,
        stop: impl Future<Output = ()>,
        sink: OutputSink<'_>,
    ) -> Outcome {
        let [out, err] = pipes.map(Receiver::from_owned_fd);
        let rest = feed.begin(Rc::clone(&self.document));
        let ((Ok(out), Ok(err)), Ok(rest)) = ((out, err), rest) else {
            process.kill();
            return Outcome::NotStarted("its pipes cannot be watched".to_owned());
        };
        let mut pipes = Pipes { open: [Some(out), Some(err)] };
        let mut time = RunningTime::new(self.timeout);
        let (mut timed_out, mut stopped) = (false, false);
        tokio::select! {
            biased;
            () = process.exited() => {}
            () = stop => stopped = true,
            () = time.reaches(self.timeout) => timed_out = true,
            () = pipes.follow(&mut *sink) => {}
            () = fed(rest) => {}
        }
        if timed_out || stopped {
            process.terminate();
            tokio::select! {
                _ = timeout(GRACE, process.exited()) => {}
                () = pipes.follow(&mut *sink) => {}
            }
            process.kill();
        }
        let status = match timeout(KILL_TIMEOUT, process.exited()).await {
            Ok(()) => process.reap(),
            Err(_) => None,
        };
        pipes.rest(&mut *sink);
        match status {
            Some(status) if !timed_out => match status.code() {
                Some(code) => Outcome::Exited(code),
                None => Outcome::Signalled(status.signal().unwrap_or_default()),
            },
            _ => Outcome::TimedOut,
        }
    }
}

async fn fed(rest: Option<RemainingInput>) {
    if let Some(rest) = rest {
        rest.finish().await;
    }
    std::future::pending().await
}

/// Standard output and standard error.
struct Pipes {
    open: [Option<Receiver>; 2],
}

impl Pipes {
    /// Hands over what comes, for as long as it is asked to.
    async fn follow(&mut self, sink: &mut dyn FnMut(bool, &[u8])) {
        loop {
            let [out, err] = &self.open;
            tokio::select! {
                () = readable(out.as_ref()) => {}
                () = readable(err.as_ref()) => {}
            }
            self.read(sink);
        }
    }

    /// What is there behind the end, read past the runtime: of a script that ended at once it does not know yet
    /// that there is anything to read.
    fn rest(self, sink: &mut dyn FnMut(bool, &[u8])) {
        let mut buffer = [0; PIECE];
        let mut files = self.open.map(|pipe| Some(File::from(pipe?.into_nonblocking_fd().ok()?)));
        for _ in 0..LAST_READS {
            for (file, is_error) in files.iter_mut().zip([false, true]) {
                match file.as_mut().map(|file| file.read(&mut buffer)) {
                    Some(Ok(length @ 1..)) => sink(is_error, buffer.get(..length).unwrap_or_default()),
                    Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                    _ => *file = None,
                }
            }
        }
    }

    /// Reads each once.
    fn read(&mut self, sink: &mut dyn FnMut(bool, &[u8])) {
        let mut buffer = [0; PIECE];
        for (pipe, is_error) in self.open.iter_mut().zip([false, true]) {
            let Some(open) = pipe else { continue };
            match open.try_read(&mut buffer) {
                Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
                Ok(0) | Err(_) => *pipe = None,
                Ok(length) => sink(is_error, buffer.get(..length).unwrap_or_default()),
            }
        }
    }
}

async fn readable(pipe: Option<&Receiver>) {
    match pipe {
        // An error shows again in the read that follows.
        Some(pipe) => drop(pipe.readable().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn what_was_printed_before_anybody_looked_is_read() {
        let (out, mut its_out) = io::pipe().expect("a pipe");
        let (err, mut its_err) = io::pipe().expect("a pipe");
        its_out.write_all(b"said").expect("room");
        its_err.write_all(b"warned").expect("room");
        // A child of the script's still has one.
        drop(its_err);
        let open = [out.into(), err.into()].map(|end| Receiver::from_owned_fd(end).ok());
        let mut said = Vec::new();
        Pipes { open }.rest(&mut |is_error, piece| said.push((is_error, piece.to_vec())));
        assert_eq!(said, [(false, b"said".to_vec()), (true, b"warned".to_vec())]);
        drop(its_out);
    }
}
