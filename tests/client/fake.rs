//! A server of one answer a connection, on a unix socket.

use netevd_worker::document::{
    ConfigStatus, EventDocument, HelperStatus, LastEvent, Listener as ListenerDocument, Status,
};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use serde::Serialize;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// `GET /api/v1/status HTTP/1.1`
    pub(crate) line: String,
    /// `Last-Event-ID`
    pub(crate) place: Option<String>,
}

/// It serves until the test process ends.
pub(crate) struct Fake {
    directory: PathBuf,
    asked: Arc<Mutex<Vec<Request>>>,
    peers: Arc<Mutex<Vec<(u32, u32)>>>,
}

impl Fake {
    /// Answers each connection with the bytes that `answer` gives, and closes it.
    pub(crate) fn new(name: &str, answer: impl Fn(&Request) -> Vec<u8> + Send + 'static) -> Self {
        let directory = std::env::temp_dir().join(format!("netevd-client-{name}-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory");
        let listener = UnixListener::bind(directory.join("api.sock")).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let peers = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&peers);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.expect("a connection");
                let peer = getsockopt(&connection, PeerCredentials).expect("a peer");
                seen.lock().expect("whole").push((peer.uid(), peer.gid()));
                let mut lines = BufReader::new(&connection).lines().map_while(Result::ok);
                let mut request = Request { line: lines.next().unwrap_or_default(), place: None };
                for line in lines.take_while(|line| !line.is_empty()) {
                    if let Some(place) = line.strip_prefix("last-event-id: ") {
                        request.place = Some(place.to_owned());
                    }
                }
                let bytes = answer(&request);
                noted.lock().expect("whole").push(request);
                // The other side may have had enough.
                let _ = connection.write_all(&bytes);
            }
        });
        Self { directory, asked, peers }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("api.sock")
    }

    /// uid and gid of each who connected.
    pub(crate) fn peers(&self) -> Vec<(u32, u32)> {
        self.peers.lock().expect("whole").clone()
    }

    /// The first lines of all requests.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.asked.lock().expect("whole").iter().map(|request| request.line.clone()).collect()
    }

    /// Where each request for the stream wanted to go on.
    pub(crate) fn places(&self) -> Vec<Option<String>> {
        let asked = self.asked.lock().expect("whole");
        let streams = asked.iter().filter(|request| request.line.contains("/events/stream"));
        streams.map(|request| request.place.clone()).collect()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A whole answer.
pub(crate) fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A document.
pub(crate) fn json(status: u16, document: &impl Serialize) -> Vec<u8> {
    answer(status, "application/json", &serde_json::to_vec(document).expect("JSON"))
}

/// Messages, and then the end.
pub(crate) fn stream(messages: &[(&str, &EventDocument)]) -> Vec<u8> {
    let mut text = String::from("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: here\n\n");
    for (place, event) in messages {
        let data = serde_json::to_string(event).expect("JSON");
        text.push_str(&format!("id: {place}\nevent: event\ndata: {data}\n\n"));
    }
    text.into_bytes()
}

/// A daemon that is well.
pub(crate) fn status(instance: &str) -> Status {
    let text = str::to_owned;
    Status {
        status: text("ok"),
        problems: Vec::new(),
        version: text("0.1.0"),
        instance: text(instance),
        started_at: text("2026-03-01T09:30:00.000Z"),
        uptime_seconds: 5.0,
        backend: text("kernel"),
        backend_state: text("none"),
        host: text("online"),
        interfaces_monitored: 1,
        interfaces_total: 2,
        events_processed: 2,
        scripts_executed: 0,
        scripts_failed: 0,
        scripts_running: 0,
        events_waiting: 0,
        rules_managed: 0,
        routes_managed: 0,
        last_event: Some(LastEvent {
            id: 2,
            timestamp: text("2026-03-01T09:30:00.250Z"),
            event_type: text("carrier"),
            interface: Some(text("eth1")),
        }),
        helper: HelperStatus { state: text("none"), complaints: Vec::new() },
        dry_run: false,
        config: ConfigStatus {
            files: Vec::new(),
            loaded_at: text("2026-03-01T09:30:00.000Z"),
            last_reload_successful: true,
            last_error: None,
        },
        listeners: vec![ListenerDocument { address: text("unix:/x"), state: text("listening"), error: None }],
    }
}
