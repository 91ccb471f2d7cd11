//! Whole hosts: a node with five hundred pods, and a router whose full table comes in by an uplink that is under
//! policy routing.

use super::objects::look;
use super::pair::{Machine, Used, bulk, count, micros};
use super::series::{Series, Unit};
use super::{Grown, machine};
use crate::support::{Host, wait_for};
use std::ops::Range;
use std::time::{Duration, Instant};

const PODS: usize = 500;
/// Pods that go, while others come.
const REPLACED: usize = 50;
const TABLE: usize = 1_000_000;
/// Against hangs.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn measure() -> Vec<Grown> {
    vec![pods(), router()]
}

/// Each has a veth with an address, and a route to itself, as a network of containers makes them; all of the routes
/// are local networks to eth1, which is under policy routing.
fn pods() -> Grown {
    let mut series = Series::new("pods", "pod", PODS);
    let host = machine("pods");
    host.sh("ip netns add pods");
    bulk(&host, "links add 0 2");
    host.ip_batch(&(0..PODS).map(pod).collect::<String>(), false);
    bring_up(&host, 0..PODS);
    let machine = Machine::start(host);
    let started = look(&machine);
    let began = Instant::now();
    let replaced = machine.cost(|| {
        let change = |n| format!("link del pod{n}\n{}", pod(PODS + n));
        machine.host.ip_batch(&(0..REPLACED).map(change).collect::<String>(), false);
        bring_up(machine.host, PODS..PODS + REPLACED);
        await_copies(machine.host, began);
    });
    // What each pod of the namespace `pods` says is no business of this one.
    wait_for("the copies are those of main", || machine.host.log(), || copies(machine.host) == PODS);
    use Unit::Microseconds;
    let each = |used: Used| (used.worker / count(REPLACED), used.helper / count(REPLACED));
    let (worker, helper) = each(replaced);
    let mut values = started.to_vec();
    values.extend([
        ("worker, a pod replaced", Microseconds, worker),
        ("helper, a pod replaced", Microseconds, helper),
    ]);
    series.point(PODS, &values);
    Grown { series, machines: vec![machine] }
}

fn pod(n: usize) -> String {
    let (high, low) = (n / 256, n % 256);
    format!(
        "link add pod{n} up type veth peer name eth{n} netns pods\n\
         addr add 10.244.{high}.{low}/32 dev pod{n}\n\
         route add 10.245.{high}.{low}/32 dev pod{n}\n"
    )
}

/// The pods' own ends, which gives the others their carrier.
fn bring_up(host: &Host, pods: Range<usize>) {
    let lines: String = pods.map(|n| format!("link set eth{n} up\n")).collect();
    host.write("/tmp/pods", &lines, 0o644);
    host.ip("-n pods -batch /tmp/pods");
}

/// Routes of eth1's table that lead to pods.
fn copies(host: &Host) -> usize {
    host.ip("route show table 207").lines().filter(|line| line.starts_with("10.245.")).count()
}

fn await_copies(host: &Host, began: Instant) {
    while copies(host) != PODS {
        assert!(began.elapsed() < PATIENCE, "{} copies:\n{}", copies(host), host.log());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The helper's checks read main for a local network, and what leads by an uplink for its gateway.
fn router() -> Grown {
    let mut series = Series::new("router", "route", TABLE);
    let host = machine("router");
    host.sh("ip link add docker0 up type bridge; ip addr add 172.17.0.1/16 dev docker0");
    bulk(&host, "links add 0 2");
    bulk(&host, &format!("routes add 0 {TABLE} eth1 186 198.51.100.1"));
    let machine = Machine::start(host);
    let values = look(&machine);
    let began = Instant::now();
    machine.host.ip("route change default via 198.51.100.251 dev eth1 metric 200");
    let is_changed = || machine.host.ip("route show table 207 default").contains("198.51.100.251");
    while !is_changed() {
        assert!(began.elapsed() < PATIENCE, "{}", machine.host.log());
    }
    let changed = micros(began.elapsed());
    let mut values = values.to_vec();
    values.push(("another gateway", Unit::Microseconds, changed));
    series.point(TABLE, &values);
    Grown { series, machines: vec![machine] }
}
