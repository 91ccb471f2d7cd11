//! A transient unit for one test, by systemd-run(1), with the lines of the service that is installed: of its
//! file and of every drop-in, read again each time, so that there is no second list of them.
//!
//! What runs in it is the runner of scripts, which the worker uses with `scripts.user`, at one end of a
//! socket pair. The unit gets that end and two pipes, and nothing of the caller's.

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
/// What belongs to the daemon's own life and not to what its scripts may. All else is handed over: a line
/// that this program does not know confines as well.
const OF_THE_DAEMON: [&str; 44] = [
    "BusName",
    "Environment",
    "EnvironmentFile",
    "ExecCondition",
    "ExecReload",
    "ExecReloadPost",
    "ExecStart",
    "ExecStartPost",
    "ExecStartPre",
    "ExecStop",
    "ExecStopPost",
    "ExitType",
    "FileDescriptorStoreMax",
    "FileDescriptorStorePreserve",
    "Group",
    "GuessMainPID",
    "KillMode",
    "NotifyAccess",
    "OpenFile",
    "PIDFile",
    "PassEnvironment",
    "ReloadSignal",
    "RemainAfterExit",
    "Restart",
    "RestartForceExitStatus",
    "RestartMaxDelaySec",
    "RestartMode",
    "RestartPreventExitStatus",
    "RestartSec",
    "RestartSteps",
    "RuntimeMaxSec",
    "RuntimeRandomizedExtraSec",
    "Sockets",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "SuccessExitStatus",
    "TimeoutAbortSec",
    "TimeoutSec",
    "TimeoutStartSec",
    "TimeoutStopSec",
    "Type",
    "User",
    "WatchdogSec",
];
/// Directories that systemd makes for the daemon and lets it write to: by their names, where they are. The
/// unit must neither make nor remove them.
const PLACES: [(&str, &str); 4] = [
    ("RuntimeDirectory", "/run"),
    ("StateDirectory", "/var/lib"),
    ("CacheDirectory", "/var/cache"),
    ("LogsDirectory", "/var/log"),
];
/// What goes with them.
const PLACES_MORE: [&str; 7] = [
    "RuntimeDirectoryMode",
    "RuntimeDirectoryPreserve",
    "StateDirectoryMode",
    "CacheDirectoryMode",
    "LogsDirectoryMode",
    "ConfigurationDirectory",
    "ConfigurationDirectoryMode",
];

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
        let mut lines = Lines::of(service);
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

/// The assignments of the section [Service] in their order, systemd.syntax(7).
fn assignments(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut inside, mut held) = (false, String::new());
    for line in text.lines() {
        // Comments do not end a line that goes on.
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(part) = line.strip_suffix('\\') {
            held.push_str(part);
            held.push(' ');
            continue;
        }
        held.push_str(line);
        let whole = std::mem::take(&mut held);
        let whole = whole.trim();
        if whole.starts_with('[') {
            inside = whole == "[Service]";
        } else if let Some((name, value)) = whole.split_once('=').filter(|_| inside) {
            found.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    found
}

/// What is handed over, in the order of the files.
#[derive(Debug)]
struct Lines {
    service: &'static str,
    properties: Vec<String>,
    /// The daemon's own directories, by the assignment that names them.
    places: Vec<(&'static str, String)>,
}

impl Lines {
    fn of(service: &'static str) -> Self {
        Self { service, properties: Vec::new(), places: Vec::new() }
    }

    fn add(&mut self, name: &str, value: &str) -> Result<(), String> {
        if OF_THE_DAEMON.contains(&name) || PLACES_MORE.contains(&name) {
            return Ok(());
        }
        let value = expanded(self.service, value).map_err(|what| {
            format!(
                "{name}= has the specifier {what}, which netevd test does not know: write what it stands for"
            )
        })?;
        let Some((place, base)) = PLACES.iter().find(|(place, _)| *place == name) else {
            self.properties.push(format!("{name}={value}"));
            return Ok(());
        };
        if value.is_empty() {
            self.places.retain(|(of, _)| of != place);
        }
        let paths = value.split_whitespace().filter_map(|path| path.split(':').next());
        self.places.extend(paths.map(|path| (*place, format!("-{base}/{path}"))));
        Ok(())
    }

    /// The daemon's directories last: a reset of what may be written does not concern them.
    fn properties(self) -> Vec<String> {
        let places: Vec<String> = self.places.into_iter().map(|(_, path)| path).collect();
        let more = (!places.is_empty()).then(|| format!("ReadWritePaths={}", places.join(" ")));
        self.properties.into_iter().chain(more).collect()
    }
}

/// Specifiers of systemd.unit(5), which transient units do not have.
fn expanded(service: &str, value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = value.chars();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut ahead = rest.clone();
        match ahead.next() {
            Some('%') => out.push('%'),
            Some('t') => out.push_str("/run"),
            Some('S') => out.push_str("/var/lib"),
            Some('C') => out.push_str("/var/cache"),
            Some('L') => out.push_str("/var/log"),
            Some('E') => out.push_str("/etc"),
            Some('T') => out.push_str("/tmp"),
            Some('V') => out.push_str("/var/tmp"),
            Some('n') => out.push_str(service),
            Some('N' | 'p') => out.push_str(service.trim_end_matches(".service")),
            Some(other) if other.is_ascii_alphabetic() => return Err(format!("%{other}")),
            // A percentage.
            _ => {
                out.push('%');
                continue;
            }
        }
        rest = ahead;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_a_unit_are_read_as_systemd_reads_them() {
        let text = "Stray=1\n[Unit]\nA=b\n[Service]\n# B=c\nUser=netevd\nReadWritePaths=/run \\\n# no end\n  /var\n\
                    SystemCallFilter=\n ; C=d\n[Install]\nE=f\n[Service]\nUMask = 0022 \n";
        let expected = [
            ("User", "netevd"),
            ("ReadWritePaths", "/run    /var"),
            ("SystemCallFilter", ""),
            ("UMask", "0022"),
        ];
        let found = assignments(text);
        assert!(found.iter().map(|(n, v)| (&**n, &**v)).eq(expected), "{found:?}");
    }

    fn handed(lines: &[(&str, &str)]) -> Result<Vec<String>, String> {
        let mut found = Lines::of("netevd.service");
        lines.iter().try_for_each(|(name, value)| found.add(name, value))?;
        Ok(found.properties())
    }

    #[test]
    fn all_is_handed_over_but_what_is_the_daemon_s_own() {
        for (name, value, expected) in [
            ("ExecStart", "/bin/true", None),
            ("ExecPaths", "/usr", Some("ExecPaths=/usr")),
            ("SystemCallFilter", "", Some("SystemCallFilter=")),
            ("RuntimeDirectory", "netevd a:b", Some("ReadWritePaths=-/run/netevd -/run/a")),
            ("LogsDirectory", "", None),
            ("MemoryMax", "20%", Some("MemoryMax=20%")),
            ("ReadWritePaths", "%t/x %%", Some("ReadWritePaths=/run/x %")),
        ] {
            let found = handed(&[(name, value)]).expect("known");
            assert!(found.iter().map(String::as_str).eq(expected), "{name}: {found:?}");
        }
        assert!(handed(&[("ReadWritePaths", "%h/x")]).is_err_and(|why| why.contains("%h")));
        assert!(OF_THE_DAEMON.is_sorted(), "{OF_THE_DAEMON:?}");
    }

    #[test]
    fn a_reset_takes_back_what_it_resets_alone() {
        let lines = [
            ("RuntimeDirectory", "a"),
            ("LogsDirectory", "a"),
            ("ReadWritePaths", "/run"),
            ("ReadWritePaths", ""),
            ("RuntimeDirectory", ""),
        ];
        let expected = ["ReadWritePaths=/run", "ReadWritePaths=", "ReadWritePaths=-/var/log/a"];
        assert_eq!(handed(&lines).expect("known"), expected);
    }

    /// Whatever is added to the units is confinement, or is decided on here.
    #[test]
    fn the_shipped_units_have_no_line_that_is_lost() {
        let kept = ["CapabilityBoundingSet", "NoNewPrivileges", "SystemCallFilter", "ProtectSystem", "UMask"];
        for text in [
            include_str!("../../../systemd/netevd.service"),
            include_str!("../../../systemd/netevd-scripts.service"),
        ] {
            let lines = assignments(text);
            let lines: Vec<_> = lines.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let found = handed(&lines).expect("handed over or left out");
            for name in kept {
                assert!(found.iter().any(|line| line.starts_with(&format!("{name}="))), "{name}");
            }
        }
    }
}
