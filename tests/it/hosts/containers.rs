//! Containers and pods: bridges, other nodes, nets inside nets.

use super::site::Site;
use crate::oracle::Policy;

const BOX: [&str; 2] = ["box 172.17.0.2 -> 198.51.100.2", "box fd17::2 -> 2001:db8:b::2"];
const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"];

/// Pods of other nodes are reached through the uplink itself, via the other node: calico#4662, rke2#1053, calico#9293.
#[test]
fn hosts_a_calico_node() {
    let Some(site) = Site::with_eth1("hosts_a_calico_node") else { return };
    site.neighbour(
        "node2",
        "r1",
        "ip addr add 198.51.100.13/24 dev nb; ip addr add 192.168.94.1/32 dev lo; ip addr add fd94::1/128 dev lo
         ip addr add 2001:db8:b::13/64 dev nb
         ip route add 192.168.234.0/26 via 198.51.100.2; ip route add fd34::/64 via 2001:db8:b::2",
    );
    site.sh("space pod; ip link add cali0 type veth peer name eth0 netns pod; ip link set cali0 up
         n pod 'ip link set eth0 up; ip addr add 192.168.234.1/32 dev eth0; ip route add 169.254.1.1 dev eth0
            ip route add default via 169.254.1.1; ip addr add fd34::1/128 dev eth0
            ip -6 addr add fe80::2/64 dev eth0; ip -6 route add default via fe80::1 dev eth0'
         sysctl -qw net.ipv4.conf.cali0.proxy_arp=1 net.ipv4.neigh.cali0.proxy_delay=0 net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
         ip addr add fe80::1/64 dev cali0
         ip route add 192.168.234.1 dev cali0 scope link; ip -6 route add fd34::1 dev cali0
         ip route add blackhole 192.168.234.0/26 proto 80; ip -6 route add blackhole fd34::/64 proto 80
         ip route add 192.168.94.0/26 via 198.51.100.13 dev eth1 proto 80 onlink
         ip -6 route add fd94::/64 via 2001:db8:b::13 dev eth1 proto 80");
    site.counts_in("pod");
    site.expects(&[
        "pod 192.168.234.1 -> 198.51.100.2",
        "node2 192.168.94.1 -> 198.51.100.2",
        "node2 fd94::1 -> 2001:db8:b::2",
        "host 198.51.100.2 -> 192.168.94.1",
        "host 2001:db8:b::2 -> fd34::1",
    ]);
    let managed = site.managed(&Policy::of(&["eth1"]), &["192.168.234.9", "fd34::9", "192.168.94.9"]);
    managed.answered(&FAR);
    managed.shows(
        &[
            "blackhole 192.168.234.0/26 proto 110",
            "192.168.94.0/26 via 198.51.100.13 dev eth1 proto 110 onlink",
        ],
        &[],
    );
    // flannel: host-gw, then vxlan.
    managed.step("ip route replace 192.168.94.0/26 via 198.51.100.13 dev eth1");
    managed.kept();
    managed.step(
        "ip link add flannel.1 type vxlan id 1 dev eth1 dstport 8472 nolearning; ip addr add 10.244.0.0/32 dev flannel.1
         ip link set flannel.1 up; ip route add 10.244.1.0/24 via 10.244.1.0 dev flannel.1 onlink",
    );
    managed.shows(&["10.244.1.0/24 via 10.244.1.0 dev flannel.1 proto 110 onlink"], &[]);
}

/// `*` lists docker0: no uplink, for it has no gateway: synology-docker#93.
#[test]
fn hosts_patterns_and_a_bridge_of_containers() {
    let Some(site) = Site::with_eth1("hosts_patterns_and_a_bridge_of_containers") else { return };
    site.docker();
    for pattern in ["eth*", "*"] {
        site.expects(&BOX);
        let managed = site.managed(&Policy::of(&[pattern]), &["172.17.0.9", "fd17::9"]);
        managed.answered(&FAR);
        managed.shows(&["172.17.0.0/16 dev docker0 proto 110", "fd17::/64 dev docker0 proto 110"], &[]);
        managed.end();
    }
}

/// A route to elsewhere through a container is no gateway for everything.
#[test]
fn hosts_a_route_through_a_container_is_no_gateway() {
    let Some(site) = Site::with_eth1("hosts_a_route_through_a_container_is_no_gateway") else { return };
    site.docker();
    site.sh("n box 'ip addr add 10.67.0.1/32 dev lo; ip addr add fd67::1/128 dev lo'
         ip route add 10.67.0.0/16 via 172.17.0.2 dev docker0; ip -6 route add fd67::/32 via fd17::2 dev docker0");
    site.expects(&BOX);
    site.expects(&["box 10.67.0.1 -> 198.51.100.2", "host 2001:db8:b::2 -> fd67::1"]);
    let managed = site.managed(&Policy::of(&["*"]), &["10.67.9.9", "fd67::99"]);
    managed.answered(&FAR);
    managed.shows(&["10.67.0.0/16 via 172.17.0.2 dev docker0 proto 110"], &["default via 172.17.0.2"]);
}

/// main has a net that leads nowhere, and another uplink's LAN inside it.
#[test]
fn hosts_another_uplinks_net_inside_a_blackhole() {
    let Some(site) = Site::with_eth1("hosts_another_uplinks_net_inside_a_blackhole") else { return };
    site.docker();
    site.neighbour(
        "nb",
        "r0",
        "ip addr add 192.0.2.77/24 dev nb; ip route add default via 192.0.2.1
         ip addr add 2001:db8:a::77/64 dev nb; ip -6 route add default via 2001:db8:a::1",
    );
    site.sh("ip route add blackhole 192.0.0.0/8; ip -6 route add blackhole 2001:db8::/44");
    let managed = site.managed(&Policy::of(&["eth1"]), &["192.9.9.9", "2001:db8:5::5"]);
    managed.answered(&["nb 192.0.2.77 -> 198.51.100.2", "nb 2001:db8:a::77 -> 2001:db8:b::2"]);
    managed.answered(&["host 198.51.100.2 -> 192.0.2.77", "host 2001:db8:b::2 -> 2001:db8:a::77"]);
    managed.answered(&FAR[..1]);
    managed
        .shows(&["192.0.2.0/24 via 198.51.100.1 dev eth1 proto 110", "blackhole 192.0.0.0/8 proto 110"], &[]);
    managed.step("ip route del blackhole 192.0.0.0/8");
    managed.shows(&[], &["192.0.2.0/24 via 198.51.100.1"]);
}
