use super::{LEASES, await_leases, await_read, forget, machine, routable};
use crate::support::wait_for;

#[test]
fn dhclient_a_lease_runs_routable_once_and_renewals_run_nothing() {
    let Some(host) = machine("dhclient_a_lease_runs_routable_once_and_renewals_run_nothing") else { return };
    host.lease_times(3, 60);
    let daemon = host.start_daemon();
    host.manager("dhclient").start();
    let run = host.await_run("routable", "up2");
    // Its end is waited for by the clock on the wall (0), which goes on in suspend (proc_pid_fdinfo(5)).
    let worker = daemon.child("netevd-worker").unwrap();
    let clocks = || host.sh(&format!("cat /proc/{worker}/fdinfo/* 2>/dev/null | grep ^clockid || true"));
    wait_for("the end's timer", clocks, || clocks().lines().any(|line| line == "clockid: 0"));
    let address = host.ip_json("-4 addr show dev up2")[0]["addr_info"][0]["local"].clone();
    assert_eq!(run.env("DHCP_ADDRESS"), address.as_str().unwrap());
    for (variable, value) in [
        ("DHCP_GATEWAY", "203.0.113.1"),
        ("DHCP_DNS", "203.0.113.1"),
        ("DHCP_DOMAIN", "up2.example"),
        ("DHCP_SUBNET_MASK", "255.255.255.0"),
        ("OLD_DHCP_ADDRESS", ""),
        ("GATEWAY", "203.0.113.1"),
        ("BACKEND", "dhclient"),
    ] {
        assert_eq!(run.env(variable), value, "{variable}");
    }
    assert!(run.env("ADDRESSES").contains(run.env("DHCP_ADDRESS")), "{}", run.env("ADDRESSES"));

    // A renewal is written, with other times and the options in another order; not before 15 s after
    // the lease before it (MIN_LEASE_WRITE of client/dhclient.c).
    let acks = || host.manager("dhclient").log().matches("DHCPACK").count();
    wait_for("renewals", || host.manager("dhclient").log(), || acks() >= 3);
    await_leases(&host, 2);
    await_read(&host, 7);
    let runs = routable(&host.records(), "up2");
    assert_eq!(runs.len(), 1, "{runs:#?}");
}

#[test]
fn dhclient_another_address_runs_routable_once_with_the_old_one() {
    let Some(host) = machine("dhclient_another_address_runs_routable_once_with_the_old_one") else { return };
    host.lease_times(3, 60);
    let _daemon = host.start_daemon();
    host.manager("dhclient").start();
    let first = host.await_run("routable", "up2").env("DHCP_ADDRESS").to_owned();
    // A client that begins again asks for its old address, is refused, and takes another.
    host.manager("dhclient").signal("KILL");
    wait_for("dhclient's end", String::new, || host.manager("dhclient").pid().is_none());
    host.hand_out("up2", "203.0.113.200", "203.0.113.210");
    host.manager("dhclient").start();
    let records = host.await_records("another lease", |records| {
        routable(records, "up2").last().is_some_and(|run| run.env("DHCP_ADDRESS").starts_with("203.0.113.2"))
    });
    await_read(&host, 7);
    let runs = routable(&host.records(), "up2");
    assert_eq!(runs.len(), 2, "{runs:#?}");
    let run = routable(&records, "up2").pop().unwrap();
    assert_eq!(run.env("OLD_DHCP_ADDRESS"), first);
    assert!(run.env("ADDRESSES").contains(run.env("DHCP_ADDRESS")), "{run:#?}");
    assert!(!run.env("ADDRESSES").contains(&first), "{run:#?}");
    assert_eq!(run.document()["old_lease"]["ipv4"]["address"], first.as_str());
}

#[test]
fn dhclient_a_lease_that_was_there_at_start_is_replayed_and_one_that_ended_is_none() {
    let test = "dhclient_a_lease_that_was_there_at_start_is_replayed_and_one_that_ended_is_none";
    let Some(host) = machine(test) else { return };
    host.manager("dhclient").start();
    host.await_uplinks();
    let has_route = || host.route_get("192.0.2.1") == "up2";
    wait_for("dhclient is done", || host.ip("addr"), has_route);
    let daemon = host.start_daemon();
    let run = host.await_run("routable", "up2");
    assert_eq!(run.env("STARTUP"), "1");
    assert!(run.env("DHCP_ADDRESS").starts_with("203.0.113.1"), "{run:#?}");
    daemon.stop();

    // The same address, but the lease has ended: by hand it is no lease.
    forget(&host);
    host.write(
        LEASES,
        "lease {\n  interface \"up2\";\n  fixed-address 203.0.113.77;\n  expire 1 2020/01/01 00:00:00;\n}\n",
        0o644,
    );
    host.write("/out/records", "", 0o666);
    let _daemon = host.start_daemon();
    host.ip("addr add 203.0.113.77/24 dev up2");
    host.ip("route add default via 203.0.113.1");
    let run = host.await_run("routable", "up2");
    assert_eq!((run.env("DHCP_ADDRESS"), run.env("GATEWAY")), ("", "203.0.113.1"));
}

#[test]
fn dhclient_a_lease_of_ipv6_is_told_too() {
    let Some(host) = machine("dhclient_a_lease_of_ipv6_is_told_too") else { return };
    // Link-local addresses, to advertise and to ask from; without duplicate address detection.
    host.peer("ip addr add fe80::1/64 dev up2p nodad; ip addr add 2001:db8:9::1/64 dev up2p nodad");
    host.ip("addr add fe80::2/64 dev up2 nodad");
    host.write(
        "/run/managers/dnsmasq.d/v6",
        "enable-ra\ndhcp-range=2001:db8:9::100,2001:db8:9::1ff,64,2m\n\
         dhcp-option=option6:dns-server,[2001:db8:9::53]\n\
         dhcp-option=option6:domain-search,six.example,b.example\n",
        0o644,
    );
    host.manager("dnsmasq").restart();
    let _daemon = host.start_daemon();
    let ready = || host.ip("-6 route show default dev up2");
    wait_for("a router's advertisement", || host.ip("-6 addr"), || !ready().is_empty());
    host.sh("dhclient -6 -1 -lf /var/lib/dhcp/dhclient6.up2.leases -pf /run/dhclient6.pid up2");
    let records = host.await_records("the lease", |records| {
        routable(records, "up2").iter().any(|run| !run.env("DHCP_ADDRESS").is_empty())
    });
    let run = routable(&records, "up2").pop().unwrap();
    assert!(run.env("DHCP_ADDRESS").starts_with("2001:db8:9::1"), "{run:#?}");
    assert_eq!(run.env("DHCP_DNS"), "2001:db8:9::53");
    assert_eq!(run.env("DHCP_DOMAIN").split_whitespace().next(), Some("six.example"));

    host.sh("dhclient -6 -r -lf /var/lib/dhcp/dhclient6.up2.leases -pf /run/dhclient6.pid up2");
    await_read(&host, 7);
    let before = routable(&host.records(), "up2").len();
    host.ip("addr add 203.0.113.9/24 dev up2");
    host.ip("route add default via 203.0.113.1");
    let records = host.await_records("routable again", |records| routable(records, "up2").len() > before);
    assert_eq!(routable(&records, "up2").pop().unwrap().env("DHCP_ADDRESS"), "", "given back");
}
