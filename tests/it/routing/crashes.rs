//! SIGKILL at each of the first twenty requests; the next start makes it right.
//!
//! The test agent stands between worker and helper in the launcher's place and counts frames.

use crate::support::Host;
use std::collections::BTreeSet;

const CONFIG: &str = "\
system: { backend: kernel }
routing:
  policy_rules: [eth0, eth1]
  fallback: unreachable
";

/// Two managed uplinks and enough local networks for more than twenty requests.
fn machine(host: &Host) -> BTreeSet<String> {
    host.two_uplinks();
    host.config(CONFIG);
    host.sh("mkdir -p /run/netevd && chmod 755 /run/netevd && (chown netevd: /run/netevd || true)");
    for n in 3..6 {
        host.ip(&format!("addr add 192.0.2.{n}/24 dev eth0"));
        host.ip(&format!("addr add 198.51.100.{n}/24 dev eth1"));
    }
    host.veth("docker0", 8);
    for n in 20..26 {
        host.ip(&format!("addr add 172.{n}.0.1/16 dev docker0"));
    }
    // What has a gateway is asked for by itself, after what has none.
    host.ip("route add 10.244.0.0/24 via 172.20.0.9 dev docker0");
    host.ip("-6 addr add 2001:db8:d::1/64 dev docker0 nodad");
    host.ip("-6 route add 2001:db8:d1::/64 via 2001:db8:d::9 dev docker0");
    for (link, net, metric) in [("eth0", 0, 100), ("eth1", 1, 200)] {
        host.ip(&format!("addr add 2001:db8:{net}::2/64 dev {link} nodad"));
        host.ip(&format!("route add default via 2001:db8:{net}::1 dev {link} metric {metric}"));
        // And what other links have as well, for the sake of the links to leave out.
        let gateway = if net == 0 { "192.0.2.9" } else { "198.51.100.9" };
        host.ip(&format!("route add 10.50.0.0/16 via {gateway} dev {link} metric {metric}"));
        host.ip(&format!("-6 route add 2001:db8:50::/48 via 2001:db8:{net}::9 dev {link} metric {metric}"));
    }
    // What a clean start makes of it is what every start has to make of it.
    let daemon = host.start_daemon();
    let desired = host.ours();
    let rules = desired.iter().filter(|line| line.starts_with("3200")).count();
    assert_eq!(rules, 20, "ten addresses, two rules each: {desired:#?}");
    assert!(desired.len() > 20 + 5, "{desired:#?}");
    assert_eq!(daemon.stop().status, 0);
    desired
}

fn wiped(host: &Host) {
    // ip -6 leaves unreachable routes out of what it flushes.
    host.sh("for family in -4 -6; do
            ip $family rule flush protocol 110
            ip $family route flush table all protocol 110
         done
         for table in 206 207; do
            ip -6 route del unreachable default table $table 2>/dev/null || true
         done");
    assert_eq!(host.ours(), BTreeSet::new());
}

fn killed_at_each_request(host: &Host, victim: &str) {
    let desired = machine(host);
    let foreign = host.foreign();
    for n in 1..=20 {
        wiped(host);
        // Something stale for the synchronisation to remove.
        host.ip("rule add priority 32002 from 203.0.113.99 lookup 209 protocol 110");
        let moment = if n % 2 == 0 { "before" } else { "after" };
        let (count, n) = (n.to_string(), n);
        let relay = host.run(&["/opt/netevd/netevd-test-agent", "relay", victim, &count, moment]);
        assert_eq!(relay.status, 0, "request {n}: {}{}", relay.stdout, relay.stderr);
        let daemon = host.start_daemon();
        host.await_ours(
            &format!("exactly the desired set, after {victim} died {moment} request {n}: {}", relay.stdout),
            &desired.iter().collect::<Vec<_>>(),
        );
        assert_eq!(daemon.stop().status, 0);
    }
    assert_eq!(host.foreign(), foreign);
}

#[test]
fn routing_worker_killed_at_each_of_twenty_requests() {
    let Some(host) = Host::new("routing_worker_killed_at_each_of_twenty_requests") else { return };
    killed_at_each_request(&host, "worker");
}

#[test]
fn routing_helper_killed_at_each_of_twenty_requests() {
    let Some(host) = Host::new("routing_helper_killed_at_each_of_twenty_requests") else { return };
    killed_at_each_request(&host, "helper");
}

#[test]
fn routing_both_killed_at_each_of_twenty_requests() {
    let Some(host) = Host::new("routing_both_killed_at_each_of_twenty_requests") else { return };
    killed_at_each_request(&host, "both");
}

#[test]
fn routing_one_child_killed_ends_the_other_and_the_state_stays() {
    let name = "routing_one_child_killed_ends_the_other_and_the_state_stays";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    for program in ["netevd-worker", "netevd-priv"] {
        let daemon = host.start_daemon();
        let state = host.ours();
        assert!(!state.is_empty());
        let pid = daemon.child(program).expect("the child runs");
        host.sh(&format!("kill -KILL {pid}"));
        let ended = daemon.ended();
        assert_eq!(ended.status, 1, "{}", ended.log);
        assert!(ended.log.contains(program), "the log names {program}:\n{}", ended.log);
        assert_eq!(host.ours(), state, "the routing state stays");
        let left = host.sh("ps -o comm= | grep -c netevd- || true");
        assert_eq!(left.trim(), "0", "neither child is left");
    }
}
