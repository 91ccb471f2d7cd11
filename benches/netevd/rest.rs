//! Both processes at rest with everything on: memory, and who wakes up in a minute in which nothing
//! happens. On a real bus with a networkd that is silent.

use crate::figures::Figures;
use crate::goal::Goal;
use crate::network1::Network1;
use crate::process::Process;
use crate::report::{Report, Row};
use crate::scene::Scene;
use crate::support::Host;
use std::time::{Duration, Instant};

/// Everything that can be switched on, with an uplink under policy routing.
const CONFIG: &str = r#"
system: { backend: systemd-networkd }
routing: { policy_rules: [eth1], fallback: unreachable, gateways: { eth1: [198.51.100.1] } }
units:
  - { on: [routable, configured], link: "wg*", start: "vpn-routes@%i.service" }
filters:
  - match: { interface: "wg*", event: [routable, configured] }
    action: execute
    scripts: [10-vpn.sh]
  - match: { condition: 'has_gateway && dns_count >= 1 && !(interface in ["wg9"])' }
    action: log
api: { enabled: true }
metrics: { enabled: true }
audit: { enabled: true }
"#;
/// After the start, for what is done a while later: what was told is saved.
const SETTLE: Duration = Duration::from_secs(10);
/// How often is looked whether somebody woke up.
const LOOK: Duration = Duration::from_millis(50);

pub(crate) fn run(report: &mut Report) {
    let Some(scene) = Scene::new("bench: rest", Network1::start) else {
        return report.missing("memory_together", "memory and wake-ups at rest", "it needs root, for a bus");
    };
    let host = &scene.host;
    host.veth("eth1", 7);
    host.peer("ip addr add 198.51.100.1/24 dev eth1p");
    host.sh("ip addr add 198.51.100.2/24 dev eth1; ip route add default via 198.51.100.1 dev eth1
         install -d -m 0750 -o netevd -g netevd /var/log/netevd");
    for event in ["routable", "address-added", "routes"] {
        host.recorder(event, "10-note", "");
    }
    let daemon = scene.netevd(CONFIG);
    host.await_ours("eth1 is complete", &all());
    let processes = ["netevd-worker", "netevd-priv"].map(|program| Process::of(host, &daemon, program));
    std::thread::sleep(SETTLE);
    memory(report, &processes);
    wake_ups(report, &processes);
    let ends = host.read("/var/log/netevd/audit.log").lines().count();
    assert!(ends > 0, "the audit log is written");
    used(report, host, &processes[0]);
}

/// What is used comes back into memory, and stays until a minute without work is over.
fn used(report: &mut Report, host: &Host, worker: &Process<'_>) {
    host.sh("/opt/netevd/netevd status >&2");
    for path in ["/metrics", "/", "/api/v1/interfaces", "/api/v1/events"] {
        assert_eq!(host.get(path).status, 200, "{path}");
    }
    let earlier = host.records().len();
    host.ip("addr add 198.51.100.3/24 dev eth1");
    host.await_records("its script ran", |records| records.len() > earlier);
    let what = "... just after each path of it was used";
    report.row(Row::new("memory_worker_used", what, "kB", Figures::count(worker.status("VmRSS"))));
}

fn all() -> Vec<String> {
    let fallback = |family: &str| format!("table 207: unreachable {family} metric 4294967295");
    // A gateway that the configuration names has no metric.
    let complete = crate::support::eth1_complete();
    let mut lines: Vec<String> = complete.iter().map(|line| line.replace(" metric 200", "")).collect();
    lines.push(fallback("default"));
    lines
}

fn memory(report: &mut Report, processes: &[Process<'_>; 2]) {
    let [worker, helper] = processes.each_ref().map(|process| process.status("VmRSS"));
    let anonymous = processes.each_ref().map(|process| process.status("RssAnon"));
    let rows = [
        ("memory_worker", "resident memory, everything on: worker", worker, Some(4096.0)),
        ("memory_worker_anonymous", "... of which not of its file", anonymous[0], None),
        ("memory_helper", "resident memory, everything on: helper", helper, Some(1228.0)),
        ("memory_helper_anonymous", "... of which not of its file", anonymous[1], None),
        ("memory_together", "resident memory, everything on: both", worker + helper, Some(5120.0)),
    ];
    for (key, what, kilobytes, goal) in rows {
        let row = Row::new(key, what, "kB", Figures::count(kilobytes));
        report.row(if let Some(goal) = goal { row.goal(Goal::Most(goal)) } else { row });
    }
}

/// A wake-up of the timer is several switches within a moment; moments are counted.
fn wake_ups(report: &mut Report, processes: &[Process<'_>; 2]) {
    let asked = std::env::var("NETEVD_BENCH_REST").ok();
    let seconds = asked.map_or(60, |text| text.parse().expect("NETEVD_BENCH_REST is a number of seconds"));
    let switches = || processes.each_ref().map(Process::switches);
    let cpu = processes.each_ref().map(Process::cpu);
    let first = switches();
    let (mut last, mut moments, mut awake) = (first, [0, 0], [false; 2]);
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end {
        std::thread::sleep(LOOK);
        let now = switches();
        for (place, moments) in moments.iter_mut().enumerate() {
            // What goes on over two looks is one moment.
            let woken = now[place] != last[place];
            *moments += u64::from(woken && !awake[place]);
            awake[place] = woken;
        }
        last = now;
    }
    for (place, name) in ["worker", "helper"].into_iter().enumerate() {
        let timer = seconds.div_ceil(if name == "helper" { 30 } else { 60 });
        let (key, what) = (format!("idle_{name}"), format!("woken in {seconds} s at rest: {name}, times"));
        // The worker's timer of 60 s; the helper checks again every 30 s while it holds anything.
        report.row(Row::new(&key, &what, "", Figures::count(moments[place])).goal(Goal::Most(timer as f64)));
        for (kind, place_of, what) in [
            ("voluntary", 0, "... its voluntary switches"),
            ("nonvoluntary", 1, "... its nonvoluntary switches"),
        ] {
            let count = Figures::count(last[place][place_of] - first[place][place_of]);
            report.row(Row::new(&format!("idle_{name}_{kind}"), what, "", count));
        }
        let used = Figures::count((processes[place].cpu() - cpu[place]) / 1000);
        report.row(Row::new(&format!("idle_{name}_cpu"), "... its time on a processor", "us", used));
    }
}
