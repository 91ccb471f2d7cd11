//! events -f.

use super::NETEVD;
use crate::support::{ETH1_MANAGED, Host, wait_for};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Child, Stdio};

/// A follower whose lines go to a file.
struct Follower {
    child: Child,
    pid: String,
}

impl Follower {
    fn new(host: &Host, words: &str) -> Self {
        let script = format!(
            "echo $$ >/out/follow.pid; exec {NETEVD} events -f {words} >/out/follow 2>/out/follow.err"
        );
        let child = host.command(&["sh", "-c", &script]).stdout(Stdio::null()).spawn().expect("started");
        wait_for("the follower runs", String::new, || !host.read("/out/follow.pid").trim().is_empty());
        Self { child, pid: host.read("/out/follow.pid").trim().to_owned() }
    }

    fn interrupt(mut self, host: &Host) -> Option<i32> {
        host.sh(&format!("kill -INT {}", self.pid));
        self.child.wait().expect("ended").code()
    }
}

fn events(host: &Host) -> Vec<Value> {
    host.read("/out/follow").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn cli_events_are_followed_over_a_restart_of_the_daemon() {
    let Some(host) = Host::new("cli_events_are_followed_over_a_restart_of_the_daemon") else { return };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}monitoring: {{ interfaces: [eth1] }}\n"));
    host.recorder("mtu", "10-note", "");
    let first = host.start_daemon();
    let follower = Follower::new(&host, "--tail 0 --type mtu --format json");
    // Until the stream stands, a change more does no harm.
    let mut mtu = 1400;
    wait_for(
        "the first event",
        || host.read("/out/follow.err"),
        || {
            mtu -= 1;
            host.ip(&format!("link set eth1 mtu {mtu}"));
            !events(&host).is_empty()
        },
    );
    assert_eq!(first.stop().status, 0);
    wait_for("it is said", String::new, || host.read("/out/follow.err").contains("waiting for the daemon"));
    let second = host.start_daemon();
    for mtu in [1300, 1290, 1280] {
        host.ip(&format!("link set eth1 mtu {mtu}"));
        let is = |event: &Value| event["details"]["mtu"]["new"] == mtu && event["action"] == "done";
        wait_for("the event is done", || host.read("/out/follow"), || events(&host).iter().any(is));
    }
    let said = host.read("/out/follow.err");
    assert_eq!(said.matches("waiting for the daemon").count(), 1, "{said}");
    assert_eq!(said.matches("connected again").count(), 1, "{said}");
    assert_eq!(follower.interrupt(&host), Some(0));
    drop(second);
    // Each change was told once as done, with its script; and each script's run is among them.
    let mut done: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events(&host).iter().filter(|event| event["action"] == "done") {
        let new = event["details"]["mtu"]["new"].as_u64().expect("an MTU");
        *done.entry(new).or_default() += 1;
        assert_eq!(event["scripts"][0]["exit_code"], 0, "{event}");
    }
    assert!(done.values().all(|times| *times == 1), "{done:?}");
    let recorded: Vec<u64> = host.records().iter().filter_map(|r| r.env("MTU").parse().ok()).collect();
    assert!([1300, 1290, 1280].iter().all(|mtu| recorded.contains(mtu)), "{recorded:?}");
}

#[test]
fn cli_an_event_has_a_line_when_it_comes_and_one_when_it_is_done() {
    let Some(host) = Host::new("cli_an_event_has_a_line_when_it_comes_and_one_when_it_is_done") else {
        return;
    };
    host.two_uplinks();
    host.recorder("mtu", "10-slow", "sleep=300");
    let _daemon = host.start_daemon();
    let follower = Follower::new(&host, "--tail 5");
    wait_for("the tail", || host.read("/out/follow.err"), || host.read("/out/follow").lines().count() >= 5);
    host.ip("link set eth1 mtu 1400");
    let of_mtu = || -> Vec<String> {
        let text = host.read("/out/follow");
        text.lines().filter(|line| line.contains(" eth1 mtu: 1500 -> 1400")).map(str::to_owned).collect()
    };
    wait_for(
        "it is done",
        || host.read("/out/follow"),
        || of_mtu().iter().any(|line| line.contains("; done")),
    );
    let lines = of_mtu();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("; waiting") || lines[0].contains("; running"), "{lines:?}");
    assert!(lines[1].contains("; done: 10-slow ") && lines[1].ends_with(" ms"), "{lines:?}");
    assert_eq!(follower.interrupt(&host), Some(0));
}

#[test]
fn cli_a_follower_ends_quietly_with_its_reader() {
    let Some(host) = Host::new("cli_a_follower_ends_quietly_with_its_reader") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    let script = format!("{NETEVD} events --tail 20 | head -n1 >/dev/null; {NETEVD} list events | head -n1");
    let output = host.run(&["sh", "-c", &script]);
    assert_eq!((output.status, output.stderr.as_str()), (0, ""), "{}", output.stdout);
    assert!(output.stdout.starts_with("ID "), "{}", output.stdout);
}
