//! `hold ENDPOINT COUNT KIND [PATH]`: COUNT connections of a client that behaves badly, or only idly.
//!
//! - `stream`: asks for PATH, reads the head of the answer, and then nothing.
//! - `silent`: says nothing.
//! - `drip`: a request's head that goes on forever, a byte every 200 ms.
//! - `unread`: asks for PATH again and again, and reads nothing.
//!
//! Prints `{held, refused}` when all were made. Then for each line on standard input `{open}`: how many
//! the other side has not closed. Ends with its input.

use crate::http::{Connection, head};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) fn run(arguments: &[String]) {
    let [endpoint, count, kind, path @ ..] = arguments else { panic!("hold ENDPOINT COUNT KIND [PATH]") };
    let path = path.first().map_or("/", String::as_str);
    let count: usize = count.parse().expect("COUNT");
    let mut held = Vec::new();
    let mut refused = 0;
    for _ in 0..count {
        let Ok(mut connection) = Connection::open(endpoint) else {
            refused += 1;
            continue;
        };
        let good = match kind.as_str() {
            "silent" => true,
            "drip" => connection.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").is_ok(),
            "stream" => {
                let asked = connection.ask(endpoint, path);
                let mut reader = BufReader::new(connection);
                let good = asked.is_ok() && head(&mut reader).is_ok_and(|(status, _)| status == 200);
                connection = reader.into_inner();
                good
            }
            "unread" => {
                set_nonblocking(&connection);
                while connection.ask(endpoint, path).is_ok() {}
                true
            }
            other => panic!("no such KIND: {other}"),
        };
        match good {
            true => held.push(connection),
            false => refused += 1,
        }
    }
    say(&json!({ "held": held.len(), "refused": refused }));
    let held = Arc::new(Mutex::new(held));
    if kind == "drip" {
        let held = Arc::clone(&held);
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(200));
                for connection in held.lock().expect("whole").iter_mut() {
                    // Closed ones are counted when it is asked.
                    let _ = connection.write_all(b"x");
                }
            }
        });
    }
    for line in std::io::stdin().lock().lines() {
        line.expect("a line");
        let open = held.lock().expect("whole").iter().filter(|connection| is_open(connection)).count();
        say(&json!({ "open": open }));
    }
}

fn say(value: &serde_json::Value) {
    println!("{value}");
    std::io::stdout().flush().expect("flushed");
}

fn set_nonblocking(connection: &Connection) {
    match connection {
        Connection::Unix(stream) => stream.set_nonblocking(true),
        Connection::Tcp(stream) => stream.set_nonblocking(true),
    }
    .expect("a socket");
}

/// False once the other side has closed, whatever of its answers is still unread.
fn is_open(connection: &Connection) -> bool {
    let wanted = PollFlags::from_bits_retain(libc::POLLRDHUP) | PollFlags::POLLHUP;
    let mut polled = [PollFd::new(connection.as_fd(), wanted)];
    poll(&mut polled, PollTimeout::ZERO).expect("polled") == 0
}
