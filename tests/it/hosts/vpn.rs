//! VPNs: halves of the world, sites, a default through the tunnel.

use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"];

/// OpenVPN's `redirect-gateway def1`: the halves stay main's, the VPN's own net is reached through the tunnel.
#[test]
fn hosts_halves_of_the_world_through_a_tunnel() {
    let Some(site) = Site::with_eth1("hosts_halves_of_the_world_through_a_tunnel") else { return };
    site.sh("tunnel tun0 10.8.0.6/24; ip addr add fd08::6/64 dev tun0
         ip route add 192.0.2.200/32 via 192.0.2.1 dev eth0
         ip route add 0.0.0.0/1 via 10.8.0.1 dev tun0; ip route add 128.0.0.0/1 via 10.8.0.1 dev tun0
         ip -6 route add 2000::/3 dev tun0");
    let managed =
        site.managed(&Policy::of(&["eth1"]), &["10.8.0.9", "fd08::9", "192.0.2.200", "2001:db8:5::5"]);
    managed.answered(&FAR);
    managed.shows(
        &["10.8.0.0/24 dev tun0 proto 110", "fd08::/64 dev tun0 proto 110"],
        &["0.0.0.0/1", "2000::/3 dev"],
    );
    managed.step("ip route del 0.0.0.0/1; ip route del 128.0.0.0/1; ip -6 route del 2000::/3");
    managed.answered(&FAR);
}

/// Sites behind a tunnel that has main's default as well stay the tunnel's: NetworkManager's OpenVPN.
#[test]
fn hosts_sites_behind_a_tunnel_that_is_an_uplink() {
    let Some(site) = Site::with_eth1("hosts_sites_behind_a_tunnel_that_is_an_uplink") else { return };
    site.sh("tunnel tun0 10.8.0.6/24; ip addr add fd08::6/64 dev tun0
         ip route add default via 10.8.0.1 dev tun0 metric 50; ip route add 10.20.0.0/16 via 10.8.0.1 dev tun0
         ip -6 route add default dev tun0 metric 50; ip -6 route add fd20::/32 dev tun0
         ip route add 203.0.113.200 via 192.0.2.1 dev eth0");
    let managed =
        site.managed(&Policy::of(&["eth1"]), &["10.20.0.1", "fd20::1", "203.0.113.200", "10.8.0.9"]);
    managed.answered(&FAR);
    managed.shows(
        &["10.20.0.0/16 via 10.8.0.1 dev tun0 proto 110", "fd20::/32 dev tun0 proto 110"],
        &["203.0.113.200", "default via 10.8.0.1 dev tun0 proto 110"],
    );
    // The same prefix through eth1 itself: eth1's.
    managed.step("ip route add 10.20.0.0/16 via 198.51.100.1 dev eth1 metric 500");
    managed.shows(
        &["10.20.0.0/16 via 198.51.100.1 dev eth1 proto 110 metric 500"],
        &["10.20.0.0/16 via 10.8.0.1 dev tun0 proto 110"],
    );
}

/// A tunnel is an uplink without a gateway where it is listed by its name, or takes a half; never by a pattern.
#[test]
fn hosts_a_tunnel_as_an_uplink() {
    let Some(site) = Site::with_eth1("hosts_a_tunnel_as_an_uplink") else { return };
    site.sh("tunnel wg0 10.8.0.6/24");
    let link = site.host.ifindex("wg0");
    for (patterns, is_uplink) in [(["wg0", "eth1"], true), (["wg*", "eth1"], false)] {
        let managed = site.managed(&Policy::of(&patterns), &[]);
        let rule = format!("from 10.8.0.6 lookup {}", 200 + link);
        let (present, absent): (&[&str], &[&str]) = if is_uplink { (&[&rule], &[]) } else { (&[], &[&rule]) };
        managed.shows(present, absent);
        managed.answered(&FAR);
        managed.end();
    }
}
