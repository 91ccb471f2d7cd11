//! The unprivileged side of netevd: it reads what happens to the network, keeps the state, plans
//! the routing, runs scripts. It can change no rule and no route itself. The same program is the runner,
//! a process apart that starts scripts as another user where the configuration names one.
//!
//! Imports run one way; docs/architecture.md has the order, and a test compares it with the sources.

mod accounts;
pub mod api;
pub mod audit;
pub mod backend;
pub mod checked;
mod clock;
pub mod config;
pub mod dispatch;
pub mod document;
pub mod filter;
#[cfg(test)]
mod fixtures;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod journal;
pub mod kernel;
pub mod metrics;
pub mod model;
pub mod names;
pub mod request;
pub mod routing;
mod runner;
pub mod services;
#[cfg(test)]
#[path = "../../tests/support/skip.rs"]
mod skip;
pub mod state;
mod sys;
pub mod text;
pub mod timestamp;
mod view;
pub mod worker;
