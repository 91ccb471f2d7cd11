//! Environment and standard input, exactly, for each kind of event that the kernel can tell.

use super::machine;
use crate::support::{Host, Record, recorder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const MAC: &str = "02:00:00:00:00:07";
const KINDS: [&str; 13] = [
    "carrier",
    "no-carrier",
    "degraded",
    "configured",
    "routable",
    "gateway",
    "manager",
    "routes",
    "address-added",
    "address-removed",
    "link-added",
    "link-removed",
    "mtu",
];

/// eth1 (index 7, a known hardware address), down; a recorder for every kind.
fn one_link(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.isp();
    host.sh(&format!("ip link add name eth1 index 7 address {MAC} type veth peer name eth1p netns isp"));
    host.peer("ip link set eth1p up");
    host.config("system: { backend: kernel }\nmonitoring: { interfaces: [eth1] }\n");
    for kind in KINDS {
        host.recorder(kind, "10-note", "");
    }
    Some(host)
}

/// The variables of a run as they are; EVENT_ID apart, which has to be a number.
fn environment(record: &Record) -> BTreeMap<String, String> {
    let all = record.0["env"].as_object().unwrap();
    let mut all: BTreeMap<String, String> =
        all.iter().map(|(k, v)| (k.clone(), v.as_str().unwrap().to_owned())).collect();
    let id = all.remove("EVENT_ID").expect("EVENT_ID is set");
    assert!(id.parse::<u64>().unwrap() > 0);
    all
}

/// What every script of eth1 gets here, with `more`, whose empty values stand for unset.
fn expected(event: &str, state: &str, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = [
        ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
        ("LINK", "eth1"),
        ("LINKINDEX", "7"),
        ("STATE", state),
        ("BACKEND", "kernel"),
        ("ADDRESSES", ""),
        ("EVENT", event),
        ("STARTUP", "0"),
        ("SKIPPED", "0"),
        ("MTU", "1500"),
        ("MAC", MAC),
        ("IFACE", "eth1"),
        ("OperationalState", state),
        ("AdministrativeState", "configuring"),
        ("ADDR", ""),
        ("IP_ADDRS", ""),
        ("IP6_ADDRS", ""),
    ]
    .into_iter()
    .map(|(k, v)| (k.to_owned(), v.to_owned()))
    .collect();
    all.extend(more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    all
}

const ADDRESSED: [(&str, &str); 4] = [
    ("ADDRESSES", "192.0.2.2/24"),
    ("ADDR", "192.0.2.2"),
    ("IP_ADDRS", "192.0.2.2"),
    ("AdministrativeState", "configured"),
];

fn with(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    ADDRESSED.iter().chain(more).copied().collect()
}

/// Waits for a run of this kind for which `is` holds, and compares its arguments and environment.
fn seen(
    host: &Host,
    kind: &str,
    is: impl Fn(&Record) -> bool,
    variables: &BTreeMap<String, String>,
) -> Record {
    let found = |r: &Record| r.env("EVENT") == kind && is(r);
    let records = host.await_records(kind, |records| records.iter().any(found));
    let record = records.into_iter().find(found).unwrap();
    // What the link has become meanwhile depends on when the script starts.
    let is_present = |name: &String, _: &mut String| name.starts_with("CURRENT_");
    let mut own = environment(&record);
    let present: BTreeMap<String, String> = own.extract_if(.., is_present).collect();
    assert_eq!(&own, variables, "{kind}");
    assert_eq!(record.0["args"], json!([variables["LINK"], kind]));
    let document = record.document();
    assert_eq!(document["schema"], "netevd.event.v1");
    assert_eq!(document["event"], kind);
    assert_eq!(document["state"], variables["STATE"].as_str());
    assert_eq!(document["id"].to_string(), record.env("EVENT_ID"));
    assert_eq!(document["backend"], "kernel");
    assert_eq!(document["startup"], variables["STARTUP"] == "1");
    assert_eq!(document["skipped"], 0);
    let text = |name: &str| present.get(name).map(String::as_str);
    for (name, field) in [("CURRENT_STATE", "state"), ("CURRENT_GATEWAY", "gateway")] {
        assert_eq!(text(name), document["link"][field].as_str(), "{name} of {kind}");
    }
    assert_eq!(
        document["at_event"]["state"].as_str(),
        document["link"].is_object().then_some(record.env("STATE"))
    );
    let time = document["time"].as_str().unwrap();
    assert!(time.ends_with('Z') && time.len() == "2026-01-01T00:00:00.000Z".len(), "{time}");
    record
}

fn first(_: &Record) -> bool {
    true
}

#[test]
fn scripts_environment_and_document_exact_for_link_events() {
    let Some(host) = one_link("scripts_environment_and_document_exact_for_link_events") else { return };
    let _daemon = host.start_daemon();
    let startup = ("STARTUP", "1");
    seen(&host, "link-added", first, &expected("link-added", "no-carrier", &[startup]));
    seen(&host, "no-carrier", first, &expected("no-carrier", "no-carrier", &[startup]));

    host.ip("link set eth1 up");
    let record =
        seen(&host, "carrier", first, &expected("carrier", "carrier", &[("OLD_STATE", "no-carrier")]));
    let document = record.document();
    assert_eq!(
        document["link"],
        json!({
            "name": "eth1", "index": 7, "kind": "veth", "mac": MAC, "mtu": 1500,
            "flags": document["link"]["flags"], "operstate": document["link"]["operstate"], "addresses": [],
            "gateway": null, "gateway6": null, "dns": [], "domains": [], "ntp": [], "state": "carrier",
            "administrative_state": null, "lease": null, "connection": null,
        })
    );
    let flags: Vec<_> =
        document["link"]["flags"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for flag in ["UP", "BROADCAST", "MULTICAST", "LOWER_UP"] {
        assert!(flags.contains(&flag), "{flag} in {flags:?}");
    }
    // The kernel tells of the carrier first, and of RUNNING with the operational state a moment later.
    let operstate = if flags.contains(&"RUNNING") { "up" } else { "down" };
    assert_eq!(document["link"]["operstate"], operstate);

    host.ip("link set eth1 mtu 1400");
    let record = seen(&host, "mtu", first, &expected("mtu", "carrier", &[("MTU", "1400")]));
    assert_eq!(record.document()["mtu"], json!({ "old": 1500, "new": 1400 }));

    host.ip("link del eth1");
    // The kernel takes a link down before it deletes it.
    let last = expected("link-removed", "no-carrier", &[("MTU", "1400")]);
    let record = seen(&host, "link-removed", first, &last);
    assert_eq!(record.document()["link"]["name"], "eth1", "the last values of a link that is gone");
}

#[test]
fn scripts_environment_and_document_exact_for_address_and_state_events() {
    let name = "scripts_environment_and_document_exact_for_address_and_state_events";
    let Some(host) = one_link(name) else { return };
    host.ip("link set eth1 up");
    let _daemon = host.start_daemon();
    host.await_run("carrier", "eth1");
    host.ip("addr add 192.0.2.2/24 broadcast + dev eth1");
    let added = with(&[
        ("ACTION", "added"),
        ("ADDRESS", "192.0.2.2"),
        ("PREFIXLEN", "24"),
        ("FAMILY", "ipv4"),
        ("SCOPE", "global"),
        ("DEPRECATED", "0"),
    ]);
    let record = seen(&host, "address-added", first, &expected("address-added", "carrier", &added));
    let address = json!({
        "address": "192.0.2.2", "prefixlen": 24, "family": "ipv4", "scope": "global", "label": null,
        "peer": null, "broadcast": "192.0.2.255", "flags": ["permanent"],
        "preferred_lifetime": null, "valid_lifetime": null,
    });
    let mut with_action = address.clone();
    with_action["action"] = "added".into();
    assert_eq!(record.document()["address"], with_action);
    assert_eq!(record.document()["link"]["addresses"], json!([address]));
    let configured = with(&[("OLD_STATE", "carrier")]);
    seen(&host, "configured", first, &expected("configured", "configured", &configured));

    host.ip("route add default via 192.0.2.1 dev eth1");
    let routable = with(&[("OLD_STATE", "configured"), ("GATEWAY", "192.0.2.1")]);
    let record = seen(&host, "routable", first, &expected("routable", "routable", &routable));
    assert_eq!(record.document()["link"]["gateway"], "192.0.2.1");
    assert_eq!(record.document()["old_state"], "configured");

    host.ip("route del default");
    let lost = with(&[("OLD_STATE", "routable")]);
    seen(&host, "degraded", first, &expected("degraded", "degraded", &lost));

    host.ip("addr del 192.0.2.2/24 dev eth1");
    let removed = [
        ("ACTION", "removed"),
        ("ADDRESS", "192.0.2.2"),
        ("PREFIXLEN", "24"),
        ("FAMILY", "ipv4"),
        ("SCOPE", "global"),
        ("DEPRECATED", "0"),
    ];
    let record = seen(&host, "address-removed", first, &expected("address-removed", "degraded", &removed));
    with_action["action"] = "removed".into();
    assert_eq!(record.document()["address"], with_action);
    let again = |r: &Record| r.env("OLD_STATE") == "degraded";
    seen(&host, "carrier", again, &expected("carrier", "carrier", &[("OLD_STATE", "degraded")]));

    host.peer("ip link set eth1p down");
    let down = |r: &Record| r.env("OLD_STATE") == "carrier";
    seen(&host, "no-carrier", down, &expected("no-carrier", "no-carrier", &[("OLD_STATE", "carrier")]));
}

#[test]
fn scripts_environment_and_document_exact_for_ipv6() {
    let Some(host) = one_link("scripts_environment_and_document_exact_for_ipv6") else { return };
    host.ip("link set eth1 up");
    let _daemon = host.start_daemon();
    host.await_run("carrier", "eth1");
    host.ip("addr add 2001:db8::2/64 dev eth1 valid_lft 3600 preferred_lft 1800");
    let own = [
        ("ADDRESSES", "2001:db8::2/64"),
        ("ADDR", "2001:db8::2"),
        ("IP6_ADDRS", "2001:db8::2"),
        ("AdministrativeState", "configured"),
    ];
    let event = [
        ("ACTION", "added"),
        ("ADDRESS", "2001:db8::2"),
        ("PREFIXLEN", "64"),
        ("FAMILY", "ipv6"),
        ("SCOPE", "global"),
        ("DEPRECATED", "0"),
    ];
    let all: Vec<_> = own.iter().chain(&event).copied().collect();
    let record = seen(&host, "address-added", first, &expected("address-added", "carrier", &all));
    let address = &record.document()["address"];
    assert_eq!(address["broadcast"], Value::Null);
    let lifetime = address["valid_lifetime"].as_u64().unwrap();
    assert!((3590..=3600).contains(&lifetime), "{lifetime}");
    host.ip("-6 route add default via fe80::1 dev eth1");
    let routable: Vec<_> =
        own.iter().chain(&[("OLD_STATE", "configured"), ("GATEWAY6", "fe80::1")]).copied().collect();
    seen(&host, "routable", first, &expected("routable", "routable", &routable));
}

#[test]
fn scripts_environment_and_document_exact_for_routes_and_manager() {
    let name = "scripts_environment_and_document_exact_for_routes_and_manager";
    let Some(host) = one_link(name) else { return };
    host.sh("ip link set eth1 up; ip addr add 192.0.2.2/24 dev eth1");
    let _daemon = host.start_daemon();
    let mut of_host = expected("manager", "offline", &[("STARTUP", "1"), ("LINK", ""), ("LINKINDEX", "0")]);
    of_host.insert("IFACE".to_owned(), String::new());
    of_host.remove("MTU");
    of_host.remove("MAC");
    let record = seen(&host, "manager", first, &of_host);
    assert_eq!(record.document()["link"], Value::Null);
    host.await_run("configured", "eth1");

    host.ip("route add 203.0.113.0/24 via 192.0.2.1 dev eth1 metric 5 protocol static");
    let route = with(&[
        ("ACTION", "added"),
        ("ROUTE_DESTINATION", "203.0.113.0/24"),
        ("ROUTE_GATEWAY", "192.0.2.1"),
        ("ROUTE_TABLE", "main"),
        ("ROUTE_METRIC", "5"),
        ("ROUTE_PROTOCOL", "static"),
        ("ROUTE_FAMILY", "ipv4"),
    ]);
    let is = |action: &'static str, destination: &'static str| {
        move |r: &Record| r.env("ACTION") == action && r.env("ROUTE_DESTINATION") == destination
    };
    let variables = expected("routes", "configured", &route);
    let record = seen(&host, "routes", is("added", "203.0.113.0/24"), &variables);
    assert_eq!(
        record.document()["routes"],
        json!([{
            "action": "added", "destination": "203.0.113.0/24", "gateway": "192.0.2.1", "table": "main",
            "metric": 5, "protocol": "static", "family": "ipv4", "scope": "global", "type": "unicast",
        }])
    );

    host.ip("route replace 203.0.113.0/24 via 192.0.2.9 dev eth1 metric 5 protocol static");
    let mut changed = variables.clone();
    changed.insert("ACTION".to_owned(), "changed".to_owned());
    changed.insert("ROUTE_GATEWAY".to_owned(), "192.0.2.9".to_owned());
    seen(&host, "routes", is("changed", "203.0.113.0/24"), &changed);

    host.ip("route del 203.0.113.0/24");
    changed.insert("ACTION".to_owned(), "removed".to_owned());
    seen(&host, "routes", is("removed", "203.0.113.0/24"), &changed);

    host.ip("route add default via 192.0.2.1 dev eth1 table 4711");
    host.ip("route add default via 192.0.2.1 dev eth1");
    let online = |r: &Record| r.env("STATE") == "online";
    of_host.extend(
        [("STATE", "online"), ("OLD_STATE", "offline"), ("OperationalState", "online"), ("STARTUP", "0")]
            .map(|(k, v)| (k.to_owned(), v.to_owned())),
    );
    seen(&host, "manager", online, &of_host);
}

#[test]
fn scripts_our_own_changes_run_no_routes_script() {
    let Some(host) = Host::new("scripts_our_own_changes_run_no_routes_script") else { return };
    host.two_uplinks();
    host.recorder("routes", "10-note", "");
    let _daemon = host.start_daemon();
    host.await_ours("eth1 is complete", &crate::support::eth1_complete());
    host.ip("route flush table 207");
    host.await_ours("eth1 is complete again", &crate::support::eth1_complete());
    host.ip("route add 203.0.113.0/24 via 192.0.2.1 dev eth0");
    let records = host.await_records("another's route", |records| {
        records.iter().any(|r| r.env("ROUTE_DESTINATION") == "203.0.113.0/24")
    });
    let ours = records.iter().filter(|r| r.env("ROUTE_TABLE") == "207").count();
    assert_eq!(ours, 0, "{records:#?}");
}

#[test]
fn scripts_a_link_with_3000_addresses() {
    let Some(host) = machine("scripts_a_link_with_3000_addresses") else { return };
    let lines: String = (0..3000u32)
        .map(|n| format!("addr add 2001:db8:ffff:ffff:ffff:ffff:ffff:{n:x}/64 dev eth1 nodad\n"))
        .collect();
    host.ip_batch(&lines, false);
    host.script("mtu", "10-note", &recorder(""));
    let _daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    let record = host.await_run("mtu", "eth1");
    let addresses = record.env("ADDRESSES");
    assert_eq!(record.env("ADDRESSES_TRUNCATED"), "1");
    assert!(addresses.len() <= 96 * 1024 && addresses.len() > 90 * 1024, "{}", addresses.len());
    assert!(addresses.split(' ').all(|item| item.ends_with("/64")), "cut after a whole item");
    assert_eq!(
        record.document()["link"]["addresses"].as_array().unwrap().len(),
        3000,
        "the document has all"
    );
}

#[test]
fn scripts_interface_name_with_a_plus() {
    let Some(host) = Host::new("scripts_interface_name_with_a_plus") else { return };
    host.isp();
    host.veth("we+b", 9);
    host.config("system: { backend: kernel }\nmonitoring: { interfaces: [\"we+b\"] }\nrouting: { policy_rules: [\"we+*\"] }\n");
    host.recorder("routable", "10-note", "");
    let _daemon = host.start_daemon();
    host.sh("ip addr add 192.0.2.2/24 dev we+b; ip route add default via 192.0.2.1 dev we+b");
    let record = host.await_run("routable", "we+b");
    assert_eq!(record.0["args"], json!(["we+b", "routable"]));
    assert_eq!(record.document()["link"]["name"], "we+b");
    let mut complete = crate::support::rules("192.0.2.2", 209);
    complete.push("table 209: default via 192.0.2.1 dev we+b".to_owned());
    complete.push("table 209: 192.0.2.0/24 dev we+b".to_owned());
    host.await_ours("and it is routed like any other", &complete);
}
