//! Links that go down, lose addresses, vanish, move, and come back as another.

use crate::support::{ETH1_MANAGED, Host, eth1_complete, rules};

/// eth1's objects where the policy names its gateway: that default is the policy's, without main's metric.
fn eth1_named() -> Vec<String> {
    eth1_complete().into_iter().map(|line| line.replace(" metric 200", "")).collect()
}

const NAMED_GATEWAY: &str = "  gateways: { eth1: [198.51.100.1] }\n";

#[test]
fn routing_link_down_and_up_with_a_static_address() {
    let Some(host) = Host::new("routing_link_down_and_up_with_a_static_address") else { return };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}{NAMED_GATEWAY}"));
    host.recorder("address-added", "10-note", "");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_named());
    let before = host.records().len();
    for _ in 0..3 {
        host.ip("link set eth1 down");
        host.await_ours::<&str>("with fallback main nothing stands in the way", &[]);
        host.ip("link set eth1 up");
        host.await_ours("eth1 is complete again, though no address event came", &eth1_named());
    }
    assert_eq!(host.records().len(), before, "no address-added ran: the kernel said nothing of addresses");
}

#[test]
fn routing_link_down_and_up_with_the_gateway_from_main() {
    let Some(host) = Host::new("routing_link_down_and_up_with_the_gateway_from_main") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.sh("ip link set eth1 down; ip link set eth1 up
             ip route add default via 198.51.100.1 dev eth1 metric 200");
    host.await_ours("eth1 is complete again", &eth1_complete());
}

#[test]
fn routing_a_second_address_makes_no_duplicates() {
    let Some(host) = Host::new("routing_a_second_address_makes_no_duplicates") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.ip("addr add 198.51.100.3/24 dev eth1");
    host.ip("addr add 203.0.113.3/25 dev eth1");
    host.ip("addr add 203.0.113.200/32 dev eth1");
    let mut expected = eth1_complete();
    for address in ["198.51.100.3", "203.0.113.3", "203.0.113.200"] {
        expected.extend(rules(address, 207));
    }
    expected.push("table 207: 203.0.113.0/25 dev eth1".to_owned());
    // ours() itself fails on an object that stands twice.
    host.await_ours("both subnets once, each address with its rules", &expected);
}

fn primary_deleted(host: &Host, promote: u8) {
    host.two_uplinks();
    host.sh(&format!("sysctl -qw net.ipv4.conf.eth1.promote_secondaries={promote}"));
    host.ip("addr add 198.51.100.3/24 dev eth1");
    host.config(&format!("{ETH1_MANAGED}{NAMED_GATEWAY}"));
    let _daemon = host.start_daemon();
    let mut both = eth1_named();
    both.extend(rules("198.51.100.3", 207));
    host.await_ours("both addresses", &both);
    host.ip("addr del 198.51.100.2/24 dev eth1");
    let mut second = rules("198.51.100.3", 207);
    second.push("table 207: default via 198.51.100.1 dev eth1".to_owned());
    second.push("table 207: 198.51.100.0/24 dev eth1".to_owned());
    if promote == 1 {
        host.await_ours("the second address alone, its table complete", &second);
    } else {
        // The kernel deletes the secondaries with their primary.
        host.await_ours::<&str>("nothing", &[]);
        host.ip("addr add 198.51.100.3/24 dev eth1");
        host.await_ours("the table is complete though the kernel had emptied it", &second);
    }
}

#[test]
fn routing_primary_deleted_without_promote_secondaries() {
    let Some(host) = Host::new("routing_primary_deleted_without_promote_secondaries") else { return };
    primary_deleted(&host, 0);
}

#[test]
fn routing_primary_deleted_with_promote_secondaries() {
    let Some(host) = Host::new("routing_primary_deleted_with_promote_secondaries") else { return };
    primary_deleted(&host, 1);
}

#[test]
fn routing_device_deleted() {
    let Some(host) = Host::new("routing_device_deleted") else { return };
    host.two_uplinks();
    host.config(&format!("{ETH1_MANAGED}  fallback: unreachable\n"));
    let _daemon = host.start_daemon();
    let mut complete = eth1_complete();
    complete.push("table 207: unreachable default metric 4294967295".to_owned());
    host.await_ours("eth1 is complete", &complete);
    host.ip("link del eth1");
    host.await_ours::<&str>("nothing is left, not even what names no device", &[]);
}

#[test]
fn routing_device_moved_to_another_namespace() {
    let Some(host) = Host::new("routing_device_moved_to_another_namespace") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.ip("link set eth1 netns isp");
    host.await_ours::<&str>("nothing is left", &[]);
}

#[test]
fn routing_same_ifindex_another_name() {
    let Some(host) = Host::new("routing_same_ifindex_another_name") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.sh("ip link del eth1; ip link add name other index 7 type bridge; ip link set other up
         ip addr add 198.51.100.2/24 dev other
         ip route add default via 198.51.100.1 dev other metric 200");
    host.await_ours::<&str>("nothing is left, and nothing made for the other name", &[]);
    // And back under the listed name, again with the same index.
    host.sh("ip link del other; ip link add name eth1 index 7 type bridge; ip link set eth1 up
             ip addr add 198.51.100.2/24 dev eth1
             ip route add default via 198.51.100.1 dev eth1 metric 200");
    host.await_ours("eth1 is complete", &eth1_complete());
}

#[test]
fn routing_renamed_out_of_the_list_and_back() {
    let Some(host) = Host::new("routing_renamed_out_of_the_list_and_back") else { return };
    host.two_uplinks();
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &eth1_complete());
    host.sh("ip link set eth1 down; ip link set eth1 name wan1; ip link set wan1 up
             ip route add default via 198.51.100.1 dev wan1 metric 200");
    host.await_ours::<&str>("wan1 is not listed", &[]);
    host.sh("ip link set wan1 down; ip link set wan1 name eth1; ip link set eth1 up
             ip route add default via 198.51.100.1 dev eth1 metric 200");
    host.await_ours("eth1 is listed again", &eth1_complete());
}

#[test]
fn routing_ifindex_53_to_55_leave_the_kernels_tables_alone() {
    let Some(host) = Host::new("routing_ifindex_53_to_55_leave_the_kernels_tables_alone") else { return };
    host.isp();
    let mut expected = Vec::new();
    for index in 53..=55u32 {
        let link = format!("up{index}");
        host.veth(&link, index);
        host.sh(&format!(
            "ip addr add 10.{index}.0.2/24 dev {link}
             ip addr add 2001:db8:{index}::2/64 dev {link} nodad
             ip route add default via 10.{index}.0.1 dev {link} metric {index}
             ip route add default via 2001:db8:{index}::1 dev {link} metric {index}"
        ));
        let table = 65_536 + 200 + index;
        expected.extend(rules(&format!("10.{index}.0.2"), table));
        expected.extend(rules(&format!("2001:db8:{index}::2"), table));
        expected.push(format!("table {table}: default via 10.{index}.0.1 dev {link} metric {index}"));
        expected.push(format!("table {table}: 10.{index}.0.0/24 dev {link}"));
        expected.push(format!("table {table}: default via 2001:db8:{index}::1 dev {link}"));
        expected.push(format!("table {table}: 2001:db8:{index}::/64 dev {link}"));
    }
    host.config("system: { backend: kernel }\nrouting: { policy_rules: [\"up*\"] }\n");
    let kernels = || {
        // ip fails on a table that does not exist, as default usually does not.
        let show = |family: &str, table: &str| {
            host.ip(&format!("{family} -details route show table {table} 2>/dev/null | sort"))
        };
        ["main", "local", "default"].map(|table| ["-4", "-6"].map(|family| show(family, table)))
    };
    let before = kernels();
    let daemon = host.start_daemon();
    host.await_ours("three complete tables, aside of the kernel's three", &expected);
    assert_eq!(kernels(), before);
    for index in 53..=55 {
        host.ip(&format!("link set up{index} down"));
    }
    host.await_ours::<&str>("nothing is left", &[]);
    assert_eq!(daemon.stop().status, 0);
}
