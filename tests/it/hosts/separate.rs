//! Defaults in tables of their own.

use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 1] = ["far 203.0.113.9 -> 198.51.100.2"];
const FAR_V6: [&str; 1] = ["far 2001:db8:9::9 -> 2001:db8:b::2"];

/// A table for marked traffic (a transparent proxy, a VPN box on the LAN) is nobody's gateway else: tailscale#11447.
#[test]
fn hosts_a_table_for_marked_traffic_beside_main() {
    let Some(site) = Site::with_eth1("hosts_a_table_for_marked_traffic_beside_main") else { return };
    site.sh("ip rule add fwmark 1 lookup 100; ip route add default via 198.51.100.53 dev eth1 table 100
         ip -6 rule add fwmark 1 lookup 100; ip -6 route add default via fe80::53 dev eth1 table 100");
    let managed = site.managed(&Policy::of(&["eth1"]), &["203.0.113.99"]);
    managed.shows(
        &[
            "default via 198.51.100.1 dev eth1 proto 110 metric 200",
            "default via fe80::b1 dev eth1 proto 110 metric 200",
        ],
        &["198.51.100.53", "fe80::53"],
    );
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    // The same without main's default: still no gateway.
    managed.step(
        "ip route del default via 198.51.100.1 dev eth1; ip -6 route del default via fe80::b1 dev eth1",
    );
    managed.shows(&[], &["lookup 207"]);
}

/// A link whose default is in a table of its own alone (netplan's routing-policy) is an uplink, listed or not.
#[test]
fn hosts_an_uplink_by_a_table_of_its_own() {
    let Some(site) = Site::with_eth1("hosts_an_uplink_by_a_table_of_its_own") else { return };
    site.sh("ip link add name eth2 index 9 type veth peer name e2p; ip link set eth2 up; ip link set e2p up
         ip addr add 203.0.112.5/24 dev eth2; ip route add default via 203.0.112.1 dev eth2 table 300
         ip rule add from 203.0.112.5 lookup 300
         ip addr add 2001:db8:2::5/64 dev eth2; ip -6 route add default via 2001:db8:2::1 dev eth2 table 300
         ip -6 rule add from 2001:db8:2::/64 lookup 300");
    let managed = site.managed(&Policy::of(&["eth1"]), &["203.0.112.77", "2001:db8:2::77"]);
    managed.shows(&[], &["203.0.112.0/24 dev eth2 proto 110", "2001:db8:2::/64 dev eth2 proto 110"]);
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.step("ip rule del from 203.0.112.5 lookup 300; ip -6 rule del from 2001:db8:2::/64 lookup 300");
    managed.shows(&["203.0.112.0/24 dev eth2 proto 110", "2001:db8:2::/64 dev eth2 proto 110"], &[]);
}

/// networkd's `RouteTable=` for DHCP: main has none through eth1, a rule leads to the table that has.
#[test]
fn hosts_a_default_in_a_table_of_ones_own() {
    let Some(site) = Site::new("hosts_a_default_in_a_table_of_ones_own") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip route add default via 198.51.100.1 dev eth1 table 1000 metric 70
         ip rule add from 198.51.100.2 lookup 1000 pref 32500
         ip addr add 2001:db8:b::2/64 dev eth1; ip -6 route add default via fe80::b1 dev eth1 table 1000 metric 70
         ip -6 rule add from 2001:db8:b::2 lookup 1000 pref 32500");
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.shows(&["default via 198.51.100.1 dev eth1 proto 110 metric 70"], &[]);
}

/// The gateway in the configuration, and no default anywhere.
#[test]
fn hosts_a_gateway_of_the_configuration() {
    let Some(site) = Site::new("hosts_a_gateway_of_the_configuration") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1");
    let policy = Policy::of(&["eth1"]).gateway("eth1", "198.51.100.1").gateway("eth1", "fe80::b1");
    let managed = site.managed(&policy, &[]);
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.shows(
        &["default via 198.51.100.1 dev eth1 proto 110", "default via fe80::b1 dev eth1 proto 110"],
        &[],
    );
}

/// Azure and GCP: a second interface has a subnet through its gateway, and no default.
#[test]
fn hosts_the_only_next_hop_of_ones_own_subnet() {
    let Some(site) = Site::new("hosts_the_only_next_hop_of_ones_own_subnet") else { return };
    site.sh("ip addr add 198.51.100.2/32 dev eth1; ip route add 198.51.100.1 dev eth1 scope link
         ip route add 198.51.100.0/24 via 198.51.100.1 dev eth1
         ip route add 10.40.0.0/16 via 198.51.100.254 dev eth1 onlink");
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    managed.answered(&FAR);
    managed.shows(&["default via 198.51.100.1 dev eth1 proto 110"], &["default via 198.51.100.254"]);
    managed.step("ip route del 198.51.100.0/24 via 198.51.100.1 dev eth1");
    // What is left leads to elsewhere: that is no gateway for everything.
    managed.shows(&[], &["lookup 207"]);
}
