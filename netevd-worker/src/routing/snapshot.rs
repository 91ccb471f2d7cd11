//! What the planner works on: links as the state knows them, and what the kernel has at the time of the pass.

use super::rp_filter::Filters;
use crate::config::Planning;
use crate::kernel::{FullRoute, Rule, Spec};
use crate::state::LinkState;
use protocol::{Family, Ifindex, Policy, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `RTPROT_KERNEL`
const BY_KERNEL: u8 = 2;
/// Foreign routes of a table that are kept for a message.
const NAMED: usize = 4;

/// One look.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every link.
    pub links: Arc<Vec<LinkState>>,
    /// Every rule, ours and foreign, in the order of the look-up.
    pub rules: Vec<Rule>,
    /// Routes of others.
    pub foreign: Arc<Foreign>,
    /// Our routes.
    pub ours: Vec<FullRoute>,
    /// Foreign routes in tables of links under routing, the first few of each.
    pub intruders: BTreeMap<(TableId, Family), Vec<Spec>>,
    /// How strictly the kernel looks at sources.
    pub filters: Filters,
}

/// Routes that netevd did not make.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// Those of main, as many of each link as may be copied, in the kernel's order.
    pub main: Vec<FullRoute>,
    /// Those of main that are not kept, by their first link.
    pub more: BTreeMap<(Ifindex, Family), usize>,
    /// Defaults and default-like routes of other tables.
    pub wide: Vec<FullRoute>,
}

/// Sorts routes into a snapshot.
#[derive(Debug, Default)]
pub(super) struct Collector {
    pub(super) foreign: Foreign,
    pub(super) ours: Vec<FullRoute>,
    pub(super) intruders: BTreeMap<(TableId, Family), Vec<Spec>>,
    kept: BTreeMap<(Option<Ifindex>, Family), usize>,
}

impl Collector {
    /// Takes one route in; `tables` are those of links under routing.
    pub(super) fn take(
        &mut self,
        route: FullRoute,
        policy: &Policy,
        planning: &Planning,
        tables: &BTreeSet<TableId>,
    ) {
        let family = route.family();
        let is_wide = route.spec.destination.is_default() || route.spec.destination.is_default_like();
        if route.is_ours() {
            self.ours.push(route);
        } else if route.table == TableId::MAIN {
            if !is_wide && planning.ignored_protocols.contains(route.protocol) {
                return;
            }
            let link = route.spec.hops.first().map(|hop| hop.oif);
            let kept = self.kept.entry((link, family)).or_default();
            let limit = usize::try_from(policy.limits.copies).unwrap_or(usize::MAX);
            // The kernel makes one for each address: whether a gateway is on-link follows from them.
            if is_wide || route.protocol == BY_KERNEL || *kept <= limit {
                *kept += 1;
                self.foreign.main.push(route);
            } else if let Some(link) = link {
                *self.foreign.more.entry((link, family)).or_default() += 1;
            }
        } else if tables.contains(&route.table) {
            let few = self.intruders.entry((route.table, family)).or_default();
            if few.len() < NAMED {
                few.push(route.spec);
            }
        } else if is_wide && route.table != TableId::LOCAL {
            self.foreign.wide.push(route);
        }
    }
}

impl Foreign {
    /// The routes of a table that are a default or default-like; of main all that are known.
    pub(super) fn of_table(&self, table: TableId, family: Family) -> impl Iterator<Item = &FullRoute> {
        let routes = if table == TableId::MAIN { &self.main } else { &self.wide };
        routes.iter().filter(move |route| route.table == table && route.family() == family)
    }
}
