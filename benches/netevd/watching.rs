//! What asking costs: the command line as a whole process, a scrape, a request in a storm, memory.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::process::Process;
use crate::report::{Report, Row};
use crate::support::{Host, SOCKET};
use serde_json::Value;
use std::process::Stdio;

/// Runs of `netevd status`.
const RUNS: usize = 100;
/// Links beside the machine's own, each with events, for the scrape.
const LINKS: usize = 50;
const SCRAPES: usize = 200;
/// Routes added and deleted again.
const ROUTES: usize = 5_000;

/// The command line, a scrape, and requests in a storm; then what the worker's memory is after it.
pub(crate) fn run(report: &mut Report) {
    let host = crate::machine("bench: watching");
    host.recorder("manager", "10-note", "");
    let daemon = host.start_daemon();
    host.await_run("manager", "");
    let figures = Figures::new(status(&host));
    let row = Row::new("status_process", "netevd status, the whole process", "us", figures);
    report.row(row.goal(Goal::Most(15_000.0)));
    let worker = Process::of(&host, &daemon, "netevd-worker");
    let resident = || Figures::count(worker.status("VmRSS"));
    report.row(Row::new("memory_after_status", "resident memory after that: worker", "kB", resident()));
    let asked = [
        ("api_scrape", "a full scrape of /metrics, 50 links", scrape(&host), "p50", 5.0),
        ("api_storm", "requests at 1,000/s while 10,000 routes change", storm(&host), "slowest", 250.0),
    ];
    for (key, what, seen, of, goal) in asked {
        let ms = |name: &str| seen[name].as_f64().expect("a number");
        for (percentile, name) in [("p50", "p50_ms"), ("p99", "p99_ms"), ("slowest", "slowest_ms")] {
            let (key, what) = (format!("{key}_{percentile}"), format!("{what}: {percentile}"));
            let row = Row::new(&key, &what, "ms", Figures::one(ms(name)));
            report.row(if percentile == of { row.goal(Goal::Most(goal)) } else { row });
        }
    }
    report.row(Row::new("memory_after_storm", "resident memory after that: worker", "kB", resident()));
}

/// `netevd status` in nanoseconds, with the shell's `date` before and after it.
fn status(host: &Host) -> Vec<i64> {
    let script = format!(
        "n=0; while [ $n -lt {RUNS} ]; do n=$((n+1)); s=$(date +%s%N); /opt/netevd/netevd status >/dev/null
         echo $(($(date +%s%N)-s)); done"
    );
    host.sh(&script).lines().map(|line| line.parse().expect("nanoseconds")).collect()
}

/// The agent's figures of requests at this rate: `p50_ms`, `p99_ms`, `slowest_ms`, `per_second`.
fn requests(host: &Host, per_second: usize, count: usize, paths: &[&str]) -> Value {
    finish(begin(host, per_second, count, paths))
}

fn begin(host: &Host, per_second: usize, count: usize, paths: &[&str]) -> std::process::Child {
    let (endpoint, rate, count) = (format!("unix:{SOCKET}"), per_second.to_string(), count.to_string());
    let fixed = ["/opt/netevd/netevd-test-agent", "requests", &endpoint, &rate, &count];
    let mut command = host.command(&[&fixed, paths].concat());
    command.stdout(Stdio::piped()).spawn().expect("nsenter starts")
}

fn finish(client: std::process::Child) -> Value {
    let output = client.wait_with_output().expect("the client ends");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    assert_eq!(seen["failures"], serde_json::json!([]), "{seen}");
    seen
}

/// A full scrape: fifty links with events.
fn scrape(host: &Host) -> Value {
    let links: String = (0..LINKS).map(|n| format!("link add d{n} up type dummy\n")).collect();
    host.ip_batch(&links, true);
    requests(host, 100, SCRAPES, &["/metrics"])
}

/// A thousand requests a second while ten thousand routes change.
fn storm(host: &Host) -> Value {
    let paths =
        ["/api/v1/status", "/api/v1/interfaces", "/api/v1/events?limit=10", "/health", "/api/v1/rules"];
    let client = begin(host, 1_000, 5_000, &paths);
    let lines = |verb: &str| -> String {
        let net = |n: usize| format!("route {verb} 10.{}.{}.0/24 via 192.0.2.1 dev eth0\n", n / 250, n % 250);
        (0..ROUTES).map(net).collect()
    };
    host.ip_batch(&lines("add"), false);
    host.ip_batch(&lines("del"), false);
    finish(client)
}
