//! netevd's units under the real systemd as process 1, in each suite of Debian that has one.
//!
//! Judged by systemctl, journalctl, `ip` and /proc. It needs root, minutes and packages, so it runs
//! only when asked for: `make test-boot`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test ends so when it fails")]

mod churn;
mod confinement;
mod directives;
mod journal;
mod lifecycle;
mod machine;
mod network;
mod recovery;
mod reload;
mod scripts;
#[path = "../support/skip.rs"]
mod skip;
mod terminal;
mod units;
mod users;
#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod wait;

use machine::{Machine, SUITES};
use network::{NETWORK, RULES, UP1_MANAGED, is_whole};

const BOTH_MANAGED: &str = "system: { backend: kernel }\nrouting: { policy_rules: [up0, up1] }\n";

const RECORDER: &str = "#!/opt/netevd/netevd-test-agent record\n";

/// Boots each suite with up1 under policy routing, waits until its table is whole, and tests.
fn on_each_suite(more: &[(&str, &str, u32)], test: impl Fn(&Machine)) {
    for suite in SUITES {
        let config = [("/etc/netevd/netevd.yaml", UP1_MANAGED, 0o644)];
        let files: Vec<_> = NETWORK.iter().chain(&config).chain(more).copied().collect();
        let Some(machine) = Machine::boot(suite, &files) else { continue };
        machine.await_text("up1 is under policy routing", RULES, is_whole);
        test(&machine);
    }
}
