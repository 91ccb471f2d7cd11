//! `lease`, `dns` and `address-changed`: what changed, once, with what was before.

use super::{Changes, Interest, Newer, SavedState, State};
use crate::backend::{LinkReport, Report};
use crate::fixtures::{address, index, link};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{Backend, Detail, Event, EventKind, Facts, Lease, LinkLeases, ManagerFacts, address_flag};
use protocol::InterfaceName;
use std::sync::Arc;

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;

fn lease(ip: &str, dns: &str) -> LinkLeases {
    let ip_of = |text: &str| text.parse().expect("an address");
    let lease = Lease {
        address: ip_of(ip),
        prefix_length: Some(24),
        routers: vec![ip_of("192.0.2.1")],
        routes: Vec::new(),
        dns: vec![ip_of(dns)],
        domain: Some("lease.example".to_owned()),
        search: Vec::new(),
        host_name: None,
        server: None,
        mtu: None,
        ntp: vec![ip_of("192.0.2.123")],
        expires: None,
    };
    LinkLeases { v4: Some(Arc::new(lease)), v6: None }
}

struct Fixture(State);

impl Fixture {
    /// With eth0, number 2, under this backend.
    fn under(backend: Backend, flags: u32) -> Self {
        let mut state = State::default();
        state.under(backend);
        let mut fixture = Self(state);
        fixture.dump(flags);
        fixture
    }

    fn dump(&mut self, flags: u32) -> Vec<Event> {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        let dump = Dump { links: vec![link(2, "eth0", flags)], ..Dump::default() };
        self.0.resynchronise(dump, Newer::default(), &interest, &mut changes);
        changes.events
    }

    fn kernel(&mut self, message: KernelMessage) -> Vec<Event> {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        self.0.apply(message, &interest, &mut changes);
        changes.events
    }

    fn address(&mut self, ip: &str, flags: u32) -> Vec<Event> {
        self.kernel(KernelMessage::Address(index(2), address(ip, flags)))
    }

    fn says(&mut self, report: Report) -> Vec<Event> {
        let mut changes = Changes::default();
        self.0.report(report, &mut changes);
        changes.events
    }

    fn leases(&mut self, of_eth0: Option<LinkLeases>) -> Vec<Event> {
        let name = InterfaceName::new("eth0").expect("legal");
        self.says(Report::Leases(of_eth0.map(|leases| (name, leases)).into_iter().collect()))
    }

    fn facts(&mut self, facts: ManagerFacts) -> Vec<Event> {
        self.says(Report::Link(LinkReport { facts: Some(facts.into()), ..LinkReport::new(index(2)) }))
    }
}

/// The old values of each `lease` and `dns`.
fn shown(events: &[Event]) -> Vec<String> {
    let one = |event: &Event| match &event.detail {
        Detail::Lease { old } if event.kind == EventKind::Lease => {
            let old = old.v4.as_ref().map(|lease| lease.address.to_string());
            Some(format!("lease was {}", old.unwrap_or_default()).trim_end().to_owned())
        }
        Detail::Dns { old } => {
            let all: Vec<String> = old.dns.iter().map(ToString::to_string).collect();
            Some(format!("dns was {} {} {}", all.join(","), old.domains.join(","), old.ntp.join(",")))
        }
        _ => None,
    };
    events.iter().filter_map(one).map(|text| text.trim_end().to_owned()).collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_manager_s_name_servers() {
    for backend in [Backend::Networkd, Backend::NetworkManager] {
        let mut fixture = Fixture::under(backend, UP);
        let facts = |server: &str| ManagerFacts {
            dns: vec![server.parse().expect("an address")],
            domains: vec!["a.example".to_owned()],
            ntp: vec!["ntp.example".to_owned()],
            ..ManagerFacts::default()
        };
        assert_eq!(shown(&fixture.facts(facts("192.0.2.53"))), ["dns was"]);
        assert_eq!(shown(&fixture.facts(facts("192.0.2.53"))), NOTHING);
        assert_eq!(shown(&fixture.facts(facts("192.0.2.54"))), ["dns was 192.0.2.53 a.example ntp.example"]);
        // What is not known has not changed; what went is told.
        assert_eq!(shown(&fixture.says(Report::Absent("gone".to_owned()))), NOTHING);
        assert_eq!(
            shown(&fixture.facts(ManagerFacts::default())),
            ["dns was 192.0.2.54 a.example ntp.example"]
        );
    }
}

#[test]
fn a_manager_s_lease_is_told_with_its_address_and_its_end() {
    let mut fixture = Fixture::under(Backend::NetworkManager, UP);
    let facts = |leases: Option<LinkLeases>| ManagerFacts {
        leases: leases.unwrap_or_default(),
        ..Default::default()
    };
    assert_eq!(shown(&fixture.facts(facts(Some(lease("192.0.2.7", "192.0.2.53"))))), NOTHING);
    assert_eq!(shown(&fixture.address("192.0.2.7", 0)), ["lease was"]);
    // Renewed with another server, then given back.
    assert_eq!(shown(&fixture.facts(facts(Some(lease("192.0.2.7", "192.0.2.54"))))), ["lease was 192.0.2.7"]);
    assert_eq!(shown(&fixture.facts(facts(None))), ["lease was 192.0.2.7"]);
}

#[test]
fn dhclient_s_lease_and_its_end() {
    let mut fixture = Fixture::under(Backend::Dhclient, UP);
    fixture.leases(None);
    fixture.address("192.0.2.7", 0);
    let reported = fixture.leases(Some(lease("192.0.2.7", "192.0.2.53")));
    // The kernel has no route yet: the lease waits with `routable`.
    assert_eq!(shown(&reported), NOTHING);
    let mut changes = Changes::default();
    fixture.0.release_leases(&mut changes);
    assert_eq!(shown(&changes.events), ["lease was", "dns was"]);
    let reported = fixture.leases(None);
    assert_eq!(shown(&reported), ["lease was 192.0.2.7", "dns was 192.0.2.53 lease.example 192.0.2.123"]);
}

#[test]
fn a_lease_of_the_last_boot_is_none_of_a_link_that_is_down() {
    let mut fixture = Fixture::under(Backend::Dhclient, 0);
    assert_eq!(shown(&fixture.leases(Some(lease("192.0.2.7", "192.0.2.53")))), NOTHING);
    let facts = |fixture: &Fixture| {
        let id = fixture.0.links().next().expect("eth0").id;
        fixture.0.link(id).expect("its values")
    };
    assert_eq!((facts(&fixture).gateway, facts(&fixture).dns.len()), (None, 0));
    fixture.kernel(KernelMessage::Link(link(2, "eth0", UP)));
    assert_eq!(facts(&fixture).gateway, "192.0.2.1".parse().ok(), "up, the file's word counts");
}

#[test]
fn a_restart_tells_no_lease_and_no_server_again() {
    let mut fixture = Fixture::under(Backend::NetworkManager, UP);
    let facts = ManagerFacts {
        dns: vec!["192.0.2.53".parse().expect("an address")],
        leases: lease("192.0.2.7", "192.0.2.53"),
        ..ManagerFacts::default()
    };
    fixture.address("192.0.2.7", 0);
    assert_eq!(shown(&fixture.facts(facts.clone())), ["lease was", "dns was"]);
    let saved = serde_json::to_vec(&fixture.0.save("here", &[])).expect("JSON");
    let mut again = Fixture(State::restore(SavedState::parse(&saved, "here").expect("its own")));
    again.0.under(Backend::NetworkManager);
    again.0.await_dump();
    again.facts(facts);
    assert_eq!(shown(&again.dump(UP)), NOTHING);
}

#[test]
fn an_address_that_becomes_deprecated_and_preferred_again() {
    let mut fixture = Fixture::under(Backend::Kernel, UP);
    let kinds = |events: Vec<Event>| events.iter().map(|e| e.kind.name()).collect::<Vec<_>>();
    let ip = "2001:db8::7";
    assert!(kinds(fixture.address(ip, 0)).contains(&"address-added"));
    assert_eq!(kinds(fixture.address(ip, 0)), NOTHING);
    let reported = fixture.address(ip, address_flag::DEPRECATED);
    assert!(matches!(&reported[0].detail, Detail::Address(a) if a.flags & address_flag::DEPRECATED != 0));
    assert_eq!(kinds(reported), ["address-changed"]);
    assert_eq!(kinds(fixture.address(ip, address_flag::DEPRECATED)), NOTHING);
    assert_eq!(kinds(fixture.address(ip, 0)), ["address-changed"]);
    // Not before scripts have heard of it.
    let other = "2001:db8::8";
    assert_eq!(kinds(fixture.address(other, address_flag::TENTATIVE)), NOTHING);
    let reported = kinds(fixture.address(other, address_flag::DEPRECATED));
    assert_eq!(reported, ["address-added"]);
}
