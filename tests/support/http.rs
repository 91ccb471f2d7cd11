//! The daemon's API as its clients meet it: on the unix socket from the test itself, which is root
//! there, and by the test agent from inside the machine.

use super::host::Host;
use serde_json::Value;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::time::Duration;

/// Where the worker listens.
pub(crate) const SOCKET: &str = "/run/netevd/api.sock";
/// For what hangs. Minutes: the kernel reads tables under one lock for all networks (rtnl), and holds it that long when the
/// machine of another test ends with thousands of interfaces.
const PATIENCE: Duration = Duration::from_secs(300);

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// From all that came until the other side closed.
    pub(crate) fn parse(bytes: &[u8]) -> Answer {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no whole answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = std::str::from_utf8(&bytes[..end]).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).expect("a status line");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').expect("a header"))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut answer =
            Answer { status: status.parse().expect("a number"), headers, body: bytes[end + 4..].to_vec() };
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = joined(&answer.body);
        }
        answer
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("a body of text")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("no JSON: {error}: {self:?}"))
    }

    /// `error.code`, and that the rest of an error is there.
    pub(crate) fn code(&self) -> String {
        let json = self.json();
        let error = json["error"].as_object().unwrap_or_else(|| panic!("no error: {json}"));
        assert_eq!(error.keys().collect::<Vec<_>>(), ["code", "details", "message"], "{json}");
        assert!(!json["error"]["message"].as_str().expect("text").is_empty(), "{json}");
        json["error"]["code"].as_str().expect("text").to_owned()
    }

    /// `error.message`
    pub(crate) fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// The text of a request of one connection; `headers` are whole lines with their ends.
pub(crate) fn request(method: &str, path: &str, headers: &str) -> String {
    let host = if headers.to_ascii_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\n{headers}\r\n")
}

impl Host {
    /// A connection to the unix socket.
    pub(crate) fn connect(&self) -> UnixStream {
        let path = self.path(SOCKET);
        let stream = UnixStream::connect(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }

    /// Sends these bytes to the unix socket, and reads until the daemon closes.
    pub(crate) fn exchange(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        // The daemon may have had enough before all of it.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        match stream.read_to_end(&mut answer) {
            Err(error) if error.kind() != std::io::ErrorKind::ConnectionReset => panic!("no end: {error}"),
            _ => answer,
        }
    }

    /// One request by the unix socket.
    pub(crate) fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        Answer::parse(&self.exchange(request(method, path, headers).as_bytes()))
    }

    /// GET by the unix socket.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "")
    }

    /// A document that has to be there.
    pub(crate) fn api(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "{path}: {}", String::from_utf8_lossy(&answer.body));
        answer.json()
    }

    /// An answer, if there is one: a daemon that is just being restarted has none.
    pub(crate) fn try_ask(&self, method: &str, path: &str) -> Option<Answer> {
        let mut stream = UnixStream::connect(self.path(SOCKET)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        stream.write_all(request(method, path, "").as_bytes()).ok()?;
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok()?;
        // What is cut off in the middle is none.
        let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")?;
        let is_whole = bytes.ends_with(b"\r\n0\r\n\r\n") || has_length(&bytes, head);
        is_whole.then(|| Answer::parse(&bytes))
    }

    /// A document, if there is one.
    pub(crate) fn try_api(&self, path: &str) -> Option<Value> {
        self.try_ask("GET", path).filter(|answer| answer.status == 200).map(|answer| answer.json())
    }

    /// One request from inside the machine, by a process of this uid, to `HOST:PORT` or `unix:PATH`;
    /// `None` where nobody answers or it may not connect.
    pub(crate) fn ask_as(&self, uid: u32, endpoint: &str, text: &str) -> Option<Answer> {
        let agent = ["/opt/netevd/netevd-test-agent", "raw", endpoint];
        let identity = [format!("--reuid={uid}"), format!("--regid={uid}"), "--clear-groups".to_owned()];
        let mut words: Vec<&str> = Vec::new();
        if uid != 0 {
            words.push("setpriv");
            words.extend(identity.iter().map(String::as_str));
            words.push("--");
        }
        words.extend(agent);
        let mut child = self
            .command(&words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsenter (util-linux) is installed");
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(text.as_bytes()).expect("the agent reads");
        drop(stdin);
        let output = child.wait_with_output().expect("the agent ends");
        match output.status.code() {
            Some(0) => Some(Answer::parse(&output.stdout)),
            Some(3) => None,
            _ => panic!("{endpoint}: {}\n{}", String::from_utf8_lossy(&output.stderr), self.log()),
        }
    }
}

/// Whether as many bytes follow the head as it says.
fn has_length(bytes: &[u8], head: usize) -> bool {
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    length == Some(bytes.len() - head - 4)
}

fn joined(mut chunks: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = chunks.windows(2).position(|two| two == b"\r\n").expect("the length of a chunk");
        let text = std::str::from_utf8(&chunks[..end]).expect("digits");
        let length = usize::from_str_radix(text, 16).expect("digits");
        if length == 0 {
            return body;
        }
        body.extend_from_slice(&chunks[end + 2..end + 2 + length]);
        chunks = &chunks[end + 2 + length + 2..];
    }
}
