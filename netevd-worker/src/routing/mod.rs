//! Source-based policy routing: what should stand in the kernel, what does, and how to get from
//! one to the other. The plan, the comparison and the order of requests are pure.
//!
//! Level-triggered: whatever happened leads to the same pass, and nothing is remembered that the
//! kernel knows better.

mod actual;
mod diff;
mod done;
mod helper;
mod hold;
mod interference;
mod listed;
mod pass;
mod plan;
mod reading;
mod reconciler;
mod rehearsal;
#[cfg(test)]
mod tests;
mod wipe;

pub use actual::{Actual, ActualTable};
pub use diff::{Step, changes, everything};
pub use done::Done;
pub use helper::{Helper, HelperError};
pub use hold::{HOLD, Hold};
pub use plan::{Note, Plan, PlannedTable, TableKey, desired, is_managed};
pub use reconciler::{PassError, PassReport, Reconciler, Refused};
pub use rehearsal::Rehearsal;
pub use wipe::{WipeVerdict, WipeWatch};
