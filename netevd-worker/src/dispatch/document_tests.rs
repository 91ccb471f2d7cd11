//! The document of each kind of event, field by field.

use super::*;
use crate::dispatch::tests::support::{address, event, link};
use crate::model::{Action, DefaultNextHop, Event, EventKind, GatewayChange};
use protocol::Family;
use serde_json::{Value, json};

fn document(event: &Event, link: Option<&LinkFacts>, truncated: bool) -> Value {
    let context =
        ScriptContext { event, link, backend: Backend::Kernel, emit_json: true, skipped: 2, truncated };
    let then = crate::dispatch::moment::of(event, link);
    let bytes = build(&context, &Values::new(&context, then.as_deref())).expect("serialises");
    assert_eq!(bytes.iter().position(|b| *b == b'\n'), Some(bytes.len() - 1), "one line");
    serde_json::from_slice(&bytes).expect("is JSON")
}

fn plain_link() -> Value {
    json!({
        "name": "eth2", "index": 2, "kind": "veth", "mac": "02:00:5e:10:00:01", "mtu": 1500,
        "flags": ["UP", "BROADCAST", "RUNNING", "MULTICAST", "LOWER_UP"], "operstate": "up",
        "addresses": [], "gateway": null, "gateway6": null, "dns": [], "domains": [], "ntp": [],
        "state": "routable", "administrative_state": null, "lease": null, "connection": null,
    })
}

#[test]
fn a_state_event() {
    let mut routable = event(7, EventKind::Routable, 2);
    routable.old_state = Some("configured");
    let mut facts = link(2);
    facts.gateway = "192.0.2.1".parse().ok();
    facts.domains = vec!["example.org".to_owned()];
    let mut tentative = address("2001:db8::9", 64);
    tentative.flags = 0x41;
    tentative.valid_lifetime = 3_600;
    let mut peer = address("192.0.2.10", 32);
    peer.peer = "192.0.2.99".parse().ok();
    peer.label = Some("eth2:1".to_owned());
    facts.addresses = vec![peer, tentative];
    let mut expected = json!({
        "schema": "netevd.event.v1", "id": 7, "time": "2026-03-01T09:30:00.250Z", "event": "routable",
        "state": "routable", "old_state": "configured", "backend": "kernel", "startup": false,
        "skipped": 2, "link": plain_link(),
    });
    expected["link"]["gateway"] = json!("192.0.2.1");
    expected["link"]["domains"] = json!(["example.org"]);
    expected["link"]["addresses"] = json!([
        {"address": "192.0.2.10", "prefixlen": 32, "family": "ipv4", "scope": "global", "label": "eth2:1",
         "peer": "192.0.2.99", "broadcast": null, "flags": ["permanent"],
         "preferred_lifetime": null, "valid_lifetime": null},
        {"address": "2001:db8::9", "prefixlen": 64, "family": "ipv6", "scope": "global", "label": null,
         "peer": null, "broadcast": null, "flags": ["temporary", "tentative"],
         "preferred_lifetime": null, "valid_lifetime": 3600},
    ]);
    expected["at_event"] = expected["link"].clone();
    assert_eq!(document(&routable, Some(&facts), false), expected);
}

#[test]
fn each_detail_has_its_own_part() {
    let mut mtu = event(1, EventKind::Mtu, 2);
    mtu.detail = Detail::Mtu { old: 1_500, new: 9_000 };
    assert_eq!(document(&mtu, Some(&link(2)), false)["mtu"], json!({"old": 1500, "new": 9000}));

    let mut gateway = event(1, EventKind::Gateway, 2);
    let old = "192.0.2.1".parse().ok().map(DefaultNextHop::Via);
    gateway.detail =
        Detail::Gateway(GatewayChange { family: Family::V4, old, new: Some(DefaultNextHop::OnLink) });
    assert_eq!(
        document(&gateway, Some(&link(2)), false)["gateway"],
        json!({"action": "changed", "family": "ipv4", "old": "192.0.2.1", "new": null})
    );

    let mut removed = event(2, EventKind::AddressRemoved, 2);
    removed.detail = Detail::Address(address("192.0.2.10", 24));
    assert_eq!(
        document(&removed, Some(&link(2)), false)["address"],
        json!({
            "action": "removed", "address": "192.0.2.10", "prefixlen": 24, "family": "ipv4",
            "scope": "global", "label": null, "peer": null, "broadcast": null, "flags": ["permanent"],
            "preferred_lifetime": null, "valid_lifetime": null,
        })
    );

    let mut routes = event(3, EventKind::Routes, 2);
    routes.detail = Detail::Routes(vec![RouteChange {
        action: Action::Added,
        destination: "::/0".parse().expect("a prefix"),
        gateway: "fe80::1".parse().ok(),
        table: 254,
        metric: 1_024,
        protocol: 9,
        scope: 0,
        route_type: 1,
    }]);
    let found = document(&routes, None, true);
    assert_eq!(
        found["routes"],
        json!([{
            "action": "added", "destination": "default", "gateway": "fe80::1", "table": "main",
            "metric": 1024, "protocol": "ra", "family": "ipv6", "scope": "global", "type": "unicast",
        }])
    );
    assert_eq!((&found["truncated"], &found["link"]), (&json!(true), &Value::Null));
    for absent in ["address", "gateway", "mtu", "rejected"] {
        assert!(found.get(absent).is_none(), "{absent}");
    }
}

#[test]
fn malformed_values_are_null_or_empty_and_named() {
    let mut bad = link(2);
    bad.mac = Some("\u{1b}[2J".to_owned());
    bad.kind = Some("ve th".to_owned());
    bad.domains = vec!["a b".to_owned()];
    let found = document(&event(1, EventKind::Routable, 2), Some(&bad), false);
    let fields = ["kind", "mac", "domains"];
    let of = |part: &str| fields.map(|field| format!("{part}.{field}"));
    assert_eq!(found["rejected"], json!([of("at_event"), of("link")].concat()));
    for part in ["at_event", "link"] {
        let link = &found[part];
        assert_eq!((&link["kind"], &link["mac"], &link["domains"]), (&Value::Null, &Value::Null, &json!([])));
    }
}
