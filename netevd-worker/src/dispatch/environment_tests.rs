//! The variables of each kind of event, to the letter.

use super::*;
use crate::dispatch::tests::support::{address, event, link};
use crate::model::{
    Backend, Event, Lease, LinkFacts, LinkLeases, ManagerFacts, Resolver, Track, address_flag,
};
use std::collections::BTreeMap;

fn variables(event: &Event, link: Option<&LinkFacts>) -> BTreeMap<&'static str, String> {
    variables_under(Backend::Kernel, event, link)
}

fn variables_under(
    backend: Backend,
    event: &Event,
    link: Option<&LinkFacts>,
) -> BTreeMap<&'static str, String> {
    let context = ScriptContext { event, link, backend, emit_json: true, skipped: 3, truncated: false };
    let then = crate::dispatch::moment::of(event, link);
    let set = build(&context, &Values::new(&context, then.as_deref()));
    let map: BTreeMap<_, _> = set.iter().cloned().collect();
    assert_eq!(map.len(), set.len(), "no variable twice");
    map
}

/// `NAME=value` lines in the order of the names.
fn lines(variables: &BTreeMap<&'static str, String>) -> String {
    variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
}

fn full_link() -> LinkFacts {
    let mut tentative = address("2001:db8::9", 64);
    tentative.flags = address_flag::TENTATIVE;
    let mut link_local = address("fe80::1", 64);
    link_local.scope = 253;
    LinkFacts {
        addresses: vec![
            address("192.0.2.10", 24),
            tentative,
            address("2001:db8::10", 64),
            link_local,
            address("192.0.2.11", 32),
        ],
        gateway: "192.0.2.1".parse().ok(),
        gateway6: "fe80::ff".parse().ok(),
        dns: vec!["192.0.2.53".parse().expect("good"), "2001:db8::53".parse().expect("good")],
        domains: vec!["example.org".to_owned(), "example.net.".to_owned()],
        ..link(2)
    }
}

#[test]
fn a_state_event_with_everything_known() {
    let mut routable = event(7, EventKind::Routable, 2);
    routable.old_state = Some("configured");
    routable.startup = true;
    let expected = "\
ADDR=192.0.2.10
ADDRESSES=192.0.2.10/24 2001:db8::10/64 192.0.2.11/32
AdministrativeState=configured
BACKEND=kernel
CURRENT_ADDRESSES=192.0.2.10/24 2001:db8::10/64 192.0.2.11/32
CURRENT_DNS=192.0.2.53 2001:db8::53
CURRENT_DOMAINS=example.org example.net.
CURRENT_GATEWAY=192.0.2.1
CURRENT_GATEWAY6=fe80::ff
CURRENT_STATE=routable
DNS=192.0.2.53 2001:db8::53
DOMAINS=example.org example.net.
EVENT=routable
EVENT_ID=7
GATEWAY=192.0.2.1
GATEWAY6=fe80::ff
IFACE=eth2
IP6_ADDRS=2001:db8::10
IP_ADDRS=192.0.2.10 192.0.2.11
LINK=eth2
LINKINDEX=2
MAC=02:00:5e:10:00:01
MTU=1500
OLD_STATE=configured
OperationalState=routable
PATH=/usr/sbin:/usr/bin:/sbin:/bin
SKIPPED=3
STARTUP=1
STATE=routable
";
    assert_eq!(lines(&variables(&routable, Some(&full_link()))), expected);
}

#[test]
fn a_host_event_has_an_empty_link() {
    let mut manager = event(8, EventKind::Manager, 0);
    manager.state = "online";
    let expected = "\
ADDR=
ADDRESSES=
AdministrativeState=configuring
BACKEND=kernel
EVENT=manager
EVENT_ID=8
IFACE=
IP6_ADDRS=
IP_ADDRS=
LINK=
LINKINDEX=0
OperationalState=online
PATH=/usr/sbin:/usr/bin:/sbin:/bin
SKIPPED=3
STARTUP=0
STATE=online
";
    assert_eq!(lines(&variables(&manager, None)), expected);
}

#[test]
fn a_route_event_tells_the_newest_change() {
    let change = |destination: &str, gateway: Option<&str>, table, protocol| RouteChange {
        action: Action::Changed,
        destination: destination.parse().expect("a prefix"),
        gateway: gateway.and_then(|gateway| gateway.parse().ok()),
        table,
        metric: 100,
        protocol,
        scope: 0,
        route_type: 1,
    };
    for (newest, expected) in [
        (change("0.0.0.0/0", Some("192.0.2.1"), 254, 16), ["default", "192.0.2.1", "main", "dhcp", "ipv4"]),
        (change("::/0", Some("fe80::1"), 254, 9), ["default", "fe80::1", "main", "ra", "ipv6"]),
        (change("10.0.0.0/8", None, 1_000, 201), ["10.0.0.0/8", "", "1000", "201", "ipv4"]),
    ] {
        let mut routes = event(9, EventKind::Routes, 2);
        routes.detail = Detail::Routes(vec![change("198.51.100.0/24", None, 255, 2), newest]);
        let set = variables(&routes, Some(&link(2)));
        let names = ["ROUTE_DESTINATION", "ROUTE_GATEWAY", "ROUTE_TABLE", "ROUTE_PROTOCOL", "ROUTE_FAMILY"];
        assert_eq!(names.map(|name| set.get(name).map(String::as_str).unwrap_or("unset")), expected);
        assert_eq!((set["ACTION"].as_str(), set["ROUTE_METRIC"].as_str()), ("changed", "100"));
        assert!(!set.contains_key("ADDRESS"));
    }
}

#[test]
fn an_address_event_tells_its_address() {
    let mut local = address("fe80::7", 64);
    local.scope = 253;
    let mut old = address("2001:db8::7", 64);
    old.flags |= address_flag::DEPRECATED;
    for (kind, changed, expected) in [
        (
            EventKind::AddressAdded,
            address("192.0.2.10", 24),
            ["added", "192.0.2.10", "24", "ipv4", "global", "0"],
        ),
        (EventKind::AddressChanged, old, ["changed", "2001:db8::7", "64", "ipv6", "global", "1"]),
        (EventKind::AddressRemoved, local, ["removed", "fe80::7", "64", "ipv6", "link", "0"]),
    ] {
        let mut event = event(10, kind, 2);
        event.detail = Detail::Address(changed);
        let set = variables(&event, Some(&link(2)));
        let names = ["ACTION", "ADDRESS", "PREFIXLEN", "FAMILY", "SCOPE", "DEPRECATED"];
        assert_eq!(names.map(|name| set[name].as_str()), expected);
    }
}

#[test]
fn a_gateway_event_tells_the_gateway_of_its_family() {
    let via = |text: &str| text.parse().ok().map(DefaultNextHop::Via);
    for (family, old, new, expected) in [
        (Family::V4, None, via("192.0.2.9"), ["added", "ipv4", "192.0.2.9", ""]),
        (Family::V6, via("fe80::1"), via("fe80::2"), ["changed", "ipv6", "fe80::2", "fe80::1"]),
        (Family::V6, via("fe80::1"), None, ["removed", "ipv6", "", "fe80::1"]),
        (Family::V4, None, Some(DefaultNextHop::OnLink), ["added", "ipv4", "", ""]),
        (Family::V4, Some(DefaultNextHop::OnLink), None, ["removed", "ipv4", "", ""]),
        (Family::V4, via("192.0.2.9"), via("192.0.2.9"), ["changed", "ipv4", "192.0.2.9", "192.0.2.9"]),
    ] {
        let mut event = event(10, EventKind::Gateway, 2);
        event.detail = Detail::Gateway(GatewayChange { family, old, new });
        let mut facts = link(2);
        (facts.gateway, facts.gateway6) = ("192.0.2.1".parse().ok(), "fe80::7".parse().ok());
        let set = variables(&event, Some(&facts));
        let names = ["ACTION", "FAMILY", "GATEWAY", "OLD_GATEWAY"];
        assert_eq!(names.map(|name| set[name].as_str()), expected);
        assert_eq!(set["GATEWAY6"], "fe80::7", "the link's, as ever");
    }
}

#[test]
fn the_administrative_state() {
    for (state, has_address, expected) in [
        ("no-carrier", false, "configuring"),
        ("carrier", false, "configuring"),
        ("degraded", false, "configuring"),
        ("degraded", true, "configured"),
        ("configured", true, "configured"),
        ("routable", true, "configured"),
    ] {
        let event = Event { state, ..event(1, EventKind::AddressAdded, 2) };
        assert_eq!(administrative_state(&event, None, has_address), expected, "{state}");
    }
}

#[test]
fn malformed_values_are_empty_and_named() {
    let mut bad = full_link();
    bad.mac = Some("02:00; rm -rf /".to_owned());
    bad.domains = vec!["example.org".to_owned(), "$(reboot)".to_owned()];
    let set = variables(&event(1, EventKind::Routable, 2), Some(&bad));
    assert_eq!((set["MAC"].as_str(), set["DOMAINS"].as_str()), ("", ""));
    assert_eq!(set["NETEVD_REJECTED"], "MAC DOMAINS CURRENT_DOMAINS");
    assert_eq!((set["LINK"].as_str(), set["MTU"].as_str()), ("eth2", "1500"));
    assert!(
        !variables(&event(1, EventKind::Routable, 2), Some(&full_link())).contains_key("NETEVD_REJECTED")
    );
}

#[test]
fn thousands_of_addresses_are_cut_after_a_whole_one() {
    let mut crowded = full_link();
    let six = (0..20_000)
        .map(|n: u32| address(&format!("2001:db8:1234:5678:9abc:def0:{:x}:{:x}", n >> 8, n & 255), 64));
    let four = (0..20_000).map(|n: u32| address(&format!("10.1.{}.{}", n >> 8, n & 255), 24));
    crowded.addresses = four.chain(six).collect();
    crowded.dns = (0..20_000u32).map(|n| std::net::Ipv4Addr::from_bits(n).into()).collect();
    crowded.domains = vec!["a-long-name.example.org".to_owned(); 20_000];
    let set = variables(&event(1, EventKind::Routable, 2), Some(&crowded));
    assert_eq!(set["ADDRESSES_TRUNCATED"], "1");
    for name in ["ADDRESSES", "IP_ADDRS", "IP6_ADDRS", "DNS"] {
        let list = &set[name];
        assert!((90_000..LIST_MAX).contains(&list.len()), "{name} has {}", list.len());
        let items = list.split(' ').map(|item| item.split('/').next().unwrap_or_default());
        assert!(
            items.into_iter().all(|item| item.parse::<std::net::IpAddr>().is_ok()),
            "{name} has half an item"
        );
    }
    assert!(set["DOMAINS"].split(' ').all(|domain| domain == "a-long-name.example.org"));
    let all: usize = set.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    assert!(all < 512 * 1024, "{all}");
    assert!(
        !variables(&event(1, EventKind::Routable, 2), Some(&full_link())).contains_key("ADDRESSES_TRUNCATED")
    );
}

#[test]
fn a_manager_s_two_states_are_told_apart() {
    let facts = LinkFacts { state: "degraded", administrative: Some("configuring"), ..link(2) };
    let mut configured = event(7, EventKind::Configured, 2);
    (configured.state, configured.track) = ("configured", Track::Administrative);
    let set = variables_under(Backend::Networkd, &configured, Some(&facts));
    assert_eq!((set["STATE"].as_str(), set["OperationalState"].as_str()), ("configured", "degraded"));
    assert_eq!(set["AdministrativeState"], "configured");
    let carrier = Event { state: "carrier", ..event(8, EventKind::Carrier, 2) };
    let set = variables_under(Backend::Networkd, &carrier, Some(&facts));
    assert_eq!((set["STATE"].as_str(), set["OperationalState"].as_str()), ("carrier", "carrier"));
    assert_eq!(set["AdministrativeState"], "configuring");
}

#[test]
fn networkmanager_s_values() {
    let manager = ManagerFacts {
        device_type: Some("ethernet"),
        connection_id: Some("Wired connection 1".to_owned()),
        connection_uuid: Some("0a-ff;rm".to_owned()),
        ..ManagerFacts::default()
    };
    let facts = LinkFacts { manager: Some(manager.into()), administrative: Some("ip-config"), ..link(2) };
    let activated = Event {
        state: "activated",
        track: Track::Administrative,
        detail: Detail::Device { reason: "user-requested" },
        ..event(7, EventKind::Activated, 2)
    };
    let set = variables_under(Backend::NetworkManager, &activated, Some(&facts));
    let nm: String =
        set.iter().filter(|(k, _)| k.starts_with("NM_")).map(|(k, v)| format!("{k}={v}\n")).collect();
    assert_eq!(
        nm,
        "NM_CONNECTION_ID=Wired connection 1\nNM_CONNECTION_UUID=\nNM_DEVICE_TYPE=ethernet\n\
         NM_REASON=user-requested\nNM_STATE=activated\n"
    );
    assert_eq!(set["NETEVD_REJECTED"], "NM_CONNECTION_UUID CURRENT_CONNECTION_UUID");
    let host = Event {
        state: "connected-global",
        detail: Detail::Host { connectivity: "full" },
        ..event(8, EventKind::Manager, 0)
    };
    let set = variables_under(Backend::NetworkManager, &host, None);
    assert_eq!((set["NM_STATE"].as_str(), set["NM_CONNECTIVITY"].as_str()), ("connected-global", "full"));
}

#[test]
fn a_lease_and_the_one_before() {
    let old = Lease { address: "192.0.2.20".parse().expect("good"), ..lease() };
    let facts = LinkFacts { leases: LinkLeases { v4: Some(lease().into()), v6: None }, ..link(2) };
    let routable = Event {
        detail: Detail::Lease { old: Box::new(LinkLeases { v4: Some(old.into()), v6: None }) },
        ..event(7, EventKind::Routable, 2)
    };
    let set = variables_under(Backend::Dhclient, &routable, Some(&facts));
    let dhcp: String = set
        .iter()
        .filter(|(k, _)| k.contains("DHCP_") && **k != "DHCP_LEASE")
        .map(|(k, v)| format!("{k}={v}\n"))
        .collect();
    let expected = "\
DHCP_ADDRESS=192.0.2.10
DHCP_DNS=192.0.2.53
DHCP_DOMAIN=example.org a.example
DHCP_GATEWAY=192.0.2.1
DHCP_HOSTNAME=
DHCP_NTP=192.0.2.123
DHCP_SUBNET_MASK=255.255.255.0
OLD_DHCP_ADDRESS=192.0.2.20
OLD_DHCP_DNS=192.0.2.53
OLD_DHCP_DOMAIN=example.org a.example
OLD_DHCP_GATEWAY=192.0.2.1
OLD_DHCP_HOSTNAME=
OLD_DHCP_NTP=192.0.2.123
OLD_DHCP_SUBNET_MASK=255.255.255.0
";
    assert_eq!(dhcp, expected);
    // What a hostile server sends as a name reaches nobody, and is named.
    assert_eq!(set["NETEVD_REJECTED"], "DHCP_HOSTNAME");
    let object: serde_json::Value = serde_json::from_str(&set["DHCP_LEASE"]).expect("JSON");
    assert_eq!(object["ipv4"]["address"], "192.0.2.10");
    assert_eq!(object["ipv4"]["routes"][0]["destination"], "198.51.100.0/24");
    assert_eq!(object["ipv4"]["hostname"], serde_json::Value::Null);
    assert_eq!(object.get("ipv6"), None);
}

#[test]
fn a_lease_s_action_and_old_name_servers() {
    let leases = |there: bool| LinkLeases { v4: there.then(|| lease().into()), v6: None };
    for (before, now, expected) in [(false, true, "added"), (true, true, "changed"), (true, false, "removed")]
    {
        let facts = LinkFacts { leases: leases(now), ..link(2) };
        let event = Event {
            detail: Detail::Lease { old: Box::new(leases(before)) },
            ..event(7, EventKind::Lease, 2)
        };
        let set = variables_under(Backend::NetworkManager, &event, Some(&facts));
        assert_eq!(set["ACTION"], expected);
        assert_eq!(set["OLD_DHCP_ADDRESS"], if before { "192.0.2.10" } else { "" });
        assert_eq!(set.get("DHCP_ADDRESS").map(String::as_str), now.then_some("192.0.2.10"));
    }
    let old = Resolver {
        dns: vec!["192.0.2.53".parse().expect("good")],
        domains: vec!["$(reboot)".to_owned()],
        ntp: vec!["ntp.example".to_owned(), "192.0.2.123".to_owned()],
    };
    let manager = ManagerFacts { ntp: vec!["new.example".to_owned()], ..ManagerFacts::default() };
    let facts = LinkFacts { manager: Some(manager.into()), ..link(2) };
    let dns = Event { detail: Detail::Dns { old: old.into() }, ..event(8, EventKind::Dns, 2) };
    let set = variables_under(Backend::Networkd, &dns, Some(&facts));
    let names = ["OLD_DNS", "OLD_DOMAINS", "OLD_NTP", "NTP", "NETEVD_REJECTED"];
    assert_eq!(
        names.map(|name| set[name].as_str()),
        ["192.0.2.53", "", "ntp.example 192.0.2.123", "new.example", "OLD_DOMAINS"]
    );
}

#[test]
fn what_scripts_of_networkd_dispatcher_read() {
    let details = [("Type", "wlan"), ("SSID", "a net"), ("Driver", "iwlwifi")];
    let manager = ManagerFacts {
        details: details.into_iter().map(|(k, v)| (k, v.to_owned())).collect(),
        ..ManagerFacts::default()
    };
    let facts =
        LinkFacts { manager: Some(manager.into()), administrative: Some("configured"), ..full_link() };
    let set = variables_under(Backend::Networkd, &event(7, EventKind::Routable, 2), Some(&facts));
    assert_eq!(set["ESSID"], "a net");
    let json: serde_json::Value = serde_json::from_str(&set["json"]).expect("JSON");
    for (place, value) in [
        ("/Type", "wlan"),
        ("/ESSID", "a net"),
        ("/State", "routable (configured)"),
        ("/OperationalState", "routable"),
        ("/AdministrativeState", "configured"),
        ("/Driver/0", "iwlwifi"),
        ("/Address/0", "192.0.2.10"),
        ("/Gateway/0", "192.0.2.1"),
        ("/DNS/1", "2001:db8::53"),
        ("/Search Domains/0", "example.org"),
        ("/MTU/0", "1500"),
    ] {
        assert_eq!(json.pointer(place).and_then(|v| v.as_str()), Some(value), "{place}");
    }
    let set = variables_under(Backend::Networkd, &event(7, EventKind::Routable, 2), Some(&link(2)));
    assert_eq!(set["ESSID"], "", "set in any case");
}

fn lease() -> Lease {
    let ip = |text: &str| text.parse().expect("an address");
    Lease {
        address: ip("192.0.2.10"),
        prefix_length: Some(24),
        routers: vec![ip("192.0.2.1"), ip("192.0.2.2")],
        routes: vec![(ip("198.51.100.0"), 24, ip("192.0.2.3")), (ip("0.0.0.0"), 0, ip("192.0.2.1"))],
        dns: vec![ip("192.0.2.53")],
        domain: Some("example.org".to_owned()),
        search: vec!["example.org".to_owned(), "a.example".to_owned()],
        host_name: Some("$(reboot)".to_owned()),
        server: Some(ip("192.0.2.1")),
        mtu: None,
        ntp: vec![ip("192.0.2.123")],
        expires: None,
    }
}

#[test]
fn json_has_every_key_that_scripts_read() {
    let details =
        [("Driver", "veth"), ("NetworkFile", "/etc/systemd/network/10-eth2.network"), ("Vendor", "a\nb")];
    let manager = ManagerFacts {
        ntp: vec!["192.0.2.123".to_owned()],
        details: details.into_iter().map(|(k, v)| (k, v.to_owned())).collect(),
        ..ManagerFacts::default()
    };
    let extra = crate::model::LinkExtra {
        tx_queue_length: 1000,
        alternative_names: vec!["enp1s0".to_owned(), "lan".to_owned()],
        layer: "ether".to_owned(),
        ..Default::default()
    };
    let facts = LinkFacts {
        manager: Some(manager.into()),
        administrative: Some("configured"),
        extra: Some(extra.into()),
        routes: vec![crate::fixtures::route("0.0.0.0/0", 2, "192.0.2.1")],
        ..full_link()
    };
    let set = variables_under(Backend::Networkd, &event(7, EventKind::Routable, 2), Some(&facts));
    let json: serde_json::Value = serde_json::from_str(&set["JSON"]).expect("JSON");
    let keys = "Index MTU TxQLen Name AlternativeNames HardwareAddr Flags RawFlags ParentIndex MasterIndex \
                Alias Statistics EncapType OperState KernelOperState NumTxQueues NumRxQueues GSOMaxSize \
                GSOMaxSegs Group Promisc AddressState CarrierState Driver IPv4AddressState IPv6AddressState \
                LinkFile Model OnlineState OperationalState Path SetupState Type Vendor ProductID NetworkFile \
                DNS Domains NTP Address Routes";
    let expected: std::collections::BTreeSet<&str> = keys.split_whitespace().collect();
    let found: std::collections::BTreeSet<&str> =
        json.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(found, expected);
    for (place, value) in [
        ("/MTU", serde_json::json!(1500)),
        ("/TxQLen", serde_json::json!(1000)),
        ("/AlternativeNames", serde_json::json!("enp1s0 lan")),
        ("/Flags", serde_json::json!("up|broadcast|running|multicast|lower_up")),
        ("/Driver", serde_json::json!("veth")),
        ("/Vendor", serde_json::json!("")),
        ("/SetupState", serde_json::json!("configured")),
        ("/OperationalState", serde_json::json!("routable")),
        ("/DNS/0", serde_json::json!("192.0.2.53")),
        ("/NTP/0", serde_json::json!("192.0.2.123")),
        ("/Address/0/IP", serde_json::json!("192.0.2.10")),
        ("/Address/0/Mask", serde_json::json!(24)),
        ("/Address/0/PreferedLft", serde_json::json!(4_294_967_295u32)),
        ("/Routes/0/Gw", serde_json::json!("192.0.2.1")),
        ("/Routes/0/Dst/Mask", serde_json::json!(0)),
        ("/Statistics/RxPackets", serde_json::json!(0)),
    ] {
        assert_eq!(json.pointer(place), Some(&value), "{place}");
    }
    // What execve(2) would refuse is left out; the document has it.
    let many =
        (0..2_000u32).map(|n| address(&std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).to_string(), 24));
    let facts = LinkFacts { addresses: many.collect(), ..facts };
    let set = variables_under(Backend::Networkd, &event(7, EventKind::Routable, 2), Some(&facts));
    assert_eq!((set.get("JSON"), set["JSON_OMITTED"].as_str()), (None, "1"));
}
