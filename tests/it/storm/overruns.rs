//! More messages than the receive buffer holds, again and again: what was lost is made up for by a dump,
//! every time, and what scripts hear is the difference.

use super::account::{Counted, all_accounted};
use super::{agrees, calm::Calm, routes_storm};
use crate::support::{Daemon, Host, eth1_complete, rules, wait_for};
use std::collections::BTreeSet;

const ROUNDS: u32 = 6;
const EVENTS: [&str; 5] = ["address-added", "address-removed", "mtu", "link-added", "link-removed"];

/// Makes `happen` while the worker is stopped.
fn while_stopped(host: &Host, daemon: &Daemon<'_>, worker: u32, happen: impl FnOnce()) {
    host.sh(&format!("kill -STOP {worker}"));
    let stopped = || host.read(&format!("/proc/{worker}/status")).contains("State:\tT");
    wait_for("the worker is stopped", || daemon.log(), stopped);
    happen();
    host.sh(&format!("kill -CONT {worker}"));
}

/// What the kernel says that it has dropped for this worker's multicast socket.
fn dropped(host: &Host) -> u64 {
    // Columns of /proc/net/netlink: sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode.
    let table = host.sh("cat /proc/net/netlink");
    let of = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let listens = words.get(1) == Some(&"0") && words.get(3) != Some(&"00000000");
        if listens { words.get(8)?.parse::<u64>().ok() } else { None }
    };
    table.lines().filter_map(of).sum()
}

/// Several overruns, each with changes behind it that no message tells of, and each of which has to be
/// told and acted upon nevertheless.
fn overruns(host: &Host, daemon: &Daemon<'_>) {
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(host, daemon);
    let (before, earlier) = (Counted::now(host), host.records().len());
    let lost = dropped(host);
    for round in 1..=ROUNDS {
        let (new, old) = (format!("198.51.100.{}", 100 + round), format!("198.51.100.{}", 99 + round));
        while_stopped(host, daemon, calm.worker(), || {
            // 60,000 messages of 832 bytes are more than any buffer here.
            // Of a protocol whose routes are needed: others the kernel drops unheard.
            routes_storm(host, "30000 storm 1 4");
            host.ip(&format!("addr add {new}/24 dev eth1"));
            host.ip(&format!("link set eth1 mtu {}", 1400 + round));
            host.ip(&format!("link add name late{round} type bridge"));
            if round > 1 {
                host.ip(&format!("addr del {old}/24 dev eth1"));
                host.ip(&format!("link del late{}", round - 1));
            }
        });
        let expected = [eth1_complete(), rules(&new, 207)].concat();
        host.await_ours(&format!("exact after overrun {round}"), &expected);
        calm.await_rest();
    }
    assert!(dropped(host) - lost > u64::from(ROUNDS), "the kernel dropped messages");
    calm.again(4_096);
    let now = all_accounted(host, &before, earlier, &EVENTS);
    assert!(now.overruns >= u64::from(ROUNDS), "{now:?}");
    let all = u64::from(ROUNDS);
    let expected = [all, all - 1, all, all, all - 1];
    assert_eq!(EVENTS.map(|event| now.of(event)), expected, "each difference is told once: {now:?}");
    let records = &host.records()[earlier..];
    let told: BTreeSet<&str> =
        records.iter().filter(|r| r.env("EVENT") == "link-added").map(|r| r.env("LINK")).collect();
    assert_eq!(told.len(), ROUNDS as usize);
    assert!(records.iter().all(|record| record.env("STARTUP") == "0"));
    agrees(host);
}

#[test]
fn storm_overruns_of_the_large_buffer() {
    let Some(host) = Host::new("storm_overruns_of_the_large_buffer") else { return };
    host.two_uplinks();
    EVENTS.iter().for_each(|event| host.recorder(event, "10-note", "brief"));
    let daemon = host.start_daemon();
    overruns(&host, &daemon);
}
