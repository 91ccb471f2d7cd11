//! `scripts.user`: scripts by the runner, as a user of their own, and everything else as it is without.

use super::prepare;
use super::reach::{assert_refused, await_tries, trespasser};
use crate::support::{Daemon, Host, holds_for, wait_for};
use serde_json::Value;
use std::time::Duration;

const CONFIG: &str = "system: { backend: kernel }\nmonitoring: { interfaces: [\"eth*\"] }\n\
                      audit: { enabled: true }\nscripts: { user: netevd-scripts";

/// eth0 and eth1, and these settings beside `scripts.user`.
fn machine(test: &str, settings: &str) -> Option<Host> {
    let host = Host::with_users(test)?;
    prepare(&host);
    host.sh("install -d -o 970 -g 970 /var/log/netevd");
    host.config(&format!("{CONFIG}{settings} }}\n"));
    Some(host)
}

fn runner(daemon: &Daemon<'_>) -> u32 {
    daemon.child("netevd-scripts").expect("the runner")
}

fn lives(host: &Host, process: &str) -> bool {
    let stat = host.read(&format!("/proc/{}/stat", process.trim()));
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// What a script wrote, once it has.
fn written(host: &Host, path: &str) -> String {
    wait_for(path, || host.log(), || host.read(path).ends_with('\n'));
    host.read(path)
}

#[test]
fn scripts_of_their_own_user_get_what_others_get() {
    let Some(host) = machine("scripts_of_their_own_user_get_what_others_get", "") else { return };
    host.recorder("configured", "10-note", "exit=3");
    host.script("configured", "20-say", "#!/bin/sh\necho to stdout; echo to stderr >&2; kill -ABRT $$\n");
    host.script("configured", "30-none", "#!/no/interpreter\n");
    host.script("configured", "40-last", "#!/bin/sh\necho $PPID $$ $(umask) >/out/last\n");
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let run = host.await_run("configured", "eth1").0;
    for ids in ["Uid", "Gid"] {
        assert_eq!(run["status"][ids], "972 972 972 972");
    }
    assert_eq!(run["status"]["Groups"], "");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(run["status"][set], "0000000000000000", "{set}");
    }
    assert_eq!(run["status"]["NoNewPrivs"], "1");
    assert_eq!(run["fds"], serde_json::json!([0, 1, 2]));
    assert_eq!(run["cwd"], "/");
    assert_eq!(run["args"], serde_json::json!(["eth1", "configured"]));
    assert_eq!(run["env"]["ADDRESSES"], "192.0.2.2/24");
    assert_eq!(run["env"]["PATH"], "/usr/sbin:/usr/bin:/sbin:/bin");
    for foreign in ["LISTEN_FDS", "NETEVD_TEST", "TERM"] {
        assert_eq!(run["env"][foreign], Value::Null);
    }
    let document: Value = serde_json::from_str(run["stdin"].as_str().expect("text")).expect("a document");
    assert_eq!(document["schema"], "netevd.event.v1");
    let last = written(&host, "/out/last");
    let (parent, last) = last.split_once(' ').expect("three words");
    assert_eq!(parent.parse(), Ok(runner(&daemon)));
    assert_eq!(last.split_once(' ').map(|(_, umask)| umask), Some("0022\n"));
    daemon.await_log(&["scripts run as uid 972"]);
    daemon.await_log(&["exit status 3", "10-note"]);
    daemon.await_log(&["to stdout", "20-say"]);
    daemon.await_log(&["to stderr", "20-say", "WARN"]);
    daemon.await_log(&["ended by SIGABRT", "20-say"]);
    daemon.await_log(&["its interpreter /no/interpreter is not there", "30-none"]);
    daemon.await_log(&["exit status 0", "40-last"]);
    let metrics = String::from_utf8(host.get("/metrics").body).expect("text");
    for (code, script) in [("3", "10-note"), ("SIGABRT", "20-say"), ("not_started", "30-none")] {
        let line = format!(
            "netevd_script_failures_total{{script=\"/etc/netevd/configured.d/{script}\",exit_code=\"{code}\"}} 1"
        );
        assert!(metrics.contains(&line), "{metrics}");
    }
    let audited = || host.read("/var/log/netevd/audit.log");
    wait_for("the audit log", audited, || audited().contains("\"exit_code\":3"));
    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0, "{}", stopped.log);
}

#[test]
fn a_script_of_its_own_user_can_do_nothing_to_the_worker() {
    let name = "a_script_of_its_own_user_can_do_nothing_to_the_worker";
    let Some(host) = machine(name, "") else { return };
    trespasser(&host, "$PPID");
    host.script(
        "configured",
        "20-try",
        "#!/bin/sh\nexec >/out/tried 2>&1\n\
         for file in /run/netevd/x /run/netevd/lock /run/netevd/state.json /var/log/netevd/audit.log; do\n\
         (echo >>$file) && echo WROTE $file; done\n\
         cat /var/log/netevd/audit.log && echo READ\n\
         /opt/netevd/netevd status --endpoint unix:/run/netevd/api.sock && echo CONNECTED\n\
         kill -KILL $(pgrep -x netevd-worker) && echo KILLED\necho end\n",
    );
    let daemon = host.start_daemon();
    let (worker, runner) = (daemon.child("netevd-worker"), runner(&daemon));
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let found = await_tries(&host, 4);
    let processes =
        [worker.expect("it runs"), daemon.child("netevd-priv").expect("it runs"), daemon.pid, runner];
    for ((process, what), found) in
        processes.iter().zip(["worker", "helper", "launcher", "runner"]).zip(&found)
    {
        assert_eq!(found["process"], *process, "{what}");
        assert_refused(what, found);
    }
    // The runner alone is of its user.
    for what in ["signal", "limits"] {
        let answers = found.iter().map(|found| found["tries"][what].as_str());
        assert!(answers.eq([Some("EPERM"), Some("EPERM"), Some("EPERM"), Some("done")]), "{what}: {found:?}");
    }
    let tried = written(&host, "/out/tried");
    wait_for("the script ended", || host.log(), || host.read("/out/tried").ends_with("end\n"));
    for done in ["WROTE", "READ", "CONNECTED", "KILLED"] {
        assert!(!tried.contains(done), "{tried}");
    }
    assert_eq!(daemon.child("netevd-worker"), worker);
}

#[test]
fn a_script_of_its_own_user_that_takes_too_long_is_ended_with_its_group() {
    let name = "a_script_of_its_own_user_that_takes_too_long_is_ended_with_its_group";
    let Some(host) = machine(name, ", timeout: 2s, max_parallel: 1") else { return };
    // The child takes TERM as what it is, and the script itself not at all.
    host.script(
        "configured",
        "10-slow",
        "#!/bin/sh\nsh -c 'trap \"echo TERM >/out/term; exit\" TERM; echo $$ >/out/child; while :; do sleep 0.05; done' &\n\
         trap '' TERM\necho $$ >/out/slow\nwhile :; do sleep 0.05; done\n",
    );
    host.recorder("configured", "20-next", "");
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let (slow, child) = (written(&host, "/out/slow"), written(&host, "/out/child"));
    daemon.await_log(&["ended after 2 s", "10-slow"]);
    assert_eq!(written(&host, "/out/term"), "TERM\n");
    assert!(!lives(&host, &slow) && !lives(&host, &child));
    host.await_run("configured", "eth1");
    // Reaped, all of them: the runner has no child left.
    let runner = runner(&daemon);
    let children = || host.read(&format!("/proc/{runner}/task/{runner}/children"));
    wait_for("no child is left", children, || children().trim().is_empty());
}

#[test]
fn scripts_of_their_own_user_run_in_parallel_within_the_limit() {
    let name = "scripts_of_their_own_user_run_in_parallel_within_the_limit";
    let Some(host) = machine(name, ", max_parallel: 2") else { return };
    host.script(
        "configured",
        "10-meet",
        "#!/bin/sh\n: >/out/here.$1\nwhile ! test -e /out/here.eth0 || ! test -e /out/here.eth1; do sleep 0.02; done\n\
         echo met >/out/met.$1\n",
    );
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.34/27 dev eth0");
    host.ip("addr add 192.0.2.66/27 dev eth1");
    for link in ["eth0", "eth1"] {
        written(&host, &format!("/out/met.{link}"));
    }
}

const ENDLESS: &str = "#!/bin/sh\ntrap 'echo TERM >/out/term; exit 0' TERM\necho $$ >/out/script\n\
                       while :; do sleep 0.05; done\n";

#[test]
fn no_script_of_its_own_user_outlives_the_daemon() {
    let Some(host) = machine("no_script_of_its_own_user_outlives_the_daemon", "") else { return };
    host.script("configured", "10-endless", ENDLESS);
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let script = written(&host, "/out/script");
    let runner = runner(&daemon).to_string();
    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0, "{}", stopped.log);
    assert_eq!(host.read("/out/term"), "TERM\n", "it was given its grace");
    assert!(!lives(&host, &script) && !lives(&host, &runner));
}

#[test]
fn scripts_of_their_own_user_end_with_a_worker_that_is_killed() {
    let Some(host) = machine("scripts_of_their_own_user_end_with_a_worker_that_is_killed", "") else {
        return;
    };
    host.script("configured", "10-endless", ENDLESS);
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let script = written(&host, "/out/script");
    let runner = runner(&daemon).to_string();
    host.sh(&format!("kill -KILL {}", daemon.child("netevd-worker").expect("it runs")));
    let ended = daemon.ended();
    assert_eq!(ended.status, 1);
    assert!(ended.log.contains("netevd-worker was killed by SIGKILL"), "{}", ended.log);
    assert!(!lives(&host, &script) && !lives(&host, &runner));
    assert_eq!(host.read("/out/term"), "", "nobody was there to grant it a grace");
}

#[test]
fn a_runner_that_dies_ends_the_daemon() {
    let Some(host) = machine("a_runner_that_dies_ends_the_daemon", "") else { return };
    host.script("configured", "10-endless", ENDLESS);
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    written(&host, "/out/script");
    host.sh(&format!("kill -KILL {}", runner(&daemon)));
    let ended = daemon.ended();
    assert_eq!(ended.status, 1);
    assert!(ended.log.contains("the runner of scripts was killed by SIGKILL"), "{}", ended.log);
    // "the runner has gone", or, in the moment of a start, "does not answer, or has gone".
    assert!(ended.log.contains("has gone"), "{}", ended.log);
}

#[test]
fn the_runner_takes_no_signal_that_ends_the_launcher() {
    let Some(host) = machine("the_runner_takes_no_signal_that_ends_the_launcher", "") else { return };
    host.recorder("configured", "10-note", "");
    let daemon = host.start_daemon();
    let runner = runner(&daemon);
    host.sh(&format!("kill -TERM {runner}; kill -INT {runner}; kill -HUP {runner}"));
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let run = host.await_run("configured", "eth1").0;
    // And hands none of that on to scripts.
    for field in ["SigBlk", "SigIgn"] {
        let text = run["status"][field].as_str().expect("a set");
        let set = u64::from_str_radix(text, 16).expect("hexadecimal");
        assert_eq!(set & (1 << 14 | 1 << 1 | 1), 0, "TERM, INT and HUP: {field} {text}");
    }
    assert_eq!(self::runner(&daemon), runner);
}

#[test]
fn another_user_for_scripts_takes_new_processes_and_a_bad_one_changes_nothing() {
    let name = "another_user_for_scripts_takes_new_processes_and_a_bad_one_changes_nothing";
    let Some(host) = machine(name, "") else { return };
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker");
    for (user, said) in [
        ("nobody-here", "there is no user \"nobody-here\""),
        ("root", "scripts.user: root is uid 0"),
        ("netevd", "scripts.user: netevd is uid 970"),
        ("netevd-priv", "scripts.user: netevd-priv is uid 971"),
        ("970", "scripts.user: 970 is uid 970"),
    ] {
        host.config(&CONFIG.replace("user: netevd-scripts", &format!("user: {user} }}\n")));
        daemon.signal("HUP");
        daemon.await_log(&[said, "the old configuration stays"]);
    }
    assert_eq!(daemon.child("netevd-worker"), worker);
    host.config(&CONFIG.replace("user: netevd-scripts", "user: 980 }\n"));
    daemon.signal("HUP");
    daemon.await_log(&["scripts.user changed, so all processes start again"]);
    wait_for("another worker", || host.log(), || host.log().matches("ready:").count() == 2);
    assert_ne!(daemon.child("netevd-worker"), worker);
    host.ip("link set eth1 mtu 1400");
    assert_eq!(host.await_run("mtu", "eth1").0["status"]["Uid"], "980 980 980 980");
    // And back to none.
    host.config(&CONFIG.replace("user: netevd-scripts", "}\n"));
    daemon.signal("HUP");
    wait_for("another worker", || host.log(), || host.log().matches("ready:").count() == 3);
    assert_eq!(daemon.child("netevd-scripts"), None);
    host.ip("link set eth1 mtu 1300");
    let as_worker = |records: &[crate::support::Record]| {
        records.iter().any(|record| record.0["status"]["Uid"] == "970 970 970 970")
    };
    host.await_records("a run as the worker's user", as_worker);
}

#[test]
fn a_bad_user_for_scripts_is_an_error_at_the_start() {
    let Some(host) = machine("a_bad_user_for_scripts_is_an_error_at_the_start", "") else { return };
    for (user, said) in [
        ("nobody-here", "useradd --system nobody-here"),
        ("netevd-priv", "which is root's, the worker's or the helper's"),
        ("root", "which is root's"),
    ] {
        host.config(&CONFIG.replace("user: netevd-scripts", &format!("user: {user} }}\n")));
        let ended = host.launch().ended();
        assert_eq!(ended.status, 1);
        assert!(ended.log.contains(said), "{}", ended.log);
    }
    // Nor does the runner itself run anything as root, whoever starts it.
    let done = host.run(&["/opt/netevd/netevd-worker", "--run-scripts", "3"]);
    assert_eq!(done.status, 1);
    assert!(done.stderr.contains("runs nothing as root"), "{}", done.stderr);
}

#[test]
fn scripts_are_judged_for_the_user_that_runs_them() {
    let Some(host) = machine("scripts_are_judged_for_the_user_that_runs_them", "") else { return };
    host.script("configured", "10-netevd-s", "#!/bin/sh\necho RAN >/out/ran\n");
    host.sh("chgrp 970 /etc/netevd/configured.d/10-netevd-s; chmod 750 /etc/netevd/configured.d/10-netevd-s");
    host.script("configured", "20-its-own", "#!/bin/sh\necho RAN >/out/its-own\n");
    host.sh("chgrp 972 /etc/netevd/configured.d/20-its-own; chmod 750 /etc/netevd/configured.d/20-its-own");
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    written(&host, "/out/its-own");
    daemon.await_log(&["10-netevd-s", "is not executable by uid 972"]);
    assert_eq!(host.read("/out/ran"), "");
    // The command line and the API judge alike.
    let listed = host.run(&["/opt/netevd/netevd", "list", "scripts"]);
    assert_eq!(listed.status, 1);
    assert!(listed.stdout.contains("not executable by uid 972"), "{}", listed.stdout);
    let answer = host.api("/api/v1/scripts").to_string();
    assert!(answer.contains("not executable by uid 972"), "{answer}");
    let tested = host.run(&["/opt/netevd/netevd", "test", "/etc/netevd/configured.d/20-its-own"]);
    assert!(tested.stdout.contains("exit status 0"), "{}{}", tested.stdout, tested.stderr);
    assert!(tested.stderr.contains("as uid 972"), "{}", tested.stderr);
}

#[test]
fn an_event_waits_for_no_runner() {
    let Some(host) = machine("an_event_waits_for_no_runner", "") else { return };
    host.recorder("configured", "10-note", "");
    let daemon = host.start_daemon();
    let runner = runner(&daemon);
    host.sh(&format!("kill -STOP {runner}"));
    host.ip("addr add 192.0.2.2/24 dev eth1");
    daemon.await_log(&["configured", "eth1"]);
    holds_for(Duration::from_millis(300), "nothing runs", || host.records().is_empty());
    // The rest of the daemon goes on.
    assert_eq!(host.get("/health").status, 200);
    host.sh(&format!("kill -CONT {runner}"));
    host.await_run("configured", "eth1");
}
