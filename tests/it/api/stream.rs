//! The stream of events: what comes, where it goes on, and what a restart does to it.

use super::{CONFIG, array, machine};
use crate::support::{Host, eth1_complete, request, wait_for};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// For what hangs.
const PATIENCE: Duration = Duration::from_secs(40);

/// Reads one stream.
pub(super) struct Reader {
    lines: BufReader<UnixStream>,
    /// Place and event of each message so far.
    pub(super) messages: Vec<(String, Value)>,
}

impl Reader {
    /// Opens it; the answer is good.
    pub(super) fn open(host: &Host, path: &str, headers: &str) -> Reader {
        let mut stream = host.connect();
        stream.write_all(request("GET", path, headers).as_bytes()).expect("sent");
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).expect("a head") > 0, "it ended: {head}");
        }
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: text/event-stream"), "{head}");
        Reader { lines, messages: Vec::new() }
    }

    /// The next event; `None` at the stream's end.
    pub(super) fn next(&mut self) -> Option<(String, Value)> {
        loop {
            let (id, kind, value) = self.read()?;
            if kind == "event" {
                self.messages.push((id.clone(), value.clone()));
                return Some((id, value));
            }
        }
    }

    /// The next that is said of the host as a whole and fits.
    pub(super) fn await_state(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        loop {
            let (_, kind, value) = self.read().expect("the stream goes on");
            if kind == "state" && fits(&value) {
                return value;
            }
        }
    }

    /// Place, kind and data of the next message. Frames of the transfer fall between its lines.
    fn read(&mut self) -> Option<(String, String, Value)> {
        let (mut id, mut event) = (String::new(), String::new());
        let began = Instant::now();
        loop {
            // The comments that keep it alive would keep a test waiting forever.
            assert!(began.elapsed() < PATIENCE, "no message within {PATIENCE:?}: {:?}", self.messages.last());
            let mut line = String::new();
            if self.lines.read_line(&mut line).expect("the stream goes on") == 0 {
                return None;
            }
            let line = line.trim_end();
            match line.split_once(": ") {
                Some(("id", value)) => id = value.to_owned(),
                Some(("event", value)) => event = value.to_owned(),
                Some(("data", value)) => {
                    assert!(["event", "state"].contains(&&*event), "{event}");
                    // Who comes back with the last place must not miss an event for its sake.
                    assert_eq!(id.is_empty(), event == "state", "{line}");
                    return Some((id, event, serde_json::from_str(value).expect("JSON on one line")));
                }
                _ if line == "0" => return None,
                _ => {}
            }
        }
    }

    /// Reads until an event of this kind and link is over.
    pub(super) fn await_event(&mut self, kind: &str, link: &str) -> Value {
        loop {
            let (_, event) = self.next().expect("the stream goes on");
            let is_over = event["action"] != "waiting" && event["action"] != "running";
            if event["event_type"] == kind && event["interface"] == link && is_over {
                return event;
            }
        }
    }
}

fn ids(messages: &[(String, Value)]) -> Vec<u64> {
    messages.iter().filter_map(|(_, event)| event["id"].as_u64()).collect()
}

#[test]
fn api_stream_tells_each_change_and_goes_on_where_it_was_left() {
    let Some(host) = machine("api_stream_tells_each_change_and_goes_on_where_it_was_left", CONFIG) else {
        return;
    };
    host.recorder("mtu", "10-note", "");
    let _daemon = host.start_daemon();
    let mut first = Reader::open(&host, "/api/v1/events/stream", "");
    host.ip("link set eth0 mtu 1400");
    let done = first.await_event("mtu", "eth0");
    assert_eq!(done, host.api(&format!("/api/v1/events/{}", done["id"])), "the whole document");
    assert_eq!(done["scripts"][0]["script"], "/etc/netevd/mtu.d/10-note");
    // Its life as it went: every message is later than the one before, and none stands twice.
    let of_it: Vec<&Value> = first
        .messages
        .iter()
        .filter(|(_, event)| event["id"] == done["id"])
        .map(|(_, event)| event)
        .collect();
    assert!(of_it.len() >= 2, "it came, and it was over: {of_it:#?}");
    assert!(["waiting", "running"].contains(&of_it[0]["action"].as_str().expect("text")));
    let place = |id: &str| -> u64 { id.split_once('-').and_then(|(_, n)| n.parse().ok()).expect("a place") };
    let places: Vec<u64> = first.messages.iter().map(|(id, _)| place(id)).collect();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "{places:?}");

    // Left, and come back by either way: just what was missed, then what is new.
    let left = first.messages.last().expect("messages").0.clone();
    drop(first);
    host.ip("link set eth1 mtu 1300");
    host.await_run("mtu", "eth1");
    for (path, headers) in [
        ("/api/v1/events/stream".to_owned(), format!("Last-Event-ID: {left}\r\n")),
        (format!("/api/v1/events/stream?since={left}"), String::new()),
    ] {
        let mut second = Reader::open(&host, &path, &headers);
        let missed = second.await_event("mtu", "eth1");
        assert!(ids(&second.messages).iter().all(|id| *id > done["id"].as_u64().expect("a number")));
        let stream: Vec<u64> = second.messages.iter().map(|(id, _)| place(id)).collect();
        assert!(stream.iter().all(|at| *at > place(&left)), "{left} {stream:?}");
        assert_eq!(missed["interface"], "eth1");
    }

    // The newest few, and then what comes.
    let all = host.api("/api/v1/events?limit=3");
    let mut tail = Reader::open(&host, "/api/v1/events/stream?tail=3", "");
    for _ in 0..3 {
        tail.next().expect("three");
    }
    let mut newest = ids(&tail.messages);
    newest.sort_unstable();
    let mut expected: Vec<u64> =
        array(&all["events"]).iter().filter_map(|event| event["id"].as_u64()).collect();
    expected.sort_unstable();
    assert_eq!(newest, expected);
    host.ip("link set eth0 mtu 1500");
    let next = tail.await_event("mtu", "eth0");
    assert!(next["id"].as_u64() > newest.last().copied());
}

#[test]
fn api_stream_says_that_rules_and_problems_are_others_now() {
    let Some(host) = machine("api_stream_says_that_rules_and_problems_are_others_now", CONFIG) else {
        return;
    };
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let mut reader = Reader::open(&host, "/api/v1/events/stream", "");
    let changes = |state: &Value| state["routing_changes"].as_u64().expect("a number");
    let managed =
        || array(&host.api("/api/v1/rules")["rules"]).iter().filter(|r| r["managed"] == true).count();
    assert_eq!(managed(), 2);

    // Nothing of this is an event, but for a script that waits for one.
    host.sh(
        "ip route add unreachable default table 4711; ip rule add from 198.51.100.2 lookup 4711 priority 100",
    );
    let named = |state: &Value| state["problems"].to_string().contains("4711");
    let degraded = reader.await_state(named);
    assert_eq!(degraded["status"], "degraded");
    assert_eq!(degraded["problems"], host.api("/api/v1/status")["problems"]);
    host.ip("rule del from 198.51.100.2 lookup 4711 priority 100");
    let well = reader.await_state(|state| state["status"] == "ok");
    assert_eq!(
        (&well["health"], &well["problems"]),
        (&Value::from("healthy"), &Value::from(Vec::<u8>::new()))
    );

    // After the last of them the rules are those that stay.
    host.ip("link set eth1 down");
    let down = reader.await_state(|state| changes(state) > changes(&well) && managed() == 0);
    host.sh("ip link set eth1 up; ip route add default via 198.51.100.1 dev eth1 metric 200");
    reader.await_state(|state| changes(state) > changes(&down) && managed() == 2);
}

#[test]
fn api_stream_ends_with_the_daemon_and_a_reader_goes_on_with_the_next() {
    let Some(host) = machine("api_stream_ends_with_the_daemon_and_a_reader_goes_on_with_the_next", CONFIG)
    else {
        return;
    };
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    let mut reader = Reader::open(&host, "/api/v1/events/stream", "");
    host.ip("link set eth0 mtu 1400");
    reader.await_event("mtu", "eth0");
    assert_eq!(daemon.stop().status, 0);
    while reader.next().is_some() {}
    let (left, _) = reader.messages.last().expect("messages").clone();
    // Another life of the worker: from its beginning, whatever the place.
    let _daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1300");
    host.await_run("mtu", "eth1");
    let mut next = Reader::open(&host, "/api/v1/events/stream", &format!("Last-Event-ID: {left}\r\n"));
    next.await_event("mtu", "eth1");
    let oldest = host.api("/api/v1/events?limit=1&since=0");
    assert!(ids(&next.messages).contains(&oldest["events"][0]["id"].as_u64().expect("a number")));
    let instance = host.api("/api/v1/status")["instance"].as_str().expect("text").to_owned();
    assert!(next.messages.iter().all(|(id, _)| id.starts_with(&format!("{instance}-"))), "{instance}");
    assert!(!left.starts_with(&instance));
}

#[test]
fn api_stream_to_a_slow_reader_loses_no_event() {
    let Some(host) = machine("api_stream_to_a_slow_reader_loses_no_event", CONFIG) else { return };
    let _daemon = host.start_daemon();
    let mut reader = Reader::open(&host, "/api/v1/events/stream", "");
    let before = host.api("/api/v1/status")["events_processed"].as_u64().expect("a number");
    // More changes than wait for one reader, while this one does not read.
    let lines: String =
        (0..600).map(|n| format!("addr add 10.0.{}.{}/32 dev eth1\n", n / 200, n % 200)).collect();
    host.ip_batch(&lines, false);
    wait_for(
        "all were read",
        || host.log(),
        || host.api("/api/v1/status")["events_processed"].as_u64() >= Some(before + 600),
    );
    host.ip("link set eth0 mtu 1400");
    reader.await_event("mtu", "eth0");
    let told = ids(&reader.messages);
    let all = host.api("/api/v1/events?limit=1000&interface=eth1&event_type=address-added");
    for event in array(&all["events"]) {
        if event["details"]["startup"] != true {
            let id = event["id"].as_u64().expect("a number");
            assert!(told.contains(&id), "event {id} was not told");
        }
    }
    assert!(array(&all["events"]).len() >= 600);
    let place = |id: &str| -> u64 { id.split_once('-').and_then(|(_, n)| n.parse().ok()).expect("a place") };
    let places: Vec<u64> = reader.messages.iter().map(|(id, _)| place(id)).collect();
    assert!(places.windows(2).all(|pair| pair[0] < pair[1]), "in order, nothing twice");
}
