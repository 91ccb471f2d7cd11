//! What was there before the daemon, and before its restart.

use super::machine;
use crate::support::{Host, Record, wait_for};

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

/// A script that waits until the file /out/go is there, and says that it ran to its end.
const WAITS: &str = "#!/bin/sh\ntouch /out/waiting\nuntil [ -e /out/go ]; do sleep 0.02; done\n\
                     echo $EVENT $LINK $ADDRESS >>/out/ran\n";

fn ran(host: &Host) -> Vec<String> {
    let text = std::fs::read_to_string(host.path("/out/ran")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// eth1 has come and gone with two addresses, and made way for another eth1, behind a slow script.
fn behind_a_slow_script(host: &Host) -> Vec<&'static str> {
    for event in ["address-added", "address-removed", "link-removed"] {
        host.script(event, "10-wait", WAITS);
    }
    host.ip("addr add 10.0.0.2/32 dev eth1");
    wait_for("the script", || host.log(), || host.path("/out/waiting").exists());
    // Nothing of this is seen in what is there after it.
    host.ip_batch("addr add 10.0.0.3/32 dev eth1\naddr del 10.0.0.3/32 dev eth1\n", false);
    host.ip_batch("link set eth1 name aside\nlink set aside name eth1\n", false);
    vec![
        "address-added eth1 10.0.0.2",
        "address-added eth1 10.0.0.3",
        "address-removed eth1 10.0.0.3",
        "link-removed eth1",
        "address-added eth1 10.0.0.2",
    ]
}

#[test]
fn scripts_what_waited_or_was_ended_runs_after_a_restart() {
    let Some(host) = machine("scripts_what_waited_or_was_ended_runs_after_a_restart") else { return };
    host.config(
        "system: { backend: kernel, startup_events: false }\nmonitoring: { interfaces: [\"eth*\"] }\n",
    );
    let daemon = host.start_daemon();
    let expected = behind_a_slow_script(&host);
    wait_for(
        "all of it",
        || host.log(),
        || host.log().contains("no-carrier") || host.log().contains("carrier link=\"eth1\""),
    );
    assert_eq!(daemon.stop().status, 0);
    assert_eq!(ran(&host), [""; 0], "the script was ended");
    let named = "eth1 link-removed has not run to its end: it runs after a restart";
    assert!(host.log().contains(named), "{}", host.log());
    // And while no daemon runs.
    host.sh("touch /out/go; ip addr add 192.0.2.9/24 dev eth0");
    let daemon = host.start_daemon();
    wait_for("all of them", || host.log(), || ran(&host).len() > expected.len());
    let of_eth1: Vec<String> = ran(&host).into_iter().filter(|line| line.contains(" eth1")).collect();
    assert_eq!(of_eth1.iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
    assert!(ran(&host).contains(&"address-added eth0 192.0.2.9".to_owned()), "{:?}", ran(&host));
    // Once: the next restart has nothing to say.
    let before = ran(&host);
    assert_eq!(daemon.stop().status, 0);
    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.9/32 dev eth0");
    wait_for("the next event", || host.log(), || ran(&host).len() > before.len());
    assert_eq!(ran(&host)[before.len()..], ["address-added eth0 10.0.0.9".to_owned()]);
    drop(daemon);
}

#[test]
fn scripts_what_waited_when_the_worker_was_killed_runs_after_it() {
    let test = "scripts_what_waited_when_the_worker_was_killed_runs_after_it";
    let Some(host) = machine(test) else { return };
    let daemon = host.start_daemon();
    let expected = behind_a_slow_script(&host);
    // The state is saved while the script runs.
    wait_for(
        "the state with what waits",
        || host.log(),
        || host.sh("grep -o link-removed /run/netevd/state.json || true").contains("link-removed"),
    );
    let worker = daemon.child("netevd-worker").unwrap();
    host.sh(&format!("kill -KILL {worker}; pkill -KILL -f '1[0]-wait' || true"));
    daemon.ended();
    host.sh("touch /out/go");
    let _daemon = host.start_daemon();
    wait_for("all of them", || host.log(), || ran(&host).len() >= expected.len());
    assert_eq!(ran(&host).iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
}

/// Reloads with this addition to the configuration while scripts of eth1 wait, and lets them go.
fn reloaded_behind_a_slow_script(test: &str, addition: &str, said: &str) {
    let Some(host) = machine(test) else { return };
    let config =
        "system: { backend: kernel, startup_events: false }\nmonitoring: { interfaces: [\"eth*\"] }\n";
    host.config(config);
    let daemon = host.start_daemon();
    let expected = behind_a_slow_script(&host);
    wait_for("all of it", || host.log(), || host.log().contains("carrier link=\"eth1\""));
    host.config(&format!("{config}{addition}\n"));
    daemon.signal("HUP");
    daemon.await_log(&[said]);
    host.sh("touch /out/go");
    let of_eth1 = || -> Vec<String> {
        let all = ran(&host).into_iter().filter(|line| line.contains(" eth1"));
        all.map(|line| line.trim_end().to_owned()).collect()
    };
    wait_for("all of them", || host.log(), || of_eth1().len() >= expected.len());
    assert_eq!(of_eth1(), expected);
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn scripts_what_waits_runs_after_a_reload() {
    let test = "scripts_what_waits_runs_after_a_reload";
    reloaded_behind_a_slow_script(test, "scripts: { max_parallel: 9 }", "reload");
}

/// The launcher starts all processes again.
#[test]
fn scripts_what_waits_runs_after_a_reload_with_another_policy() {
    let test = "scripts_what_waits_runs_after_a_reload_with_another_policy";
    reloaded_behind_a_slow_script(test, "routing: { policy_rules: [eth1] }", "stopping: 1 scripts running");
}
