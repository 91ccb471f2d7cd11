//! Reading what stands of ours. The kernel has no list by protocol number: for one it walks over the routes of all
//! tables, which takes 50 ms where a full table is among them, and nobody on this thread is served meanwhile. There a
//! pass reads the tables that may hold something of ours, and once a minute everything.

use super::Plan;
use crate::kernel::{DumpError, Dumper, ManagedDump, Route};
use protocol::{Policy, TableId};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A walk over everything that takes no longer is taken at each pass.
const CHEAP: Duration = Duration::from_millis(5);
/// One table, both families.
const TABLE: Duration = Duration::from_micros(200);
/// Between two walks over everything: what stands in a table that was never planned is there until then.
const WHOLE: Duration = Duration::from_secs(60);

/// Reads, and knows what is dear.
pub(super) struct Reader {
    dumper: Dumper,
    /// Tables in which something of ours may stand.
    tables: BTreeSet<TableId>,
    whole: Option<Whole>,
}

/// The last walk over everything.
#[derive(Clone, Copy)]
struct Whole {
    at: Instant,
    took: Duration,
}

impl Reader {
    /// With a socket for dumps; the first reading is of everything.
    pub(super) fn new(dumper: Dumper) -> Self {
        Self { dumper, tables: BTreeSet::new(), whole: None }
    }

    /// All rules, and our routes.
    pub(super) async fn read(&mut self, plan: &Plan, policy: &Policy) -> Result<ManagedDump, DumpError> {
        let table = |ifindex| TableId::for_interface(policy.table_base, ifindex);
        let planned = || plan.tables.keys().chain(&plan.held).map(|key| table(key.ifindex));
        self.tables.extend(planned());
        let now = Instant::now();
        if self.whole.is_none_or(|whole| whole.is_to_be_repeated(self.tables.len(), now)) {
            let dump = self.dumper.managed().await?;
            self.whole = Some(Whole { at: now, took: now.elapsed() });
            // A table that is not planned any more and holds nothing is nobody's.
            self.tables = planned().chain(dump.routes.iter().map(|route| route.table)).collect();
            return Ok(dump);
        }
        let mut dump = ManagedDump { rules: self.dumper.rules().await?, routes: Vec::new() };
        for table in &self.tables {
            let routes = self.dumper.table(*table).await?;
            dump.routes.extend(routes.into_iter().filter(Route::is_ours));
        }
        Ok(dump)
    }

    /// Every route of one table.
    pub(super) async fn table(&mut self, table: TableId) -> Result<Vec<Route>, DumpError> {
        self.dumper.table(table).await
    }
}

impl Whole {
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
        let whole = |took| Whole { at, took: Duration::from_millis(took) };
        assert!(whole(5).is_to_be_repeated(1, at), "as on every host without a full table");
        assert!(!whole(50).is_to_be_repeated(1, at));
        assert!(whole(50).is_to_be_repeated(250, at), "many tables one by one are no gain");
        assert!(!whole(50).is_to_be_repeated(249, at + WHOLE / 2));
        assert!(whole(50).is_to_be_repeated(1, at + WHOLE));
    }
}
