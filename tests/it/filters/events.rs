//! Every kind of event is filtered.

use super::{KINDS, everything_is_told, machine, ran};
use crate::support::{Host, wait_for};

/// What makes every kind of event of eth1, wg0 and the host happen, and which.
const STEPS: [(&str, &[&str]); 10] = [
    ("addr add 192.0.2.2/24 dev eth1", &["address-added", "configured"]),
    ("route add default via 192.0.2.1 dev eth1", &["routes", "routable", "gateway", "manager"]),
    ("link set eth1 mtu 1400", &["mtu"]),
    ("-6 addr add fe80::7/64 dev eth1 nodad", &[]),
    ("addr del 192.0.2.2/24 dev eth1", &["address-removed", "degraded"]),
    ("link set eth1 down", &["no-carrier"]),
    ("link set eth1 up", &["carrier"]),
    ("link add name wg0 type veth peer name wg0p netns isp", &["link-added"]),
    ("link del wg0", &["link-removed"]),
    ("link set eth1 mtu 1401", &["mtu"]),
];

#[test]
fn filters_reach_every_kind_of_event() {
    let list = KINDS.join(", ");
    let filter =
        format!("- match: {{ condition: 'interface != eth0', event: [{list}] }}\n  action: ignore\n");
    // Once all are told, which shows that they do happen; once all but eth0's are ignored.
    for (filters, is_told) in [("- default: execute\n", true), (filter.as_str(), false)] {
        let Some(host) = machine("filters_reach_every_kind_of_event", filters) else { return };
        let _daemon = host.start_daemon();
        let of_others = |host: &Host| -> Vec<String> {
            ran(host).into_iter().filter(|(_, link)| link != "eth0").map(|(event, _)| event).collect()
        };
        let mut kinds: Vec<&str> = STEPS.iter().flat_map(|(_, kinds)| kinds.iter().copied()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), KINDS.len());
        for (command, kinds) in STEPS {
            let before = of_others(&host).len();
            host.ip(command);
            for kind in kinds.iter().filter(|_| is_told) {
                wait_for(
                    kind,
                    || host.log(),
                    || of_others(&host).iter().skip(before).any(|event| event == kind),
                );
            }
        }
        everything_is_told(&host, 1300);
        assert_eq!(of_others(&host).is_empty(), !is_told, "{:?}", of_others(&host));
    }
}

#[test]
fn filters_judge_changes_of_routes_one_by_one() {
    let filters = "\
- match: { event: routes, ip_family: ipv6 }
  action: ignore
- match: { event: routes, condition: 'route_table == 4711 || route_protocol in [bgp, 250]' }
  action: ignore
- match: { event: routes, condition: 'route_protocol == dhcp' }
  action: execute
  scripts: [20-dhcp]
";
    let Some(host) = machine("filters_judge_changes_of_routes_one_by_one", filters) else { return };
    host.recorder("routes", "20-dhcp", "");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("-6 addr add 2001:db8::2/64 dev eth1 nodad");
    host.ip_batch(
        "route add 10.1.0.0/16 via 192.0.2.1 dev eth1 proto bgp
         route add 10.2.0.0/16 via 192.0.2.1 dev eth1 table 4711
         route add 10.3.0.0/16 via 192.0.2.1 dev eth1 proto dhcp
         route add 10.4.0.0/16 via 192.0.2.1 dev eth1 proto static
         route add 2001:db8:1::/48 via 2001:db8::1 dev eth1 proto static
         route add 10.5.0.0/16 via 192.0.2.1 dev eth1 proto 250
         route add 10.6.0.0/16 via 192.0.2.1 dev eth1 proto dhcp
         route add 10.7.0.0/16 via 192.0.2.1 dev eth1 proto static\n",
        false,
    );
    let seen = |name: &str| -> Vec<String> {
        let records = host.records().into_iter().filter(|record| record.name() == name);
        let routes =
            records.flat_map(|record| record.document()["routes"].as_array().cloned().unwrap_or_default());
        let names = routes.map(|route| route["destination"].as_str().unwrap_or_default().to_owned());
        names.filter(|name| name.starts_with("10.") || name.starts_with("2001:")).collect()
    };
    // Changes that run the same are gathered apart from the others: the last of each are waited for.
    host.await_records("the last ones", |_| {
        let dhcp = seen("20-dhcp");
        seen("10-note").contains(&"10.7.0.0/16".to_owned())
            && ["10.6.0.0/16", "10.7.0.0/16"].iter().all(|last| dhcp.iter().any(|name| name == last))
    });
    assert_eq!(seen("10-note"), ["10.4.0.0/16", "10.7.0.0/16"]);
    let mut all = seen("20-dhcp");
    all.sort();
    assert_eq!(all, ["10.3.0.0/16", "10.4.0.0/16", "10.6.0.0/16", "10.7.0.0/16"]);
}

#[test]
fn filters_see_the_values_that_scripts_see() {
    let filters = "\
- match: { event: address-added, ip_family: ipv6, condition: 'address in [2001:db8::/32]' }
  action: execute
- match: { event: address-removed, condition: 'address == 192.0.2.3' }
  action: execute
- match: { event: mtu, interface: eth1, condition: 'mtu < 1400 && has_gateway && gateway in [192.0.2.0/24]' }
  action: execute
- match: { event: configured, condition: 'address_count >= 1 && old_state == carrier && !startup' }
  action: execute
- match: { event: link-removed, interface: \"wg*\", backend: kernel }
  action: execute
- match: { event: manager, condition: 'state == online && interface != eth1' }
  action: execute
- match: { event: mtu, interface: eth0 }
  action: execute
- default: ignore
";
    let Some(host) = machine("filters_see_the_values_that_scripts_see", filters) else { return };
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    host.ip("addr add 192.0.2.3/24 dev eth1");
    host.ip("-6 addr add fe80::7/64 dev eth1 nodad");
    host.ip("-6 addr add 2001:db8::2/64 dev eth1 nodad");
    host.ip("link set eth1 mtu 1390");
    everything_is_told(&host, 1301);
    host.ip("route add default via 192.0.2.1 dev eth1");
    host.ip("link set eth1 mtu 1410");
    everything_is_told(&host, 1302);
    host.ip("link set eth1 mtu 1391");
    host.ip("addr del 192.0.2.3/24 dev eth1");
    host.ip("addr del 192.0.2.2/24 dev eth1");
    host.ip("link add name wg0 type veth peer name wg0p netns isp");
    host.ip("link del wg0");
    host.await_run("link-removed", "wg0");
    everything_is_told(&host, 1303);
    // Each link has a queue of its own: eth1's may be behind.
    let of_others = |host: &Host| ran(host).iter().filter(|(_, link)| link != "eth0").count();
    wait_for("six of the others", || format!("{:?}\n{}", ran(&host), host.log()), || of_others(&host) >= 6);
    let told = |event: &str, variable: &str| -> Vec<String> {
        let records =
            host.records().into_iter().filter(|r| r.env("EVENT") == event && r.env("LINK") != "eth0");
        records.map(|record| record.env(variable).to_owned()).collect()
    };
    assert_eq!(told("address-added", "ADDRESS"), ["2001:db8::2"]);
    assert_eq!(told("address-removed", "ADDRESS"), ["192.0.2.3"]);
    assert_eq!(told("mtu", "MTU"), ["1391"]);
    assert_eq!(told("configured", "LINK"), ["eth1"]);
    assert_eq!(told("manager", "STATE"), ["online"]);
    assert_eq!(told("link-removed", "LINK"), ["wg0"]);
    assert_eq!(of_others(&host), 6, "{:?}", ran(&host));
}

#[test]
fn filters_of_startup_leave_the_rest() {
    let filters = "- match: { condition: startup }\n  action: ignore\n";
    let Some(host) = machine("filters_of_startup_leave_the_rest", filters) else { return };
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let _daemon = host.start_daemon();
    everything_is_told(&host, 1300);
    assert!(host.records().iter().all(|record| record.env("STARTUP") == "0"), "{:?}", ran(&host));
}
