//! A thousand requests a second while ten thousand routes change: no event is lost, nobody waits long.

use super::{CONFIG, machine};
use crate::support::{Record, SOCKET};
use serde_json::Value;
use std::process::Stdio;

const CHANGES: usize = 10_000;

/// Changes of routes of 10/8 that scripts were told of, or that a run says it stands for.
fn told(records: &[Record]) -> usize {
    let of = |record: &Record| {
        let routes = record.document()["routes"].as_array().cloned().unwrap_or_default();
        let is = |route: &&Value| route["destination"].as_str().is_some_and(|to| to.starts_with("10."));
        routes.iter().filter(is).count() + record.env("SKIPPED").parse::<usize>().expect("a number")
    };
    records.iter().filter(|record| record.env("EVENT") == "routes").map(of).sum()
}

#[test]
fn api_is_quick_in_a_storm_and_loses_nothing() {
    let Some(host) = machine("api_is_quick_in_a_storm_and_loses_nothing", CONFIG) else { return };
    host.recorder("routes", "10-note", "");
    let _daemon = host.start_daemon();
    let endpoint = format!("unix:{SOCKET}");
    let requests = host
        .command(&[
            "/opt/netevd/netevd-test-agent",
            "requests",
            &endpoint,
            "1000",
            "5000",
            "/api/v1/status",
            "/api/v1/interfaces",
            "/api/v1/interfaces/eth1",
            "/api/v1/events?limit=10",
            "/health",
            "/api/v1/rules",
            "/metrics",
            "/api/v1/routes?table=207",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("nsenter (util-linux) is installed");
    let before = told(&host.records());
    let lines = |verb: &str| -> String {
        let net = |n: usize| format!("route {verb} 10.{}.{}.0/24 via 192.0.2.1 dev eth0\n", n / 250, n % 250);
        (0..CHANGES / 2).map(net).collect()
    };
    host.ip_batch(&lines("add"), false);
    host.ip_batch(&lines("del"), false);
    let output = requests.wait_with_output().expect("the client ends");
    let seen: Value = serde_json::from_slice(&output.stdout).expect("one line of JSON");
    println!("{seen}");
    assert_eq!(seen["failures"], serde_json::json!([]));
    assert_eq!(seen["statuses"], serde_json::json!({ "200": 5000 }), "{seen}");
    let slowest = seen["slowest_ms"].as_f64().expect("a number");
    assert!(slowest < 2_500.0, "a guard against waiting, not a measurement: {seen}");
    host.await_records("every change is accounted for", |records| told(records) - before >= CHANGES);
    assert_eq!(told(&host.records()) - before, CHANGES);
    let metrics = host.get("/metrics").text();
    let overruns = metrics.lines().find(|line| line.starts_with("netevd_netlink_overruns_total"));
    assert_eq!(overruns, Some("netevd_netlink_overruns_total 0"), "nothing was made up for by a dump");
}
