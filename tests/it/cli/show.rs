//! status, list and show.

use super::{json, netevd, shown};
use crate::support::{Host, eth1_complete, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

fn texts(list: &Value, key: &str) -> BTreeSet<String> {
    let items = list.as_array().expect("a list").iter();
    items.filter_map(|item| item[key].as_str()).map(str::to_owned).collect()
}

#[test]
fn cli_show_interface_agrees_with_the_kernel_and_the_scripts() {
    let Some(host) = Host::new("cli_show_interface_agrees_with_the_kernel_and_the_scripts") else { return };
    host.two_uplinks();
    host.recorder("routable", "10-note", "");
    host.recorder("routable", "20-fails", "exit=3");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.await_records("both ran", |all| {
        all.iter().filter(|r| r.what() == ("routable", "eth1")).count() == 2
    });
    wait_for("the second one's end is known", String::new, || {
        shown(&host, "show interface eth1").contains("20-fails")
            && !shown(&host, "show interface eth1").contains("running")
    });
    let detail = json(&host, "show interface eth1");
    let link = &host.ip_json("-d link show dev eth1")[0];
    assert_eq!(detail["index"], link["ifindex"]);
    assert_eq!(detail["mac_address"], link["address"]);
    assert_eq!(detail["mtu"], link["mtu"]);
    assert_eq!(detail["type"], link["linkinfo"]["info_kind"]);
    assert_eq!(detail["operstate"].as_str(), link["operstate"].as_str().map(str::to_lowercase).as_deref());
    let address = &host.ip_json("addr show dev eth1")[0]["addr_info"][0];
    assert_eq!(detail["addresses"][0]["ip"], address["local"]);
    assert_eq!(detail["addresses"][0]["prefix"], address["prefixlen"]);
    assert_eq!(detail["gateways"][0]["address"], "198.51.100.1");
    assert_eq!(detail["table"], 207);
    // ip leaves the length of host routes away.
    let whole = |dst: String| match dst.contains('/') || dst == "default" {
        true => dst,
        false => format!("{dst}/{}", if dst.contains(':') { 128 } else { 32 }),
    };
    let of_kernel = texts(&host.ip_json("route show table all dev eth1"), "dst");
    let of_kernel: BTreeSet<String> = of_kernel.into_iter().map(whole).collect();
    assert!(!of_kernel.is_empty());
    assert!(of_kernel.is_subset(&texts(&detail["routes"], "destination")), "{of_kernel:?} {detail}");

    // What people see has the same values, and how the scripts ended.
    let text = shown(&host, "show interface eth1");
    for part in [
        "eth1: routable\n",
        "198.51.100.2/24 global",
        "198.51.100.1 from a default route of the kernel",
        "policy routing by table 207, 2 rules",
        "queue      idle",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let run = |name: &str| {
        let line = text.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}\n{text}"));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let record = host.await_run("routable", "eth1");
    assert_eq!(run("10-note")[0], record.env("EVENT_ID"));
    assert!(run("10-note").contains(&"success".to_owned()));
    let failed = run("20-fails");
    assert!(failed.contains(&"failure".to_owned()) && failed.contains(&"3".to_owned()), "{failed:?}");

    let event = shown(&host, &format!("show event {}", record.env("EVENT_ID")));
    assert!(
        event.contains("eth1 routable\n") && event.contains("/etc/netevd/routable.d/20-fails"),
        "{event}"
    );
}

#[test]
fn cli_routes_and_rules_are_the_kernels() {
    let Some(host) = Host::new("cli_routes_and_rules_are_the_kernels") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    let priorities = |list: &Value, key: &str| -> Vec<u64> {
        list.as_array().expect("a list").iter().filter_map(|rule| rule[key].as_u64()).collect()
    };
    let mut of_kernel = priorities(&host.ip_json("rule"), "priority");
    of_kernel.extend(priorities(&host.ip_json("-6 rule"), "priority"));
    let rules = json(&host, "list rules");
    assert_eq!(priorities(&rules["rules"], "priority"), of_kernel);
    let shown_routes = json(&host, "list routes --interface eth1 --table 207");
    assert_eq!(
        texts(&shown_routes["routes"], "destination"),
        BTreeSet::from(["default".to_owned(), "198.51.100.0/24".to_owned()])
    );
    let default = json(&host, "show route default");
    let tables = texts(&default["routes"], "table");
    assert_eq!(tables, BTreeSet::from(["main".to_owned(), "207".to_owned()]));
    let rule = json(&host, "show rule 198.51.100.2");
    assert_eq!(rule["count"], 2);
    assert_eq!(json(&host, "show rule 32002")["rules"][0]["from"], "198.51.100.2");
    for words in ["show route 203.0.113.0/24", "show rule 4711", "show interface eth9", "show event 4711"] {
        let output = netevd(&host, words);
        assert_eq!(output.status, 1, "{words}: {}", output.stdout);
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{words}");
    }
}

#[test]
fn cli_every_format_has_the_same() {
    let Some(host) = Host::new("cli_every_format_has_the_same") else { return };
    host.two_uplinks();
    host.recorder("routable", "10-note", "");
    let daemon = host.start_daemon();
    host.await_run("routable", "eth0");
    host.await_run("routable", "eth1");
    wait_for(
        "nothing waits",
        || shown(&host, "status"),
        || {
            let status = json(&host, "status");
            status["events_waiting"] == 0 && status["scripts_running"] == 0
        },
    );
    for words in [
        "list interfaces",
        "list interfaces --state routable --type veth",
        "list routes --family ipv4",
        "list rules",
        "list scripts",
        "list events --limit 5 --interface eth1",
        "show interface eth0",
        "show route default",
        "show rule 32002",
        &format!("show event {}", host.await_run("routable", "eth1").env("EVENT_ID")),
        "events --tail 3",
    ] {
        let yaml = shown(&host, &format!("{words} --format yaml"));
        let yaml: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|e| panic!("{words}: {e}\n{yaml}"));
        let mut document = json(&host, words);
        // Counters run on.
        for statistics in ["/statistics"] {
            if let Some(value) = document.pointer_mut(statistics) {
                *value = yaml["statistics"].clone();
            }
        }
        assert_eq!(yaml, document, "{words}");
        for width in ["60", "140"] {
            let table =
                host.sh(&format!("COLUMNS={width} LC_ALL=C.UTF-8 {} {words} --format table", super::NETEVD));
            let widest = table.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            let framed = table.contains('│');
            assert!(framed && widest <= width.parse().unwrap(), "{words}: {widest}\n{table}");
        }
        assert!(!shown(&host, words).contains('\u{1b}'), "{words}: no colours into a pipe");
    }
    let events = json(&host, "list events --type routable --interface eth1");
    assert!(events["events"].as_array().is_some_and(|all| !all.is_empty()), "{events}");
    assert!(texts(&events["events"], "event_type") == BTreeSet::from(["routable".to_owned()]));
    let scripts = json(&host, "list scripts");
    assert_eq!(scripts["scripts"][0]["runs"], 2, "{scripts}");
    assert_eq!(scripts["scripts"][0]["last_run"]["exit_code"], 0);
    assert!(shown(&host, "list scripts").contains("2 runs, 0 failed; last "));
    let status = shown(&host, "status");
    for part in
        ["ok\n", "backend     kernel\n", "interfaces  2 monitored of 3", "scripts     2 executed, 0 failed"]
    {
        assert!(status.contains(part), "{part}\n{status}");
    }
    assert_eq!(daemon.stop().status, 0);
    assert_eq!(netevd(&host, "status").status, 3);
    assert_eq!(netevd(&host, "list scripts").status, 0, "without a daemon");
}

#[test]
fn cli_a_user_who_may_not_ask_is_told_what_to_join() {
    let Some(host) = Host::with_users("cli_a_user_who_may_not_ask_is_told_what_to_join") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    let nobody = host.run(&["setpriv", "--reuid=65534", "--clear-groups", super::NETEVD, "status"]);
    assert_eq!(nobody.status, 1, "{}{}", nobody.stdout, nobody.stderr);
    assert!(nobody.stderr.contains("usermod -aG netevd nobody"), "{}", nobody.stderr);
    let member = host.run(&["setpriv", "--reuid=65534", "--groups=970", super::NETEVD, "status"]);
    assert_eq!(member.status, 0, "{}{}", member.stdout, member.stderr);
    let reload = host.run(&["setpriv", "--reuid=65534", "--groups=970", super::NETEVD, "reload"]);
    assert_eq!(reload.status, 1, "changes are root's: {}{}", reload.stdout, reload.stderr);
}

#[test]
fn cli_names_that_could_steer_a_terminal_are_spelt_out() {
    let Some(host) = Host::new("cli_names_that_could_steer_a_terminal_are_spelt_out") else { return };
    host.two_uplinks();
    host.sh("ip link add name \"$(printf 'a\\033[2Jb')\" type veth peer name c");
    let _daemon = host.start_daemon();
    for format in ["text", "table", "json", "yaml"] {
        let text = shown(&host, &format!("list interfaces --format {format}"));
        assert!(!text.contains('\u{1b}') && text.contains("[2Jb"), "{format}\n{text}");
    }
}
