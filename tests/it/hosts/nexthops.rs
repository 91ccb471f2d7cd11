//! Next hops that are no plain gateways in the subnet: nexthop objects, onlink, a hop of the other family.

use super::site::{Managed, Site};
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "host 198.51.100.2 -> 203.0.113.9"];

fn eth1() -> Policy {
    Policy::of(&["eth1"])
}

/// What FRR's zebra installs by default: FRR#18326, bisdn/basebox#469, libnl#340.
#[test]
fn hosts_a_default_by_a_nexthop_object() {
    let Some(site) = Site::new("hosts_a_default_by_a_nexthop_object") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip nexthop add id 30 via 198.51.100.1 dev eth1
         ip route add default nhid 30 proto bgp metric 200
         ip addr add 2001:db8:b::2/64 dev eth1; ip -6 nexthop add id 60 via fe80::b1 dev eth1
         ip -6 route add default nhid 60 metric 200");
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    managed.answered(&["far 2001:db8:9::9 -> 2001:db8:b::2"]);
    managed.shows(&["default via 198.51.100.1 dev eth1 proto 110 metric 200"], &["nhid"]);

    managed.step("ip route replace default via 198.51.100.1 dev eth1 proto bgp metric 200");
    managed.answered(&FAR);
    managed.step("ip route replace default nhid 30 proto bgp metric 200");
    // The kernel sends no message of the route.
    managed.step(
        "n r1 'ip addr add 198.51.100.254/24 dev lan'; ip nexthop replace id 30 via 198.51.100.254 dev eth1",
    );
    managed.shows(&["default via 198.51.100.254 dev eth1 proto 110 metric 200"], &[]);
    managed.answered(&FAR);
    managed.step(
        "ip nexthop add id 31 via 198.51.100.1 dev eth1; ip nexthop add id 40 group 30/31
         ip route replace default nhid 40 proto bgp metric 200",
    );
    managed.step("ip nexthop replace id 40 group 31");
    managed.shows(&["default via 198.51.100.1 dev eth1 proto 110 metric 200"], &[]);
    managed.answered(&FAR);
    // Every default of the host.
    managed.step("ip nexthop add id 32 via 192.0.2.1 dev eth0; ip route replace default nhid 32 metric 100");
    managed.answered(&["host -> 203.0.113.9"]);
}

/// With `nexthop_compat_mode=0` the kernel says an id and no hops: nothing can be copied, and nothing is installed.
#[test]
fn hosts_an_object_without_hops_installs_nothing() {
    let Some(site) = Site::new("hosts_an_object_without_hops_installs_nothing") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip nexthop add id 30 via 198.51.100.1 dev eth1
         ip route add default nhid 30 metric 200; ip route del default via 192.0.2.1 dev eth0
         sysctl -qw net.ipv4.nexthop_compat_mode=0");
    let managed = site.managed(&eth1().unreachable(), &[]);
    managed.answered(&FAR);
    managed.shows(&[], &["from 198.51.100.2 lookup 207"]);
    managed.step(
        "sysctl -qw net.ipv4.nexthop_compat_mode=1; ip route append 10.1.1.1 via 198.51.100.1 dev eth1",
    );
    managed.answered(&FAR);
}

/// Gateways outside the subnet: Hetzner, OVH, Scaleway, GCP; vyos-1x#3313.
#[test]
fn hosts_an_onlink_gateway() {
    let Some(site) = Site::new("hosts_an_onlink_gateway") else { return };
    site.sh("n r1 'ip addr add 172.31.1.1/32 dev lan; ip route add 198.51.100.2 dev lan'
         ip addr add 198.51.100.2/32 dev eth1; ip route add default via 172.31.1.1 dev eth1 onlink metric 200
         ip addr add 2001:db8:b::2/128 dev eth1; ip -6 route add default via fe80::b1 dev eth1 onlink metric 200");
    let managed = site.managed(&eth1(), &[]);
    let all = |managed: &Managed<'_>| {
        managed.answered(&FAR);
        managed.answered(&["far 2001:db8:9::9 -> 2001:db8:b::2"]);
    };
    all(&managed);
    managed.shows(&["default via 172.31.1.1 dev eth1 proto 110 metric 200 onlink"], &[]);
    managed.step("ip route add 172.31.1.1 dev eth1 scope link");
    managed.shows(&["172.31.1.1 dev eth1 proto 110 scope link"], &[]);
    managed.step("ip route del 172.31.1.1 dev eth1");
    all(&managed);
    // A needless flag, as netplan, ifupdown and Proxmox set it.
    managed.step("n r1 'ip route del 198.51.100.2 dev lan'; ip addr flush dev eth1 scope global
         ip addr add 198.51.100.2/24 dev eth1; ip route replace default via 198.51.100.1 dev eth1 onlink metric 200
         ip addr add 2001:db8:b::2/64 dev eth1; ip -6 route replace default via fe80::b1 dev eth1 metric 200");
    all(&managed);
    managed.end();

    site.sh("n r1 'ip route add 198.51.100.2 dev lan'; ip addr flush dev eth1 scope global
         ip addr add 198.51.100.2/32 dev eth1; ip route replace default via 172.31.1.1 dev eth1 onlink metric 200");
    let managed = site.managed(&eth1().gateway("eth1", "172.31.1.1"), &[]);
    managed.answered(&FAR);
}

/// IPv4 by an IPv6 next hop (RFC 8950): RIPE-NCC/ripe-atlas-software-probe#151, opnsense#8157.
#[test]
fn hosts_ipv4_by_an_ipv6_next_hop() {
    let Some(site) = Site::new("hosts_ipv4_by_an_ipv6_next_hop") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1
         ip -4 route add default via inet6 fe80::b1 dev eth1 metric 200 proto bird");
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    managed.shows(&["default via inet6 fe80::b1 dev eth1 proto 110 metric 200"], &[]);
    managed.step("ip -4 route replace default metric 200 nexthop via inet6 fe80::b1 dev eth1 nexthop via 198.51.100.1 dev eth1");
    managed.shows(&["nexthop via inet6 fe80::b1 dev eth1", "nexthop via 198.51.100.1 dev eth1"], &[]);
    managed.answered(&FAR);
}
