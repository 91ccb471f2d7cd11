//! Source-based policy routing: what should stand in the kernel, what does, and how to get from
//! one to the other. The plan, the comparison and the order of requests are pure.
//!
//! Level-triggered: whatever happened leads to the same pass, and nothing is remembered that the
//! kernel knows better.

mod actual;
mod copies;
mod diff;
mod done;
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
mod rehearsal;
mod rules;
mod snapshot;
mod strict;
#[cfg(test)]
mod tests;
mod wipe;
mod world;

pub use actual::Actual;
pub use copies::Copied;
pub use diff::{Step, changes, everything};
pub use done::Done;
pub use gateway::Origin;
pub use helper::{Helper, HelperError};
pub use listed::is_listed;
pub use plan::{Memory, Note, Plan, PlannedTable, TableKey, desired, is_managed};
pub use recent::{HOLD, Recent};
pub use reconciler::{Order, PassError, PassReport, Reconciler, Refused};
pub use rehearsal::Rehearsal;
pub use rules::{OwnRule, Subject};
pub use snapshot::{Foreign, Snapshot};
pub use strict::Filters;
pub use wipe::{WipeVerdict, WipeWatch};
