//! A gateway that is taken away and given back: DHCP clients and administrators change a default
//! route by deleting it and adding another. In between the plan has no place for the interface, and
//! its subnets would move to other tables and back.
//!
//! So a table whose gateway alone is gone is left as it is for a moment, and its link stays an uplink
//! to others. Pure over the clock.

use super::plan::PlanHistory;
use crate::routing::{Plan, TableKey, is_managed};
use crate::state::LinkState;
use protocol::{Policy, Through};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a table waits for its gateway.
pub const GATEWAY_GRACE_PERIOD: Duration = Duration::from_secs(2);

/// What was, and since when it is no longer.
#[derive(Debug, Default)]
pub struct Recent {
    /// Tables that were planned with a default, and the addresses with rules.
    planned: BTreeMap<TableKey, BTreeSet<IpAddr>>,
    /// Until when a table that lost its default is left alone.
    until: BTreeMap<TableKey, Instant>,
    /// Until when a link that lost its default is an uplink; none of one that has it.
    uplinks: BTreeMap<TableKey, Option<Instant>>,
    main_first: BTreeSet<TableKey>,
}

impl Recent {
    /// What the next plan is to know.
    pub fn history(&self, now: Instant) -> PlanHistory {
        let still = self.uplinks.iter().filter(|(_, until)| until.is_none_or(|until| now < until));
        PlanHistory { uplinks: still.map(|(key, _)| *key).collect(), main_first: self.main_first.clone() }
    }

    /// Takes the tables out of `plan` that are to be left alone; says when to plan again.
    pub fn consider(
        &mut self,
        plan: &mut Plan,
        links: &[LinkState],
        policy: &Policy,
        now: Instant,
    ) -> Option<Instant> {
        let has_default = |key: &TableKey| plan.tables.get(key).is_some_and(|table| table.has_default());
        let missing: Vec<TableKey> = self.planned.keys().filter(|key| !has_default(key)).copied().collect();
        for key in missing {
            let until = *self.until.entry(key).or_insert(now + GATEWAY_GRACE_PERIOD);
            let is_whole = self
                .planned
                .get(&key)
                .is_some_and(|addresses| only_the_gateway_is_gone(key, addresses, links, policy));
            if is_whole && now < until && !plan.conflicts.contains_key(&key) {
                plan.tables.remove(&key);
                plan.in_grace.insert(key);
            } else {
                self.planned.remove(&key);
            }
        }
        let with_default = plan.tables.iter().filter(|(_, table)| table.has_default());
        self.planned.extend(with_default.map(|(key, table)| (*key, table.addresses.clone())));
        self.until.retain(|key, _| plan.in_grace.contains(key));
        self.main_first.retain(|key| plan.in_grace.contains(key));
        let main_first = plan.tables.iter().filter(|(_, table)| table.through == Through::MainFirst);
        self.main_first.extend(main_first.map(|(key, _)| *key));
        self.uplinks.retain(|key, until| {
            if !plan.uplinks.contains(key) {
                until.get_or_insert(now + GATEWAY_GRACE_PERIOD);
            }
            until.is_none_or(|until| now < until)
        });
        self.uplinks.extend(plan.uplinks.iter().map(|key| (*key, None)));
        self.until.values().chain(self.uplinks.values().flatten()).min().copied()
    }
}

/// The link is up, under routing, and has every address that has rules.
fn only_the_gateway_is_gone(
    key: TableKey,
    addresses: &BTreeSet<IpAddr>,
    links: &[LinkState],
    policy: &Policy,
) -> bool {
    let has = |link: &LinkState, ip: &IpAddr| {
        link.addresses.iter().any(|known| known.address.ip == *ip && known.address.is_usable())
    };
    links.iter().any(|link| {
        link.ifindex == key.ifindex
            && link.is_up()
            && is_managed(link, policy)
            && addresses.iter().all(|ip| has(link, ip))
    })
}
