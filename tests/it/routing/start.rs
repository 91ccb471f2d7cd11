//! What is there at start, and what comes in either order.

use crate::support::{ETH1_MANAGED, Host, eth1_complete, holds_for};
use std::time::Duration;

#[test]
fn routing_addresses_and_default_before_start() {
    let Some(host) = Host::new("routing_addresses_and_default_before_start") else { return };
    host.two_uplinks();
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    assert_eq!(host.route_get("203.0.113.9 from 198.51.100.2"), "eth1");
    assert_eq!(host.route_get("203.0.113.9 from 192.0.2.2"), "eth0");
    assert_eq!(host.route_get("192.0.2.77 from 198.51.100.2"), "eth1", "also to eth0's own subnet");
    assert_eq!(host.foreign(), foreign);

    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0, "{}", stopped.log);
    assert_eq!(host.ours(), eth1_complete().into_iter().collect(), "the state stays after a stop");
}

#[test]
fn routing_address_first_then_default() {
    let Some(host) = Host::new("routing_address_first_then_default") else { return };
    host.isp();
    host.veth("eth1", 7);
    host.config(ETH1_MANAGED);
    let _daemon = host.start_daemon();
    host.ip("addr add 198.51.100.2/24 dev eth1");
    holds_for(Duration::from_secs(2), "without a gateway nothing is installed", || host.ours().is_empty());
    host.ip("route add default via 198.51.100.1 dev eth1 metric 200");
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn routing_default_first_then_address() {
    let Some(host) = Host::new("routing_default_first_then_address") else { return };
    host.isp();
    host.veth("eth1", 7);
    host.config(ETH1_MANAGED);
    let _daemon = host.start_daemon();
    // Without an address there is no subnet: onlink is how such a gateway gets in at all.
    host.ip("route add default via 198.51.100.1 dev eth1 onlink metric 200");
    holds_for(Duration::from_secs(1), "without an address nothing is installed", || host.ours().is_empty());
    host.ip("addr add 198.51.100.2/24 dev eth1");
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn routing_address_and_default_removed_again() {
    let Some(host) = Host::new("routing_address_and_default_removed_again") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.ip("route del default via 198.51.100.1 dev eth1");
    host.await_ours::<&str>("without a gateway nothing is left", &[]);
    host.ip("route add default via 198.51.100.1 dev eth1 metric 200");
    host.await_ours("eth1 is complete again", &eth1_complete());
    host.ip("addr del 198.51.100.2/24 dev eth1");
    host.await_ours::<&str>("without an address nothing is left", &[]);
}
