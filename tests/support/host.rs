//! A throw-away machine: `host.sh` in fresh namespaces, and ways to reach into it.

use super::skip::skip;
use super::stale::newer_source;
use serde_json::Value;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU32;

/// What has to be built before a machine can start.
const PROGRAMS: [&str; 4] = ["netevd", "netevd-worker", "netevd-priv", "netevd-test-agent"];

/// One machine. It ends with this value, or with the test process.
pub(crate) struct Host {
    unshare: Child,
    init: u32,
    users: bool,
    /// How many daemons were started here.
    pub(super) starts: AtomicU32,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// How namespaces can be had here.
enum Way {
    Root,
    UserNamespace,
    None(String),
}

impl Host {
    /// A new machine for the test of this name; `None` where no namespace is to be had, which is
    /// said on standard error even when the test harness captures output.
    pub(crate) fn new(test: &str) -> Option<Host> {
        match way() {
            Way::None(reason) => {
                skip(format_args!("{test}: {reason}"));
                None
            }
            way => Some(Host::start(matches!(way, Way::Root))),
        }
    }

    /// As [`Host::new`], for tests that are about several users.
    pub(crate) fn with_users(test: &str) -> Option<Host> {
        let host = Host::new(test)?;
        if !host.users {
            skip(format_args!("{test}: it needs more than one user id; run it as root"));
            return None;
        }
        Some(host)
    }

    fn start(root: bool) -> Host {
        let binaries = binaries();
        let mut command = Command::new("unshare");
        if !root {
            command.args(["--user", "--map-root-user"]);
        }
        command
            .args(["--mount", "--net", "--pid", "--uts", "--ipc", "--fork", "--kill-child=KILL"])
            .arg(manifest().join("tests/support/host.sh"))
            .arg(binaries)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut unshare = command.spawn().expect("unshare (util-linux) is installed");
        let mut line = String::new();
        let stdout = unshare.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("host.sh speaks UTF-8");
        if line.trim() != "ready" {
            let mut reason = String::new();
            let mut stderr = unshare.stderr.take().expect("piped");
            stderr.read_to_string(&mut reason).expect("host.sh speaks UTF-8");
            panic!("the test machine did not come up: {reason}");
        }
        let children = format!("/proc/{0}/task/{0}/children", unshare.id());
        let children =
            fs::read_to_string(children).expect("the kernel lists children (CONFIG_PROC_CHILDREN)");
        let init = children.split_whitespace().next().expect("unshare --fork has a child");
        let host =
            Host { init: init.parse().expect("a pid"), unshare, users: root, starts: AtomicU32::new(0) };
        host.write("/out/records", "", 0o666);
        host
    }

    /// True when the machine has more than one user id.
    pub(crate) fn has_users(&self) -> bool {
        self.users
    }

    /// Where a file of the machine is, seen from outside.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        assert!(path.starts_with('/'), "{path} is absolute");
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Writes a file, with its directories (0755).
    pub(crate) fn write(&self, path: &str, text: &str, mode: u32) {
        let place = self.path(path);
        let parent = place.parent().expect("a file has a directory");
        fs::create_dir_all(parent).unwrap_or_else(|e| panic!("{}: {e}", parent.display()));
        let mut file = fs::File::create(&place).unwrap_or_else(|e| panic!("{path}: {e}"));
        file.write_all(text.as_bytes()).expect("written");
        file.set_permissions(fs::Permissions::from_mode(mode)).expect("mode set");
    }

    /// Reads a file; empty if it is not there.
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read(self.path(path)).map(|b| String::from_utf8_lossy(&b).into_owned()).unwrap_or_default()
    }

    /// The configuration of the whole machine.
    pub(crate) fn config(&self, yaml: &str) {
        self.write("/etc/netevd/netevd.yaml", yaml, 0o644);
    }

    /// A script of root's in `/etc/netevd/EVENT.d`.
    pub(crate) fn script(&self, event: &str, name: &str, body: &str) {
        self.write(&format!("/etc/netevd/{event}.d/{name}"), body, 0o755);
    }

    /// A command that runs inside when it is started.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, command: &[S]) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.arg(format!("--target={}", self.init));
        if !self.users {
            nsenter.args(["--user", "--preserve-credentials"]);
        }
        nsenter.args(["--mount", "--net", "--pid", "--uts", "--ipc", "--"]).args(command);
        nsenter.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", "/root");
        nsenter.stdin(Stdio::null());
        nsenter
    }

    /// Options of nsenter(1) for the machine's network alone, with the files of this one.
    pub(crate) fn network(&self) -> Vec<String> {
        let mut options = vec![format!("--target={}", self.init), "--net".to_owned()];
        if !self.users {
            options.extend(["--user".to_owned(), "--preserve-credentials".to_owned()]);
        }
        options.push("--".to_owned());
        options
    }

    /// Runs a command to its end.
    pub(crate) fn run<S: AsRef<OsStr>>(&self, command: &[S]) -> Output {
        let done = self.command(command).output().expect("nsenter (util-linux) is installed");
        Output {
            status: done.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
        }
    }

    /// Runs a shell command that has to succeed, and returns what it printed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.run(&["sh", "-ec", script]);
        assert_eq!(output.status, 0, "{script}\n{}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// Runs `ip` with these words, which has to succeed.
    pub(crate) fn ip(&self, words: &str) -> String {
        self.sh(&format!("ip {words}"))
    }

    /// Runs many lines of `ip` in one process; with `force` it goes on after a line that fails.
    pub(crate) fn ip_batch(&self, lines: &str, force: bool) {
        self.write("/tmp/batch", lines, 0o644);
        let words: &[&str] = if force { &["ip", "-force", "-batch"] } else { &["ip", "-batch"] };
        let output = self.run(&[words, &["/tmp/batch"]].concat());
        assert!(force || output.status == 0, "{lines}\n{}", output.stderr);
    }

    /// The value that `ip -j` prints for these words.
    pub(crate) fn ip_json(&self, words: &str) -> Value {
        let text = self.ip(&format!("-j {words}"));
        if text.trim().is_empty() {
            return Value::Array(Vec::new());
        }
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("ip -j {words}: {e}\n{text}"))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprint!("{}", self.manager_logs());
        }
        // The child of unshare is killed with it, and with process 1 everything in the machine.
        let _ = self.unshare.kill();
        let _ = self.unshare.wait();
    }
}

fn manifest() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The built programs, as they were when this process first asked: links to them in a directory that belongs to
/// it. A build that runs beside the tests replaces what is in target/debug, and a daemon under test whose program
/// goes is another one by /proc, or is replaced by another at its next start.
fn binaries() -> &'static Path {
    static LINKED: OnceLock<PathBuf> = OnceLock::new();
    LINKED.get_or_init(|| {
        let all = Path::new(env!("CARGO_TARGET_TMPDIR")).join("programs");
        let own = all.join(std::process::id().to_string());
        remove_those_of_ended_processes(&all);
        fs::create_dir_all(&own).unwrap_or_else(|error| panic!("{}: {error}", own.display()));
        for program in PROGRAMS {
            let built = built().join(program);
            assert!(built.exists(), "{program} is not built: run cargo build --workspace first");
            if let Some(source) = newer_source(&built) {
                let (built, source) = (built.display(), source.display());
                panic!("{built} is older than {source}: run cargo build --workspace first");
            }
            let linked = own.join(program);
            // On another file system there is no link.
            fs::hard_link(&built, &linked)
                .or_else(|_| fs::copy(&built, &linked).map(drop))
                .unwrap_or_else(|error| panic!("{}: {error}", linked.display()));
        }
        own
    })
}

fn built() -> PathBuf {
    match std::env::var_os("NETEVD_TEST_BINARIES") {
        Some(directory) => PathBuf::from(directory),
        None => Path::new(env!("CARGO_BIN_EXE_netevd")).parent().expect("a directory").to_path_buf(),
    }
}

/// Also what a process of the same number as this one left.
fn remove_those_of_ended_processes(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        let number = entry.file_name();
        let ended = !Path::new("/proc").join(&number).exists();
        if ended || number.to_str() == Some(&std::process::id().to_string()) {
            // Another test process may be removing the same.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Tries once what kind of namespaces this process may make. `NETEVD_TEST_USERNS=1` asks for a
/// user namespace even as root.
fn way() -> &'static Way {
    static WAY: OnceLock<Way> = OnceLock::new();
    WAY.get_or_init(|| {
        let works = |user: &[&str]| {
            let tried = Command::new("unshare")
                .args(user)
                .args(["--mount", "--net", "--pid", "--fork", "mount", "-t", "tmpfs", "none", "/tmp"])
                .output();
            match tried {
                Ok(output) if output.status.success() => Ok(()),
                Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
                Err(error) => Err(format!("unshare: {error}")),
            }
        };
        if std::env::var_os("NETEVD_TEST_USERNS").is_none() && works(&[]).is_ok() {
            return Way::Root;
        }
        match works(&["--user", "--map-root-user"]) {
            Ok(()) => Way::UserNamespace,
            Err(reason) => Way::None(format!("neither root nor user namespaces: {reason}")),
        }
    })
}
