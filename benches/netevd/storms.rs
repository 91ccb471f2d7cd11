//! Storms of changes of routes: ten thousand with a script for them, of which none may be lost; a
//! million that nobody wants to hear of; the same million with a script.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::process::{Metrics, Process};
use crate::report::{Report, Row};
use crate::support::{Daemon, Host, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const BURST: usize = 10_000;
/// Added and deleted, so many times.
const BURSTS: usize = 6;
/// Added and deleted in a row, as often as makes a million changes.
const ROUTES: usize = 10_000;
const ROUNDS: usize = 50;
const MILLION: usize = 2 * ROUTES * ROUNDS;
/// Storms of a million.
const STORMS: usize = 3;
/// Without any progress for so long, what is still missing will not come.
const QUIET: Duration = Duration::from_secs(3);
const ALONE: &str = "million_alone";

pub(crate) fn run(report: &mut Report) {
    burst(report);
    ignored(report);
    wanted(report);
}

/// What the agent's `routes` printed.
struct Storm {
    began: i64,
    ended: i64,
}

fn storm(host: &Host, words: &str) -> Storm {
    let output = host.sh(&format!("/opt/netevd/netevd-test-agent routes eth0 10.0.0.0 {words}"));
    let said: Value = serde_json::from_str(&output).expect("the agent's JSON");
    let time = |name: &str| said[name].as_i64().expect("a time");
    Storm { began: time("began"), ended: time("ended") }
}

/// A daemon that hands changes of routes to a script which counts them.
fn with_tally<'h>(host: &'h Host, options: &str) -> Daemon<'h> {
    host.write("/out/tally", "", 0o666);
    host.script("routes", "10-tally", &format!("#!/opt/netevd/netevd-test-agent tally {options}\n"));
    host.config("system: { backend: kernel, startup_events: false }\nrouting: { policy_rules: [eth1] }\n");
    host.start_daemon()
}

fn tallies(host: &Host) -> Vec<Value> {
    host.read("/out/tally").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Changes that these runs were told of, in their documents or by `SKIPPED`.
fn told(tallies: &[Value]) -> usize {
    let number = |line: &Value, name: &str| usize::try_from(line[name].as_u64().expect("a number")).unwrap();
    tallies.iter().map(|line| number(line, "count") + number(line, "skipped")).sum()
}

/// Waits until so many changes were told of, or until nothing more comes.
fn await_told(host: &Host, changes: usize) -> Vec<Value> {
    let (mut seen, mut since) = (0, Instant::now());
    loop {
        let lines = tallies(host);
        if told(&lines) >= changes || since.elapsed() > QUIET {
            return lines;
        }
        if lines.len() > seen {
            (seen, since) = (lines.len(), Instant::now());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn burst(report: &mut Report) {
    let host = crate::machine("bench: a burst of routes");
    let daemon = with_tally(&host, "changes");
    let (mut times, mut lost, mut wrong) = (Vec::new(), 0, 0);
    let mut runs = Vec::new();
    for number in 0..BURSTS {
        host.write("/out/tally", "", 0o666);
        let action = if number.is_multiple_of(2) { "add" } else { "del" };
        let began = storm(&host, &format!("{BURST} {action}")).began;
        let lines = await_told(&host, BURST);
        lost += BURST.abs_diff(told(&lines));
        let last = lines.iter().filter_map(|line| line["started"].as_i64()).max().expect("a script ran");
        times.push(last - began);
        runs.push(lines.len() as f64);
        wrong += contradictions(&host, &lines);
    }
    report.row(Row::new(
        "burst_last_script",
        "10,000 route changes, to the last script",
        "us",
        Figures::new(times),
    ));
    report.row(Row::new("burst_runs", "10,000 route changes: scripts run", "", Figures::of(runs)));
    let lost = Figures::count(u64::try_from(lost).unwrap());
    let what = "10,000 route changes: lost, in no document or count";
    report.row(Row::new("burst_lost", what, "", lost).goal(Goal::Exactly(0.0)));
    let what = "10,000 route changes: routes told otherwise than true";
    let wrong = Figures::count(u64::try_from(wrong).unwrap());
    report.row(Row::new("burst_wrong", what, "", wrong).goal(Goal::Exactly(0.0)));
    drop(daemon);
}

/// Routes whose last change in the documents is not what the kernel has.
fn contradictions(host: &Host, lines: &[Value]) -> usize {
    let mut last = BTreeMap::new();
    for change in lines.iter().flat_map(|line| line["changes"].as_array().expect("changes")) {
        let change = change.as_str().expect("text");
        last.insert(change[1..].to_owned(), change.starts_with('+'));
    }
    let kernel: BTreeSet<String> = host
        .sh("ip route show proto 186")
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(|address| format!("{address}/32"))
        .collect();
    last.iter().filter(|(route, there)| kernel.contains(*route) != **there).count()
}

fn per_second(nanoseconds: i64) -> f64 {
    MILLION as f64 * 1e9 / nanoseconds as f64
}

/// With a change behind them that netevd acts on, so that it is seen when it is through.
fn ignored(report: &mut Report) {
    let alone = crate::machine("bench: a million routes, no netevd");
    let host = crate::machine("bench: a million routes, not wanted");
    let daemon = host.start_daemon();
    let worker = Process::of(&host, &daemon, "netevd-worker");
    let words = format!("{ROUTES} storm {ROUNDS}");
    let (mut producer, mut rates, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
    let before = (worker.status("VmRSS"), Metrics::of(&host));
    worker.forget_peak();
    for number in 0..STORMS {
        let bare = storm(&alone, &words);
        producer.push(per_second(bare.ended - bare.began));
        let used = worker.cpu();
        let began = storm(&host, &words).began;
        let gateway = if number.is_multiple_of(2) { "198.51.100.251" } else { "198.51.100.1" };
        host.ip(&format!("route replace default via {gateway} dev eth1 metric 200"));
        let acted = || host.ip("route show table 207 default").contains(&format!("via {gateway} "));
        wait_for("netevd has acted on what came last", || host.log(), acted);
        rates.push(per_second(crate::bus::now() - began));
        cpu.push((worker.cpu() - used) as f64 / 1e6);
    }
    let after = Metrics::of(&host);
    let more = |name: &str, word: &str| after.sum(name, word) - before.1.sum(name, word);
    let what = "1,000,000 route changes: the producer alone";
    report.row(Row::new(ALONE, what, "1/s", Figures::of(producer)));
    let what = "1,000,000 route changes, not wanted: until acted on";
    let row = Row::new("million_ignored", what, "1/s", Figures::of(rates));
    report.row(row.beside(ALONE).goal(Goal::Least(150_000.0)));
    memory(report, "million_ignored", "1,000,000 route changes, not wanted", &worker, before.0, Some(1024.0));
    report.row(Row::new(
        "million_ignored_cpu",
        "... the worker's time on a processor",
        "ms",
        Figures::of(cpu),
    ));
    let read = more("netevd_netlink_messages_total", "ROUTE\"") / STORMS as f64;
    report.row(Row::new(
        "million_ignored_read",
        "... messages that reached the worker",
        "",
        Figures::one(read.round()),
    ));
    let overruns = more("netevd_netlink_overruns_total", "");
    report.row(Row::new(
        "million_ignored_overruns",
        "... overruns in three storms",
        "",
        Figures::one(overruns),
    ));
    let wrong = host.ours().symmetric_difference(&expected()).count();
    let wrong = Figures::count(u64::try_from(wrong).unwrap());
    let what = "... rules and routes of netevd's that are not right";
    report.row(Row::new("million_ignored_wrong", what, "", wrong).goal(Goal::Exactly(0.0)));
}

/// eth1's rules and table after the last storm.
fn expected() -> BTreeSet<String> {
    let gateway = if STORMS.is_multiple_of(2) { "198.51.100.1" } else { "198.51.100.251" };
    let default = format!("table 207: default via {gateway} dev eth1 metric 200");
    let others = crate::support::eth1_complete().into_iter().filter(|line| !line.contains("default"));
    others.chain([default]).collect()
}

fn memory(report: &mut Report, key: &str, what: &str, worker: &Process<'_>, before: u64, goal: Option<f64>) {
    let more = worker.status("VmRSS") as f64 - before as f64;
    let (key_after, what_after) = (format!("{key}_memory"), format!("{what}: more memory after"));
    let row = Row::new(&key_after, &what_after, "kB", Figures::one(more));
    report.row(if let Some(goal) = goal { row.goal(Goal::Most(goal)) } else { row });
    let most = worker.status("VmHWM") as f64 - before as f64;
    let key_most = format!("{key}_memory_most");
    report.row(Row::new(&key_most, "... more memory at most, meanwhile", "kB", Figures::one(most)));
}

fn wanted(report: &mut Report) {
    let host = crate::machine("bench: a million routes, wanted");
    let daemon = with_tally(&host, "");
    let worker = Process::of(&host, &daemon, "netevd-worker");
    let before = (worker.status("VmRSS"), Metrics::of(&host));
    worker.forget_peak();
    let used = worker.cpu();
    let began = storm(&host, &format!("{ROUTES} storm {ROUNDS}")).began;
    let lines = await_told(&host, MILLION);
    let cpu = (worker.cpu() - used) as f64 / 1e6;
    let last = lines.iter().filter_map(|line| line["started"].as_i64()).max().expect("a script ran");
    let what = "1,000,000 route changes, a script for them: to the last";
    let rate = Row::new("million_wanted", what, "1/s", Figures::one(per_second(last - began)));
    report.row(rate.beside(ALONE));
    let lost = Figures::count(u64::try_from(MILLION.abs_diff(told(&lines))).unwrap());
    let what = "... lost, in no document or count";
    report.row(Row::new("million_wanted_lost", what, "", lost).goal(Goal::Exactly(0.0)));
    let runs = Figures::count(u64::try_from(lines.len()).unwrap());
    report.row(Row::new("million_wanted_runs", "... scripts run", "", runs));
    let overruns = Metrics::of(&host).sum("netevd_netlink_overruns_total", "");
    report.row(Row::new("million_wanted_overruns", "... overruns", "", Figures::one(overruns)));
    report.row(Row::new(
        "million_wanted_cpu",
        "... the worker's time on a processor",
        "ms",
        Figures::one(cpu),
    ));
    memory(report, "million_wanted", "1,000,000 route changes, a script", &worker, before.0, None);
    drop(daemon);
}
