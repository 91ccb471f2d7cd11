//! Times that the documentation promises: a wiped rule is back, a link that comes up is complete.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::support::Host;
use nix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// After the second wipe within a minute the third is named, and repairs begin to wait.
const WIPES: usize = 2;
const MACHINES: usize = 10;
const FLAPS: usize = 20;

pub(crate) fn run(report: &mut Report) {
    let rows = [
        ("wiped_rules", "wiped rules are back", wipes(), 100_000.0),
        ("link_up", "link up to table complete", link_ups(), 500_000.0),
    ];
    for (key, what, times, goal) in rows {
        report.row(Row::new(key, what, "us", Figures::new(times)).goal(Goal::Most(goal)));
    }
}

/// `ip -ts monitor` in a machine: what the kernel tells everybody, with the time.
pub(crate) struct Monitor {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Monitor {
    pub(crate) fn start(host: &Host, what: &[&str]) -> Monitor {
        let mut command: Command = host.command(&[&["ip", "-ts", "monitor"], what].concat());
        let mut child = command.stdout(Stdio::piped()).spawn().expect("ip starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let _ = std::fs::remove_file(host.path("/out/heard"));
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
    pub(crate) fn until(&mut self, mut fits: impl FnMut(&str) -> bool) -> i64 {
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

/// Now, in the monitor's way.
pub(crate) fn time_of_day_now() -> i64 {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).expect("the clock is there");
    now.tv_sec() % 86_400 * 1_000_000_000 + now.tv_nsec()
}

/// From the deletion of the first rule to both rules being back.
fn wipes() -> Vec<i64> {
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

/// From a link that is up again to its table with the default route. Going down took main's static default, as it
/// does on any host, and the link's manager gives it back: here `ip`, in one process with the "up".
fn link_ups() -> Vec<i64> {
    let host = crate::machine("bench: links");
    let _daemon = host.start_daemon();
    let mut monitor = Monitor::start(&host, &["link", "route"]);
    let mut times = Vec::new();
    for _ in 0..FLAPS {
        host.ip("link set eth1 down");
        monitor.until(|line| line.contains(": eth1@") && !line.contains("UP"));
        host.sh("printf 'link set eth1 up\\nroute add default via 198.51.100.1 dev eth1 metric 200\\n' | ip -batch -");
        let up = monitor.until(|line| line.contains(": eth1@") && line.contains("UP"));
        let complete = monitor.until(|line| line.contains("default via") && line.contains("table 207"));
        times.push(complete - up);
    }
    times
}
