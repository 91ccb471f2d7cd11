//! NetworkManager is not there, comes, goes, and comes again.

use super::{CONFIG, events, machine};
use crate::support::{Host, Record, wait_for};

#[test]
fn networkmanager_it_goes_and_comes_again() {
    let test = "networkmanager_it_goes_and_comes_again";
    let Some(host) = machine(test, &["activated", "disconnected", "address-added"]) else { return };
    let daemon = host.start_daemon();
    host.await_run("activated", "nm1");
    for round in 0..2 {
        host.manager("nm").stop();
        // The kernel's events do not need it.
        host.ip(&format!("addr add 192.0.2.{}/32 dev lo", 10 + round));
        host.ip(&format!("addr add 198.18.1.{}/24 dev nm1", 100 + round));
        let address = format!("198.18.1.{}", 100 + round);
        host.await_records("an address by the kernel", |records| {
            records.iter().any(|record| record.env("ADDRESS") == address)
        });
        host.manager("nm").start();
        host.await_uplinks();
        // By its reason: coming up, NetworkManager has every device disconnected for a moment.
        host.sh("nmcli connection down nm1");
        host.await_records("disconnected", |records| {
            let asked =
                |r: &&Record| r.what() == ("disconnected", "nm1") && r.env("NM_REASON") == "user-requested";
            records.iter().filter(asked).count() == round + 1
        });
        host.sh("nmcli connection up nm1");
        host.await_records("activated", |_| {
            events(&host, "nm1").last().is_some_and(|last| last == "activated")
        });
    }
    daemon.await_log(&["NetworkManager", "is not running"]);
}

#[test]
fn networkmanager_the_daemon_is_there_first() {
    let Some(host) = Host::with_managers("networkmanager_the_daemon_is_there_first", &["nm"]) else { return };
    host.manager("nm").stop();
    host.manager("dbus").stop();
    host.config(CONFIG);
    for event in ["activated", "disconnected"] {
        host.recorder(event, "10-record", "");
    }
    // Ready without a manager, and without a bus.
    let _daemon = host.start_daemon();
    host.manager("dbus").start();
    host.manager("nm").start();
    host.await_uplinks();
    assert_eq!(host.await_run("activated", "nm0").env("NM_CONNECTION_ID"), "nm0");
    host.await_run("activated", "nm1");
    // A new bus, and a new manager on it.
    host.manager("dbus").restart();
    host.manager("nm").restart();
    host.await_uplinks();
    let downs = || events(&host, "nm1").iter().filter(|event| *event == "disconnected").count();
    let before = downs();
    // The daemon comes back to the bus in its own time; after that nothing is missed.
    host.await_records("the end of a connection", |_| {
        host.run(&["sh", "-c", "nmcli connection up nm1; nmcli connection down nm1"]);
        downs() > before
    });
}

#[test]
fn networkmanager_only_ends_are_disconnected() {
    let test = "networkmanager_only_ends_are_disconnected";
    let Some(host) = machine(test, &["activated", "disconnected"]) else { return };
    let daemon = host.start_daemon();
    host.await_run("activated", "nm1");
    // A new device, which has never had a connection.
    host.veth("nm2", 60);
    host.sh("nmcli device set nm2 managed yes");
    host.await_nm("nm2", "disconnected");
    // NetworkManager restarts; address and packets stay.
    host.manager("nm").restart();
    host.await_uplinks();
    let returns = || daemon.log().matches("NetworkManager is there").count();
    wait_for("the daemon follows the new one", || daemon.log(), || returns() == 2);
    // And sleeps, which ends both connections, and wakes.
    host.sh("nmcli networking off");
    let ends = |records: &[Record]| {
        let ends = records.iter().filter(|r| r.env("EVENT") == "disconnected");
        ends.map(|r| (r.env("LINK").to_owned(), r.env("OLD_STATE").to_owned())).collect::<Vec<_>>()
    };
    host.await_records("two ends", |records| ends(records).len() >= 2);
    host.sh("nmcli networking on");
    host.await_uplinks();
    let activated = |records: &[Record]| records.iter().filter(|r| r.what() == ("activated", "nm1")).count();
    host.await_records("awake", |records| activated(records) >= 2);
    host.sh("nmcli connection down nm1");
    let asked = |r: &Record| r.what() == ("disconnected", "nm1") && r.env("NM_REASON") == "user-requested";
    let records = host.await_records("an end that was asked for", |records| records.iter().any(asked));
    let ends = ends(&records);
    assert_eq!(ends.len(), 3, "{ends:?}");
    assert!(ends.iter().all(|(link, old)| link != "nm2" && old == "deactivating"), "{ends:?}");
}
