//! The helper as a service starts it: it connects to a socket of root's and opens its policy.

use crate::world::{World, policy};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockType, UnixAddr, accept, bind, listen, recv, send, socket,
};
use protocol::{Reply, Request, VERSION, decode_reply, encode_request};
use std::fs;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A uid that is not root; it need not exist.
const STRANGER: u32 = 65_534;
/// Names the socket for the test that plays the stranger.
const PLACE: &str = "NETEVD_TEST_STRANGER_S_SOCKET";

/// A directory of the test's own, and in it a policy.
struct TestDirectory(PathBuf);

impl TestDirectory {
    fn new(name: &str) -> Self {
        // Short: a socket's path has 107 bytes at most, unix(7).
        let place = Self(std::env::temp_dir().join(format!("netevd-{name}-{}", std::process::id())));
        fs::create_dir(&place.0).expect("a new directory");
        fs::write(place.policy(), policy(&["eth1"]).to_string()).expect("a policy");
        place
    }

    fn socket(&self) -> PathBuf {
        self.0.join("channel")
    }

    fn policy(&self) -> PathBuf {
        self.0.join("policy")
    }

    fn start(&self, mut command: Command, policy: &Path) -> Child {
        command.arg("--connect").arg(self.socket()).arg("--policy").arg(policy);
        command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("nsenter(1)")
    }

    /// Its exit status, and what it said. One that serves instead is ended after a minute.
    fn fails(&self, world: &World, policy: &Path) -> (Option<i32>, String) {
        let mut command = world.command("timeout");
        command.args(["60", env!("CARGO_BIN_EXE_netevd-priv")]);
        let output = self.start(command, policy).wait_with_output().expect("ended");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

impl Drop for TestDirectory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn listener(path: &Path) -> OwnedFd {
    let own =
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket");
    bind(own.as_raw_fd(), &UnixAddr::new(path).expect("a short path")).expect("bound");
    listen(&own, Backlog::new(4).expect("small")).expect("listening");
    own
}

#[test]
fn connects_to_root_s_socket_and_serves() {
    let Some(world) = World::new() else { return };
    let place = TestDirectory::new("serves");
    let listener = listener(&place.socket());
    let mut helper = place.start(world.command(env!("CARGO_BIN_EXE_netevd-priv")), &place.policy());
    let channel = accept(listener.as_raw_fd()).expect("it connects");
    let hello = encode_request(&Request::Hello { version: VERSION });
    send(channel, &hello, MsgFlags::MSG_NOSIGNAL).expect("sent");
    let mut buffer = [0; 300];
    let length = recv(channel, &mut buffer, MsgFlags::empty()).expect("an answer");
    assert_eq!(decode_reply(&buffer[..length]).expect("a reply"), Reply::Ok);
    let limits = fs::read_to_string(format!("/proc/{}/limits", helper.id())).expect("its limits");
    assert!(limits.lines().any(|l| l.starts_with("Max open files") && l.contains(" 6 ")), "{limits}");
    // The worker goes: it leaves, and that is no failure.
    nix::unistd::close(channel).expect("closed");
    let status = helper.wait().expect("ended");
    let mut log = String::new();
    helper.stderr.take().expect("piped").read_to_string(&mut log).expect("UTF-8");
    assert_eq!(status.code(), Some(0), "{log}");
}

#[test]
fn says_what_to_do_when_nobody_listens() {
    let Some(world) = World::new() else { return };
    let place = TestDirectory::new("absent");
    let (status, log) = place.fails(&world, &place.policy());
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("No such file") && log.contains("systemctl start netevd.socket"), "{log}");
    // Closed: the name stays, and nobody is there.
    drop(listener(&place.socket()));
    let (status, log) = place.fails(&world, &place.policy());
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("refused") && log.contains("systemctl start netevd.socket"), "{log}");
}

#[test]
fn names_the_policy_that_it_cannot_open() {
    let Some(world) = World::new() else { return };
    let place = TestDirectory::new("policy");
    let _listener = listener(&place.socket());
    let missing = place.0.join("missing");
    let (status, log) = place.fails(&world, &missing);
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains(&format!("open {}", missing.display())), "{log}");
    fs::write(place.policy(), "nonsense\n").expect("written");
    let (status, log) = place.fails(&world, &place.policy());
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("policy line 1"), "{log}");
}

#[test]
fn does_not_talk_to_a_listener_that_is_not_root() {
    let Some(world) = World::new() else { return };
    if !nix::unistd::geteuid().is_root() {
        // In the test's user namespace this process is root itself.
        crate::skip::skip("it needs root");
        return;
    }
    let place = TestDirectory::new("stranger");
    let owner = Some(STRANGER);
    std::os::unix::fs::chown(&place.0, owner, None).expect("given away");
    let mut stranger = Command::new(std::env::current_exe().expect("its own name"))
        .args(["--exact", "connect::a_stranger_listens", "--ignored", "--nocapture"])
        .env(PLACE, place.socket())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut told = String::new();
    let mut stdout = stranger.stdout.take().expect("piped");
    while !told.contains("listening") {
        let mut bytes = [0; 64];
        let length = stdout.read(&mut bytes).expect("read");
        assert_ne!(length, 0, "the stranger ended: {told}");
        told.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
    let (status, log) = place.fails(&world, &place.policy());
    drop(stranger.stdin.take());
    stranger.wait().expect("ended");
    assert_eq!(status, Some(1), "{log}");
    assert!(log.contains("uid 65534 listens at ") && log.contains("not root"), "{log}");
}

/// The other side of the test above, in a process of its own.
#[test]
#[ignore = "started by another test"]
fn a_stranger_listens() {
    let Some(path) = std::env::var_os(PLACE) else { return };
    nix::unistd::setuid(nix::unistd::Uid::from_raw(STRANGER)).expect("root may");
    let _listener = listener(Path::new(&path));
    println!("listening");
    let _ = std::io::stdin().read_to_string(&mut String::new());
}
