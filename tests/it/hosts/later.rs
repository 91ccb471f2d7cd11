//! The worker is stopped (SIGSTOP): what the helper has granted goes with its reason all the same, by the helper
//! alone. What main still has is answered meanwhile, and once the worker goes on everything is as it should be.

use super::site::Site;
use crate::oracle::Policy;
use crate::support::{Host, wait_within};

fn stop(host: &Host, worker: u32) {
    host.sh(&format!("kill -STOP {worker}"));
    let stopped = || host.read(&format!("/proc/{worker}/status")).contains("State:\tT");
    wait_within(super::site::PATIENCE, "the worker is stopped", || host.log(), stopped);
}

#[test]
fn hosts_later_the_helper_alone_withdraws_what_it_would_refuse_now() {
    let Some(site) = Site::with_eth1("hosts_later_the_helper_alone_withdraws_what_it_would_refuse_now")
    else {
        return;
    };
    site.docker();
    site.sh("sysctl -qw net.ipv6.conf.eth1.keep_addr_on_down=1
         for n in 7 8 9; do ip addr add 198.51.100.$n/24 dev eth1; ip addr add 2001:db8:b::$n/64 dev eth1; done
         ip route add 10.66.0.0/16 via 172.17.0.2 dev docker0; ip -6 route add fd66::/32 via fd17::2 dev docker0
         ip nexthop add id 30 via 172.17.0.2 dev docker0; ip route add 10.67.0.0/16 nhid 30
         ip link add late0 type bridge; ip addr add 198.51.100.8/32 dev late0");
    let policy = Policy::of(&["eth1"]);
    let managed = site.managed(&policy, &["10.66.0.9", "fd66::9"]);
    let always = [
        "far 203.0.113.9 -> 192.0.2.2",
        "far 2001:db8:9::9 -> 2001:db8:a::2",
        "r1 198.51.100.1 -> 198.51.100.2",
        "r1 2001:db8:b::1 -> 2001:db8:b::2",
        "box 172.17.0.2 -> 198.51.100.2",
    ];
    managed.answered(&always);
    let worker = managed.daemon.child("netevd-worker").expect("it runs");
    stop(&site.host, worker);
    for (change, gone) in [
        ("ip addr del 198.51.100.9/24 dev eth1", "198.51.100.9 lookup"),
        ("ip addr del 2001:db8:b::9/64 dev eth1", "2001:db8:b::9 lookup"),
        ("ip addr add 198.51.100.7/32 dev docker0", "198.51.100.7 lookup"),
        ("ip addr add 2001:db8:b::7/128 dev docker0", "2001:db8:b::7 lookup"),
        ("ip link set late0 up", "198.51.100.8 lookup"),
        (
            "ip addr del 2001:db8:b::8/64 dev eth1; ip addr add 2001:db8:b::8/64 dev docker0 noprefixroute",
            "2001:db8:b::8 lookup",
        ),
        ("ip route del 10.66.0.0/16", "10.66.0.0/16 via 172.17.0.2 dev docker0 proto 110"),
        ("ip -6 route del fd66::/32", "fd66::/32 via fd17::2 dev docker0 proto 110"),
        (
            "ip nexthop replace id 30 via 172.17.0.3 dev docker0",
            "10.67.0.0/16 via 172.17.0.2 dev docker0 proto 110",
        ),
        ("ip route del default via 198.51.100.1 dev eth1", "default via 198.51.100.1 dev eth1 proto 110"),
        ("ip -6 route del default via fe80::b1 dev eth1", "default via fe80::b1 dev eth1 proto 110"),
    ] {
        managed.shows(&[gone], &[]);
        site.sh(change);
        managed.shows(&["198.51.100.2 lookup 207 proto 110", "2001:db8:b::2 lookup 207 proto 110"], &[gone]);
        site.kernel.await_granted(&site.host, &policy, change);
    }
    managed.answered(&always);
    // The listed link goes: by its name, then whole.
    let index = site.host.ifindex("eth1");
    assert_eq!(index, 7);
    site.sh("ip link set eth1 down; ip link set eth1 name wan1; ip link set wan1 up");
    managed.shows(&[], &["lookup 207", "dev wan1 proto 110"]);
    site.kernel.await_granted(&site.host, &policy, "another name");
    managed.answered(&always);
    // The worker takes up again what is there now.
    site.host.sh(&format!("kill -CONT {worker}"));
    managed.step(
        "ip link set wan1 down; ip link set wan1 name eth1; ip link set eth1 up; ip link del late0
         ip -6 route add default via fe80::b1 dev eth1 metric 200
         ip route add default via 198.51.100.1 dev eth1 metric 200",
    );
    managed.answered(&["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"]);
    stop(&site.host, worker);
    site.sh("ip link del eth1");
    managed.shows(&[], &["lookup 207"]);
    site.kernel.await_granted(&site.host, &policy, "no such link");
    managed.answered(&always[..2]);
    site.host.sh(&format!("kill -CONT {worker}"));
    managed.exact("the worker goes on");
    assert_eq!(managed.daemon.stop().status, 0);
}
