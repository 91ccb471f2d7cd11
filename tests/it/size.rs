//! What the optimised programs keep in memory with everything on: `make size`. The bounds are a little above
//! what was measured, so that growth is noticed when it comes.

use crate::support::{Daemon, Host, wait_for};

/// Kilobytes, a second after the start, when the worker has given back what that needed. The goal is 4,096
/// (`make bench`).
const AT_REST: u64 = 2_600;
/// The same when each path of it has just been used: what comes back stays until a minute without work is over.
const USED: u64 = 6_200;
/// The goal is 1,228. Where a program is put in memory differs by its start, and with it how many windows of
/// 64 KiB its pages lie in: a hundred kilobytes to and fro.
const HELPER: u64 = 1_500;

/// `VmRSS` (proc(5)), kB.
fn resident(host: &Host, daemon: &Daemon<'_>, program: &str) -> u64 {
    let pid = daemon.child(program).expect("it runs");
    let status = host.read(&format!("/proc/{pid}/status"));
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line of status");
    line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse().ok()).expect("a number")
}

#[test]
#[ignore = "of optimised programs: make size"]
fn size_of_both_processes_with_everything_on() {
    let test = "size_of_both_processes_with_everything_on";
    let Some(host) = Host::with_managers(test, &["networkd"]) else { return };
    host.await_uplinks();
    host.sh("install -d -m 0750 -o netevd -g netevd /var/log/netevd");
    host.config(
        "system: { backend: systemd-networkd }\n\
         routing: { policy_rules: [up0, up1] }\n\
         filters:\n  - { match: { interface: \"veth*\", condition: 'address_count > 0' }, action: ignore }\n\
         units:\n  - { on: link-added, link: \"wg*\", start: \"vpn@%i.service\" }\n\
         api: { enabled: true }\n\
         audit: { enabled: true }\n",
    );
    host.recorder("routable", "10-note", "");
    host.recorder("routes", "10-note", "");
    // As after a boot. What was just written is in the page cache in pieces of up to 2 MB, and since Linux 6.18 a
    // fault maps the whole piece: of one program 6.2 MB then, and 2.3 when it was read from the disk.
    host.sh("for one in netevd-worker netevd-priv; do
        sync /opt/netevd/$one && dd if=/opt/netevd/$one iflag=nocache count=0 status=none || exit 1
    done");
    let daemon = host.start_daemon();
    host.await_run("routable", "up0");
    let now = |program| resident(&host, &daemon, program);
    let explain = || format!("the worker has {} kB, more than {AT_REST}", now("netevd-worker"));
    wait_for("the worker is at rest", explain, || now("netevd-worker") <= AT_REST);
    let at_rest = now("netevd-worker");
    // Each path of it once: status, a scrape, the page, a change of the network.
    host.sh("/opt/netevd/netevd status >&2");
    for path in ["/metrics", "/", "/api/v1/interfaces", "/api/v1/events"] {
        assert_eq!(host.get(path).status, 200, "{path}");
    }
    let records = host.records().len();
    host.ip("route add 10.99.0.0/16 dev up0");
    wait_for("its script ran", || host.log(), || host.records().len() > records);
    let (worker, helper) = (now("netevd-worker"), now("netevd-priv"));
    println!(
        "resident, everything on: worker {at_rest} kB at rest, {worker} kB when used, helper {helper} kB"
    );
    assert!(worker <= USED, "the worker has {worker} kB, more than {USED}");
    assert!(helper <= HELPER, "the helper has {helper} kB, more than {HELPER}");
}
