//! The real helper on a real kernel, judged by `ip -j`: each test in a network namespace of its own.

// Helpers of tests, which the permission for tests in clippy.toml does not reach.
#![allow(clippy::expect_used, clippy::panic)]

mod netlink;
mod objects;
mod ours;
mod random;
#[path = "../../../tests/support/skip.rs"]
mod skip;
mod view;
mod world;

mod calls;
mod connect;
mod copies;
mod defaults;
mod hostile;
mod later;
mod limits;
mod lockdown;
mod moves;
mod races;
mod rules;
mod sync;
