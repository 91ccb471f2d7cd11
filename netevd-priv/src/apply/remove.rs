//! Deletions: always allowed, of our own objects only, also for an interface that is gone.

use super::{Answer, Helper, Stop};
use crate::check::refuse_if;
use crate::route::{FALLBACK_METRIC, Route};
use crate::rule::{OurRule, Rule};
use crate::sync::teardown;
use netlink_packet_route::rule::RuleMessage;
use protocol::{Family, Ifindex, Prefix, Refusal, Reply, RouteKind};

impl Helper {
    /// One of the two rules of an address.
    pub(super) fn delete_rule(&mut self, rule: &OurRule) -> Answer {
        Ok(ok_or_absent(self.kernel.delete_rule(rule.message())?))
    }

    /// One route of the interface's table. Route kinds are names: prefix and metric tell which.
    pub(super) fn delete_route(&mut self, ifindex: Ifindex, family: Family, kind: RouteKind) -> Answer {
        let (destination, fallback) = match kind {
            RouteKind::Default => (Prefix::everything(family), false),
            RouteKind::Fallback => (Prefix::everything(family), true),
            RouteKind::Subnet(prefix) | RouteKind::Local(prefix) => (prefix, false),
        };
        refuse_if(Family::of(destination.address()) != family, Refusal::Family)?;
        let routes = self.kernel.table(self.table_of(ifindex), family, &|_, _| true)?;
        let meant = |route: &Route| {
            route.is_ours()
                && route.destination == destination
                && (route.metric == FALLBACK_METRIC) == fallback
        };
        let routes = routes.into_iter().filter(meant).collect();
        Ok(ok_or_absent(self.delete_all(Vec::new(), routes)?))
    }

    /// Everything of ours in the interface's table of either family, and our rules to it.
    pub(super) fn purge(&mut self, ifindex: Ifindex) -> Answer {
        let table = self.table_of(ifindex);
        let rules = self.kernel.rules()?;
        let rules = rules.iter().filter(|rule| rule.is_ours() && rule.table == Some(table));
        let mut routes = self.kernel.our_routes()?;
        routes.retain(|route| route.table == table);
        Ok(ok_or_absent(self.delete_all(rules.filter_map(Rule::deletion).collect(), teardown(routes))?))
    }

    /// Everything of ours that was not named, wherever it stands.
    pub(super) fn end_sync(&mut self) -> Answer {
        let named = self.named.take().unwrap_or_default();
        let rules = named.stale_rules(&self.kernel.rules()?);
        let routes = self.kernel.our_routes()?;
        self.delete_all(rules, named.stale_routes(routes))?;
        Ok(Reply::Ok)
    }

    /// Rules first, so that no rule leads into a half-empty table. One that cannot be deleted
    /// does not save the others; the first errno is told at the end.
    fn delete_all(&mut self, rules: Vec<RuleMessage>, routes: Vec<Route>) -> Result<bool, Stop> {
        let mut results: Vec<_> = rules.into_iter().map(|message| self.kernel.delete_rule(message)).collect();
        results.extend(routes.iter().map(|route| self.kernel.delete_route(route)));
        results.into_iter().try_fold(false, |any, deleted| Ok(any | deleted?))
    }
}

fn ok_or_absent(deleted: bool) -> Reply {
    if deleted { Reply::Ok } else { Reply::Absent }
}
