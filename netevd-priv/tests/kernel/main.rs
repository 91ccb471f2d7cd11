//! The real helper on a real kernel, judged by `ip -j`: each test in a network namespace of its own.

// Helpers of tests, which the permission for tests in clippy.toml does not reach.
#![allow(clippy::expect_used, clippy::panic)]

mod world;

mod calls;
mod connect;
mod defaults;
mod limits;
mod lockdown;
mod networks;
mod races;
mod rules;
mod sync;
mod violations;
