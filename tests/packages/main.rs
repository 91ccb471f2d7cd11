//! netevd's packages in booted machines: the .deb in Debian 12 and 13 with dpkg, the rpm and the Arch
//! package in Debian 13 with rpm and pacman. Each is installed, configured, upgraded, downgraded and
//! removed while `ip monitor` watches the kernel.
//!
//! It needs root, and the packages: `make test-packages`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so when it fails")]

mod arch;
mod deb;
mod host;
mod life;
#[path = "../boot/machine.rs"]
#[allow(dead_code, reason = "the tests of the units use the rest")]
mod machine;
#[path = "../boot/network.rs"]
mod network;
mod rpm;
#[path = "../support/skip.rs"]
mod skip;
#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod wait;

use network::RULES;
