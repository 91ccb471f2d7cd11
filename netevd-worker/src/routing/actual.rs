//! What stands in the kernel with our protocol number, in the shape of the plan. Pure.

use crate::kernel::{Hop, ManagedDump, Route, Rule, UNICAST, UNREACHABLE};
use crate::routing::TableKey;
use protocol::{Family, Ifindex, Policy, Prefix, Selector, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Metric of the unreachable route: the last of all.
const FALLBACK_METRIC: u32 = u32::MAX;

/// What stands for one [`TableKey`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ActualTable {
    /// The unreachable default.
    pub fallback: bool,
    /// The default route.
    pub default: Option<Hop>,
    /// All other routes.
    pub routes: BTreeMap<Prefix, Hop>,
    /// Addresses with a `from` or a `to` rule.
    pub rules: BTreeSet<(Selector, IpAddr)>,
}

/// Everything of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// By interface and family; the interface may be gone.
    pub tables: BTreeMap<TableKey, ActualTable>,
    /// Objects that no single request can name (another table base or priority, a second route of
    /// one prefix): a synchronisation removes them.
    pub strays: usize,
}

impl Actual {
    /// Sorts a dump by the policy's table base and priorities.
    pub fn new(dump: &ManagedDump, policy: &Policy) -> Self {
        let owner = |table: TableId| table.interface(policy.table_base);
        let mut actual = Self::default();
        for rule in dump.rules.iter().filter(|rule| rule.is_ours()) {
            let place = rule.table.and_then(owner).zip(selector(rule, policy));
            let Some((ifindex, entry)) = place else {
                actual.strays += 1;
                continue;
            };
            let key = TableKey { ifindex, family: rule.family };
            // The kernel keeps equal rules apart only when they were added without EXCL.
            if !actual.tables.entry(key).or_default().rules.insert(entry) {
                actual.strays += 1;
            }
        }
        for route in &dump.routes {
            let placed = owner(route.table).is_some_and(|ifindex| actual.place(ifindex, route));
            if !placed {
                actual.strays += 1;
            }
        }
        actual
    }

    /// False when the route has no place in the plan's shape.
    fn place(&mut self, ifindex: Ifindex, route: &Route) -> bool {
        let key = TableKey { ifindex, family: route.family() };
        let is_default = route.destination.length() == 0;
        let is_fallback = is_default && route.route_type == UNREACHABLE && route.metric == FALLBACK_METRIC;
        let hop = route.single_hop().copied().filter(|_| route.route_type == UNICAST);
        // What the helper writes has one metric a family, so anything else is a stray.
        let expected_metric = match route.family() {
            Family::V4 => 0,
            Family::V6 => 1024,
        };
        let table = self.tables.entry(key).or_default();
        match hop {
            _ if is_fallback => !std::mem::replace(&mut table.fallback, true),
            Some(hop) if route.metric == expected_metric && is_default => {
                table.default.replace(hop).is_none()
            }
            Some(hop) if route.metric == expected_metric => {
                table.routes.insert(route.destination, hop).is_none()
            }
            _ => false,
        }
    }
}

/// Which rule of which address this is; `None` when it is not of the form that the helper writes.
fn selector(rule: &Rule, policy: &Policy) -> Option<(Selector, IpAddr)> {
    let priorities = policy.priorities();
    let (selector, prefix, priority) = match (rule.source, rule.destination) {
        (Some(source), None) => (Selector::From, source, priorities.from),
        (None, Some(destination)) => (Selector::To, destination, priorities.to),
        _ => return None,
    };
    let exact = prefix == Prefix::host(prefix.address()) && rule.priority == priority && !rule.narrower;
    exact.then_some((selector, prefix.address()))
}
