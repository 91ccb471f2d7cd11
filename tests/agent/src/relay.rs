//! `relay worker|helper|both N before|after`: starts worker and helper as the launcher would,
//! with itself in the middle of the channel, and kills with SIGKILL at the N-th request: before
//! it is handed on, or right after, while the helper works on it.
//!
//! Prints the request that was the N-th. Ends with status 3 when fewer came within a minute.

use crate::sys;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socketpair};
use nix::unistd::Pid;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BIN: &str = "/opt/netevd";
/// For what hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) fn run(arguments: &[String]) {
    let [victim, count, moment] = arguments else {
        eprintln!("usage: netevd-test-agent relay worker|helper|both N before|after");
        std::process::exit(2);
    };
    let count: u32 = count.parse().expect("N");
    let (to_worker, worker_end) = pair();
    let (to_helper, helper_end) = pair();
    let mut helper = helper(helper_end);
    let mut worker = worker(worker_end);

    let mut frame = [0u8; protocol::MAX_FRAME];
    for n in 1.. {
        await_frame(&to_worker, PATIENCE);
        let length = recv(to_worker.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a request");
        let request = &frame[..length];
        if length == 0 {
            eprintln!("the worker hung up after {} requests", n - 1);
            finish(&mut worker, &mut helper, 3);
        }
        if n == count {
            println!("{:?}", protocol::decode_request(request));
            if moment == "after" {
                send(to_helper.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL).expect("handed on");
            }
            let victims: &[&Child] = match victim.as_str() {
                "worker" => &[&worker],
                "helper" => &[&helper],
                _ => &[&worker, &helper],
            };
            for victim in victims {
                let pid = Pid::from_raw(i32::try_from(victim.id()).expect("a pid"));
                kill(pid, Signal::SIGKILL).expect("killed");
            }
            break;
        }
        send(to_helper.as_raw_fd(), request, MsgFlags::MSG_NOSIGNAL).expect("handed on");
        await_frame(&to_helper, PATIENCE);
        let length = recv(to_helper.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a reply");
        send(to_worker.as_raw_fd(), &frame[..length], MsgFlags::MSG_NOSIGNAL).expect("handed back");
    }
    // What is left of the two sees the end of its channel.
    drop((to_worker, to_helper));
    finish(&mut worker, &mut helper, 0);
}

/// A connected pair; both ends above number 4 and closed on exec.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let (a, b) =
        socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC).expect("a pair");
    (high(&a), high(&b))
}

fn high(descriptor: &impl AsFd) -> OwnedFd {
    let number = fcntl(descriptor, FcntlArg::F_DUPFD_CLOEXEC(16)).expect("a copy");
    sys::own(number)
}

/// The helper with the machine's policy, as the launcher starts it but for its user.
pub(crate) fn helper(channel: OwnedFd) -> Child {
    helper_under(channel, &policy())
}

/// The policy in a file, as the launcher hands it over.
pub(crate) fn policy() -> File {
    let policy = Command::new(format!("{BIN}/netevd")).arg("policy").output().expect("netevd policy runs");
    assert!(policy.status.success(), "netevd policy: {}", String::from_utf8_lossy(&policy.stderr));
    std::fs::write("/run/relay-policy", policy.stdout).expect("the policy is written");
    File::open("/run/relay-policy").expect("the policy is there")
}

/// The same with a policy that is there.
pub(crate) fn helper_under(channel: OwnedFd, policy: &File) -> Child {
    let mut command = Command::new(format!("{BIN}/netevd-priv"));
    sys::pass(&mut command, vec![channel, high(policy)]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("netevd-priv starts")
}

fn worker(channel: OwnedFd) -> Child {
    let mut command = Command::new("setpriv");
    command.args(["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]);
    // A namespace of a single id has no other to take.
    if std::fs::read_to_string("/proc/self/uid_map").expect("/proc is mounted").contains("4294967295") {
        command.args(["--reuid=netevd", "--regid=netevd", "--clear-groups"]);
    }
    command.args([&format!("{BIN}/netevd-worker"), "--runtime-dir", "/run/netevd", "--channel", "3"]);
    sys::pass(&mut command, vec![channel]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("netevd-worker starts")
}

fn await_frame(channel: &OwnedFd, patience: Duration) {
    let timeout = PollTimeout::try_from(patience).expect("a timeout");
    let mut ready = [PollFd::new(channel.as_fd(), PollFlags::POLLIN)];
    if poll(&mut ready, timeout).expect("poll") == 0 {
        eprintln!("no frame within {patience:?}");
        std::process::exit(3);
    }
}

/// Waits for both to end, for at most PATIENCE, and leaves with `status`.
fn finish(worker: &mut Child, helper: &mut Child, status: i32) -> ! {
    let deadline = Instant::now() + PATIENCE;
    for (name, child) in [("worker", worker), ("helper", helper)] {
        while child.try_wait().expect("waited").is_none() {
            if Instant::now() > deadline {
                eprintln!("the {name} did not end with its channel");
                child.kill().expect("killed");
                std::process::exit(4);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    std::process::exit(status)
}
