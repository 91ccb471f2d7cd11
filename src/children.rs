//! Starts the processes with what they need and nothing else.

use crate::binaries::{Binaries, Program};
use crate::identity::{Identities, Identity};
use crate::process::Process;
use crate::relay;
use crate::reload_pipe::ReloadPipe;
use crate::sys::{self, CHANNEL, Confinement};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
use protocol::Policy;
use std::fmt;
use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// 16 MiB; the kernel doubles it. A default buffer holds 256 route messages.
const RECEIVE_BUFFER: i32 = 16 << 20;
const CAP_NET_ADMIN: u64 = 1 << 12;

/// The children's names in messages.
const WORKER: &str = "netevd-worker";
const HELPER: &str = "netevd-priv";
const RUNNER: &str = "the runner of scripts";

/// Multicast groups, include/uapi/linux/rtnetlink.h.
const GROUPS: [(&str, u32); 8] = [
    ("link", 1),
    ("ipv4 address", 5),
    ("ipv4 route", 7),
    ("ipv4 rule", 8),
    ("ipv6 address", 9),
    ("ipv6 route", 11),
    ("ipv6 rule", 19),
    ("nexthop", 32),
];

/// The running processes.
#[derive(Debug)]
pub(crate) struct Children {
    /// `netevd-worker`
    pub worker: Process,
    /// `netevd-priv`; an ordinary user's daemon has none.
    pub helper: Option<Process>,
    /// Starts scripts as `scripts.user`, where there is one.
    pub runner: Option<Process>,
    /// Rung by the worker when a reload needs this process. Only where there is a helper.
    pub reload_pipe: Option<ReloadPipe>,
}

/// What the children are started with.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the programs are.
    pub binaries: Binaries,
    /// As whom they run.
    pub identities: Identities,
    /// Whether there is a helper at all.
    pub with_helper: bool,
    /// The worker runs and changes nothing.
    pub dry_run: bool,
    /// Handed to the worker as `--config`, absolute.
    pub config: Option<PathBuf>,
    /// Handed to the worker as `--log-format`.
    pub log_format: Option<String>,
    /// Handed to the worker as `--runtime-dir`.
    pub runtime: PathBuf,
}

/// What could not be done.
#[derive(Debug)]
pub(crate) struct StartError {
    action: String,
    error: io::Error,
}

impl Plan {
    /// Starts them, the worker last: it says Hello at once. `scripts` is `scripts.user`.
    pub(crate) fn start(&self, policy: &Policy, scripts: Option<Identity>) -> Result<Children, StartError> {
        if self.dry_run {
            return Ok(Children {
                worker: self.start_worker(&[])?,
                helper: None,
                runner: None,
                reload_pipe: None,
            });
        }
        let mut started = Vec::new();
        // When one cannot be started the others' channels close with this function, and they leave.
        let children = self.start_all(policy, scripts, &mut started);
        if children.is_err() {
            for mut child in started {
                let _ = child.wait();
            }
            return children;
        }
        let mut children = children?;
        children.runner = scripts.and_then(|_| started.pop());
        children.helper = started.pop();
        Ok(children)
    }

    /// All but the worker are put into `started`, the runner behind the helper.
    fn start_all(
        &self,
        policy: &Policy,
        scripts: Option<Identity>,
        started: &mut Vec<Process>,
    ) -> Result<Children, StartError> {
        let mut given: Vec<(&str, OwnedFd)> = Vec::new();
        let mut reload_pipe = None;
        if self.with_helper {
            let (for_worker, for_helper) = channel()?;
            started.push(start_helper(&self.binaries.helper, self.helper_identity(), for_helper, policy)?);
            let (ours, worker_end) = ReloadPipe::new()
                .map_err(|error| StartError { action: "make the bell".to_owned(), error })?;
            reload_pipe = Some(ours);
            given.push(("--channel", for_worker));
            given.push(("--netlink", multicast()?));
            given.push(("--bell", worker_end));
        }
        if let Some(identity) = scripts {
            let (for_worker, for_runner) = channel()?;
            started.push(self.start_runner(identity, for_runner)?);
            given.push(("--runner", for_worker));
        }
        Ok(Children { worker: self.start_worker(&given)?, helper: None, runner: None, reload_pipe })
    }

    /// Starts `netevd-worker` as what runs scripts; the caller's copy of its end is closed.
    fn start_runner(&self, identity: Identity, channel: OwnedFd) -> Result<Process, StartError> {
        let program = &self.binaries.worker;
        let mut command = command(program);
        command.args(["--run-scripts", &CHANNEL.to_string()]);
        let confinement = Confinement {
            identity: Some(identity),
            capabilities: 0,
            umask: 0o022,
            own_session: true,
            holds_hang_up: false,
        };
        spawn(RUNNER, command, program, confinement, &[channel.as_fd()])
    }

    fn helper_identity(&self) -> Option<Identity> {
        self.identities.separate.then_some(self.identities.helper)
    }

    fn start_worker(&self, given: &[(&str, OwnedFd)]) -> Result<Process, StartError> {
        let program = &self.binaries.worker;
        let mut command = command(program);
        if let Some(config) = &self.config {
            command.arg("--config").arg(config);
        }
        if let Some(format) = &self.log_format {
            command.arg("--log-format").arg(format);
        }
        command.arg("--runtime-dir").arg(&self.runtime);
        for ((option, _), number) in given.iter().zip(CHANNEL..) {
            command.arg(option).arg(number.to_string());
        }
        if self.dry_run {
            command.arg("--dry-run");
            if self.with_helper {
                command.arg("--rehearse-routing");
            }
        }
        command.envs(std::env::vars_os().filter(|(name, _)| {
            let name = name.as_encoded_bytes();
            // Settings and the look of the log; nothing that changes how a program loads.
            name.starts_with(b"NETEVD_") || [&b"RUST_LOG"[..], b"NO_COLOR", b"TERM"].contains(&name)
        }));
        let identity = self.identities.separate.then_some(self.identities.worker);
        let confinement =
            Confinement { identity, capabilities: 0, umask: 0o022, own_session: true, holds_hang_up: true };
        let given: Vec<_> = given.iter().map(|(_, descriptor)| descriptor.as_fd()).collect();
        spawn(WORKER, command, program, confinement, &given)
    }
}

/// Starts `netevd-priv` on one end of a channel; the caller's copy of that end is closed.
pub(crate) fn start_helper(
    program: &Program,
    identity: Option<Identity>,
    channel: OwnedFd,
    policy: &Policy,
) -> Result<Process, StartError> {
    let policy = sealed(&policy.to_string())?;
    let confinement = Confinement {
        identity,
        capabilities: CAP_NET_ADMIN,
        umask: 0o077,
        own_session: true,
        holds_hang_up: false,
    };
    spawn(HELPER, command(program), program, confinement, &[channel.as_fd(), policy.as_fd()])
}

/// The two ends of a new channel.
pub(crate) fn channel() -> Result<(OwnedFd, OwnedFd), StartError> {
    socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)
        .map_err(|errno| StartError { action: "make the channel".to_owned(), error: errno.into() })
}

fn command(program: &Program) -> Command {
    use std::os::unix::process::CommandExt;
    let mut command = Command::new(program.executable());
    command.arg0(program.path().file_name().unwrap_or_default());
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/").stdin(Stdio::null());
    command
}

fn spawn(
    name: &'static str,
    mut command: Command,
    program: &Program,
    confinement: Confinement,
    descriptors: &[BorrowedFd<'_>],
) -> Result<Process, StartError> {
    sys::confine(&mut command, confinement, descriptors);
    // Another user's process gets no descriptor of a terminal: it could read what is typed, and outlive us.
    if confinement.identity.is_some() {
        relay::prepare(&mut command);
    }
    let mut child = command.spawn().map_err(|error| {
        let whom = confinement.identity.map_or(String::new(), |id| format!(" as uid {}", id.uid));
        StartError { action: format!("start {}{whom}", program.path().display()), error }
    })?;
    relay::begin(&mut child);
    Ok(Process::new(name, child, confinement.identity))
}

/// The worker's netlink socket. Opened here because only CAP_NET_ADMIN may have a buffer above
/// rmem_max, and because its opener's credentials decide: a holder without capabilities cannot
/// write through it.
fn multicast() -> Result<OwnedFd, StartError> {
    let at = |action: &str| {
        let action = action.to_owned();
        move |error| StartError { action, error }
    };
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(at("open the netlink socket"))?;
    // Sized before it joins, so that nothing is lost in between.
    sys::set_receive_buffer(&socket, RECEIVE_BUFFER).map_err(at("size the netlink socket"))?;
    socket.bind(&SocketAddr::new(0, 0)).map_err(at("bind the netlink socket"))?;
    for (name, group) in GROUPS {
        socket.add_membership(group).map_err(at(&format!("join the {name} group")))?;
    }
    socket.set_non_blocking(true).map_err(at("set up the netlink socket"))?;
    socket.as_fd().try_clone_to_owned().map_err(at("set up the netlink socket"))
}

/// A text that nobody can change any more, at its beginning.
fn sealed(text: &str) -> Result<File, StartError> {
    let at = |error| StartError { action: "hand over the policy".to_owned(), error };
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let mut file = File::from(memfd_create(c"netevd-policy", flags).map_err(|errno| at(errno.into()))?);
    file.write_all(text.as_bytes()).and_then(|()| file.rewind()).map_err(at)?;
    let seals =
        SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals)).map_err(|errno| at(errno.into()))?;
    Ok(file)
}

/// Makes a path independent of the working directory, which children do not share.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, StartError> {
    std::path::absolute(path)
        .map_err(|error| StartError { action: format!("find {}", path.display()), error })
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.action, self.error)
    }
}

impl std::error::Error for StartError {}
