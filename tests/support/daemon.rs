//! The real `netevd start` inside a [`Host`].

use super::host::Host;
use super::wait::wait_for;
use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;

/// A running daemon. It is killed, launcher and both children, when this value ends.
pub(crate) struct Daemon<'h> {
    host: &'h Host,
    nsenter: Child,
    /// The launcher's process id inside the machine.
    pub(crate) pid: u32,
    log: String,
}

/// What a daemon left behind.
#[derive(Debug)]
pub(crate) struct Stopped {
    pub(crate) status: i32,
    pub(crate) log: String,
}

impl Host {
    /// Starts the daemon and waits until it is ready: the first routing pass was tried.
    pub(crate) fn start_daemon(&self) -> Daemon<'_> {
        let mut daemon = self.launch();
        daemon.await_ready();
        daemon
    }

    /// Starts the daemon and does not wait.
    pub(crate) fn launch(&self) -> Daemon<'_> {
        self.launch_with("")
    }

    /// Starts the daemon with these options and does not wait.
    pub(crate) fn launch_with(&self, options: &str) -> Daemon<'_> {
        self.launch_after(":", options)
    }

    /// The same by a shell that has run this before.
    pub(crate) fn launch_after(&self, before: &str, options: &str) -> Daemon<'_> {
        let number = self.starts.fetch_add(1, Ordering::Relaxed) + 1;
        let log = format!("/out/netevd.{number}.log");
        let pid = format!("/out/netevd.{number}.pid");
        let script = format!(
            "{before}; echo $$ >{pid}.new; mv {pid}.new {pid}; exec /opt/netevd/netevd start {options} >{log} 2>&1"
        );
        let mut command = self.command(&["sh", "-c", &script]);
        let nsenter = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nsenter starts");
        wait_for("the daemon's process", String::new, || self.path(&pid).exists());
        let pid = self.read(&pid).trim().parse().expect("a process id");
        Daemon { host: self, nsenter, pid, log }
    }

    /// The log of the newest daemon.
    pub(crate) fn log(&self) -> String {
        self.read(&format!("/out/netevd.{}.log", self.starts.load(Ordering::Relaxed)))
    }
}

impl Daemon<'_> {
    /// Waits for the worker's line that says ready.
    pub(crate) fn await_ready(&mut self) {
        let nsenter = &mut self.nsenter;
        let (host, log) = (self.host, &self.log);
        wait_for(
            "the daemon is ready",
            || host.read(log),
            || {
                let text = host.read(log);
                let ready = text.lines().any(says_ready);
                if !ready && let Some(status) = nsenter.try_wait().expect("waited") {
                    panic!("the daemon ended before it was ready ({status}):\n{text}");
                }
                ready
            },
        );
    }

    pub(crate) fn log(&self) -> String {
        self.host.read(&self.log)
    }

    /// What is awaited from a daemon that has ended never comes.
    pub(crate) fn assert_alive(&self) {
        // It is waited for when this value ends; until then it is a zombie, proc_pid_stat(5).
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.nsenter.id())).expect("its state");
        assert!(!stat.contains(") Z "), "the daemon ended unasked:\n{}", self.log());
    }

    /// Waits for a log line that contains all of `parts`, and returns it.
    pub(crate) fn await_log(&self, parts: &[&str]) -> String {
        let mut found = String::new();
        wait_for(
            &format!("a log line with {parts:?}"),
            || self.log(),
            || {
                let log = self.log();
                let line = log.lines().find(|line| parts.iter().all(|part| line.contains(part)));
                found = line.unwrap_or_default().to_owned();
                line.is_some()
            },
        );
        found
    }

    /// Sends a signal to the launcher.
    pub(crate) fn signal(&self, name: &str) {
        self.host.sh(&format!("kill -{name} {}", self.pid));
    }

    /// The process id (inside) of the child that runs this program.
    pub(crate) fn child(&self, program: &str) -> Option<u32> {
        let children = self.host.read(&format!("/proc/{0}/task/{0}/children", self.pid));
        // comm holds 15 bytes of a name.
        let name = &program[..program.len().min(15)];
        // Under a profiler comm is the profiler's, and the program one of its arguments.
        let is = |pid: &str| {
            let read = |file: &str| self.host.read(&format!("/proc/{pid}/{file}"));
            read("comm").trim() == name
                || read("cmdline").split('\0').any(|word| word.ends_with(&format!("profile/{program}")))
        };
        children.split_whitespace().find(|pid| is(pid)).and_then(|pid| pid.parse().ok())
    }

    /// SIGTERM, and what came of it.
    pub(crate) fn stop(self) -> Stopped {
        self.signal("TERM");
        self.ended()
    }

    /// Waits for the daemon to end by itself.
    pub(crate) fn ended(mut self) -> Stopped {
        let mut status = None;
        let (host, log) = (self.host, &self.log);
        let nsenter = &mut self.nsenter;
        wait_for(
            "the daemon ends",
            || host.read(log),
            || {
                status = nsenter.try_wait().expect("waited");
                status.is_some()
            },
        );
        Stopped { status: status.and_then(|s| s.code()).unwrap_or(-1), log: self.log() }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if !matches!(self.nsenter.try_wait(), Ok(None)) {
            return;
        }
        if std::thread::panicking() {
            eprintln!("--- {}\n{}---", self.log, self.host.read(&self.log));
        }
        let children = self.host.read(&format!("/proc/{0}/task/{0}/children", self.pid));
        let _ = self.host.run(&["sh", "-c", &format!("kill -KILL {} {children}", self.pid)]);
        let _ = self.nsenter.wait();
    }
}

/// True for the worker's line, and not for one with "already" in it.
fn says_ready(line: &str) -> bool {
    line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("ready"))
}
