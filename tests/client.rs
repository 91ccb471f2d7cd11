//! The command line against a server that misbehaves as the real one cannot be made to: foreign
//! answers, streams that break off, a daemon that starts again at the right moment. What the real
//! one says is tested in tests/it/cli.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "client/fake.rs"]
mod fake;
#[path = "support/skip.rs"]
mod skip;

use fake::{Fake, json, status, stream};
use netevd_worker::document::{
    ErrorBody, ErrorDocument, EventDetails, EventDocument, Events, ProblemDocument, Reload,
};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

fn netevd(fake: &Fake) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netevd"));
    command.env_clear().env("PATH", "/usr/bin:/bin").arg("--endpoint").arg(fake.endpoint());
    command
}

fn run(fake: &Fake, words: &[&str]) -> Output {
    netevd(fake).args(words).output().expect("started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn refusal(status: u16, code: &str, message: &str, details: serde_json::Value) -> Vec<u8> {
    let error = ErrorBody { code: code.to_owned(), message: message.to_owned(), details };
    json(status, &ErrorDocument { error })
}

#[test]
fn a_refusal_is_shown_with_its_details() {
    let fake = Fake::new("refusal", |_| {
        refusal(400, "bad_request", "no such state `x`", serde_json::json!({"parameter": "state"}))
    });
    let output = run(&fake, &["list", "interfaces", "--state", "x"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(&output.stderr), "netevd: no such state `x` ({\"parameter\":\"state\"})\n");
    assert_eq!(fake.requests()[0], "GET /api/v1/interfaces?state=x HTTP/1.1");
}

#[test]
fn somebody_else_who_answers_is_told_apart() {
    let fake = Fake::new("foreign", |_| fake::answer(404, "text/html", b"<h1>nginx</h1>"));
    let output = run(&fake, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("answered 404 Not Found, and not as netevd does"), "{output:?}");
    let fake = Fake::new("odd", |_| fake::answer(200, "application/json", b"{\"status\":1}"));
    let output = run(&fake, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is the daemon of another version?"), "{output:?}");
    let output = run(&fake, &["status", "--format", "json"]);
    assert_eq!(text(&output.stdout), "{\n  \"status\": 1\n}\n", "as it is");
}

#[test]
fn a_connection_that_ends_in_the_middle_is_an_error() {
    let fake = Fake::new("cut", |_| b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{".to_vec());
    let output = run(&fake, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_refused_configuration_is_shown_as_validate_shows_it() {
    let problem = ProblemDocument {
        origin: "/etc/netevd/netevd.yaml".to_owned(),
        line: Some(3),
        column: Some(3),
        width: Some(7),
        text: Some("  fallbak: main".to_owned()),
        severity: "error".to_owned(),
        message: "unknown key `fallbak` in `routing`".to_owned(),
        help: "did you mean `fallback`?".to_owned(),
    };
    let fake = Fake::new("refused", move |request| match request.line.as_str() {
        "POST /api/v1/reload HTTP/1.1" => {
            let details = serde_json::json!({ "problems": [problem] });
            refusal(400, "invalid_configuration", "refused", details)
        }
        _ => json(200, &status("a")),
    });
    let output = run(&fake, &["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        text(&output.stderr),
        "/etc/netevd/netevd.yaml:3:3: error: unknown key `fallbak` in `routing`\n  3 |   fallbak: main\n    |   \
         ^^^^^^^ did you mean `fallback`?\nnetevd: the configuration is refused; the daemon keeps the one that \
         it has\n"
    );
}

#[test]
fn reload_waits_for_a_daemon_that_starts_again() {
    let asked = AtomicUsize::new(0);
    let fake = Fake::new("restarting", move |request| match request.line.as_str() {
        "POST /api/v1/reload HTTP/1.1" => json(
            200,
            &Reload {
                result: "restarting".to_owned(),
                files: vec!["/etc/netevd/netevd.yaml".to_owned()],
                changed: vec!["routing".to_owned()],
                warnings: Vec::new(),
            },
        ),
        // Before, still the old one, gone for a moment, the new one.
        _ => match asked.fetch_add(1, Ordering::Relaxed) {
            0 | 1 => json(200, &status("a")),
            2 => Vec::new(),
            _ => json(200, &status("b")),
        },
    });
    let output = run(&fake, &["reload"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).ends_with("restarted: the new policy is in force\n"), "{output:?}");
    assert_eq!(fake.requests().len(), 5);
}

/// Root without CAP_DAC_OVERRIDE, as in a container, at a socket of another user and group.
fn as_confined_root(fake: &Fake, capabilities: &str) -> Output {
    let command = netevd(fake);
    let mut setpriv = Command::new("setpriv");
    setpriv.args(["--clear-groups", "--inh-caps=-all"]);
    setpriv.arg(format!("--bounding-set=-all{capabilities}")).arg("--");
    setpriv.arg(command.get_program()).args(command.get_args()).arg("status");
    setpriv.env_clear().env("PATH", "/usr/bin:/bin").output().expect("started")
}

#[test]
fn root_without_dac_override_connects_as_a_member_of_the_socket_s_group() {
    if !nix::unistd::Uid::effective().is_root() {
        return skip::skip("only root can give the socket away");
    }
    let fake = Fake::new("group", |_| json(200, &status("a")));
    let socket = fake.socket();
    std::os::unix::fs::chown(&socket, Some(61_181), Some(61_182)).expect("given away");
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o660)).expect("mode");

    let output = as_confined_root(&fake, ",+setgid");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("netevd"), "{output:?}");
    // The daemon still sees root, who may reload.
    assert_eq!(fake.peers(), [(0, 61_182)]);

    let output = as_confined_root(&fake, "");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = text(&output.stderr);
    assert!(said.contains("needs CAP_DAC_OVERRIDE or CAP_SETGID") && !said.contains("as root"), "{said}");

    // A socket that is not for its group is not for root's, either.
    std::fs::set_permissions(&socket, PermissionsExt::from_mode(0o600)).expect("mode");
    assert_eq!(as_confined_root(&fake, ",+setgid").status.code(), Some(1));
    assert_eq!(fake.peers().len(), 1);
}

fn event(id: u64, action: &str) -> EventDocument {
    EventDocument {
        id,
        timestamp: "2026-03-01T09:30:00.250Z".to_owned(),
        event_type: "carrier".to_owned(),
        interface: Some("eth1".to_owned()),
        action: action.to_owned(),
        details: EventDetails { state: "carrier".to_owned(), ..EventDetails::default() },
        scripts: Vec::new(),
        units: Vec::new(),
    }
}

/// A follower, and its lines as they come.
struct Follower {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Follower {
    fn new(fake: &Fake) -> Self {
        let mut command = netevd(fake);
        command.args(["events", "--follow", "--type", "carrier"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("started");
        let stdout = child.stdout.take().expect("piped");
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The number and the outcome of the next line.
    fn next(&self) -> (u64, String) {
        let line = self.lines.recv_timeout(std::time::Duration::from_secs(60)).expect("a line in time");
        let id = line.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a number");
        (id, line.rsplit("; ").next().unwrap_or_default().to_owned())
    }

    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = i32::try_from(self.child.id()).expect("a pid");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)
            .expect("sent");
        let status = self.child.wait().expect("ended");
        let mut said = String::new();
        let stderr = self.child.stderr.take().expect("piped");
        std::io::Read::read_to_string(&mut BufReader::new(stderr), &mut said).expect("text");
        (status.code(), said)
    }
}

#[test]
fn a_follower_goes_on_where_the_stream_broke_off() {
    let streams = AtomicUsize::new(0);
    let fake = Fake::new("follow", move |request| {
        if !request.line.contains("/events/stream") {
            let events =
                Events { events: vec![event(1, "none"), event(2, "running")], count: 2, has_more: false };
            return if request.line.contains("/events?") {
                json(200, &events)
            } else {
                json(200, &status("a"))
            };
        }
        // Broken off after one message; told again with one more; another life of the daemon.
        match streams.fetch_add(1, Ordering::Relaxed) {
            0 => stream(&[("a-7", &event(3, "running"))]),
            1 => stream(&[
                ("a-6", &event(2, "done")),
                ("a-7", &event(3, "running")),
                ("a-9", &event(3, "done")),
                ("a-9", &event(3, "done")),
            ]),
            2 => stream(&[("b-1", &event(1, "none"))]),
            _ => Vec::new(),
        }
    });
    let follower = Follower::new(&fake);
    let told: Vec<_> = (0..6).map(|_| follower.next()).collect();
    let expected = [(1, "none"), (2, "running"), (3, "running"), (2, "done"), (3, "done"), (1, "none")];
    assert_eq!(told, expected.map(|(id, action)| (id, action.to_owned())));
    let (status, said) = follower.interrupt();
    assert_eq!(status, Some(0));
    assert!(said.matches("connected again\n").count() >= 2, "{said}");
    let resumed: Vec<_> = fake.places();
    assert_eq!(resumed[..3], [None, Some("a-7".to_owned()), Some("a-9".to_owned())]);
}

#[test]
fn no_token_goes_to_a_unix_socket() {
    let fake = Fake::new("token", |_| json(200, &status("a")));
    let output = run(&fake, &["status", "--token-file", "/dev/null"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(fake.requests().is_empty());
}

/// C0, C1, and what turns the direction of writing or is not seen.
const STEERING: &str =
    "x\u{1b}[2J\u{7}\u{9b}31m\u{85}\u{202e}\u{2066}\u{61c}\u{feff}\u{e0041}\u{fdd1}\r\u{7f}y";

fn is_clean(bytes: &[u8]) -> bool {
    let text = std::str::from_utf8(bytes).expect("UTF-8");
    let plain = |c: char| {
        c == '\n' || !(c.is_control() || "\u{202e}\u{2066}\u{61c}\u{feff}\u{e0041}\u{fdd1}".contains(c))
    };
    text.chars().all(plain)
}

#[test]
fn what_a_daemon_says_cannot_steer_the_terminal() {
    let fake = Fake::new("steers", |request| match request.line.contains("/status") {
        true => refusal(400, STEERING, STEERING, serde_json::json!({ STEERING: STEERING })),
        false => {
            let mut event = event(3, "done");
            event.interface = Some(STEERING.to_owned());
            event.details.state = STEERING.to_owned();
            let events = Events { events: vec![event], count: 1, has_more: false };
            json(200, &events)
        }
    });
    let output = run(&fake, &["status"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(is_clean(&output.stderr) && text(&output.stderr).contains("x\\u{1b}[2J"), "{output:?}");
    assert_eq!(text(&output.stderr).lines().count(), 1, "{output:?}");
    for format in ["text", "table", "json", "yaml"] {
        for words in [&["list", "events", "--format", format][..], &["events", "--format", format]] {
            let output = run(&fake, words);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(is_clean(&output.stdout), "{format}: {:?}", text(&output.stdout));
            let shown = text(&output.stdout);
            let read: Option<serde_json::Value> = match format {
                "json" => Some(serde_json::from_str(&shown).expect("JSON")),
                "yaml" => Some(serde_yaml::from_str(&shown).expect("YAML")),
                _ => None,
            };
            if let Some(read) = read {
                assert_eq!(read["events"][0]["interface"], STEERING, "it is said all the same");
            }
        }
    }
    let fake = Fake::new("odd-steers", |_| fake::answer(200, "text/plain", STEERING.as_bytes()));
    let output = run(&fake, &["status"]);
    assert!(output.status.code() == Some(1) && is_clean(&output.stderr), "{output:?}");
}
