//! Links by the thousand: veth pairs that come and go, with a script for either, and interfaces that are
//! there when the daemon starts.

use super::account::{Counted, all_accounted};
use super::{agrees, calm::Calm};
use crate::support::{Host, eth1_complete, rules, wait_for, wait_within};
use std::collections::BTreeMap;
use std::time::Duration;

const PAIRS: u32 = 1_000;
const INTERFACES: u32 = 5_000;
/// Links that are deleted together.
const GROUP: u32 = 250;
/// A guard against hangs.
const PATIENCE: Duration = Duration::from_secs(600);

/// The links of `ip -br link` whose names begin so.
fn count(host: &Host, prefix: &str) -> usize {
    let names = host.sh("ip -br link | cut -d' ' -f1");
    names.lines().filter(|name| name.starts_with(prefix)).count()
}

#[test]
fn storm_a_thousand_veth_pairs_come_and_go() {
    let Some(host) = Host::new("storm_a_thousand_veth_pairs_come_and_go") else { return };
    host.two_uplinks();
    for event in ["link-added", "link-removed"] {
        host.recorder(event, "10-note", "brief");
    }
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let (before, earlier) = (Counted::now(&host), host.records().len());
    host.ip("netns add pods");
    let lines = |line: &dyn Fn(u32) -> String| -> String { (0..PAIRS).map(line).collect() };
    host.ip_batch(&lines(&|n| format!("link add pod{n} type veth peer name c{n} netns pods\n")), false);
    host.ip_batch(&lines(&|n| format!("link set pod{n} up\n")), false);
    // What scripts do with them takes longer than the kernel; half go while they are still at it.
    host.ip_batch(&(0..PAIRS / 20).map(|n| format!("link del pod{n}\n")).collect::<String>(), false);
    // One by one a deletion takes the kernel 17 ms, the whole namespace as long as one.
    host.ip("netns del pods");
    wait_within(PATIENCE, "the pairs are gone", || host.ip("-br link"), || count(&host, "pod") == 0);
    calm.again(6_144);
    let now = all_accounted(&host, &before, earlier, &["link-added", "link-removed"]);
    let pairs = u64::from(PAIRS);
    assert_eq!((now.of("link-added"), now.of("link-removed")), (pairs, pairs));
    // By the same name, in this order, and none of them left out.
    let mut runs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for record in &host.records()[earlier..] {
        assert_eq!(record.env("SKIPPED"), "0", "edge events do not coalesce");
        runs.entry(record.env("LINK").to_owned()).or_default().push(record.env("EVENT").to_owned());
    }
    assert_eq!(runs.len(), PAIRS as usize, "a name for each");
    for n in 0..PAIRS {
        let runs = &runs[&format!("pod{n}")];
        assert_eq!(runs, &["link-added", "link-removed"], "pod{n}");
    }
    assert_eq!(now.overruns, 0);
    agrees(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn storm_five_thousand_interfaces_at_start() {
    let Some(host) = Host::new("storm_five_thousand_interfaces_at_start") else { return };
    host.two_uplinks();
    // The lightest that every kernel has.
    let link = |n: u32| format!("link add many{n} group {} type bridge\n", 1 + n / GROUP);
    let lines: String = (0..INTERFACES).map(link).collect();
    host.ip_batch(&lines, false);
    host.recorder("carrier", "10-note", "brief");
    host.script("link-added", "10-count", "#!/bin/sh\necho \"$1\" >>/out/added\n");
    host.write("/out/added", "", 0o666);
    let mut daemon = host.launch();
    daemon.await_ready();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let added = host.read("/out/added");
    let mut names: Vec<&str> = added.lines().collect();
    names.sort_unstable();
    names.dedup();
    // And eth0 and eth1; lo is not monitored.
    assert_eq!((added.lines().count(), names.len()), (INTERFACES as usize + 2, INTERFACES as usize + 2));
    agrees(&host);
    // It is as exact as among three, and at rest.
    let (before, earlier) = (Counted::now(&host), host.records().len());
    host.ip("addr add 198.51.100.9/24 dev eth1");
    host.await_ours("the new address", &[eth1_complete(), rules("198.51.100.9", 207)].concat());
    host.sh("ip link set eth0 down; ip link set eth0 up");
    host.await_records("eth0 has its carrier back", |records| {
        records[earlier..].iter().any(|record| record.what() == ("carrier", "eth0"))
    });
    calm.again(2_048);
    let now = all_accounted(&host, &before, earlier, &["carrier"]);
    assert_eq!(now.of("link-added"), 0, "{now:?}");
    // A restart tells nothing of what is there still.
    assert_eq!(daemon.stop().status, 0);
    let daemon = host.start_daemon();
    wait_for("nothing waits", || daemon.log(), || host.api("/api/v1/status")["events_waiting"] == 0);
    assert_eq!(host.read("/out/added").lines().count(), INTERFACES as usize + 2);
    agrees(&host);
    drop(daemon);
    // With the namespace they would go all at once, and every other test wait more than a minute for the
    // kernel's lock.
    for group in 1..=INTERFACES.div_ceil(GROUP) {
        host.ip(&format!("link del group {group}"));
    }
}
