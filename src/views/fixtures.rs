//! Documents for tests.

use netevd_worker::document::{EventDetails, EventDocument, ScriptRun};

/// An event of eth1.
pub(crate) fn event(id: u64, action: &str) -> EventDocument {
    EventDocument {
        id,
        timestamp: "2026-03-01T09:30:00.250Z".to_owned(),
        event_type: "routable".to_owned(),
        interface: Some("eth1".to_owned()),
        action: action.to_owned(),
        details: EventDetails {
            state: "routable".to_owned(),
            old_state: Some("configured".to_owned()),
            backend: "kernel".to_owned(),
            ..EventDetails::default()
        },
        scripts: Vec::new(),
        units: Vec::new(),
    }
}

/// A script that ended with this status.
pub(crate) fn run(script: &str, code: i32) -> ScriptRun {
    ScriptRun {
        script: script.to_owned(),
        result: if code == 0 { "success" } else { "failure" }.to_owned(),
        exit_code: Some(code),
        signal: None,
        started_at: "2026-03-01T09:30:00.251Z".to_owned(),
        duration_seconds: Some(0.012),
        error: None,
    }
}
