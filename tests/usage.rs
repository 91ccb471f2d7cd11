//! Options, where they may stand, and exit statuses, without a daemon.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "support/skip.rs"]
mod skip;

use std::io::{Read, Write};
use std::process::{Command, Output, Stdio};

fn netevd(words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netevd"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").args(words);
    command.output().expect("started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const NOWHERE: &str = "unix:/nonexistent/api.sock";

#[test]
fn without_a_daemon_there_is_a_status_of_its_own() {
    for words in [
        &["status"][..],
        &["list", "interfaces"],
        &["list", "routes"],
        &["list", "rules"],
        &["list", "events"],
        &["show", "interface", "eth0"],
        &["show", "route", "default"],
        &["show", "rule", "32002"],
        &["show", "event", "1"],
        &["events"],
        &["events", "--follow"],
        &["reload"],
        // A daemon that was named and is not there is an error for this one as well.
        &["list", "scripts"],
    ] {
        let output = netevd(&[words, &["--endpoint", NOWHERE]].concat());
        assert_eq!(output.status.code(), Some(3), "{words:?}: {output:?}");
        let said = text(&output.stderr);
        assert!(said.contains(NOWHERE) && said.contains("systemctl status"), "{words:?}: {said}");
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    // 65535 is beyond the ports that anything here listens on.
    let output = netevd(&["status", "--endpoint", "http://127.0.0.1:65535"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("api.enabled"), "{output:?}");
}

#[test]
fn no_option_is_accepted_and_ignored() {
    for words in [
        &["--format", "json", "version"][..],
        &["--format", "json", "start"],
        &["--endpoint", NOWHERE, "validate"],
        &["--token-file", "/x", "policy"],
        &["--config", "/x", "why", "192.0.2.1"],
        &["--config", "/x", "status"],
        &["--config", "/x", "flush"],
        &["--dry-run", "status"],
        &["--dry-run", "policy"],
        &["status", "--dry-run"],
        &["status", "--config", "/x"],
        &["list", "rules", "--limit", "3"],
        &["list", "events", "--type", "routeable"],
        &["list", "routes", "--family", "inet"],
        &["list", "routes", "--limit", "0"],
        &["events", "--follow", "--format", "table", "--endpoint", NOWHERE],
        &["events", "--tail", "0", "--endpoint", NOWHERE],
        &["flush", "--dry-run", "--force"],
        &["show", "rule", "eth0", "--endpoint", NOWHERE],
        &["show", "route", "nowhere", "--endpoint", NOWHERE],
        &["show", "event", "first"],
        &["status", "--endpoint", "https://127.0.0.1:9090"],
        &["status", "--endpoint", "/run/netevd/api.sock"],
        &["status", "--token-file", "/dev/null"],
        &["status", "--token-file", "/dev/null", "--endpoint", NOWHERE],
        &["status", "--format", "xml"],
        &["completions", "tcsh"],
        &["--config", "/x", "validate", "/y"],
    ] {
        let output = netevd(words);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{words:?}");
    }
}

#[test]
fn options_may_stand_before_the_command_or_behind_it() {
    let endpoint = ["--endpoint", NOWHERE];
    assert_eq!(netevd(&[&endpoint[..], &["status"]].concat()).status.code(), Some(3));
    let both = netevd(&["--endpoint", "unix:/nonexistent/other", "status", "--endpoint", NOWHERE]);
    assert!(text(&both.stderr).contains(NOWHERE), "the nearer one holds: {both:?}");
    for words in [
        &["--format", "json", "list", "scripts"][..],
        &["list", "scripts", "--format", "json"],
        &["list", "--help"],
        &["--dry-run", "test", "routable"],
    ] {
        assert_eq!(netevd(words).status.code(), Some(0), "{words:?}");
    }
    let missing = netevd(&["--config", "/nonexistent/n.yaml", "validate"]);
    assert!(text(&missing.stderr).contains("/nonexistent/n.yaml"), "{missing:?}");
}

#[test]
fn scripts_are_listed_in_every_format_without_a_daemon() {
    let read = |format| text(&netevd(&["list", "scripts", "--format", format]).stdout);
    let json: serde_json::Value = serde_json::from_str(&read("json")).expect("JSON");
    let yaml: serde_json::Value = serde_yaml::from_str(&read("yaml")).expect("YAML");
    assert_eq!(json, yaml);
    assert!(json["scripts"].is_array() && json["count"].is_u64());
}

#[test]
fn a_test_without_effect_shows_the_whole_environment() {
    let output =
        netevd(&["test", "address-added", "--link", "eth0", "--address", "192.0.2.7/24", "--dry-run"]);
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for line in
        ["  LINK=eth0", "  EVENT=address-added", "  ADDRESS=192.0.2.7", "  PREFIXLEN=24", "  STARTUP=0"]
    {
        assert!(shown.lines().any(|l| l == line), "{line}\n{shown}");
    }
    assert!(shown.contains("{\"schema\":\"netevd.event.v1\","), "{shown}");
}

#[test]
fn a_flush_without_effect_needs_no_privilege_and_names_each_object() {
    let script = "set -e; ip link set lo up; ip link add name d0 type veth peer name p0; ip link set p0 up; ip link set d0 up
        ip addr add 192.0.2.1/24 dev d0
        ip rule add from 192.0.2.1 lookup main suppress_prefixlength 7 priority 32001 protocol 110
        ip rule add from 192.0.2.1 lookup 202 priority 32002 protocol 110
        ip rule add fwmark 0x650000/0xff0000 lookup 202 priority 32002 protocol 110
        ip route add default via 192.0.2.9 dev d0 table 202 protocol 110
        ip -6 route add unreachable default table 202 metric 7 protocol 110
        ip rule >/dev/null; \"$0\" flush --dry-run; ip rule; ip route show table 202";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "sh", "-c", script, env!("CARGO_BIN_EXE_netevd")]);
    let output = command.output().expect("unshare(1)");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    if said.contains("unshare:") {
        skip::skip(format_args!("no network namespace to be had: {said}"));
        return;
    }
    let expected = "\
would delete: rule 32001: from 192.0.2.1/32 lookup 254 suppress_prefixlength 7 proto 110
would delete: rule 32002: from 192.0.2.1/32 lookup 202 proto 110
would delete: rule 32002: from all fwmark 0x650000/0xff0000 lookup 202 proto 110
would delete: route default via 192.0.2.9 dev d0 table 202 proto 110 (ipv4)
would delete: route unreachable default dev lo table 202 metric 7 proto 110 (ipv6)
would remove 3 rules and 2 routes; nothing was changed
";
    assert_eq!(output.status.code(), Some(0), "{shown}{said}");
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("32002:\tfrom 192.0.2.1") && shown.contains("default via 192.0.2.9"), "{shown}");
}

#[test]
fn completions_are_accepted_by_their_shells() {
    for (shell, check) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish")] {
        let script = netevd(&["completions", shell]);
        assert_eq!(script.status.code(), Some(0), "{shell}");
        let words = text(&script.stdout);
        for word in ["status", "interfaces", "follow", "dry-run", "no-carrier"] {
            assert!(words.contains(word), "{shell}: {word}");
        }
        let child = Command::new(check).arg("-n").stdin(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let Ok(mut child) = child else {
            skip::skip(format_args!("there is no {check} here"));
            continue;
        };
        child.stdin.take().expect("piped").write_all(&script.stdout).expect("read");
        let output = child.wait_with_output().expect("ended");
        assert!(output.status.success() && output.stderr.is_empty(), "{shell}: {output:?}");
    }
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netevd"));
    let mut child = command
        .args(["completions", "zsh"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started");
    // Nobody reads, and then the pipe is gone.
    drop(child.stdout.take());
    let mut said = String::new();
    child.stderr.take().expect("piped").read_to_string(&mut said).expect("text");
    assert_eq!((child.wait().expect("ended").code(), said.as_str()), (Some(0), ""));
}
