//! The worker's whole desired set, gathered between `SyncBegin` and `SyncEnd`.
//!
//! Pure: it says what is stale, and in which order that goes.

use crate::route::{FALLBACK_METRIC, Route, RouteKey};
use crate::rule::{OurRule, Rule};
use netlink_packet_route::rule::RuleMessage;
use std::collections::BTreeSet;

/// What was named: no more than has passed its checks, so that there is that much in the kernel.
#[derive(Default)]
pub(crate) struct Named {
    pub(crate) rules: BTreeSet<OurRule>,
    pub(crate) routes: BTreeSet<RouteKey>,
}

impl Named {
    /// The messages that delete those of our rules that were not named: of whatever table and
    /// priority, so also what an earlier policy left.
    pub(crate) fn stale_rules(&self, rules: &[Rule]) -> Vec<RuleMessage> {
        let stale = |rule: &&Rule| rule.is_ours() && rule.as_ours().is_none_or(|r| !self.rules.contains(&r));
        rules.iter().filter(stale).filter_map(Rule::deletion).collect()
    }

    /// Those of our routes that were not named, in the order of [`teardown`].
    pub(crate) fn stale_routes(&self, routes: Vec<Route>) -> Vec<Route> {
        let stale = |route: &Route| route.is_ours() && !self.routes.contains(&route.key());
        teardown(routes.into_iter().filter(stale).collect())
    }
}

/// The order in which routes go: the default, what has a gateway, what is direct (a gateway may
/// be reached by it), and the fallback last, so that no table leaks in between.
pub(crate) fn teardown(mut routes: Vec<Route>) -> Vec<Route> {
    routes.sort_by_key(|route| {
        let direct = route.hops.iter().all(|hop| hop.gateway.is_none());
        (route.metric == FALLBACK_METRIC, !route.destination.is_default_like(), direct)
    });
    routes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Hop;
    use protocol::{Family, Ifindex, NextHop, Prefix, TableId};

    fn routes() -> [Route; 4] {
        let (table, ifindex) = (TableId(203), Ifindex::try_from(3).expect("valid"));
        let prefix = |text: &str| text.parse::<Prefix>().expect("a prefix");
        let gateway = "192.0.2.1".parse().expect("an address");
        let hop = Hop { oif: 9, gateway: Some(gateway), onlink: false };
        [
            Route::default_by(table, ifindex, Family::V4, NextHop::Gateway(gateway)),
            Route::ours(table, prefix("10.88.0.0/16"), hop),
            Route::subnet(table, ifindex, prefix("192.0.2.0/24")),
            Route::fallback(table, Family::V4),
        ]
    }

    #[test]
    fn what_others_rest_on_goes_last() {
        let mut reversed = routes().to_vec();
        reversed.reverse();
        assert_eq!(teardown(reversed), routes());
    }

    #[test]
    fn only_ours_and_only_the_unnamed_is_stale() {
        let mut named = Named::default();
        named.routes.extend([routes()[0].key(), routes()[2].key()]);
        let mut foreign = routes()[1].clone();
        foreign.protocol = 4;
        let standing = routes().into_iter().chain([foreign]).collect();
        assert_eq!(named.stale_routes(standing), [routes()[1].clone(), routes()[3].clone()]);
    }
}
