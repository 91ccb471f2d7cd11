//! A dry run tells what would be done and does none of it.

use crate::support::{ETH1_MANAGED, Host, eth1_complete};
use serde_json::Value;

/// The first and the last of what eth1 is to get.
const RULES: [&str; 2] = ["rule from 198.51.100.2", "rule to 198.51.100.2"];

#[test]
fn input_a_dry_run_tells_all_and_does_nothing() {
    let Some(host) = Host::new("input_a_dry_run_tells_all_and_does_nothing") else { return };
    host.two_uplinks();
    host.config(&format!(
        "{ETH1_MANAGED}units: [{{ on: routable, link: eth1, start: vpn.service }}]\n\
         audit: {{ enabled: true, path: /var/log/audit-of-netevd }}\n"
    ));
    host.recorder("routable", "10-note", "");
    host.recorder("mtu", "10-note", "");
    let (ours, foreign) = (host.ours(), host.foreign());
    let mut daemon = host.launch_with("--dry-run");
    daemon.await_ready();
    for would in RULES.into_iter().chain(["default via 198.51.100.1"]) {
        daemon.await_log(&["dry run", "eth1", would]);
    }
    daemon.await_log(&["dry run: would run", "eth1", "/etc/netevd/routable.d/10-note"]);
    daemon.await_log(&["dry run: would do: start vpn.service", "eth1"]);
    // What happens later too.
    host.ip("link set eth0 mtu 1400");
    daemon.await_log(&["dry run: would run", "eth0", "/etc/netevd/mtu.d/10-note"]);
    assert!(daemon.child("netevd-priv").is_none(), "no helper");
    assert!(daemon.child("netevd-worker").is_some());
    assert!(host.records().is_empty(), "no script");
    assert_eq!((host.ours(), host.foreign()), (ours, foreign), "rules and routes are as before");
    assert!(!host.path("/var/log/audit-of-netevd").exists(), "what did not happen is in no audit log");
    let status =
        host.sh("/opt/netevd/netevd status --endpoint unix:/run/netevd-dry-run/api.sock --format json");
    let status: Value = serde_json::from_str(&status).expect("a document");
    assert_eq!((&status["dry_run"], &status["helper"]["state"]), (&true.into(), &"none".into()));
    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0, "{}", stopped.log);
    assert!(!host.path("/run/netevd-dry-run/state.json").exists(), "nothing is remembered");
}

#[test]
fn input_a_dry_run_stands_beside_a_daemon() {
    let Some(host) = Host::new("input_a_dry_run_stands_beside_a_daemon") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.write("/tmp/next.yaml", "system: { backend: kernel }\nrouting: { policy_rules: [] }\n", 0o644);
    let mut rehearsal = host.launch_with("--dry-run --config /tmp/next.yaml");
    rehearsal.await_ready();
    rehearsal.await_log(&["dry run", "delete rule from 198.51.100.2 lookup 207"]);
    assert_eq!(rehearsal.stop().status, 0);
    assert_eq!(host.ours(), eth1_complete().into_iter().collect(), "all of it stands");
    assert_eq!(daemon.stop().status, 0);
}
