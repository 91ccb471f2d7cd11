//! IPv6: a link-local gateway, and the ages of an address from tentative to expired.

use crate::support::{ETH1_MANAGED, Host, holds_for, rules, wait_for};
use std::time::Duration;

const A: &str = "2001:db8:1::2";

fn complete() -> Vec<String> {
    let mut lines = rules(A, 207);
    lines.push("table 207: default via fe80::1 dev eth1".to_owned());
    lines.push("table 207: 2001:db8:1::/64 dev eth1".to_owned());
    lines
}

/// eth1 with a default by a link-local gateway and no address.
fn machine(host: &Host) {
    host.isp();
    host.veth("eth1", 7);
    host.ip("-6 route add default via fe80::1 dev eth1");
    host.config(ETH1_MANAGED);
}

fn address_flags(host: &Host) -> serde_json::Value {
    let link = host.ip_json("-6 addr show dev eth1");
    let mut all = link[0]["addr_info"].as_array().into_iter().flatten();
    all.find(|entry| entry["local"] == A).cloned().unwrap_or_default()
}

#[test]
fn routing_ipv6_by_a_link_local_gateway() {
    let Some(host) = Host::new("routing_ipv6_by_a_link_local_gateway") else { return };
    machine(&host);
    host.ip(&format!("addr add {A}/64 dev eth1 nodad"));
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &complete());
    assert_eq!(host.route_get(&format!("2001:db8:ffff::1 from {A}")), "eth1");
    host.ip("-6 route replace default via fe80::2 dev eth1");
    let mut changed = complete();
    changed[2] = "table 207: default via fe80::2 dev eth1".to_owned();
    host.await_ours("one default, by the new gateway", &changed);
}

#[test]
fn routing_ipv6_only_after_duplicate_detection() {
    let Some(host) = Host::new("routing_ipv6_only_after_duplicate_detection") else { return };
    machine(&host);
    // Probes go on for seconds, long enough to look at.
    host.sh("sysctl -qw net.ipv6.conf.eth1.dad_transmits=3");
    let _daemon = host.start_daemon();
    host.ip(&format!("addr add {A}/64 dev eth1"));
    assert_eq!(address_flags(&host)["tentative"], true, "the probes have only begun");
    let (mut tentative, mut early) = (true, false);
    wait_for(
        "the address is no longer tentative",
        || host.log(),
        || {
            let ours = host.ours();
            // Looked at after the rules: what was tentative then was so before.
            tentative = address_flags(&host)["tentative"] == true;
            early |= tentative && !ours.is_empty();
            !tentative
        },
    );
    assert!(!early, "nothing was installed for a tentative address");
    host.await_ours("eth1 is complete", &complete());
}

#[test]
fn routing_ipv6_a_failed_duplicate_detection_installs_nothing() {
    let name = "routing_ipv6_a_failed_duplicate_detection_installs_nothing";
    let Some(host) = Host::new(name) else { return };
    machine(&host);
    host.peer(&format!("ip addr add {A}/64 dev eth1p nodad"));
    let _daemon = host.start_daemon();
    host.ip(&format!("addr add {A}/64 dev eth1"));
    wait_for(
        "the detection failed",
        || format!("{}", address_flags(&host)),
        || address_flags(&host)["dadfailed"] == true,
    );
    holds_for(Duration::from_millis(500), "nothing is installed", || host.ours().is_empty());
    // The duplicate goes, the address is set again.
    host.peer(&format!("ip addr del {A}/64 dev eth1p"));
    host.ip(&format!("addr del {A}/64 dev eth1"));
    host.ip(&format!("addr add {A}/64 dev eth1"));
    host.await_ours("eth1 is complete", &complete());
}

#[test]
fn routing_ipv6_deprecated_stays_expired_goes() {
    let Some(host) = Host::new("routing_ipv6_deprecated_stays_expired_goes") else { return };
    machine(&host);
    host.ip(&format!("addr add {A}/64 dev eth1 nodad"));
    host.ip("addr add 2001:db8:1::3/64 dev eth1 nodad");
    let _daemon = host.start_daemon();
    let mut both = complete();
    both.extend(rules("2001:db8:1::3", 207));
    host.await_ours("eth1 is complete", &both);
    host.ip(&format!("addr change {A}/64 dev eth1 valid_lft 5 preferred_lft 0"));
    assert_eq!(address_flags(&host)["deprecated"], true);
    host.ip("addr change 2001:db8:1::3/64 dev eth1 valid_lft forever preferred_lft 0");
    assert_eq!(host.ours(), both.iter().cloned().collect(), "deprecated addresses stay");

    let mut second = complete();
    second.splice(0..2, rules("2001:db8:1::3", 207));
    host.await_ours("the expired address is gone, the deprecated one stays", &second);
    assert!(address_flags(&host).is_null(), "the kernel has deleted it");
}

#[test]
fn routing_ipv6_link_down_and_up() {
    let Some(host) = Host::new("routing_ipv6_link_down_and_up") else { return };
    machine(&host);
    // Global addresses survive a link that goes down only with this.
    host.sh("sysctl -qw net.ipv6.conf.eth1.keep_addr_on_down=1");
    host.ip(&format!("addr add {A}/64 dev eth1 nodad"));
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &complete());
    host.ip("link set eth1 down");
    host.await_ours::<&str>("nothing while it is down", &[]);
    host.sh("ip link set eth1 up; ip -6 route replace default via fe80::1 dev eth1");
    host.await_ours("eth1 is complete again", &complete());
}
