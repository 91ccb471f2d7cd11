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
mod recovery;
mod reload;
mod scripts;
#[path = "../support/skip.rs"]
mod skip;
mod units;
mod users;
#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "the other tests use the rest")]
mod wait;

use machine::{Machine, SUITES};

/// up0 and up1 with addresses and gateways by networkd, which leaves foreign rules alone.
const NETWORK: [(&str, &str, u32); 3] = [
    (
        "/etc/systemd/network/10-up0.network",
        "[Match]\nName=up0\n[Network]\nAddress=192.0.2.2/27\nGateway=192.0.2.1\n",
        0o644,
    ),
    (
        "/etc/systemd/network/10-up1.network",
        "[Match]\nName=up1\n[Network]\nAddress=192.0.2.34/27\n\
         [Route]\nGateway=192.0.2.33\nMetric=200\n",
        0o644,
    ),
    (
        "/etc/systemd/networkd.conf.d/netevd.conf",
        include_str!("../../systemd/examples/networkd-netevd.conf"),
        0o644,
    ),
];

const UP1_MANAGED: &str = "system: { backend: kernel }\nrouting: { policy_rules: [up1] }\n";
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

/// Prints what [`is_whole`] judges.
const RULES: &str = "(ip -N rule show; ip -N route show table all) | grep 'proto 110' | sort";

/// up1's rules and its default stand.
fn is_whole(ours: &str) -> bool {
    ["from 192.0.2.34 ", "to 192.0.2.34 ", "default via 192.0.2.33 dev up1"].iter().all(|o| ours.contains(o))
}
