//! What a DHCP server and a router say: `lease.d` and `dns.d` with each client, and addresses that grow old.

use crate::support::{Host, Record, wait_for};

/// The runs of an event of a link.
fn of<'r>(records: &'r [Record], event: &str, link: &str) -> Vec<&'r Record> {
    records.iter().filter(|record| record.what() == (event, link)).collect()
}

/// The machine of a backend, with recorders for these events.
fn machine(test: &str, backend: &str, feature: &str, events: &[&str]) -> Option<Host> {
    let host = Host::with_managers(test, &[feature])?;
    host.await_uplinks();
    host.config(&format!("system: {{ backend: {backend} }}\n"));
    for event in events {
        host.recorder(event, "10-note", "");
    }
    Some(host)
}

/// From now on the server names other servers to clients on this link.
fn other_servers(host: &Host, link: &str, dns: &str, ntp: &str) {
    let text = format!(
        "dhcp-option=tag:{link},option:dns-server,{dns}\ndhcp-option=tag:{link},option:ntp-server,{ntp}\n"
    );
    host.write("/run/managers/dnsmasq.d/other", &text, 0o644);
    host.manager("dnsmasq").restart();
}

#[test]
fn leases_and_name_servers_of_networkd() {
    let test = "leases_and_name_servers_of_networkd";
    let Some(host) = machine(test, "systemd-networkd", "networkd", &["lease", "dns"]) else { return };
    let _daemon = host.start_daemon();
    let first = host.await_run("lease", "up1");
    assert_eq!((first.env("STARTUP"), first.env("ACTION")), ("1", "added"));
    assert!(first.env("DHCP_ADDRESS").starts_with("198.51.100.1"), "{first:?}");
    assert_eq!((first.env("DHCP_GATEWAY"), first.env("DHCP_DNS")), ("198.51.100.1", "198.51.100.1"));
    assert_eq!((first.env("DHCP_DOMAIN"), first.env("DHCP_SUBNET_MASK")), ("up1.example", "255.255.255.0"));
    assert_eq!(first.document()["at_event"]["lease"]["ipv4"]["address"], first.env("DHCP_ADDRESS"));
    // By hand, without a change of state.
    host.sh("busctl call org.freedesktop.network1 /org/freedesktop/network1 \
        org.freedesktop.network1.Manager SetLinkDNS 'ia(iay)' $(cat /sys/class/net/up0/ifindex) 1 2 4 192 0 2 53");
    let records = host.await_records("dns of up0", |records| {
        of(records, "dns", "up0").iter().any(|r| r.env("DNS") == "192.0.2.53")
    });
    let dns = of(&records, "dns", "up0").pop().expect("just seen");
    assert_eq!((dns.env("OLD_DNS"), dns.env("OLD_DOMAINS")), ("192.0.2.1", "up0.example"));
    assert_eq!(dns.document()["old_dns"]["dns"][0], "192.0.2.1");
    // By a renewal.
    other_servers(&host, "up1", "198.51.100.53", "198.51.100.123");
    host.sh("networkctl renew up1");
    let records = host.await_records("the renewed lease", |records| {
        of(records, "lease", "up1").iter().any(|r| r.env("DHCP_DNS") == "198.51.100.53")
    });
    let lease = of(&records, "lease", "up1").pop().expect("just seen");
    assert_eq!((lease.env("ACTION"), lease.env("OLD_DHCP_DNS")), ("changed", "198.51.100.1"));
    assert_eq!(lease.env("DHCP_NTP"), "198.51.100.123");
    let records = host.await_records("its name servers", |records| {
        of(records, "dns", "up1").iter().any(|r| r.env("NTP").contains("198.51.100.123"))
    });
    let dns = of(&records, "dns", "up1").pop().expect("just seen");
    assert!(dns.env("DNS").contains("198.51.100.53"), "{}", dns.env("DNS"));
    assert!(dns.env("OLD_DNS").contains("198.51.100.1"), "{}", dns.env("OLD_DNS"));
    // And its end.
    let address = lease.env("DHCP_ADDRESS").to_owned();
    host.ip("link set up1 down");
    let records = host.await_records("the end of the lease", |records| {
        of(records, "lease", "up1").iter().any(|r| r.env("ACTION") == "removed")
    });
    let end = of(&records, "lease", "up1").pop().expect("just seen");
    assert_eq!((end.env("DHCP_ADDRESS"), end.env("OLD_DHCP_ADDRESS")), ("", &*address));
}

#[test]
fn leases_and_name_servers_of_networkmanager() {
    let test = "leases_and_name_servers_of_networkmanager";
    let events = ["lease", "dns", "activated"];
    let Some(host) = machine(test, "NetworkManager", "nm", &events) else { return };
    let _daemon = host.start_daemon();
    let first = host.await_run("lease", "nm0");
    assert_eq!((first.env("STARTUP"), first.env("ACTION")), ("1", "added"));
    assert!(first.env("DHCP_ADDRESS").starts_with("198.18.0.1"), "{first:?}");
    assert_eq!((first.env("DHCP_GATEWAY"), first.env("DHCP_DNS")), ("198.18.0.1", "198.18.0.1"));
    assert_eq!((first.env("DHCP_DOMAIN"), first.env("DHCP_SUBNET_MASK")), ("nm0.example", "255.255.255.0"));
    let activated = host.await_run("activated", "nm0");
    assert_eq!(activated.env("DHCP_ADDRESS"), first.env("DHCP_ADDRESS"));
    // Reapplied, without a change of state.
    host.sh("nmcli connection modify nm1 ipv4.dns 198.18.1.53; nmcli device reapply nm1");
    let records = host.await_records("dns of nm1", |records| {
        of(records, "dns", "nm1").iter().any(|r| r.env("DNS") == "198.18.1.53")
    });
    let dns = of(&records, "dns", "nm1").pop().expect("just seen");
    assert_eq!((dns.env("OLD_DNS"), dns.env("OLD_DOMAINS")), ("198.18.1.1", "nm1.example"));
    assert!(of(&records, "lease", "nm1").is_empty(), "it has none");
    // Renewed: the client asks again after eight seconds.
    other_servers(&host, "nm0", "198.18.0.53", "198.18.0.123");
    let records = host.await_records("the renewed lease", |records| {
        of(records, "dns", "nm0").iter().any(|r| r.env("DNS") == "198.18.0.53" && !r.env("NTP").is_empty())
    });
    let lease = of(&records, "lease", "nm0").pop().expect("told before");
    assert_eq!((lease.env("ACTION"), lease.env("OLD_DHCP_DNS")), ("changed", "198.18.0.1"));
    assert_eq!((lease.env("DHCP_DNS"), lease.env("DHCP_NTP")), ("198.18.0.53", "198.18.0.123"));
    let address = lease.env("DHCP_ADDRESS").to_owned();
    host.sh("nmcli connection down nm0");
    let records = host.await_records("the end of the lease", |records| {
        of(records, "lease", "nm0").iter().any(|r| r.env("ACTION") == "removed")
    });
    let end = of(&records, "lease", "nm0").pop().expect("just seen");
    assert_eq!((end.env("DHCP_ADDRESS"), end.env("OLD_DHCP_ADDRESS")), ("", &*address));
}

#[test]
fn leases_and_name_servers_of_dhclient() {
    let test = "leases_and_name_servers_of_dhclient";
    let Some(host) = machine(test, "dhclient", "dhclient", &["lease", "dns", "routable"]) else { return };
    let _daemon = host.start_daemon();
    let first = host.await_run("lease", "up2");
    assert_eq!((first.env("ACTION"), first.env("DHCP_DNS")), ("added", "203.0.113.1"));
    let dns = host.await_run("dns", "up2");
    assert_eq!((dns.env("DNS"), dns.env("OLD_DNS")), ("203.0.113.1", ""));
    host.sh("dhclient -4 -r -lf /var/lib/dhcp/dhclient.up2.leases -pf /run/dhclient.up2.pid up2");
    let records = host.await_records("the end of the lease", |records| {
        of(records, "dns", "up2").len() == 2 && of(records, "lease", "up2").len() == 2
    });
    let end = of(&records, "lease", "up2").pop().expect("just seen");
    assert_eq!((end.env("ACTION"), end.env("DHCP_ADDRESS")), ("removed", ""));
    assert_eq!(end.env("OLD_DHCP_ADDRESS"), first.env("DHCP_ADDRESS"));
    let dns = of(&records, "dns", "up2").pop().expect("just seen");
    assert_eq!(
        (dns.env("DNS"), dns.env("OLD_DNS"), dns.env("OLD_DOMAINS")),
        ("", "203.0.113.1", "up2.example")
    );
}

#[test]
fn leases_of_the_last_boot_are_none_of_a_link_that_is_down() {
    let test = "leases_of_the_last_boot_are_none_of_a_link_that_is_down";
    let Some(host) = machine(test, "dhclient", "dhclient", &["mtu", "lease", "dns"]) else { return };
    host.veth("eth7", 70);
    host.ip("link set eth7 down");
    host.write(
        "/var/lib/dhcp/dhclient.eth7.leases",
        "lease {\n  interface \"eth7\";\n  fixed-address 192.0.2.7;\n  option routers 192.0.2.1;\n  \
         option domain-name-servers 192.0.2.53;\n  expire never;\n}\n",
        0o644,
    );
    let _daemon = host.start_daemon();
    host.ip("link set eth7 mtu 1400");
    let run = host.await_run("mtu", "eth7");
    assert_eq!((run.env("GATEWAY"), run.env("DHCP_ADDRESS"), run.env("DNS")), ("", "", ""));
    assert_eq!(run.document()["link"]["gateway"], serde_json::Value::Null);
    assert!(!host.records().iter().any(|r| r.env("LINK") == "eth7" && r.env("EVENT") != "mtu"));
}

#[test]
fn leases_an_address_that_becomes_deprecated_is_told_once() {
    let Some(host) = Host::new("leases_an_address_that_becomes_deprecated_is_told_once") else { return };
    host.config("system: { backend: kernel }\n");
    for event in ["address-added", "address-changed"] {
        host.recorder(event, "10-note", "");
    }
    host.isp();
    host.veth("eth1", 70);
    let _daemon = host.start_daemon();
    let flags = || host.ip_json("-6 addr show dev eth1 scope global")[0]["addr_info"][0].to_string();
    let add = |lifetime: &str| {
        host.ip(&format!(
            "-6 addr replace 2001:db8::7/64 dev eth1 nodad valid_lft 3600 preferred_lft {lifetime}"
        ));
    };
    // A router that renumbers.
    add("3600");
    host.await_run("address-added", "eth1");
    add("0");
    wait_for("the kernel's word", flags, || flags().contains("\"deprecated\":true"));
    let changed = host.await_run("address-changed", "eth1");
    assert_eq!((changed.env("ACTION"), changed.env("ADDRESS")), ("changed", "2001:db8::7"));
    assert_eq!((changed.env("DEPRECATED"), changed.env("FAMILY")), ("1", "ipv6"));
    let document = changed.document();
    let flags = document["address"]["flags"].as_array().expect("flags");
    assert!(flags.iter().any(|flag| flag == "deprecated"), "{document}");
    add("3600");
    let all =
        host.await_records("preferred again", |records| of(records, "address-changed", "eth1").len() >= 2);
    let again = of(&all, "address-changed", "eth1");
    assert_eq!((again.len(), again[1].env("DEPRECATED")), (2, "0"));
}
