//! The runner: starts scripts as a user of their own, where `scripts.user` names one.
//!
//! A process without any privilege that runs under that user from its first instruction. The worker,
//! which decides what runs, hands over a program, its arguments, its environment and its three
//! descriptors; the runner starts it in a process group of its own, says that it runs and how it
//! ended, and passes TERM and KILL on to that group. It reads no file, no network and no
//! configuration, and takes nothing from scripts. Whoever owns the worker gains nothing by it: programs
//! can be started as the lesser user, which the worker's own user could do to more effect.
//!
//! One worker, one thread, one poll(2). Whatever is malformed ends it with status 2 (`frame` says what
//! is well-formed). When the worker goes, so does every script that still runs.

pub(crate) mod frame;
mod job;

use crate::sys;
use frame::{DESCRIPTORS, Hello, START};
use job::{Control, Job};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, SockFlag, accept4, getsockopt, recvmsg, send, sockopt::PeerCredentials,
};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

/// The first argument of `netevd-worker` that makes it a runner.
pub(crate) const MODE: &str = "--run-scripts";
/// What process 1 passes, sd_listen_fds(3).
const LISTENER: RawFd = 3;
/// Scripts that run at a time: each takes two descriptors of the usual 1,024.
const JOBS_MAX: usize = 256;

/// Why it ends without having been asked.
#[derive(Debug)]
pub(super) enum Fault {
    /// It was not started as it must be.
    Start(String),
    /// The worker sent what no worker of ours sends.
    Violation(&'static str),
    /// A call that cannot fail did.
    Failed(&'static str, io::Error),
}

/// `netevd-worker --run-scripts FD`, or `systemd` or `stdin` in place of the number. Exit codes: 0 the worker has
/// gone, 1 it cannot be done here, 2 a violation.
pub(crate) fn main(mut arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let from = arguments.next().and_then(|from| from.into_string().ok());
    let from = from.filter(|_| arguments.next().is_none()).unwrap_or_default();
    let ended = confine().and_then(|()| channel(&from)).and_then(Runner::greet).and_then(Runner::serve);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("netevd-scripts: {fault}");
            ExitCode::from(if matches!(fault, Fault::Violation(_)) { 2 } else { 1 })
        }
    }
}

/// Scripts have the same user: they must not look into this process. And what it has not, none of
/// them has.
fn confine() -> Result<(), Fault> {
    let failed = |what| move |errno: Errno| Fault::Failed(what, errno.into());
    prctl::set_dumpable(false).map_err(failed("cannot become undumpable"))?;
    prctl::set_no_new_privs().map_err(failed("PR_SET_NO_NEW_PRIVS"))?;
    // Beside the worker in lists of processes.
    prctl::set_name(c"netevd-scripts").map_err(failed("PR_SET_NAME"))?;
    if nix::unistd::geteuid().is_root() || nix::unistd::getuid().is_root() {
        return Err(Fault::Start("it runs nothing as root: name another user in scripts.user".to_owned()));
    }
    match caps::read(None, caps::CapSet::Permitted) {
        Ok(found) if found.is_empty() => {}
        Ok(found) => return Err(Fault::Start(format!("it has capabilities ({found:?}): it must have none"))),
        Err(error) => return Err(Fault::Start(format!("its capabilities cannot be read: {error}"))),
    }
    sys::close_on_exec_from_3();
    Ok(())
}

/// The worker's end: the launcher's socket pair, the first to connect to systemd's socket, or what a
/// unit of `netevd test` has as its standard input.
fn channel(from: &str) -> Result<OwnedFd, Fault> {
    let open = |number| sys::inherited(number).map_err(|error| Fault::Failed("its channel", error));
    if from == "stdin" {
        let channel = io::stdin().as_fd().try_clone_to_owned();
        return channel.map_err(|error| Fault::Failed("its channel", error));
    }
    if from != "systemd" {
        let number = from.parse().ok().filter(|number| *number > 2);
        let usage = || Fault::Start(format!("usage: netevd-worker {MODE} FD|systemd|stdin"));
        // The launcher ends it by ending the worker; scripts get their grace from that one.
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            sys::swallow(signal).map_err(|errno| Fault::Failed("signals", errno.into()))?;
        }
        return open(number.ok_or_else(usage)?);
    }
    let own = std::process::id().to_string();
    if std::env::var("LISTEN_PID").ok() != Some(own) || std::env::var("LISTEN_FDS").as_deref() != Ok("1") {
        return Err(Fault::Start("systemd passed no socket: start netevd-scripts.socket".to_owned()));
    }
    let listener = open(LISTENER)?;
    let accepted = accept4(listener.as_raw_fd(), SockFlag::SOCK_CLOEXEC);
    let channel = open(accepted.map_err(|errno| Fault::Failed("accept", errno.into()))?)?;
    let peer = getsockopt(&channel, PeerCredentials).map_err(|e| Fault::Failed("SO_PEERCRED", e.into()))?;
    // The socket's mode lets in the worker's user alone. A script is what must never come in.
    if peer.uid() == nix::unistd::geteuid().as_raw() {
        return Err(Fault::Violation("its own user connected"));
    }
    Ok(channel)
}

struct Runner {
    channel: OwnedFd,
    jobs: Vec<Job>,
}

impl Runner {
    /// Says who it is.
    fn greet(channel: OwnedFd) -> Result<Self, Fault> {
        let hello = Hello { uid: nix::unistd::geteuid().as_raw() }.encode();
        match send(channel.as_raw_fd(), &hello, MsgFlags::MSG_NOSIGNAL) {
            // Who has gone already is noticed by the first receive.
            Ok(_) | Err(Errno::EPIPE | Errno::ECONNRESET) => Ok(Self { channel, jobs: Vec::new() }),
            Err(errno) => Err(Fault::Failed("its channel", errno.into())),
        }
    }

    /// Until the worker has gone. What still runs then is ended, whatever the reason.
    fn serve(mut self) -> Result<(), Fault> {
        let ended = loop {
            match self.turn() {
                Ok(true) => {}
                Ok(false) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        for job in self.jobs {
            job.end();
        }
        ended
    }

    /// Waits, and does what there is to do; false when the worker has gone.
    fn turn(&mut self) -> Result<bool, Fault> {
        let (asked, ready) = self.wait()?;
        for (job, (ordered, exited)) in self.jobs.iter_mut().zip(ready) {
            if exited {
                job.exited();
            }
            if ordered {
                job.obey()?;
            }
        }
        for place in (0..self.jobs.len()).rev() {
            if self.jobs.get(place).is_some_and(Job::is_over) {
                self.jobs.swap_remove(place).end();
            }
        }
        if asked { self.take() } else { Ok(true) }
    }

    /// Whether the channel has something, and for each job whether its control has and whether it exited.
    fn wait(&self) -> Result<(bool, Vec<(bool, bool)>), Fault> {
        let mut awaited = vec![PollFd::new(self.channel.as_fd(), PollFlags::POLLIN)];
        let mut places = Vec::new();
        for job in &self.jobs {
            let mut place = |fd| {
                awaited.push(PollFd::new(fd, PollFlags::POLLIN));
                awaited.len() - 1
            };
            places.push((job.control().map(&mut place), job.exit().map(&mut place)));
        }
        match poll(&mut awaited, PollTimeout::NONE) {
            Ok(_) => {}
            Err(Errno::EINTR) => return Ok((false, Vec::new())),
            Err(errno) => return Err(Fault::Failed("poll", errno.into())),
        }
        let is_ready = |place: usize| awaited.get(place).and_then(PollFd::any).unwrap_or_default();
        let of = |place: Option<usize>| place.is_some_and(is_ready);
        Ok((is_ready(0), places.into_iter().map(|(control, exit)| (of(control), of(exit))).collect()))
    }

    /// One request.
    fn take(&mut self) -> Result<bool, Fault> {
        let mut bytes = [0; START.len() + 1];
        // Room for more than there may be, so that more shows.
        let mut space = nix::cmsg_space!([RawFd; DESCRIPTORS + 3]);
        let (length, flags, given) = {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let flags = MsgFlags::MSG_CMSG_CLOEXEC | MsgFlags::MSG_DONTWAIT;
            let message = match recvmsg::<()>(self.channel.as_raw_fd(), &mut parts, Some(&mut space), flags) {
                Ok(message) => message,
                Err(Errno::EAGAIN | Errno::EINTR) => return Ok(true),
                Err(Errno::ECONNRESET) => return Ok(false),
                Err(errno) => return Err(Fault::Failed("its channel", errno.into())),
            };
            let mut given = Vec::new();
            for part in message.cmsgs().map_err(|_| Fault::Violation("more descriptors than there may be"))? {
                let ControlMessageOwned::ScmRights(numbers) = part else {
                    return Err(Fault::Violation("not a descriptor"));
                };
                for number in numbers {
                    given.push(sys::inherited(number).map_err(|e| Fault::Failed("a descriptor", e))?);
                }
            }
            (message.bytes, message.flags, given)
        };
        if length == 0 && given.is_empty() {
            return Ok(false);
        }
        if bytes.get(..length) != Some(&START[..]) || flags.contains(MsgFlags::MSG_TRUNC) {
            return Err(Fault::Violation("a request of another kind"));
        }
        let given: [OwnedFd; DESCRIPTORS] =
            given.try_into().map_err(|_| Fault::Violation("another number of descriptors"))?;
        let [program, stdin, stdout, stderr, control] = given;
        let control = Control::new(control)?;
        let program = job::read(program)?;
        if control.is_given_up() {
            return Ok(true);
        }
        if self.jobs.len() >= JOBS_MAX {
            control.not_started(&io::Error::from_raw_os_error(nix::libc::EAGAIN));
        } else if let Some(job) = Job::start(&program, [stdin, stdout, stderr], control)? {
            self.jobs.push(job);
        }
        Ok(true)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Start(what) => f.write_str(what),
            Fault::Violation(what) => write!(f, "violation: {what}; ending"),
            Fault::Failed(what, error) => write!(f, "{what}: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;
