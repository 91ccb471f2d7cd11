//! Scenarios: reports of managers and messages of the kernel in, names of events out.

use super::super::{Interest, Newer, SavedState, State};
use super::*;
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{Facts, Lease, ManagerFacts};
use std::sync::Arc;

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;

fn word(name: &'static str) -> StateName {
    StateName { name, event: EventKind::from_name(name) }
}

fn networkd(operational: &'static str, administrative: &'static str) -> Report {
    let (operational, administrative) = (Some(word(operational)), Some(word(administrative)));
    Report::Link(LinkReport { operational, administrative, ..LinkReport::new(index(2)) })
}

fn device(state: &'static str) -> Report {
    let reason = Some("none");
    Report::Link(LinkReport { administrative: Some(word(state)), reason, ..LinkReport::new(index(2)) })
}

fn lease(ip: &str, routers: &[&str]) -> LinkLeases {
    let ip_of = |text: &str| text.parse().expect("an address");
    let lease = Lease {
        address: ip_of(ip),
        prefix_length: Some(24),
        routers: routers.iter().map(|router| ip_of(router)).collect(),
        routes: Vec::new(),
        dns: vec![ip_of("192.0.2.53")],
        domain: None,
        search: Vec::new(),
        host_name: None,
        server: None,
        mtu: None,
        ntp: Vec::new(),
        expires: None,
    };
    LinkLeases { v4: Some(Arc::new(lease)), v6: None }
}

fn leases(of_eth0: Option<LinkLeases>) -> Report {
    let name = InterfaceName::new("eth0").expect("legal");
    Report::Leases(of_eth0.map(|leases| (name, leases)).into_iter().collect())
}

/// `track:state`, or the name of an event that is no state. Gateways, which the kernel tells, have a test of
/// their own.
fn reported(changes: &Changes) -> Vec<String> {
    let shown = |event: &Event| match event.kind.class() {
        crate::model::Class::State if event.track == Track::Administrative => {
            format!("set-up {}", event.kind)
        }
        _ => event.kind.to_string(),
    };
    changes.events.iter().filter(|event| event.kind != EventKind::Gateway).map(shown).collect()
}

struct Fixture(State);

impl Fixture {
    /// With eth0, number 2, up and without an address.
    fn new() -> Self {
        let mut fixture = Self(State::default());
        fixture.dump(UP);
        fixture
    }

    fn dump(&mut self, flags: u32) -> Changes {
        let mut changes = Changes::default();
        let dump = Dump { links: vec![link(2, "eth0", flags)], ..Dump::default() };
        let interest = Interest { monitors: &|_| true, routes: false };
        self.0.resynchronise(dump, Newer::default(), &interest, &mut changes);
        changes
    }

    fn kernel(&mut self, message: KernelMessage) -> Vec<String> {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        self.0.apply(message, &interest, &mut changes);
        reported(&changes)
    }

    fn up(&mut self, flags: u32) -> Vec<String> {
        self.kernel(KernelMessage::Link(link(2, "eth0", flags)))
    }

    fn has(&mut self, ip: &str) -> Vec<String> {
        self.kernel(KernelMessage::Address(index(2), address(ip, 0)))
    }

    fn leads(&mut self) -> Vec<String> {
        self.kernel(KernelMessage::Route(route("0.0.0.0/0", 2, "192.0.2.1"), false))
    }

    fn report(&mut self, report: Report) -> Changes {
        let mut changes = Changes::default();
        self.0.report(report, &mut changes);
        changes
    }

    fn receive(&mut self, report: Report) -> Vec<String> {
        reported(&self.report(report))
    }

    fn release(&mut self) -> Vec<String> {
        let mut changes = Changes::default();
        self.0.release_leases(&mut changes);
        reported(&changes)
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn networkd_s_words_decide_and_are_told_once() {
    let mut fixture = Fixture::new();
    let first = fixture.report(networkd("carrier", "configuring"));
    // The kernel's view has told the carrier.
    assert_eq!(reported(&first), ["set-up configuring"]);
    assert_eq!(fixture.has("192.0.2.2"), ["address-added"]);
    assert_eq!(fixture.receive(networkd("degraded", "configuring")), ["degraded"]);
    assert_eq!(fixture.receive(networkd("degraded", "configuring")), NOTHING);
    assert_eq!(fixture.leads(), ["manager"], "the host is routable, by the kernel's view");
    let both = fixture.report(networkd("routable", "configured"));
    assert_eq!(reported(&both), ["set-up configured", "routable"]);
    assert_eq!(both.events[1].old_state, Some("degraded"));
    assert_eq!(fixture.up(link_flag::UP), ["manager"], "networkd will say it");
    assert_eq!(fixture.receive(networkd("no-carrier", "configured")), ["no-carrier"]);
    let facts = fixture.0.link(fixture.0.links().next().expect("eth0").id).expect("facts");
    assert_eq!((facts.state, facts.administrative), ("no-carrier", Some("configured")));
}

#[test]
fn words_without_a_directory_are_remembered_and_not_told() {
    let mut fixture = Fixture::new();
    // NetworkManager's state 0.
    assert_eq!(fixture.receive(device("unknown")), NOTHING);
    let next = fixture.report(device("unmanaged"));
    assert_eq!(reported(&next), ["set-up unmanaged"]);
    assert_eq!(next.events[0].old_state, Some("unknown"));
}

#[test]
fn while_the_manager_is_away_the_kernel_tells_what_changes() {
    let mut fixture = Fixture::new();
    fixture.receive(networkd("routable", "configured"));
    assert_eq!(fixture.receive(Report::Absent("stopped".into())), NOTHING, "its end changes no link");
    assert_eq!(fixture.has("192.0.2.2"), ["address-added", "configured"]);
    assert_eq!(fixture.up(link_flag::UP), ["no-carrier"]);
    assert_eq!(fixture.receive(networkd("no-carrier", "configured")), NOTHING, "nothing new");
    fixture.receive(Report::Absent("stopped".into()));
    assert_eq!(
        fixture.receive(networkd("routable", "configured")),
        ["routable"],
        "the final state is not missed"
    );
}

#[test]
fn what_a_manager_says_before_the_kernel_counts_when_the_link_comes() {
    let mut state = State::default();
    state.await_dump();
    let mut fixture = Fixture(state);
    assert_eq!(fixture.receive(networkd("routable", "configured")), NOTHING);
    let first = fixture.dump(UP);
    assert_eq!(reported(&first), ["link-added", "set-up configured", "routable", "manager"]);
    assert!(first.events.iter().all(|event| event.startup));
    assert_eq!(first.events[0].state, "routable");
}

#[test]
fn a_link_s_end_is_told_with_its_last_values() {
    let mut fixture = Fixture::new();
    fixture.receive(networkd("routable", "configured"));
    let id = fixture.0.links().next().expect("eth0").id;
    assert_eq!(fixture.kernel(KernelMessage::LinkGone(index(2))), ["link-removed"]);
    assert_eq!(fixture.receive(networkd("no-carrier", "configured")), NOTHING, "late, and of no use");
    let end = fixture.report(networkd("missing", "linger"));
    assert_eq!(reported(&end), ["set-up linger"]);
    assert_eq!((end.events[0].link, end.gone.len()), (id, 1));
    assert_eq!(end.gone[0].1.name.as_str(), "eth0");
    // The number is used again: nothing of the old link's sticks to the new one.
    assert_eq!(fixture.kernel(KernelMessage::Link(link(2, "eth9", 0))), ["link-added", "no-carrier"]);
}

#[test]
fn device_states_stand_beside_the_kernel_s() {
    let mut fixture = Fixture::new();
    assert_eq!(fixture.receive(device("prepare")), ["set-up prepare"]);
    assert_eq!(fixture.has("192.0.2.2"), ["address-added", "configured"]);
    let activated = fixture.report(device("activated"));
    assert_eq!(reported(&activated), ["set-up activated"]);
    assert_eq!(activated.events[0].detail, Detail::Device { reason: "none" });
    assert_eq!(activated.events[0].old_state, Some("prepare"));
    assert_eq!(fixture.up(link_flag::UP), ["no-carrier"]);
}

#[test]
fn the_host_in_the_manager_s_words() {
    let mut fixture = Fixture::new();
    let host = |state, connectivity| Report::Host(HostReport { state, connectivity });
    assert_eq!(fixture.receive(host("connecting", Some("none"))), ["manager"]);
    assert_eq!(fixture.receive(host("connecting", Some("none"))), NOTHING);
    let online = fixture.report(host("connected-global", Some("full")));
    assert_eq!(online.events[0].old_state, Some("connecting"));
    assert_eq!(online.events[0].detail, Detail::Host { connectivity: "full" });
    assert_eq!(fixture.receive(host("connected-global", Some("portal"))), ["manager"]);
    assert_eq!(fixture.0.host(), "connected-global");
    fixture.has("192.0.2.2");
    assert_eq!(fixture.leads(), ["routable"], "the kernel's view of the host is silent");
    fixture.receive(Report::Absent("stopped".into()));
    assert_eq!(fixture.0.host(), "online");
}

#[test]
fn a_lease_is_told_once_when_the_kernel_has_it() {
    let mut fixture = Fixture::new();
    fixture.receive(leases(None));
    assert_eq!(fixture.receive(Report::LeasesPending), NOTHING);
    // The client is faster than its file settles.
    assert_eq!(fixture.has("192.0.2.2"), ["address-added", "configured"]);
    assert_eq!(fixture.leads(), NOTHING);
    let gained = fixture.report(leases(Some(lease("192.0.2.2", &["192.0.2.1"]))));
    assert_eq!(reported(&gained), ["routable", "manager"]);
    assert_eq!(gained.events[0].detail, Detail::Lease { old: Box::default() });
    // A renewal without change.
    fixture.receive(Report::LeasesPending);
    assert_eq!(fixture.receive(leases(Some(lease("192.0.2.2", &["192.0.2.1"])))), NOTHING);
    // The carrier goes and comes, the lease stays: a state like any other.
    assert_eq!(fixture.up(link_flag::UP), ["no-carrier", "manager"]);
    assert!(fixture.up(UP).contains(&"routable".to_owned()));
}

#[test]
fn a_lease_waits_for_the_kernel_for_a_moment_only() {
    let mut fixture = Fixture::new();
    fixture.receive(leases(None));
    assert_eq!(fixture.receive(leases(Some(lease("192.0.2.2", &["192.0.2.1"])))), NOTHING);
    assert_eq!(fixture.0.lease_wait(), Some(LeaseWait::ForKernel));
    assert_eq!(fixture.has("192.0.2.2"), ["address-added", "configured"], "the route is missing");
    assert_eq!(fixture.release(), ["routable"]);
    assert_eq!(fixture.0.lease_wait(), None);
    assert_eq!(fixture.leads(), ["manager"], "routable was told");
    assert_eq!(fixture.up(link_flag::UP), ["no-carrier", "manager"]);
    // Without a router the address is all there is to wait for.
    let mut fixture = Fixture::new();
    fixture.receive(leases(Some(lease("192.0.2.2", &[]))));
    assert_eq!(fixture.has("192.0.2.2"), ["address-added", "configured", "routable"]);
}

#[test]
fn a_leased_address_waits_for_the_file_that_names_it() {
    let mut fixture = Fixture::new();
    fixture.0.expect_leases(true);
    let leased = |ip| crate::model::Address { valid_lifetime: 120, ..address(ip, 0) };
    let has = |fixture: &mut Fixture, ip| fixture.kernel(KernelMessage::Address(index(2), leased(ip)));
    assert_eq!(has(&mut fixture, "192.0.2.2"), ["address-added", "configured"]);
    assert_eq!(fixture.leads(), NOTHING);
    assert_eq!(fixture.0.lease_wait(), Some(LeaseWait::ForFile));
    assert_eq!(fixture.receive(leases(Some(lease("192.0.2.2", &["192.0.2.1"])))), ["routable", "manager"]);
    assert_eq!(fixture.0.lease_wait(), None);
    // Another address by the same client.
    assert_eq!(
        fixture.kernel(KernelMessage::AddressGone(index(2), leased("192.0.2.2")))[0],
        "address-removed"
    );
    assert_eq!(has(&mut fixture, "192.0.2.3"), ["address-added", "configured"]);
    assert_eq!(fixture.leads(), NOTHING);
    let changed = fixture.report(leases(Some(lease("192.0.2.3", &["192.0.2.1"]))));
    assert_eq!(reported(&changed), ["routable", "manager"]);
    assert!(
        matches!(&changed.events[0].detail, Detail::Lease { old } if **old == lease("192.0.2.2", &["192.0.2.1"]))
    );
    // A file that is not written: the state is told without it, and the lease when it comes.
    fixture.kernel(KernelMessage::AddressGone(index(2), leased("192.0.2.3")));
    has(&mut fixture, "192.0.2.4");
    assert_eq!(fixture.leads(), NOTHING);
    assert_eq!(fixture.release(), ["routable", "manager"]);
    let id = fixture.0.links().next().expect("eth0").id;
    assert_eq!(fixture.0.link(id).expect("facts").leases.v4, None, "not the one of another address");
    assert_eq!(fixture.receive(leases(Some(lease("192.0.2.4", &["192.0.2.1"])))), ["routable"]);
    // An address without an end is nobody's lease.
    let mut fixture = Fixture::new();
    fixture.0.expect_leases(true);
    fixture.has("192.0.2.2");
    assert_eq!(fixture.leads(), ["routable", "manager"]);
}

#[test]
fn an_ipv6_lease_waits_for_the_check_for_duplicates() {
    let mut fixture = Fixture::new();
    let v6 = LinkLeases { v4: None, v6: lease("2001:db8::2", &[]).v4 };
    let tentative = address("2001:db8::2", crate::model::address_flag::TENTATIVE);
    assert_eq!(fixture.kernel(KernelMessage::Address(index(2), tentative)), NOTHING);
    assert_eq!(fixture.receive(leases(Some(v6))), NOTHING);
    assert_eq!(fixture.0.lease_wait(), Some(LeaseWait::ForDuplicateCheck));
    assert_eq!(fixture.has("2001:db8::2"), ["address-added", "configured", "routable"]);
    assert_eq!(fixture.0.lease_wait(), None);
}

#[test]
fn a_link_that_comes_again_has_the_lease_of_its_name() {
    let mut fixture = Fixture::new();
    fixture.receive(leases(Some(lease("192.0.2.2", &[]))));
    let mut change = |message| {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        fixture.0.apply(message, &interest, &mut changes);
        changes.links
    };
    assert!(!change(KernelMessage::Link(link(2, "eth0", 0))), "a change of a known link is none of them");
    assert!(change(KernelMessage::LinkGone(index(2))));
    assert!(change(KernelMessage::Link(link(7, "eth0", 0))));
    assert_eq!(fixture.0.links().next().expect("eth0").leases, lease("192.0.2.2", &[]));
}

#[test]
fn a_lease_s_gateway_is_that_of_its_classless_routes() {
    let mut fixture = Fixture::new();
    let ip = |text: &str| text.parse().expect("an address");
    let of = |routes: Vec<(std::net::IpAddr, u8, std::net::IpAddr)>| {
        let lease = lease("192.0.2.2", &["192.0.2.1"]).v4.expect("one");
        LinkLeases { v4: Some(Arc::new(Lease { routes, ..(*lease).clone() })), v6: None }
    };
    for (routes, gateway) in [
        (Vec::new(), Some("192.0.2.1")),
        (vec![(ip("0.0.0.0"), 0, ip("192.0.2.9"))], Some("192.0.2.9")),
        (vec![(ip("10.0.0.0"), 8, ip("192.0.2.9"))], None),
    ] {
        fixture.receive(leases(Some(of(routes))));
        let link = fixture.0.links().next().expect("eth0");
        assert_eq!(link.believed_gateway(protocol::Family::V4), gateway.map(ip));
    }
}

#[test]
fn a_changed_lease_tells_old_and_new() {
    let mut fixture = Fixture::new();
    fixture.receive(leases(Some(lease("192.0.2.2", &["192.0.2.1"]))));
    fixture.has("192.0.2.2");
    assert_eq!(fixture.leads(), ["routable", "manager"]);
    fixture.has("192.0.2.3");
    let changed = fixture.report(leases(Some(lease("192.0.2.3", &["192.0.2.1"]))));
    assert_eq!(reported(&changed), ["routable"]);
    let Detail::Lease { old } = &changed.events[0].detail else { panic!("no lease") };
    assert_eq!(**old, lease("192.0.2.2", &["192.0.2.1"]));
    assert_eq!(changed.events[0].old_state, Some("routable"));
    assert_eq!(fixture.receive(leases(None)), NOTHING, "an end is no lease");
    let facts = fixture.0.link(fixture.0.links().next().expect("eth0").id).expect("facts");
    assert_eq!((facts.leases.clone(), facts.dns.len()), (LinkLeases::default(), 0));
}

#[test]
fn a_restart_tells_what_changed_meanwhile() {
    let mut fixture = Fixture::new();
    fixture.receive(leases(Some(lease("192.0.2.2", &[]))));
    fixture.receive(networkd("routable", "configured"));
    let text = serde_json::to_vec(&fixture.0.save("here", &[])).expect("serialises");
    let again = |report: Report, of_lease: LinkLeases| {
        let mut fixture = Fixture(State::restore(SavedState::parse(&text, "here").expect("good")));
        fixture.0.await_dump();
        fixture.receive(leases(Some(of_lease)));
        fixture.receive(report);
        reported(&fixture.dump(UP))
    };
    assert_eq!(again(networkd("routable", "configured"), lease("192.0.2.2", &[])), NOTHING);
    assert_eq!(again(networkd("degraded", "configured"), lease("192.0.2.2", &[])), ["degraded"]);
}

#[test]
fn a_manager_s_values_reach_scripts_and_routing() {
    let mut fixture = Fixture::new();
    let facts = ManagerFacts {
        dns: vec!["192.0.2.53".parse().expect("good")],
        gateway: "192.0.2.1".parse().ok(),
        ..ManagerFacts::default()
    };
    let report = |facts: &ManagerFacts| {
        Report::Link(LinkReport { facts: Some(Arc::new(facts.clone())), ..LinkReport::new(index(2)) })
    };
    assert!(fixture.report(report(&facts)).routing);
    assert!(!fixture.report(report(&facts)).routing, "nothing new");
    let link = fixture.0.links().next().expect("eth0");
    let reported = fixture.0.link(link.id).expect("facts");
    assert_eq!((reported.dns.len(), reported.gateway), (1, facts.gateway));
}
