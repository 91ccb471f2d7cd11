//! What is written: every family, both formats, bounded labels.

use super::*;
use std::time::{Duration, Instant};

fn text(metrics: &Metrics) -> String {
    metrics.handle().encode(&Gauges::default(), false)
}

#[test]
fn a_counter_that_has_not_counted_is_nought() {
    let text = text(&Metrics::default());
    for line in [
        "netevd_dbus_errors_total 0",
        "netevd_netlink_messages_total{message_type=\"RTM_DELRULE\"} 0",
        "netevd_external_wipes_total 0",
        "netevd_audit_errors_total 0",
        "# TYPE netevd_info gauge",
        "# TYPE netevd_interfaces_total untyped",
        "# TYPE netevd_resyncs_total counter",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("EOF") && !text.contains("unknown"));
}

#[test]
fn label_values_are_escaped() {
    let mut metrics = Metrics::default();
    metrics.event(EventKind::Carrier, Some("a\"b\\c\n# d"), "kernel");
    let text = text(&metrics);
    let line = r#"netevd_events_total{type="carrier",interface="a\"b\\c\n# d",backend="kernel"} 1"#;
    assert!(text.lines().any(|found| found == line), "{text}");
}

#[test]
fn an_interface_that_is_gone_loses_its_series_after_five_minutes() {
    let mut metrics = Metrics::default();
    let start = Instant::now();
    for name in ["eth0", "eth1"] {
        metrics.event(EventKind::Carrier, Some(name), "kernel");
        metrics.state_changed(name, "carrier");
        metrics.interface_gone(name, start);
    }
    // It comes back.
    metrics.state_changed("eth1", "routable");
    metrics.maintain(start + Duration::from_secs(299));
    assert!(text(&metrics).contains("eth0"));
    metrics.maintain(start + Duration::from_secs(300));
    let text = text(&metrics);
    assert!(!text.contains("eth0"), "{text}");
    assert_eq!(text.matches("interface=\"eth1\"").count(), 3, "{text}");
}

#[test]
fn what_is_one_too_many_is_other() {
    let mut metrics = Metrics::default();
    for number in 0..3_000 {
        metrics.event(EventKind::Carrier, Some(&format!("veth{number}")), "kernel");
        let path = format!("/etc/netevd/carrier.d/{number}");
        metrics.script(path.as_ref(), EventKind::Carrier, &Outcome::Exited(0), Duration::ZERO);
    }
    let text = text(&metrics);
    let count = |name: &str| text.lines().filter(|line| line.starts_with(name)).count();
    assert_eq!(count("netevd_events_total{"), 1_025);
    assert_eq!(count("netevd_script_executions_total{"), 1_025);
    assert!(text.contains("interface=\"other\",backend=\"kernel\"} 1976"));
}

#[test]
fn failures_say_how() {
    let mut metrics = Metrics::default();
    let path = Path::new("/etc/netevd/carrier.d/a");
    for outcome in [
        Outcome::Exited(0),
        Outcome::Exited(3),
        Outcome::Signalled(9),
        Outcome::TimedOut,
        Outcome::NotStarted("why".to_owned()),
    ] {
        metrics.script(path, EventKind::Carrier, &outcome, Duration::from_millis(2));
    }
    let text = text(&metrics);
    assert!(text.contains("event_type=\"carrier\"} 4"), "the last one did not run: {text}");
    for code in ["3", "SIGKILL", "timeout", "not_started"] {
        assert!(text.contains(&format!("exit_code=\"{code}\"}} 1")), "{code}: {text}");
    }
}

#[test]
fn a_table_without_routes_is_not_told() {
    let handle = Metrics::default().handle();
    let gauges = |table: &str| Gauges { routes: vec![(table.to_owned(), 3)], ..Gauges::default() };
    assert!(handle.encode(&gauges("203"), false).contains("netevd_routes_total{table=\"203\"} 3\n"));
    let text = handle.encode(&gauges("204"), true);
    assert!(!text.contains("203") && text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn openmetrics_only_for_who_asks() {
    for (accept, wanted) in [
        ("", false),
        ("*/*", false),
        ("text/plain", false),
        ("application/openmetrics-text", true),
        ("application/openmetrics-text; version=1.0.0; charset=utf-8,text/plain;q=0.5", true),
        ("text/plain;version=0.0.4, Application/OpenMetrics-Text;q=0.7", true),
        ("application/openmetrics-text;q=0, */*", false),
        ("application/openmetrics-text;version=0.0.1,text/plain", false),
    ] {
        assert_eq!(wants_openmetrics(accept), wanted, "{accept}");
    }
}
