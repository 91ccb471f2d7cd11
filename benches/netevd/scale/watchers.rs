//! Clients of the API: idle ones, and readers of the stream of events.

use super::pair::{Machine, bulk, count};
use super::series::{Series, Unit};
use super::{Grown, machine};
use crate::support::{Host, SOCKET};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

/// Events that each reader is told.
const EVENTS: usize = 100;
/// One user's most is 512, and this program is a client too.
const SIZES: [usize; 6] = [0, 50, 100, 200, 300, 500];

/// Connections that are held open until this value ends.
struct Held(Child);

impl Held {
    fn new(host: &Host, clients: usize, kind: &str) -> Held {
        let (endpoint, clients) = (format!("unix:{SOCKET}"), clients.to_string());
        let agent =
            ["/opt/netevd/netevd-test-agent", "hold", &endpoint, &clients, kind, "/api/v1/events/stream"];
        let mut command = host.command(&agent);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("nsenter starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("one line");
        let seen: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(seen["refused"], 0, "{seen}");
        Held(child)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

pub(super) fn measure() -> Vec<Grown> {
    vec![clients("clients", "silent"), clients("readers", "stream")]
}

fn clients(key: &str, kind: &str) -> Grown {
    let mut series = Series::new(key, if kind == "stream" { "reader" } else { "client" }, 500);
    for size in SIZES {
        let host = machine(&format!("{key} {size}"));
        bulk(&host, "links add 0 1");
        let machine = Machine::start(host);
        let mut held = None;
        machine.cost(|| held = Some(Held::new(machine.host, size, kind)));
        let memory = machine.memory();
        let events = machine.cost(|| bulk(machine.host, &format!("addresses add 0 {EVENTS} d0")));
        drop(held);
        use Unit::{Bytes, Microseconds};
        series.point(
            size,
            &[
                ("worker's memory", Bytes, memory.worker),
                ("worker, an event", Microseconds, events.worker / count(EVENTS)),
            ],
        );
    }
    Grown { series, machines: Vec::new() }
}
