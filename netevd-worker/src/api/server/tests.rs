//! The server before a loop that answers from a script; the kernel is the real one, and only read.

use super::{Server, Settings};
use crate::audit::Audit;
use crate::config::Api;
use crate::document::{Checks, Health, Reload, Status};
use crate::metrics::Metrics;
use crate::model::EventKind;
use crate::request::{
    Actor, ApiRequest, Change, ChangeKind, EventPage, EventQuery, Followed, Names, Refused, Since,
    StreamPosition,
};
use protocol::Policy;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{broadcast, mpsc};
use tokio::time::timeout;

/// Against hangs alone.
const GUARD: Duration = Duration::from_secs(60);

/// What the loop was asked, where a test wants to know.
#[derive(Debug, PartialEq)]
enum Asked {
    Events(EventQuery),
    Follow(Option<StreamPosition>),
    Reload(bool, Actor),
}

struct Stage {
    server: Server,
    directory: PathBuf,
    asked: mpsc::UnboundedReceiver<Asked>,
    changes: broadcast::Sender<Change>,
}

impl Stage {
    async fn new(name: &str, api: Api) -> Self {
        let directory = std::env::temp_dir().join(format!("netevd-server-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let (api_sender, questions) = mpsc::channel(4);
        let (tell, asked) = mpsc::unbounded_channel();
        let changes = broadcast::Sender::new(4);
        tokio::spawn(fake_loop(questions, tell, changes.clone()));
        let metrics = Metrics::default().handle();
        let settings = Settings {
            runtime_dir: directory.clone(),
            api,
            metrics_enabled: true,
            own_uid_may_change: true,
            scripts_run_as: crate::dispatch::Identity::current(),
            audit: Audit::new(metrics.clone()),
            metrics,
        };
        let server = Server::start(api_sender, settings);
        server.listening().await;
        Self { server, directory, asked, changes }
    }

    async fn unix(&self) -> UnixStream {
        UnixStream::connect(self.directory.join("api.sock")).await.expect("a connection")
    }

    async fn ask(&self, request: &str) -> Reply {
        ask(self.unix().await, request).await
    }

    async fn get(&self, target: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nconnection: close\r\n\r\n")).await
    }

    async fn end(self) {
        self.server.stop().await;
        assert!(!self.directory.join("api.sock").exists(), "the socket is gone");
        std::fs::remove_dir_all(&self.directory).expect("removed");
    }
}

/// One change of the stream.
fn change(revision: u64) -> Change {
    let json = Arc::from(format!("{{\"id\":{revision}}}"));
    Change { kind: ChangeKind::Event, place: StreamPosition { instance: 7, revision }, json }
}

async fn fake_loop(
    mut questions: mpsc::Receiver<ApiRequest>,
    tell: mpsc::UnboundedSender<Asked>,
    changes: broadcast::Sender<Change>,
) {
    while let Some(question) = questions.recv().await {
        match question {
            ApiRequest::Status(reply) => drop(reply.send(status())),
            ApiRequest::Interfaces(reply) => drop(reply.send(Vec::new())),
            ApiRequest::Interface(_, reply) => drop(reply.send(None)),
            ApiRequest::Names(reply) => {
                drop(reply.send(Names { links: BTreeMap::new(), policy: Policy::default() }));
            }
            ApiRequest::Events(query, reply) => {
                let _ = tell.send(Asked::Events(query));
                drop(reply.send(EventPage::default()));
            }
            ApiRequest::Event(_, reply) => drop(reply.send(None)),
            ApiRequest::Follow(after, reply) => {
                let _ = tell.send(Asked::Follow(after));
                let missed = match after {
                    None => Vec::new(),
                    Some(place) if place.instance == 7 => (place.revision + 1..=9).map(change).collect(),
                    Some(_) => (1..=9).map(change).collect(),
                };
                let changes = changes.subscribe();
                drop(reply.send(Followed { instance: 7, revision: 9, missed, state: None, changes }));
            }
            ApiRequest::Runs(reply) => drop(reply.send(Vec::new())),
            ApiRequest::Health(reply) => drop(reply.send(health())),
            ApiRequest::Reload { dry_run, actor, reply } => {
                let _ = tell.send(Asked::Reload(dry_run, actor));
                drop(reply.send(if dry_run { Err(Refused { problems: Vec::new() }) } else { Ok(reload()) }));
            }
        }
    }
}

fn status() -> Status {
    let helper = json!({"state": "none", "complaints": []});
    let config = json!({"files": [], "loaded_at": "", "last_reload_successful": true, "last_error": null});
    serde_json::from_value(json!({
        "status": "ok", "problems": [], "version": "0", "instance": "7", "started_at": "", "uptime_seconds": 1.5,
        "backend": "kernel", "backend_state": "none", "host": "online", "interfaces_monitored": 1,
        "interfaces_total": 3, "events_processed": 0, "scripts_executed": 0, "scripts_failed": 0,
        "scripts_running": 0, "events_waiting": 0, "rules_managed": 77, "routes_managed": 77, "last_event": null,
        "helper": helper, "dry_run": false, "config": config, "listeners": [],
    }))
    .expect("a status")
}

fn health() -> Health {
    let check = |status: &str| crate::document::Check { status: status.to_owned(), message: None };
    let checks = Checks {
        netlink: check("ok"),
        dbus: check("off"),
        config: check("ok"),
        backend: check("off"),
        helper: check("failed"),
    };
    Health { status: "unhealthy".to_owned(), checks }
}

fn reload() -> Reload {
    Reload { result: "reloaded".to_owned(), files: Vec::new(), changed: Vec::new(), warnings: Vec::new() }
}

/// An answer, read to the end of its connection.
struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_lowercase(), body: body.to_owned() }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    #[track_caller]
    fn is_error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{}", self.body);
        let body = self.json();
        assert_eq!(body["error"]["code"], code, "{body}");
        body["error"]["message"].as_str().expect("a message").to_owned()
    }
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> Reply {
    let asking = async {
        // A server that is full, or has seen enough, answers and closes before all is said.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Reply::of(&bytes)
    };
    timeout(GUARD, asking).await.expect("an answer and its end")
}

#[tokio::test]
async fn every_path_answers() {
    let stage = Stage::new("paths", Api::default()).await;
    let status = stage.get("/api/v1/status").await.json();
    assert_ne!(status["rules_managed"], 77, "read from the kernel");
    let socket = format!("unix:{}", stage.directory.join("api.sock").display());
    assert_eq!(status["listeners"], json!([{"address": socket, "state": "listening", "error": null}]));
    assert_eq!(stage.get("/api/v1/interfaces").await.json(), json!({"interfaces": [], "count": 0}));
    assert!(stage.get("/api/v1/rules").await.json()["count"].as_u64() >= Some(3), "the kernel's own");
    let routes = stage.get("/api/v1/routes?limit=1&family=ipv4&table=local").await.json();
    assert!(routes["routes"].as_array().is_some_and(|routes| routes.len() <= 1), "{routes}");
    assert_eq!(
        stage.get("/api/v1/events").await.json(),
        json!({"events": [], "count": 0, "has_more": false})
    );
    assert!(stage.get("/api/v1/scripts").await.json()["strays"].is_array());
    let health = stage.get("/health").await;
    assert_eq!((health.status, &health.json()["checks"]["helper"]["status"]), (503, &json!("failed")));
    let metrics = stage.get("/metrics").await;
    assert!(
        metrics.body.contains("netevd_interfaces_total 3")
            && metrics.body.contains("netevd_uptime_seconds 1.5")
    );
    let page = stage.get("/").await;
    assert!(page.head.contains("content-type: text/html") && page.head.contains("script-src 'sha256-"));
    for reply in [health, metrics, page] {
        assert!(
            reply.head.contains("cache-control: no-store") && reply.head.contains("nosniff"),
            "{}",
            reply.head
        );
        assert!(reply.head.contains("frame-ancestors 'none'") && !reply.head.contains("access-control"));
    }
    stage.end().await;
}

#[tokio::test]
async fn what_is_wrong_is_said_in_one_form() {
    let stage = Stage::new("errors", Api::default()).await;
    for target in
        ["/nowhere", "/api/v1/interfaces/none", "/api/v1/interfaces/a%2Fb", "/api/v1/events/5", "//"]
    {
        stage.get(target).await.is_error(404, "not_found");
    }
    for target in [
        "/health?x=1",
        "/api/v1/status?x",
        "/api/v1/routes?limit=10001",
        "/api/v1/routes?family=ipx",
        "/api/v1/routes?table=0",
        "/api/v1/routes?interface=much-too-long-a-name",
        "/api/v1/events?since=yesterday",
        "/api/v1/events?event_type=nothing",
        "/api/v1/events/five",
        "/api/v1/interfaces?statistics=yes",
        "/api/v1/interfaces/%ff",
        "/api/v1/events/stream?since=x",
        "/api/v1/events/stream?tail=-1",
    ] {
        let message = stage.get(target).await.is_error(400, "bad_request");
        assert!(message.len() > 10, "{target}: {message}");
    }
    let reply = stage.ask("POST /api/v1/status HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    reply.is_error(405, "method_not_allowed");
    assert!(reply.head.contains("allow: get,head"), "{}", reply.head);
    stage.get("/api/v1/reload").await.is_error(405, "method_not_allowed");
    let head = stage.ask("HEAD /api/v1/rules HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    stage.ask("OPTIONS * HTTP/1.1\r\nconnection: close\r\n\r\n").await.is_error(404, "not_found");
    stage.end().await;
}

#[tokio::test]
async fn questions_arrive_as_they_were_meant() {
    let mut stage = Stage::new("questions", Api::default()).await;
    stage.get("/api/v1/events?limit=5&interface=we%2Bb&event_type=carrier,routes&since=17").await;
    let kinds = vec![EventKind::Carrier, EventKind::Routes];
    let query =
        EventQuery { limit: 5, interface: Some("we+b".to_owned()), kinds, since: Some(Since::Id(17)) };
    assert_eq!(stage.asked.recv().await, Some(Asked::Events(query)));
    let reply = stage.ask("POST /api/v1/reload HTTP/1.1\r\nconnection: close\r\n\r\n").await;
    assert_eq!(reply.json()["result"], "reloaded");
    let reply = stage
        .ask("POST /api/v1/reload?dry_run=true HTTP/1.1\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}")
        .await;
    reply.is_error(400, "invalid_configuration");
    assert_eq!(reply.json()["error"]["details"], json!({"problems": []}));
    let actor = Actor::Local {
        uid: nix::unistd::geteuid().as_raw(),
        pid: i32::try_from(std::process::id()).expect("a pid"),
    };
    assert_eq!(stage.asked.recv().await, Some(Asked::Reload(false, actor.clone())));
    assert_eq!(stage.asked.recv().await, Some(Asked::Reload(true, actor)));
    stage.end().await;
}

/// Reads from a stream until `count` messages have come; their ids.
async fn messages(stream: &mut UnixStream, text: &mut String, count: usize) -> Vec<u64> {
    let ids = |text: &str| -> Vec<u64> {
        let places = text.lines().filter_map(|line| line.strip_prefix("id: 7-"));
        places.filter_map(|place| place.trim().parse().ok()).collect()
    };
    let reading = async {
        while ids(text).len() < count || !text.ends_with("\n\n\r\n") {
            let mut bytes = [0; 4_096];
            let read = stream.read(&mut bytes).await.expect("read");
            assert!(read > 0, "the stream ended: {text}");
            text.push_str(std::str::from_utf8(&bytes[..read]).expect("text"));
        }
    };
    timeout(GUARD, reading).await.unwrap_or_else(|_| panic!("{count} messages: {text}"));
    ids(text)
}

#[tokio::test]
async fn a_stream_is_resumed_and_ends_cleanly() {
    let mut stage = Stage::new("stream", Api::default()).await;
    let mut all = Vec::new();
    for (line, target, first) in [
        ("last-event-id: 7-6\r\n", "/api/v1/events/stream", 7),
        ("last-event-id: 3-6\r\n", "/api/v1/events/stream", 1),
        ("", "/api/v1/events/stream?since=7-4", 5),
        ("", "/api/v1/events/stream?tail=2", 8),
        ("", "/api/v1/events/stream", 10),
    ] {
        let (mut stream, mut text) = (stage.unix().await, String::new());
        let request = format!("GET {target} HTTP/1.1\r\n{line}\r\n");
        stream.write_all(request.as_bytes()).await.expect("written");
        let expected: Vec<u64> = (first..10).collect();
        assert_eq!(messages(&mut stream, &mut text, expected.len()).await, expected, "{target} {line}");
        stage.asked.recv().await.expect("asked");
        all.push((stream, text, expected));
    }
    stage.changes.send(change(10)).expect("readers");
    for (stream, text, expected) in &mut all {
        expected.push(10);
        assert_eq!(messages(stream, text, expected.len()).await, *expected);
        assert!(text.contains("event: event\ndata: {\"id\":10}\n\n"), "{text}");
    }
    // More at once than the loop keeps for readers: they are told from the ring again.
    for revision in 11..=20 {
        stage.changes.send(change(revision)).expect("readers");
    }
    for _ in &all {
        let asked = timeout(GUARD, stage.asked.recv()).await.expect("asked again");
        assert_eq!(asked, Some(Asked::Follow(Some(StreamPosition { instance: 7, revision: 10 }))));
    }
    stage.end().await;
    for (mut stream, ..) in all {
        let mut rest = Vec::new();
        timeout(GUARD, stream.read_to_end(&mut rest)).await.expect("the end").expect("read");
        assert!(rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    }
}

#[tokio::test]
async fn the_socket_is_for_its_group() {
    let api = Api { socket_group: "no-such-group".to_owned(), ..Api::default() };
    let directory = std::env::temp_dir().join(format!("netevd-server-mode-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a directory");
    // What an earlier life left.
    std::fs::write(directory.join("api.sock"), "").expect("written");
    std::fs::write(directory.join("api.sock.new"), "").expect("written");
    let stage = Stage::new("mode", api).await;
    let found = std::fs::metadata(stage.directory.join("api.sock")).expect("there");
    assert_eq!(found.permissions().mode() & 0o7777, 0o660);
    assert_eq!(found.gid(), nix::unistd::getegid().as_raw());
    assert!(!stage.directory.join("api.sock.new").exists());
    stage.end().await;
}

fn over_tcp(token_file: Option<PathBuf>) -> Api {
    Api { enabled: true, port: 0, token_file, ..Api::default() }
}

fn address(stage: &Stage) -> String {
    let listeners = stage.server.listeners();
    assert!(listeners.iter().all(|listener| listener.error.is_none()), "{listeners:?}");
    listeners[1].address.strip_prefix("http://").expect("a URL").to_owned()
}

async fn tcp(address: &str, request: &str) -> Reply {
    let request = request.replace("HOST", address);
    ask(TcpStream::connect(address).await.expect("a connection"), &request).await
}

#[tokio::test]
async fn tcp_reads_without_and_changes_with_the_token() {
    let file = std::env::temp_dir().join(format!("netevd-server-token-{}", std::process::id()));
    std::fs::write(&file, "a-token-of-the-test\n").expect("written");
    std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).expect("mode");
    let mut stage = Stage::new("tcp", over_tcp(Some(file.clone()))).await;
    let at = address(&stage);
    let reply = tcp(&at, "GET /health HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n").await;
    assert_eq!(reply.status, 503);
    let rebound = "GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    tcp(&at, rebound).await.is_error(403, "forbidden");
    let absolute = "GET http://evil.example/health HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n";
    tcp(&at, absolute).await.is_error(403, "forbidden");
    let change = "POST /api/v1/reload HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n";
    let reply = tcp(&at, &format!("{change}\r\n")).await;
    reply.is_error(401, "unauthorized");
    assert!(reply.head.contains("www-authenticate: bearer"), "{}", reply.head);
    let with_token = format!("{change}authorization: Bearer a-token-of-the-test\r\n");
    assert_eq!(tcp(&at, &format!("{with_token}\r\n")).await.status, 200);
    tcp(&at, &format!("{with_token}origin: http://evil.example\r\n\r\n")).await.is_error(403, "forbidden");
    assert!(matches!(
        stage.asked.recv().await,
        Some(Asked::Reload(false, Actor::Remote { token: true, .. }))
    ));
    // Another token: what came by the old one ends, at the same port.
    let mut open = TcpStream::connect(&at).await.expect("a connection");
    open.write_all(format!("GET /health HTTP/1.1\r\nhost: {at}\r\n\r\n").as_bytes()).await.expect("written");
    timeout(GUARD, open.read(&mut [0; 4_096])).await.expect("an answer").expect("read");
    std::fs::write(&file, "another-token-of-it\n").expect("written");
    stage.server.reconfigure(over_tcp(Some(file.clone())), false);
    assert_eq!(timeout(GUARD, open.read(&mut [0; 16])).await.expect("the end").unwrap_or(0), 0);
    assert_eq!(address(&stage), at);
    tcp(&at, &format!("{with_token}\r\n")).await.is_error(401, "unauthorized");
    tcp(&at, "GET /metrics HTTP/1.1\r\nhost: HOST\r\nconnection: close\r\n\r\n")
        .await
        .is_error(404, "not_found");
    std::fs::remove_file(&file).expect("removed");
    stage.end().await;
}

#[tokio::test]
async fn a_listener_that_fails_is_told_and_tried_again() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port();
    let api = Api { enabled: true, port, ..Api::default() };
    let stage = Stage::new("taken", api.clone()).await;
    let [problem] = stage.server.problems().try_into().expect("one problem");
    assert!(problem.contains("in use") && problem.contains("ss -ltnp"), "{problem}");
    let status = stage.get("/api/v1/status").await.json();
    assert_eq!((&status["listeners"][1]["state"], &status["status"]), (&json!("failed"), &json!("degraded")));
    assert_eq!(status["problems"], json!([problem]));
    drop(taken);
    let mut idle = stage.unix().await;
    stage.server.reconfigure(api, true);
    let fixed = async {
        while !stage.server.problems().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    timeout(GUARD, fixed).await.expect("it listens");
    let wide = Api { enabled: true, bind_address: "0.0.0.0".parse().expect("an address"), ..Api::default() };
    stage.server.reconfigure(wide, true);
    let refused = async {
        while !stage.server.problems().iter().any(|problem| problem.contains("token")) {
            tokio::task::yield_now().await;
        }
    };
    timeout(GUARD, refused).await.expect("refused");
    // By the unix socket nobody noticed.
    idle.write_all(b"GET /health HTTP/1.1\r\nconnection: close\r\n\r\n").await.expect("written");
    let mut answer = Vec::new();
    timeout(GUARD, idle.read_to_end(&mut answer)).await.expect("the end").expect("read");
    assert!(answer.starts_with(b"HTTP/1.1 503"));
    stage.end().await;
}

/// Connects from this address of loopback.
async fn tcp_from(source: &str, to: &str) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(format!("{source}:0").parse().expect("an address")).expect("loopback's");
    socket.connect(to.parse().expect("an address")).await.expect("a connection")
}

/// Whether the other side has closed it, as the last look at the sockets showed.
fn is_closed(stream: &TcpStream) -> bool {
    match stream.try_read(&mut [0; 16]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[tokio::test]
async fn silent_sources_take_nobody_s_seat() {
    let stage = Stage::new("silent", over_tcp(None)).await;
    let at = address(&stage);
    // More from two addresses than there are seats by TCP.
    let mut silent = Vec::new();
    for number in 0..super::connection_limits::REMOTE + 50 {
        let source = ["127.0.0.2", "127.0.0.3"][number % 2];
        silent.push(tcp_from(source, &at).await);
    }
    let request = format!("GET /api/v1/rules HTTP/1.1\r\nhost: {at}\r\nconnection: close\r\n\r\n");
    for source in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
        assert_eq!(ask(tcp_from(source, &at).await, &request).await.status, 200, "{source}");
    }
    for target in ["/api/v1/rules", "/api/v1/status"] {
        assert_eq!(stage.get(target).await.status, 200, "the unix socket has its own seats");
    }
    // All of loopback is one host, and the oldest went.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let open: Vec<bool> = silent.iter().map(|stream| !is_closed(stream)).collect();
    let count = open.iter().filter(|open| **open).count();
    assert!(!open[0] && !open[1] && open[open.len() - 1], "{open:?}");
    assert!(
        count <= super::connection_limits::HOST_SHARE && count > super::connection_limits::HOST_SHARE - 10,
        "{count}"
    );
    // One that says something in time is answered, the others are sent away.
    let mut late = silent.pop().expect("the last one");
    late.write_all(request.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    timeout(GUARD, late.read_to_end(&mut answer)).await.expect("the end").expect("read");
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    let gone = async {
        for stream in &mut silent {
            let _ = stream.read(&mut [0; 16]).await;
        }
    };
    timeout(super::guard::HEAD + Duration::from_secs(5), gone).await.expect("ten seconds are enough");
    stage.end().await;
}

#[tokio::test]
async fn what_is_too_much_is_refused() {
    let stage = Stage::new("limits", Api::default()).await;
    let long = "x".repeat(20 * 1024);
    assert_eq!(stage.ask(&format!("GET /health HTTP/1.1\r\nx: {long}\r\n\r\n")).await.status, 431);
    let many = "x: y\r\n".repeat(65);
    assert_eq!(stage.ask(&format!("GET /health HTTP/1.1\r\n{many}\r\n")).await.status, 431);
    assert_eq!(stage.ask("nonsense\r\n\r\n").await.status, 400);
    let large = "POST /api/v1/reload HTTP/1.1\r\nconnection: close\r\ncontent-length: 70000\r\n\r\n";
    stage.ask(large).await.is_error(413, "bad_request");
    // 500 that only listen, and the others are served as before.
    let mut streams = Vec::new();
    for _ in 0..super::connection_limits::USER_SHARE - 1 {
        let mut stream = stage.unix().await;
        stream.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\n\r\n").await.expect("written");
        let mut greeting = [0; 64];
        let read = timeout(GUARD, stream.read(&mut greeting)).await.expect("a head").expect("read");
        assert!(greeting[..read].starts_with(b"HTTP/1.1 200"));
        streams.push(stream);
    }
    assert_eq!(stage.get("/health").await.status, 503);
    // One that is idle makes room.
    let mut idle = stage.unix().await;
    assert_eq!(stage.get("/health").await.status, 503);
    assert_eq!(timeout(GUARD, idle.read(&mut [0; 16])).await.expect("its end").unwrap_or(0), 0);
    let mut stream = stage.unix().await;
    stream.write_all(b"GET /api/v1/events/stream HTTP/1.1\r\n\r\n").await.expect("written");
    timeout(GUARD, stream.read(&mut [0; 64])).await.expect("a head").expect("read");
    streams.push(stream);
    // One that is in use does not.
    stage.get("/health").await.is_error(503, "unavailable");
    streams.clear();
    let free = async { while stage.get("/api/v1/rules").await.status != 200 {} };
    timeout(GUARD, free).await.expect("seats are free again");
    stage.end().await;
}
