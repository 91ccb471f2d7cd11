//! A router with so many routes that netevd does not walk over all of them at each pass.

use crate::support::{Host, eth1_complete, wait_for};
use std::collections::BTreeSet;

/// So many that a walk takes longer than is taken at each pass.
const ROUTES: usize = 300_000;

/// What stands of ours without a look at main.
fn ours(host: &Host, tables: &[u32]) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let rules = host.ip("rule show");
    let ours = rules.lines().filter(|line| line.contains("proto 110"));
    lines.extend(
        ours.map(|line| line.replace(":\t", ": ").replace("from all ", "").replace(" proto 110", "")),
    );
    for table in tables {
        // A table that was never used is an error to ip.
        let routes = host.run(&["ip", "route", "show", "table", &table.to_string()]).stdout;
        let words = |line: &str| line.replace(" proto 110", "").replace(" scope link", "");
        lines.extend(routes.lines().map(|line| format!("table {table}: {}", words(line).trim())));
    }
    lines.into_iter().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn routing_with_a_full_table_is_kept_right() {
    let Some(host) = Host::new("routing_with_a_full_table_is_kept_right") else { return };
    host.two_uplinks();
    host.veth("eth2", 8);
    host.peer("ip addr add 203.0.113.1/24 dev eth2p; ip addr add 198.51.100.251/24 dev eth1p");
    host.ip("addr add 203.0.113.2/24 dev eth2");
    host.ip("route add default via 203.0.113.1 dev eth2 metric 300");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1, eth2] }\n");
    let count = ROUTES.to_string();
    let words = ["bulk", "routes", "add", "0", &count, "eth0", "186", "192.0.2.1"];
    let output = host.run(&[&["/opt/netevd/netevd-test-agent"][..], &words].concat());
    assert_eq!(output.status, 0, "{}", output.stderr);
    let _daemon = host.start_daemon();

    let eth1: BTreeSet<String> = eth1_complete().into_iter().collect();
    let eth2: BTreeSet<String> = eth1
        .iter()
        .map(|line| line.replace("198.51.100.", "203.0.113.").replace("207", "208").replace("eth1", "eth2"))
        .map(|line| line.replace("metric 200", "metric 300"))
        .collect();
    let both: BTreeSet<String> = eth1.union(&eth2).cloned().collect();
    let await_these = |what: &str, expected: &BTreeSet<String>| {
        let explain = || format!("{expected:#?}\n{:#?}\n{}", ours(&host, &[207, 208]), host.log());
        wait_for(what, explain, || ours(&host, &[207, 208]) == *expected);
    };
    await_these("both tables are complete", &both);
    // The first look finds out that the kernel takes long, the others are taken aside.
    for _ in 0..3 {
        let metrics = host.get("/metrics").text();
        for table in [207, 208] {
            let line = format!("netevd_routes_total{{table=\"{table}\"}} 2");
            assert!(metrics.lines().any(|found| found == line), "{line}\n{metrics}");
        }
        assert_eq!(host.api("/api/v1/status")["routes_managed"], 4);
        let routes = host.api("/api/v1/interfaces/eth2")["routes"].clone();
        assert!(routes.as_array().is_some_and(|routes| routes.len() >= 4), "{routes}");
    }
    host.ip("route flush table 207");
    await_these("the table is back", &both);
    host.ip("route del 203.0.113.0/24 table 208");
    await_these("the one route is back", &both);
    host.ip("rule flush protocol 110");
    await_these("the rules are back", &both);
    host.ip("route change default via 198.51.100.251 dev eth1 metric 200");
    let other: BTreeSet<String> =
        both.iter().map(|line| line.replace("via 198.51.100.1 ", "via 198.51.100.251 ")).collect();
    await_these("the other gateway is in place", &other);
    // The kernel would leave the copies of a local network where they are.
    host.ip("link add docker0 up type bridge");
    host.ip("route add 172.17.0.0/16 dev docker0");
    let copies = [207, 208].map(|table| format!("table {table}: 172.17.0.0/16 dev docker0"));
    await_these("the local network is copied", &other.iter().cloned().chain(copies).collect());
    host.ip("route del 172.17.0.0/16 dev docker0");
    await_these("the copies are gone", &other);
    // Leaves the plan: what stood in its table goes.
    host.ip("addr del 203.0.113.2/24 dev eth2");
    await_these("nothing is left of eth2", &other.difference(&eth2).cloned().collect());
}

/// Kilobytes of the helper at its largest; what it keeps of 300,000 routes would be thirty thousand.
const HELPER_MOST: u64 = 8_000;

#[test]
fn routing_with_a_full_table_by_its_own_uplink_costs_the_helper_no_memory() {
    let test = "routing_with_a_full_table_by_its_own_uplink_costs_the_helper_no_memory";
    let Some(host) = Host::new(test) else { return };
    host.two_uplinks();
    // A local network, so that all of main is looked through as well.
    host.ip("link add name br0 type bridge");
    host.ip("addr add 172.17.0.1/16 dev br0");
    host.ip("link set br0 up");
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1] }\n");
    let count = ROUTES.to_string();
    let words = ["bulk", "routes", "add", "0", &count, "eth1", "186", "198.51.100.1"];
    let output = host.run(&[&["/opt/netevd/netevd-test-agent"][..], &words].concat());
    assert_eq!(output.status, 0, "{}", output.stderr);
    let daemon = host.start_daemon();

    // Too many to copy: main is asked first, for all but its defaults.
    let mut expected: BTreeSet<String> = eth1_complete().into_iter().collect();
    expected.remove("table 207: 198.51.100.0/24 dev eth1");
    expected.insert("32001: from 198.51.100.2 lookup main suppress_prefixlength 7".to_owned());
    let standing = || -> BTreeSet<String> {
        ours(&host, &[207]).into_iter().map(|line| line.replace(" linkdown", "")).collect()
    };
    let explain = || format!("{expected:#?}\n{:#?}\n{}", standing(), host.log());
    wait_for("the table is complete", explain, || standing() == expected);
    daemon.await_log(&["WARN", "eth1 ipv4: main has more than 4096 routes to copy", "routing.limits.copies"]);
    assert_eq!(host.route_get("172.17.0.9 from 198.51.100.2"), "br0");
    let pid = daemon.child("netevd-priv").expect("it runs");
    let status = host.read(&format!("/proc/{pid}/status"));
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a line of status");
    let most: u64 = most.split_whitespace().next().expect("a number").parse().expect("a number");
    assert!(most < HELPER_MOST, "the helper had {most} kB");
}
