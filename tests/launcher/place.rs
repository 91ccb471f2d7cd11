//! A directory with stand-ins, the launcher started in it, and looks at processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Not a shell, which could not permit the signal that the launcher holds back.
pub(crate) const WORKER: &str = r#"#!/usr/bin/perl
use POSIX qw(:signal_h);
$| = 1;
print "worker: @ARGV\n";
$SIG{HUP} = sub { print "reloaded\n" };
$SIG{TERM} = sub { exit 0 };
sigprocmask(SIG_SETMASK, POSIX::SigSet->new);
sleep 1 while 1;
"#;
const HELPER: &str = "#!/bin/sh\nexec sleep 1002\n";

/// Held while a program is written and while one is started: a child that another thread forks
/// meanwhile would hold the new file open for writing, and its execution fail with ETXTBSY.
static WRITING: Mutex<()> = Mutex::new(());

pub(crate) fn alone<T>(act: impl FnOnce() -> T) -> T {
    let _guard = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    act()
}

/// A directory with a copy of `netevd`, stand-ins, a configuration, and all that is said.
pub(crate) struct TestDirectory(pub(crate) PathBuf);

impl TestDirectory {
    pub(crate) fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("netevd-launcher-{name}-{}", std::process::id()));
        fs::create_dir(&path).expect("a new directory");
        fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("mode");
        let place = Self(path);
        alone(|| fs::copy(env!("CARGO_BIN_EXE_netevd"), place.at("netevd"))).expect("a copy");
        place.program("netevd-worker", WORKER);
        place.program("netevd-priv", HELPER);
        place.write("n.yaml", "routing: { policy_rules: [eth1] }\n");
        place
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).expect("written");
    }

    pub(crate) fn program(&self, name: &str, text: &str) {
        alone(|| self.write(name, text));
        fs::set_permissions(self.at(name), PermissionsExt::from_mode(0o755)).expect("mode");
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.at("log")).unwrap_or_default()
    }

    /// The command line of `start`, in a user namespace when the caller is not root.
    pub(crate) fn command(&self) -> Command {
        let mut command = if is_root() {
            Command::new(self.at("netevd"))
        } else {
            let mut unshare = Command::new("unshare");
            unshare.args(["--user", "--map-root-user"]).arg(self.at("netevd"));
            unshare
        };
        command.arg("start").arg("--config").arg(self.at("n.yaml"));
        command.arg("--runtime-dir").arg(self.at("run"));
        self.with_log(&mut command);
        command
    }

    pub(crate) fn with_log(&self, command: &mut Command) {
        let log = fs::File::create(self.at("log")).expect("a log");
        command.stdout(log.try_clone().expect("a copy")).stderr(log).stdin(Stdio::null());
    }

    pub(crate) fn start(&self) -> Daemon {
        let daemon = Daemon::new(&mut self.command());
        await_that("the worker speaks", || self.log().contains("worker: "));
        daemon
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log\n{}---", self.log());
        }
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The launcher; killed with its children when a test fails.
pub(crate) struct Daemon(Child);

impl Daemon {
    pub(crate) fn new(command: &mut Command) -> Self {
        Self(alone(|| command.spawn()).expect("started"))
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).expect("a pid")
    }

    /// Pids of worker and helper, in the order of their start.
    pub(crate) fn children(&self) -> Vec<i32> {
        let pid = self.pid();
        let text = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect()
    }

    /// The child whose command line holds `text`, once it is there and has loaded its libraries.
    pub(crate) fn child(&self, text: &str) -> i32 {
        let is =
            |pid: &i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains(text));
        let mut found = None;
        await_that("the child runs", || {
            found = self.children().into_iter().find(is);
            found.is_some()
        });
        found.expect("found")
    }

    pub(crate) fn worker(&self) -> i32 {
        self.child("netevd-worker")
    }

    pub(crate) fn helper(&self) -> i32 {
        self.child("1002")
    }

    pub(crate) fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    pub(crate) fn end(&mut self) -> ExitStatus {
        let mut status = None;
        await_that("the launcher ends", || {
            status = self.0.try_wait().expect("a child");
            status.is_some()
        });
        status.expect("ended")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The children's parent-death signal ends them as well, unless the launcher lacks CAP_KILL.
        let children = self.children();
        let _ = self.0.kill();
        for pid in children {
            let _ = Command::new("kill").arg("-9").arg(pid.to_string()).stderr(Stdio::null()).status();
        }
        let _ = self.0.wait();
    }
}

pub(crate) fn kill(pid: i32, signal: i32) {
    let mut command = Command::new("kill");
    command.arg(format!("-{signal}")).arg(pid.to_string());
    let done = alone(|| command.status()).expect("kill(1)");
    assert!(done.success());
}

pub(crate) fn is_root() -> bool {
    status(std::process::id().try_into().expect("a pid"), "Uid").starts_with("0\t")
}

/// A line of /proc/PID/status, without its name.
pub(crate) fn status(pid: i32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(":"));
    line.unwrap_or_else(|| panic!("no {field}")).trim().to_owned()
}

pub(crate) fn is_gone(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

pub(crate) fn await_that(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < until, "60 s have passed and not: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

pub(crate) fn skipped_without_root() -> bool {
    if !is_root() {
        crate::skip::skip("only root can give children identities of their own");
    }
    !is_root()
}
