//! Scripts, and events that wait for them.

use super::pair::{Machine, bulk, count};
use super::series::{Series, Unit};
use super::{Grown, machine};
use crate::support::wait_for;

/// Changes of a value behind events that wait: each looks for one like it among them.
const VALUES: usize = 100;
/// Events that run scripts, of which the mean counts.
const EVENTS: usize = 5;

pub(super) fn measure() -> Vec<Grown> {
    vec![scripts(), waiting()]
}

/// Scripts of one event, which end at once.
fn scripts() -> Grown {
    let mut series = Series::new("scripts", "script", 200);
    for size in [0, 10, 20, 50, 100, 200] {
        let host = machine(&format!("scripts {size}"));
        for n in 0..size {
            host.script("mtu", &format!("{n:03}-true"), "#!/bin/true\n");
        }
        let machine = Machine::start(host);
        let used = machine.cost(|| {
            for n in 0..EVENTS {
                let ran = size * n;
                wait_for("the scripts ran", || machine.host.log(), || executed(&machine) >= ran);
                machine.host.ip(&format!("link set eth0 mtu {}", 1_400 + n));
            }
        });
        use Unit::{Bytes, Microseconds};
        let duration = if size == 0 { 0.0 } else { machine.mean("netevd_event_duration_seconds") };
        series.point(
            size,
            &[
                ("worker, an event", Microseconds, used.worker / count(EVENTS)),
                ("until the last has ended", Microseconds, duration),
                ("worker's memory", Bytes, machine.memory().worker),
                ("list of scripts", Microseconds, machine.document("/api/v1/scripts").0),
            ],
        );
    }
    Grown { series, machines: Vec::new() }
}

fn executed(machine: &Machine) -> usize {
    let status = machine.host.api("/api/v1/status");
    usize::try_from(status["scripts_executed"].as_u64().expect("a number")).expect("few")
}

/// Edges of one link, none of which can be left out, behind a script that does not end.
fn waiting() -> Grown {
    let mut series = Series::new("waiting", "event", 8_000);
    for size in [1_000, 2_000, 4_000, 6_000, 8_000] {
        let host = machine(&format!("waiting {size}"));
        host.script("address-added", "10-slow", "#!/bin/sh\nexec sleep 1000\n");
        bulk(&host, "links add 0 1");
        let machine = Machine::start(host);
        // They come and go, so that the addresses themselves take no room.
        let pairs = size / 100;
        let used = machine.cost(|| {
            for _ in 0..pairs {
                bulk(machine.host, "addresses add 0 50 d0");
                bulk(machine.host, "addresses del 0 50 d0");
            }
        });
        let memory = machine.memory();
        let values = machine.cost(|| {
            let lines: String = (0..VALUES).map(|n| format!("link set d0 mtu {}\n", 1_300 + n)).collect();
            machine.host.ip_batch(&lines, false);
        });
        let status = machine.host.api("/api/v1/status");
        let waits = status["events_waiting"].as_u64().expect("a number");
        assert!(waits > u64::try_from(size).expect("few") - 100, "{status}");
        use Unit::{Bytes, Microseconds};
        series.point(
            size,
            &[
                ("worker's memory", Bytes, memory.worker),
                ("worker, to take one in", Microseconds, used.worker / count(size)),
                ("a value that changes behind them", Microseconds, values.worker / count(VALUES)),
            ],
        );
    }
    Grown { series, machines: Vec::new() }
}
