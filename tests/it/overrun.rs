//! More messages than the multicast socket holds: what was lost is made up for by a dump.

use crate::support::{Host, Record, rules, wait_for};

/// Stops the worker, makes `flood` happen, and lets the worker go on.
fn while_stopped(host: &Host, worker: u32, flood: impl FnOnce()) {
    host.sh(&format!("kill -STOP {worker}"));
    wait_for(
        "the worker is stopped",
        || host.log(),
        || host.read(&format!("/proc/{worker}/status")).contains("State:\tT"),
    );
    flood();
    host.sh(&format!("kill -CONT {worker}"));
}

#[test]
fn overrun_lost_messages_are_made_up_for() {
    let Some(host) = Host::new("overrun_lost_messages_are_made_up_for") else { return };
    host.two_uplinks();
    host.ip("addr add 198.51.100.3/24 dev eth1");
    for event in ["address-added", "address-removed", "mtu", "link-added"] {
        host.recorder(event, "10-note", "");
    }
    let daemon = host.start_daemon();
    host.await_records("the state at start", |records| records.len() >= 5);
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let before = host.records().len();
    while_stopped(&host, worker, || {
        // 60,000 messages of at least 832 bytes each: more than the 32 MiB that are kept.
        let lines = |verb: &str| -> String {
            let net = |n: u32| format!("10.{}.{}.{}/32", n / 65_536, n / 256 % 256, n % 256);
            (0..30_000).map(|n| format!("route {verb} {} dev eth0\n", net(n))).collect()
        };
        host.ip_batch(&lines("add"), false);
        host.ip_batch(&lines("del"), false);
        // And these, of which the worker is told nothing any more.
        host.ip("addr add 198.51.100.9/24 dev eth1");
        host.ip("addr del 198.51.100.3/24 dev eth1");
        host.ip("link set eth1 mtu 1400");
        host.ip("link add name eth2 index 8 type bridge");
        host.ip("route replace default via 198.51.100.254 dev eth1 metric 200");
    });
    let mut expected = [rules("198.51.100.2", 207), rules("198.51.100.9", 207)].concat();
    expected.push("table 207: default via 198.51.100.254 dev eth1 metric 200".to_owned());
    expected.push("table 207: 198.51.100.0/24 dev eth1".to_owned());
    host.await_ours("the routing state is that of the new addresses and gateway", &expected);

    let wanted = [
        ("address-added", "198.51.100.9"),
        ("address-removed", "198.51.100.3"),
        ("mtu", ""),
        ("link-added", ""),
    ];
    let seen = |records: &[Record]| {
        let is = |r: &Record, (event, address): (&str, &str)| {
            r.env("EVENT") == event && r.env("ADDRESS") == address
        };
        wanted.iter().all(|wanted| records[before..].iter().any(|record| is(record, *wanted)))
    };
    let records = host.await_records("a script for each thing that changed", seen);
    assert!(records[before..].iter().all(|record| record.env("STARTUP") == "0"));
    let said = daemon.log().lines().filter(|l| l.contains("WARN") && l.contains("overrun")).count();
    assert_eq!(said, 1, "one warning says that messages were lost:\n{}", daemon.log());
}
