//! Two sources of one change, in any order of arrival: reports are in the order of what happened.

use super::{Changes, Interest, Newer, State};
use crate::backend::{LinkReport, Report, StateName};
use crate::fixtures::{address, index, link, route};
use crate::kernel::{Dump, KernelMessage, link_flag};
use crate::model::{Backend, EventKind, EventValues};
use std::time::{Duration, Instant};

const UP: u32 = link_flag::UP | link_flag::LOWER_UP;

struct Fixture(State);

impl Fixture {
    /// Under this manager, which is there; without any link.
    fn under(backend: Backend) -> Self {
        let mut state = State::default();
        state.under(backend);
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        state.resynchronise(Dump::default(), Newer::default(), &interest, &mut changes);
        state.report(Report::Synced, &mut changes);
        Self(state)
    }

    fn kernel(&mut self, messages: impl IntoIterator<Item = KernelMessage>) -> Vec<String> {
        let mut changes = Changes::default();
        let interest = Interest { monitors: &|_| true, routes: false };
        for message in messages {
            self.0.apply(message, &interest, &mut changes);
        }
        states(&changes)
    }

    fn says(&mut self, report: Report) -> Vec<String> {
        let mut changes = Changes::default();
        self.0.report(report, &mut changes);
        states(&changes)
    }

    /// After so long without a word.
    fn after(&mut self, time: Duration) -> Vec<String> {
        let mut changes = Changes::default();
        self.0.release_waits(Instant::now() + time, &mut changes);
        states(&changes)
    }
}

/// `old>state` of each event that is a state.
fn states(changes: &Changes) -> Vec<String> {
    let of_states = changes.events.iter().filter(|e| e.kind.class() == crate::model::Class::State);
    of_states.map(|e| format!("{}>{}", e.old_state.unwrap_or_default(), e.kind)).collect()
}

fn word(name: &'static str) -> Option<StateName> {
    Some(StateName { name, event: EventKind::from_name(name) })
}

fn networkd(operational: &'static str, administrative: &'static str) -> Report {
    Report::Link(LinkReport {
        operational: word(operational),
        administrative: word(administrative),
        ..LinkReport::new(index(2))
    })
}

fn device(state: &'static str) -> Report {
    Report::Link(LinkReport { administrative: word(state), ..LinkReport::new(index(2)) })
}

fn provisional(state: &'static str) -> Report {
    let Report::Link(report) = device(state) else { unreachable!("made so") };
    Report::Link(LinkReport { provisional: true, ..report })
}

fn appears(flags: u32) -> [KernelMessage; 1] {
    [KernelMessage::Link(link(2, "eth0", flags))]
}

/// An address and a default route.
fn connected(ip: &str) -> [KernelMessage; 2] {
    [
        KernelMessage::Address(index(2), address(ip, 0)),
        KernelMessage::Route(route("0.0.0.0/0", 2, "192.0.2.1"), false),
    ]
}

fn gone(ip: &str) -> [KernelMessage; 2] {
    [
        KernelMessage::RouteGone(route("0.0.0.0/0", 2, "192.0.2.1")),
        KernelMessage::AddressGone(index(2), address(ip, 0)),
    ]
}

const NOTHING: [&str; 0] = [];

#[test]
fn networkd_has_the_first_word_for_a_new_link() {
    let mut fixture = Fixture::under(Backend::Networkd);
    assert_eq!(fixture.kernel(appears(0)), NOTHING);
    assert_eq!(fixture.kernel(appears(UP)), NOTHING);
    assert_eq!(fixture.says(networkd("off", "pending")), [">pending", ">off"]);
    assert_eq!(
        fixture.says(networkd("no-carrier", "configuring")),
        ["pending>configuring", "off>no-carrier"]
    );
    assert_eq!(fixture.after(Duration::from_secs(60)), NOTHING);
}

#[test]
fn a_networkd_that_is_late_is_waited_for_in_vain_and_then_catches_up_silently() {
    let mut fixture = Fixture::under(Backend::Networkd);
    assert_eq!(fixture.kernel(appears(UP)), NOTHING);
    assert_eq!(fixture.kernel(connected("192.0.2.2")), NOTHING);
    assert_eq!(fixture.after(Duration::from_secs(2)), NOTHING);
    assert_eq!(
        fixture.after(Duration::from_secs(4)),
        [">carrier", "carrier>configured", "configured>routable"]
    );
    assert_eq!(fixture.says(networkd("off", "pending")), [">pending"]);
    for state in ["no-carrier", "degraded", "routable"] {
        assert_eq!(fixture.says(networkd(state, "pending")), NOTHING, "{state}");
    }
    assert_eq!(fixture.says(networkd("degraded", "pending")), ["routable>degraded"]);
    // One that does not catch up is believed after a second.
    let mut fixture = Fixture::under(Backend::Networkd);
    fixture.kernel(appears(UP));
    assert_eq!(fixture.after(Duration::from_secs(4)), [">carrier"]);
    assert_eq!(fixture.says(networkd("off", "pending")), [">pending"]);
    assert_eq!(fixture.after(Duration::from_secs(2)), ["carrier>off"]);
}

#[test]
fn without_networkd_nothing_waits() {
    let mut fixture = Fixture::under(Backend::Networkd);
    assert_eq!(fixture.kernel(appears(UP)), NOTHING);
    assert_eq!(fixture.says(Report::Absent("gone".to_owned())), [">carrier"]);
    let mut fixture = Fixture::under(Backend::Kernel);
    assert_eq!(fixture.kernel(appears(UP)), [">carrier"]);
}

#[test]
fn the_end_of_a_connection_is_told_before_the_next_one_is_routable() {
    let mut fixture = Fixture::under(Backend::NetworkManager);
    fixture.kernel(appears(UP));
    fixture.kernel(connected("192.0.2.2"));
    assert_eq!(fixture.says(device("activated")), [">activated"]);
    // The kernel is first with all of it.
    fixture.kernel(gone("192.0.2.2"));
    assert_eq!(fixture.kernel(connected("192.0.2.3")), NOTHING);
    assert_eq!(fixture.says(device("deactivating")), ["activated>deactivating"]);
    assert_eq!(fixture.says(device("disconnected")), ["deactivating>disconnected"]);
    let reported = fixture.says(device("prepare"));
    assert_eq!(reported, ["disconnected>prepare", "carrier>configured", "configured>routable"]);
    // What NetworkManager has no word for is reported all the same.
    fixture.says(device("activated"));
    fixture.kernel(gone("192.0.2.3"));
    assert_eq!(fixture.kernel(connected("192.0.2.4")), NOTHING);
    assert_eq!(fixture.after(Duration::from_millis(600)), ["carrier>configured", "configured>routable"]);
}

#[test]
fn the_end_of_a_connection_has_no_address_of_the_next_one() {
    let mut fixture = Fixture::under(Backend::NetworkManager);
    fixture.kernel(appears(UP));
    fixture.kernel(connected("192.0.2.2"));
    fixture.says(device("activated"));
    fixture.kernel(gone("192.0.2.2"));
    fixture.kernel(connected("192.0.2.3"));
    for state in ["deactivating", "disconnected"] {
        let mut changes = Changes::default();
        fixture.0.report(device(state), &mut changes);
        let EventValues::Whole(values) = &changes.events[0].then else { panic!("{changes:?}") };
        assert_eq!((values.addresses.len(), values.gateway), (0, None), "{state}");
    }
    // The next one has its own, also without a fall in between.
    let mut changes = Changes::default();
    fixture.0.report(device("activated"), &mut changes);
    fixture.0.release_waits(Instant::now() + Duration::from_secs(1), &mut changes);
    fixture.0.report(device("deactivating"), &mut changes);
    let EventValues::Whole(values) = &changes.events.last().expect("told").then else {
        panic!("{changes:?}")
    };
    assert_eq!(values.addresses[0].ip.to_string(), "192.0.2.3");
}

#[test]
fn a_device_without_a_connection_is_not_disconnected() {
    let mut fixture = Fixture::under(Backend::NetworkManager);
    fixture.kernel(appears(UP));
    for state in ["unmanaged", "unavailable", "disconnected"] {
        assert!(
            !fixture.says(device(state)).iter().any(|reported| reported.ends_with(">disconnected")),
            "{state}"
        );
    }
    assert_eq!(fixture.says(device("prepare")), ["disconnected>prepare"]);
    assert_eq!(fixture.says(device("failed")), ["prepare>failed"]);
    assert_eq!(fixture.says(device("disconnected")), ["failed>disconnected"]);
}

#[test]
fn a_networkmanager_that_restarts_ends_nothing_that_goes_on() {
    let mut fixture = Fixture::under(Backend::NetworkManager);
    fixture.kernel(appears(UP));
    assert_eq!(fixture.says(device("activated")), [">activated"]);
    fixture.says(Report::Absent("restarts".to_owned()));
    for state in ["unmanaged", "unavailable", "disconnected", "prepare", "secondaries", "activated"] {
        assert_eq!(fixture.says(provisional(state)), NOTHING, "{state}");
    }
    assert_eq!(fixture.says(device("activated")), NOTHING);
    // What it does not take up again has ended.
    fixture.says(Report::Absent("restarts".to_owned()));
    assert_eq!(fixture.says(provisional("disconnected")), NOTHING);
    assert_eq!(fixture.says(device("disconnected")), ["activated>disconnected"]);
    // It is not waited for without end.
    fixture.says(device("activated"));
    fixture.says(Report::Absent("restarts".to_owned()));
    assert_eq!(fixture.says(provisional("disconnected")), NOTHING);
    assert_eq!(fixture.after(Duration::from_secs(11)), ["activated>disconnected"]);
}
