//! A gateway that is taken away and given back: DHCP clients and administrators change a default
//! route by deleting it and adding another. In between the plan has no place for the interface,
//! and withdrawing its rules for a few milliseconds would send its traffic out of another one.
//!
//! So a table whose gateway alone is gone is left as it is for a moment. Pure over the clock.

use crate::routing::{Plan, PlannedTable, TableKey};
use crate::state::State;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// How long a table waits for its gateway.
pub const HOLD: Duration = Duration::from_millis(100);

/// Which tables wait.
#[derive(Debug, Default)]
pub struct Hold {
    /// What was planned last.
    planned: BTreeMap<TableKey, PlannedTable>,
    /// Until when a table that lost its place is left alone.
    until: BTreeMap<TableKey, Instant>,
}

impl Hold {
    /// Marks the tables of `plan` that are to be left alone; says when to plan again.
    pub fn consider(&mut self, plan: &mut Plan, state: &State, now: Instant) -> Option<Instant> {
        let missing: Vec<TableKey> =
            self.planned.keys().filter(|key| !plan.tables.contains_key(key)).copied().collect();
        for key in missing {
            let until = *self.until.entry(key).or_insert(now + HOLD);
            let unchanged =
                self.planned.get(&key).is_some_and(|table| only_the_gateway_is_gone(key, table, state));
            if unchanged && now < until {
                plan.held.insert(key);
            } else {
                self.planned.remove(&key);
            }
        }
        self.planned.extend(plan.tables.iter().map(|(key, table)| (*key, table.clone())));
        self.until.retain(|key, _| plan.held.contains(key));
        self.until.values().min().copied()
    }
}

/// The link is up and has every address that has rules.
fn only_the_gateway_is_gone(key: TableKey, table: &PlannedTable, state: &State) -> bool {
    let has = |link: &crate::state::LinkState, ip: &IpAddr| {
        link.addresses.iter().any(|known| known.address.ip == *ip && known.address.is_usable())
    };
    state.links().any(|link| {
        link.ifindex == key.ifindex
            && link.is_up()
            && link.controller == 0
            && link.name.as_str() == table.name
            && table.addresses.iter().all(|ip| has(link, ip))
    })
}
