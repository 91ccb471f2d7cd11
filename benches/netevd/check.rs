//! What the helper's own check costs after something has changed in the kernel, with a thousand rules and
//! four thousand copies, beside a program that reads the same and throws it away. The worker is stopped
//! meanwhile, so that what the helper does is the check.

use crate::compiled::copy_compiled;
use crate::copies;
use crate::figures::Figures;
use crate::goal::Goal;
use crate::process::Process;
use crate::report::{Report, Row};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Each has two rules.
const ADDRESSES: usize = 499;
const CHECKS: usize = 20;
/// The helper waits 200 ms after a ring: what it does before that is to hear it.
const HEARD: Duration = Duration::from_millis(150);
/// Without work for so long it is through.
const QUIET: Duration = Duration::from_millis(100);
/// It rests for twenty times what the last one took, on a slow machine a second.
const REST: Duration = Duration::from_secs(3);
/// Against hangs.
const LATEST: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_micros(100);
const FLOOR: &str = "check_floor";

pub(crate) fn run(report: &mut Report) {
    let host = copies::machine("bench: the helper's check");
    copy_compiled(&host, "dump_floor", "/srv/dump_floor");
    let addresses = || (0..ADDRESSES).map(|n| format!("10.7.{}.{}", n / 250, n % 250 + 1));
    let lines: String = addresses().map(|address| format!("addr add {address}/16 dev eth1\n")).collect();
    host.ip_batch(&lines, false);
    copies::add_routes(&host);
    let daemon = host.start_daemon();
    let network = "table 207: 10.7.0.0/16 dev eth1".to_owned();
    let rules = addresses().flat_map(|address| crate::support::rules(&address, 207));
    let expected: BTreeSet<String> = copies::expected().into_iter().chain([network]).chain(rules).collect();
    let expected: Vec<String> = expected.into_iter().collect();
    host.await_ours("all rules and copies stand", &expected);
    let worker = daemon.child("netevd-worker").expect("it runs");
    let helper = Process::of(&host, &daemon, "netevd-priv");
    host.sh(&format!("kill -STOP {worker}"));
    let ring = |name: &str| drop(host.ip(&format!("link set lo alias {name}")));
    // What came before is looked at, and rested from.
    check(&helper, || ring("first"));
    std::thread::sleep(REST);
    let (mut floor, mut cpu, mut wall) = (Vec::new(), Vec::new(), Vec::new());
    for n in 0..CHECKS {
        let output = host.sh("/srv/dump_floor rules");
        let (time, _) = output.split_once(' ').expect("two numbers");
        floor.push(time.parse::<f64>().expect("nanoseconds") / 1000.0);
        let before = helper.cpu();
        let took = check(&helper, || ring(&format!("ring{n}")));
        cpu.push((helper.cpu() - before) as f64 / 1000.0);
        wall.push(took.as_secs_f64() * 1e6);
    }
    host.sh(&format!("kill -CONT {worker}"));
    let what = "reading what the helper checks: bare recv loop";
    report.row(Row::new(FLOOR, what, "us", Figures::of(floor)));
    let what = "helper's check, 1,000 rules, 4,000 copies: processor";
    let row = Row::new("check_cpu", what, "us", Figures::of(cpu));
    report.row(row.beside(FLOOR).goal(Goal::Most(50_000.0)));
    let what = "... from its begin to its end";
    report.row(Row::new("check_wall", what, "us", Figures::of(wall)).beside(FLOOR));
    let wrong = host.ours().symmetric_difference(&expected.into_iter().collect()).count();
    let wrong = Figures::count(u64::try_from(wrong).expect("few"));
    let what = "... rules and routes that are not right";
    report.row(Row::new("check_wrong", what, "", wrong).goal(Goal::Exactly(0.0)));
    drop(daemon);
}

/// Rings, and waits until the helper has worked and is at rest: from the first look at which it worked to the
/// last.
fn check(helper: &Process<'_>, ring: impl FnOnce()) -> Duration {
    ring();
    let rung = Instant::now();
    let mut worked: Option<(Instant, Instant)> = None;
    loop {
        std::thread::sleep(LOOK);
        let now = Instant::now();
        if helper.works() && now - rung >= HEARD {
            worked = Some((worked.map_or(now, |(first, _)| first), now));
        }
        match worked {
            Some((first, last)) if now - last > QUIET => return last - first,
            None => assert!(now - rung < LATEST, "the helper checks"),
            Some(_) => {}
        }
    }
}
