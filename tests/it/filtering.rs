//! The kernel is asked to be silent about routes that nobody wants to hear of, and only about those.

use crate::support::{Daemon, ETH1_MANAGED, Host, Record, eth1_complete, wait_for};

/// The routing daemon is none of netevd's business.
const IGNORED: &str =
    "system: { backend: kernel }\nrouting: { policy_rules: [eth1], ignore_protocols: [bgp] }\n";
/// Routes of it: none of them is needed for anything but `routes.d`.
const DAEMONS: &str = "proto 186";
const ROUTES: usize = 200;

/// Messages of a type that the worker has read, as it counts them.
fn read(host: &Host, kind: &str) -> u64 {
    let series = format!("netevd_netlink_messages_total{{message_type=\"{kind}\"}} ");
    let text = host.get("/metrics").text();
    let found = text.lines().find_map(|line| line.strip_prefix(&series)).unwrap_or_default();
    found.parse().unwrap_or_else(|e| panic!("{series}: {found}: {e}"))
}

fn many(host: &Host, verb: &str, words: &str) {
    let line = |n| format!("route {verb} 10.9.{n}.0/24 dev eth0 {words}\n");
    host.ip_batch(&(0..ROUTES).map(line).collect::<String>(), false);
}

/// Changes of routes below 10/8 that scripts heard of, or were told that there were.
fn told(records: &[Record]) -> usize {
    let of = |record: &Record| {
        let routes = record.document()["routes"].as_array().cloned().unwrap_or_default();
        let is = |route: &&serde_json::Value| {
            route["destination"].as_str().is_some_and(|to| to.starts_with("10."))
        };
        routes.iter().filter(is).count() + record.env("SKIPPED").parse::<usize>().expect("a number")
    };
    records.iter().filter(|record| record.env("EVENT") == "routes").map(of).sum()
}

/// A message that is read in any case has been read: so has what came before it.
fn settle(host: &Host) {
    let before = read(host, "RTM_NEWADDR");
    host.ip("addr add 192.0.2.99/24 dev eth0; ip addr del 192.0.2.99/24 dev eth0");
    wait_for("the address is read", || host.log(), || read(host, "RTM_NEWADDR") > before);
}

fn machine(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.two_uplinks();
    host.config(IGNORED);
    Some(host)
}

/// Whether the worker has a watch on the directories: else the kernel is not asked for silence.
fn start(host: &Host) -> Daemon<'_> {
    let daemon = host.start_daemon();
    assert!(!host.log().contains("cannot be watched"), "{}", host.log());
    daemon
}

#[test]
fn filtering_drops_what_nobody_wants_and_no_more() {
    let Some(host) = machine("filtering_drops_what_nobody_wants_and_no_more") else { return };
    let _daemon = start(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
    settle(&host);
    let before = (read(&host, "RTM_NEWROUTE"), read(&host, "RTM_DELROUTE"));
    many(&host, "add", DAEMONS);
    many(&host, "del", DAEMONS);
    settle(&host);
    assert_eq!(
        (read(&host, "RTM_NEWROUTE"), read(&host, "RTM_DELROUTE")),
        before,
        "not one of them was read"
    );

    // A daemon's default is the gateway of its link, and a local network of main's is copied.
    host.ip("route replace default via 198.51.100.254 dev eth1 metric 200 proto 186");
    host.ip("link add dummy0 type bridge; ip link set dummy0 up; ip route add 10.7.0.0/16 dev dummy0 proto static");
    let mut expected = eth1_complete();
    expected.retain(|line| !line.contains("default"));
    expected.push("table 207: default via 198.51.100.254 dev eth1 metric 200".to_owned());
    let mut with_network = expected.clone();
    with_network.push("table 207: 10.7.0.0/16 dev dummy0".to_owned());
    host.await_ours("both are seen", &with_network);
    // The same network is the ignored daemon's now, of which the next pass takes note.
    host.ip("route replace 10.7.0.0/16 dev dummy0 proto 186");
    host.ip("link set dummy0 mtu 1400");
    host.await_ours("it is copied no longer", &expected);
    // Whoever takes ours away is noticed.
    host.ip("route flush table 207 proto 110");
    host.await_ours("put back", &expected);
}

#[test]
fn filtering_of_another_uplink_s_table_ends_with_its_default() {
    let test = "filtering_of_another_uplink_s_table_ends_with_its_default";
    let Some(host) = machine(test) else { return };
    host.config(ETH1_MANAGED);
    host.veth("docker0", 9);
    host.ip("addr add 172.17.0.1/16 dev docker0");
    let _daemon = start(&host);
    let mut expected = eth1_complete();
    expected.push("table 207: 172.17.0.0/16 dev docker0".to_owned());
    host.await_ours("eth1 is complete", &expected);
    let silent = || {
        let before = (read(&host, "RTM_NEWROUTE"), read(&host, "RTM_DELROUTE"));
        many(&host, "add", DAEMONS);
        many(&host, "del", DAEMONS);
        settle(&host);
        (read(&host, "RTM_NEWROUTE"), read(&host, "RTM_DELROUTE")) == before
    };
    wait_for("not one of eth0's routes is read", || host.log(), silent);

    // Inside of a net that is copied it goes where the table's default goes.
    host.ip("route add 172.17.9.0/24 dev eth0 proto 186");
    let mut with_followed = expected.clone();
    with_followed.push("table 207: 172.17.9.0/24 via 198.51.100.1 dev eth1".to_owned());
    host.await_ours("the one inside is followed", &with_followed);
    host.ip("route del 172.17.9.0/24 dev eth0 proto 186");
    host.await_ours("it is gone again", &expected);

    // Without its default eth0 is no uplink: what was not heard of is copied, and what comes is heard of.
    many(&host, "add", DAEMONS);
    host.ip("route del default dev eth0");
    expected.extend((0..ROUTES).map(|n| format!("table 207: 10.9.{n}.0/24 dev eth0")));
    expected.push("table 207: 192.0.2.0/24 dev eth0".to_owned());
    host.await_ours("eth0's routes are copied", &expected);
    host.ip("route add 10.8.0.0/24 dev eth0 proto 186");
    expected.push("table 207: 10.8.0.0/24 dev eth0".to_owned());
    host.await_ours("the next one is copied", &expected);
    // And with a default it is one again.
    host.ip("route add default via 192.0.2.1 dev eth0 metric 100");
    expected.retain(|line| !line.ends_with(" dev eth0"));
    host.await_ours("eth0 is an uplink again", &expected);
    wait_for(
        "silence again",
        || host.log(),
        || {
            many(&host, "del", DAEMONS);
            many(&host, "add", DAEMONS);
            let before = read(&host, "RTM_NEWROUTE");
            many(&host, "del", DAEMONS);
            many(&host, "add", DAEMONS);
            settle(&host);
            read(&host, "RTM_NEWROUTE") == before
        },
    );
}

#[test]
fn filtering_ends_when_a_script_is_there() {
    let Some(host) = machine("filtering_ends_when_a_script_is_there") else { return };
    // Nor is there a table that main's routes are copied to.
    host.config("system: { backend: kernel }\n");
    host.sh("rm -rf /etc/netevd/routes.d");
    let _daemon = start(&host);
    many(&host, "add", DAEMONS);
    settle(&host);
    let before = read(&host, "RTM_NEWROUTE");
    let resyncs = |host: &Host| {
        let text = host.get("/metrics").text();
        let line =
            text.lines().find_map(|line| line.strip_prefix("netevd_resyncs_total ")).map(str::to_owned);
        line.and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    let read_before = resyncs(&host);
    host.recorder("routes", "10-note", "");
    // What stands is taken notice of, and is no news.
    wait_for("the routes are read", || host.log(), || resyncs(&host) > read_before);
    many(&host, "del", DAEMONS);
    host.await_records("each deletion is told", |records| told(records) == ROUTES);
    many(&host, "add", DAEMONS);
    host.await_records("each addition is told", |records| told(records) == 2 * ROUTES);
    assert_eq!(read(&host, "RTM_NEWROUTE") - before, u64::try_from(ROUTES).expect("few"));

    host.sh("rm /etc/netevd/routes.d/10-note");
    let silent = || {
        let before = read(&host, "RTM_NEWROUTE");
        host.ip("route add 10.8.0.0/24 dev eth0 proto 186; ip route del 10.8.0.0/24 dev eth0 proto 186");
        settle(&host);
        read(&host, "RTM_NEWROUTE") == before
    };
    wait_for("silence again", || host.log(), silent);
}

#[test]
fn filtering_of_private_tables_follows_the_policy() {
    let Some(host) = machine("filtering_of_private_tables_follows_the_policy") else { return };
    host.config("system: { backend: kernel }\n");
    let daemon = start(&host);
    settle(&host);
    let before = read(&host, "RTM_NEWROUTE");
    host.ip("route add 10.5.0.0/16 dev eth0 table 207");
    settle(&host);
    assert_eq!(read(&host, "RTM_NEWROUTE"), before, "no table is ours");
    host.config(ETH1_MANAGED);
    daemon.signal("HUP");
    wait_for(
        "the foreign route is named",
        || host.log(),
        || host.log().contains("table 207 holds routes that are not netevd's"),
    );
    // Its end is told, so the table is taken at once.
    host.ip("route del 10.5.0.0/16 dev eth0 table 207");
    host.await_ours("eth1 is complete", &eth1_complete());
}

/// Anonymous memory of a process, in kB.
fn memory(host: &Host, pid: u32) -> u64 {
    let status = host.read(&format!("/proc/{pid}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap_or_default();
    line.trim_end_matches("kB").trim().parse().unwrap_or_else(|e| panic!("{status}: {e}"))
}

#[test]
fn filtering_a_full_table_costs_no_memory() {
    let Some(host) = machine("filtering_a_full_table_costs_no_memory") else { return };
    let nets = |n: u32| format!("10.{}.{}.{}/32", n / 65_536, n / 256 % 256, n % 256);
    let lines = |verb: &str| -> String {
        (0..60_000).map(|n| format!("route {verb} {} dev eth0 {DAEMONS}\n", nets(n))).collect()
    };
    host.ip_batch(&lines("add"), false);
    let daemon = start(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    // Kept, they would need 8 MB at the least.
    let at_start = memory(&host, worker);
    assert!(at_start < 6_000, "{at_start} kB after a dump of 60,000 routes");
    host.ip_batch(&lines("del"), false);
    settle(&host);
    let after = memory(&host, worker);
    assert!(after < at_start + 1_000, "{at_start} kB became {after} kB");
}
