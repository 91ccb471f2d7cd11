//! Links, addresses and routes: machines with more and more of one of them.

use super::pair::{Pair, Used, count};
use super::series::{Series, Unit};
use crate::support::Host;

/// Changes of which the cost of one among many is the mean.
const BURST: usize = 200;
/// Lone changes, of which the cheapest counts.
const LONE: usize = 3;

/// Runs the agent's `bulk` to its end.
pub(super) fn bulk(host: &Host, words: &str) {
    let agent = ["/opt/netevd/netevd-test-agent", "bulk"];
    let words: Vec<&str> = agent.into_iter().chain(words.split(' ')).collect();
    let output = host.run(&words);
    assert_eq!(output.status, 0, "{words:?}: {}", output.stderr);
}

/// Dummies `dN`, up, without any address.
pub(super) fn links(sizes: &[usize]) -> Series {
    let host = crate::machine("scale: links");
    // Every address there is was asked for.
    host.sh("sysctl -qw net.ipv6.conf.default.disable_ipv6=1");
    grow(&host, Series::new("links", "link", 5_000.0), sizes, |first, more| {
        bulk(&host, &format!("links add {} {more}", first + 2));
    })
}

/// Addresses of a link that is not under policy routing.
pub(super) fn addresses(sizes: &[usize]) -> Series {
    let host = crate::machine("scale: addresses");
    grow(&host, Series::new("addresses", "address", 5_000.0), sizes, |first, more| {
        bulk(&host, &format!("addresses add {} {more} d0", 1_000_000 + first));
    })
}

/// Routes in main: of protocol `static` netevd needs them, of protocol `bgp` it does not, unless something waits
/// in `routes.d`.
pub(super) fn routes(key: &str, sizes: &[usize], protocol: u8, with_script: bool) -> Series {
    let host = crate::machine("scale: routes");
    if with_script {
        host.script("routes", "10-true", "#!/bin/true\n");
    }
    // By an uplink, as a router's are: none of them is copied.
    grow(&host, Series::new(key, "route", 200_000.0), sizes, |first, more| {
        bulk(&host, &format!("routes add {first} {more} eth0 {protocol} 192.0.2.1"));
    })
}

/// Starts a daemon at each size, and asks it what all of it costs.
fn grow(host: &Host, mut series: Series, sizes: &[usize], mut add: impl FnMut(usize, usize)) -> Series {
    // Two links without a part in it: `d0` for what grows, `d1` for changes.
    bulk(host, "links add 0 2");
    let mut there = 0;
    for size in sizes {
        if *size > there {
            add(there, size - there);
            there = *size;
        }
        let (pair, ready) = Pair::start(host);
        let start = pair.used();
        let memory = pair.memory();
        let resync = pair.mean("netevd_resync_duration_seconds");
        let lone = (0..LONE).map(|n| pair.cost(|| bulk(host, &format!("addresses add {n} 1 d1"))));
        let lone = lone.min_by(|a, b| a.worker.total_cmp(&b.worker)).expect("some");
        let burst = pair.cost(|| bulk(host, &format!("addresses add 1000 {BURST} d1")));
        let each = |used: f64| used / count(BURST);
        let (list, length) = pair.document("/api/v1/interfaces");
        let (status, _) = pair.document("/api/v1/status");
        let (metrics, _) = pair.document("/metrics");
        host.ip("addr flush dev d1");
        use Unit::{Bytes, Microseconds};
        series.point(
            count(*size),
            &[
                ("worker's memory", Bytes, memory.worker),
                ("helper's memory", Bytes, memory.helper),
                ("worker's peak", Bytes, memory.peak),
                ("start to ready", Microseconds, ready),
                ("worker's start", Microseconds, start.worker),
                ("helper's start", Microseconds, start.helper),
                ("whole dump", Microseconds, resync),
                ("worker, a lone change", Microseconds, lone.worker),
                ("helper, a lone change", Microseconds, lone.helper),
                ("worker, one change of 200", Microseconds, each(burst.worker)),
                ("helper, one change of 200", Microseconds, each(burst.helper)),
                ("list of interfaces", Microseconds, list),
                ("its length", Bytes, length),
                ("status", Microseconds, status),
                ("metrics", Microseconds, metrics),
            ],
        );
        let _ = Used { ..lone };
    }
    series
}
