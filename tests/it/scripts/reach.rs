//! What a script can do to the processes of netevd: it has the worker's user, and nothing else of it.
//!
//! Held by PR_SET_DUMPABLE while the worker runs, by the mode 0711 of its file before that, and for
//! the helper by another user and a capability that no script has.

use super::prepare;
use crate::support::{Host, wait_for};
use serde_json::Value;

const AGENT: &str = "/opt/netevd/netevd-test-agent";

/// What the kernel answers (ptrace(2), "Ptrace access mode checking") to each way of looking into
/// another process, or of changing it.
const REFUSED: [(&str, &str); 27] = [
    ("take a descriptor", "EPERM"),
    ("open a descriptor", "EACCES"),
    ("attach", "EPERM"),
    ("seize", "EPERM"),
    ("read its memory", "EPERM"),
    ("write its memory", "EPERM"),
    ("compare descriptors", "EPERM"),
    ("read mem", "EACCES"),
    ("read environ", "EACCES"),
    ("read maps", "EACCES"),
    ("read smaps", "EACCES"),
    ("read auxv", "EACCES"),
    ("read pagemap", "EACCES"),
    ("read syscall", "EACCES"),
    ("read root/etc/passwd", "EACCES"),
    ("read cwd/etc/passwd", "EACCES"),
    ("write mem", "EACCES"),
    ("write clear_refs", "EACCES"),
    ("write oom_score_adj", "EACCES"),
    ("write coredump_filter", "EACCES"),
    ("list fd", "EACCES"),
    ("list fdinfo", "EACCES"),
    ("list map_files", "EACCES"),
    ("follow exe", "EACCES"),
    ("follow root", "EACCES"),
    ("follow cwd", "EACCES"),
    ("follow ns/net", "EACCES"),
];

pub(super) fn assert_refused(what: &str, found: &Value) {
    let tries = found["tries"].as_object().expect("an object");
    let own = ["signal", "limits"];
    assert_eq!(tries.len(), REFUSED.len() + own.len(), "{what}: {tries:?}");
    for (tried, answer) in REFUSED {
        assert_eq!(tries[tried], answer, "{what}: {tried}");
    }
}

/// A script that trespasses on the worker, the helper, the launcher, and `more`.
pub(super) fn trespasser(host: &Host, more: &str) {
    let body = format!(
        "#!/bin/sh\nexec {AGENT} trespass $(pgrep -x netevd-worker) $(pgrep -x netevd-priv) \
         $(cat /run/netevd/lock) {more} >/out/tries\n"
    );
    host.script("configured", "10-trespass", &body);
}

pub(super) fn await_tries(host: &Host, count: usize) -> Vec<Value> {
    wait_for("all processes tried", || host.log(), || host.read("/out/tries").lines().count() == count);
    host.read("/out/tries").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn scripts_can_look_into_no_process_of_netevd() {
    // With a single id, in a user namespace, files in /proc belong to that id again.
    let Some(host) = Host::with_users("scripts_can_look_into_no_process_of_netevd") else { return };
    prepare(&host);
    trespasser(&host, "");
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let found = await_tries(&host, 3);
    let processes = ["netevd-worker", "netevd-priv"].map(|name| daemon.child(name).expect("it runs"));
    let expected = [processes[0], processes[1], daemon.pid];
    for ((process, name), found) in expected.iter().zip(["worker", "helper", "launcher"]).zip(&found) {
        assert_eq!(found["process"], *process);
        assert_refused(name, found);
    }
    // Root's files are those of a process that leaves no core either, proc(5) and core(5).
    assert_eq!(host.sh(&format!("stat -c %u /proc/{}/environ", processes[0])), "0\n");
    // What any process may do to another of its user, SECURITY.md.
    for what in ["signal", "limits"] {
        let answers = found.iter().map(|found| found["tries"][what].as_str());
        assert!(answers.eq([Some("done"), Some("EPERM"), Some("EPERM")]), "{what}: {found:?}");
    }
}

/// Between its exec and its first instruction a program can do nothing for itself, and has its
/// descriptors already.
#[test]
fn scripts_cannot_look_into_a_worker_that_starts_if_its_file_is_unreadable() {
    let name = "scripts_cannot_look_into_a_worker_that_starts_if_its_file_is_unreadable";
    let Some(host) = Host::with_users(name) else { return };
    host.sh("install -m 0711 /opt/netevd/netevd-worker /tmp/netevd-worker");
    let look = || -> Value {
        let text = host.sh(&format!("{AGENT} window /tmp/netevd-worker 970"));
        serde_json::from_str(text.trim()).expect("JSON")
    };
    assert_refused("0711", &look());
    // The test sees what there is to see, and the reason for the mode that `make install` gives.
    host.sh("chmod 0755 /tmp/netevd-worker");
    let found = look();
    assert_eq!(found["tries"]["take a descriptor"], "EBADF done");
    assert_eq!(found["tries"]["read environ"], "done");
}

#[test]
fn the_worker_s_netlink_socket_cannot_write() {
    let Some(host) = Host::with_users("the_worker_s_netlink_socket_cannot_write") else { return };
    prepare(&host);
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").expect("it runs");
    let rules = host.ip("rule");
    // The answer must not be read by the worker; the channel is 3, this socket 4.
    host.sh(&format!("kill -STOP {worker}"));
    assert_eq!(host.sh(&format!("{AGENT} usurp {worker} 4 970")), "EPERM\n");
    assert_eq!(host.ip("rule"), rules);
    // The same by root shows that the request is one that the kernel would have followed.
    assert_eq!(host.sh(&format!("{AGENT} usurp {worker} 4 0")), "done\n");
    assert_ne!(host.ip("rule"), rules);
    host.sh(&format!("kill -CONT {worker}"));
}
