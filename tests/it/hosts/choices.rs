//! What an administrator may choose otherwise: each key of `routing:` on a host where it makes a difference.

use super::named::{await_named, await_none};
use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"];
const BOUND: [&str; 2] = ["host 198.51.100.2 -> 203.0.113.9", "host 2001:db8:b::2 -> 2001:db8:9::9"];

fn eth1() -> Policy {
    Policy::of(&["eth1"])
}

/// `gateways: { eth1: first }`: the first address of the link's subnets, where the kernel has no default through it.
#[test]
fn hosts_first_is_the_first_address_of_each_familys_subnet() {
    let Some(site) = Site::new("hosts_first_is_the_first_address_of_each_familys_subnet") else { return };
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1");
    let managed = site.managed(&eth1().gateway("eth1", "first"), &["203.0.113.99"]);
    managed.answered(&FAR);
    managed.answered(&BOUND);
    let first =
        ["default via 198.51.100.1 dev eth1 proto 110", "default via 2001:db8:b::1 dev eth1 proto 110"];
    managed.shows(&first, &[]);
    // The configuration's word is the first, whatever else the kernel has.
    managed.step(
        "ip route add default via 198.51.100.254 dev eth1 metric 200; ip -6 route add default via fe80::b7 dev eth1 metric 200",
    );
    managed.shows(&first, &["198.51.100.254", "fe80::b7"]);
    // It is worked out from the address that the kernel has now.
    managed.step(
        "ip addr add 198.51.100.66/26 dev eth1; ip addr del 198.51.100.2/24 dev eth1
         n r1 'ip addr add 198.51.100.65/24 dev lan'",
    );
    managed.shows(&["default via 198.51.100.65 dev eth1 proto 110"], &["default via 198.51.100.1 "]);
    managed.answered(&["far 203.0.113.9 -> 198.51.100.66"]);
}

/// `main_prefixes`: a site behind eth0 that asks eth1's address, and that eth1's provider does not know.
#[test]
fn hosts_main_prefixes_are_left_to_main() {
    let Some(site) = Site::with_eth1("hosts_main_prefixes_are_left_to_main") else { return };
    site.neighbour(
        "office",
        "r0",
        "ip addr add 192.0.2.77/24 dev nb; ip addr add 10.60.0.9/32 dev lo
         ip addr add 2001:db8:a::77/64 dev nb; ip addr add fd60::9/128 dev lo
         ip route add default via 192.0.2.2; ip -6 route add default via 2001:db8:a::2",
    );
    site.sh("ip route add 10.60.0.0/16 via 192.0.2.77 dev eth0
         ip -6 route add fd60::/32 via 2001:db8:a::77 dev eth0");
    let private = [
        "office 10.60.0.9 -> 198.51.100.2",
        "office fd60::9 -> 2001:db8:b::2",
        "host 198.51.100.2 -> 10.60.0.9",
        "host 2001:db8:b::2 -> fd60::9",
    ];
    site.expects(&private);
    let policy = eth1().main_prefixes(&["10.0.0.0/8", "fc00::/7"]);
    let mut managed = site.managed(&policy, &["203.0.113.99"]);
    managed.answered(&FAR);
    managed.answered(&BOUND);
    managed.shows(
        &[
            "32001: from 198.51.100.2 to 10.0.0.0/8 lookup main proto 110",
            "32001: from 2001:db8:b::2 to fc00::/7 lookup main proto 110",
        ],
        &["to 10.0.0.0/8 lookup 207"],
    );
    managed.step("ip addr add 198.51.100.9/24 dev eth1; ip addr add 2001:db8:b::9/64 dev eth1");
    managed.answered(&["office 10.60.0.9 -> 198.51.100.9", "office fd60::9 -> 2001:db8:b::9"]);
    managed.step("ip addr del 198.51.100.9/24 dev eth1; ip addr del 2001:db8:b::9/64 dev eth1");
    // One of another family changes nothing for this one; without any the site is asked of eth1's provider.
    managed.reload(&eth1().main_prefixes(&["fc00::/7"]));
    managed.unanswered(&["office 10.60.0.9 -> 198.51.100.2", "host 198.51.100.2 -> 10.60.0.9"]);
    managed.answered(&["office fd60::9 -> 2001:db8:b::2", "host 2001:db8:b::2 -> fd60::9"]);
    managed.reload(&policy);
    managed.kept();
}

/// `shared`: an address that another link has too, which is somebody's attack, or meant (anycast, VRRP).
#[test]
fn hosts_shared_addresses_are_routed_where_it_is_said() {
    let Some(site) = Site::with_eth1("hosts_shared_addresses_are_routed_where_it_is_said") else { return };
    site.sh("ip link add any0 type bridge; ip link set any0 up; ip addr add 198.51.100.2/32 dev any0
         ip addr add 2001:db8:b::2/128 dev any0");
    let mut managed = site.managed(&eth1(), &[]);
    managed.shows(&[], &["lookup 207"]);
    for address in ["198.51.100.2", "2001:db8:b::2"] {
        await_named(&site.host, "an address on two links", &[address, "any0", "eth1"]);
    }
    managed.unanswered(&FAR);
    managed.reload(&eth1().shared(&["198.51.100.2", "2001:db8:b::2"]));
    managed.answered(&FAR);
    managed.answered(&BOUND);
    managed.shows(&["from 198.51.100.2 lookup 207 proto 110", "from 2001:db8:b::2 lookup 207"], &[]);
    await_none(&site.host, "it is said");
    managed.kept();
    // An address that nobody named stays the other link's.
    managed.step("ip addr add 198.51.100.3/24 dev eth1; ip addr add 198.51.100.3/32 dev any0");
    managed.shows(&["from 198.51.100.2 lookup 207"], &["from 198.51.100.3 lookup 207"]);
    await_named(&site.host, "another address on two links", &["198.51.100.3", "routing.shared"]);
}

/// `to_rules: false`: half as many rules, and every packet goes as it did.
#[test]
fn hosts_without_to_rules_everything_is_answered() {
    let Some(site) = Site::with_eth1("hosts_without_to_rules_everything_is_answered") else { return };
    site.docker();
    site.expects(&["host 192.0.2.2 -> 198.51.100.2", "host 2001:db8:a::2 -> 2001:db8:b::2"]);
    let mut managed = site.managed(&eth1().without_to_rules(), &["172.17.0.9", "fd17::9"]);
    managed.answered(&FAR);
    managed.answered(&BOUND);
    let (from, to) = ("32002: from 198.51.100.2 lookup 207 proto 110", "to 198.51.100.2 lookup 207");
    managed.shows(&[from], &[to, "to 2001:db8:b::2 lookup 207"]);
    managed.reload(&eth1());
    managed.shows(&[from, to, "to 2001:db8:b::2 lookup 207"], &[]);
    managed.kept();
}

/// `specific_routes: main`, with a VPN that overrides the default by halves: they take nothing of eth1's.
#[test]
fn hosts_specific_routes_of_main_come_first_and_a_vpns_halves_do_not() {
    let Some(site) = Site::with_eth1("hosts_specific_routes_of_main_come_first_and_a_vpns_halves_do_not")
    else {
        return;
    };
    site.docker();
    site.neighbour(
        "nb",
        "r0",
        "ip addr add 192.0.2.77/24 dev nb; ip route add default via 192.0.2.1
         ip addr add 2001:db8:a::77/64 dev nb; ip -6 route add default via 2001:db8:a::1",
    );
    site.sh("tunnel tun0 10.8.0.6/24; ip addr add fd08::6/64 dev tun0
         ip route add 0.0.0.0/1 via 10.8.0.1 dev tun0; ip route add 128.0.0.0/1 via 10.8.0.1 dev tun0
         ip -6 route add 2000::/3 dev tun0; n box 'ip addr add 10.66.0.1/32 dev lo; ip addr add fd66::1/128 dev lo'
         ip route add 10.66.0.0/16 via 172.17.0.2 dev docker0; ip -6 route add fd66::/32 via fd17::2 dev docker0");
    let local = ["box 10.66.0.1 -> 198.51.100.2", "box fd66::1 -> 2001:db8:b::2"];
    site.expects(&local);
    site.expects(&["host 198.51.100.2 -> 192.0.2.77", "host 2001:db8:b::2 -> 2001:db8:a::77"]);
    let mut managed = site.managed(&eth1().main_first(), &["10.8.0.9", "fd08::9", "10.66.0.9", "fd66::9"]);
    managed.answered(&FAR);
    managed.answered(&BOUND);
    managed.shows(
        &[
            "32001: from 198.51.100.2 lookup main suppress_prefixlength 7 proto 110",
            "32001: from 2001:db8:b::2 lookup main suppress_prefixlength 12 proto 110",
        ],
        &["10.66.0.0/16 via 172.17.0.2 dev docker0 proto 110", "172.17.0.0/16 dev docker0 proto 110"],
    );
    // The difference: a neighbour of eth0 is answered through eth0.
    let ways = || {
        ["192.0.2.77 from 198.51.100.2", "2001:db8:a::77 from 2001:db8:b::2"]
            .map(|question| site.host.route_get(question))
    };
    assert_eq!(ways(), ["eth0", "eth0"]);
    await_none(&site.host, "it is meant");
    managed
        .step("ip route add 10.67.0.0/16 via 172.17.0.2 dev docker0; ip addr add 198.51.100.9/24 dev eth1");
    managed.answered(&["far 203.0.113.9 -> 198.51.100.9", "box 10.66.0.1 -> 198.51.100.9"]);
    managed.reload(&eth1());
    assert_eq!(ways(), ["eth1", "eth1"]);
    managed.kept();
    managed.answered(&local);
}

/// `ignore_protocols`: a routing daemon's routes are not copied, its defaults are.
#[test]
fn hosts_ignored_protocols_have_defaults_and_nothing_else() {
    let Some(site) = Site::new("hosts_ignored_protocols_have_defaults_and_nothing_else") else { return };
    site.docker();
    // .254 is a router that forwards nothing.
    site.neighbour(
        "r2",
        "r1",
        "ip addr add 198.51.100.254/24 dev nb; ip addr add 2001:db8:b::254/64 dev nb
         sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0",
    );
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1
         ip route add default via 198.51.100.1 dev eth1 proto bird metric 200
         ip -6 route add default via fe80::b1 dev eth1 proto bird metric 200
         ip route add 203.0.113.0/24 via 198.51.100.254 dev eth1 proto bird
         ip -6 route add 2001:db8:9::/48 via 2001:db8:b::254 dev eth1 proto bird
         ip route add 10.66.0.0/16 via 172.17.0.2 dev docker0 proto static; n box 'ip addr add 10.66.0.1/32 dev lo'");
    site.expects(&["box 10.66.0.1 -> 198.51.100.2"]);
    let mut managed = site.managed(&eth1().ignoring(&[12]), &["172.17.0.9", "fd17::9"]);
    managed.answered(&FAR);
    managed.answered(&BOUND);
    managed.shows(
        &[
            "default via 198.51.100.1 dev eth1 proto 110 metric 200",
            "10.66.0.0/16 via 172.17.0.2 dev docker0 proto 110",
        ],
        &["203.0.113.0/24", "2001:db8:9::/48"],
    );
    // Its new default is followed, its other news are not.
    managed.step(
        "n r1 'ip addr add 198.51.100.9/24 dev lan'; ip route replace default via 198.51.100.9 dev eth1 proto bird metric 200
         ip route add 10.77.0.0/16 via 198.51.100.254 dev eth1 proto bird",
    );
    managed.shows(&["default via 198.51.100.9 dev eth1 proto 110 metric 200"], &["10.77.0.0/16"]);
    managed.answered(&FAR);
    managed.reload(&eth1());
    managed.shows(
        &["203.0.113.0/24 via 198.51.100.254 dev eth1 proto 110", "2001:db8:9::/48 via 2001:db8:b::254"],
        &[],
    );
    managed.unanswered(&FAR);
}
