//! What was there before the daemon, and before its restart.

use super::machine;
use crate::support::{Host, Record};

fn uplink(host: &Host) {
    host.sh("ip addr add 192.0.2.2/24 dev eth0; ip route add default via 192.0.2.1 dev eth0");
    for event in ["carrier", "configured", "routable", "address-added", "link-added", "manager", "degraded"] {
        host.recorder(event, "10-note", "");
    }
}

/// Event and link of each run, in order.
fn whats(records: &[Record]) -> Vec<(String, String)> {
    records.iter().map(|r| (r.env("EVENT").to_owned(), r.env("LINK").to_owned())).collect()
}

#[test]
fn scripts_existing_state_is_replayed_at_start() {
    let Some(host) = machine("scripts_existing_state_is_replayed_at_start") else { return };
    uplink(&host);
    let _daemon = host.start_daemon();
    let seen = |records: &[Record]| {
        let whats = whats(records);
        [("routable", "eth0"), ("address-added", "eth0"), ("carrier", "eth1"), ("manager", "")]
            .iter()
            .all(|(event, link)| whats.contains(&((*event).to_owned(), (*link).to_owned())))
    };
    let records = host.await_records("the state at start", seen);
    assert!(records.iter().all(|record| record.env("STARTUP") == "1"), "{records:#?}");
    let climb: Vec<_> = records
        .iter()
        .filter(|r| {
            r.env("LINK") == "eth0" && ["carrier", "configured", "routable"].contains(&r.env("EVENT"))
        })
        .map(|r| r.env("EVENT"))
        .collect();
    assert_eq!(climb, ["carrier", "configured", "routable"]);
    assert_eq!(host.await_run("manager", "").env("STATE"), "online");
    host.ip("addr add 192.0.2.3/24 dev eth0");
    let last = host.await_records("a new address", |records| {
        records.last().is_some_and(|r| r.env("ADDRESS") == "192.0.2.3")
    });
    assert_eq!(last.last().unwrap().env("STARTUP"), "0");
}

#[test]
fn scripts_nothing_is_replayed_when_startup_events_are_off() {
    let Some(host) = machine("scripts_nothing_is_replayed_when_startup_events_are_off") else { return };
    uplink(&host);
    host.config(
        "system: { backend: kernel, startup_events: false }\nmonitoring: { interfaces: [\"eth*\"] }\n",
    );
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.3/24 dev eth0");
    host.await_records("the new address", |records| !records.is_empty());
    assert_eq!(whats(&host.records()), [("address-added".to_owned(), "eth0".to_owned())]);
}

#[test]
fn scripts_a_restart_replays_only_what_changed_meanwhile() {
    let Some(host) = machine("scripts_a_restart_replays_only_what_changed_meanwhile") else { return };
    uplink(&host);
    let daemon = host.start_daemon();
    host.await_run("routable", "eth0");
    host.await_run("carrier", "eth1");
    assert_eq!(daemon.stop().status, 0);
    let before = host.records().len();

    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    let records = host.await_records("eth1's address", |records| records.len() > before + 1);
    let since = whats(&records[before..]);
    assert!(since.iter().all(|(_, link)| link == "eth1"), "nothing of eth0: {since:?}");
    assert!(!since.iter().any(|(event, _)| event == "carrier"), "{since:?}");
    assert_eq!(daemon.stop().status, 0);

    // While no daemon runs:
    let before = host.records().len();
    host.sh("ip addr add 192.0.2.9/24 dev eth0");
    let _daemon = host.start_daemon();
    host.await_records("the address that came meanwhile", |records| {
        records[before..].iter().any(|r| r.env("ADDRESS") == "192.0.2.9")
    });
}

#[test]
fn scripts_a_killed_worker_loses_no_event() {
    let Some(host) = machine("scripts_a_killed_worker_loses_no_event") else { return };
    uplink(&host);
    let daemon = host.start_daemon();
    host.await_run("routable", "eth0");
    let worker = daemon.child("netevd-worker").unwrap();
    host.sh(&format!("kill -KILL {worker}"));
    daemon.ended();
    host.ip("addr add 192.0.2.7/24 dev eth0");
    let _daemon = host.start_daemon();
    host.await_records("the address that came while nobody looked", |records| {
        records.iter().any(|r| r.env("ADDRESS") == "192.0.2.7")
    });
}
