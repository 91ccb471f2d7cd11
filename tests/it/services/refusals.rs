use super::{await_resolved, lease, machine, permit};
use crate::support::wait_for;

const LEASE: &str = "fixed-address 203.0.113.9; option domain-name-servers 192.0.2.53; \
    option domain-name \"x.example\"; option host-name \"leased\"; expire never;";

#[test]
fn services_without_polkit_s_permission_the_cure_is_named() {
    let Some(host) = machine("services_without_polkit_s_permission_the_cure_is_named", &[]) else { return };
    let daemon = host.start_daemon();
    lease(&host, "up2", LEASE);
    for service in ["systemd-resolved", "systemd-hostnamed"] {
        daemon.await_log(&[
            service,
            "does not permit",
            "netevd policy --polkit > /etc/polkit-1/rules.d/50-netevd.rules",
        ]);
    }
}

#[test]
fn services_a_static_host_name_wins_and_that_is_told() {
    let Some(host) = machine("services_a_static_host_name_wins_and_that_is_told", &[]) else { return };
    permit(&host);
    host.write("/etc/hostname", "fixed\n", 0o644);
    let daemon = host.start_daemon();
    lease(&host, "up2", LEASE);
    daemon.await_log(&["host name leased", "a static host name (fixed) wins"]);
    assert_ne!(host.sh("hostname").trim(), "leased");
}

#[test]
fn services_a_link_of_networkd_is_left_to_it_and_that_is_told() {
    let test = "services_a_link_of_networkd_is_left_to_it_and_that_is_told";
    let Some(host) = machine(test, &["networkd"]) else { return };
    permit(&host);
    host.await_networkd("up0", "routable", "configured");
    let daemon = host.start_daemon();
    lease(&host, "up0", LEASE);
    daemon.await_log(&["up0 is managed by systemd-networkd", "set DNS= and Domains= in its .network file"]);
    await_resolved(&host, "dns", "up0", "192.0.2.1");
}

#[test]
fn services_one_that_hangs_delays_no_other() {
    let Some(host) = machine("services_one_that_hangs_delays_no_other", &[]) else { return };
    permit(&host);
    let daemon = host.start_daemon();
    host.manager("resolved").signal("STOP");
    lease(&host, "up2", LEASE);
    wait_for("the leased name", || host.log(), || host.sh("hostname").trim() == "leased");
    assert!(!daemon.log().contains("no answer"), "before resolved was given up: {}", daemon.log());
    daemon.await_log(&["systemd-resolved: SetLinkDNS: no answer within 5 s"]);
    host.manager("resolved").signal("CONT");
    // What it was asked for is in its queue, and is carried out late.
    await_resolved(&host, "dns", "up2", "192.0.2.53");
}
