//! networkd and the bus come and go.

use super::machine;
use crate::support::{Host, wait_for};

/// How many runs of this event and link there were.
fn count(host: &Host, event: &str, link: &str) -> usize {
    host.records().iter().filter(|r| r.what() == (event, link)).count()
}

/// The carrier goes, and netevd says so by networkd's word.
fn carrier_goes(host: &Host, link: &str) {
    let before = count(host, "no-carrier", link);
    host.peer(&format!("ip link set {link}p down"));
    wait_for("no-carrier is told", || host.log(), || count(host, "no-carrier", link) > before);
}

#[test]
fn networkd_that_is_absent_is_no_obstacle_and_is_heard_when_it_comes() {
    let test = "networkd_that_is_absent_is_no_obstacle_and_is_heard_when_it_comes";
    let Some(host) = machine(test) else { return };
    for event in ["routable", "configured", "no-carrier"] {
        host.recorder(event, "10-note", "");
    }
    host.manager("networkd").stop();
    let daemon = host.start_daemon();
    let line = daemon.await_log(&["systemd-networkd", "it is not running"]);
    assert!(line.contains("WARN"), "{line}");
    // The kernel's view counts meanwhile.
    host.await_run("routable", "up0");
    host.manager("networkd").start();
    host.await_networkd("up0", "routable", "configured");
    carrier_goes(&host, "up0");
    let last = host.records().into_iter().rfind(|r| r.what() == ("no-carrier", "up0")).expect("seen");
    assert_eq!(last.env("AdministrativeState"), "configured");
}

#[test]
fn networkd_stopped_and_started_is_followed() {
    let Some(host) = machine("networkd_stopped_and_started_is_followed") else { return };
    for event in ["routable", "no-carrier"] {
        host.recorder(event, "10-note", "");
    }
    let daemon = host.start_daemon();
    host.await_run("routable", "up0");
    host.manager("networkd").stop();
    daemon.await_log(&["systemd-networkd", "it is not running"]);
    host.manager("networkd").start();
    host.await_networkd("up0", "routable", "configured");
    carrier_goes(&host, "up0");
    host.peer("ip link set up0p up");
    wait_for("routable again", || host.log(), || count(&host, "routable", "up0") >= 2);
}

#[test]
fn networkd_a_bus_that_is_killed_and_started_again_is_survived() {
    let Some(host) = machine("networkd_a_bus_that_is_killed_and_started_again_is_survived") else { return };
    host.recorder("no-carrier", "10-note", "");
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("a worker");
    let tasks = host.sh(&format!("ls /proc/{worker}/task | wc -l"));
    assert_eq!(tasks.trim(), "1", "the bus needs no thread");
    host.sh("kill -KILL $(cat /run/managers/dbus.pid)");
    daemon.await_log(&["system bus"]);
    // Changes that nobody told:
    host.peer("ip link set up1p down");
    host.manager("dbus").restart();
    host.manager("networkd").restart();
    daemon.await_log(&["connected to the system bus again"]);
    host.await_run("no-carrier", "up1");
    carrier_goes(&host, "up0");
    assert_eq!(daemon.child("netevd-worker"), Some(worker), "the same worker");
}
