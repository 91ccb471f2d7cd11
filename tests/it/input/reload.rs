//! SIGHUP: all or nothing.

use crate::support::{ETH1_MANAGED, Host, eth1_complete, rules};

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
    both.push("table 206: default via 192.0.2.1 dev eth0".to_owned());
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
