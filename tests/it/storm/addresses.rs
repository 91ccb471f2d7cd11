//! A thousand addresses on a managed interface: exactly their rules, at start and live, and none of them
//! when the interface goes.

use super::account::{Counted, all_accounted};
use super::{agrees, calm::Calm};
use crate::support::{Daemon, Host, eth1_complete, rules, wait_within};
use std::collections::BTreeSet;
use std::time::Duration;

const ADDRESSES: u32 = 1_000;
/// A guard against hangs; the bucket of writes holds 2,000 a second after the first 8,192.
const PATIENCE: Duration = Duration::from_secs(900);

fn address(n: u32) -> String {
    format!("10.5.{}.{}", n / 250, n % 250 + 1)
}

fn line(verb: &str, n: u32) -> String {
    format!("addr {verb} {}/16 dev eth1\n", address(n))
}

/// `ip -batch` lines that add them all.
fn additions() -> String {
    (0..ADDRESSES).map(|n| line("add", n)).collect()
}

/// The others go with the first of a subnet, so it is the last here.
fn deletions() -> String {
    (0..ADDRESSES).rev().map(|n| line("del", n)).collect()
}

/// eth1's objects with all of them.
fn complete() -> BTreeSet<String> {
    let mut all: BTreeSet<String> = eth1_complete().into_iter().collect();
    all.extend((0..ADDRESSES).flat_map(|n| rules(&address(n), 207)));
    all.insert("table 207: 10.5.0.0/16 dev eth1".to_owned());
    assert_eq!(all.iter().filter(|line| line.starts_with("3200")).count(), 2 * ADDRESSES as usize + 2);
    all
}

fn await_exactly(host: &Host, daemon: &Daemon<'_>, what: &str, expected: &BTreeSet<String>) {
    let explain = || {
        let ours: BTreeSet<String> = host.ours_in_motion().into_iter().collect();
        let missing: Vec<_> = expected.difference(&ours).take(5).collect();
        let surplus: Vec<_> = ours.difference(expected).take(5).collect();
        format!(
            "{} of {}: missing {missing:?}, surplus {surplus:?}\n{}",
            ours.len(),
            expected.len(),
            host.log()
        )
    };
    wait_within(PATIENCE, what, explain, || {
        daemon.assert_alive();
        host.ours_in_motion().into_iter().collect::<BTreeSet<_>>() == *expected
    });
    assert_eq!(host.ours(), *expected, "{what}");
}

#[test]
fn storm_a_thousand_addresses_live() {
    let Some(host) = Host::new("storm_a_thousand_addresses_live") else { return };
    host.two_uplinks();
    for event in ["address-added", "address-removed"] {
        host.recorder(event, "10-note", "brief");
    }
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let (foreign, before, earlier) = (host.foreign(), Counted::now(&host), host.records().len());
    host.ip_batch(&additions(), false);
    await_exactly(&host, &daemon, "two rules for each address", &complete());
    calm.await_rest();
    agrees(&host);
    host.ip_batch(&deletions(), false);
    await_exactly(&host, &daemon, "none of them", &eth1_complete().into_iter().collect());
    calm.again(6_144);
    assert_eq!(host.foreign(), foreign);
    let now = all_accounted(&host, &before, earlier, &["address-added", "address-removed"]);
    let all = u64::from(ADDRESSES);
    assert_eq!((now.of("address-added"), now.of("address-removed")), (all, all), "{now:?}");
    let records = &host.records()[earlier..];
    let expected: Vec<String> = (0..ADDRESSES).map(address).collect();
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    for event in ["address-added", "address-removed"] {
        let of = records.iter().filter(|record| record.env("EVENT") == event);
        assert_eq!(of.map(|record| record.env("ADDRESS")).collect::<BTreeSet<_>>(), expected, "{event}");
    }
    agrees(&host);
}

#[test]
fn storm_a_thousand_addresses_at_start_and_gone_with_their_interface() {
    let name = "storm_a_thousand_addresses_at_start_and_gone_with_their_interface";
    let Some(host) = Host::new(name) else { return };
    host.two_uplinks();
    host.ip_batch(&additions(), false);
    let daemon = host.launch();
    // Ready means that the first pass is over, which takes an unoptimised helper seconds.
    wait_within(PATIENCE, "the daemon is ready", || daemon.log(), || daemon.log().contains(" ready: "));
    assert_eq!(host.ours(), complete());
    let calm = Calm::of(&host, &daemon);
    agrees(&host);
    host.ip("link del eth1");
    await_exactly(&host, &daemon, "nothing is left", &BTreeSet::new());
    calm.again(4_096);
    agrees(&host);
    // Here again under another index it gets another table.
    host.veth("eth1", 9);
    host.ip("addr add 10.5.0.1/16 dev eth1");
    host.ip("route add default via 10.5.200.1 dev eth1 metric 200");
    let mut again = rules("10.5.0.1", 209);
    again.push("table 209: 10.5.0.0/16 dev eth1".to_owned());
    again.push("table 209: default via 10.5.200.1 dev eth1 metric 200".to_owned());
    host.await_ours("its table is another", &again);
    agrees(&host);
    assert_eq!(daemon.stop().status, 0);
}
