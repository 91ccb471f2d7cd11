//! Random changes over three seeds; whenever the machine is at rest, netevd's objects are the oracle's, and nothing
//! foreign has changed. With the worker stopped, the helper alone lets nothing remain that it would refuse now.
//!
//! `make test-random` makes 5,000 changes for each seed; else NETEVD_RANDOM_CHANGES says how many. NETEVD_RANDOM_SEED
//! is another seed than a test's own.

use super::operations::{Batch, Random};
use crate::oracle::{Kernel, Policy};
use crate::support::{Host, holds_for};
use std::time::Duration;

const USUAL: u32 = 300;

/// Three uplinks with providers at the other end, a bridge, a tunnel, and objects that nobody has to touch.
fn machine(host: &Host) {
    host.sh(
        "sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.dad_transmits=0
         ip netns add isp; nsenter --net=/run/netns/isp sh -c 'ip link set lo up
            sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.all.forwarding=1'
         echo 'for l in eth0 eth1 eth2; do
            ip link show dev ${l}p >/dev/null 2>&1 || continue; ip link set ${l}p up
            ip -6 addr add fe80::1/64 dev ${l}p 2>/dev/null; ip -6 addr add fe80::2/64 dev ${l}p 2>/dev/null
         done; true' >/tmp/providers
         for n in 0 1 2; do
            ip link add name eth$n index $((6 + n)) type veth peer name eth${n}p netns isp; ip link set eth$n up
         done
         nsenter --net=/run/netns/isp sh /tmp/providers
         sysctl -qw net.ipv6.conf.default.accept_ra=2 net.ipv6.conf.default.accept_ra_rt_info_max_plen=64
         for n in 0 1 2; do sysctl -qw net.ipv6.conf.eth$n.accept_ra=2 net.ipv6.conf.eth$n.accept_ra_rt_info_max_plen=64; done
         [ -e /dev/net/tun ] || { mkdir -p /dev/net; mknod /dev/net/tun c 10 200; }; ip tuntap add tun0 mode tun; ip link set tun0 up
         ip addr add 10.10.0.2/32 dev tun0
         ip link add name docker0 index 20 type bridge; ip addr add 172.17.0.1/16 dev docker0
         sysctl -qw net.ipv6.conf.docker0.keep_addr_on_down=1
         ip addr add fd17::1/64 dev docker0; ip link set docker0 up
         ip link add name br9 index 21 type bridge; ip link set br9 up
         ip link add name keep index 22 type bridge; ip addr add 10.99.0.1/24 dev keep; ip link set keep up
         ip addr add 10.0.0.2/24 dev eth0; ip route add default via 10.0.0.1 dev eth0 metric 100
         ip rule add priority 100 from 10.0.1.0/24 to 10.96.0.0/16 iif lo lookup 4711
         ip -6 rule add priority 100 to 2001:db8:ffff::/64 iif lo lookup 4711
         ip rule add priority 32001 from 10.96.1.2 lookup 4711; ip rule add priority 32004 to 10.96.1.2 lookup main
         ip route add unreachable default table 4711 metric 9; ip route add 10.98.0.0/16 dev keep table 4711",
    );
}

fn run(host: &Host, batch: &Batch) {
    host.sh(&batch.script());
    // A link that was made again has no provider yet.
    host.sh("nsenter --net=/run/netns/isp sh /tmp/providers");
}

/// The objects that nobody has to touch, without what the link's carrier says of them.
fn steady(host: &Host) -> Vec<String> {
    let line = |line: String| {
        let kept = line.contains("\"table\":\"4711\"") || line.contains("\"dev\":\"keep\"");
        kept.then(|| line.replace("\"linkdown\"", ""))
    };
    host.foreign().into_iter().filter_map(line).collect()
}

fn storm(host: &Host, seed: u32, policy: &Policy, is_loose: bool) {
    machine(host);
    host.config(&policy.yaml());
    let kernel = Kernel::new(host);
    let steady = || steady(host);
    let foreign = steady();
    assert!(foreign.len() >= 5, "{foreign:#?}");
    let daemon = host.start_daemon();

    let changes =
        std::env::var("NETEVD_RANDOM_CHANGES").map_or(USUAL, |text| text.parse().expect("a number"));
    let seed = std::env::var("NETEVD_RANDOM_SEED").map_or(seed, |text| text.parse().expect("a number"));
    let mut random = Random(seed);
    let (mut made, mut rounds) = (0, 0_u32);
    let mut sizes = Vec::new();
    while made < changes {
        let count = 1 + random.below(20);
        let mut batch = Batch { is_loose, ..Batch::default() };
        for _ in 0..count {
            batch.add(&mut random);
        }
        // Twice only: a third wipe within a minute is answered by backing off, by design.
        if [changes / 3, changes / 2].iter().any(|at| (made..made + count).contains(at)) {
            batch.v4.push("rule flush protocol 110\nroute flush table 207\nroute flush table 208".to_owned());
        }
        made += count;
        rounds += 1;
        // A stand-in of one process, as a prototype is, has no worker to stop.
        let worker = daemon.child("netevd-worker").filter(|_| rounds.is_multiple_of(6));
        let what = format!("seed {seed}, after {made} changes, the last of them:\n{}", batch.script());
        if let Some(worker) = worker {
            host.sh(&format!("kill -STOP {worker}"));
            run(host, &batch);
            kernel.await_granted(host, policy, &what);
            host.sh(&format!("kill -CONT {worker}"));
        } else {
            run(host, &batch);
        }
        let rules = kernel.foreign_rules();
        sizes.push(kernel.await_exact(host, policy, &what).len());
        assert_eq!(kernel.foreign_rules(), rules, "others' rules are unchanged: {what}");
        let now = steady();
        let differing: Vec<_> = now
            .iter()
            .filter(|l| !foreign.contains(l))
            .chain(foreign.iter().filter(|l| !now.contains(l)))
            .collect();
        assert!(differing.is_empty(), "others' routes are unchanged: {differing:#?}\n{what}");
        if rounds.is_multiple_of(16) {
            conflict(host, &kernel, policy, &mut random);
        }
    }
    let (most, empty) =
        (sizes.iter().max().copied().unwrap_or(0), sizes.iter().filter(|size| **size == 0).count());
    assert!(most > 15 && empty < sizes.len() / 2, "the changes led somewhere: {sizes:?}");
    assert_eq!(daemon.stop().status, 0);
}

/// Another program takes a table: what is there may go with its reason, and nothing is added.
fn conflict(host: &Host, kernel: &Kernel, policy: &Policy, random: &mut Random) {
    let table = random.of(&[207, 208]);
    let object = random
        .of(&[
            format!("rule add from 10.97.0.0/24 lookup {table} priority 30").as_str(),
            format!("route add 10.97.0.0/24 dev keep table {table} protocol static").as_str(),
        ])
        .to_owned();
    let before = kernel.routes_of(table);
    host.ip(&object);
    host.ip_batch(
        "route add 10.97.1.0/24 dev docker0\naddr add 10.0.1.77/24 dev eth1\naddr add 10.0.2.77/24 dev eth2\n",
        true,
    );
    holds_for(
        Duration::from_secs(1),
        &format!("nothing is added to a table with a conflict: {object}"),
        || kernel.routes_of(table).is_subset(&before),
    );
    host.ip(&object.replacen(" add ", " del ", 1));
    host.ip_batch(
        "route del 10.97.1.0/24 dev docker0\naddr del 10.0.1.77/24 dev eth1\naddr del 10.0.2.77/24 dev eth2\n",
        true,
    );
    kernel.await_exact(host, policy, &format!("once the conflict is over: {object}"));
}

#[test]
fn routing_random_changes_against_an_oracle_first_seed() {
    let Some(host) = Host::with_users("routing_random_changes_against_an_oracle_first_seed") else {
        return;
    };
    storm(&host, 20_261_123, &Policy::of(&["eth1", "eth2"]), false);
}

#[test]
fn routing_random_changes_against_an_oracle_second_seed() {
    let Some(host) = Host::with_users("routing_random_changes_against_an_oracle_second_seed") else {
        return;
    };
    storm(&host, 8_675_309, &Policy::of(&["eth1", "eth2"]).unreachable(), false);
}

#[test]
fn routing_random_changes_against_an_oracle_third_seed() {
    let Some(host) = Host::with_users("routing_random_changes_against_an_oracle_third_seed") else {
        return;
    };
    storm(&host, 31_415_926, &Policy::of(&["eth*", "!eth0"]).gateway("eth2", "10.0.2.1"), false);
}

/// Routes whose gateway's subnet went, which the kernel keeps, and refuses in another table: what cannot be made is
/// named, and what stands is granted.
#[test]
fn routing_random_changes_with_gateways_that_become_unreachable() {
    let Some(host) = Host::with_users("routing_random_changes_with_gateways_that_become_unreachable") else {
        return;
    };
    storm(&host, 271_828_183, &Policy::of(&["eth1", "eth2"]), true);
}
