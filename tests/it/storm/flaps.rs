//! Fifty links that flap at once while their scripts are slow: order on each link is kept, the final
//! state is the last that each hears of, and no link waits for another.

use super::account::{Counted, STATES, all_accounted};
use super::{agrees, calm::Calm};
use crate::support::{Host, Record, wait_for};
use std::collections::BTreeMap;

const LINKS: u32 = 50;
const FLAPS: u32 = 40;
/// How long each script takes, in milliseconds.
const SLOW: i64 = 400;
/// As many at a time as there are links: who waits, waits for its own link.
const CONFIG: &str = "system: { backend: kernel }\nscripts: { max_parallel: 64 }\n";

fn link(n: u32) -> String {
    format!("flap{n:02}")
}

#[test]
fn storm_fifty_links_flap_with_slow_scripts() {
    let Some(host) = Host::new("storm_fifty_links_flap_with_slow_scripts") else { return };
    host.isp();
    let lines = |line: &dyn Fn(String) -> String| -> String { (0..LINKS).map(|n| line(link(n))).collect() };
    host.ip_batch(&lines(&|name| format!("link add {name} type veth peer name {name}p netns isp\n")), false);
    host.peer(&lines(&|name| format!("ip link set {name}p up\n")));
    let addresses: String = (0..LINKS).map(|n| format!("addr add 10.7.{n}.2/24 dev {}\n", link(n))).collect();
    host.ip_batch(&addresses, false);
    host.ip_batch(&lines(&|name| format!("link set {name} up\n")), false);
    host.config(CONFIG);
    for event in STATES {
        host.recorder(event, "10-slow", &format!("brief sleep={SLOW}"));
    }
    let daemon = host.start_daemon();
    let calm = Calm::of(&host, &daemon);
    let (before, earlier) = (Counted::now(&host), host.records().len());
    for flap in 0..FLAPS {
        let verb = if flap % 2 == 0 { "down" } else { "up" };
        host.ip_batch(&lines(&|name| format!("link set {name} {verb}\n")), false);
    }
    // Every other one stays down.
    let last: String = (0..LINKS).step_by(2).map(|n| format!("link set {} down\n", link(n))).collect();
    host.ip_batch(&last, false);
    calm.again(6_144);
    let now = all_accounted(&host, &before, earlier, &STATES);
    assert!(now.coalesced > 0, "slow scripts and fast links: something was left out: {now:?}");

    let records = host.records();
    let mut of: BTreeMap<&str, Vec<&Record>> = BTreeMap::new();
    records[earlier..].iter().for_each(|record| of.entry(record.env("LINK")).or_default().push(record));
    assert_eq!(of.len(), LINKS as usize);
    for n in 0..LINKS {
        let name = link(n);
        let runs = &of[name.as_str()];
        let number = |record: &&Record| record.env("EVENT_ID").parse::<u64>().expect("a number");
        assert!(runs.iter().map(number).is_sorted(), "{name}: in order");
        let apart = runs.windows(2).all(|two| two[1].started() - two[0].started() >= SLOW * 1_000_000);
        assert!(apart, "{name}: one after the other");
        let state = host.api(&format!("/api/v1/interfaces/{name}"))["state"].clone();
        let heard = runs.last().expect("a run").env("EVENT");
        assert_eq!(state, heard, "{name}: the last run was for the final state");
        assert_eq!(heard, if n % 2 == 0 { "no-carrier" } else { "configured" }, "{name}");
    }
    // Side by side: while all links have something waiting, as many scripts run as there are links. A
    // machine that is busy with everything else starts them late, not one after the other.
    let starts: Vec<i64> = records[earlier..].iter().map(Record::started).collect();
    let at_once =
        |now: &i64| starts.iter().filter(|start| (*now - SLOW * 1_000_000..=*now).contains(*start)).count();
    let most = starts.iter().map(at_once).max().expect("runs");
    println!("{most} scripts ran at once");
    assert!(most >= LINKS as usize / 2, "{most} scripts at once: links waited for each other");
    wait_for(
        "no script is left",
        || format!("{:?}", host.processes()),
        || !host.processes().iter().any(|process| process.name.starts_with("netevd-test-age")),
    );
    agrees(&host);
}
