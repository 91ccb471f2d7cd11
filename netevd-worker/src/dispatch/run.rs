//! One script as one process: started, attended to its end, never waited for by anybody else.
//!
//! Fast path: std's `Command` without pre_exec, uid, gid or directory takes posix_spawn (vfork)
//! instead of fork, whatever the size of the daemon. Own process group; the end is told by a
//! pidfd and is the exit of the process, not the closing of its pipes.
//!
//! The group is signalled only while its leader is not reaped: a zombie keeps its number, so the
//! number of the group cannot have become somebody else's.

use super::Input;
use super::group;
use super::output::{Labels, Output};
use super::process::Process;
use super::startable;
use super::stdin::{self, Feed, RemainingInput};
use super::text::{quoted, shown};
use crate::clock::RunningTime;
use crate::model::EventKind;
use crate::model::Outcome;
use crate::sys;
use crate::text::printable;
use nix::sys::signal::Signal;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// How long a run may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    /// `scripts.timeout`.
    pub(super) timeout: Duration,
    /// Between TERM and KILL after it.
    pub(super) grace: Duration,
}

/// After KILL; only a process that sleeps uninterruptibly in the kernel takes longer.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);
/// A script that its editor is still writing (ETXTBSY) is tried again so often, so far apart.
pub(super) const BUSY_TRIES: u32 = 10;
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// What a run leaves behind.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) outcome: Outcome,
    /// Pipes that a child of the script still holds open.
    pub(super) output: Option<Output>,
    /// How long the machine, or the daemon, stood still meanwhile.
    pub(super) paused: Duration,
    /// When that was.
    pub(super) at: Instant,
}

impl Ended {
    /// No process came to be.
    pub(super) fn not_started(cause: String) -> Self {
        Self { outcome: Outcome::NotStarted(cause), output: None, paused: Duration::ZERO, at: Instant::now() }
    }
}

/// Prepares a script by its absolute path, with nothing of the caller's own environment: arguments,
/// variables, standard input, pipes for what it prints. The caller has judged the path, gives it a
/// separate process group, and feeds the document once the script runs. Fails when there is no
/// descriptor for standard input.
pub fn command(script: &Path, kind: EventKind, input: &Input) -> io::Result<(Command, Feed)> {
    let (stdin, feed) = stdin::open()?;
    let mut command = Command::new(script);
    command
        .args([input.link.as_str(), kind.name()])
        .env_clear()
        .envs(input.environment.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok((command, feed))
}

/// Starts it. Descriptors from 3 on stay with the daemon.
pub(super) fn spawn(command: &mut Command) -> io::Result<Child> {
    sys::close_on_exec_from_3();
    let child = command.process_group(0).spawn()?;
    // At its exec the child wakes us, and the scheduler lets us run instead of it on the same
    // processor: the script would wait a quarter of a millisecond for work that can wait for it.
    std::thread::yield_now();
    Ok(child)
}

/// True for a file that is still open for writing: trying again soon may help.
pub(super) fn is_busy(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::ExecutableFileBusy
}

/// Tries again to start a script that was busy.
pub(super) async fn spawn_busy(mut command: Command, path: &Path) -> Result<Child, String> {
    for _ in 1..BUSY_TRIES {
        sleep(BUSY_PAUSE).await;
        match spawn(&mut command) {
            Err(error) if is_busy(&error) => {}
            answer => return answer.map_err(|error| why_not_started(path, &error)),
        }
    }
    Err(why_not_started(path, &io::ErrorKind::ExecutableFileBusy.into()))
}

/// Sees a child of ours to its end, whose time counts from `begun`.
pub(super) async fn attend(
    mut child: Child,
    begun: Instant,
    labels: Rc<Labels>,
    limit: Limit,
    stop: watch::Receiver<Option<Duration>>,
    rest: Option<RemainingInput>,
) -> Ended {
    let (out, err) = (child.stdout.take().map(OwnedFd::from), child.stderr.take().map(OwnedFd::from));
    let opened = sys::pidfd_open(child.id())
        .and_then(sys::watch_readable)
        .and_then(|exit| Ok((exit, Output::new(out, err, labels)?)));
    match opened {
        Ok((exit, output)) => wait_for_end(Process::Own(child, exit), begun, output, limit, stop, rest).await,
        Err(error) => {
            group::signal(child.id(), Signal::SIGKILL);
            let _ = child.wait();
            let cause =
                format!("it cannot be watched ({error}); raise LimitNOFILE=, or use Linux 5.3 or later");
            Ended::not_started(cause)
        }
    }
}

/// Sees a process to its end: by itself, by `limit`, or by `stop`, which carries the grace.
pub(super) async fn wait_for_end(
    process: Process,
    begun: Instant,
    mut output: Output,
    limit: Limit,
    stop: watch::Receiver<Option<Duration>>,
    rest: Option<RemainingInput>,
) -> Ended {
    let mut time = RunningTime::since(begun, limit.timeout);
    let run_end = tokio::select! {
        biased;
        () = process.exited() => RunEnd::Own,
        grace = stopped(stop) => RunEnd::Stopped(grace),
        () = time.reaches(limit.timeout) => RunEnd::TimedOut,
        () = follow_output(&mut output) => RunEnd::Own,
        () = feed_until_closed(rest) => RunEnd::Own,
    };
    match run_end {
        RunEnd::Own => {}
        RunEnd::Stopped(grace) => end_group(&process, &mut output, grace).await,
        RunEnd::TimedOut => end_group(&process, &mut output, limit.grace).await,
    }
    let status = reap(process).await;
    output.drain();
    let outcome = match (run_end, status) {
        (RunEnd::TimedOut, _) | (_, None) => Outcome::TimedOut,
        (_, Some(status)) => outcome(status),
    };
    Ended { outcome, output: output.is_open().then_some(output), paused: time.paused(), at: Instant::now() }
}

#[derive(Clone, Copy)]
enum RunEnd {
    Own,
    Stopped(Duration),
    TimedOut,
}

fn outcome(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(code), _) => Outcome::Exited(code),
        (None, signal) => Outcome::Signalled(signal.unwrap_or_default()),
    }
}

pub(super) async fn stopped(mut stop: watch::Receiver<Option<Duration>>) -> Duration {
    loop {
        if let Some(grace) = *stop.borrow_and_update() {
            return grace;
        }
        if stop.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

async fn follow_output(output: &mut Output) {
    output.follow().await;
    std::future::pending().await
}

async fn feed_until_closed(rest: Option<RemainingInput>) {
    if let Some(rest) = rest {
        rest.finish().await;
    }
    std::future::pending().await
}

/// TERM to the group, and KILL to what is left of it after the grace, also when the leader has
/// gone before.
async fn end_group(process: &Process, output: &mut Output, grace: Duration) {
    process.terminate();
    let mut time = RunningTime::new(grace);
    let gone = async {
        process.exited().await;
        while group::has_members(process.id()) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = gone => {}
        () = time.reaches(grace) => {}
        () = follow_output(output) => {}
    }
    process.kill();
}

/// The exit status; `None` when even KILL has not ended the process. Then it is reaped later.
async fn reap(process: Process) -> Option<ExitStatus> {
    if timeout(KILL_TIMEOUT, process.exited()).await.is_ok() {
        return process.reap();
    }
    tracing::error!(
        pid = process.id(),
        "a script survives SIGKILL: it waits inside the kernel, see /proc/{}/stack",
        process.id()
    );
    tokio::task::spawn_local(async move {
        process.exited().await;
        process.reap();
    });
    None
}

/// Cause and cure of a failed start, one line.
pub fn why_not_started(path: &Path, error: &io::Error) -> String {
    use nix::libc;
    let word = quoted(path);
    match error.raw_os_error() {
        Some(libc::ENOENT)
            if startable::head(path).is_ok_and(|head| startable::has_carriage_return(&head)) =>
        {
            format!(
                "its first line ends in a carriage return, as on Windows: {}",
                startable::without_carriage_returns(path)
            )
        }
        Some(libc::ENOENT) => match startable::head(path).ok().and_then(|head| startable::interpreter(&head))
        {
            Some(name) => {
                format!(
                    "its interpreter {} is not there; install it, or change the first line of {word}",
                    printable(&name)
                )
            }
            None => format!("{error}; it or its dynamic loader is not there: file {word}"),
        },
        Some(libc::ENOEXEC) if startable::head(path).is_ok_and(|head| head.is_empty()) => {
            "the file is empty".to_owned()
        }
        Some(libc::ENOEXEC) => format!("it has no first line like #!/bin/sh: sed -i '1i #!/bin/sh' {word}"),
        Some(libc::EACCES) => format!(
            "{error}; its file system is mounted noexec or its interpreter may not be executed: findmnt -T {word}"
        ),
        Some(libc::E2BIG) => {
            "its environment is larger than the stack limit allows; raise LimitSTACK=".to_owned()
        }
        Some(libc::EMFILE | libc::ENFILE) => format!("{error}; raise LimitNOFILE="),
        Some(libc::EAGAIN) => format!("{error}; raise TasksMax= or LimitNPROC="),
        _ if is_busy(error) => format!("{} is still open for writing: fuser -v {word}", shown(path)),
        _ => error.to_string(),
    }
}
