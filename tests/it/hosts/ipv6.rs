//! The kinds of defaults that have another form in IPv6: of one key, without a gateway, for a source, a nexthop
//! object's, of the only next hop.

use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 2001:db8:9::9 -> 2001:db8:b::2", "host 2001:db8:b::2 -> 2001:db8:9::9"];
/// eth1's router answers for who is far away, and for eth0's router.
const NDP_PROXY: &str = "n r1 'sysctl -qw net.ipv6.conf.lan.proxy_ndp=1
        for a in 2001:db8:9::9 2001:db8:a::1 fd00:255::1; do ip -6 neigh add proxy $a dev lan; done'\n";

fn eth1() -> Policy {
    Policy::of(&["eth1"])
}

/// The kernel joins what is added by hand under one metric; legs go and come, one of them another uplink's.
#[test]
fn hosts_ipv6_defaults_of_one_key() {
    let Some(site) = Site::new("hosts_ipv6_defaults_of_one_key") else { return };
    site.sh("n r1 'ip addr add fe80::b2/64 dev lan'; ip addr add 2001:db8:b::2/64 dev eth1
         ip -6 route add default via fe80::b1 dev eth1 metric 200
         ip -6 route append default via fe80::b2 dev eth1 metric 200");
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    managed.shows(&["nexthop via fe80::b1 dev eth1 weight 1", "nexthop via fe80::b2 dev eth1 weight 1"], &[]);
    for (script, via) in [
        (
            "ip -6 route del default via fe80::b1 dev eth1 metric 200",
            "default via fe80::b2 dev eth1 proto 110",
        ),
        (
            "ip -6 route append default via fe80::a1 dev eth0 metric 200",
            "default via fe80::b2 dev eth1 proto 110",
        ),
        (
            "ip -6 route append default via fe80::b1 dev eth1 metric 200",
            "nexthop via fe80::b1 dev eth1 weight 1",
        ),
    ] {
        managed.step(script);
        managed.answered(&FAR);
        managed.shows(&[via, "from 2001:db8:b::2 lookup 207"], &[]);
    }
    managed.step("for g in 1 2; do ip -6 route del default via fe80::b$g dev eth1 metric 200; done");
    managed.shows(&[], &["lookup 207"]);
}

/// `fallback: unreachable` and a gateway that is no plain one: the only uplink is not cut off.
#[test]
fn hosts_ipv6_no_blackout_by_the_fallback() {
    let Some(site) = Site::new("hosts_ipv6_no_blackout_by_the_fallback") else { return };
    site.sh(&format!("{NDP_PROXY} ip link set eth0 down; ip addr add 2001:db8:b::2/64 dev eth1"));
    for (set_up, undo) in [
        (
            "ip -6 nexthop add id 60 via fe80::b1 dev eth1; ip -6 route add default nhid 60 proto bgp",
            "ip nexthop del id 60",
        ),
        ("ip -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1", "ip -6 route flush default"),
        (
            "ip -6 route add default via 2001:db8:77::1 dev eth1 onlink
          n r1 'ip addr add 2001:db8:77::1/128 dev lan'",
            "ip -6 route flush default",
        ),
        ("ip -6 route add default dev eth1", "ip -6 route flush default"),
    ] {
        site.sh(set_up);
        site.expects(&FAR);
        let managed = site.managed(&eth1().unreachable(), &[]);
        managed.shows(&["unreachable default dev lo proto 110 metric 4294967295"], &[]);
        managed.end();
        site.sh(undo);
    }
}

/// A default without a gateway, one for the link's own addresses alone, and none but the subnet's next hop.
#[test]
fn hosts_ipv6_odds_and_ends() {
    let Some(site) = Site::new("hosts_ipv6_odds_and_ends") else { return };
    site.sh(&format!(
        "{NDP_PROXY} ip addr add 2001:db8:b::2/64 dev eth1; ip -6 route add default dev eth1 metric 200"
    ));
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    managed.shows(&["default dev eth1 proto 110 metric 200"], &[]);
    managed.step(
        "ip -6 route del default dev eth1; ip -6 route add default from 2001:db8:b::/64 via fe80::b1 dev eth1 metric 300",
    );
    managed.shows(
        &["default from 2001:db8:b::/64 via fe80::b1 dev eth1 proto 110 metric 300"],
        &["default dev eth1"],
    );
    managed.answered(&FAR);
    for protocol in ["bird", "bgp", "205", "ra"] {
        managed.step(&format!(
            "ip -6 route flush default dev eth1; ip -6 route add default via fe80::b1 dev eth1 proto {protocol} metric 200"
        ));
        managed.shows(&["default via fe80::b1 dev eth1 proto 110 metric 200"], &["default from"]);
    }
    managed.answered(&FAR);
    // A cloud's secondary interface: a host address, its subnet through the router, and no default.
    managed.step(
        "ip -6 route flush default dev eth1; ip addr del 2001:db8:b::2/64 dev eth1; ip addr add 2001:db8:b::2/128 dev eth1
         ip -6 route add 2001:db8:b::1 dev eth1; ip -6 route add 2001:db8:b::/64 via 2001:db8:b::1 dev eth1
         ip -6 route add fd40::/16 via fe80::77 dev eth1",
    );
    managed.shows(&["default via 2001:db8:b::1 dev eth1 proto 110 metric 1024"], &["default via fe80::77"]);
    managed.answered(&FAR);
    managed.step("ip -6 route del 2001:db8:b::/64 via 2001:db8:b::1 dev eth1");
    managed.shows(&[], &["lookup 207"]);
}
