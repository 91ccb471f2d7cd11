//! `netevd list`: interfaces, routes, rules, events; scripts are in a file of their own.

use super::scripts;
use crate::cli::{Asking, EventFilter, InterfacesOptions, List, ListEventsOptions, RoutesOptions};
use crate::client::{Client, Target};
use crate::output::View;
use crate::{Failure, output, views};
use serde::de::DeserializeOwned;

/// Asks and shows.
pub(crate) fn run(what: &List) -> Result<(), Failure> {
    match what {
        List::Interfaces(options) => interfaces(options),
        List::Routes(options) => routes(options),
        List::Rules(asking) => listed(asking, &Target::new(&["rules"]), views::rules::view),
        List::Scripts(options) => scripts::run(options),
        List::Events(options) => events(options),
    }
}

fn interfaces(options: &InterfacesOptions) -> Result<(), Failure> {
    let target = Target::new(&["interfaces"])
        .with_some("state", options.state.as_deref())
        .with_some("type", options.kind.as_deref());
    listed(&options.asking, &target, views::interfaces::view)
}

fn routes(options: &RoutesOptions) -> Result<(), Failure> {
    let target = Target::new(&["routes"])
        .with_some("interface", options.interface.as_deref())
        .with_some("table", options.table.as_deref())
        .with_some("family", options.family.as_deref())
        .with_some("limit", options.limit);
    listed(&options.asking, &target, views::routes::view)
}

fn events(options: &ListEventsOptions) -> Result<(), Failure> {
    let target = events_target(&options.filter, options.limit).with_some("since", options.since.as_deref());
    listed(&options.asking, &target, views::events::view)
}

/// The newest events that match.
pub(super) fn events_target(filter: &EventFilter, limit: u32) -> Target {
    let kinds = (!filter.kinds.is_empty()).then(|| filter.kinds.join(","));
    Target::new(&["events"])
        .with("limit", limit)
        .with_some("interface", filter.interface.as_deref())
        .with_some("event_type", kinds)
}

fn listed<T: DeserializeOwned>(
    options: &Asking,
    target: &Target,
    view: impl FnOnce(&T) -> View,
) -> Result<(), Failure> {
    let answer = Client::new(&options.daemon)?.get(target)?;
    output::show(&answer, options.format.format.unwrap_or_default(), view)
}
