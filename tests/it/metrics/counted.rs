//! Each family counts what happened, judged by ip and by the scripts' own records.

use super::{CONFIG, await_value, samples, value};
use crate::support::{Host, wait_for};

fn machine(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.two_uplinks();
    host.config(CONFIG);
    Some(host)
}

#[test]
fn metrics_count_events_scripts_and_their_ends() {
    let Some(host) = machine("metrics_count_events_scripts_and_their_ends") else { return };
    for event in ["address-added", "address-removed", "routable", "gateway", "mtu", "carrier"] {
        host.recorder(event, "10-note", "");
    }
    host.script("mtu", "20-fails", "#!/bin/sh\nexit 7\n");
    host.script("mtu", "30-hangs", "#!/bin/sh\nsleep 60\n");
    host.script("mtu", "40-dies", "#!/bin/sh\nkill -KILL $$\n");
    let daemon = host.start_daemon();
    for number in 10..20 {
        host.ip(&format!("addr add 198.51.100.{number}/24 dev eth1"));
        host.ip(&format!("addr del 198.51.100.{number}/24 dev eth1"));
    }
    host.ip("link set eth1 mtu 1400");
    let series = "netevd_script_failures_total{exit_code=\"SIGKILL\",script=\"/etc/netevd/mtu.d/40-dies\"}";
    await_value(&daemon, &host, series, 1.0);
    let failures = |code: &str, script: &str| {
        format!("netevd_script_failures_total{{exit_code=\"{code}\",script=\"/etc/netevd/mtu.d/{script}\"}}")
    };
    let found = samples(&host);
    assert_eq!(value(&found, &failures("7", "20-fails")), 1.0);
    assert_eq!(value(&found, &failures("timeout", "30-hangs")), 1.0);

    let records = host.records();
    for event in ["address-added", "address-removed", "routable", "gateway", "mtu", "carrier"] {
        let script = format!("/etc/netevd/{event}.d/10-note");
        let ran = records.iter().filter(|record| record.env("EVENT") == event).count();
        assert!(ran > 0, "{event}");
        let executions =
            format!("netevd_script_executions_total{{event_type=\"{event}\",script=\"{script}\"}}");
        assert_eq!(value(&found, &executions), ran as f64, "{executions}");
        let durations = format!("netevd_script_duration_seconds_count{{script=\"{script}\"}}");
        assert_eq!(value(&found, &durations), ran as f64, "{durations}");
        // An event that ran for each record, and one for each that another stood for.
        let heard: f64 = found
            .iter()
            .filter(|(series, _)| series.starts_with("netevd_events_total{"))
            .filter(|(series, _)| series.contains(&format!("type=\"{event}\"")))
            .map(|(_, value)| value)
            .sum();
        let skipped: f64 = records
            .iter()
            .filter(|record| record.env("EVENT") == event)
            .map(|record| record.env("SKIPPED").parse().unwrap_or(0.0))
            .sum();
        assert_eq!(heard, ran as f64 + skipped, "{event}");
        let over = format!("netevd_event_duration_seconds_count{{type=\"{event}\"}}");
        assert_eq!(value(&found, &over), ran as f64, "{over}");
    }
    let runs = records.iter().filter(|record| record.name() == "10-note").count();
    assert_eq!(value(&found, "netevd_event_to_script_seconds_count"), runs as f64);
    assert_eq!(value(&found, "netevd_events_total{backend=\"kernel\",interface=\"eth1\",type=\"mtu\"}"), 1.0);
    let reached = "netevd_interface_state_changes_total{interface=\"eth1\",state=\"routable\"}";
    assert_eq!(value(&found, reached), 1.0);
}

#[test]
fn metrics_count_the_kernels_messages_and_the_helpers_answers() {
    let Some(host) = machine("metrics_count_the_kernels_messages_and_the_helpers_answers") else { return };
    let daemon = host.start_daemon();
    let wiped = |host: &Host| value(&samples(host), "netevd_external_wipes_total");
    let done = |request: &str| format!("netevd_helper_requests_total{{request=\"{request}\",result=\"ok\"}}");
    await_value(&daemon, &host, &done("AddRules"), 1.0);
    assert_eq!(wiped(&host), 0.0);
    let message = |kind: &str| format!("netevd_netlink_messages_total{{message_type=\"{kind}\"}}");
    let before = samples(&host);
    for number in 0..100 {
        host.ip(&format!("link add bridge{number} type bridge"));
    }
    wait_for(
        "a hundred links",
        || daemon.log(),
        || value(&samples(&host), &message("RTM_NEWLINK")) >= value(&before, &message("RTM_NEWLINK")) + 100.0,
    );
    assert_eq!(value(&samples(&host), &message("RTM_DELLINK")), value(&before, &message("RTM_DELLINK")));

    // The worker stands still until both are gone: a repair between the two would put back the second unseen.
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    host.sh(&format!("kill -STOP {worker}; ip rule flush protocol 110; kill -CONT {worker}"));
    // One request has both.
    let added = || {
        let found = samples(&host);
        value(&found, &done("AddRules"))
    };
    wait_for("both rules are back", || daemon.log(), || added() >= 2.0);
    assert_eq!(wiped(&host), 2.0);
    let found = samples(&host);
    assert_eq!(value(&found, "netevd_resyncs_total"), value(&found, "netevd_resync_duration_seconds_count"));
    assert!(value(&found, "netevd_resyncs_total") >= 1.0);
    let all: f64 = found
        .iter()
        .filter(|(series, _)| series.starts_with("netevd_helper_requests_total{"))
        .map(|(_, v)| v)
        .sum();
    assert_eq!(all, value(&found, "netevd_helper_request_duration_seconds_count"));
}

#[test]
fn metrics_gauges_are_what_stands() {
    let Some(host) = machine("metrics_gauges_are_what_stands") else { return };
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &crate::support::eth1_complete());
    let gauge = |name: &str| value(&samples(&host), name);
    let links = host.ip_json("link show").as_array().expect("a list").len();
    assert_eq!(gauge("netevd_interfaces_total"), links as f64);
    assert_eq!(gauge("netevd_routing_rules_total"), 2.0);
    let routes = host.ours().iter().filter(|line| line.starts_with("table 207:")).count();
    assert_eq!(gauge("netevd_routes_total{table=\"207\"}"), routes as f64);
    host.ip("addr flush dev eth1");
    await_value(&daemon, &host, "netevd_routing_rules_total", 0.0);
    await_value(&daemon, &host, "netevd_routes_total{table=\"207\"}", 0.0);
}

#[test]
fn metrics_tell_of_a_refused_reload() {
    let Some(host) = machine("metrics_tell_of_a_refused_reload") else { return };
    let daemon = host.start_daemon();
    let series = "netevd_config_last_reload_successful";
    await_value(&daemon, &host, series, 1.0);
    host.config("system: { backend: kernel }\nnonsense: 1\n");
    let worker = daemon.child("netevd-worker").expect("the worker runs");
    // What SIGHUP to the launcher refuses beforehand does not get here.
    host.sh(&format!("kill -HUP {worker}"));
    await_value(&daemon, &host, series, 0.0);
    host.config(CONFIG);
    host.sh(&format!("kill -HUP {worker}"));
    await_value(&daemon, &host, series, 1.0);
}
