//! The daemon and the network at a glance.

use super::count;
use crate::output::{Cell, Part, View, ago};
use netevd_worker::api::document::{ConfigStatus, HelperStatus, LastEvent, Status};
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
