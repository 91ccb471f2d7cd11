//! The test machine itself: what the other tests take for granted.

use crate::support::{Host, wait_for};
use std::fs;

#[test]
fn machine_is_private_and_its_own() {
    let Some(host) = Host::new("machine_is_private_and_its_own") else { return };
    assert_eq!(host.sh("ip -br link | wc -l").trim(), "1", "only lo is there");
    host.write("/etc/netevd/netevd.yaml", "text", 0o644);
    assert_eq!(
        host.sh("cat /etc/netevd/netevd.yaml; stat -c %u:%a / /etc /etc/netevd | uniq"),
        "text0:755\n"
    );
    host.two_uplinks();
    assert_eq!(host.ifindex("eth1"), 7);
    assert_eq!(host.route_get("203.0.113.1"), "eth0");
    assert_eq!(host.route_get("203.0.113.1 from 198.51.100.2"), "eth0", "without netevd the wrong link");
    assert!(host.ours().is_empty());
    let foreign = host.foreign();
    host.ip("rule add priority 32002 from 198.51.100.2 lookup 207 protocol 110");
    host.ip("-6 rule add priority 32002 from 2001:db8::1 lookup 207 protocol 110");
    host.ip("route add unreachable default table 207 metric 4294967295 protocol 110");
    let ours = host.ours().into_iter().collect::<Vec<_>>();
    let expected = [
        "32002: from 198.51.100.2 lookup 207",
        "32002: from 2001:db8::1 lookup 207",
        "table 207: unreachable default metric 4294967295",
    ];
    assert_eq!(ours, expected);
    assert_eq!(host.foreign(), foreign);
}

#[test]
fn machine_ends_with_its_owner() {
    let Some(host) = Host::new("machine_ends_with_its_owner") else { return };
    let inside = host.path("/");
    assert!(fs::metadata(&inside).is_ok());
    drop(host);
    wait_for("process 1 is gone", String::new, || fs::metadata(&inside).is_err());
}
