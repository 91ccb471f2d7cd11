//! The ring and its stream, event by event.

use super::*;
use crate::model::{Action, Detail, EventValues, LinkId, Outcome, RouteChange, Track};
use std::path::PathBuf;
use std::time::Duration;

fn event(id: u64, kind: EventKind) -> Event {
    Event {
        id: EventId(id),
        kind,
        track: Track::Operational,
        link: LinkId(1),
        state: kind.name(),
        old_state: Some("carrier"),
        startup: false,
        time: UNIX_EPOCH + Duration::from_secs(id),
        detail: Detail::None,
        then: EventValues::Present,
    }
}

fn route(id: u64) -> Event {
    let change = RouteChange {
        action: Action::Added,
        destination: protocol::Prefix::host(std::net::Ipv4Addr::LOCALHOST.into()),
        gateway: None,
        table: 254,
        metric: 0,
        protocol: 4,
        scope: 0,
        route_type: 1,
    };
    Event { detail: Detail::Routes(vec![change]), ..event(id, EventKind::Routes) }
}

fn eth0() -> Option<InterfaceName> {
    InterfaceName::new("eth0").ok()
}

fn journal(events: impl IntoIterator<Item = Event>) -> Journal {
    let mut journal = Journal::new(UNIX_EPOCH + Duration::from_secs(9));
    for event in events {
        journal.record_event(&event, eth0(), Backend::Kernel);
    }
    journal
}

fn run(journal: &mut Journal, id: u64, outcome: Outcome) {
    let (event, script) = (EventId(id), PathBuf::from("/etc/netevd/routable.d/10-x"));
    journal.note(&EventOutcome::Begun { event, skipped: 2 });
    journal.note(&EventOutcome::Started { event, script: script.clone(), at: UNIX_EPOCH });
    assert_eq!(journal.running(event).as_deref(), Some("/etc/netevd/routable.d/10-x"));
    journal.ended(&Completion {
        rejected: Vec::new(),
        event,
        kind: EventKind::Routable,
        link: LinkId(1),
        script,
        outcome,
        duration: Duration::from_millis(1_500),
        started: UNIX_EPOCH,
    });
    journal.note(&EventOutcome::Over(event));
}

fn ids(page: &EventPage) -> Vec<u64> {
    page.events.iter().map(|event| event.id).collect()
}

#[test]
fn an_event_has_what_ran_for_it() {
    let mut journal = journal([event(1, EventKind::Routable), event(2, EventKind::Mtu)]);
    assert_eq!(journal.event(EventId(1)).expect("there").action, "waiting");
    run(&mut journal, 1, Outcome::Exited(3));
    journal.note(&EventOutcome::Begun { event: EventId(2), skipped: 0 });
    journal.note(&EventOutcome::Over(EventId(2)));
    let document = journal.event(EventId(1)).expect("there");
    assert_eq!((document.action.as_str(), document.details.skipped), ("done", 2));
    let ran = document.scripts.first().expect("one run");
    assert_eq!((ran.result.as_str(), ran.exit_code, ran.duration_seconds), ("failure", Some(3), Some(1.5)));
    assert_eq!(journal.event(EventId(2)).expect("there").action, "none");
    let runs = journal.runs();
    assert_eq!((runs[0].runs, runs[0].failures, runs[0].last.exit_code), (1, 1, Some(3)));
}

#[test]
fn the_ring_is_bounded_and_counts_on() {
    let many = u64::try_from(EVENTS).expect("fits") + 5;
    let journal = journal((1..=many).map(|id| event(id, EventKind::Mtu)));
    let page = journal.page(&EventQuery { limit: EVENTS * 2, ..EventQuery::default() });
    assert_eq!((page.events.len(), page.events[0].id, page.has_more), (EVENTS, 6, false));
    assert_eq!(journal.received(), many);
    assert_eq!(journal.event(EventId(5)), None);
}

#[test]
fn pages_from_either_end() {
    let kinds = [EventKind::Carrier, EventKind::Mtu, EventKind::Carrier, EventKind::Routable];
    let journal = journal((1..).zip(kinds).map(|(id, kind)| event(id, kind)));
    let page = |query: EventQuery| journal.page(&query);
    let query = EventQuery { limit: 2, ..EventQuery::default() };
    let newest = page(query.clone());
    assert_eq!((ids(&newest), newest.has_more), (vec![3, 4], true));
    let since = page(EventQuery { since: Some(Since::Id(1)), ..query.clone() });
    assert_eq!((ids(&since), since.has_more), (vec![2, 3], true));
    let later =
        page(EventQuery { since: Some(Since::Time(UNIX_EPOCH + Duration::from_secs(2))), ..query.clone() });
    assert_eq!((ids(&later), later.has_more), (vec![3, 4], false));
    let carriers = page(EventQuery { kinds: vec![EventKind::Carrier], ..query.clone() });
    assert_eq!(ids(&carriers), [1, 3]);
    let other = page(EventQuery { interface: Some("eth1".to_owned()), ..query });
    assert!(other.events.is_empty());
}

#[test]
fn routes_of_one_run_are_one_event() {
    let mut journal = journal([route(1)]);
    for id in 2..=40 {
        journal.record_event(&route(id), eth0(), Backend::Kernel);
        journal.note(&EventOutcome::Coalesced { event: EventId(id), into: EventId(1) });
    }
    let page = journal.page(&EventQuery { limit: 9, ..EventQuery::default() });
    assert_eq!(ids(&page), [1]);
    let details = &page.events[0].details;
    assert_eq!((details.route_changes, details.routes.len()), (Some(40), 16));
    assert_eq!(journal.received(), 40);
    assert_eq!(journal.follow(Some(StreamPosition { instance: 0, revision: 0 })).missed.len(), 1);
}

#[test]
fn a_state_that_another_stands_for_says_so() {
    let mut journal = journal([event(1, EventKind::Carrier), event(2, EventKind::NoCarrier)]);
    journal.note(&EventOutcome::Coalesced { event: EventId(1), into: EventId(2) });
    let document = journal.event(EventId(1)).expect("there");
    assert_eq!((document.action.as_str(), document.details.coalesced_into), ("coalesced", Some(2)));
    journal.note(&EventOutcome::Lost(EventId(2)));
    assert_eq!(journal.event(EventId(2)).expect("there").action, "lost");
}

#[test]
fn a_stream_goes_on_where_it_was_left() {
    let mut journal = journal([event(1, EventKind::Routable), event(2, EventKind::Mtu)]);
    let mut first = journal.follow(None);
    assert!(first.missed.is_empty(), "only what comes");
    run(&mut journal, 1, Outcome::Exited(0));
    journal.publish();
    let told = first.changes.try_recv().expect("told once");
    assert!(
        told.json.contains("\"done\"") && first.changes.try_recv().is_err(),
        "as it is at the end of the turn"
    );
    let place: StreamPosition = told.place.to_string().parse().expect("its own form");
    assert_eq!(place, told.place);
    journal.record_event(&event(3, EventKind::Mtu), eth0(), Backend::Kernel);
    let again = journal.follow(Some(place));
    assert_eq!(again.missed.len(), 1);
    assert!(again.missed[0].json.contains("\"id\":3"));
    let other = journal.follow(Some(StreamPosition { instance: 7, revision: 900 }));
    assert_eq!(other.missed.len(), 3, "another life of the worker: from the beginning");
    let places: Vec<u64> = other.missed.iter().map(|change| change.place.revision).collect();
    assert!(places.is_sorted());
}

/// It has no place of its own, so that coming back after it misses no event.
#[test]
fn the_host_as_a_whole_is_told_to_who_reads_and_again_to_who_fell_behind() {
    let mut journal = journal([event(1, EventKind::Routable)]);
    assert!(!journal.has_readers());
    let mut reader = journal.follow(None);
    assert!(journal.has_readers() && reader.state.is_none());
    let before = journal.revision;
    journal.publish_state("{}");
    let told = reader.changes.try_recv().expect("told");
    assert_eq!((told.kind, &*told.json, told.place.revision), (ChangeKind::State, "{}", before));
    assert_eq!(journal.revision, before);
    let behind = journal.follow(Some(told.place));
    assert!(behind.missed.is_empty());
    assert_eq!(behind.state.map(|state| state.json.to_string()), Some("{}".to_owned()));
    drop((reader, behind.changes));
    journal.publish();
    assert!(!journal.has_readers());
    assert!(journal.follow(None).state.is_none(), "what the next reader knows, it has asked for");
}

#[test]
fn units_are_told_with_their_answer() {
    let mut journal = journal([event(1, EventKind::Routable)]);
    journal.note(&EventOutcome::Over(EventId(1)));
    journal.unit(EventId(1), "a.service", "start", "asked", None);
    journal.unit(EventId(1), "a.service", "start", "failure", Some("not found"));
    let document = journal.event(EventId(1)).expect("there");
    assert_eq!(document.action, "done");
    assert_eq!(document.units.len(), 1);
    assert_eq!(document.units[0].error.as_deref(), Some("not found"));
}

#[test]
fn what_filters_said_is_part_of_the_event() {
    let mut journal = Journal::new(UNIX_EPOCH);
    let judged =
        |event, filters, is_ignored| EventOutcome::Judged { event: EventId(event), filters, is_ignored };
    journal.record_event(&event(1, EventKind::Mtu), eth0(), Backend::Kernel);
    for note in [
        EventOutcome::Begun { event: EventId(1), skipped: 2 },
        judged(1, vec![1, 3], true),
        EventOutcome::Over(EventId(1)),
    ] {
        journal.note(&note);
    }
    let document = journal.event(EventId(1)).expect("there");
    assert_eq!(
        (document.action.as_str(), document.details.filters, document.details.skipped),
        ("ignored", vec![1, 3], 2)
    );
    // A row of ignored changes of routes is one event.
    for id in 2..=4 {
        journal.record_event(&route(id), eth0(), Backend::Kernel);
        journal.note(&judged(id, vec![2], true));
        let note = if id == 2 {
            EventOutcome::Over(EventId(2))
        } else {
            EventOutcome::Coalesced { event: EventId(id), into: EventId(2) }
        };
        journal.note(&note);
    }
    let document = journal.event(EventId(2)).expect("there");
    assert_eq!((document.action.as_str(), document.details.route_changes), ("ignored", Some(3)));
    assert_eq!(document.details.filters, [2]);
    assert!(journal.event(EventId(4)).is_none());
}
