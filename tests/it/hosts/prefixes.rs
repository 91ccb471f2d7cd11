//! What is on-link, main says, not the address: host addresses beside an on-link prefix, and prefixes that are not.

use super::site::Site;
use crate::oracle::Policy;

/// A router that does not forward back into its LAN.
const NO_HAIRPIN: &str =
    "sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0 2>/dev/null || true
    nft 'add table inet f; add chain inet f forward { type filter hook forward priority 0; };
    add rule inet f forward iifname lan oifname lan drop'";

/// DHCPv6 gives a /128, the router says that the /64 is on-link; IPv4 the same by static routes:
/// ovn-kubernetes#2338, amazon-ec2-net-utils#74.
#[test]
fn hosts_a_host_address_beside_an_on_link_prefix() {
    let Some(site) = Site::new("hosts_a_host_address_beside_an_on_link_prefix") else { return };
    site.neighbour("nb", "r1", "ip addr add 198.51.100.77/24 dev nb; ip addr add 2001:db8:b::77/64 dev nb");
    site.sh(&format!(
        "n r1 \"{NO_HAIRPIN}\"
         ip addr add 2001:db8:b::2/128 dev eth1 noprefixroute
         ip -6 route add 2001:db8:b::/64 dev eth1 proto ra metric 1024
         ip -6 route add default via fe80::b1 dev eth1 proto ra metric 1024
         ip addr add 198.51.100.2/32 dev eth1; ip route add 198.51.100.0/24 dev eth1 scope link
         ip route add default via 198.51.100.1 dev eth1 metric 200"
    ));
    site.expects(&["nb 198.51.100.77 -> 198.51.100.2", "nb 2001:db8:b::77 -> 2001:db8:b::2"]);
    let managed = site.managed(&Policy::of(&["eth1"]), &[]);
    managed.answered(&["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"]);
    managed
        .shows(&["2001:db8:b::/64 dev eth1 proto 110", "198.51.100.0/24 dev eth1 proto 110 scope link"], &[]);
}

/// RA with L=0, IPv4 `noprefixroute` with a host route to the gateway, isolated ports: systemd#28435, nixops#1032.
#[test]
fn hosts_a_prefix_that_is_not_on_link() {
    let Some(site) = Site::new("hosts_a_prefix_that_is_not_on_link") else { return };
    site.neighbour(
        "nb",
        "r1",
        "ip addr add 198.51.100.77/32 dev nb; ip addr add 2001:db8:b::77/128 dev nb
         ip route add 198.51.100.1 dev nb; ip route add default via 198.51.100.1
         ip -6 route add default via fe80::b1 dev nb",
    );
    // Customers' ports are apart from each other; the router answers for all.
    site.sh(
        "n r1 'bridge link set dev p0 isolated on; bridge link set dev qnb isolated on
            sysctl -qw net.ipv4.conf.lan.proxy_arp_pvlan=1 net.ipv4.neigh.lan.proxy_delay=0'
         ip addr add 198.51.100.2/24 dev eth1 noprefixroute
         ip route add 198.51.100.1 dev eth1 scope link; ip route add default via 198.51.100.1 dev eth1 metric 200
         ip addr add 2001:db8:b::2/64 dev eth1 noprefixroute; ip -6 route add default via fe80::b1 dev eth1 metric 200
         ip route del default via 192.0.2.1; ip -6 route del default via fe80::a1",
    );
    site.expects(&["nb 198.51.100.77 -> 198.51.100.2", "nb 2001:db8:b::77 -> 2001:db8:b::2"]);
    let before = site.before();
    site.sh("ip route add default via 192.0.2.1 dev eth0 metric 100
         ip -6 route add default via fe80::a1 dev eth0 metric 100");
    let managed = site.managed_after(before, &Policy::of(&["eth1"]), &["198.51.100.99", "2001:db8:b::99"]);
    managed.answered(&["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"]);
    managed.shows(
        &["198.51.100.1 dev eth1 proto 110 scope link"],
        &["198.51.100.0/24 dev eth1", "2001:db8:b::/64 dev eth1"],
    );
}
