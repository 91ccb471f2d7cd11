//! From a kernel event to the first instruction of a script: the floor, netevd, and netevd on a
//! link under policy routing, in turn, one sample in each of three machines after the other, so
//! that a slow second hits all.

use crate::compiled::{copy_compiled, with_probe};
use crate::figures::Figures;
use crate::goal::Goal;
use crate::report::{Report, Row};
use crate::support::{Host, wait_for};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::Duration;

const SAMPLES: usize = 2000;
/// Not counted: caches and page tables are cold.
const WARM_UP: usize = 20;
/// After each sample, for the script to end: no sample is to meet the one before.
const PAUSE: Duration = Duration::from_millis(5);
/// The row that others are compared with.
const FLOOR: &str = "event_to_script_floor";

/// The agent's `poke` in a machine.
pub(crate) struct Poke {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    asked: Vec<i64>,
}

impl Poke {
    pub(crate) fn start(host: &Host, link: &str) -> Poke {
        let mut command = host.command(&["/opt/netevd/netevd-test-agent", "poke", link]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Poke { child, stdin, stdout, asked: Vec::new() }
    }

    pub(crate) fn once(&mut self) {
        self.stdin.write_all(b"\n").unwrap();
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        self.asked.push(line.trim().parse().expect("a time"));
        std::thread::sleep(PAUSE);
    }

    pub(crate) fn finish(mut self) -> Vec<i64> {
        drop(self.stdin);
        self.child.wait().unwrap();
        self.asked
    }
}

pub(crate) fn run(report: &mut Report) {
    let [floor, plain, routed] = measure();
    report.row(Row::new(FLOOR, "event to script: bare read and spawn", "us", Figures::new(floor)));
    let row = Row::new("event_to_script", "event to script: netevd", "us", Figures::new(plain));
    report.row(row.beside(FLOOR).goal(Goal::Ratio { p50: 1.2, p99: 2.0 }));
    let what = "event to script: netevd, link under routing";
    let row = Row::new("event_to_script_routed", what, "us", Figures::new(routed));
    report.row(row.beside(FLOOR).goal(Goal::Ratio { p50: 1.2, p99: 2.0 }));
}

/// Nanoseconds of each sample: the floor, netevd, netevd with routing.
fn measure() -> [Vec<i64>; 3] {
    let bare = crate::machine("bench: floor");
    let plain = crate::machine("bench: events");
    let routed = crate::machine("bench: events with routing");
    for host in [&bare, &plain, &routed] {
        with_probe(host);
    }
    copy_compiled(&bare, "floor", "/srv/floor");

    let mut listener = bare.command(&["/srv/floor", "/etc/netevd/address-added.d/10-probe"]);
    let mut listener = listener.stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(listener.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let _daemons = [plain.start_daemon(), routed.start_daemon()];

    let links = [(&bare, "eth0"), (&plain, "eth0"), (&routed, "eth1")];
    let mut pokes = links.map(|(host, link)| Poke::start(host, link));
    for _ in 0..WARM_UP + SAMPLES {
        for poke in &mut pokes {
            poke.once();
        }
    }
    let [asked_bare, asked_plain, asked_routed] = pokes.map(Poke::finish);
    let warm = |host, asked| times(host, asked).split_off(WARM_UP);
    let result = [warm(&bare, asked_bare), warm(&plain, asked_plain), warm(&routed, asked_routed)];
    let _ = listener.kill();
    let _ = listener.wait();
    result
}

/// The time from each question to the script that it started.
pub(crate) fn times(host: &Host, asked: Vec<i64>) -> Vec<i64> {
    let started = || -> Vec<i64> { host.read("/out/probe").lines().filter_map(|l| l.parse().ok()).collect() };
    wait_for("every script ran", || host.log(), || started().len() >= asked.len());
    let started = started();
    assert_eq!(started.len(), asked.len(), "one script for each event");
    asked.iter().zip(started).map(|(asked, started)| started - asked).collect()
}
