//! Times that the documentation promises: a wiped rule is back, a link that comes up is complete,
//! a slow script on one link keeps no other waiting.

use crate::events::{Poke, times};
use crate::support::{Host, wait_for};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// After the second wipe within a minute the third is named, and repairs begin to wait.
const WIPES: usize = 2;
const MACHINES: usize = 10;
const FLAPS: usize = 20;
/// In a row, well within the time of the slow script.
const POKES: usize = 100;

/// `ip -ts monitor` in a machine: what the kernel tells everybody, with the time.
struct Monitor {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Monitor {
    fn start(host: &Host, what: &[&str]) -> Monitor {
        let mut command: Command = host.command(&[&["ip", "-ts", "monitor"], what].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("ip starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        // It listens once it tells of something; until then something happens again and again.
        let ticking =
            "n=0; until [ -e /out/heard ]; do n=$((n+1)); ip link set lo alias a$n; sleep 0.01; done";
        let mut ticker = host.command(&["sh", "-c", ticking]).spawn().expect("sh starts");
        let mut line = String::new();
        while !line.contains("lo:") {
            line.clear();
            lines.read_line(&mut line).expect("readable");
        }
        host.write("/out/heard", "", 0o644);
        ticker.wait().expect("it ends");
        Monitor { child, lines }
    }

    /// The time of the next line that fits, in nanoseconds of the day.
    fn until(&mut self, fits: impl Fn(&str) -> bool) -> i64 {
        loop {
            let mut line = String::new();
            assert!(self.lines.read_line(&mut line).expect("readable") > 0, "ip monitor goes on");
            if fits(&line) {
                return time_of_day(&line);
            }
        }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `[2026-01-31T23:59:59.123456] ...`
fn time_of_day(line: &str) -> i64 {
    let time = line.split_once('T').and_then(|(_, rest)| rest.split_once(']')).expect("a time stamp").0;
    let (seconds, micros) = time.split_once('.').expect("a fraction");
    let seconds = seconds.split(':').fold(0, |sum, part| sum * 60 + part.parse::<i64>().expect("digits"));
    seconds * 1_000_000_000 + micros.parse::<i64>().expect("digits") * 1000
}

/// From the deletion of the first rule to both rules being back.
pub(crate) fn wipes() -> Vec<i64> {
    let mut times = Vec::new();
    for _ in 0..MACHINES {
        let host = crate::machine("bench: wipes");
        let _daemon = host.start_daemon();
        let mut monitor = Monitor::start(&host, &["rule", "link"]);
        for _ in 0..WIPES {
            host.ip("rule flush protocol 110");
            let gone = monitor.until(|line| line.contains("Deleted") && line.contains("32002:"));
            let back = monitor.until(|line| !line.contains("Deleted") && line.contains("32003:"));
            times.push(back - gone);
        }
    }
    times
}

/// From a link that is up again to its table with the default route.
pub(crate) fn link_ups() -> Vec<i64> {
    let host = crate::machine("bench: links");
    let _daemon = host.start_daemon();
    let mut monitor = Monitor::start(&host, &["link", "route"]);
    let mut times = Vec::new();
    for _ in 0..FLAPS {
        host.ip("link set eth1 down");
        monitor.until(|line| line.contains(": eth1@") && !line.contains("UP"));
        host.ip("link set eth1 up");
        let up = monitor.until(|line| line.contains(": eth1@") && line.contains("UP"));
        let complete = monitor.until(|line| line.contains("default via") && line.contains("table 207"));
        times.push(complete - up);
    }
    times
}

/// From an event on eth1 to its script while a script of eth0 sleeps for five seconds.
pub(crate) fn behind_a_slow_script() -> Vec<i64> {
    let host = crate::machine("bench: slow script");
    crate::events::with_probe(&host);
    host.write("/out/slow", "", 0o666);
    host.script("mtu", "10-slow", "#!/bin/sh\necho started >/out/slow\nexec sleep 5\n");
    let _daemon = host.start_daemon();
    host.ip("link set eth0 mtu 1400");
    wait_for("the slow script runs", || host.log(), || !host.read("/out/slow").is_empty());
    let mut poke = Poke::start(&host, "eth1");
    for _ in 0..POKES {
        poke.once();
    }
    times(&host, poke.finish())
}
