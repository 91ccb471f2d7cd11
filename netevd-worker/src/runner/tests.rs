use super::frame::{Order, Program, Report};
use super::*;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::socket::{AddressFamily, ControlMessage, SockType, recv, sendmsg, socketpair};
use std::fs::File;
use std::io::{IoSlice, Read as _, Write as _};
use std::thread::JoinHandle;

/// A runner on a thread of its own, and the worker's end of its channel.
struct Fixture {
    channel: OwnedFd,
    runner: JoinHandle<Result<(), Fault>>,
}

fn pair(kind: SockType) -> (OwnedFd, OwnedFd) {
    socketpair(AddressFamily::Unix, kind, None, SockFlag::SOCK_CLOEXEC).expect("a pair")
}

fn fixture() -> Fixture {
    let (channel, its) = pair(SockType::SeqPacket);
    let runner = std::thread::spawn(|| Runner::greet(its).and_then(Runner::serve));
    let mut frame = [0; 64];
    let length = recv(channel.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a frame");
    let uid = nix::unistd::geteuid().as_raw();
    assert_eq!(Hello::decode(&frame[..length]), Some(Hello { uid }));
    Fixture { channel, runner }
}

fn file(bytes: &[u8]) -> OwnedFd {
    let mut file = File::from(memfd_create(c"program", MFdFlags::MFD_CLOEXEC).expect("memory"));
    file.write_all(bytes).expect("written");
    file.into()
}

fn shell(script: &str) -> Vec<u8> {
    let words = ["/bin/sh", "-c", script].map(|word| word.as_bytes().to_vec()).into();
    Program { words, environment: vec![(b"PATH".to_vec(), b"/usr/bin:/bin".to_vec())] }.encode()
}

impl Fixture {
    fn send(&self, frame: &[u8], given: &[&OwnedFd]) {
        let numbers: Vec<RawFd> = given.iter().map(|descriptor| descriptor.as_raw_fd()).collect();
        let rights = [ControlMessage::ScmRights(&numbers)];
        let rights = if given.is_empty() { &rights[..0] } else { &rights[..] };
        let parts = [IoSlice::new(frame)];
        sendmsg::<()>(self.channel.as_raw_fd(), &parts, rights, MsgFlags::MSG_NOSIGNAL, None).expect("sent");
    }

    /// Asks for a program; its standard output, and its socket.
    fn start(&self, program: &[u8]) -> (OwnedFd, OwnedFd) {
        let (out, its_out) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
        let (control, its) = pair(SockType::SeqPacket);
        let null: OwnedFd = File::open("/dev/null").expect("there").into();
        self.send(&START, &[&file(program), &null, &its_out, &its_out, &its]);
        (out, control)
    }

    fn violation(self) -> &'static str {
        match self.runner.join().expect("no panic") {
            Err(Fault::Violation(what)) => what,
            other => panic!("{other:?}"),
        }
    }
}

fn report(control: &OwnedFd) -> Option<Report> {
    let mut frame = [0; 64];
    let length = recv(control.as_raw_fd(), &mut frame, MsgFlags::empty()).expect("a frame");
    Report::decode(&frame[..length])
}

fn started(control: &OwnedFd) -> i32 {
    match report(control) {
        Some(Report::Started(process)) => process,
        other => panic!("{other:?}"),
    }
}

/// What is written until nobody can write any more.
fn all(out: OwnedFd) -> String {
    let mut text = String::new();
    File::from(out).read_to_string(&mut text).expect("text");
    text
}

/// The first line, and what reads on.
fn line(out: OwnedFd) -> (String, File) {
    let (mut text, mut file) = (String::new(), File::from(out));
    let mut byte = [0];
    while file.read(&mut byte).expect("readable") == 1 && byte != *b"\n" {
        text.push(char::from(byte[0]));
    }
    (text, file)
}

#[test]
fn a_program_is_started_and_its_end_is_told() {
    let fixture = fixture();
    let (out, control) = fixture.start(&shell("echo $$ $(ps -o pgid= -p $$) $(env | wc -l); exit 7"));
    let process = started(&control);
    // PATH, PWD, and what sh itself sets for its children.
    let text = all(out);
    assert!(text.starts_with(&format!("{process} {process} ")), "{text}");
    assert_eq!(report(&control), Some(Report::Ended(7 << 8)));
    for (script, status) in [("kill -KILL $$", 9), ("kill -34 $$", 34)] {
        let (_out, control) = fixture.start(&shell(script));
        started(&control);
        assert_eq!(report(&control), Some(Report::Ended(status)), "{script}");
    }
    drop(fixture.channel);
    assert!(fixture.runner.join().expect("no panic").is_ok());
}

#[test]
fn what_cannot_be_started_is_told() {
    let fixture = fixture();
    let of = |path: &str| Program { words: vec![path.as_bytes().to_vec()], environment: Vec::new() }.encode();
    for (path, errno) in
        [("/nonexistent", Errno::ENOENT), ("/etc/passwd", Errno::EACCES), ("/", Errno::EACCES)]
    {
        let (_out, control) = fixture.start(&of(path));
        assert_eq!(report(&control), Some(Report::NotStarted(errno as i32)), "{path}");
    }
    let (_out, control) = fixture.start(&shell("exit 0"));
    started(&control);
    assert_eq!(report(&control), Some(Report::Ended(0)), "and it goes on");
}

#[test]
fn what_is_waited_for_no_longer_is_not_started() {
    let fixture = fixture();
    let (out, its_out) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).expect("a pipe");
    let (control, its) = pair(SockType::SeqPacket);
    drop(control);
    let null: OwnedFd = File::open("/dev/null").expect("there").into();
    fixture.send(&START, &[&file(&shell("echo RAN")), &null, &its_out, &its_out, &its]);
    drop((its_out, its));
    assert_eq!(all(out), "");
    let (_out, control) = fixture.start(&shell("exit 0"));
    started(&control);
}

#[test]
fn orders_go_to_the_whole_group() {
    let fixture = fixture();
    let (out, control) =
        fixture.start(&shell("(trap 'echo child; exit' TERM; echo up; while :; do sleep 0.05; done) & wait"));
    let process = started(&control);
    let (first, mut rest) = line(out);
    assert_eq!(first, "up");
    send(control.as_raw_fd(), &Order::Terminate.encode(), MsgFlags::empty()).expect("sent");
    assert_eq!(report(&control), Some(Report::Ended(15)));
    // Not reaped before the worker lets go: its number is still its own.
    assert!(std::path::Path::new(&format!("/proc/{process}")).exists());
    let mut text = String::new();
    rest.read_to_string(&mut text).expect("nobody is left that could write");
    assert!(text.ends_with("child\n"), "{text}");
    drop(control);
    let (out, control) = fixture.start(&shell("trap '' TERM; (trap '' TERM; echo up; sleep 1000) & wait"));
    started(&control);
    let (_up, mut rest) = line(out);
    send(control.as_raw_fd(), &Order::Terminate.encode(), MsgFlags::empty()).expect("sent");
    send(control.as_raw_fd(), &Order::Kill.encode(), MsgFlags::empty()).expect("sent");
    assert_eq!(report(&control), Some(Report::Ended(9)));
    rest.read_to_string(&mut text).expect("killed, all of them");
    assert!(!std::path::Path::new(&format!("/proc/{process}")).exists(), "the first was reaped");
}

#[test]
fn what_the_worker_lets_go_of_is_killed_and_what_it_left_behind_is_not() {
    let fixture = fixture();
    let (out, control) = fixture.start(&shell("echo up; sleep 1000"));
    started(&control);
    let (_up, mut rest) = line(out);
    drop(control);
    rest.read_to_end(&mut Vec::new()).expect("its socket was closed");
    // A background child of a script that has ended lives on, and so it does without the worker.
    let (out, control) = fixture.start(&shell("(sleep 0.3; echo alive) & echo up"));
    started(&control);
    assert_eq!(report(&control), Some(Report::Ended(0)));
    drop(control);
    let left = out;
    let (out, control) = fixture.start(&shell("echo up; sleep 1000"));
    started(&control);
    let (_up, mut rest) = line(out);
    drop(fixture.channel);
    assert!(fixture.runner.join().expect("no panic").is_ok());
    rest.read_to_end(&mut Vec::new()).expect("the worker has gone");
    assert_eq!(all(left), "up\nalive\n");
}

#[test]
fn garbage_ends_it() {
    let null = || -> OwnedFd { File::open("/dev/null").expect("there").into() };
    let program = || file(&shell("echo RAN >&2"));
    let socket = || pair(SockType::SeqPacket).0;
    type Request = (&'static str, &'static [u8], Vec<OwnedFd>);
    let requests: Vec<Request> = vec![
        ("of another kind", b"stop!", vec![program(), null(), null(), null(), socket()]),
        ("of another kind", b"star", vec![program(), null(), null(), null(), socket()]),
        ("of another kind", b"start!", vec![program(), null(), null(), null(), socket()]),
        ("of another kind", b"start and much more", vec![program(), null(), null(), null(), socket()]),
        ("number of descriptors", b"start", vec![]),
        ("number of descriptors", b"start", vec![program(), null(), null(), null()]),
        ("number of descriptors", b"start", vec![program(), null(), null(), null(), null(), socket()]),
        ("more descriptors", b"start", (0..20).map(|_| null()).collect()),
        ("no program", b"start", vec![null(), null(), null(), null(), socket()]),
        ("no program", b"start", vec![pair(SockType::Stream).0, null(), null(), null(), socket()]),
        ("no program", b"start", vec![file(b""), null(), null(), null(), socket()]),
        ("no program", b"start", vec![file(b"\x01\0\0\0"), null(), null(), null(), socket()]),
        ("no program", b"start", vec![file(&[0; PROGRAM_TOO_LONG]), null(), null(), null(), socket()]),
        ("no socket", b"start", vec![program(), null(), null(), null(), null()]),
        ("no socket", b"start", vec![program(), null(), null(), null(), pair(SockType::Stream).0]),
    ];
    for (what, frame, given) in requests {
        let fixture = fixture();
        fixture.send(frame, &given.iter().collect::<Vec<_>>());
        let found = fixture.violation();
        assert!(found.contains(what), "{what}: {found}");
    }
    for order in [&b"t"[..], b"TT", b"KILL", b"\0"] {
        let fixture = fixture();
        let (out, control) = fixture.start(&shell("echo up; sleep 1000"));
        started(&control);
        let (_up, mut rest) = line(out);
        send(control.as_raw_fd(), order, MsgFlags::empty()).expect("sent");
        assert_eq!(fixture.violation(), "no order");
        rest.read_to_end(&mut Vec::new()).expect("and with it what it had started");
    }
}

const PROGRAM_TOO_LONG: usize = frame::PROGRAM_MAX + 1;

#[test]
fn so_many_and_no_more() {
    let fixture = fixture();
    let mut held: Vec<(OwnedFd, OwnedFd)> = Vec::new();
    for _ in 0..JOBS_MAX {
        let (out, control) = fixture.start(&shell("exec sleep 1000"));
        started(&control);
        held.push((out, control));
    }
    let (_out, control) = fixture.start(&shell("exit 0"));
    assert_eq!(report(&control), Some(Report::NotStarted(Errno::EAGAIN as i32)));
    drop(held.pop());
    // As soon as it is reaped there is room.
    loop {
        let (_out, control) = fixture.start(&shell("exit 0"));
        match report(&control) {
            Some(Report::Started(_)) => break,
            other => assert_eq!(other, Some(Report::NotStarted(Errno::EAGAIN as i32))),
        }
    }
}
