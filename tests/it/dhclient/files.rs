use super::{LEASES, await_read, forget, machine, routable};

#[test]
fn dhclient_a_file_that_may_not_be_read_is_named_with_its_cure() {
    let Some(host) = machine("dhclient_a_file_that_may_not_be_read_is_named_with_its_cure") else { return };
    host.write("/var/lib/dhcp/secret.leases", "", 0o600);
    let daemon = host.start_daemon();
    daemon.await_log(&["/var/lib/dhcp/secret.leases", "chmod a+r /var/lib/dhcp/secret.leases"]);
    // The others are read, and the warning is not repeated.
    await_read(&host, 7);
    host.write("/var/lib/dhcp/secret.leases", "#", 0o600);
    await_read(&host, 8);
    assert_eq!(daemon.log().matches("chmod a+r").count(), 1, "{}", daemon.log());
}

#[test]
fn dhclient_a_configured_file_in_a_directory_that_comes_later() {
    let Some(host) = machine("dhclient_a_configured_file_in_a_directory_that_comes_later") else { return };
    host.config(
        "system: { backend: dhclient }\nmonitoring: { interfaces: [up2] }\n\
         backends: { dhclient: { lease_files: [\"/srv/dhcp/*.lease\"] } }\n",
    );
    let _daemon = host.start_daemon();
    host.sh("mkdir -p /srv/dhcp");
    host.sh("dhclient -4 -1 -lf /srv/dhcp/up2.lease -pf /run/other.pid up2");
    let run = host.await_run("routable", "up2");
    assert!(run.env("DHCP_ADDRESS").starts_with("203.0.113.1"), "{run:#?}");
    forget(&host);
}

#[test]
fn dhclient_the_server_s_file_and_hostile_ones_give_no_lease() {
    let Some(host) = machine("dhclient_the_server_s_file_and_hostile_ones_give_no_lease") else { return };
    host.veth("eth5", 105);
    host.ip("addr add 192.0.2.5/24 dev eth5");
    let daemon = host.start_daemon();
    let lease = "interface \"eth5\"; fixed-address 192.0.2.5; expire never;";
    host.write("/var/lib/dhcp/dhcpd.leases", &format!("lease 192.0.2.5 {{ {lease} }}\n"), 0o644);
    host.write("/var/lib/dhcp/deep.leases", &("{".repeat(1 << 20) + "lease {" + lease), 0o644);
    host.write("/var/lib/dhcp/names.leases", "lease { interface \"../../etc/passwd\"; }", 0o644);
    host.sh("head -c 6000000 /dev/urandom >/var/lib/dhcp/noise.leases");
    host.sh("mkfifo /var/lib/dhcp/pipe.leases");
    await_read(&host, 7);
    let runs = routable(&host.records(), "eth5");
    assert!(runs.iter().all(|run| run.env("DHCP_ADDRESS").is_empty()), "{runs:#?}");
    // A name that is none is left out, and the script runs all the same.
    let domain = "option domain-name \"$(reboot)\"; option host-name \"a;b\";";
    host.write(LEASES, &format!("lease {{ {lease} {domain} }}\n"), 0o644);
    let records = host.await_records("the lease of eth5", |records| {
        routable(records, "eth5").last().is_some_and(|run| run.env("DHCP_ADDRESS") == "192.0.2.5")
    });
    let run = routable(&records, "eth5").pop().unwrap();
    assert_eq!((run.env("DHCP_DOMAIN"), run.env("DHCP_HOSTNAME")), ("", ""));
    assert!(run.env("NETEVD_REJECTED").contains("DHCP_DOMAIN"), "{run:#?}");
    assert_eq!(daemon.stop().status, 0);
}
