//! Waits for signals and for children; one thread, no runtime.

use crate::children::Children;
use crate::process::Process;
use crate::reload_pipe::ReloadPipe;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::cell::Cell;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// How long a child has between TERM and KILL. The worker gives its scripts ten seconds and
/// needs a moment itself.
const WORKER_GRACE: Duration = Duration::from_secs(13);
const HELPER_GRACE: Duration = Duration::from_secs(10);

/// What the launcher wakes up for.
#[derive(Debug)]
pub(crate) enum Wake {
    /// SIGTERM or SIGINT.
    Stop(Signal),
    /// SIGHUP, or the worker's bell.
    Reload,
    /// A child has ended: its name, and how.
    Died(&'static str, ExitStatus),
}

/// Signals as events.
#[derive(Debug)]
pub(crate) struct Signals {
    descriptor: SignalFd,
    /// What came while a child was waited for, and has its turn after that.
    deferred: Deferred,
}

/// SIGTERM or SIGINT, and SIGHUP.
#[derive(Debug, Default)]
struct Deferred {
    stop: Cell<Option<Signal>>,
    reload: Cell<bool>,
}

impl Deferred {
    fn note(&self, signal: Signal) {
        match signal {
            Signal::SIGTERM | Signal::SIGINT => self.stop.set(Some(signal)),
            Signal::SIGHUP => self.reload.set(true),
            // Of children: whoever waits looks at them anyway.
            _ => {}
        }
    }

    /// The end first: after it nothing is read again.
    fn take(&self) -> Option<Wake> {
        let stop = self.stop.take().map(Wake::Stop);
        stop.or_else(|| self.reload.take().then_some(Wake::Reload))
    }
}

impl Signals {
    /// Blocks them for the life of the process; children have a mask of their own before exec.
    pub(crate) fn take() -> io::Result<Self> {
        let mut set = SigSet::empty();
        for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
            set.add(signal);
        }
        set.thread_block()?;
        let descriptor = SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { descriptor, deferred: Deferred::default() })
    }

    /// The next signal; `None` when `until` has come, or the bell may have been rung.
    fn next(&self, until: Option<Instant>, reload_pipe: Option<&ReloadPipe>) -> io::Result<Option<Signal>> {
        loop {
            if let Some(found) = self.descriptor.read_signal()? {
                let number = i32::try_from(found.ssi_signo).unwrap_or_default();
                return Ok(Signal::try_from(number).ok());
            }
            let heard = reload_pipe.map(|reload_pipe| reload_pipe.listen(Instant::now()));
            let until = match heard {
                Some(Err(ignore_until)) => Some(until.map_or(ignore_until, |until| until.min(ignore_until))),
                _ => until,
            };
            let timeout = match until {
                None => PollTimeout::NONE,
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Ok(None);
                    }
                    // Rounded up, so that the last wait does not spin.
                    let left = u16::try_from(left.as_millis().saturating_add(1)).unwrap_or(u16::MAX);
                    PollTimeout::from(left)
                }
            };
            let mut awaited = vec![PollFd::new(self.descriptor.as_fd(), PollFlags::POLLIN)];
            awaited.extend(
                heard.and_then(Result::ok).map(|reload_pipe| PollFd::new(reload_pipe, PollFlags::POLLIN)),
            );
            match poll(&mut awaited, timeout) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if awaited.get(1).and_then(PollFd::any).unwrap_or_default() {
                return Ok(None);
            }
        }
    }

    /// A bell that is about to go: what it was rung for has its turn after that.
    pub(crate) fn handle(&self, reload_pipe: &mut ReloadPipe) {
        if reload_pipe.receive(Instant::now()) == Some(true) {
            self.deferred.note(Signal::SIGHUP);
        }
    }

    /// The next thing that concerns the launcher.
    pub(crate) fn wait(&self, children: &mut Children) -> io::Result<Wake> {
        loop {
            // Asked first: a child may have ended before the signal was looked for.
            if let Some(Wake::Died(who, status)) = children.died()? {
                // A helper or runner that ends well does so because the worker's end of the channel
                // closed: the worker is the cause, and is about to be reaped.
                let cause = if status.success() {
                    self.wait_for(&mut children.worker, Duration::from_secs(1))?
                } else {
                    None
                };
                let worker = children.worker.name();
                return Ok(cause.map_or(Wake::Died(who, status), |status| Wake::Died(worker, status)));
            }
            if let Some(wake) = self.deferred.take() {
                return Ok(wake);
            }
            match self.next(None, children.reload_pipe.as_ref())? {
                Some(signal @ (Signal::SIGTERM | Signal::SIGINT)) => return Ok(Wake::Stop(signal)),
                Some(Signal::SIGHUP) => return Ok(Wake::Reload),
                _ => {}
            }
            match children.reload_pipe.as_mut().map(|reload_pipe| reload_pipe.receive(Instant::now())) {
                Some(Some(true)) => return Ok(Wake::Reload),
                Some(None) => children.reload_pipe = None,
                _ => {}
            }
        }
    }

    /// Waits for one child at most so long; what other signals ask for is done afterwards.
    fn wait_for(&self, child: &mut Process, grace: Duration) -> io::Result<Option<ExitStatus>> {
        let until = Instant::now() + grace;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            match self.next(Some(until), None)? {
                Some(signal) => self.deferred.note(signal),
                None if Instant::now() >= until => return Ok(None),
                None => {}
            }
        }
    }

    /// TERM, and KILL after the grace.
    fn stop(&self, child: &mut Process, grace: Duration) -> io::Result<ExitStatus> {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        child.signal(Signal::SIGTERM)?;
        if let Some(status) = self.wait_for(child, grace)? {
            return Ok(status);
        }
        let name = child.name();
        crate::say(&format!("{name} does not end within {} s of SIGTERM: killing it", grace.as_secs()));
        child.signal(Signal::SIGKILL)?;
        child.wait()
    }

    /// Stops the worker, which gives its scripts their grace; helper and runner follow by the end of
    /// their channels, and the routing state stays in the kernel. True when all ended as meant.
    pub(crate) fn stop_all(&self, children: &mut Children) -> io::Result<bool> {
        let worker = self.stop(&mut children.worker, WORKER_GRACE)?;
        let mut good = as_meant(worker);
        for child in [&mut children.helper, &mut children.runner].into_iter().flatten() {
            let left = match self.wait_for(child, Duration::from_secs(2))? {
                Some(status) => status,
                None => self.stop(child, HELPER_GRACE)?,
            };
            good &= as_meant(left);
        }
        Ok(good)
    }
}

/// A child without a handler of its own for SIGTERM ends by it, which is as good.
fn as_meant(status: ExitStatus) -> bool {
    status.success() || status.signal() == Some(libc::SIGTERM)
}

impl Children {
    fn died(&mut self) -> io::Result<Option<Wake>> {
        // When several have ended the helper and the runner are asked first: they only ever end by
        // themselves with a non-zero status, and then that is the cause.
        let mut others = Vec::new();
        for child in [&mut self.helper, &mut self.runner].into_iter().flatten() {
            others.extend(child.try_wait()?.map(|status| (child.name(), status)));
        }
        let worker = self.worker.try_wait()?.map(|status| (self.worker.name(), status));
        let failed = others.iter().find(|(_, status)| !status.success()).copied();
        let dead = failed.or(worker).or_else(|| others.first().copied());
        Ok(dead.map(|(name, status)| Wake::Died(name, status)))
    }
}

/// How a process ended, for people.
pub(crate) fn how(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited with status {code}"),
        (None, Some(number)) => match Signal::try_from(number) {
            Ok(signal) => format!("was killed by {signal}"),
            Err(_) => format!("was killed by signal {number}"),
        },
        (None, None) => "ended".to_owned(),
    }
}
