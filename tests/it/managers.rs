//! The services of the test machine: each is the real one, and does its work there.

use crate::support::{Host, wait_for};

#[test]
fn managers_networkd_sets_up_its_links() {
    let Some(host) = Host::with_managers("managers_networkd_sets_up_its_links", &["networkd"]) else {
        return;
    };
    host.await_uplinks();
    // A router advertisement sets up1 to configuring for a moment, each time.
    let list = || host.sh("networkctl --no-pager --no-legend list");
    let is = |list: &str, link: &str| {
        list.lines().any(|l| l.contains(link) && l.contains("routable") && l.contains("configured"))
    };
    wait_for("networkctl says so too", list, || is(&list(), "up0") && is(&list(), "up1"));
    let described = host.sh("busctl --json=short call org.freedesktop.network1 \
        /org/freedesktop/network1 org.freedesktop.network1.Manager Describe");
    assert!(described.contains("up1.example"), "{described}");
    assert_eq!(host.route_get("203.0.113.1"), "up0");
    assert!(host.ip("-6 route show default").contains("dev up1"));

    // Another address for the asking.
    host.hand_out("up1", "198.51.100.200", "198.51.100.209");
    host.sh("networkctl renew up1");
    let now = || host.ip("-4 addr show dev up1");
    wait_for("an address of the new range", now, || now().contains("198.51.100.20"));

    // It goes, and comes again.
    host.manager("networkd").stop();
    assert_eq!(host.manager("networkd").pid(), None);
    assert_ne!(host.run(&["networkctl", "renew", "up1"]).status, 0);
    host.manager("networkd").start();
    host.await_networkd("up0", "routable", "configured");
}

#[test]
fn managers_networkmanager_activates_its_devices() {
    let test = "managers_networkmanager_activates_its_devices";
    let Some(host) = Host::with_managers(test, &["nm"]) else { return };
    host.await_uplinks();
    assert!(host.ip("-4 addr show dev nm0").contains("198.18.0.1"), "{}", host.ip("addr"));
    assert_eq!(host.sh("nmcli -g ip4.dns device show nm1").trim(), "198.18.1.1");
    host.sh("nmcli connection down nm1");
    host.await_nm("nm1", "disconnected");
    host.manager("nm").restart();
    host.await_nm("nm0", "connected");
}

#[test]
fn managers_dhclient_gets_a_lease() {
    let Some(host) = Host::with_managers("managers_dhclient_gets_a_lease", &["dhclient"]) else { return };
    host.await_uplinks();
    let leases = host.read("/var/lib/dhcp/dhclient.up2.leases");
    assert!(leases.contains("option domain-name \"up2.example\";"), "{leases}");
    assert!(leases.contains("fixed-address 203.0.113.1"), "{leases}");
    wait_for("the default route", || host.ip("route"), || host.route_get("192.0.2.1") == "up2");

    // Renewals come by themselves.
    host.lease_times(3, 5);
    let count = || host.read("/var/lib/dhcp/dhclient.up2.leases").matches("fixed-address").count();
    host.sh("kill $(cat /run/managers/dhclient.pid)");
    wait_for("dhclient ends", String::new, || host.manager("dhclient").pid().is_none());
    host.manager("dhclient").start();
    wait_for("three leases", || host.manager("dhclient").log(), || count() >= 3);
}

#[test]
fn managers_resolved_and_hostnamed_answer_whom_polkit_lets() {
    let test = "managers_resolved_and_hostnamed_answer_whom_polkit_lets";
    let features = ["networkd", "resolved", "hostnamed", "polkit"];
    let Some(host) = Host::with_managers(test, &features) else { return };
    host.await_uplinks();
    let asked = || host.run(&["resolvectl", "--no-pager", "query", "test.example"]);
    wait_for("an answer", || format!("{:?}", asked()), || asked().stdout.contains("203.0.113.80"));
    let name = host.sh("busctl get-property org.freedesktop.hostname1 /org/freedesktop/hostname1 \
         org.freedesktop.hostname1 Hostname");
    assert_eq!(name.trim(), "s \"netevd-host\"");

    let set = "busctl call org.freedesktop.hostname1 /org/freedesktop/hostname1 \
        org.freedesktop.hostname1 SetHostname sb other false";
    let refused = host.run_as("netevd", set);
    assert!(
        refused.stderr.contains("Access denied") || refused.stderr.contains("authentication required"),
        "{refused:?}"
    );
    host.write(
        "/etc/polkit-1/rules.d/50-test.rules",
        "polkit.addRule(function(action, subject) {
             if (action.id == 'org.freedesktop.hostname1.set-hostname' && subject.user == 'netevd')
                 return polkit.Result.YES;
         });\n",
        0o644,
    );
    wait_for("polkit permits", || host.manager_logs(), || host.run_as("netevd", set).status == 0);
    assert_eq!(host.sh("hostname").trim(), "other");
}

#[test]
fn managers_come_back_to_a_new_bus() {
    let test = "managers_come_back_to_a_new_bus";
    let Some(host) = Host::with_managers(test, &["networkd", "nm"]) else { return };
    host.await_uplinks();
    let on_bus = || host.run(&["busctl", "--no-pager", "--no-legend", "list", "--acquired"]).stdout;
    host.manager("dbus").stop();
    assert_eq!(on_bus(), "");
    host.manager("dbus").start();
    host.manager("networkd").restart();
    host.manager("nm").restart();
    host.await_uplinks();
    assert!(on_bus().contains("network1") && on_bus().contains("NetworkManager"), "{}", on_bus());
}
