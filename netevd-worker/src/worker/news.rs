//! Which events are worth a line in the log, and that line.

use crate::event::{Class, Event, EventKind, LinkId};
use crate::facts::LinkFacts;
use crate::state::State;
use protocol::InterfaceName;
use std::sync::Arc;

/// States are news for whoever reads the log; single addresses and routes only when debugging.
pub(super) fn is_news(event: &Event) -> bool {
    let state = event.kind.class() == Class::State || event.kind == EventKind::Manager;
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
pub(super) fn log(event: &Event, state: &State, gone: &[(LinkId, Arc<LinkFacts>)]) {
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
        _ => tracing::debug!(link, event = %event.kind, event_id = id.0, startup, "{}", event.kind),
    }
}
