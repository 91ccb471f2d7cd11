//! Copies of main's routes in a link's table: four thousand from the start of netevd, beside `ip -batch`, which is
//! told the same routes; and a pod's route that another program adds and deletes, alone and among those, beside a
//! shell that copies what `ip monitor` says.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::process::Process;
use crate::promises::{Monitor, time_of_day_now};
use crate::report::{Report, Row};
use crate::scene::Listener;
use crate::support::{Host, wait_for};
use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

/// Pods, each with a route to its own address, and as many nets of other nodes, each by a gateway.
const PODS: usize = 2000;
/// Each from nothing.
const TIMES: usize = 5;
/// Pods that come and go.
const FOLLOWED: usize = 250;
/// After each, for both processes to come to rest: no sample is to meet the one before.
const PAUSE: Duration = Duration::from_millis(50);
const FLOOR: &str = "copies_floor";
const PEER: &str = "followed_peer";

pub(crate) fn run(report: &mut Report) {
    from_start(report);
    followed(report);
}

fn from_start(report: &mut Report) {
    let [bare, netevd] = ["bench: copies by ip", "bench: copies"].map(machine);
    for host in [&bare, &netevd] {
        add_routes(host);
    }
    let batch = batch();
    let (mut floor, mut times) = (Vec::new(), Vec::new());
    let mut wrong = 0;
    for _ in 0..TIMES {
        floor.push(timed(&bare, || bare.ip_batch(&batch, false)));
        empty(&bare);
        let mut daemon = None;
        times.push(timed(&netevd, || daemon = Some(netevd.launch())));
        if let Some(daemon) = &mut daemon {
            daemon.await_ready();
        }
        wrong += netevd.ours().symmetric_difference(&expected()).count();
        // What it leaves behind is not to be found again.
        drop(daemon);
        empty(&netevd);
    }
    report.row(Row::new(FLOOR, "4,000 copied routes, from start: ip -batch", "us", Figures::new(floor)));
    let row = Row::new("copies", "4,000 copied routes, from start: netevd", "us", Figures::new(times));
    report.row(row.beside(FLOOR).goal(Goal::Times(2.0)));
    let what = "... rules and routes that are not right";
    let wrong = Figures::count(u64::try_from(wrong).expect("few"));
    report.row(Row::new("copies_wrong", what, "", wrong).goal(Goal::Exactly(0.0)));
}

fn followed(report: &mut Report) {
    let shell = machine("bench: a pod's route by a shell");
    let copier = copier(&shell);
    let [added, _] = pods(&shell);
    drop(copier);
    report.row(Row::new(
        PEER,
        "one pod's route copied: a shell behind ip monitor",
        "us",
        Figures::new(added),
    ));
    let scenes = [
        ("followed", "one pod's route copied: netevd", false, Goal::MostP99(20_000.0)),
        // A pass reads all of them, and the next one waits for twenty times as long as that took.
        ("followed_among_copies", "one pod's route copied, among 4,000: netevd", true, Goal::Most(100_000.0)),
    ];
    for (key, what, is_full, goal) in scenes {
        let host = machine("bench: a pod's route");
        if is_full {
            add_routes(&host);
        }
        let daemon = host.start_daemon();
        let processes = ["netevd-worker", "netevd-priv"].map(|program| Process::of(&host, &daemon, program));
        let before = processes.each_ref().map(Process::cpu);
        let [added, gone] = pods(&host);
        let changes = (added.len() + gone.len()) as f64;
        let used = [0, 1].map(|place| (processes[place].cpu() - before[place]) as f64 / 1000.0 / changes);
        let row = Row::new(key, what, "us", Figures::new(added));
        report.row(row.beside(PEER).goal(goal));
        let (key_gone, what) = (format!("{key}_gone"), "... and gone again");
        report.row(Row::new(&key_gone, what, "us", Figures::new(gone)).goal(goal));
        for (used, name) in used.into_iter().zip(["worker", "helper"]) {
            let what = format!("... the {name}'s time on a processor, each");
            report.row(Row::new(&format!("{key}_{name}"), &what, "us", Figures::one(used)));
        }
    }
}

/// The usual machine as a node of a cluster: a link to its pods, which is no uplink.
pub(crate) fn machine(name: &str) -> Host {
    let host = crate::machine(name);
    host.veth("cni0", 20);
    host.sh("ip addr add 172.16.0.1/16 dev cni0");
    host
}

/// The routes of the pods and of other nodes, in main.
pub(crate) fn add_routes(host: &Host) {
    let lines: String = routes().map(|route| format!("route add {route}\n")).collect();
    host.ip_batch(&lines, false);
}

fn routes() -> impl Iterator<Item = String> {
    let pod = |n| format!("10.64.{}.{} dev cni0", n / 250, n % 250 + 1);
    let node = |n| format!("10.{}.{}.0/24 via 172.16.{}.2 dev cni0", 128 + n / 250, n % 250, n % 250 + 1);
    (0..PODS).map(pod).chain((0..PODS).map(node))
}

/// Rules and routes of netevd's, as they have to be.
pub(crate) fn expected() -> BTreeSet<String> {
    let copies = routes().chain(["172.16.0.0/16 dev cni0".to_owned()]);
    let copies = copies.map(|route| format!("table 207: {route}"));
    crate::support::eth1_complete().into_iter().chain(copies).collect()
}

/// The same routes for ip(8), those without gateways first.
fn batch() -> String {
    let all = expected();
    let routes = all.iter().filter_map(|line| line.strip_prefix("table 207: "));
    let (by_gateway, direct): (Vec<_>, Vec<_>) = routes.partition(|route| route.contains(" via "));
    let line = |route| format!("route add {route} table 207 protocol 110\n");
    direct.into_iter().chain(by_gateway).map(line).collect()
}

/// From here to the kernel's word of the last copy. The monitor is read meanwhile, or it would wait for its
/// reader.
fn timed(host: &Host, begin: impl FnOnce()) -> i64 {
    let mut monitor = Monitor::start(host, &["route", "link"]);
    let mut left: BTreeSet<String> = routes().map(|route| destination(&route).to_owned()).collect();
    let began = time_of_day_now();
    let reader = std::thread::spawn(move || {
        let mut last = began;
        while !left.is_empty() {
            last = monitor.until(|line| is_ours(line) && left.remove(destination(text(line))));
        }
        last
    });
    begin();
    reader.join().expect("every copy came") - began
}

/// Each pod's route in main by ip(8), and away again: from the kernel's word of that to its word of the copy.
fn pods(host: &Host) -> [Vec<i64>; 2] {
    let mut monitor = Monitor::start(host, &["route", "link"]);
    let (mut added, mut gone) = (Vec::new(), Vec::new());
    for n in 0..FOLLOWED {
        let pod = format!("10.65.0.{n}");
        for (action, is_deletion, times) in [("add", false, &mut added), ("del", true, &mut gone)] {
            host.ip(&format!("route {action} {pod} dev cni0"));
            let mut word = |ours: bool| {
                monitor.until(|line| {
                    let text = text(line);
                    let (is_gone, text) = text.strip_prefix("Deleted ").map_or((false, text), |t| (true, t));
                    is_gone == is_deletion && destination(text) == pod && is_ours(line) == ours
                })
            };
            let asked = word(false);
            times.push(word(true) - asked);
            std::thread::sleep(PAUSE);
        }
    }
    [added, gone]
}

/// What such a host's administrator writes: it copies the pods' routes as `ip monitor` tells them.
fn copier(host: &Host) -> Listener {
    let script = "ip monitor route | while read -r change what rest; do
            case $change-$what in
                Deleted-10.65.*) case $rest in *table*) ;; *) ip route del $what table 207 ;; esac ;;
                10.65.*) case $rest in *table*) ;; *) ip route add $change $what $rest table 207 ;; esac ;;
            esac
        done";
    let mut command = host.command(&["sh", "-c", script]);
    let listener = Listener(command.stdout(Stdio::null()).spawn().expect("sh starts"));
    // It listens once it copies.
    let mut n = 0;
    wait_for("the shell copies", String::new, || {
        n += 1;
        host.ip(&format!("route replace 10.65.1.{} dev cni0", n % 250));
        !host.sh("ip route show table 207 2>/dev/null || :").is_empty()
    });
    listener
}

/// A line of ip-monitor(8) without its time.
fn text(line: &str) -> &str {
    line.split_once("] ").map_or(line, |(_, text)| text)
}

fn destination(route: &str) -> &str {
    route.split(' ').next().unwrap_or_default()
}

fn is_ours(line: &str) -> bool {
    line.contains(" table 207 ")
}

fn empty(host: &Host) {
    host.sh("ip rule flush protocol 110; ip route flush table 207");
}
