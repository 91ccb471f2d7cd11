//! Source-based policy routing: what should stand in the kernel, what does, and how to get from
//! one to the other. The plan, the comparison and the order of requests are pure.
//!
//! Level-triggered: whatever happened leads to the same pass, and nothing is remembered that the
//! kernel knows better.

mod actual;
mod copies;
mod diff;
mod done;
mod dry_run;
mod gateway;
mod helper;
mod interference;
mod listed;
mod notes;
mod pass;
mod plan;
mod reading;
mod recent;
mod reconciler;
mod rp_filter;
mod rules;
mod snapshot;
#[cfg(test)]
mod tests;
mod wipe;
mod world;

pub use actual::Actual;
pub use copies::Copied;
pub use diff::{Step, changes, everything};
pub use done::Done;
pub use dry_run::DryRun;
pub use gateway::Origin;
pub use helper::{Helper, HelperError};
pub use listed::is_listed;
pub use plan::{Note, Plan, PlanHistory, PlannedTable, TableKey, desired, is_managed};
pub use recent::{GATEWAY_GRACE_PERIOD, Recent};
pub use reconciler::{Order, PassError, PassReport, Reconciler, Refused};
pub use rp_filter::Filters;
pub use rules::{OwnRule, Subject};
pub use snapshot::{Foreign, Snapshot};
pub use wipe::{WipeVerdict, WipeWatch};
