//! Static routes through the uplink itself.

use super::site::Site;
use crate::oracle::Policy;

/// DHCP option 121, a static route, a second router on eth1's own LAN: apache/cloudstack#12857, vyos-1x#5119.
#[test]
fn hosts_a_static_route_through_the_uplink() {
    let Some(site) = Site::with_eth1("hosts_a_static_route_through_the_uplink") else { return };
    site.neighbour(
        "r2",
        "r1",
        "ip addr add 198.51.100.254/24 dev nb; ip addr add 10.50.0.9/32 dev lo
         ip addr add 2001:db8:b::254/64 dev nb; ip addr add fd50::9/128 dev lo",
    );
    site.sh("ip route add 10.50.0.0/16 via 198.51.100.254 dev eth1 proto static
         ip route add fd50::/16 via 2001:db8:b::254 dev eth1 proto static");
    site.expects(&[
        "r2 10.50.0.9 -> 198.51.100.2",
        "host 198.51.100.2 -> 10.50.0.9",
        "host 2001:db8:b::2 -> fd50::9",
    ]);
    let managed = site.managed(&Policy::of(&["eth1"]), &["10.50.1.1", "fd50::1"]);
    managed.answered(&["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"]);
    managed
        .shows(&["10.50.0.0/16 via 198.51.100.254 dev eth1", "fd50::/16 via 2001:db8:b::254 dev eth1"], &[]);
    managed.step("ip route del 10.50.0.0/16");
    managed.shows(&[], &["10.50.0.0/16"]);
}
