//! What is shipped for Prometheus and Grafana: each file is good to the program that reads it, and each
//! metric that it names is one of ours. Needs promtool of Debian's package prometheus.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

use netevd_worker::metrics::{Gauges, Metrics};
use netevd_worker::model::{EventKind, Outcome};
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn monitoring(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/monitoring").join(name)
}

/// A worker that has seen everything, with so many interfaces and scripts.
fn scrape(many: u32, openmetrics: bool) -> (String, Duration) {
    let mut metrics = Metrics::default();
    for number in 0..many {
        // A name as hostile as a script's can be; an interface's has neither space nor slash.
        let interface = format!("we\"b\\{number}");
        let script = PathBuf::from(format!("/etc/netevd/routable.d/{number} a\"b\\c\nd"));
        for kind in EventKind::ALL.iter().take(8) {
            metrics.event(*kind, Some(&interface), "kernel");
            metrics.state_changed(&interface, kind.name());
            metrics.event_finished(*kind, Duration::from_millis(3));
        }
        for outcome in [Outcome::Exited(0), Outcome::Exited(1), Outcome::Signalled(9), Outcome::TimedOut] {
            metrics.script(&script, EventKind::Routable, &outcome, Duration::from_millis(7));
        }
    }
    metrics.event_to_script(Duration::from_micros(700));
    metrics.resync(Duration::from_millis(2));
    metrics.reloaded(true);
    let handle = metrics.handle();
    handle.dbus_call("org.freedesktop.resolve1", "SetLinkDNS", true);
    handle.helper_request("AddRules", "ok", Duration::from_micros(90));
    let gauges = Gauges {
        uptime: Duration::from_secs(5),
        interfaces: many.into(),
        script_queue_length: 1,
        routing_rules: 4,
        routes: vec![("203".to_owned(), 3)],
        checks: vec![("netlink", true), ("helper", true)],
        problems: vec![("routing", 1), ("listener", 0)],
    };
    handle.encode(&gauges, openmetrics);
    let began = Instant::now();
    let text = handle.encode(&gauges, openmetrics);
    (text, began.elapsed())
}

fn promtool(arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("promtool")
        .args(arguments)
        .current_dir(monitoring(""))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is there: make packages");
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("taken");
    let output = child.wait_with_output().expect("waited");
    let text =
        [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "promtool {arguments:?}\n{text}");
    text
}

#[test]
fn promtool_has_nothing_to_say_about_the_metrics() {
    let (text, _) = scrape(3, false);
    assert_eq!(promtool(&["check", "metrics"], &text), "", "{text}");
}

#[test]
fn the_rules_and_the_scrape_are_good() {
    promtool(&["check", "rules", "netevd.rules.yml"], "");
    promtool(&["test", "rules", "netevd.rules.test.yml"], "");
    promtool(&["check", "config", "prometheus.yml"], "");
}

/// Every alert is tested both ways: that it fires, and that it is silent.
#[test]
fn every_alert_has_its_test() {
    let rules = fs::read_to_string(monitoring("netevd.rules.yml")).expect("there");
    let tests = fs::read_to_string(monitoring("netevd.rules.test.yml")).expect("there");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 10);
    for alert in alerts {
        let fires = tests.lines().any(|line| line.trim() == format!("alertname: {alert}"));
        assert!(fires, "{alert}");
    }
}

/// Names of metrics in a text: words that begin as ours do.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words
        .filter(|word| word.starts_with("netevd_") || word.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

fn families(text: &str) -> BTreeSet<String> {
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.split(['{', ' ']).next()).map(str::to_owned).collect()
}

#[test]
fn every_metric_that_is_named_is_there() {
    let (text, _) = scrape(1, false);
    let real = families(&text);
    for file in ["netevd.rules.yml", "netevd.rules.test.yml", "grafana-dashboard.json"] {
        let text = fs::read_to_string(monitoring(file)).expect("there");
        let named = named(&text);
        assert!(named.len() > 8, "{file}: {named:?}");
        assert_eq!(named.difference(&real).collect::<Vec<_>>(), Vec::<&String>::new(), "{file}");
    }
}

/// docs/metrics.md has each family, with its type and its labels, and no other.
#[test]
fn the_document_names_every_family_and_no_other() {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md")).expect("there");
    let (text, _) = scrape(1, false);
    let mut real = BTreeSet::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let (name, kind) = line.split_once(' ').expect("two words");
        let sample = text.lines().find(|line| {
            let rest = line.strip_prefix(name).unwrap_or_default();
            rest.starts_with(['{', ' ']) || (kind == "histogram" && rest.starts_with("_bucket{"))
        });
        let labels =
            sample.and_then(|line| Some(line.split_once('{')?.1.rsplit_once('}')?.0)).unwrap_or_default();
        // What stands before `="`, as far back as a label's name goes.
        let name_of =
            |text: &str| text.rsplit(|c: char| !c.is_ascii_lowercase() && c != '_').next().map(str::to_owned);
        let mut labels: Vec<&str> = labels.split("=\"").collect();
        labels.pop();
        let labels: BTreeSet<String> =
            labels.into_iter().filter_map(name_of).filter(|label| label != "le").collect();
        real.insert((name.to_owned(), kind.to_owned(), labels.into_iter().collect::<Vec<_>>().join(" ")));
    }
    let rows =
        document.lines().filter(|line| line.starts_with("| `netevd_") || line.starts_with("| `process_"));
    let written: BTreeSet<_> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split('|').map(str::trim).collect();
            let mut labels: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
            labels.sort_unstable();
            (cells[1].trim_matches('`').to_owned(), cells[2].to_owned(), labels.join(" "))
        })
        .collect();
    assert_eq!(
        real.difference(&written).collect::<Vec<_>>(),
        Vec::<&(String, String, String)>::new(),
        "missing"
    );
    assert_eq!(
        written.difference(&real).collect::<Vec<_>>(),
        Vec::<&(String, String, String)>::new(),
        "surplus"
    );
}

#[test]
fn the_dashboard_is_whole() {
    let text = fs::read_to_string(monitoring("grafana-dashboard.json")).expect("there");
    let dashboard: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "{panel}");
        let place = &panel["gridPos"];
        assert!(places.insert((place["y"].as_u64(), place["x"].as_u64())), "{panel}");
        assert!(place["x"].as_u64().zip(place["w"].as_u64()).is_some_and(|(x, w)| x + w <= 24), "{panel}");
        for target in panel["targets"].as_array().expect("targets") {
            let query = target["expr"].as_str().expect("a query").replace("$__rate_interval", "5m");
            // The variable is a regular expression of host names.
            check_query(&query);
        }
    }
}

/// As part of a rule: promtool of Debian 12 has no other way to read a query.
fn check_query(query: &str) {
    let rules =
        serde_json::json!({ "groups": [{ "name": "x", "rules": [{ "record": "x", "expr": query }] }] });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("query-{}.json", std::process::id()));
    fs::write(&file, rules.to_string()).expect("written");
    promtool(&["check", "rules", file.to_str().expect("UTF-8")], "");
    fs::remove_file(file).expect("removed");
}

/// Printed, not demanded: a machine under load says nothing about the program. The bound is for what hangs.
#[test]
fn fifty_interfaces_and_fifty_scripts() {
    let (text, took) = scrape(50, false);
    println!("{} bytes, {} lines in {took:?}", text.len(), text.lines().count());
    assert!(took < Duration::from_secs(30), "{took:?}");
}
