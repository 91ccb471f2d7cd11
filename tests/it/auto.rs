//! `backend: auto`: who is there tells the states, and who comes later takes over.

use crate::support::{Host, wait_for};

const AUTO: &str = "system: { backend: auto }\n";

#[test]
fn auto_takes_the_manager_that_is_there() {
    let test = "auto_takes_the_manager_that_is_there";
    let Some(host) = Host::with_managers(test, &["networkd", "dhclient"]) else { return };
    host.await_uplinks();
    host.config(AUTO);
    for event in ["routable", "configured"] {
        host.recorder(event, "10-note", "");
    }
    let _daemon = host.start_daemon();
    let record = host.await_run("routable", "up0");
    assert_eq!(record.env("BACKEND"), "systemd-networkd", "networkd comes before dhclient");
    assert_eq!(record.env("AdministrativeState"), "configured");
    // networkd's configured, not the kernel's.
    let record = host.await_run("configured", "up0");
    assert_eq!((record.env("STATE"), record.env("OperationalState")), ("configured", "routable"));
    assert_eq!(record.env("STARTUP"), "1");
}

#[test]
fn auto_takes_dhclient_where_there_is_no_manager() {
    let test = "auto_takes_dhclient_where_there_is_no_manager";
    let Some(host) = Host::with_managers(test, &["dhclient"]) else { return };
    host.await_uplinks();
    host.config(AUTO);
    host.recorder("routable", "10-note", "");
    let _daemon = host.start_daemon();
    let record = host.await_run("routable", "up2");
    assert_eq!(record.env("BACKEND"), "dhclient");
    assert!(record.env("DHCP_ADDRESS").starts_with("203.0.113."), "{record:?}");
}

#[test]
fn auto_without_any_goes_on_with_the_kernel_until_one_appears() {
    let test = "auto_without_any_goes_on_with_the_kernel_until_one_appears";
    let Some(host) = Host::with_managers(test, &["networkd"]) else { return };
    host.await_uplinks();
    host.manager("networkd").stop();
    host.config(AUTO);
    for event in ["routable", "no-carrier", "manager"] {
        host.recorder(event, "10-note", "");
    }
    let daemon = host.start_daemon();
    daemon.await_log(&["backend auto: kernel"]);
    assert_eq!(host.await_run("routable", "up0").env("BACKEND"), "kernel");
    host.manager("networkd").start();
    daemon.await_log(&["backend auto: systemd-networkd"]);
    let by_networkd = |event: &str, link: &str| {
        host.records().iter().any(|r| r.what() == (event, link) && r.env("BACKEND") == "systemd-networkd")
    };
    wait_for("the host in networkd's words", || host.log(), || by_networkd("manager", ""));
    host.peer("ip link set up0p down");
    wait_for("networkd's no-carrier", || host.log(), || by_networkd("no-carrier", "up0"));
    // What has not changed was not told again by the new backend.
    let runs = host.records().iter().filter(|r| r.what() == ("routable", "up0")).count();
    assert_eq!(runs, 1, "{}", host.log());
}
