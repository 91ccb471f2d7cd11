//! The daemon and the network at a glance.

use super::count;
use crate::output::{Cell, Part, View, ago};
use netevd_worker::document::{ConfigStatus, HelperStatus, LastEvent, Status};
use std::time::SystemTime;

/// The words first, then what is wrong.
pub(crate) fn view(status: &Status, now: SystemTime) -> View {
    let word = match status.problems.as_slice() {
        [] => status.status.clone(),
        problems => format!("{}, {}", status.status, count(len(problems), "problem")),
    };
    let dry = if status.dry_run { ", dry run: nothing is run or changed" } else { "" };
    let heading = Cell::new(format!("netevd {}: {word}{dry}", status.version));
    let mut parts = vec![Part::Heading(match status.status.as_str() {
        "ok" => heading.good(),
        _ => heading.bad(),
    })];
    if !status.problems.is_empty() {
        parts.push(Part::Lines(
            status.problems.iter().map(|text| Cell::new(format!("  - {text}")).bad()).collect(),
        ));
    }
    parts.push(Part::Pairs(vec![
        ("host", state(&status.host, &["online", "routable", "connected-global"])),
        ("backend", backend(status)),
        (
            "interfaces",
            Cell::new(format!("{} monitored of {}", status.interfaces_monitored, status.interfaces_total)),
        ),
        ("events", events(status, now)),
        ("scripts", scripts(status)),
        (
            "routing",
            Cell::new(format!(
                "{}, {}",
                count(status.rules_managed, "rule"),
                count(status.routes_managed, "route")
            )),
        ),
        ("helper", helper(&status.helper)),
        ("config", config(&status.config, now)),
        ("api", listeners(status)),
        (
            "started",
            Cell::new(match ago(&status.started_at, now) {
                Some(ago) => format!("{}, {ago} ago", status.started_at),
                None => status.started_at.clone(),
            }),
        ),
    ]));
    View(parts)
}

fn backend(status: &Status) -> Cell {
    match status.backend_state.as_str() {
        "none" => Cell::new(&status.backend),
        "connected" => Cell::new(format!("{}, connected", status.backend)),
        other => Cell::new(format!("{}, {other}", status.backend)).bad(),
    }
}

fn events(status: &Status, now: SystemTime) -> Cell {
    let last = status.last_event.as_ref().map(|LastEvent { id, timestamp, event_type, interface }| {
        let interface = interface.as_deref().unwrap_or("host");
        let ago = ago(timestamp, now).map(|ago| format!(", {ago} ago")).unwrap_or_default();
        format!("; last: {id} {event_type} {interface}{ago}")
    });
    let waiting = match status.events_waiting {
        0 => String::new(),
        waiting => format!(", {waiting} waiting"),
    };
    Cell::new(format!("{}{waiting}{}", status.events_processed, last.unwrap_or_default()))
}

fn scripts(status: &Status) -> Cell {
    let text = format!(
        "{} executed, {} failed, {} running",
        status.scripts_executed, status.scripts_failed, status.scripts_running
    );
    if status.scripts_failed > 0 { Cell::new(text).bad() } else { Cell::new(text) }
}

fn helper(HelperStatus { state, complaints }: &HelperStatus) -> Cell {
    let lines = std::iter::once(state).chain(complaints);
    match state.as_str() {
        "connected" if complaints.is_empty() => Cell::list(lines).good(),
        "none" if complaints.is_empty() => Cell::list(lines),
        _ => Cell::list(lines).bad(),
    }
}

fn config(config: &ConfigStatus, now: SystemTime) -> Cell {
    let files = if config.files.is_empty() { "defaults".to_owned() } else { config.files.join(", ") };
    let read = ago(&config.loaded_at, now).map(|ago| format!(", read {ago} ago")).unwrap_or_default();
    let mut lines = vec![format!("{files}{read}")];
    if config.last_reload_successful {
        return Cell::list(lines);
    }
    lines.push(format!("last reload refused: {}", config.last_error.as_deref().unwrap_or("see the log")));
    Cell::list(lines).bad()
}

fn listeners(status: &Status) -> Cell {
    let failed = status.listeners.iter().any(|listener| listener.error.is_some());
    let cell = Cell::list(status.listeners.iter().map(|listener| match &listener.error {
        None => listener.address.clone(),
        Some(error) => format!("{}: {}: {error}", listener.address, listener.state),
    }));
    if failed { cell.bad() } else { cell }
}

fn state(word: &str, good: &[&str]) -> Cell {
    let cell = Cell::new(word);
    if good.contains(&word) { cell.good() } else { cell }
}

fn len(problems: &[String]) -> u64 {
    u64::try_from(problems.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{TerminalStyle, fit};
    use serde_json::{Value, json};
    use std::time::{Duration, UNIX_EPOCH};

    fn document() -> Value {
        json!({
            "status": "ok", "problems": [], "version": "0.1.0", "instance": "a", "uptime_seconds": 90.0,
            "started_at": "2026-03-01T09:30:00.000Z", "backend": "systemd-networkd", "backend_state": "connected",
            "host": "online", "interfaces_monitored": 2, "interfaces_total": 3, "events_processed": 12,
            "scripts_executed": 5, "scripts_failed": 1, "scripts_running": 0, "events_waiting": 0,
            "rules_managed": 2, "routes_managed": 1, "dry_run": false,
            "last_event": {"id": 12, "timestamp": "2026-03-01T09:31:27.000Z", "event_type": "routable", "interface": "eth1"},
            "helper": {"state": "connected", "complaints": []},
            "config": {"files": ["/etc/netevd/netevd.yaml"], "loaded_at": "2026-03-01T09:30:00.000Z",
                "last_reload_successful": true, "last_error": null},
            "listeners": [{"address": "unix:/run/netevd/api.sock", "state": "listening", "error": null}],
        })
    }

    fn shown(document: Value, colours: bool) -> String {
        let now = UNIX_EPOCH + Duration::from_secs(1_772_357_490);
        let status = serde_json::from_value(document).expect("a status");
        fit(&view(&status, now).text(TerminalStyle { colours, width: 80, utf8: true }), colours)
    }

    #[test]
    fn one_glance() {
        let expected = "\
netevd 0.1.0: ok
  host        online
  backend     systemd-networkd, connected
  interfaces  2 monitored of 3
  events      12; last: 12 routable eth1, 3 s ago
  scripts     5 executed, 1 failed, 0 running
  routing     2 rules, 1 route
  helper      connected
  config      /etc/netevd/netevd.yaml, read 1 min 30 s ago
  api         unix:/run/netevd/api.sock
  started     2026-03-01T09:30:00.000Z, 1 min 30 s ago
";
        assert_eq!(shown(document(), false), expected);
        assert!(shown(document(), true).starts_with("\u{1b}[32mnetevd 0.1.0: ok\u{1b}[0m\n"));
    }

    #[test]
    fn what_is_wrong_stands_first() {
        let mut bad = document();
        bad["status"] = json!("degraded");
        bad["problems"] = json!(["the helper is gone: systemctl status netevd-priv.service"]);
        bad["dry_run"] = json!(true);
        bad["config"]["last_reload_successful"] = json!(false);
        bad["config"]["last_error"] = json!("/etc/netevd/netevd.yaml:1:1: error: unknown section `x`");
        bad["listeners"][0]["error"] = json!("in use");
        let text = shown(bad.clone(), false);
        assert!(
            text.starts_with(
                "netevd 0.1.0: degraded, 1 problem, dry run: nothing is run or changed\n  - the helper is gone: "
            ),
            "{text}"
        );
        for part in ["last reload refused: /etc/netevd/netevd.yaml:1:1", "api.sock: listening: in use"] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        assert!(shown(bad, true).starts_with("\u{1b}[31m"));
    }
}
