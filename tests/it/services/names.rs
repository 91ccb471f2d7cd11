use super::{await_resolved, lease, machine, permit, resolved};
use crate::support::wait_for;

#[test]
fn services_a_lease_gives_name_servers_domains_and_the_host_name_and_takes_them_back() {
    let test = "services_a_lease_gives_name_servers_domains_and_the_host_name_and_takes_them_back";
    let Some(host) = machine(test, &[]) else { return };
    permit(&host);
    host.write("/run/managers/dnsmasq.d/name", "dhcp-option-force=tag:up2,12,leased\n", 0o644);
    host.manager("dnsmasq").restart();
    let daemon = host.start_daemon();
    host.manager("dhclient").start();
    await_resolved(&host, "dns", "up2", "203.0.113.1");
    await_resolved(&host, "domain", "up2", "up2.example");
    let name = || {
        host.sh("busctl get-property org.freedesktop.hostname1 /org/freedesktop/hostname1 \
             org.freedesktop.hostname1 Hostname")
    };
    wait_for("the leased name", || host.log(), || name().trim() == "s \"leased\"");
    daemon.await_log(&["name servers and domains to systemd-resolved: done"]);

    host.sh("dhclient -4 -r -lf /var/lib/dhcp/dhclient.up2.leases -pf /run/dhclient.up2.pid up2");
    await_resolved(&host, "dns", "up2", "");
    await_resolved(&host, "domain", "up2", "");
}

#[test]
fn services_a_lease_that_ends_by_itself_takes_its_name_servers_along() {
    let Some(host) = machine("services_a_lease_that_ends_by_itself_takes_its_name_servers_along", &[]) else {
        return;
    };
    permit(&host);
    let _daemon = host.start_daemon();
    let ends: u64 = host.sh("date +%s").trim().parse::<u64>().unwrap() + 4;
    let values = "fixed-address 203.0.113.9; option domain-name-servers 192.0.2.53, 192.0.2.54; \
        option domain-search \"a.example.\", \"b.example.\";";
    lease(&host, "up2", &format!("{values} expire epoch {ends};"));
    await_resolved(&host, "dns", "up2", "192.0.2.53 192.0.2.54");
    await_resolved(&host, "domain", "up2", "a.example b.example");
    await_resolved(&host, "dns", "up2", "");
    assert_eq!(resolved(&host, "domain", "up2"), "");
}

#[test]
fn services_a_late_and_a_new_resolved_get_what_leases_say() {
    let Some(host) = machine("services_a_late_and_a_new_resolved_get_what_leases_say", &[]) else { return };
    permit(&host);
    host.manager("resolved").stop();
    let daemon = host.start_daemon();
    lease(&host, "up2", "fixed-address 203.0.113.9; option domain-name-servers 192.0.2.53; expire never;");
    daemon.await_log(&["systemd-resolved is not running"]);
    host.manager("resolved").start();
    await_resolved(&host, "dns", "up2", "192.0.2.53");

    // One that has lost its memory as well.
    host.manager("resolved").stop();
    host.sh("rm -rf /run/systemd/resolve/netif");
    host.manager("resolved").start();
    await_resolved(&host, "dns", "up2", "192.0.2.53");
}

#[test]
fn services_a_link_that_comes_again_gets_the_name_servers_of_its_lease_again() {
    let test = "services_a_link_that_comes_again_gets_the_name_servers_of_its_lease_again";
    let Some(host) = machine(test, &[]) else { return };
    permit(&host);
    let _daemon = host.start_daemon();
    lease(&host, "eth7", "fixed-address 203.0.113.9; option domain-name-servers 192.0.2.53; expire never;");
    for index in [70, 71] {
        host.ip(&format!("link add eth7 index {index} type veth peer name p7"));
        host.sh("ip link set p7 up; ip link set eth7 up");
        await_resolved(&host, "dns", "eth7", "192.0.2.53");
        host.ip("link del eth7");
    }
}
