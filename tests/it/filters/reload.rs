//! A reload replaces the filters, or says where they are wrong and keeps them.

use super::{configure, everything_is_told, machine, ran};

const NOT_ETH1: &str = "- match: { interface: eth1 }\n  action: ignore\n";

#[test]
fn filters_are_replaced_by_a_reload() {
    let Some(host) = machine("filters_are_replaced_by_a_reload", NOT_ETH1) else { return };
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    everything_is_told(&host, 1300);
    assert!(ran(&host).iter().all(|(_, link)| link != "eth1"), "{:?}", ran(&host));
    configure(
        &host,
        "- match: { interface: eth1, event: mtu }\n  action: execute\n- match: { interface: eth1 }\n  action: ignore\n",
    );
    daemon.signal("HUP");
    daemon.await_log(&["configuration reloaded"]);
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("link set eth1 mtu 1401");
    assert_eq!(host.await_run("mtu", "eth1").env("MTU"), "1401");
    everything_is_told(&host, 1301);
    assert_eq!(ran(&host).iter().filter(|(_, link)| link == "eth1").count(), 1, "{:?}", ran(&host));
}

#[test]
fn filters_with_a_fault_keep_the_old_ones() {
    let Some(host) = machine("filters_with_a_fault_keep_the_old_ones", NOT_ETH1) else { return };
    let daemon = host.start_daemon();
    configure(&host, "- match: { condition: \"interface == eth1 && mtuu > 1\" }\n  action: log\n");
    daemon.signal("HUP");
    // Line and column of the word within the condition.
    daemon.await_log(&["netevd.yaml:4:45", "unknown variable `mtuu`"]);
    host.ip("link set eth1 mtu 1400");
    everything_is_told(&host, 1300);
    assert!(ran(&host).iter().all(|(_, link)| link != "eth1"), "{:?}", ran(&host));
}
