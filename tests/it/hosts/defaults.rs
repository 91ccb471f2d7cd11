//! Defaults: those that are none, several of one key, attributes, families apart.

use super::site::Site;
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "host 198.51.100.2 -> 203.0.113.9"];
const FAR_V6: [&str; 2] = ["far 2001:db8:9::9 -> 2001:db8:b::2", "host 2001:db8:b::2 -> 2001:db8:9::9"];

fn eth1() -> Policy {
    Policy::of(&["eth1"])
}

/// main's discards stay discards: bogons, Calico's own pods, a default that ends all.
#[test]
fn hosts_discards_of_main() {
    let Some(site) = Site::with_eth1("hosts_discards_of_main") else { return };
    site.sh("ip route add unreachable default metric 4278198272; ip -6 route add unreachable default metric 4294967295
         ip route add blackhole 10.0.0.0/8 proto static; ip route add unreachable 172.16.0.0/12 proto static
         ip route add prohibit 10.77.0.0/16; ip route add throw 10.78.0.0/16
         ip -6 route add blackhole fc00::/7; ip -6 route add prohibit fd77::/16");
    let elsewhere = ["10.9.9.9", "172.16.9.9", "10.77.0.1", "10.78.0.1", "fd01::1", "fd77::1"];
    let managed = site.managed(&eth1(), &elsewhere);
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed
        .shows(&["blackhole 10.0.0.0/8 proto 110", "unreachable default proto 110 metric 4278198272"], &[]);
    managed.step("ip route del default via 198.51.100.1; ip -6 route del default via fe80::b1");
    managed.shows(&[], &["lookup 207"]);
    // Better than eth0's default: main sends nothing any longer.
    managed.step(
        "ip route add blackhole default metric 5; ip route add default via 198.51.100.1 dev eth1 metric 200",
    );
    managed.shows(&["blackhole default proto 110 metric 5"], &[]);
}

/// Two defaults of one metric (append, two DHCP clients), which go in any order.
#[test]
fn hosts_two_defaults_of_one_key() {
    let Some(site) = Site::new("hosts_two_defaults_of_one_key") else { return };
    site.sh("n r1 'ip addr add 198.51.100.254/24 dev lan'; ip addr add 198.51.100.2/24 dev eth1
         ip route add default via 198.51.100.254 dev eth1 metric 200
         ip route append default via 198.51.100.1 dev eth1 metric 200");
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    for script in [
        "ip route del default via 198.51.100.254 dev eth1",
        "ip route append default via 198.51.100.254 dev eth1 metric 200",
        "ip route del default via 198.51.100.1 dev eth1 metric 200",
        "ip route prepend default via 198.51.100.1 dev eth1 metric 200",
        "ip route append default via 192.0.2.1 dev eth0 metric 200",
    ] {
        managed.step(script);
        managed.answered(&FAR);
    }
    managed.step("for g in 1 254; do ip route del default via 198.51.100.$g dev eth1 metric 200; done");
    managed.shows(&[], &["lookup 207"]);
    managed.step("ip route add default via 198.51.100.1 dev eth1 metric 200 tos 0x10");
    managed.shows(&["default tos 0x10 via 198.51.100.1 dev eth1 proto 110 metric 200"], &[]);
}

/// `fallback: unreachable` through a whole life: no gateway yet, carrier, link down, restart of the link, another name.
#[test]
fn hosts_the_fallback_through_a_whole_life() {
    let Some(site) = Site::new("hosts_the_fallback_through_a_whole_life") else { return };
    site.docker();
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1
         sysctl -qw net.ipv6.conf.eth1.keep_addr_on_down=1");
    let managed = site.managed_cut_off(&eth1().unreachable());
    managed.answered(&["box 172.17.0.2 -> 198.51.100.2", "box fd17::2 -> 2001:db8:b::2"]);
    managed.shows(
        &[
            "unreachable default proto 110 metric 4294967295",
            "198.51.100.0/24 dev eth1 proto 110",
            "172.17.0.0/16 dev docker0 proto 110",
        ],
        &[],
    );
    managed.step("ip route add default via 198.51.100.1 dev eth1 metric 200; ip -6 route add default via fe80::b1 dev eth1");
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.step("n r1 'ip link set p0 down'");
    managed.step("n r1 'ip link set p0 up'");
    managed.answered(&FAR);
    managed.step("ip link set eth1 down");
    managed.shows(&["unreachable default proto 110 metric 4294967295", "from 198.51.100.2 lookup 207"], &[]);
    managed.answered(&["box 172.17.0.2 -> 198.51.100.2"]);
    managed.step("ip link set eth1 up");
    managed.shows(
        &["unreachable default proto 110 metric 4294967295"],
        &["default via 198.51.100.1 dev eth1 proto 110"],
    );
    // Gateways that are no plain ones.
    for (script, undo) in [
        (
            "n r1 'ip addr add 172.31.1.1/32 dev lan; ip route add 198.51.100.2 dev lan'
             ip route add default via 172.31.1.1 dev eth1 onlink metric 200",
            "ip route del default via 172.31.1.1 dev eth1",
        ),
        (
            "ip nexthop add id 30 via 198.51.100.1 dev eth1; ip route add default nhid 30 metric 200",
            "ip nexthop del id 30",
        ),
    ] {
        managed.step(script);
        managed.answered(&FAR);
        managed.step(undo);
    }
    managed.step("ip route add default via 198.51.100.1 dev eth1 metric 200; ip -6 route replace default via fe80::b1 dev eth1");
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.step("ip link set eth1 down; ip link set eth1 name wan");
    managed.shows(&[], &["lookup 207", "table 207"]);
}

/// The attributes of main's default: a tunnel behind the provider's router, tuned windows: clatd#4, nebula#245.
#[test]
fn hosts_attributes_of_routes() {
    let Some(site) = Site::new("hosts_attributes_of_routes") else { return };
    site.docker();
    site.sh("ip addr add 198.51.100.2/24 dev eth1; ip addr add 2001:db8:b::2/64 dev eth1
         ip route add default via 198.51.100.1 dev eth1 mtu lock 1300 advmss 1260 initcwnd 30 quickack 1 metric 200
         ip -6 route add default via fe80::b1 dev eth1 mtu 1300 hoplimit 33 metric 200
         ip route add 10.66.0.0/16 via 172.17.0.5 dev docker0 mtu 1400 realm 5
         ip route add 10.67.0.0/16 encap ip id 5 dst 172.17.0.9 dev docker0
         ip route add 10.68.0.0/16 nexthop via 172.17.0.5 dev docker0 weight 3 nexthop via 198.51.100.1 dev eth1");
    let managed = site.managed(&eth1(), &["10.66.0.1", "10.67.0.1"]);
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
    managed.shows(
        &[
            "default via 198.51.100.1 dev eth1 proto 110 metric 200 mtu lock 1300 advmss 1260 initcwnd 30 quickack 1",
            "10.66.0.0/16 via 172.17.0.5 dev docker0 proto 110 realm 5 mtu 1400",
            "10.67.0.0/16 encap ip id 5",
        ],
        &[],
    );
    // A packet that may not be cut is refused with what the route says, with netevd as without it.
    let refused = |source: &str, destination: &str, mtu: u32| {
        let words = ["ping", "-c1", "-W1", "-Mdo", "-s1400", "-I", source, destination];
        let output = site.host.run(&words);
        let said = format!("{}{}", output.stdout, output.stderr);
        let is_said = [format!("mtu={mtu}"), format!("mtu: {mtu}")].iter().any(|text| said.contains(text));
        assert!(is_said, "{source} to {destination}: {said}");
    };
    refused("198.51.100.2", "203.0.113.9", 1300);
    refused("2001:db8:b::2", "2001:db8:9::9", 1300);
    managed.step("ip route change default via 198.51.100.1 dev eth1 mtu lock 1280 metric 200");
    managed.shows(&["metric 200 mtu lock 1280"], &["advmss"]);
    refused("198.51.100.2", "203.0.113.9", 1280);
    managed.step("ip route change 10.67.0.0/16 encap ip id 6 dst 172.17.0.9 dev docker0");
    managed.shows(&["10.67.0.0/16 encap ip id 6"], &[]);
}

/// With `fallback: unreachable`, a gateway that is no plain one must not cut the only uplink off.
#[test]
fn hosts_no_blackout_by_the_fallback() {
    let Some(site) = Site::new("hosts_no_blackout_by_the_fallback") else { return };
    site.sh("ip link set eth0 down; ip addr add 198.51.100.2/24 dev eth1
         n r1 'ip addr add 172.31.1.1/32 dev lan; ip route add 198.51.100.2 dev lan'");
    for (set_up, undo) in [
        (
            "ip nexthop add id 30 via 198.51.100.1 dev eth1; ip route add default nhid 30 proto bgp",
            "ip nexthop del id 30",
        ),
        ("ip -4 route add default via inet6 fe80::b1 dev eth1", "ip -4 route del default"),
        ("ip route add default via 172.31.1.1 dev eth1 onlink", "ip route del default"),
        (
            "n r1 'sysctl -qw net.ipv4.conf.lan.proxy_arp=1 net.ipv4.neigh.lan.proxy_delay=0'; ip route add default dev eth1",
            "ip route del default",
        ),
    ] {
        site.sh(set_up);
        site.expects(&FAR);
        let managed = site.managed(&eth1().unreachable(), &[]);
        managed.end();
        site.sh(undo);
    }
}

/// An IPv4 address without an IPv4 default beside an IPv6 default without an address, and what comes later.
#[test]
fn hosts_families_apart() {
    let Some(site) = Site::new("hosts_families_apart") else { return };
    site.sh("ip -6 route add default via fe80::b1 dev eth1 proto ra metric 200; ip addr add 198.51.100.2/24 dev eth1");
    let managed = site.managed(&eth1(), &[]);
    managed.shows(&[], &["lookup 207"]);
    managed.step("ip route add default via 198.51.100.1 dev eth1 metric 200");
    managed.answered(&FAR);
    managed.step("ip addr add 2001:db8:b::2/64 dev eth1");
    managed.answered(&FAR_V6);
    managed.step("ip route del default via 198.51.100.1 dev eth1");
    managed.shows(&["from 2001:db8:b::2 lookup 207"], &["from 198.51.100.2 lookup 207"]);
}

/// A default without a gateway on Ethernet (proxy ARP), every protocol's default, a metric that changes, and addresses
/// of other scopes.
#[test]
fn hosts_odds_and_ends() {
    let Some(site) = Site::new("hosts_odds_and_ends") else { return };
    site.sh("n r1 'sysctl -qw net.ipv4.conf.lan.proxy_arp=1 net.ipv4.neigh.lan.proxy_delay=0'
         ip addr add 198.51.100.2/24 dev eth1; ip route add default dev eth1 metric 200");
    let managed = site.managed(&eth1(), &[]);
    managed.answered(&FAR);
    managed.shows(&["default dev eth1 proto 110 scope link metric 200"], &[]);
    managed.step("ip route del default dev eth1");
    for protocol in ["bird", "bgp", "zebra", "ospf", "205", "dhcp", "ra"] {
        managed.step(&format!("ip route add default via 198.51.100.1 dev eth1 proto {protocol} metric 200"));
        managed.shows(&["default via 198.51.100.1 dev eth1 proto 110 metric 200"], &[]);
        managed.step(
            "ip route del default dev eth1; ip route add default via 198.51.100.1 dev eth1 metric 50
             ip route del default via 198.51.100.1 dev eth1 metric 50",
        );
    }
    managed.step("ip route add default via 198.51.100.1 dev eth1 metric 50; ip route add default via 198.51.100.1 dev eth1 metric 200
         ip route del default via 198.51.100.1 dev eth1 metric 50");
    managed.answered(&FAR);
    managed.step(
        "ip addr add 203.0.113.77/32 scope link dev eth1; ip addr add 203.0.113.78/32 scope host dev eth1",
    );
    managed.shows(&["from 198.51.100.2 lookup 207"], &["203.0.113.77 lookup", "203.0.113.78 lookup"]);
}

/// A route with a leg through eth1 and one through a bridge goes from the table with it, though its leg is dead then: a
/// deletion has to name the legs in the order in which they were written, dead ones too.
#[test]
fn hosts_a_leg_that_died() {
    let Some(site) = Site::with_eth1("hosts_a_leg_that_died") else { return };
    site.docker();
    site.sh("for n in 1 2 3; do
            ip route add 10.52.$n.0/24 nexthop via 198.51.100.254 dev eth1 weight $n nexthop via 172.17.0.2 dev docker0 weight 4
            ip -6 route add fd52:$n::/32 nexthop via fe80::b1 dev eth1 nexthop via fd17::2 dev docker0
         done");
    let managed = site.managed(&eth1(), &[]);
    managed.step("ip link set eth1 down");
    managed.shows(&[], &["lookup 207", "10.52.1.0/24", "fd52:"]);
    managed.step("ip link set eth1 up; eth1_v6; ip route add default via 198.51.100.1 dev eth1 metric 200");
    managed.answered(&FAR);
    managed.answered(&FAR_V6);
}
