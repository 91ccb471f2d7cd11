//! `make bench`: what netevd costs, beside the floor of this machine in the same run.
//!
//! Prints a table and writes target/bench.json. Times are in microseconds, memory in kilobytes.
//! Machines are noisy: the ratio to the floor is what can be compared between two of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a benchmark ends so when it fails"
)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod events;
mod figures;
mod leases;
mod network1;
mod promises;
mod scale;
mod signals;
mod watching;

use figures::{Figures, Goal};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use support::{ETH1_MANAGED, Host};

/// What is written to target/bench.json.
type Report = BTreeMap<String, Value>;
/// A part of the benchmark, which prints its rows.
type Part = fn(&mut Report);

const REQUESTS: usize = 1000;
const STARTS: usize = 30;

fn main() {
    // `cargo bench` hands over --bench; names are those of the parts, without any all are run.
    let names: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    // Minutes, with a report of its own: only by name.
    match names.first().map(String::as_str) {
        Some("scale") => return scale::measure(&names[1..]),
        Some("scale-paper") => return scale::write_paper(),
        _ => {}
    }
    let wanted = |part: &str| names.is_empty() || names.iter().any(|name| name == part);
    let mut report = Report::new();
    figures::title();
    let floor = wanted("events").then(|| events(&mut report));
    if wanted("signals") {
        signals(&mut report, floor.as_ref());
    }
    let others: [(&str, Part); 6] = [
        ("leases", leases),
        ("requests", requests),
        ("starts", starts),
        ("promises", promises),
        ("memory", memory),
        ("watching", watching),
    ];
    for (_, run) in others.into_iter().filter(|(part, _)| wanted(part)) {
        run(&mut report);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/bench.json");
    let text = serde_json::to_string_pretty(&report).unwrap();
    std::fs::write(&path, text).unwrap();
    println!("\nwritten to {}", path.display());
}

fn machine(name: &str) -> Host {
    let Some(host) = Host::new(name) else {
        // Host::new has said why.
        std::process::exit(1);
    };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}  gateways: {{ eth1: [198.51.100.1, 198.51.100.251] }}\n"));
    host
}

fn events(report: &mut Report) -> Figures {
    let times = events::measure();
    let floor = Figures::new(times.floor);
    floor.row("event to script: bare read and spawn", None, None);
    report.insert("event_to_script_floor".to_owned(), floor.json());
    let all = [("event_to_script", "netevd", times.netevd, Some(Goal::Ratio(1.2)))];
    let routed = [("event_to_script_routed", "netevd, link under routing", times.routed, None)];
    for (key, what, times, goal) in all.into_iter().chain(routed) {
        let figures = Figures::new(times);
        figures.row(&format!("event to script: {what}"), Some(&floor), goal);
        report.insert(key.to_owned(), figures.json());
        let ratio = json!({ "p50": figures.p50() / floor.p50(), "p99": figures.p99() / floor.p99() });
        report.insert(format!("{key}_ratio"), ratio);
    }
    floor
}

/// On D-Bus the floor has one process more on the way, the bus itself.
fn signals(report: &mut Report, kernel: Option<&Figures>) {
    let Some(times) = signals::measure() else { return };
    let floor = Figures::new(times.floor);
    floor.row("signal to script: bare D-Bus read and spawn", kernel, None);
    report.insert("signal_to_script_floor".to_owned(), floor.json());
    let rows = [
        ("signal_to_script", "netevd", times.netevd, Some(Goal::Above(300.0))),
        ("signal_to_script_held", "netevd, no state file", times.held, None),
        ("signal_to_script_networkd_dispatcher", "networkd-dispatcher", times.dispatcher, None),
    ];
    for (key, what, times, goal) in rows {
        if times.is_empty() {
            println!("signal to script: {what} is not installed");
            continue;
        }
        let figures = Figures::new(times);
        figures.row(&format!("signal to script: {what}"), Some(&floor), goal);
        report.insert(key.to_owned(), figures.json());
        let above = json!({ "p50": figures.p50() - floor.p50(), "p99": figures.p99() - floor.p99() });
        report.insert(format!("{key}_above_floor"), above);
    }
    at_rest(report, &times.worker);
}

/// netevd's worker with a bus, after the signals.
fn at_rest(report: &mut Report, worker: &signals::AtRest) {
    println!();
    resident(report, "netevd-worker_dbus", &worker.status, Some(5632));
    let (signals, wakeups, seconds) = (worker.signals, worker.wakeups, worker.seconds);
    println!("the same, after {signals} signals: woke up {wakeups} times in {seconds} s at rest");
    report.insert("wakeups_dbus".to_owned(), json!({ "wakeups": wakeups, "seconds": seconds }));
    println!();
}

/// A new lease is read when its file was quiet for 25 ms, and waits up to 20 ms more for its address
/// and its router's route.
fn leases(report: &mut Report) {
    let rows = [
        ("lease_to_script", "lease file to script, no address", false),
        ("lease_to_script_address", "lease file to script, address follows", true),
    ];
    for (key, what, follows) in rows {
        let figures = Figures::new(leases::measure(follows));
        figures.row(what, None, Some(Goal::Microseconds(60_000.0)));
        report.insert(key.to_owned(), figures.json());
    }
}

fn requests(report: &mut Report) {
    let host = machine("bench: helper requests");
    let output = host.run(&["/opt/netevd/netevd-test-agent", "roundtrip", &REQUESTS.to_string()]);
    assert_eq!(output.status, 0, "{}", output.stderr);
    let times: BTreeMap<String, Vec<i64>> = serde_json::from_str(&output.stdout).expect("the agent's JSON");
    for (request, times) in times {
        let figures = Figures::new(times);
        let (row, goal) = match request.as_str() {
            "start" => ("helper: start to Hello answered".to_owned(), 5000.0),
            // No look-up at all: what the channel and the codec cost.
            "Ping" => ("helper request: Ping".to_owned(), 30.0),
            _ => (format!("helper request: {request}"), 400.0),
        };
        figures.row(&row, None, Some(Goal::Microseconds(goal)));
        report.insert(format!("helper_{request}"), figures.json());
    }
}

fn starts(report: &mut Report) {
    let host = machine("bench: start");
    let output = host.run(&["/opt/netevd/netevd-test-agent", "starts", &STARTS.to_string()]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    let figures = Figures::new(serde_json::from_str(&output.stdout).expect("the agent's JSON"));
    figures.row("start to ready", None, Some(Goal::Microseconds(20_000.0)));
    report.insert("start_to_ready".to_owned(), figures.json());
}

fn promises(report: &mut Report) {
    let rows = [
        (
            "behind_a_slow_script",
            "another link behind a 5 s script",
            promises::behind_a_slow_script(),
            50_000.0,
        ),
        ("wiped_rules", "wiped rules are back", promises::wipes(), 100_000.0),
        ("link_up", "link up to table complete", promises::link_ups(), 500_000.0),
    ];
    for (key, what, times, goal) in rows {
        let figures = Figures::new(times);
        figures.row(what, None, Some(Goal::Microseconds(goal)));
        report.insert(key.to_owned(), figures.json());
    }
}

/// The command line, a scrape, and requests in a storm; then what the worker's memory is after it.
fn watching(report: &mut Report) {
    let host = machine("bench: watching");
    host.recorder("manager", "10-note", "");
    let daemon = host.start_daemon();
    host.await_run("manager", "");
    println!();
    let figures = Figures::new(watching::status(&host));
    figures.row("netevd status, the whole process", None, Some(Goal::Microseconds(15_000.0)));
    report.insert("status_process".to_owned(), figures.json());
    let pid = daemon.child("netevd-worker").expect("it runs");
    let status = || host.read(&format!("/proc/{pid}/status"));
    resident(report, "after-status", &status(), Some(5_800));
    for (key, what, seen, goal) in [
        ("scrape", "a full scrape of /metrics, 50 links", watching::scrape(&host), 5.0),
        ("storm", "1,000 requests/s while 10,000 routes change", watching::storm(&host), 250.0),
    ] {
        let ms = |name: &str| seen[name].as_f64().expect("a number");
        let slowest = if key == "scrape" { ms("p50_ms") } else { ms("slowest_ms") };
        println!(
            "{what}: p50 {:.2} ms, p99 {:.2} ms, slowest {:.1} ms, {:.0}/s   goal {goal} ms {}",
            ms("p50_ms"),
            ms("p99_ms"),
            ms("slowest_ms"),
            ms("per_second"),
            if slowest <= goal { "reached" } else { "MISSED" }
        );
        report.insert(format!("api_{key}"), seen);
    }
    resident(report, "after-storm", &status(), None);
}

/// Resident memory once everything at start has been done.
fn memory(report: &mut Report) {
    let host = machine("bench: memory");
    host.recorder("manager", "10-note", "");
    let daemon = host.start_daemon();
    host.await_run("manager", "");
    println!();
    for (program, goal) in [("netevd-worker", 5000), ("netevd-priv", 2500)] {
        let pid = daemon.child(program).expect("it runs");
        let status = host.read(&format!("/proc/{pid}/status"));
        resident(report, program, &status, Some(goal));
    }
}

/// A row of resident memory, of a `/proc/PID/status`.
fn resident(report: &mut Report, what: &str, status: &str, goal: Option<u64>) {
    let field = |name| field(status, name);
    let (resident, anonymous, file) = (field("VmRSS"), field("RssAnon"), field("RssFile"));
    let verdict = goal.map_or_else(String::new, |goal| {
        format!("   goal {goal} kB {}", if resident <= goal { "reached" } else { "MISSED" })
    });
    println!("resident memory: {what:<18} {resident:>6} kB (anonymous {anonymous}, files {file}){verdict}");
    report.insert(
        format!("memory_{what}"),
        json!({ "resident_kb": resident, "anonymous_kb": anonymous, "file_kb": file }),
    );
}

/// A number of a `/proc/PID/status`.
fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).expect("a field of status")
}
