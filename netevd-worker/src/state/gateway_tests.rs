//! Families, gateways and point-to-point links: messages of the kernel in, events and states out.

use super::super::{Interest, LinkState, Newer, SavedState, State};
use super::*;
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, Link};
use crate::model::DefaultNextHop;
use crate::model::{Action, Event, LinkExtra, Route};
use protocol::{InterfaceName, PatternList, TableId};
use std::collections::BTreeMap;
use std::sync::Arc;

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;
const TUNNEL: u32 = UP | link_flag::POINTOPOINT | link_flag::NOARP;

/// With eth0, number 2, up.
struct Fixture(State);

impl Fixture {
    fn new() -> Self {
        Self::of(link(2, "eth0", UP))
    }

    fn of(link: Link) -> Self {
        let mut fixture = Self(State::default());
        fixture.dump(Dump { links: vec![link], ..Dump::default() });
        fixture
    }

    fn dump(&mut self, dump: Dump) -> Changes {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        self.0.resynchronise(dump, Newer::default(), &interest, &mut changes);
        changes
    }

    fn apply(&mut self, message: KernelMessage) -> Changes {
        let mut changes = Changes::default();
        self.0.apply(message, &Interest { monitors: &|_| true, routes: false }, &mut changes);
        changes
    }

    fn has(&mut self, ip: &str) -> Changes {
        self.apply(KernelMessage::Address(index(2), address(ip, 0)))
    }

    fn leads(&mut self, destination: &str, gateway: &str) -> Changes {
        self.apply(KernelMessage::Route(route(destination, 2, gateway), false))
    }

    fn gone(&mut self, destination: &str, gateway: &str) -> Changes {
        self.apply(KernelMessage::RouteGone(route(destination, 2, gateway)))
    }

    fn policy(&mut self, policy: &Policy) -> Changes {
        let mut changes = Changes::default();
        self.0.apply_policy(Some(policy), &mut changes);
        changes
    }

    fn state(&self) -> &'static str {
        self.0.links().next().map_or("", |link| link.state_name(self.0.routes()))
    }
}

fn names(changes: &Changes) -> Vec<&'static str> {
    changes.events.iter().map(|event| event.kind.name()).collect()
}

/// `ipv4 added none 192.0.2.1`, of each gateway event.
fn gateways(changes: &Changes) -> Vec<String> {
    let text = |way: Option<DefaultNextHop>| match way {
        None => "none".to_owned(),
        Some(DefaultNextHop::OnLink) => "on-link".to_owned(),
        Some(DefaultNextHop::Via(gateway)) => gateway.to_string(),
    };
    let of = |event: &Event| match &event.detail {
        Detail::Gateway(change) => Some(format!(
            "{} {} {} {}",
            change.family,
            change.action().name(),
            text(change.old),
            text(change.new)
        )),
        _ => None,
    };
    changes.events.iter().filter_map(of).collect()
}

/// eth0 listed under this name, with this gateway or `first`.
fn named(name: &str, gateway: &str) -> Policy {
    Policy {
        interfaces: PatternList::new([name]).expect("good"),
        gateways: BTreeMap::from([(
            InterfaceName::new(name).expect("good"),
            vec![gateway.parse().expect("an address, or first")],
        )]),
        ..Policy::default()
    }
}

#[test]
fn an_address_and_a_default_of_different_families_lead_nowhere() {
    let mut fixture = Fixture::new();
    assert_eq!(names(&fixture.leads("::/0", "fe80::b1")), ["gateway"]);
    assert_eq!(names(&fixture.has("198.51.100.2")), ["address-added", "configured"]);
    assert_eq!(fixture.0.host(), "offline");
    let came = fixture.leads("0.0.0.0/0", "198.51.100.1");
    assert_eq!(names(&came), ["routable", "gateway", "manager"]);
    assert_eq!(gateways(&came), ["ipv4 added none 198.51.100.1"]);
    let went = fixture.gone("0.0.0.0/0", "198.51.100.1");
    assert_eq!(names(&went), ["degraded", "gateway", "manager"], "IPv6's default is no help");
    assert_eq!(names(&fixture.has("2001:db8::2")), ["address-added", "routable", "manager"]);
    assert_eq!(names(&fixture.leads("0.0.0.0/0", "198.51.100.1")), ["gateway"], "a second family");
    assert_eq!(gateways(&fixture.gone("::/0", "fe80::b1")), ["ipv6 removed fe80::b1 none"]);
    assert_eq!(fixture.state(), "routable");
}

#[test]
fn a_gateway_is_told_when_it_is_another() {
    let mut fixture = Fixture::new();
    fixture.has("192.0.2.2");
    assert_eq!(gateways(&fixture.leads("0.0.0.0/0", "192.0.2.1")), ["ipv4 added none 192.0.2.1"]);
    // The same by another metric, in both orders.
    let other = Route { metric: 50, ..route("0.0.0.0/0", 2, "192.0.2.1") };
    assert_eq!(names(&fixture.apply(KernelMessage::Route(other.clone(), false))), [""; 0]);
    assert_eq!(names(&fixture.gone("0.0.0.0/0", "192.0.2.1")), [""; 0]);
    let changed =
        fixture.apply(KernelMessage::Route(Route { metric: 50, ..route("0.0.0.0/0", 2, "192.0.2.9") }, true));
    assert_eq!(gateways(&changed), ["ipv4 changed 192.0.2.1 192.0.2.9"]);
    assert_eq!(names(&changed), ["gateway"], "the state is the same");
    assert_eq!(changed.events[0].state, "routable");
    let on_link = Route { metric: 50, ..route("0.0.0.0/0", 2, "") };
    let changed = fixture.apply(KernelMessage::Route(on_link, true));
    assert_eq!(gateways(&changed), ["ipv4 changed 192.0.2.9 on-link"]);
    assert_eq!(fixture.state(), "routable", "by proxy ARP");
}

#[test]
fn defaults_for_one_source_and_by_other_families_count_and_those_of_a_tos_do_not() {
    let of_source = || Route { selective: true, ..route("::/0", 2, "fe80::b1") };
    let mut fixture = Fixture::new();
    fixture.has("2001:db8::2");
    assert_eq!(
        names(&fixture.apply(KernelMessage::Route(of_source(), false))),
        ["routable", "gateway", "manager"]
    );
    assert_eq!(fixture.0.routes().exit(index(2), Family::V6), None, "no gateway for all sources");
    let plain =
        fixture.apply(KernelMessage::Route(Route { metric: 1024, ..route("::/0", 2, "fe80::1") }, false));
    assert_eq!(gateways(&plain), ["ipv6 changed fe80::b1 fe80::1"], "one for all sources comes first");
    let gone = fixture.apply(KernelMessage::RouteGone(Route { metric: 1024, ..route("::/0", 2, "fe80::1") }));
    assert_eq!(gateways(&gone), ["ipv6 changed fe80::1 fe80::b1"]);
    assert_eq!(
        names(&fixture.apply(KernelMessage::RouteGone(of_source()))),
        ["degraded", "gateway", "manager"]
    );

    let mut fixture = Fixture::new();
    fixture.has("192.0.2.2");
    let of_tos = Route { selective: true, tos: 0x10, ..route("0.0.0.0/0", 2, "192.0.2.1") };
    assert_eq!(names(&fixture.apply(KernelMessage::Route(of_tos, false))), [""; 0]);
    let mut via_inet6 = route("0.0.0.0/0", 2, "");
    via_inet6.hops = Hop { foreign_gateway: true, ..via_inet6.hops[0] }.into();
    via_inet6.table = TableId(1000);
    assert_eq!(names(&fixture.apply(KernelMessage::Route(via_inet6, false)))[0], "routable");
}

#[test]
fn a_named_gateway_counts_where_policy_routing_uses_it() {
    let mut fixture = Fixture::new();
    fixture.has("198.51.100.2");
    assert_eq!(names(&fixture.policy(&named("eth9", "198.51.100.1"))), [""; 0], "another link's");
    assert_eq!(names(&fixture.policy(&named("eth0", "203.0.113.1"))), [""; 0], "no neighbour");
    let came = fixture.policy(&named("eth0", "198.51.100.1"));
    assert_eq!(names(&came), ["routable", "gateway", "manager"]);
    assert_eq!(
        names(&fixture.leads("0.0.0.0/0", "198.51.100.7")),
        [""; 0],
        "the administrator's comes first"
    );
    let down = fixture.apply(KernelMessage::Link(link(2, "eth0", 0)));
    assert_eq!(gateways(&down), ["ipv4 removed 198.51.100.1 none"], "not while the link is down");
    let up = fixture.apply(KernelMessage::Link(link(2, "eth0", UP)));
    assert_eq!(names(&up), ["carrier", "configured", "routable", "gateway", "manager"]);
    let mut port = link(2, "eth0", UP);
    port.controller = 9;
    assert_eq!(names(&fixture.apply(KernelMessage::Link(port))), ["degraded", "gateway", "manager"]);

    // Reached by a route of main's, which comes last.
    let mut fixture = Fixture::new();
    fixture.has("192.0.2.2/32");
    fixture.policy(&named("eth0", "198.51.100.1"));
    assert_eq!(names(&fixture.leads("198.51.100.1/32", "")), ["routable", "gateway", "manager"]);
    assert_eq!(names(&fixture.gone("198.51.100.1/32", "")), ["degraded", "gateway", "manager"]);
}

#[test]
fn the_first_host_of_the_link_s_subnet_may_be_named() {
    let mut fixture = Fixture::new();
    fixture.has("198.51.100.2");
    assert_eq!(gateways(&fixture.policy(&named("eth0", "first"))), ["ipv4 added none 198.51.100.1"]);
    assert_eq!(fixture.state(), "routable");
    let gone = fixture.apply(KernelMessage::AddressGone(index(2), address("198.51.100.2", 0)));
    assert_eq!(gateways(&gone), ["ipv4 removed 198.51.100.1 none"]);
    // It is this host itself, or there is none.
    assert_eq!(gateways(&fixture.has("192.0.2.1")), [""; 0]);
    assert_eq!(gateways(&fixture.has("192.0.2.9/31")), [""; 0]);
    assert_eq!(gateways(&fixture.has("203.0.113.7")), ["ipv4 added none 203.0.113.1"], "of the next subnet");
}

#[test]
fn a_policy_s_name_may_be_an_alternative_one() {
    let reported = |names: &[&str]| {
        let alternative_names = names.iter().map(|name| (*name).to_owned()).collect();
        let extra = Some(Arc::new(LinkExtra { alternative_names, ..LinkExtra::default() }));
        Link { extra, ..link(2, "eth0", UP) }
    };
    let mut fixture = Fixture::new();
    fixture.has("198.51.100.2");
    fixture.policy(&named("enp1s0", "198.51.100.1"));
    assert_eq!(fixture.state(), "configured");
    assert_eq!(names(&fixture.apply(KernelMessage::Link(reported(&["wan", "enp1s0"]))))[0], "routable");
    assert_eq!(names(&fixture.apply(KernelMessage::Link(reported(&["wan"]))))[0], "degraded");
}

#[test]
fn a_point_to_point_link_needs_no_default() {
    let mut fixture = Fixture::of(Link { operstate: Some("unknown"), ..link(2, "wg0", TUNNEL) });
    assert_eq!(fixture.state(), "carrier");
    assert_eq!(names(&fixture.has("10.9.0.2/32")), ["address-added", "configured", "routable"]);
    assert_eq!(fixture.0.host(), "offline", "a tunnel alone leads nowhere");
    assert_eq!(names(&fixture.apply(KernelMessage::Link(link(2, "wg0", TUNNEL)))), [""; 0]);
    let came = fixture.leads("0.0.0.0/0", "");
    assert_eq!(names(&came), ["gateway", "manager"]);
    assert_eq!(gateways(&came), ["ipv4 added none on-link"]);
    let went = fixture.gone("0.0.0.0/0", "");
    assert_eq!(names(&went), ["degraded", "gateway", "manager"], "an uplink that lost its default");
    let down = fixture.apply(KernelMessage::Link(link(2, "wg0", TUNNEL & !link_flag::UP)));
    assert_eq!(names(&down), ["no-carrier"]);
    let up = fixture.apply(KernelMessage::Link(link(2, "wg0", TUNNEL)));
    assert_eq!(names(&up), ["carrier", "configured", "routable"]);
}

#[test]
fn the_gateways_of_a_link_go_with_it() {
    let mut fixture = Fixture::new();
    fixture.has("2001:db8::2");
    fixture.leads("::/0", "fe80::1");
    let gone = fixture.apply(KernelMessage::LinkGone(index(2)));
    assert_eq!(names(&gone), ["gateway", "link-removed", "manager"]);
    assert_eq!(gateways(&gone), ["ipv6 removed fe80::1 none"]);

    let mut fixture = Fixture::new();
    fixture.has("192.0.2.2");
    fixture.leads("0.0.0.0/0", "192.0.2.1");
    let renamed = fixture.apply(KernelMessage::Link(link(2, "wan0", UP)));
    assert_eq!(gateways(&renamed), ["ipv4 removed 192.0.2.1 none", "ipv4 added none 192.0.2.1"]);
}

#[test]
fn a_restart_tells_a_gateway_that_changed_meanwhile() {
    let dump = |gateway: &str| Dump {
        links: vec![link(2, "eth0", UP), link(3, "wg0", TUNNEL)],
        addresses: vec![(index(2), address("192.0.2.2", 0)), (index(3), address("10.9.0.2/32", 0))],
        routes: vec![route("0.0.0.0/0", 2, gateway)],
    };
    let mut fixture = Fixture(State::default());
    let first = fixture.dump(dump("192.0.2.1"));
    assert_eq!(gateways(&first), ["ipv4 added none 192.0.2.1"]);
    assert!(first.events.iter().all(|event| event.startup));
    let text = serde_json::to_value(fixture.0.save("here", &[])).expect("serialises");
    let restored = |text: &serde_json::Value| {
        let bytes = serde_json::to_vec(text).expect("serialises");
        Fixture(State::restore(SavedState::parse(&bytes, "here").expect("the same place")))
    };
    assert_eq!(names(&restored(&text).dump(dump("192.0.2.1"))), [""; 0]);
    let meanwhile = restored(&text).dump(dump("192.0.2.9"));
    assert_eq!(gateways(&meanwhile), ["ipv4 changed 192.0.2.1 192.0.2.9"]);
    assert_eq!(names(&meanwhile), ["gateway"]);

    // A file of 0.1.0 knows nothing of gateways, and had no tunnel that was routable without a default.
    let mut old = text;
    for link in old["links"].as_array_mut().expect("links") {
        let link = link.as_object_mut().expect("a link");
        link.remove("gateways");
        link.remove("leads");
        if link["name"] == "wg0" {
            link["stage"] = "configured".into();
        }
    }
    let after = restored(&old).dump(dump("192.0.2.1"));
    assert_eq!(names(&after), ["gateway", "routable"]);
}

#[test]
fn a_policy_before_the_first_look_takes_no_event_from_it() {
    let mut fixture = Fixture(State::default());
    assert_eq!(names(&fixture.policy(&named("eth0", "192.0.2.1"))), [""; 0]);
    let dump = Dump {
        links: vec![link(2, "eth0", UP)],
        addresses: vec![(index(2), address("192.0.2.2", 0))],
        ..Dump::default()
    };
    assert_eq!(names(&fixture.dump(dump))[2..], ["carrier", "configured", "routable", "gateway", "manager"]);
}

#[test]
fn links_that_are_not_monitored_are_silent() {
    let mut fixture = Fixture(State::default());
    let mut changes = Changes::default();
    let interest = Interest { monitors: &|name| name != "eth0", routes: false };
    let dump = Dump { links: vec![link(2, "eth0", UP)], ..Dump::default() };
    fixture.0.resynchronise(dump, Newer::default(), &interest, &mut changes);
    fixture.0.apply(KernelMessage::Route(route("0.0.0.0/0", 2, "192.0.2.1"), false), &interest, &mut changes);
    assert_eq!(gateways(&changes), [""; 0]);
    let monitored = Interest { monitors: &|_| true, routes: false };
    fixture.0.reconsider(&monitored, &mut changes);
    assert_eq!(gateways(&changes), ["ipv4 added none 192.0.2.1"]);
    assert_eq!(fixture.0.links().map(LinkState::names).collect::<Vec<_>>(), [["eth0"]]);
    assert_eq!(
        changes.events.iter().find_map(|e| match &e.detail {
            Detail::Gateway(change) => Some(change.action()),
            _ => None,
        }),
        Some(Action::Added)
    );
}
