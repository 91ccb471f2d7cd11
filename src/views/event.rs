//! Everything about one event.

use super::{events, line};
use crate::output::{Cell, Part, View};
use netevd_worker::document::EventDocument;

/// The event, and what ran for it.
pub(crate) fn view(event: &EventDocument) -> View {
    let details = &event.details;
    let interface = event.interface.as_deref().unwrap_or("host");
    let routes = details.routes.iter().map(|change| {
        let via = change.gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
        format!(
            "{} {} {}{via} table {} metric {} proto {} scope {}",
            change.action,
            change.kind,
            change.destination,
            change.table,
            change.metric,
            change.protocol,
            change.scope
        )
    });
    let unnamed =
        details.route_changes.unwrap_or(0).saturating_sub(u64::try_from(details.routes.len()).unwrap_or(0));
    let unnamed = (unnamed > 0).then(|| format!("and {unnamed} more"));
    let address = details.address.as_ref().map(|address| {
        let mut words = vec![format!("{}/{}", address.ip, address.prefix), address.scope.clone()];
        words.extend(address.flags.iter().cloned());
        words.join(" ")
    });
    View(vec![
        Part::Heading(Cell::new(format!("event {}: {interface} {}", event.id, event.event_type)).strong()),
        Part::Pairs(vec![
            ("time", Cell::new(&event.timestamp)),
            ("state", Cell::new(&details.state)),
            ("old state", details.old_state.as_ref().map(Cell::new).unwrap_or_default()),
            ("action", events::action(&event.action)),
            ("backend", Cell::new(&details.backend)),
            (
                "at start",
                Cell::new(if details.startup { "yes: it was there before the daemon" } else { "no" }),
            ),
            (
                "stands for",
                if details.skipped > 0 {
                    Cell::new(format!("{} more", details.skipped))
                } else {
                    Cell::default()
                },
            ),
            (
                "coalesced",
                details.coalesced_into.map(|id| Cell::new(format!("into event {id}"))).unwrap_or_default(),
            ),
            (
                "filters",
                Cell::new(details.filters.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
            ),
            ("address", address.map(Cell::new).unwrap_or_default()),
            ("routes", Cell::list(routes.chain(unnamed))),
            ("gateway", details.gateway.as_ref().map(|it| Cell::new(line::gateway(it))).unwrap_or_default()),
            (
                "mtu",
                details.mtu.map(|mtu| Cell::new(format!("{} -> {}", mtu.old, mtu.new))).unwrap_or_default(),
            ),
            ("reason", details.reason.as_ref().map(Cell::new).unwrap_or_default()),
            ("connectivity", details.connectivity.as_ref().map(Cell::new).unwrap_or_default()),
            ("lease", Cell::new(if details.lease { "gained or changed" } else { "" })),
        ]),
        Part::Heading(Cell::new("Runs").strong()),
        Part::Grid(
            events::runs(std::slice::from_ref(event)),
            if line::ran(event).is_empty() { "  nothing ran" } else { "" },
        ),
    ])
}
