//! More routes than are copied: full tables, routing daemons. main decides for whatever is no default then, and
//! nothing that was answered is lost.

use super::named::{await_named, await_none, await_problem_count};
use super::site::{Managed, Site};
use crate::oracle::Policy;

const FAR: [&str; 2] = ["far 203.0.113.9 -> 198.51.100.2", "far 2001:db8:9::9 -> 2001:db8:b::2"];
const BOUND: [&str; 2] = ["host 198.51.100.2 -> 203.0.113.9", "host 2001:db8:b::2 -> 2001:db8:9::9"];

/// `routing.limits.copies` is exceeded by pods, and they become fewer again.
#[test]
fn hosts_more_routes_than_are_copied_are_left_to_main() {
    let Some(site) = Site::with_eth1("hosts_more_routes_than_are_copied_are_left_to_main") else { return };
    site.docker();
    site.sh("n box 'ip addr add 10.100.7.1/32 dev lo; ip addr add fd99:7::1/128 dev lo'
         pods() { for n in $(seq $2 $3); do echo route $1 10.100.$n.0/24 via 172.17.0.2 dev docker0
             echo route $1 fd99:$n::/32 via fd17::2 dev docker0; done >/tmp/pods; ip -batch /tmp/pods; }
         pods add 1 60");
    site.expects(&["box 10.100.7.1 -> 198.51.100.2", "box fd99:7::1 -> 2001:db8:b::2"]);
    // The prefixes of eth1 and docker0 are two more, of IPv6 three.
    let policy = Policy::of(&["eth1"]).copies(40);
    let managed = site.managed(&policy, &["10.100.9.9", "fd99:9::9", "172.17.0.9", "fd17::9"]);
    let all_is_answered = |managed: &Managed<'_>| {
        managed.answered(&FAR);
        managed.answered(&BOUND);
        managed.kept();
    };
    all_is_answered(&managed);
    let fronts = [
        "32001: from 198.51.100.2 lookup main suppress_prefixlength 7 proto 110",
        "32001: from 2001:db8:b::2 lookup main suppress_prefixlength 12 proto 110",
    ];
    managed.shows(&fronts, &["10.100.7.0/24 via 172.17.0.2 dev docker0 proto 110"]);
    for family in ["ipv4", "ipv6"] {
        let limit = "more than 40 routes to copy";
        await_named(&site.host, "too many", &["eth1", family, limit, "routing.limits.copies"]);
    }
    managed.daemon.await_log(&["WARN", "eth1 ipv6: main has more than 40 routes to copy"]);

    // Below the limit, and above three quarters of it: nothing goes to and fro.
    let pods = "pods() { for n in $(seq $2 $3); do echo route $1 10.100.$n.0/24 via 172.17.0.2 dev docker0
         echo route $1 fd99:$n::/32 via fd17::2 dev docker0; done >/tmp/pods; ip -batch /tmp/pods; }\n";
    site.sh(&format!("{pods} pods del 34 60; ip addr add 198.51.100.9/24 dev eth1"));
    site.kernel.await_exact(&site.host, &policy.clone().copies(30), "main is still first");
    managed.shows(&fronts, &[]);
    managed.shows(&["32001: from 198.51.100.9 lookup main suppress_prefixlength 7 proto 110"], &[]);
    all_is_answered(&managed);
    // Now they are copied again.
    managed.step(&format!("{pods} pods del 20 33"));
    managed.shows(&["10.100.7.0/24 via 172.17.0.2 dev docker0 proto 110"], &["suppress_prefixlength"]);
    await_none(&site.host, "few again");
    all_is_answered(&managed);
    // One family has too many, the other has not.
    managed.step("for n in $(seq 100 140); do ip -6 route add fd99:$n::/32 via fd17::2 dev docker0; done");
    managed.shows(&fronts[1..], &[fronts[0]]);
    all_is_answered(&managed);
}

/// Routes through eth0, and through eth1: more than the 4,096 that are copied; of eth0 far more (300,000 are in
/// routing/full_table.rs).
const FULL: u32 = 30_000;
const FULL_V6: u32 = 6_000;
const OTHER: u32 = 5_000;

/// A full table through one uplink and 5,000 routes through the other: BGP with two providers.
#[test]
fn hosts_a_full_table_and_five_thousand_routes_by_the_other_uplink() {
    let test = "hosts_a_full_table_and_five_thousand_routes_by_the_other_uplink";
    let Some(site) = Site::with_eth1(test) else { return };
    // 16.0.1.0/24 is one of eth0's, 19.13.64.0/24 and those behind it are eth1's; of IPv6 2001:db8:1: and 2001:db8:2:.
    site.sh(&format!(
        "n far 'ip addr add 16.0.1.9/32 dev lo; ip addr add 19.13.64.9/32 dev lo
            ip addr add 2001:db8:1:9::9/128 dev lo; ip addr add 2001:db8:2:9::9/128 dev lo'
         bulk() {{ /opt/netevd/netevd-test-agent bulk routes add $@ >/dev/null; }}
         bulk 0 {FULL} eth0 186 192.0.2.1; bulk 200000 {OTHER} eth1 186 198.51.100.1
         v6() {{ seq 0 $(($1 - 1)) | while read n; do
             printf '%s 2001:db8:%s:%x::/64 via %s dev %s proto bgp\\n' 'route add' $2 $n $3 $4; done; }}
         {{ v6 {FULL_V6} 1 fe80::a1 eth0; v6 {OTHER} 2 fe80::b1 eth1; }} >/tmp/v6; ip -6 -batch /tmp/v6"
    ));
    let tables = [
        "far 16.0.1.9 -> 192.0.2.2",
        "far 19.13.64.9 -> 198.51.100.2",
        "far 2001:db8:1:9::9 -> 2001:db8:a::2",
        "far 2001:db8:2:9::9 -> 2001:db8:b::2",
        "host -> 16.0.1.9",
        "host -> 2001:db8:2:9::9",
        "host 198.51.100.2 -> 19.13.64.9",
    ];
    site.expects(&tables);
    let policy = Policy::of(&["eth0", "eth1"]);
    let mut managed = site.managed_unjudged(&policy, &["16.0.99.1", "19.13.99.1"]);
    let first = |address: &str, length: u8| {
        format!("32001: from {address} lookup main suppress_prefixlength {length} proto 110")
    };
    let fronts = [
        first("192.0.2.2", 7),
        first("198.51.100.2", 7),
        first("2001:db8:a::2", 12),
        first("2001:db8:b::2", 12),
    ];
    let fronts: Vec<&str> = fronts.iter().map(String::as_str).collect();
    let defaults = [
        "default via 192.0.2.1 dev eth0 proto 110 metric 100",
        "default via 198.51.100.1 dev eth1 proto 110 metric 200",
        "default via fe80::a1 dev eth0 proto 110 metric 100",
        "default via fe80::b1 dev eth1 proto 110 metric 200",
    ];
    managed.shows(&fronts, &[]);
    managed.shows(&defaults, &["16.0.1.0/24", "19.13.64.0/24", "2001:db8:1:", "2001:db8:2:"]);
    managed.kept();
    managed.answered(&FAR);
    managed.answered(&BOUND);
    // Status says which way it went, for each table; what is in eth0's table asks eth1's address in vain, as ever.
    for (link, family) in [("eth0", "ipv4"), ("eth1", "ipv4"), ("eth0", "ipv6"), ("eth1", "ipv6")] {
        let said = "more than 4096 routes to copy (routing.limits.copies), so main is asked first";
        await_named(&site.host, "too many", &[link, family, said]);
    }
    await_problem_count(&site.host, "nothing else", 4);
    let other_way = ["far 16.0.1.9 -> 198.51.100.2", "far 2001:db8:1:9::9 -> 2001:db8:b::2"];
    managed.unanswered(&other_way);

    // Without the daemon's routes the tables are small, and what arrives through eth1 is answered through it.
    managed.reload_unjudged(&policy.ignoring(&[186]));
    managed.shows(&defaults, &["suppress_prefixlength"]);
    await_none(&site.host, "they are ignored");
    managed.answered(&other_way);
    managed.answered(&tables);
    managed.kept();
}
