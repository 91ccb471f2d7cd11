//! One program: started, signalled, and waited for.
//!
//! It is not reaped before the worker has closed its socket: until then the number of its process
//! group cannot become somebody else's.

use super::Fault;
use super::frame::{Order, PROGRAM_MAX, Program, Report};
use crate::sys;
use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::socket::{AddressFamily, MsgFlags, SockType, getsockopt, recv, send, sockopt};
use nix::sys::stat::{SFlag, fstat};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::unistd::Pid;
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};

/// The socket of one program.
pub(super) struct Control(OwnedFd);

/// One that was started.
pub(super) struct Job {
    child: Child,
    /// `None` once it has exited.
    exit: Option<OwnedFd>,
    /// `None` once the worker has closed it.
    control: Option<Control>,
    /// Its number means nothing any more.
    is_reaped: bool,
}

/// A program from the file that came with the request.
pub(super) fn read(file: OwnedFd) -> Result<Program, Fault> {
    let not_a_program = || Fault::Violation("no program");
    let found = fstat(&file).map_err(|_| not_a_program())?;
    let length = usize::try_from(found.st_size).ok().filter(|length| *length <= PROGRAM_MAX);
    // Another kind of file might let it wait.
    if SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Err(not_a_program());
    }
    let mut bytes = vec![0; length.ok_or_else(not_a_program)?];
    File::from(file).read_exact_at(&mut bytes, 0).map_err(|_| not_a_program())?;
    Program::decode(&bytes).ok_or_else(not_a_program)
}

impl Control {
    pub(super) fn new(socket: OwnedFd) -> Result<Self, Fault> {
        let is_ours = getsockopt(&socket, sockopt::SockType) == Ok(SockType::SeqPacket)
            && nix::sys::socket::getsockname::<nix::sys::socket::SockaddrStorage>(socket.as_raw_fd())
                .ok()
                .and_then(|name| nix::sys::socket::SockaddrLike::family(&name))
                == Some(AddressFamily::Unix);
        if is_ours { Ok(Self(socket)) } else { Err(Fault::Violation("no socket for a program")) }
    }

    /// The worker waits for this program no longer.
    pub(super) fn is_given_up(&self) -> bool {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        !matches!(recv(self.0.as_raw_fd(), &mut [0], flags), Ok(1..) | Err(Errno::EAGAIN))
    }

    /// The worker may have gone, or not read: it is its own loss.
    fn say(&self, report: Report) {
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let _ = send(self.0.as_raw_fd(), &report.encode(), flags);
    }

    pub(super) fn not_started(&self, error: &io::Error) {
        self.say(Report::NotStarted(error.raw_os_error().unwrap_or(nix::libc::EIO)));
    }
}

impl Job {
    /// Starts it and says so; `None` when it did not start.
    pub(super) fn start(
        program: &Program,
        [stdin, stdout, stderr]: [OwnedFd; 3],
        control: Control,
    ) -> Result<Option<Self>, Fault> {
        let mut words = program.words.iter().map(|word| OsStr::from_bytes(word));
        let Some(path) = words.next() else { return Err(Fault::Violation("no program")) };
        let variables = program.environment.iter();
        let started = Command::new(path)
            .args(words)
            .env_clear()
            .envs(variables.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))))
            .stdin(Stdio::from(stdin))
            .stdout(Stdio::from(stdout))
            .stderr(Stdio::from(stderr))
            .process_group(0)
            .spawn();
        let mut child = match started {
            Ok(child) => child,
            Err(error) => {
                control.not_started(&error);
                return Ok(None);
            }
        };
        match sys::pidfd_open(child.id()) {
            Ok(exit) => {
                let job = Self { child, exit: Some(exit), control: Some(control), is_reaped: false };
                if let Some(control) = &job.control {
                    control.say(Report::Started(job.group().as_raw()));
                }
                Ok(Some(job))
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                control.not_started(&error);
                Ok(None)
            }
        }
    }

    /// What is waited for: orders, and the exit.
    pub(super) fn control(&self) -> Option<BorrowedFd<'_>> {
        self.control.as_ref().map(|control| control.0.as_fd())
    }

    pub(super) fn exit(&self) -> Option<BorrowedFd<'_>> {
        self.exit.as_ref().map(AsFd::as_fd)
    }

    /// Nothing is left to be done but to reap it.
    pub(super) fn is_over(&self) -> bool {
        self.exit.is_none() && self.control.is_none()
    }

    fn group(&self) -> Pid {
        // A pid is a positive int.
        Pid::from_raw(i32::try_from(self.child.id()).unwrap_or(i32::MAX))
    }

    /// It has exited: says how, and keeps it as a zombie.
    pub(super) fn exited(&mut self) {
        self.exit = None;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT | WaitPidFlag::WNOHANG;
        let status = match waitid(Id::Pid(self.group()), flags) {
            Ok(WaitStatus::Exited(_, code)) => (code & 0xff) << 8,
            Ok(WaitStatus::Signaled(_, signal, _)) => signal as i32,
            // A real-time signal, which has no name there: reaped, it tells its number.
            _ => {
                self.is_reaped = true;
                self.child.wait().map_or(-1, ExitStatusExt::into_raw)
            }
        };
        if let Some(control) = &self.control {
            control.say(Report::Ended(status));
        }
    }

    /// One order, or the end of them: what still runs then is killed.
    pub(super) fn obey(&mut self) -> Result<(), Fault> {
        let Some(control) = &self.control else { return Ok(()) };
        let mut frame = [0; 2];
        let length = match recv(control.0.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT) {
            Ok(length) => length,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(()),
            Err(_) => 0,
        };
        if length == 0 {
            if self.exit.is_some() {
                self.signal(Signal::SIGKILL);
            }
            self.control = None;
            return Ok(());
        }
        match Order::decode(frame.get(..length).unwrap_or_default()) {
            Some(Order::Terminate) => {
                self.signal(Signal::SIGTERM);
                self.signal(Signal::SIGCONT);
                Ok(())
            }
            Some(Order::Kill) => {
                self.signal(Signal::SIGKILL);
                Ok(())
            }
            None => Err(Fault::Violation("no order")),
        }
    }

    fn signal(&self, signal: Signal) {
        if !self.is_reaped {
            // ESRCH: nobody is left, which is what signals are for here.
            let _ = killpg(self.group(), signal);
        }
    }

    /// Kills what has not exited, and reaps it.
    pub(super) fn end(mut self) {
        if self.exit.is_some() {
            self.signal(Signal::SIGKILL);
        }
        if !self.is_reaped {
            let _ = self.child.wait();
        }
    }
}
