//! Reading what a pass needs. One walk over the routes of all tables has everything, but takes 50 ms where a full
//! table is among them, and nobody on this thread is served meanwhile. There a pass reads the tables that may hold
//! something of ours, those of others only after a change, and everything once a minute.

use super::reconciler::Order;
use super::rp_filter::Filters;
use super::snapshot::{Collector, Foreign, Snapshot};
use crate::config::Planning;
use crate::kernel::{DumpError, Dumper, Rule};
use crate::state::LinkState;
use protocol::{Family, Policy, TableId};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A walk over everything that takes no longer is taken at each pass.
const CHEAP: Duration = Duration::from_millis(5);
/// One table, both families.
const TABLE: Duration = Duration::from_micros(200);
/// Between two walks over everything: what stands in a table that was never planned is there until then.
const WHOLE: Duration = Duration::from_secs(60);
/// Between two walks that are not cheap, in durations of the last: a twentieth of a processor, so that a routing
/// daemon that changes routes all the time costs no more; and half a processor for other changes.
const SHARE: u32 = 20;
const URGENT_SHARE: u32 = 2;
/// How often a dump that a change interrupted is repeated before it is taken as it is.
const REPEATS: usize = 5;

/// What is the reason for a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// Only objects of ours went, or nothing is known to have changed.
    None,
    /// Routes of main's that are no defaults.
    Copies,
    /// More.
    Urgent,
}

impl Change {
    pub(super) fn of(order: &Order) -> Self {
        match (order.replan, order.urgent) {
            (_, true) => Change::Urgent,
            (true, false) => Change::Copies,
            (false, false) => Change::None,
        }
    }
}

/// Reads, and knows what is dear.
pub(super) struct Reader {
    dumper: Dumper,
    /// Tables in which something of ours may stand.
    tables: BTreeSet<TableId>,
    whole: Option<Walk>,
    foreign: Arc<Foreign>,
    /// The last walk over the routes of others.
    foreign_walk: Option<Walk>,
    /// What has changed since.
    stale: Change,
}

/// A walk.
#[derive(Clone, Copy)]
struct Walk {
    at: Instant,
    took: Duration,
}

impl Reader {
    /// With a socket for dumps; the first reading is of everything.
    pub(super) fn new(dumper: Dumper) -> Self {
        Self {
            dumper,
            tables: BTreeSet::new(),
            whole: None,
            foreign: Arc::default(),
            foreign_walk: None,
            stale: Change::None,
        }
    }

    /// Everything that a pass needs, and when to read again what was not read now.
    pub(super) async fn read(
        &mut self,
        links: Arc<Vec<LinkState>>,
        policy: &Policy,
        planning: &Planning,
        change: Change,
    ) -> Result<(Snapshot, Option<Instant>), DumpError> {
        let managed = links.iter().filter(|link| super::is_managed(link, policy));
        let tables: BTreeSet<TableId> =
            managed.map(|link| TableId::for_interface(policy.table_base, link.ifindex)).collect();
        self.tables.extend(&tables);
        self.stale = self.stale.max(change);
        let rules = self.dumper.rules().await?;
        let now = Instant::now();
        let mut found;
        if self.whole.is_none_or(|whole| whole.is_to_be_repeated(self.tables.len(), now)) {
            found = self.walk(&[None], policy, planning, &tables).await?;
            let walk = Walk { at: now, took: now.elapsed() };
            (self.whole, self.foreign_walk) = (Some(walk), Some(walk));
            self.stale = Change::None;
            self.foreign = Arc::new(std::mem::take(&mut found.foreign));
            // A table that is not planned any more and holds nothing is nobody's.
            self.tables = tables.into_iter().chain(found.ours.iter().map(|route| route.table)).collect();
        } else {
            if self.stale != Change::None && self.due().is_none_or(|due| due <= now) {
                let wanted: Vec<Option<TableId>> = self.led_by(&rules).into_iter().map(Some).collect();
                let foreign = self.walk(&wanted, policy, planning, &tables).await?.foreign;
                self.foreign = Arc::new(foreign);
                self.foreign_walk = Some(Walk { at: now, took: now.elapsed() });
                self.stale = Change::None;
            }
            let own: Vec<Option<TableId>> = self.tables.iter().copied().map(Some).collect();
            found = self.walk(&own, policy, planning, &tables).await?;
        }
        let again = if self.stale == Change::None { None } else { self.due() };
        let again = again.into_iter().chain(self.expiry(now)).min();
        let foreign = Arc::clone(&self.foreign);
        let Collector { ours, intruders, .. } = found;
        let filters = Filters::read(&links, &foreign, policy);
        Ok((Snapshot { links, rules, foreign, ours, intruders, filters }, again))
    }

    /// main, and tables of others to which rules lead.
    fn led_by(&self, rules: &[Rule]) -> BTreeSet<TableId> {
        let foreign = rules.iter().filter(|rule| !rule.is_ours()).filter_map(|rule| rule.table);
        let others = foreign.filter(|table| *table != TableId::LOCAL && !self.tables.contains(table));
        others.chain([TableId::MAIN]).collect()
    }

    /// When the routes of others may be read again.
    fn due(&self) -> Option<Instant> {
        let share = if self.stale == Change::Urgent { URGENT_SHARE } else { SHARE };
        self.foreign_walk.filter(|walk| walk.took > CHEAP).map(|walk| walk.at + walk.took * share)
    }

    /// When the first of main's routes is over: the kernel removes it later.
    fn expiry(&self, now: Instant) -> Option<Instant> {
        let first = self.foreign.main.iter().filter_map(|route| route.expires).min()?;
        Some(now + Duration::from_millis(10 * u64::from(first) + 50))
    }

    async fn walk(
        &mut self,
        tables: &[Option<TableId>],
        policy: &Policy,
        planning: &Planning,
        managed: &BTreeSet<TableId>,
    ) -> Result<Collector, DumpError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let (mut found, mut is_clean) = (Collector::default(), true);
            for family in [Family::V4, Family::V6] {
                for table in tables {
                    let each = |route| found.take(route, policy, planning, managed);
                    is_clean &= self.dumper.full_routes(family, *table, each).await?;
                }
            }
            if is_clean || attempt == REPEATS {
                return Ok(found);
            }
        }
    }
}

impl Walk {
    fn is_to_be_repeated(&self, tables: usize, now: Instant) -> bool {
        let one_by_one = TABLE * u32::try_from(tables).unwrap_or(u32::MAX);
        self.took <= CHEAP.max(one_by_one) || now.duration_since(self.at) >= WHOLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_read_where_that_is_cheap_and_once_a_minute() {
        let at = Instant::now();
        let whole = |took| Walk { at, took: Duration::from_millis(took) };
        assert!(whole(5).is_to_be_repeated(1, at), "as on every host without a full table");
        assert!(!whole(50).is_to_be_repeated(1, at));
        assert!(whole(50).is_to_be_repeated(250, at), "many tables one by one are no gain");
        assert!(!whole(50).is_to_be_repeated(249, at + WHOLE / 2));
        assert!(whole(50).is_to_be_repeated(1, at + WHOLE));
    }
}
