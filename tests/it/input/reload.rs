//! SIGHUP: all or nothing.

use crate::support::{ETH1_MANAGED, Host, eth1_complete, rules, wait_for};
use serde_json::Value;

#[test]
fn input_a_faulty_configuration_changes_nothing_on_reload() {
    let Some(host) = Host::new("input_a_faulty_configuration_changes_nothing_on_reload") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.config("routing: { policy_rules: [eth1], fallbak: main }\n");
    daemon.signal("HUP");
    daemon.await_log(&["netevd.yaml:1:34"]);
    host.ip("rule flush protocol 110");
    host.await_ours("the old configuration is still in force", &eth1_complete());
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn input_reload_takes_up_new_policy_rules() {
    let Some(host) = Host::new("input_reload_takes_up_new_policy_rules") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth0, eth1] }\n");
    daemon.signal("HUP");
    let mut both = eth1_complete();
    both.extend(rules("192.0.2.2", 206));
    both.push("table 206: default via 192.0.2.1 dev eth0 metric 100".to_owned());
    both.push("table 206: 192.0.2.0/24 dev eth0".to_owned());
    host.await_ours("eth0 as well", &both);
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1], table_base: 1000 }\n");
    daemon.signal("HUP");
    let moved: Vec<String> = eth1_complete().iter().map(|line| line.replace("207", "1007")).collect();
    host.await_ours("eth1 alone, in its new table, nothing left in the old ones", &moved);
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn input_reload_takes_up_scripts_and_monitoring() {
    let Some(host) = Host::new("input_reload_takes_up_scripts_and_monitoring") else { return };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}monitoring: {{ interfaces: [eth0] }}\n"));
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    host.ip("link set eth0 mtu 1400");
    host.await_run("mtu", "eth0");
    assert_eq!(host.records().len(), 1, "eth1 is not monitored");
    host.config(&format!("{ETH1_MANAGED}monitoring: {{ interfaces: [eth1] }}\n"));
    daemon.signal("HUP");
    daemon.await_log(&["reload"]);
    host.ip("link set eth1 mtu 1300");
    host.await_run("mtu", "eth1");
    host.await_ours("routing went on", &eth1_complete());
}

#[test]
fn input_a_signal_during_a_reload_has_its_turn() {
    let Some(host) = Host::new("input_a_signal_during_a_reload_has_its_turn") else { return };
    host.two_uplinks();
    // The worker's end takes as long as this does, or five seconds.
    host.script(
        "mtu",
        "10-slow",
        "#!/bin/sh\ntrap '' TERM\ntouch /out/waiting\nuntil [ -e /out/go ]; do sleep 0.02; done\n",
    );
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    // The launcher waits for its children's end, to start them with another policy.
    let in_a_reload = |policy: &str, mtu: u32, number: usize| {
        host.sh("rm -f /out/go /out/waiting");
        host.ip(&format!("link set eth1 mtu {mtu}"));
        wait_for("the script waits", || daemon.log(), || host.path("/out/waiting").exists());
        host.config(&format!("system: {{ backend: kernel }}\nrouting: {{ {policy} }}\n"));
        daemon.signal("HUP");
        let stops = || daemon.log().matches("stopping: 1 scripts running").count();
        wait_for("the worker ends", || daemon.log(), || stops() == number);
    };
    in_a_reload("policy_rules: [eth0, eth1]", 1400, 1);
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1], table_base: 1000 }\n");
    daemon.signal("HUP");
    host.sh("touch /out/go");
    let moved: Vec<String> = eth1_complete().iter().map(|line| line.replace("207", "1007")).collect();
    host.await_ours("the newest configuration", &moved);
    in_a_reload("policy_rules: [eth1]", 1300, 2);
    daemon.signal("TERM");
    host.sh("touch /out/go");
    let ended = daemon.ended();
    assert_eq!(ended.status, 0, "{}", ended.log);
}

/// By the API: `POST /api/v1/reload` from root.
fn reload(host: &Host, query: &str) -> (String, Value) {
    let answer = host.ask("POST", &format!("/api/v1/reload{query}"), "");
    (answer.status.to_string(), answer.json())
}

#[test]
fn input_a_reload_by_the_api_is_all_or_nothing() {
    let Some(host) = Host::new("input_a_reload_by_the_api_is_all_or_nothing") else { return };
    host.two_uplinks();
    host.recorder("mtu", "10-note", "");
    let daemon = host.start_daemon();
    let in_metrics = || {
        let metrics = String::from_utf8_lossy(&host.get("/metrics").body).into_owned();
        let line = metrics.lines().find(|line| line.starts_with("netevd_config_last_reload_successful"));
        line.unwrap_or_default().to_owned()
    };
    assert!(in_metrics().ends_with(" 1"), "{}", in_metrics());
    host.config(&format!(
        "{ETH1_MANAGED}monitoring: {{ interfaces: [none] }}\nscripts: {{ timeout: soon }}\n"
    ));
    let (status, refused) = reload(&host, "");
    let problem = &refused["error"]["details"]["problems"][0];
    let lines = ETH1_MANAGED.lines().count() + 2;
    assert_eq!(
        (status.as_str(), &refused["error"]["code"]),
        ("400", &"invalid_configuration".into()),
        "{refused}"
    );
    assert_eq!((&problem["line"], &problem["column"]), (&lines.into(), &21.into()), "{refused}");
    daemon.await_log(&[&format!("netevd.yaml:{lines}:21")]);
    assert!(in_metrics().ends_with(" 0"), "{}", in_metrics());
    let told = host.api("/api/v1/status");
    assert_eq!(
        (&told["status"], &told["config"]["last_reload_successful"]),
        (&"degraded".into(), &false.into())
    );
    // The old one is in force: eth0 is monitored.
    host.ip("link set eth0 mtu 1400");
    host.await_run("mtu", "eth0");
    // A good one is taken, and only tried by a dry run.
    host.config(&format!("{ETH1_MANAGED}monitoring: {{ interfaces: [eth1] }}\n"));
    let (status, checked) = reload(&host, "?dry_run=true");
    assert_eq!(
        (status.as_str(), &checked["result"], &checked["changed"][0]),
        ("200", &"checked".into(), &"monitoring".into())
    );
    assert_eq!(host.api("/api/v1/interfaces")["interfaces"][1]["monitored"], true, "as before");
    let (status, taken) = reload(&host, "");
    assert_eq!((status.as_str(), &taken["result"]), ("200", &"reloaded".into()), "{taken}");
    assert!(in_metrics().ends_with(" 1"), "{}", in_metrics());
    let monitored = |name: &str| {
        let all = host.api("/api/v1/interfaces");
        let links = all["interfaces"].as_array().expect("a list").clone();
        links.iter().find(|link| link["name"] == name).expect("there")["monitored"].clone()
    };
    assert_eq!((monitored("eth0"), monitored("eth1")), (false.into(), true.into()));
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn input_a_reload_by_the_api_brings_a_new_policy() {
    let Some(host) = Host::new("input_a_reload_by_the_api_brings_a_new_policy") else { return };
    host.two_uplinks();
    let daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let before = host.api("/api/v1/status")["instance"].clone();
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [eth1], table_base: 1000 }\n");
    let (status, taken) = reload(&host, "");
    assert_eq!((status.as_str(), &taken["result"]), ("200", &"restarting".into()), "{taken}");
    let moved: Vec<String> = eth1_complete().iter().map(|line| line.replace("207", "1007")).collect();
    host.await_ours("eth1 in its new table, by a helper with the new policy", &moved);
    wait_for(
        "another worker answers",
        || daemon.log(),
        || {
            let asked = host.run(&["/opt/netevd/netevd", "status", "--format", "json"]);
            serde_json::from_str(&asked.stdout).is_ok_and(|status: Value| status["instance"] != before)
        },
    );
    assert_eq!(daemon.stop().status, 0);
}
