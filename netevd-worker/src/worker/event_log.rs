//! Which events are worth a line in the log, and that line.

use crate::model::{Class, DefaultNextHop, Detail, Event, EventKind, LinkFacts, LinkId};
use crate::state::State;
use protocol::InterfaceName;
use std::sync::Arc;

/// States and gateways are news for the log; single addresses and routes only when debugging.
pub(super) fn is_logged(event: &Event) -> bool {
    let state =
        event.kind.class() == Class::State || matches!(event.kind, EventKind::Manager | EventKind::Gateway);
    state || tracing::enabled!(tracing::Level::DEBUG)
}

/// The name of an event's link; `None` for the host. `gone` has the names of links that just went.
pub(super) fn name_of(
    event: &Event,
    state: &State,
    gone: &[(LinkId, Arc<LinkFacts>)],
) -> Option<InterfaceName> {
    let here = state.link_of(event.link).map(|link| link.name.clone());
    here.or_else(|| gone.iter().find(|(id, _)| *id == event.link).map(|(_, last)| last.name.clone()))
}

/// Writes the line. `gone` has the names of links that just went.
pub(super) fn log_event(event: &Event, state: &State, gone: &[(LinkId, Arc<LinkFacts>)]) {
    let name = name_of(event, state, gone);
    let link = name.as_ref().map(InterfaceName::as_str).unwrap_or_default();
    let (id, old, startup) = (event.id, event.old_state.unwrap_or_default(), event.startup);
    match event.kind.class() {
        Class::State => {
            tracing::info!(link, event = %event.kind, event_id = id.0, old, startup, "{}", event.kind);
        }
        Class::Value if event.kind == EventKind::Manager => {
            tracing::info!(event = %event.kind, event_id = id.0, old, startup, "host {}", event.state);
        }
        Class::Value if event.kind == EventKind::Gateway => {
            let text = gateway(&event.detail);
            tracing::info!(link, event = %event.kind, event_id = id.0, startup, "{text}");
        }
        _ => tracing::debug!(link, event = %event.kind, event_id = id.0, startup, "{}", event.kind),
    }
}

/// `ipv4 gateway 192.0.2.1 (was none)`
fn gateway(detail: &Detail) -> String {
    let Detail::Gateway(change) = detail else { return String::new() };
    let text = |way: Option<DefaultNextHop>| match way {
        Some(DefaultNextHop::Via(gateway)) => gateway.to_string(),
        Some(DefaultNextHop::OnLink) => "not needed".to_owned(),
        None => "none".to_owned(),
    };
    format!("{} gateway {} (was {})", change.family, text(change.new), text(change.old))
}
