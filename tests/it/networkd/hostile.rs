//! A networkd that says what none should: words that are paths, and more than anyone can run; and a user of
//! the bus who floods the daemon.

use super::machine;
use crate::support::{Host, Record};

/// Puts the agent in networkd's place, with these words for up0.
fn says(host: &Host, words: &str) {
    host.manager("networkd").stop();
    let index = host.ifindex("up0");
    let agent = format!("exec setsid /opt/netevd/netevd-test-agent networkd {index} {words}");
    let started = host.run_as("systemd-network", &format!("({agent}) >/tmp/said 2>&1 </dev/null &"));
    assert_eq!(started.status, 0, "{}", started.stderr);
}

fn of_up0(records: &[Record]) -> Vec<&Record> {
    records.iter().filter(|r| r.env("LINK") == "up0" && r.env("BACKEND") == "systemd-networkd").collect()
}

#[test]
fn networkd_words_that_are_paths_run_nothing() {
    let Some(host) = machine("networkd_words_that_are_paths_run_nothing") else { return };
    let trap = "#!/bin/sh\ntouch /out/trapped\n";
    for place in
        ["/evil.d/x", "/etc/netevd/evil.d/x", "/etc/evil.d/x", "/evil", "/etc/netevd/routable.d/x.d/y"]
    {
        host.write(place, trap, 0o755);
    }
    host.recorder("off", "10-note", "");
    says(&host, "../../evil evil ../../../evil.d/x routable.d/x '' /evil ROUTABLE off");
    let daemon = host.start_daemon();
    host.write("/out/say", "", 0o644);
    let off = host.await_run("off", "up0");
    assert_eq!(off.env("OLD_STATE"), "carrier", "nothing in between was a state");
    let line = daemon.await_log(&["none of networkd's words"]);
    assert!(line.contains(r#"\"../../evil\""#) || line.contains(r#""../../evil""#), "{line}");
    assert!(!host.path("/out/trapped").exists());
}

#[test]
fn networkd_a_burst_is_run_or_counted_and_ends_right() {
    let Some(host) = machine("networkd_a_burst_is_run_or_counted_and_ends_right") else { return };
    for event in ["off", "degraded"] {
        host.recorder(event, "10-note", "");
    }
    says(&host, &format!("{} off", "degraded off ".repeat(300)));
    let _daemon = host.start_daemon();
    host.write("/out/say", "", 0o644);
    // The last off is told twice, and is one change.
    let count = |records: &[Record]| -> u64 {
        of_up0(records).iter().map(|r| 1 + r.env("SKIPPED").parse().unwrap_or(0)).sum()
    };
    let records = host.await_records("all 600", |records| count(records) >= 600);
    assert_eq!(count(&records), 600);
    assert_eq!(of_up0(&records).last().map(|r| r.env("STATE")), Some("off"));
}

#[test]
fn networkd_a_user_of_the_bus_cannot_knock_the_daemon_off_it() {
    let Some(host) = machine("networkd_a_user_of_the_bus_cannot_knock_the_daemon_off_it") else { return };
    for event in ["carrier", "no-carrier", "routable"] {
        host.recorder(event, "10-note", "");
    }
    // Fewer than the sixteen of each signal add up to, were they let in.
    let mut daemon = host.launch_after("ulimit -n 256", "");
    daemon.await_ready();
    host.await_run("routable", "up0");
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    let descriptors = || host.sh(&format!("ls /proc/{worker}/fd")).lines().count();
    let before = descriptors();
    // With 60 MB for each connection.
    let flood = host.run_as("nobody", &format!("exec /opt/netevd/netevd-test-agent flood {worker} 60"));
    assert_eq!(flood.status, 0, "{}", flood.stderr);
    let flood: serde_json::Value = serde_json::from_str(&flood.stdout).expect("JSON");
    assert!(flood["connections"].as_u64() >= Some(2), "{flood}");
    // It is still told what the real one says.
    host.peer("ip link set up0p down");
    host.await_run("no-carrier", "up0");
    assert_eq!(daemon.child("netevd-worker"), Some(worker));
    assert!(descriptors() <= before + 2, "{before}, then {}", descriptors());
    let log = host.log();
    for lost in ["closed the connection", "tried again until it answers", "connected to the system bus again"]
    {
        assert!(!log.contains(lost), "{log}");
    }
    assert!(log.contains("which is not org.freedesktop.network1, is ignored"), "{log}");
}
