//! netevd on the real kernel: each test has a machine of its own in network, mount and process
//! namespaces, runs the built program there, and judges by `ip -j`, /proc and what scripts wrote.
//!
//! The helper alone, frame by frame (each refusal, each malformed frame), is tested in
//! netevd-priv/tests; the configuration's faults one by one in netevd-worker/src/config.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so when it fails")]

#[path = "../support/mod.rs"]
mod support;

mod api;
mod audit;
mod auto;
mod cli;
mod demo;
mod dhclient;
mod filtering;
mod filters;
mod gateways;
mod hosts;
mod input;
mod leases;
mod machine;
mod managers;
mod metrics;
mod networkd;
mod networkmanager;
mod oracle;
mod overrun;
mod page;
mod routing;
mod scripts;
mod services;
mod size;
mod storm;
mod tour;
mod tunnels;
