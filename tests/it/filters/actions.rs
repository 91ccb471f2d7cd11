//! What filters do: ignore, execute, log, some scripts only, the default.

use super::{everything_is_told, machine, ran};

#[test]
fn filters_ignore_and_execute_in_order() {
    let filters = "\
- match: { interface: eth1, event: address-added, condition: 'address == 192.0.2.3' }
  action: execute
- match: { interface: \"eth[1-9]\" }
  action: ignore
";
    let Some(host) = machine("filters_ignore_and_execute_in_order", filters) else { return };
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("addr add 192.0.2.3/24 dev eth1");
    host.ip("link set eth1 mtu 1400");
    let record = host.await_run("address-added", "eth1");
    assert_eq!(record.env("ADDRESS"), "192.0.2.3");
    everything_is_told(&host, 1300);
    assert_eq!(ran(&host).iter().filter(|(_, link)| link == "eth1").count(), 1, "{:?}", ran(&host));
}

#[test]
fn filters_name_the_scripts_that_run() {
    let filters = "\
- match: { interface: eth1, event: mtu }
  action: execute
  scripts: [20-more, 40-none]
- match: { interface: eth1, event: address-added }
  action: execute
  scripts: []
";
    let Some(host) = machine("filters_name_the_scripts_that_run", filters) else { return };
    for name in ["20-more", "30-others"] {
        host.recorder("mtu", name, "");
    }
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("link set eth1 mtu 1400");
    host.ip("link set eth1 mtu 1401");
    host.await_records("the newest of eth1", |records| {
        records.iter().any(|r| r.what() == ("mtu", "eth1") && r.env("MTU") == "1401")
    });
    host.ip("link set eth0 mtu 1300");
    host.await_records("all three of eth0", |records| {
        records.iter().filter(|record| record.what() == ("mtu", "eth0")).count() == 3
    });
    let of_eth1 = host.records().into_iter().filter(|record| record.what() == ("mtu", "eth1"));
    assert!(of_eth1.into_iter().all(|record| record.name() == "20-more"));
    assert!(!ran(&host).contains(&("address-added".to_owned(), "eth1".to_owned())));
}

#[test]
fn filters_log_and_go_on() {
    let filters = "\
- match: { interface: eth1, event: [mtu, routes] }
  action: log
- match: { interface: eth1, event: routes }
  action: ignore
";
    let Some(host) = machine("filters_log_and_go_on", filters) else { return };
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    host.await_run("mtu", "eth1");
    let line = daemon.await_log(&["a filter logs", "mtu"]);
    for part in ["eth1", "event_id", "filter", "state"] {
        assert!(line.contains(part), "{part} in {line}");
    }
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("route add 203.0.113.0/24 via 192.0.2.1 dev eth1");
    daemon.await_log(&["a filter logs", "203.0.113.0/24", "added"]);
    everything_is_told(&host, 1300);
    assert!(!ran(&host).contains(&("routes".to_owned(), "eth1".to_owned())), "ignored by the one behind it");
}

#[test]
fn filters_default_to_what_is_written_last() {
    let filters = "- match: { event: mtu }\n  action: execute\n- default: ignore\n";
    let Some(host) = machine("filters_default_to_what_is_written_last", filters) else { return };
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("link set eth1 mtu 1400");
    host.await_run("mtu", "eth1");
    everything_is_told(&host, 1300);
    assert!(ran(&host).iter().all(|(event, _)| event == "mtu"), "{:?}", ran(&host));
}
