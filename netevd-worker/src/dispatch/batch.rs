//! Route changes gathered for one run: the newest of each route, in order, bounded.

use crate::model::RouteChange;
use protocol::Prefix;
use std::collections::{BTreeMap, HashMap};

/// Changes in one batch; what comes beyond pushes the oldest out.
pub(super) const CHANGES_MAX: usize = 4_096;

/// A route as the kernel tells them apart: destination, table, metric.
type Route = (Prefix, u32, u32);

/// A growing batch.
#[derive(Debug, Default)]
pub(super) struct Batch {
    changes: BTreeMap<u64, RouteChange>,
    place: HashMap<Route, u64>,
    next: u64,
    truncated: bool,
}

impl Batch {
    /// Takes a change in and returns how many (0 or 1) earlier ones it replaced or pushed out.
    pub(super) fn push(&mut self, change: RouteChange) -> u64 {
        let route = (change.destination, change.table, change.metric);
        let mut skipped = 0;
        if let Some(older) = self.place.insert(route, self.next) {
            self.changes.remove(&older);
            skipped = 1;
        }
        self.changes.insert(self.next, change);
        self.next = self.next.wrapping_add(1);
        if self.changes.len() > CHANGES_MAX
            && let Some((_, oldest)) = self.changes.pop_first()
        {
            self.place.remove(&(oldest.destination, oldest.table, oldest.metric));
            self.truncated = true;
            skipped += 1;
        }
        skipped
    }

    /// True when changes of some routes were pushed out altogether.
    pub(super) fn is_truncated(&self) -> bool {
        self.truncated
    }

    /// The same, while it grows.
    pub(super) fn changes(&self) -> impl Iterator<Item = &RouteChange> {
        self.changes.values()
    }

    /// Oldest first.
    pub(super) fn into_changes(self) -> Vec<RouteChange> {
        self.changes.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Action;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    fn change(route: u32, action: Action) -> RouteChange {
        RouteChange {
            action,
            destination: Prefix::host(Ipv4Addr::from_bits(route).into()),
            gateway: None,
            table: 254,
            metric: 0,
            protocol: 4,
            scope: 0,
            route_type: 1,
        }
    }

    #[test]
    fn beyond_the_bound_the_oldest_go_and_are_counted() {
        let mut batch = Batch::default();
        let skipped: u64 = (0..5_000).map(|route| batch.push(change(route, Action::Added))).sum();
        assert_eq!(skipped, 5_000 - 4_096);
        assert!(batch.is_truncated());
        let changes = batch.into_changes();
        assert_eq!(changes.len(), 4_096);
        assert_eq!(changes.last(), Some(&change(4_999, Action::Added)));
        assert_eq!(changes.first(), Some(&change(904, Action::Added)));
    }

    proptest! {
        #[test]
        fn every_change_is_there_or_counted(routes in prop::collection::vec((0u32..8, any::<bool>()), 0..60)) {
            let mut batch = Batch::default();
            let mut skipped = 0;
            let actions = |removed| if removed { Action::Removed } else { Action::Added };
            for (route, removed) in &routes {
                skipped += batch.push(change(*route, actions(*removed)));
            }
            let changes = batch.into_changes();
            prop_assert_eq!(changes.len() as u64 + skipped, routes.len() as u64);
            // The newest word on each route is what is left of it.
            for (route, _) in &routes {
                let last = routes.iter().rev().find(|(r, _)| r == route).map(|(r, a)| change(*r, actions(*a)));
                let kept = changes.iter().find(|c| c.destination == change(*route, Action::Added).destination);
                prop_assert_eq!(kept, last.as_ref());
            }
        }
    }
}
