//! Changes of routes: ten thousand, and a million, with a script for them and without.

use super::account::{Counted, all_accounted};
use super::calm::Calm;
use super::{agrees, routes_storm, size};
use crate::support::{Host, Record, eth1_complete, rules};
use std::collections::{BTreeMap, BTreeSet};

/// No manager's, so that they are none that netevd copies, and remembered only for scripts.
const BGP: u32 = 186;

/// Routes of 10/8 in main that are there by ip.
fn present(host: &Host) -> BTreeSet<String> {
    let routes = host.ip_json("-4 route show table main");
    let names = routes.as_array().expect("a list").iter().filter_map(|route| route["dst"].as_str());
    names.filter(|name| name.starts_with("10.")).map(|name| format!("{name}/32")).collect()
}

/// What a script that keeps a table by what it is told has in the end.
fn replayed(records: &[Record]) -> BTreeSet<String> {
    let mut table = BTreeMap::new();
    for record in records.iter().filter(|record| record.env("EVENT") == "routes") {
        for change in record.document()["routes"].as_array().into_iter().flatten() {
            let text = |key: &str| change[key].as_str().unwrap_or_default().to_owned();
            table.insert(text("destination"), text("action"));
        }
    }
    table.into_iter().filter(|(_, action)| action != "removed").map(|(destination, _)| destination).collect()
}

/// A buffer within rmem_max holds less than the storm, so that there the kernel has to be waited for.
fn pace(host: &Host) -> &'static str {
    if host.has_users() { "" } else { "paced" }
}

#[test]
fn storm_ten_thousand_route_events_with_a_script() {
    let Some(host) = Host::new("storm_ten_thousand_route_events_with_a_script") else { return };
    host.two_uplinks();
    host.recorder("routes", "10-note", "brief");
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let (before, earlier) = (Counted::now(&host), host.records().len());
    let changes = routes_storm(&host, &format!("5500 storm 1 {BGP} 1000 {}", pace(&host)));
    assert_eq!(changes, 10_000);
    calm.again(3_072);
    let now = all_accounted(&host, &before, earlier, &["routes"]);
    assert_eq!((now.of("routes"), now.route_messages, now.overruns), (changes, changes, 0), "{now:?}");
    let records = &host.records()[earlier..];
    // A batch holds 4,096 changes and says so when there were more.
    if !records.iter().any(|record| record.document()["truncated"] == true) {
        assert_eq!(replayed(records), present(&host));
    }
    assert_eq!(present(&host).len(), 1_000);
    agrees(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn storm_a_million_route_changes_with_a_script() {
    let Some(host) = Host::new("storm_a_million_route_changes_with_a_script") else { return };
    host.two_uplinks();
    host.recorder("routes", "10-note", "brief");
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let (before, earlier) = (Counted::now(&host), host.records().len());
    let rounds = size(250, 50);
    let changes = routes_storm(&host, &format!("2000 storm {rounds} {BGP} 500 paced"));
    assert_eq!(changes, u64::from(rounds) * 4_000 - 500);
    calm.again(4_096);
    let now = all_accounted(&host, &before, earlier, &["routes"]);
    assert_eq!((now.of("routes"), now.route_messages, now.overruns), (changes, changes, 0), "{now:?}");
    let records = &host.records()[earlier..];
    assert!(
        records.iter().all(|record| record.document()["truncated"] != true),
        "2,000 routes fit in a batch"
    );
    assert_eq!(replayed(records), present(&host), "the newest word on each route is the kernel's");
    assert_eq!(present(&host).len(), 500);
    agrees(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn storm_a_million_route_changes_without_a_script() {
    let Some(host) = Host::new("storm_a_million_route_changes_without_a_script") else { return };
    host.two_uplinks();
    // For what the storm must not touch.
    host.recorder("address-added", "10-note", "");
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let calm = Calm::of(&host, &daemon);
    let (before, earlier) = (Counted::now(&host), host.records().len());
    let rounds = size(100, 100);
    let changes = routes_storm(&host, &format!("5000 storm {rounds} {BGP} 500"));
    assert_eq!(changes, u64::from(rounds) * 10_000 - 500);
    calm.again(1_024);
    let now = all_accounted(&host, &before, earlier, &["address-added"]);
    println!("{now:?}");
    assert_eq!(now.events, BTreeMap::new(), "nothing is said of what nobody asked for");
    assert_eq!(host.records().len(), earlier);
    agrees(&host);
    host.await_ours("eth1 is complete", &eth1_complete());
    // And it listens on.
    host.ip("addr add 198.51.100.9/24 dev eth1");
    host.await_run("address-added", "eth1");
    host.await_ours("the new address", &[eth1_complete(), rules("198.51.100.9", 207)].concat());
}
