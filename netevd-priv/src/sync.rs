//! The worker's whole desired set, gathered between `SyncBegin` and `SyncEnd`.
//!
//! Pure: it says what is stale, and in which order that goes.

use crate::route::{FALLBACK_METRIC, Route, RouteKey};
use crate::rule::{OurRule, Rule};
use std::collections::BTreeSet;

/// What was named, bounded by the policy's `objects`.
#[derive(Debug, Default)]
pub(crate) struct Named {
    rules: BTreeSet<OurRule>,
    routes: BTreeSet<RouteKey>,
}

impl Named {
    /// Names a rule.
    pub(crate) fn rule(&mut self, rule: OurRule) {
        self.rules.insert(rule);
    }

    /// Names a route.
    pub(crate) fn route(&mut self, route: RouteKey) {
        self.routes.insert(route);
    }

    /// How many objects were named.
    pub(crate) fn len(&self) -> usize {
        self.rules.len() + self.routes.len()
    }

    /// Those of our rules that were not named: of whatever table and priority, so also what an
    /// earlier policy left.
    pub(crate) fn stale_rules(&self, rules: Vec<Rule>) -> Vec<Rule> {
        let stale = |rule: &Rule| rule.is_ours() && rule.as_ours().is_none_or(|r| !self.rules.contains(&r));
        rules.into_iter().filter(stale).collect()
    }

    /// Those of our routes that were not named, in the order of [`teardown`].
    pub(crate) fn stale_routes(&self, routes: Vec<Route>) -> Vec<Route> {
        let stale = |route: &Route| route.is_ours() && !self.routes.contains(&route.key());
        teardown(routes.into_iter().filter(stale).collect())
    }
}

/// The order in which routes go: default, then gateways' ways (copies before subnets, which
/// their gateways may need), and the fallback last, so that no table leaks in between.
pub(crate) fn teardown(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| {
        let gateway = route.hops.iter().any(|hop| hop.gateway.is_some());
        (route.metric == FALLBACK_METRIC, !route.destination.is_default_like(), !gateway)
    });
    routes
}
