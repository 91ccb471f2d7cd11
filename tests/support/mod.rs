//! Test machines for the integration tests and the benchmark.
//!
//! A [`Host`] is a machine of its own (network, mounts, processes, users where permitted) on this
//! kernel, a [`Daemon`] the real netevd running in it. Judges are `ip -j`, /proc and what scripts
//! wrote; nothing here knows how netevd works inside.
#![allow(dead_code, unused_imports, reason = "each of the binaries that include this uses a part of it")]

mod browser;
mod daemon;
mod footprint;
mod host;
mod http;
mod kernel;
mod links;
mod managers;
mod record;
mod skip;
mod stale;
mod truth;
mod wait;

pub(crate) use browser::Browser;
pub(crate) use daemon::Daemon;
pub(crate) use footprint::{Footprint, Process};
pub(crate) use host::{Host, Output};
pub(crate) use http::{Answer, SOCKET, request};
pub(crate) use links::{ETH1_MANAGED, eth1_complete, rules};
pub(crate) use managers::Manager;
pub(crate) use record::{Record, recorder};
pub(crate) use stale::newer_source;
pub(crate) use wait::{holds_for, wait_for, wait_within};
