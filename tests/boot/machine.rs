//! A machine with systemd as process 1: `boot.sh` around a Debian made by `rootfs.sh`, with netevd
//! installed as `make install` does it: the release programs, byte for byte what users get.

use crate::skip::skip;
use crate::wait::wait_for;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Debian 12 with systemd 252, Debian 13 with 257.
pub(crate) const SUITES: [&str; 2] = ["bookworm", "trixie"];

/// One machine. It ends with this value, or with the test process.
pub(crate) struct Machine {
    boot: Child,
    init: String,
    work: PathBuf,
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) status: i32,
    pub(crate) text: String,
}

impl Machine {
    /// Boots this suite with these files (path, text, mode) beside what is installed, and waits
    /// until it has settled. `None`, said loudly, where it cannot be had.
    pub(crate) fn boot(suite: &str, files: &[(&str, &str, u32)]) -> Option<Self> {
        Self::with(suite, &programs(), files)
    }

    /// The same without netevd, which a test installs from a package.
    #[allow(dead_code, reason = "tests/packages boots its machines so")]
    pub(crate) fn boot_without(suite: &str, files: &[(&str, &str, u32)]) -> Option<Self> {
        Self::with(suite, Path::new("-"), files)
    }

    fn with(suite: &str, installed: &Path, files: &[(&str, &str, u32)]) -> Option<Self> {
        let rootfs = rootfs(suite)?;
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let work =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("boot-{}-{number}", std::process::id()));
        let tree = work.join("files");
        fs::create_dir_all(&tree).expect("a directory");
        for (path, text, mode) in files {
            let place = tree.join(path.trim_start_matches('/'));
            fs::create_dir_all(place.parent().expect("a directory")).expect("made");
            fs::write(&place, text).expect("written");
            fs::set_permissions(&place, fs::Permissions::from_mode(*mode)).expect("set");
        }
        let mut boot = Command::new("unshare")
            .args(["--mount", "--net"])
            .arg(project().join("tests/boot/boot.sh"))
            .args([rootfs.as_path(), &tree, installed, &work])
            .arg(built().join("netevd-test-agent"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("unshare (util-linux) is installed");
        let mut line = String::new();
        BufReader::new(boot.stdout.take().expect("piped")).read_line(&mut line).expect("text");
        let Some(init) = line.trim().strip_prefix("init ") else {
            let mut reason = String::new();
            boot.stderr.take().expect("piped").read_to_string(&mut reason).expect("text");
            panic!("{suite} did not boot: {reason}");
        };
        let machine = Self { init: init.to_owned(), boot, work };
        let settled = || {
            let state = machine.run("systemctl is-system-running").text;
            ["running", "degraded"].contains(&state.trim())
        };
        let explain = || {
            let state = machine.run(
                "systemctl is-system-running; systemctl list-jobs; journalctl -b --no-pager | tail -n 40",
            );
            format!("{}\n{}", machine.console(), state.text)
        };
        wait_for("the machine has booted", explain, settled);
        Some(machine)
    }

    /// Runs a shell command in the machine, to its end.
    pub(crate) fn run(&self, script: &str) -> Output {
        let done = Command::new("nsenter")
            .arg(format!("--target={}", self.init))
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"])
            .args(["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8"])
            .args(["SYSTEMD_COLORS=0", "sh", "-c", script])
            .stdin(Stdio::null())
            .output()
            .expect("nsenter (util-linux) is installed");
        let text = [done.stdout, done.stderr].concat();
        Output { status: done.status.code().unwrap_or(-1), text: String::from_utf8_lossy(&text).into_owned() }
    }

    /// The same for one that has to succeed.
    pub(crate) fn sh(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(output.status, 0, "{script}\n{}\n{}", output.text, self.journal());
        output.text
    }

    /// Replaces a file.
    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    /// Everything in the machine stands still for this long, process 1 too: cgroup.freeze (cgroups(7)).
    pub(crate) fn pause(&self, time: Duration) {
        let own = fs::read_to_string(format!("/proc/{}/cgroup", self.init)).expect("read");
        let group = own.lines().find_map(|line| line.strip_prefix("0::/")).expect("a group of cgroup2");
        let group = group.strip_suffix("/init.scope").expect("systemd's own");
        let all = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"].map(Path::new);
        let all = all.into_iter().find(|all| all.join("cgroup.procs").exists() && all.join(group).exists());
        let group = all.expect("cgroup2 is mounted").join(group);
        let frozen = Frozen(group.join("cgroup.freeze"));
        fs::write(&frozen.0, "1").expect("frozen");
        let state = || fs::read_to_string(group.join("cgroup.events")).expect("read");
        wait_for("all stand still", state, || state().contains("frozen 1"));
        std::thread::sleep(time);
    }

    /// A file of the machine, as this process sees it.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root{path}", self.init))
    }

    /// Waits until a shell command prints something that satisfies `condition`.
    pub(crate) fn await_text(&self, what: &str, script: &str, condition: impl Fn(&str) -> bool) -> String {
        let explain = || format!("{}\n{}", self.run(script).text, self.journal());
        wait_for(what, explain, || condition(&self.run(script).text));
        self.run(script).text
    }

    /// One property of a unit.
    pub(crate) fn property(&self, unit: &str, name: &str) -> String {
        self.sh(&format!("systemctl show --value --property {name} {unit}")).trim().to_owned()
    }

    /// Waits until a unit is in this state. `systemctl stop netevd` waits for that job alone: what is part of
    /// it (the helper, the sockets) stops after it, by jobs of their own.
    pub(crate) fn await_state(&self, unit: &str, state: &str) {
        let script = format!("systemctl show --value --property ActiveState {unit}");
        self.await_text(&format!("{unit} is {state}"), &script, |text| text.trim() == state);
    }

    /// The main process of a unit; 0 when it has none.
    pub(crate) fn process(&self, unit: &str) -> u32 {
        self.property(unit, "MainPID").parse().expect("a number")
    }

    /// A field of a process's status in /proc.
    pub(crate) fn status_of(&self, process: u32, field: &str) -> String {
        let text = self.sh(&format!("cat /proc/{process}/status"));
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{field}:")));
        line.unwrap_or_else(|| panic!("no {field} in {text}")).trim().to_owned()
    }

    /// netevd's rules and routes, as ip(8) shows them.
    pub(crate) fn ours(&self) -> String {
        self.sh(crate::RULES)
    }

    /// Entries of the journal with all their fields, oldest first.
    pub(crate) fn entries(&self, matches: &str) -> Vec<Value> {
        let text = self.sh(&format!("journalctl --no-pager -o json {matches}"));
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// What the units of netevd have logged.
    pub(crate) fn journal(&self) -> String {
        self.run(
            "systemctl --no-pager status netevd netevd-priv netevd.socket netevd-scripts netevd-scripts.socket
             journalctl --no-pager -o short-precise -u netevd -u netevd-priv -u netevd.socket -u netevd-scripts | tail -n 80",
        )
        .text
    }

    fn console(&self) -> String {
        fs::read_to_string(self.work.join("console")).unwrap_or_default()
    }
}

/// A group that goes on with the end of this value.
struct Frozen(PathBuf);

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = fs::write(&self.0, "0");
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // boot.sh ends the machine when its standard input ends.
        drop(self.boot.stdin.take());
        let _ = self.boot.wait();
        let _ = fs::remove_dir_all(&self.work);
    }
}

/// Where cargo put this test's own programs.
fn built() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_netevd")).parent().expect("a directory")
}

/// The programs that are installed: what users install, so the release. Debug programs differ where it
/// matters here: they are linked dynamically and start by other system calls.
pub(crate) fn programs() -> PathBuf {
    let given = std::env::var_os("NETEVD_TEST_BINARIES").map(PathBuf::from);
    let programs = given.unwrap_or_else(|| project().join("target/release"));
    for name in ["netevd", "netevd-worker", "netevd-priv"] {
        assert!(programs.join(name).exists(), "{} has no {name}: make release", programs.display());
    }
    programs
}

/// The suite's root file system, made if need be.
fn rootfs(suite: &str) -> Option<PathBuf> {
    if std::env::var_os("NETEVD_BOOT").is_none() {
        // Once is enough where nobody asked.
        static SAID: std::sync::Once = std::sync::Once::new();
        SAID.call_once(|| say("not asked for, as the others that boot machines: make test-boot"));
        return None;
    }
    // Mounts, namespaces and device nodes of its own, without a user namespace.
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != 0) {
        skip("it needs root");
        return None;
    }
    let place = project().join("target/rootfs").join(suite);
    let made = Command::new(project().join("tests/boot/rootfs.sh")).arg(suite).arg(&place).output();
    let made = made.expect("bash is installed");
    if made.status.success() {
        return Some(place);
    }
    let reason = String::from_utf8_lossy(&made.stderr);
    // The first suite is what Debian's stable users have; without it nothing was tested.
    assert_ne!(suite, SUITES[0], "no root file system: {reason}");
    skip(format_args!("{suite} cannot be made: {}", reason.lines().last().unwrap_or_default()));
    None
}

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Past the test harness, which captures `eprintln!`.
fn say(reason: &str) {
    let test = std::thread::current();
    let _ = writeln!(std::io::stderr(), "NOT RUN: {}: {reason}", test.name().unwrap_or_default());
}
