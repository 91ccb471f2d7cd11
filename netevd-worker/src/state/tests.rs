//! Scenarios: messages of the kernel in, names of events out.

use super::{Changes, Interest, Newer, SavedState, State};
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{Detail, Event, Facts, address_flag};
use protocol::TableId;

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;

struct Fixture {
    state: State,
    routes: bool,
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { state: State::default(), routes: true };
        fixture.state.remember_all_routes(true);
        fixture.resynchronise(Dump::default());
        fixture
    }

    fn resynchronise(&mut self, dump: Dump) -> Changes {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|name| name != "lo", routes: self.routes };
        self.state.resynchronise(dump, Newer::default(), &interest, &mut changes);
        changes
    }

    fn apply(&mut self, message: KernelMessage) -> Changes {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|name| name != "lo", routes: self.routes };
        self.state.apply(message, &interest, &mut changes);
        changes
    }

    fn names(&mut self, message: KernelMessage) -> Vec<&'static str> {
        names(&self.apply(message))
    }
}

fn names(changes: &Changes) -> Vec<&'static str> {
    changes.events.iter().map(|event| event.kind.name()).collect()
}

use KernelMessage::{AddressGone, LinkGone, RouteGone};

fn reported(n: u32, name: &str, flags: u32) -> KernelMessage {
    KernelMessage::Link(link(n, name, flags))
}

fn has(n: u32, ip: &str, flags: u32) -> KernelMessage {
    KernelMessage::Address(index(n), address(ip, flags))
}

fn leads(destination: &str, oif: u32, gateway: &str) -> KernelMessage {
    KernelMessage::Route(route(destination, oif, gateway), false)
}

#[test]
fn a_life_of_a_link() {
    let mut fixture = Fixture::new();
    let added = fixture.apply(reported(2, "eth0", 0));
    assert_eq!(names(&added), ["link-added", "no-carrier"]);
    assert_eq!(added.events[0].state, "no-carrier", "a state from the first event on");
    assert_eq!(fixture.names(reported(2, "eth0", UP)), ["carrier"]);
    assert_eq!(fixture.names(reported(2, "eth0", UP)), [""; 0]);
    assert_eq!(fixture.names(has(2, "fe80::1", address_flag::TENTATIVE)), [""; 0]);
    assert_eq!(fixture.names(has(2, "fe80::1", 0)), ["address-added", "degraded"]);
    assert_eq!(fixture.names(has(2, "192.0.2.2", 0)), ["address-added", "configured"]);
    assert_eq!(
        fixture.names(leads("0.0.0.0/0", 2, "192.0.2.1")),
        ["routes", "routable", "gateway", "manager"]
    );
    let lost = fixture.names(RouteGone(route("0.0.0.0/0", 2, "192.0.2.1")));
    assert_eq!(lost, ["routes", "degraded", "gateway", "manager"]);
    assert_eq!(
        fixture.names(leads("0.0.0.0/0", 2, "192.0.2.9")),
        ["routes", "routable", "gateway", "manager"]
    );
    let gone = fixture.names(AddressGone(index(2), address("192.0.2.2", 0)));
    assert_eq!(
        gone,
        ["address-removed", "routes", "degraded", "gateway", "manager"],
        "the last IPv4 address takes its routes"
    );
    let changes = fixture.apply(LinkGone(index(2)));
    assert_eq!(names(&changes), ["link-removed"]);
    assert_eq!(changes.gone.len(), 1);
    assert_eq!(changes.gone[0].1.name.as_str(), "eth0");
}

#[test]
fn what_arrives_together_runs_every_stage() {
    let mut fixture = Fixture::new();
    let dump = Dump {
        links: vec![link(2, "eth0", UP), link(1, "lo", UP | link_flag::LOOPBACK)],
        addresses: vec![(index(2), address("192.0.2.2", 0)), (index(1), address("127.0.0.1", 0))],
        routes: vec![route("0.0.0.0/0", 2, "192.0.2.1")],
    };
    let changes = fixture.resynchronise(dump);
    let expected =
        ["link-added", "address-added", "routes", "carrier", "configured", "routable", "gateway", "manager"];
    assert_eq!(names(&changes), expected, "lo is silent");
    let old: Vec<_> = changes.events.iter().map(|event| event.old_state).collect();
    assert_eq!(old[3..], [None, Some("carrier"), Some("configured"), None, Some("offline")]);
}

#[test]
fn the_first_look_is_a_replay_without_its_routes() {
    let mut state = State::default();
    state.remember_all_routes(true);
    let mut fixture = Fixture { state, routes: true };
    let dump = Dump {
        links: vec![link(2, "eth0", UP)],
        addresses: vec![(index(2), address("192.0.2.2", 0))],
        routes: vec![route("0.0.0.0/0", 2, "192.0.2.1")],
    };
    let changes = fixture.resynchronise(dump);
    assert!(changes.events.iter().all(|event| event.startup));
    assert!(!names(&changes).contains(&"routes"));
    assert!(fixture.apply(has(2, "192.0.2.3", 0)).events.iter().all(|event| !event.startup));
}

#[test]
fn a_link_down_silently_loses_its_ipv4_routes() {
    let mut fixture = Fixture::new();
    for message in [reported(2, "eth0", UP), has(2, "192.0.2.2", 0), leads("0.0.0.0/0", 2, "192.0.2.1")] {
        fixture.apply(message);
    }
    let changes = fixture.apply(reported(2, "eth0", 0));
    assert_eq!(names(&changes), ["routes", "no-carrier", "gateway", "manager"]);
    assert!(changes.routing && changes.needs_resync);
    assert_eq!(
        fixture.names(reported(2, "eth0", UP)),
        ["carrier", "configured"],
        "the address stayed, the default did not"
    );
}

#[test]
fn a_preferred_source_takes_its_route_along() {
    let mut fixture = Fixture::new();
    for message in [reported(2, "eth0", UP), has(2, "192.0.2.2", 0), has(2, "192.0.2.3", 0)] {
        fixture.apply(message);
    }
    let mut default = route("0.0.0.0/0", 2, "192.0.2.1");
    default.source = "192.0.2.2".parse().ok();
    fixture.apply(KernelMessage::Route(default, false));
    let gone = fixture.names(AddressGone(index(2), address("192.0.2.2", 0)));
    assert_eq!(gone, ["address-removed", "routes", "degraded", "gateway", "manager"]);
}

#[test]
fn a_rename_is_an_end_and_a_beginning() {
    let mut fixture = Fixture::new();
    fixture.apply(reported(2, "eth0", UP));
    fixture.apply(has(2, "192.0.2.2", 0));
    let changes = fixture.apply(reported(2, "wan0", UP));
    assert_eq!(names(&changes), ["link-removed", "link-added", "address-added", "carrier", "configured"]);
    let [removed, added, ..] = changes.events.as_slice() else { panic!("two events at least") };
    assert_ne!(removed.link, added.link);
    assert_eq!(fixture.state.link(added.link).map(|facts| facts.name.to_string()), Some("wan0".to_owned()));
}

#[test]
fn a_failed_duplicate_check_is_never_announced() {
    let mut fixture = Fixture::new();
    fixture.apply(reported(2, "eth0", UP));
    assert_eq!(fixture.names(has(2, "2001:db8::2", address_flag::TENTATIVE)), [""; 0]);
    let failed = address_flag::TENTATIVE | address_flag::DADFAILED;
    assert_eq!(fixture.names(has(2, "2001:db8::2", failed)), [""; 0]);
    assert_eq!(fixture.names(AddressGone(index(2), address("2001:db8::2", failed))), [""; 0]);
}

#[test]
fn an_mtu_tells_old_and_new() {
    let mut fixture = Fixture::new();
    fixture.apply(reported(2, "eth0", UP));
    let mut changed = link(2, "eth0", UP);
    changed.mtu = Some(9000);
    let changes = fixture.apply(KernelMessage::Link(changed));
    assert_eq!(changes.events.first().map(|e| &e.detail), Some(&Detail::Mtu { old: 1500, new: 9000 }));
    let mut partial = link(2, "eth0", UP);
    (partial.mtu, partial.mac, partial.name) = (None, None, None);
    assert_eq!(fixture.names(KernelMessage::Link(partial)), [""; 0], "a partial message takes nothing away");
    assert_eq!(
        fixture.state.links().next().and_then(|l| l.mac.clone()).as_deref(),
        Some("02:00:00:00:00:01")
    );
}

#[test]
fn after_a_loss_only_the_difference_is_told() {
    let mut fixture = Fixture::new();
    for message in [
        reported(2, "eth0", UP),
        reported(3, "eth1", UP),
        has(2, "192.0.2.2", 0),
        leads("10.0.0.0/8", 2, "192.0.2.1"),
    ] {
        fixture.apply(message);
    }
    let same = || Dump {
        links: vec![link(2, "eth0", UP), link(3, "eth1", UP)],
        addresses: vec![(index(2), address("192.0.2.2", 0))],
        routes: vec![route("10.0.0.0/8", 2, "192.0.2.1")],
    };
    assert_eq!(names(&fixture.resynchronise(same())), [""; 0]);
    let mut other = same();
    other.links.remove(1);
    other.addresses[0].1.ip = "192.0.2.7".parse().expect("an address");
    other.routes[0].destination = "11.0.0.0/8".parse().expect("a prefix");
    let reported = names(&fixture.resynchronise(other));
    assert_eq!(reported, ["routes", "address-removed", "link-removed", "address-added", "routes"]);
}

#[test]
fn a_restart_tells_what_changed_meanwhile() {
    let mut fixture = Fixture::new();
    for message in [reported(2, "eth0", UP), has(2, "192.0.2.2", 0), reported(3, "eth1", UP)] {
        fixture.apply(message);
    }
    let text = serde_json::to_vec(&fixture.state.save("boot 1", &[])).expect("serialises");
    assert!(SavedState::parse(&text, "boot 2").is_err());
    let restored = || State::restore(SavedState::parse(&text, "boot 1").expect("the same place"));

    let same = || Dump {
        links: vec![link(2, "eth0", UP), link(3, "eth1", UP)],
        addresses: vec![(index(2), address("192.0.2.2", 0))],
        routes: vec![],
    };
    let mut again = Fixture { state: restored(), routes: false };
    assert_eq!(names(&again.resynchronise(same())), [""; 0]);

    let mut other = same();
    other.links[1] = link(3, "eth9", 0);
    let mut again = Fixture { state: restored(), routes: false };
    let changes = again.resynchronise(other);
    assert_eq!(names(&changes), ["link-removed", "link-added", "no-carrier"]);
    assert!(changes.events.iter().all(|event: &Event| event.startup));
}

#[test]
fn whatever_main_has_marks_routing_and_a_cached_copy_does_not() {
    let mut fixture = Fixture::new();
    fixture.state.remember_all_routes(false);
    fixture.routes = false;
    fixture.apply(reported(2, "eth0", UP));
    let mut bgp = route("10.0.0.0/8", 2, "192.0.2.1");
    bgp.protocol = 186;
    let changes = fixture.apply(KernelMessage::Route(bgp.clone(), false));
    assert!(changes.copies && !changes.routing && changes.events.is_empty(), "it may be copied");
    assert!(fixture.state.routes().iter().next().is_none(), "and it is not remembered");
    bgp.cloned = true;
    assert!(!fixture.apply(KernelMessage::Route(bgp, false)).copies);
    assert!(fixture.apply(leads("0.0.0.0/0", 2, "192.0.2.1")).routing);
    assert!(fixture.apply(leads("172.17.0.0/16", 2, "")).routing, "a local network");
    let mut foreign = route("10.9.0.0/16", 2, "192.0.2.1");
    (foreign.table, foreign.protocol) = (TableId(203), 186);
    assert!(fixture.apply(KernelMessage::Route(foreign, false)).routing, "perhaps in a table of ours");
}
