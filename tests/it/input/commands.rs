//! Commands of the command line on a machine.

use crate::support::{Host, eth1_complete, recorder};
use serde_json::Value;

const NETEVD: &str = "/opt/netevd/netevd";

#[test]
fn input_flush_removes_ours_and_nothing_else() {
    let Some(host) = Host::new("input_flush_removes_ours_and_nothing_else") else { return };
    host.two_uplinks();
    host.ip("rule add priority 100 from 203.0.113.0/24 lookup 4711 protocol static");
    let foreign = host.foreign();
    let daemon = host.start_daemon();
    let refused = host.run(&[NETEVD, "flush"]);
    assert_eq!(refused.status, 1, "a running daemon would put it back: {}", refused.stdout);
    host.await_ours("eth1 is complete", &eth1_complete());
    assert_eq!(daemon.stop().status, 0);
    let output = host.run(&[NETEVD, "flush"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    assert!(host.ours().is_empty());
    assert_eq!(host.foreign(), foreign);
}

#[test]
fn input_a_second_daemon_is_refused() {
    let Some(host) = Host::new("input_a_second_daemon_is_refused") else { return };
    host.two_uplinks();
    let first = host.start_daemon();
    let second = host.run(&[NETEVD, "start"]);
    assert_eq!(second.status, 1);
    assert!(second.stderr.contains(&first.pid.to_string()), "it names the other: {}", second.stderr);
}

#[test]
fn input_test_runs_a_script_as_the_worker_would() {
    let Some(host) = Host::new("input_test_runs_a_script_as_the_worker_would") else { return };
    host.two_uplinks();
    host.recorder("routable", "10-note", "");
    let output = host.run(&[NETEVD, "test", "routable", "--link", "eth1"]);
    assert_eq!(output.status, 0, "{}{}", output.stdout, output.stderr);
    let record = host.await_run("routable", "eth1");
    assert_eq!(record.env("LINKINDEX"), "7");
    assert_eq!(record.0["status"]["CapEff"], "0000000000000000");
    assert_eq!(record.0["status"]["NoNewPrivs"], "1");
    host.write("/etc/netevd/routable.d/20-fails", &recorder("exit=3"), 0o755);
    let output = host.run(&[NETEVD, "test", "/etc/netevd/routable.d/20-fails"]);
    assert_eq!(output.status, 1, "{}{}", output.stdout, output.stderr);
}

#[test]
fn input_list_scripts_names_directories_that_no_event_has() {
    let Some(host) = Host::new("input_list_scripts_names_directories_that_no_event_has") else { return };
    host.write("/etc/netevd/routeable.d/10-note", &recorder(""), 0o755);
    host.recorder("routable", "10-note", "");
    let output = host.run(&[NETEVD, "list", "scripts"]);
    let line = output.stdout.lines().find(|line| line.contains("routeable")).unwrap_or_default();
    assert!(line.contains("routable.d"), "the nearest right name: {}", output.stdout);
}

#[test]
fn input_exit_statuses() {
    let Some(host) = Host::new("input_exit_statuses") else { return };
    for (words, status) in [
        (vec!["version"], 0),
        (vec!["--help"], 0),
        (vec!["policy"], 0),
        (vec!["validate"], 0),
        (vec!["validate", "/nonexistent.yaml"], 1),
        (vec!["start", "--config", "/nonexistent.yaml"], 1),
        (vec!["--nonsense"], 2),
        (vec!["list", "nonsense"], 2),
    ] {
        let command: Vec<&str> = [NETEVD].into_iter().chain(words).collect();
        let output = host.run(&command);
        assert_eq!(output.status, status, "{command:?}: {}{}", output.stdout, output.stderr);
    }
}

#[test]
fn input_the_log_as_json_has_the_fields_at_its_top() {
    let Some(host) = Host::new("input_the_log_as_json_has_the_fields_at_its_top") else { return };
    host.config("system: { backend: kernel }\n");
    host.isp();
    host.veth("eth1", 7);
    let mut daemon = host
        .command(&["timeout", "60", NETEVD, "start", "--log-format", "json"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("nsenter starts");
    let lines = std::io::BufRead::lines(std::io::BufReader::new(daemon.stderr.take().expect("piped")));
    // The launcher's own lines are for people.
    let objects = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let mut carrier = None;
    for object in objects {
        let message = object["message"].as_str().unwrap_or_default().to_owned();
        if message == "carrier" {
            carrier = Some(object);
        } else if message.starts_with("ready:") {
            break;
        }
    }
    let carrier = carrier.expect("eth1 is there at start");
    assert_eq!(carrier["link"], "eth1");
    assert_eq!(carrier["level"], "INFO");
    assert!(carrier["event_id"].is_u64(), "{carrier}");
    drop(host);
    daemon.wait().expect("ended with its machine");
}
