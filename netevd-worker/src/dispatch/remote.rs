//! Scripts by the runner, where `scripts.user` gives them a user of their own: the worker's end.
//!
//! What the worker decides stays with the worker: which script, whether it is trusted, what it is
//! given, when it is ended. The runner ([`crate::runner`]) is believed nothing but how its own children
//! fare; whatever else it says costs the one script.

use super::output::{Labels, Output};
use super::process::Process;
use super::run::{self, Ended, Limit};
use super::stdin::{self, Feed, RemainingInput};
use super::{Identity, Input};
use crate::accounts;
use crate::model::EventKind;
use crate::runner::frame::{Hello, Order, Program, Report, START};
use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, UnixAddr, connect, getsockopt, recv, send,
    sendmsg, socket, socketpair, sockopt::PeerCredentials,
};
use nix::unistd::pipe2;
use std::cell::RefCell;
use std::fs::File;
use std::io::{self, IoSlice, Write as _};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;

/// Where systemd's runner is found.
pub const SOCKET: &str = "/run/netevd-priv/scripts.sock";
/// For a runner that has to be started first. It answers within a millisecond otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The runner, reached when the first script is due.
pub struct Runner {
    place: RunnerChannel,
    /// As whom scripts run, or why they cannot.
    identity: Result<Identity, String>,
    link: Mutex<Option<AsyncFd<OwnedFd>>>,
}

enum RunnerChannel {
    /// The launcher's socket pair, until it is taken.
    Given(RefCell<Option<OwnedFd>>),
    /// systemd's socket.
    Socket(PathBuf),
}

impl Runner {
    /// The one that the launcher has started as this user (a name or number), without other groups.
    pub fn given(channel: OwnedFd, user: &str) -> Self {
        Self::new(RunnerChannel::Given(RefCell::new(Some(channel))), identity(user, false))
    }

    /// The one behind a socket of systemd, with the user's groups.
    pub fn at(path: &Path, user: &str) -> Self {
        Self::new(RunnerChannel::Socket(path.to_owned()), identity(user, true))
    }

    fn new(place: RunnerChannel, identity: Result<Identity, String>) -> Self {
        if let Err(why) = &identity {
            tracing::error!("no script will run: {why}");
        }
        Self { place, identity, link: Mutex::new(None) }
    }

    /// As whom scripts run, if that is known.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref().ok()
    }

    /// Hands a program over, by a connection of before or another one.
    async fn ask(&self, program: &OwnedFd, given: [&OwnedFd; 3]) -> Result<Run, NotStarted> {
        let identity = self.identity.as_ref().map_err(|why| NotStarted::Because(why.clone()))?;
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (control, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)
            .map_err(|errno| NotStarted::Errno(errno as i32))?;
        let numbers = [program, given[0], given[1], given[2], &its].map(AsRawFd::as_raw_fd);
        let mut link = self.link.lock().await;
        let mut tries = 0;
        loop {
            let channel = match link.take() {
                Some(channel) => channel,
                None => self.connect(identity.uid).await.map_err(NotStarted::Because)?,
            };
            match hand_over(&channel, &numbers).await {
                Ok(()) => {
                    *link = Some(channel);
                    break;
                }
                // That runner has ended since; systemd starts another.
                Err(Errno::EPIPE | Errno::ECONNRESET) if tries == 0 => tries += 1,
                Err(errno) => return Err(NotStarted::Because(format!("the runner: {errno}"))),
            }
        }
        drop((link, its));
        let control = crate::sys::watch_readable(control)
            .map_err(|error| NotStarted::Because(format!("its socket: {error}")))?;
        match report(&control).await {
            Some(Report::Started(process)) => Ok(Run { control, process }),
            Some(Report::NotStarted(errno)) => Err(NotStarted::Errno(errno)),
            Some(Report::Ended(_)) => Err(NotStarted::Because("the runner answered out of turn".to_owned())),
            None => Err(NotStarted::Because("the runner does not answer, or has gone".to_owned())),
        }
    }

    async fn connect(&self, uid: u32) -> Result<AsyncFd<OwnedFd>, String> {
        let channel = match &self.place {
            RunnerChannel::Given(channel) => channel.borrow_mut().take().ok_or("the runner has gone")?,
            RunnerChannel::Socket(path) => of_systemd(path).map_err(|why| {
                format!("{}: {why}; systemctl enable --now netevd-scripts.socket", path.display())
            })?,
        };
        let unusable = |error: io::Error| format!("the channel to the runner: {error}");
        nix::fcntl::fcntl(&channel, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .map_err(|errno| unusable(errno.into()))?;
        let channel = crate::sys::watch(channel).map_err(unusable)?;
        let mut frame = [0; Hello::LENGTH + 1];
        let length = receive(&channel, &mut frame).await.map_err(unusable)?;
        match Hello::decode(frame.get(..length).unwrap_or_default()) {
            Some(hello) if hello.uid == uid => {
                tracing::info!("scripts run as uid {uid}, by a runner of that user");
                Ok(channel)
            }
            Some(hello) => Err(format!(
                "the runner has uid {}, and scripts.user is uid {uid}: say so in User= of \
                 netevd-scripts.service, or change scripts.user",
                hello.uid
            )),
            None if length == 0 => Err("the runner has gone; its log says why".to_owned()),
            None => Err("the runner is of another version of netevd".to_owned()),
        }
    }
}

/// A user by name or number.
fn identity(user: &str, with_groups: bool) -> Result<Identity, String> {
    if let Ok(uid) = user.parse::<u32>() {
        let known = accounts::user_of(uid).ok().flatten();
        return Ok(Identity { uid, gids: vec![known.map_or(uid, |user| user.gid)] });
    }
    let found = accounts::user(user).map_err(|error| format!("scripts.user {user}: {error}"))?;
    let found = found.ok_or_else(|| {
        format!("scripts.user: there is no user {user:?}: create it (useradd --system {user})")
    })?;
    let mut gids = vec![found.gid];
    if with_groups {
        gids.extend(accounts::groups_of(user).unwrap_or_default());
    }
    Ok(Identity { uid: found.uid, gids })
}

fn of_systemd(path: &Path) -> io::Result<OwnedFd> {
    let channel = socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None)?;
    connect(channel.as_raw_fd(), &UnixAddr::new(path)?)?;
    // Who called listen: process 1, and not somebody who put a socket there.
    match getsockopt(&channel, PeerCredentials)?.uid() {
        0 => Ok(channel),
        uid => Err(io::Error::other(format!("uid {uid} listens there, and not systemd"))),
    }
}

async fn hand_over(channel: &AsyncFd<OwnedFd>, numbers: &[RawFd]) -> Result<(), Errno> {
    let send = async {
        loop {
            let mut ready = channel.writable().await.map_err(|_| Errno::EIO)?;
            let sent = ready.try_io(|fd| {
                let rights = [ControlMessage::ScmRights(numbers)];
                let flags = MsgFlags::MSG_NOSIGNAL;
                Ok(sendmsg::<()>(fd.as_raw_fd(), &[IoSlice::new(&START)], &rights, flags, None)?)
            });
            match sent {
                Ok(Ok(_)) => return Ok(()),
                Ok(Err(error)) => return Err(error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)),
                Err(_would_block) => {}
            }
        }
    };
    timeout(TIMEOUT, send).await.unwrap_or(Err(Errno::ETIMEDOUT))
}

/// One frame; 0 at the end.
async fn receive(socket: &AsyncFd<OwnedFd>, frame: &mut [u8]) -> io::Result<usize> {
    let receive = async {
        loop {
            let mut ready = socket.readable().await?;
            let got = ready.try_io(|fd| Ok(recv(fd.as_raw_fd(), frame, MsgFlags::empty())?));
            if let Ok(got) = got {
                return got;
            }
        }
    };
    timeout(TIMEOUT, receive).await.unwrap_or(Err(io::ErrorKind::TimedOut.into()))
}

async fn report(control: &AsyncFd<OwnedFd>) -> Option<Report> {
    let mut frame = [0; Report::LENGTH + 1];
    let length = receive(control, &mut frame).await.ok()?;
    Report::decode(frame.get(..length)?)
}

/// Why no process came to be.
enum NotStarted {
    Errno(i32),
    Because(String),
}

/// A script that the runner has started. Dropped, it is killed if it still runs.
pub(super) struct Run {
    control: AsyncFd<OwnedFd>,
    process: i32,
}

impl Run {
    /// Its process group.
    pub(super) fn id(&self) -> u32 {
        self.process.unsigned_abs()
    }

    /// The report of its end has come, or none will.
    pub(super) async fn exited(&self) {
        let mut byte = [0; 1];
        while let Ok(mut ready) = self.control.readable().await {
            // Not taken: only its presence counts, and it may be asked for again.
            let peeked =
                ready.try_io(|fd| Ok(recv(fd.as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK).map(drop)?));
            if peeked.is_ok() {
                return;
            }
        }
    }

    pub(super) fn order(&self, order: Order) {
        // Without a runner there is nobody to signal it.
        let flags = MsgFlags::MSG_NOSIGNAL | MsgFlags::MSG_DONTWAIT;
        let _ = send(self.control.get_ref().as_raw_fd(), &order.encode(), flags);
    }

    /// How it ended, after [`Run::exited`].
    pub(super) fn status(self) -> ExitStatus {
        let mut frame = [0; Report::LENGTH + 1];
        let length = recv(self.control.get_ref().as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT);
        if let Ok(length) = length
            && let Some(Report::Ended(status)) = Report::decode(frame.get(..length).unwrap_or_default())
        {
            let status = ExitStatus::from_raw(status);
            if status.code().is_some() || status.signal().is_some() {
                return status;
            }
        }
        tracing::error!("the runner has gone, and the script with it or out of sight");
        ExitStatus::from_raw(nix::libc::SIGKILL)
    }
}

/// Everything that a script is handed, before it is started.
pub(super) struct Prepared {
    program: OwnedFd,
    stdin: OwnedFd,
    out: (OwnedFd, OwnedFd),
    err: (OwnedFd, OwnedFd),
}

/// What [`run::command`] is for a script of our own.
pub(super) fn prepare(script: &Path, kind: EventKind, input: &Input) -> io::Result<(Prepared, Feed)> {
    let words = [script.as_os_str().as_bytes(), input.link.as_bytes(), kind.name().as_bytes()];
    let variables = input.environment.iter();
    let program = Program {
        words: words.map(<[u8]>::to_vec).into(),
        environment: variables
            .map(|(name, value)| (name.as_bytes().to_vec(), value.clone().into()))
            .collect(),
    };
    let mut file = File::from(memfd_create(c"netevd-script", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(&program.encode())?;
    let (stdin, feed) = stdin::open()?;
    let pipe = || pipe2(nix::fcntl::OFlag::O_CLOEXEC);
    Ok((Prepared { program: file.into(), stdin, out: pipe()?, err: pipe()? }, feed))
}

/// From what is prepared to its end.
pub(super) async fn run(
    runner: Rc<Runner>,
    prepared: Prepared,
    (path, labels, limit): (&Path, Rc<Labels>, Limit),
    stop: watch::Receiver<Option<Duration>>,
    rest: Option<RemainingInput>,
) -> Ended {
    let started = tokio::select! {
        biased;
        started = start(&runner, &prepared) => started,
        _ = run::stopped(stop.clone()) => Err(NotStarted::Because("the daemon ends".to_owned())),
    };
    let Prepared { out, err, .. } = prepared;
    let opened = started.and_then(|started| {
        Output::new(Some(out.0), Some(err.0), labels)
            .map(|output| (started, output))
            .map_err(|error| NotStarted::Because(format!("its output cannot be read: {error}")))
    });
    // Our copies of the script's ends: while one is open nobody learns that the script's is not.
    drop((out.1, err.1, prepared.stdin, prepared.program));
    match opened {
        Ok((started, output)) => {
            let begun = Instant::now();
            run::wait_for_end(Process::Runner(started), begun, output, limit, stop, rest).await
        }
        Err(why) => {
            let cause = match why {
                NotStarted::Errno(errno) => run::why_not_started(path, &io::Error::from_raw_os_error(errno)),
                NotStarted::Because(cause) => cause,
            };
            Ended::not_started(cause)
        }
    }
}

/// From what is prepared to a process and our ends of what it prints; an error is why it does not run.
pub(super) async fn started(
    runner: &Runner,
    prepared: Prepared,
    path: &Path,
) -> Result<(Run, [OwnedFd; 2]), String> {
    let answer = start(runner, &prepared).await;
    match answer {
        Ok(run) => Ok((run, [prepared.out.0, prepared.err.0])),
        Err(NotStarted::Errno(errno)) => {
            Err(run::why_not_started(path, &io::Error::from_raw_os_error(errno)))
        }
        Err(NotStarted::Because(cause)) => Err(cause),
    }
}

async fn start(runner: &Runner, prepared: &Prepared) -> Result<Run, NotStarted> {
    let given = [&prepared.stdin, &prepared.out.1, &prepared.err.1];
    for _ in 1..run::BUSY_TRIES {
        match runner.ask(&prepared.program, given).await {
            Err(NotStarted::Errno(nix::libc::ETXTBSY)) => tokio::time::sleep(run::BUSY_PAUSE).await,
            answer => return answer,
        }
    }
    runner.ask(&prepared.program, given).await
}
