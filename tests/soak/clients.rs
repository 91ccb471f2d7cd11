//! Clients of the API that stay: those that follow, stall and hesitate, until the next rest.

use crate::action::Client;
use crate::support::{Host, SOCKET, request};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

/// More than that of each kind the daemon refuses, which is another test's.
const HELD: usize = 6;
const DOCUMENTS: [&str; 8] = [
    "/api/v1/status",
    "/api/v1/interfaces?statistics=true",
    "/api/v1/interfaces/eth1",
    "/api/v1/routes",
    "/api/v1/rules",
    "/api/v1/events?limit=200",
    "/health",
    "/metrics",
];

/// Those that are connected.
#[derive(Default)]
pub(crate) struct Clients {
    held: Vec<Held>,
}

struct Held {
    stream: UnixStream,
    reads: bool,
}

impl Clients {
    pub(crate) fn come(&mut self, host: &Host, client: Client) {
        if client == Client::Scrapes {
            // None while the daemon is being restarted, 404 while eth1 is away, 503 while it is busy.
            for document in DOCUMENTS {
                let status = host.try_ask("GET", document).map(|answer| answer.status);
                assert!([None, Some(200), Some(404), Some(503)].contains(&status), "{document}: {status:?}");
            }
            return;
        }
        let Ok(mut stream) = UnixStream::connect(host.path(SOCKET)) else { return };
        let follow = request("GET", "/api/v1/events/stream", "");
        let sent = match client {
            Client::Hesitates => stream.write_all(b"GET /api/v1/status HTTP/1.1\r\nHost: x"),
            Client::Vanishes => stream.write_all(request("GET", "/api/v1/interfaces", "").as_bytes()),
            _ => stream.write_all(follow.as_bytes()),
        };
        if sent.is_err() || client == Client::Vanishes {
            return;
        }
        let reads = client == Client::Streams;
        stream.set_nonblocking(reads).expect("a socket");
        if self.held.len() >= HELD {
            self.held.remove(0);
        }
        self.held.push(Held { stream, reads });
    }

    /// Those that read take what has come.
    pub(crate) fn read(&mut self) {
        let mut buffer = [0_u8; 16 * 1024];
        for held in self.held.iter_mut().filter(|held| held.reads) {
            while matches!(held.stream.read(&mut buffer), Ok(count) if count > 0) {}
        }
    }

    pub(crate) fn go(&mut self) {
        self.held.clear();
    }
}
