//! Where events come from beside the kernel: one module a manager, each of which turns what the
//! manager says into [`Report`]s and knows nothing of routing or scripts.
//!
//! A backend is a task of its own. It never ends: a manager that is absent, or goes away, is told
//! once ([`Report::Absent`]) and waited for with back-off.

mod auto;
pub mod bus;
pub mod dhclient;
pub mod networkd;
pub mod networkmanager;
mod report;
mod source;

pub use report::{HostReport, LinkReport, Report, StateName};
pub use source::Source;

/// Reports that may wait between a backend and the loop. A backend that finds this full waits; it
/// never drops.
pub const REPORTS: usize = 1024;
