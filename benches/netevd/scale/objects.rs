//! Links, addresses and routes: machines with more and more of one of them.

use super::pair::{Machine, bulk, count};
use super::series::{Series, Unit};
use super::{Grown, machine};
use crate::support::Host;

/// Changes at once: as many as the ring of events holds, so that it is full everywhere.
const BURST: usize = 1_000;
/// Lone changes, of which the cheapest counts.
const LONE: usize = 3;
/// Numbers of routing protocols (/etc/iproute2/rt_protos).
const STATIC: u8 = 4;
const BGP: u8 = 186;

/// Without any address, up.
pub(super) fn links() -> Vec<Grown> {
    let series = Series::new("links", "link", 5_000);
    let sizes = [0, 500, 1_000, 2_000, 5_000, 10_000];
    vec![grow(series, &sizes, |host, size| bulk(host, &format!("links add 2 {size}")))]
}

/// On one link that is not under policy routing.
pub(super) fn addresses() -> Vec<Grown> {
    let series = Series::new("addresses", "address", 5_000);
    let sizes = [0, 500, 1_000, 2_000, 5_000];
    vec![grow(series, &sizes, |host, size| bulk(host, &format!("addresses add 1000000 {size} d0")))]
}

/// Of main. netevd keeps those of an administrator (protocol `static`), for gateways follow from them, and copies what
/// leads by no other uplink; what a routing daemon sends that way it reads and forgets, unless a script in `routes.d`
/// wants to hear of it.
pub(super) fn routes() -> Vec<Grown> {
    let by_eth0 = |protocol: u8| {
        move |host: &Host, size: usize| bulk(host, &format!("routes add 0 {size} eth0 {protocol} 192.0.2.1"))
    };
    let wanted = |host: &Host, size: usize| {
        host.script("routes", "10-true", "#!/bin/true\n");
        by_eth0(BGP)(host, size);
    };
    let by_d0 = |host: &Host, size: usize| bulk(host, &format!("routes add 0 {size} d0 {STATIC}"));
    let many = [0, 50_000, 100_000, 200_000, 1_000_000];
    vec![
        grow(Series::new("needed", "route", 10_000), &[0, 1_000, 2_000, 5_000, 10_000], by_eth0(STATIC)),
        grow(Series::new("copied", "network", 4_000), &[0, 500, 1_000, 2_000, 4_000], by_d0),
        grow(Series::new("unwanted", "route", 200_000), &many, by_eth0(BGP)),
        grow(Series::new("wanted", "route", 200_000), &many, wanted),
    ]
}

/// A machine of each size: what starting there costs, a change of an address, and the documents that people ask for.
fn grow(mut series: Series, sizes: &[usize], add: impl Fn(&Host, usize)) -> Grown {
    let mut machines = Vec::new();
    for size in sizes {
        let host = machine(&format!("{} {size}", series.key));
        // Two links without a part in it: `d0` for addresses, `d1` for changes.
        bulk(&host, "links add 0 2");
        if *size > 0 {
            add(&host, *size);
        }
        let machine = Machine::start(host);
        series.point(*size, &look(&machine));
        machines.push(machine);
    }
    Grown { series, machines }
}

/// What a daemon that has just started has cost, and does.
pub(super) fn look(machine: &Machine) -> [(&'static str, Unit, f64); 10] {
    use Unit::{Bytes, Microseconds};
    let start = machine.used();
    let dump = machine.mean("netevd_resync_duration_seconds");
    let lone = (0..LONE).map(|n| machine.cost(|| bulk(machine.host, &format!("addresses add {n} 1 d1"))));
    let lone = lone.map(|used| used.worker + used.helper).fold(f64::INFINITY, f64::min);
    let burst = machine.cost(|| bulk(machine.host, &format!("addresses add 1000 {BURST} d1")));
    let (list, length) = machine.document("/api/v1/interfaces");
    [
        ("start to ready", Microseconds, machine.ready),
        ("worker's start", Microseconds, start.worker),
        ("helper's start", Microseconds, start.helper),
        ("whole dump", Microseconds, dump),
        ("a lone change", Microseconds, lone),
        ("one change of 1,000", Microseconds, (burst.worker + burst.helper) / count(BURST)),
        ("list of interfaces", Microseconds, list),
        ("its length", Bytes, length),
        ("status", Microseconds, machine.document("/api/v1/status").0),
        ("metrics", Microseconds, machine.document("/metrics").0),
    ]
}
