//! The launcher as root with some capabilities missing, as in a container.

use crate::place::{Daemon, TestDirectory, await_that, is_gone, skipped_without_root, status};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

/// What docs/user/container.md says to grant.
const GRANTED: [&str; 5] = ["net_admin", "setuid", "setgid", "setpcap", "chown"];

/// `netevd start` as root with these capabilities and no others; none can come back.
fn start_with(place: &TestDirectory, capabilities: &[&str]) -> Daemon {
    let mut command = Command::new("setpriv");
    let kept: String = capabilities.iter().map(|name| format!(",+{name}")).collect();
    command.args(["--inh-caps=-all", "--bounding-set", &format!("-all{kept}"), "--"]);
    let start = place.command();
    command.arg(start.get_program()).args(start.get_args());
    place.with_log(&mut command);
    let daemon = Daemon::new(&mut command);
    await_that("the worker speaks", || place.log().contains("worker: "));
    await_that("the helper runs", || daemon.children().len() == 2);
    daemon
}

fn without(capability: &str) -> Vec<&'static str> {
    GRANTED.into_iter().filter(|name| *name != capability).collect()
}

#[test]
fn without_cap_kill_it_reloads_and_stops_in_good_order() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("no-kill");
    let mut daemon = start_with(&place, &GRANTED);
    let first = daemon.children();
    // 5: CAP_KILL. The children are other users' processes.
    let effective = u64::from_str_radix(&status(daemon.pid(), "CapEff"), 16).expect("a set");
    assert_eq!(effective & 1 << 5, 0);
    assert_ne!(status(daemon.worker(), "Uid"), status(daemon.pid(), "Uid"));

    place.write("n.yaml", "routing: { policy_rules: [eth1] }\nscripts: { timeout: 5s }\n");
    daemon.signal(1);
    await_that("the worker reloads", || place.log().contains("reloaded"));
    assert_eq!(daemon.children(), first);
    // What it changed of itself for the signal is as it was.
    assert_eq!(status(daemon.pid(), "Uid").split_whitespace().collect::<Vec<_>>(), ["0"; 4]);
    assert_eq!(u64::from_str_radix(&status(daemon.pid(), "CapEff"), 16).expect("a set"), effective);

    place.write("n.yaml", "routing: { policy_rules: [eth1, eth2] }\n");
    daemon.signal(1);
    await_that("both are new", || {
        let now = daemon.children();
        now.len() == 2 && now.iter().all(|pid| !first.contains(pid))
    });
    let second = daemon.children();
    await_that("the new worker speaks", || place.log().matches("worker: ").count() == 2);
    daemon.signal(15);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(second.into_iter().all(is_gone));
    assert!(!place.log().contains("not permitted"), "{}", place.log());
}

#[test]
fn without_cap_kill_it_kills_a_worker_that_does_not_end() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("no-kill-stubborn");
    place.program("netevd-worker", "#!/bin/sh\ntrap '' TERM\necho worker: $*\nwhile :; do sleep 1; done\n");
    let mut daemon = start_with(&place, &GRANTED);
    let children = daemon.children();
    daemon.signal(15);
    assert_eq!(daemon.end().code(), Some(1));
    assert!(children.into_iter().all(is_gone));
    assert!(place.log().contains("netevd-worker does not end within 13 s"), "{}", place.log());
}

#[test]
fn each_capability_that_is_missing_is_named_with_what_does_not_work() {
    if skipped_without_root() {
        return;
    }
    for (missing, said) in [
        ("chown", "no CAP_CHOWN: the runtime directory stays root's"),
        ("setpcap", "no CAP_SETPCAP: the children keep the bounding set"),
        ("setuid", "no CAP_SETUID: worker, helper and scripts cannot have separate users"),
        ("setgid", "no CAP_SETGID: worker, helper and scripts cannot have separate users"),
        // Not granted in the first place.
        ("kill", "no CAP_KILL: if this process is killed by SIGKILL, its children go on without it"),
    ] {
        let place = TestDirectory::new(&format!("no-{missing}"));
        let mut daemon = start_with(&place, &without(missing));
        let named = place.log().lines().filter(|line| line.contains("no CAP_")).count();
        assert!(place.log().contains(said), "{missing}: {}", place.log());
        // Those that remain are not named. Without separate users the children may be signalled.
        let expected = if missing == "chown" || missing == "setpcap" { 2 } else { 1 };
        assert_eq!(named, expected, "{missing}: {}", place.log());
        daemon.signal(15);
        assert_eq!(daemon.end().code(), Some(0), "{missing}: {}", place.log());
    }
    let place = TestDirectory::new("has-all");
    let _daemon = start_with(&place, &[&GRANTED[..], &["kill"]].concat());
    assert!(!place.log().contains("no CAP_"), "{}", place.log());
}

#[test]
fn root_without_cap_net_admin_is_not_sent_to_root() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("no-net-admin");
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all", "--"]);
    let start = place.command();
    command.arg(start.get_program()).args(start.get_args());
    place.with_log(&mut command);
    let _daemon = Daemon::new(&mut command);
    await_that("the worker speaks", || place.log().contains("worker: "));
    let log = place.log();
    assert!(log.contains("policy routing is off: that needs CAP_NET_ADMIN"), "{log}");
    assert!(!log.contains("as root"), "{log}");
    assert!(log.contains("no CAP_SETUID and CAP_SETGID: worker and scripts run as uid 0"), "{log}");
}

#[test]
fn without_cap_dac_override_a_lost_lock_is_made_again() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("no-lock");
    let run = place.at("run");
    let mut daemon = start_with(&place, &GRANTED);
    daemon.signal(15);
    assert_eq!(daemon.end().code(), Some(0));
    let before = fs::metadata(&run).expect("the directory");
    assert_ne!(before.uid(), 0);
    fs::remove_file(run.join("lock")).expect("the lock");

    let mut daemon = start_with(&place, &GRANTED);
    let after = fs::metadata(&run).expect("the directory");
    assert_eq!((after.uid(), after.gid(), after.mode()), (before.uid(), before.gid(), before.mode()));
    assert_eq!(fs::metadata(run.join("lock")).expect("a new lock").uid(), 0);
    daemon.signal(15);
    assert_eq!(daemon.end().code(), Some(0));

    // Without CAP_CHOWN, too, it says what it needs.
    fs::remove_file(run.join("lock")).expect("the lock");
    let mut command = Command::new("setpriv");
    command.args(["--inh-caps=-all", "--bounding-set=-all,+net_admin,+setuid,+setgid", "--"]);
    let start = place.command();
    command.arg(start.get_program()).args(start.get_args());
    place.with_log(&mut command);
    assert_eq!(Daemon::new(&mut command).end().code(), Some(1));
    let log = place.log();
    assert!(log.contains("run/lock: Permission denied"), "{log}");
    assert!(log.contains("CAP_CHOWN or CAP_DAC_OVERRIDE"), "{log}");
}

#[test]
fn without_cap_chown_a_directory_that_is_the_worker_s_is_used() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("worker-s-directory");
    let mut daemon = start_with(&place, &GRANTED);
    let worker = status(daemon.worker(), "Uid");
    daemon.signal(15);
    assert_eq!(daemon.end().code(), Some(0));
    let daemon = start_with(&place, &without("chown"));
    assert_eq!(status(daemon.worker(), "Uid"), worker);
    assert!(!place.log().contains("CAP_CHOWN"), "{}", place.log());
}
