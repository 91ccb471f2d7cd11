//! A transient unit for one test, by systemd-run(1), with the lines of the service that is installed: of its
//! file and of every drop-in, read again each time, so that there is no second list of them.
//!
//! What runs in it is the runner of scripts, which the worker uses with `scripts.user`, at one end of a
//! socket pair. The unit gets that end and two pipes, and nothing of the caller's.

use super::service_lines::{ServiceLines, assignments};
use crate::Failure;
use crate::binaries::Program;
use crate::identity::Identity;
use netevd_worker::dispatch::Runner;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use nix::unistd::{Gid, Group, Uid, User, getgrouplist};
use std::ffi::CString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Where systemd says that it is process 1, sd_booted(3).
const BOOTED: &str = "/run/systemd/system";
/// Where its programs are; the caller's PATH is not asked.
const DIRECTORIES: [&str; 2] = ["/usr/bin", "/bin"];
/// What the unit will be.
#[derive(Debug)]
pub(super) struct Unit {
    service: &'static str,
    files: Vec<PathBuf>,
    properties: Vec<String>,
    identity: Identity,
    /// Named by the caller in place of the service's own.
    is_named: bool,
    run: PathBuf,
}

/// The unit while it runs.
pub(super) struct Service {
    // Dropped first: the end of the channel ends the runner, and that the unit.
    runner: Runner,
    run: Waited,
}

/// systemd-run(1), which ends with its unit.
struct Waited(Child);

impl Unit {
    /// The unit that starts scripts, as it is installed; `Ok(Err)` says why there is none here.
    pub(super) fn find(scripts: Option<&str>, worker: Option<&str>) -> Result<Result<Self, String>, Failure> {
        if !Path::new(BOOTED).is_dir() {
            return Ok(Err("systemd does not run here".to_owned()));
        }
        let service = if scripts.is_some() { "netevd-scripts.service" } else { "netevd.service" };
        let (Some(systemctl), Some(run)) = (program("systemctl"), program("systemd-run")) else {
            return Ok(Err("systemd-run is not installed".to_owned()));
        };
        let shown = show(&systemctl, service)?;
        let value = |name: &str| {
            let line = shown.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().to_owned()
        };
        if value("LoadState") != "loaded" {
            return Ok(Err(format!("{service} is not installed ({})", value("LoadState"))));
        }
        let mut files = vec![PathBuf::from(value("FragmentPath"))];
        files.extend(value("DropInPaths").split_whitespace().map(PathBuf::from));
        let mut lines = ServiceLines::of(service);
        for file in &files {
            let text = std::fs::read_to_string(file)
                .map_err(|error| Failure::line(format!("{service}: {}: {error}", file.display())))?;
            for (name, value) in assignments(&text) {
                lines
                    .add(&name, &value)
                    .map_err(|why| Failure::line(format!("{}: {why}", file.display())))?;
            }
        }
        let properties = lines.properties();
        let named = worker.filter(|_| scripts.is_none());
        let identity = identity(service, named, &value("User"), &value("Group"))?;
        Ok(Ok(Self { service, files, properties, identity, is_named: named.is_some(), run }))
    }

    pub(super) fn identity(&self) -> Identity {
        self.identity
    }

    /// The user's other groups, which systemd gives it too.
    pub(super) fn groups(&self) -> Vec<u32> {
        let user = User::from_uid(self.identity.uid).ok().flatten();
        let name = user.and_then(|user| CString::new(user.name).ok());
        let groups = name.and_then(|name| getgrouplist(&name, self.identity.gid).ok());
        groups.unwrap_or_default().into_iter().map(Gid::as_raw).collect()
    }

    /// Starts it.
    pub(super) fn start(&self) -> Result<Service, Failure> {
        let worker = Program::find("netevd-worker")?;
        let failed = |error: std::io::Error| Failure::line(format!("{}: {error}", self.run.display()));
        let (ours, its) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
            .map_err(|errno| failed(errno.into()))?;
        let Identity { uid, gid } = self.identity;
        let mut command = Command::new(&self.run);
        command.args(["--quiet", "--collect", "--wait", "--pipe", "--service-type=exec"]);
        command.arg(format!("--unit=netevd-test-{}", std::process::id()));
        command.arg(format!("--description=netevd test, with the lines of {}", self.service));
        // A /tmp that the daemon's scripts share is this script's too.
        command.arg(format!("--property=JoinsNamespaceOf={}", self.service));
        for property in &self.properties {
            command.arg(format!("--property={property}"));
        }
        command.args([format!("--property=User={uid}"), format!("--property=Group={gid}")]);
        command.arg("--property=TimeoutStopSec=10s").arg("--").arg(worker.path());
        command.args(["--run-scripts", "stdin"]).env_clear().env("LANG", "C.UTF-8").current_dir("/");
        command.stdin(Stdio::from(its)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = command.spawn().map_err(failed)?;
        // What the command holds of the other end goes with it.
        drop(command);
        Ok(Service { runner: Runner::given(ours, &uid.to_string()), run: Waited(run) })
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it runs in its own unit with the lines of {}", self.service)?;
        match self.files.len() {
            0 | 1 => {}
            2 => f.write_str(" and one drop-in")?,
            n => write!(f, " and {} drop-ins", n - 1)?,
        }
        if self.is_named { write!(f, ", but as {}", self.identity) } else { Ok(()) }
    }
}

impl Service {
    pub(super) fn runner(&self) -> &Runner {
        &self.runner
    }

    /// What systemd said, if the unit has gone.
    pub(super) fn explain(&mut self, why: String) -> String {
        let Waited(run) = &mut self.run;
        if !why.contains("gone") {
            return why;
        }
        // With the runner the unit has gone, or there never was one.
        let mut said = String::new();
        let read = run.stderr.take().map(|stderr| stderr.take(16 * 1024).read_to_string(&mut said));
        match read {
            Some(Ok(1..)) => said.trim().lines().collect::<Vec<_>>().join("; "),
            _ => why,
        }
    }
}

impl Drop for Waited {
    fn drop(&mut self) {
        let _ = self.0.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(name)).find(|path| path.is_file())
}

fn show(systemctl: &Path, service: &str) -> Result<String, Failure> {
    let properties = ["LoadState", "FragmentPath", "DropInPaths", "User", "Group"];
    let mut command = Command::new(systemctl);
    command.arg("show").args(properties.map(|name| format!("--property={name}"))).arg(service);
    let output = command.env_clear().env("LANG", "C.UTF-8").stdin(Stdio::null()).output()?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Err(Failure::line(format!("systemctl show {service}: {said}")))
        }
    }
}

/// As the service has it, or as the caller names it.
fn identity(service: &str, named: Option<&str>, user: &str, group: &str) -> Result<Identity, Failure> {
    let user = named.unwrap_or(user);
    let unknown =
        |what: &str| Failure::line(format!("{service}: there is no {what}: create it, or see User="));
    if user.is_empty() || user == "root" || user == "0" {
        return Err(Failure::line(format!("{service} has no User=, and nothing is run as root")));
    }
    let found = match user.parse::<u32>() {
        Ok(uid) => User::from_uid(Uid::from_raw(uid)).ok().flatten(),
        Err(_) => User::from_name(user).ok().flatten(),
    };
    let uid = match (&found, user.parse::<u32>()) {
        (Some(found), _) => found.uid,
        (None, Ok(uid)) => Uid::from_raw(uid),
        (None, Err(_)) => return Err(unknown(&format!("user {user}"))),
    };
    let own = found.map_or(Gid::from_raw(uid.as_raw()), |found| found.gid);
    let gid = match group {
        _ if named.is_some() => own,
        "" => own,
        group => match (group.parse::<u32>(), Group::from_name(group)) {
            (Ok(gid), _) => Gid::from_raw(gid),
            (_, Ok(Some(found))) => found.gid,
            _ => return Err(unknown(&format!("group {group}"))),
        },
    };
    Ok(Identity { uid, gid })
}
