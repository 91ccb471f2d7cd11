//! Scripts that stay, fork, fill or fail.

use super::machine;
use crate::support::{Host, Record, wait_for};

fn running(host: &Host, word: &str) -> bool {
    host.run(&["pgrep", "-f", word]).status == 0
}

#[test]
fn scripts_a_background_child_that_keeps_stdout_stalls_nothing() {
    let Some(host) = machine("scripts_a_background_child_that_keeps_stdout_stalls_nothing") else { return };
    host.script("address-added", "10-forks", "#!/bin/sh\nsleep 12345 &\necho started\n");
    host.recorder("address-added", "20-note", "");
    let daemon = host.start_daemon();
    for n in 2..6 {
        host.ip(&format!("addr add 10.0.0.{n}/32 dev eth1"));
    }
    let records = host.await_records("all four", |records| records.len() == 4);
    assert_eq!(records[3].env("ADDRESS"), "10.0.0.5");
    assert!(running(&host, "sleep 12345"), "the children still run, with their output open");
    assert!(!daemon.log().contains("10-forks timed out"), "{}", daemon.log());
}

#[test]
fn scripts_end_with_a_worker_that_has_lost_its_helper() {
    let Some(host) = machine("scripts_end_with_a_worker_that_has_lost_its_helper") else { return };
    host.config(&format!("{}routing: {{ policy_rules: [eth1] }}\n", super::CONFIG));
    host.script("mtu", "10-stays", "#!/bin/sh\ntouch /out/started\nexec sleep 45678\n");
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    wait_for("the script runs", || host.log(), || host.path("/out/started").exists());
    let helper = daemon.child("netevd-priv").expect("the helper runs");
    host.sh(&format!("kill -KILL {helper}"));
    let ended = daemon.ended();
    assert_eq!(ended.status, 1, "{}", ended.log);
    assert!(!running(&host, "sleep 45678"), "nobody would end it any more\n{}", ended.log);
}

#[test]
fn scripts_a_timeout_ends_the_whole_group() {
    let Some(host) = machine("scripts_a_timeout_ends_the_whole_group") else { return };
    host.config(&format!("{}scripts: {{ timeout: 3s }}\n", super::CONFIG));
    // Children of both kinds: one that would end by TERM and one that has to be killed.
    host.script(
        "address-added",
        "10-stays",
        "#!/bin/sh\nsleep 23456 &\n(trap '' TERM; sleep 34567; sleep 34567) &\ntouch /out/forked\nwait\n",
    );
    host.recorder("address-added", "20-note", "");
    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    wait_for("the script has forked", || host.log(), || host.path("/out/forked").exists());
    daemon.await_log(&["WARN", "10-stays", "tim"]);
    host.await_records("the next script runs", |records| records.len() == 1);
    wait_for(
        "no process of the group is left",
        || host.sh("ps axf"),
        || !running(&host, "sleep 23456") && !running(&host, "sleep 34567"),
    );
}

#[test]
fn scripts_a_failure_is_reported_and_stops_nothing() {
    let Some(host) = machine("scripts_a_failure_is_reported_and_stops_nothing") else { return };
    host.recorder("address-added", "10-fails", "exit=3");
    host.script("address-added", "15-killed", "#!/bin/sh\nkill -SEGV $$\n");
    host.script("address-added", "17-no-interpreter", "#!/nonexistent/interpreter\n");
    host.recorder("address-added", "20-note", "");
    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    host.await_records("the last script", |records| records.iter().any(|r| r.name() == "20-note"));
    daemon.await_log(&["WARN", "10-fails", "3"]);
    daemon.await_log(&["WARN", "15-killed", "SIGSEGV"]);
    daemon.await_log(&["WARN", "17-no-interpreter"]);
}

#[test]
fn scripts_output_is_logged_line_by_line_and_capped() {
    let Some(host) = machine("scripts_output_is_logged_line_by_line_and_capped") else { return };
    host.script(
        "address-added",
        "10-talks",
        "#!/bin/sh\necho from-stdout\necho from-stderr >&2\nprintf 'bell\\007bell\\n'\n",
    );
    host.script(
        "address-added",
        "20-floods",
        "#!/bin/sh\ni=0; while [ $i -lt 500 ]; do echo line-$i; i=$((i+1)); done\n",
    );
    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    assert!(daemon.await_log(&["from-stdout", "10-talks"]).contains("INFO"));
    assert!(daemon.await_log(&["from-stderr", "10-talks"]).contains("WARN"));
    daemon.await_log(&["300 more lines dropped", "20-floods"]);
    let log = daemon.log();
    assert!(!log.contains('\u{7}') && log.contains("bell"), "control characters are escaped");
    assert!(log.contains("line-199") && !log.contains("line-200"), "200 lines of a run are logged");
}

#[test]
fn scripts_get_their_grace_when_the_daemon_stops() {
    let Some(host) = machine("scripts_get_their_grace_when_the_daemon_stops") else { return };
    host.script(
        "address-added",
        "10-tidies",
        "#!/bin/sh\ntrap 'echo tidied >/out/tidied; exit 0' TERM\ntouch /out/waiting\n\
         while :; do sleep 0.05; done\n",
    );
    let daemon = host.start_daemon();
    host.ip("addr add 10.0.0.2/32 dev eth1");
    wait_for("the script runs", || host.log(), || host.path("/out/waiting").exists());
    let stopped = daemon.stop();
    assert_eq!(stopped.status, 0, "{}", stopped.log);
    assert_eq!(host.read("/out/tidied"), "tidied\n");
}

#[test]
fn scripts_at_most_max_parallel_at_a_time() {
    let Some(host) = machine("scripts_at_most_max_parallel_at_a_time") else { return };
    host.config(
        "system: { backend: kernel }\nscripts: { max_parallel: 2 }\nmonitoring: { interfaces: [\"d*\"] }\n",
    );
    for n in 0..6 {
        host.ip(&format!("link add d{n} type bridge"));
    }
    host.recorder("address-added", "10-note", "sleep=150");
    let _daemon = host.start_daemon();
    let lines: String = (0..6).map(|n| format!("addr add 10.0.{n}.2/32 dev d{n}\n")).collect();
    host.ip_batch(&lines, false);
    let records = host.await_records("all six", |records| records.len() == 6);
    wait_for("all six ended", || host.log(), || host.ends("10-note").len() == 6);
    let ends = host.ends("10-note");
    let at_a_time = |record: &Record| {
        let begun = records.iter().filter(|other| other.started() <= record.started()).count();
        begun - ends.iter().filter(|end| **end <= record.started()).count()
    };
    let most = records.iter().map(at_a_time).max().unwrap();
    assert_eq!(most, 2, "two side by side, and no more");
}

#[test]
fn scripts_a_machine_that_stood_still_ends_no_script_at_waking() {
    let test = "scripts_a_machine_that_stood_still_ends_no_script_at_waking";
    let Some(host) = machine(test) else { return };
    host.config(
        "system: { backend: kernel }\nmonitoring: { interfaces: [\"eth*\"] }\nscripts: { timeout: 6 }\n",
    );
    host.script(
        "mtu",
        "10-work",
        "#!/bin/sh\necho $$ >/out/work\nfor i in 1 2 3 4 5 6 7 8 9 10; do sleep 0.1; done\ntouch /out/done\n",
    );
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").unwrap();
    host.ip("link set eth1 mtu 1400");
    wait_for("the script", || host.log(), || host.path("/out/work").exists());
    // The script's process group and the worker stand still for longer than the timeout.
    host.sh(&format!(
        "until g=$(cat /out/work) && [ -n \"$g\" ]; do :; done; kill -STOP {worker} -$g; sleep 7; kill -CONT {worker} -$g"
    ));
    wait_for("its end", || host.log(), || host.log().contains("exit status 0 link=\"eth1\" event=mtu"));
    assert!(host.path("/out/done").exists(), "{}", host.log());
    let log = host.log();
    let line = log.lines().find(|line| line.contains("event=mtu") && line.contains(" ms=")).unwrap();
    let ms: u64 = line.rsplit(" ms=").next().unwrap().trim().parse().unwrap();
    assert!(ms < 6_000, "the time that it ran, not the pause: {line}");
}

#[test]
fn scripts_the_worker_waits_by_a_clock_that_goes_on_in_suspend() {
    let test = "scripts_the_worker_waits_by_a_clock_that_goes_on_in_suspend";
    let Some(host) = machine(test) else { return };
    let daemon = host.start_daemon();
    let worker = daemon.child("netevd-worker").unwrap();
    // Its alarm is on CLOCK_BOOTTIME, which is 7 (proc_pid_fdinfo(5)).
    let clocks = || host.sh(&format!("cat /proc/{worker}/fdinfo/* 2>/dev/null | grep ^clockid || true"));
    wait_for("the alarm", clocks, || clocks().lines().any(|line| line == "clockid: 7"));
    assert!(!clocks().contains("clockid: 1\n"), "{}", clocks());
}
