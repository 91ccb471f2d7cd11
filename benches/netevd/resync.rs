//! How long it takes to read the kernel's whole state again after messages were lost, with very many
//! routes there: netevd by its own metric, after a real overrun, beside a bare loop that reads the
//! same dumps and throws them away.

use crate::compiled::copy_compiled;
use crate::figures::Figures;
use crate::goal::Goal;
use crate::process::Metrics;
use crate::report::{Report, Row};
use crate::support::{Host, wait_for};

/// How many routes there are, and how often they are read.
const SIZES: [(usize, usize, &str); 2] = [(100_000, 9, "100,000"), (1_000_000, 5, "1,000,000")];
/// More messages than the receive buffer holds (32 MiB of 832 bytes each), twice.
const FLOOD: usize = 30_000;
const DURATION: &str = "netevd_resync_duration_seconds";

pub(crate) fn run(report: &mut Report) {
    let host = crate::machine("bench: resynchronising");
    copy_compiled(&host, "dump_floor", "/srv/dump_floor");
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("it runs");
    let mut there = 0;
    for (routes, times, words) in SIZES {
        let base = std::net::Ipv4Addr::from_bits(0x0a00_0000 + u32::try_from(there).unwrap());
        agent(&host, &format!("{base} {} add", routes - there));
        there = routes;
        let (mut floor, mut netevd) = (Vec::new(), Vec::new());
        for _ in 0..times {
            floor.push(bare(&host, routes));
            netevd.push(after_an_overrun(&host, worker));
        }
        let floor_key = format!("resync_{routes}_floor");
        let what = format!("reading {words} routes: bare recv loop");
        report.row(Row::new(&floor_key, &what, "us", Figures::of(floor)));
        let (key, what) = (format!("resync_{routes}"), format!("resynchronising {words} routes: netevd"));
        let row = Row::new(&key, &what, "us", Figures::of(netevd));
        report.row(row.beside(&floor_key).goal(Goal::Times(1.5)));
    }
    drop(daemon);
}

fn agent(host: &Host, words: &str) {
    host.sh(&format!("/opt/netevd/netevd-test-agent routes eth0 {words}"));
}

/// Microseconds of the floor.
fn bare(host: &Host, routes: usize) -> f64 {
    let output = host.sh("/srv/dump_floor");
    let (time, messages) = output.trim().split_once(' ').expect("two numbers");
    assert!(messages.parse::<usize>().expect("a number") > routes, "all of them were read");
    time.parse::<f64>().expect("nanoseconds") / 1000.0
}

/// Microseconds of one reading of netevd's, the mean where it took several. The worker is stopped
/// while more happens than the kernel keeps for it.
fn after_an_overrun(host: &Host, worker: u32) -> f64 {
    let before = Metrics::of(host);
    host.sh(&format!("kill -STOP {worker}"));
    // Static: of a routing daemon's routes the kernel tells a worker nothing that has no use for them.
    agent(host, &format!("11.0.0.0 {FLOOD} storm 1 4"));
    host.sh(&format!("kill -CONT {worker}"));
    let mut after = Metrics::of(host);
    let more = |after: &Metrics, name: &str| after.sum(name, "") - before.sum(name, "");
    wait_for(
        "the state was read again",
        || host.log(),
        || {
            after = Metrics::of(host);
            more(&after, "netevd_netlink_overruns_total") >= 1.0
                && more(&after, &format!("{DURATION}_count")) >= 1.0
        },
    );
    more(&after, &format!("{DURATION}_sum")) / more(&after, &format!("{DURATION}_count")) * 1e6
}
