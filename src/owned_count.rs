//! How much of netevd's own stands in the kernel.

use crate::kernel_dump;
use netevd_worker::kernel::{DumpError, ManagedDump, Rule};
use std::fmt;

/// Counts over both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OwnedCount {
    /// Rules of protocol 110.
    pub(crate) rules: usize,
    /// Routes of protocol 110, in any table.
    pub(crate) routes: usize,
}

impl OwnedCount {
    /// Counts.
    pub(crate) fn take() -> Result<Self, DumpError> {
        Ok(Self::of(&kernel_dump::managed()?))
    }

    /// Counts what was found.
    pub(crate) fn of(found: &ManagedDump) -> Self {
        Self { rules: found.rules.iter().filter(|r| Rule::is_ours(r)).count(), routes: found.routes.len() }
    }

    /// Nothing at all.
    pub(crate) fn is_empty(self) -> bool {
        self.rules == 0 && self.routes == 0
    }
}

impl fmt::Display for OwnedCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |n: usize| if n == 1 { "" } else { "s" };
        let Self { rules, routes } = *self;
        write!(f, "{rules} rule{} and {routes} route{}", plural(rules), plural(routes))
    }
}
