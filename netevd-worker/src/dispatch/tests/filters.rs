//! Filters before scripts: what runs, what is told, what a batch holds.

use super::super::*;
use super::support::{Fixture, Log, address, event, local};
use crate::filter::{self, DefaultAction, Filter, Filters};
use crate::model::{Action, Detail, EventId, RouteChange};
use protocol::PatternList;

const TELL: &str = "#!/bin/sh\necho \"${0##*/} $LINK $EVENT_ID\" >>@DIR@/ran\n";

fn filter(action: filter::Action, condition: &str) -> Filter {
    Filter { action, condition: Some(filter::parse(condition).expect("good")), ..Filter::default() }
}

fn only(condition: &str, script: &str) -> Filter {
    Filter { scripts: Some([script.to_owned()].into()), ..filter(filter::Action::Execute, condition) }
}

fn filters(list: impl Into<Vec<Filter>>) -> Filters {
    Filters { list: list.into(), ..Filters::default() }
}

fn routes(id: u64, changes: &[(&str, u8)]) -> Event {
    let change = |(destination, protocol): &(&str, u8)| RouteChange {
        action: Action::Added,
        destination: destination.parse().expect("a prefix"),
        gateway: None,
        table: 254,
        metric: 0,
        protocol: *protocol,
        scope: 0,
        route_type: 1,
    };
    Event { detail: Detail::Routes(changes.iter().map(change).collect()), ..event(id, EventKind::Routes, 2) }
}

fn judged(event: u64, filters: impl Into<Vec<u32>>, is_ignored: bool) -> EventOutcome {
    EventOutcome::Judged { event: EventId(event), filters: filters.into(), is_ignored }
}

#[test]
fn ignored_events_run_nothing_and_others_what_is_named() {
    let Some(mut fixture) = Fixture::new("filters") else { return };
    fixture.script("etc/mtu.d/10-a", TELL);
    fixture.script("etc/mtu.d/20-b", TELL);
    fixture.dispatcher.list_begun(true);
    fixture.dispatcher.set_filters(filters([
        filter(filter::Action::Log, "interface == eth2"),
        filter(filter::Action::Ignore, "interface == eth2"),
        only("interface == eth3", "20-b"),
        only("interface == eth4", "none"),
    ]));
    let (log, _guard) = Log::take();
    local(async {
        for (id, link) in [(1, 2), (2, 3), (3, 4), (4, 5)] {
            fixture.submit(event(id, EventKind::Mtu, link));
        }
        fixture.finish().await;
        assert_eq!(fixture.written("ran").lines().count(), 3, "{}", fixture.written("ran"));
        for line in ["20-b eth3 2", "10-a eth5 4", "20-b eth5 4"] {
            assert!(fixture.written("ran").contains(line), "{line}");
        }
        let begun: Vec<u64> = fixture.dispatcher.begun().iter().map(|begun| begun.id.0).collect();
        assert_eq!(begun, [2, 3, 4], "no unit either for what is ignored");
        let outcomes = fixture.dispatcher.outcomes();
        let of_first: Vec<&EventOutcome> = outcomes.iter().take(3).collect();
        let begins = EventOutcome::Begun { event: EventId(1), skipped: 0 };
        assert_eq!(of_first, [&begins, &judged(1, [1, 2], true), &EventOutcome::Over(EventId(1))]);
        assert!(outcomes.contains(&judged(2, [3], false)) && outcomes.contains(&judged(3, [4], false)));
        assert!(
            !outcomes.iter().any(|note| matches!(note, EventOutcome::Judged { event: EventId(4), .. })),
            "{outcomes:?}"
        );
        assert_eq!(fixture.dispatcher.counts().ignored_events, 1);
    });
    let lines = log.with("a filter logs: state routable");
    assert_eq!(lines.len(), 1, "{:?}", log.lines());
    for part in ["link=\"eth2\"", "event=mtu", "event_id=1", "filter=1"] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
}

#[test]
fn what_counts_is_the_moment_when_the_turn_comes() {
    let Some(mut fixture) = Fixture::new("moment") else { return };
    fixture.script("etc/configured.d/10-wait", "#!/bin/sh\nuntil [ -e @DIR@/go ]; do sleep 0.01; done\n");
    fixture.script("etc/mtu.d/10-a", TELL);
    fixture
        .dispatcher
        .set_filters(filters([filter(filter::Action::Ignore, "event == mtu && address_count == 0")]));
    local(async {
        fixture.submit(event(1, EventKind::Configured, 2));
        fixture.submit(event(2, EventKind::Mtu, 2));
        if let Some(link) = fixture.facts.0.get_mut(&LinkId(2)) {
            Arc::make_mut(link).addresses.push(address("192.0.2.2", 24));
        }
        std::fs::write(fixture.path("go"), "").expect("writable");
        fixture.finish().await;
        assert_eq!(fixture.written("ran"), "10-a eth2 2\n");
        // And the filters of that moment.
        std::fs::remove_file(fixture.path("go")).expect("there");
        fixture.submit(event(3, EventKind::Configured, 2));
        fixture.submit(event(4, EventKind::Mtu, 2));
        fixture
            .dispatcher
            .set_filters(Filters { default_action: DefaultAction::Ignore, ..Filters::default() });
        std::fs::write(fixture.path("go"), "").expect("writable");
        fixture.finish().await;
        assert_eq!(fixture.written("ran"), "10-a eth2 2\n");
    });
}

#[test]
fn changes_of_routes_are_judged_one_by_one() {
    let Some(mut fixture) = Fixture::new("sift") else { return };
    let list = "#!/bin/sh\ngrep -o '\"destination\":\"[^\"]*\"' >>@DIR@/${0##*/}\necho >>@DIR@/${0##*/}\n";
    fixture.script("etc/routes.d/10-all", list);
    fixture.script("etc/routes.d/20-bgp", list);
    fixture.dispatcher.set_filters(filters([
        filter(filter::Action::Ignore, "route_protocol == babel"),
        only("route_protocol == bgp", "20-bgp"),
    ]));
    local(async {
        let mixed = [("10.1.0.0/16", 4), ("10.2.0.0/16", 42), ("10.3.0.0/16", 186)];
        fixture.dispatcher.submit(routes(1, &mixed), &fixture.facts);
        fixture.dispatcher.submit(routes(2, &[("10.4.0.0/16", 186)]), &fixture.facts);
        fixture.dispatcher.submit(routes(3, &[("10.5.0.0/16", 42)]), &fixture.facts);
        fixture.dispatcher.submit(routes(4, &[("10.6.0.0/16", 42)]), &fixture.facts);
        let expected = [
            judged(1, [1, 2], false),
            judged(2, [2], false),
            EventOutcome::Coalesced { event: EventId(2), into: EventId(1) },
            judged(3, [1], true),
            EventOutcome::Over(EventId(3)),
            judged(4, [1], true),
            EventOutcome::Coalesced { event: EventId(4), into: EventId(3) },
        ];
        assert_eq!(fixture.dispatcher.outcomes(), expected);
        // A second later they are an event of their own.
        let mut late = routes(5, &[("10.7.0.0/16", 42)]);
        late.time += Duration::from_secs(1);
        fixture.dispatcher.submit(late, &fixture.facts);
        assert_eq!(fixture.dispatcher.outcomes(), [judged(5, [1], true), EventOutcome::Over(EventId(5))]);
        // A reload does not touch what waits in a batch.
        fixture
            .dispatcher
            .set_filters(Filters { default_action: DefaultAction::Ignore, ..Filters::default() });
        fixture.dispatcher.start_due(&fixture.facts);
        fixture.finish().await;
        let destinations = |name: &str| {
            let written = fixture.written(name);
            let runs = written.trim_end().split("\n\n");
            runs.map(|run| run.replace("\"destination\":", "").replace('"', "").replace('\n', " "))
                .collect::<Vec<_>>()
        };
        assert_eq!(destinations("10-all"), ["10.1.0.0/16"]);
        assert_eq!(destinations("20-bgp"), ["10.1.0.0/16", "10.3.0.0/16 10.4.0.0/16"]);
    });
}

#[test]
fn a_storm_of_lines_is_bounded_and_counted() {
    let Some(mut fixture) = Fixture::new("lines") else { return };
    fixture.dispatcher.set_filters(filters([
        filter(filter::Action::Log, "event == routes"),
        filter(filter::Action::Ignore, "event == routes"),
    ]));
    let (log, _guard) = Log::take();
    local(async {
        let names: Vec<String> =
            (0..=255).flat_map(|a| (0..8).map(move |b| format!("10.{b}.{a}.0/24"))).collect();
        for (id, name) in (1..).zip(&names) {
            fixture.dispatcher.submit(routes(id, &[(name, 4)]), &fixture.facts);
        }
    });
    let lines = log.with("a filter logs: route 10.").len();
    // At most a second's worth, unless this took longer than one.
    assert!((200..1_000).contains(&lines), "{lines}");
    assert_eq!(fixture.dispatcher.counts().ignored_events, 2_048);
}

#[test]
fn the_last_values_of_a_link_that_is_gone_decide() {
    let Some(mut fixture) = Fixture::new("gone") else { return };
    fixture.script("etc/link-removed.d/10-a", TELL);
    let on_eth8 = Filter {
        action: filter::Action::Execute,
        interface: PatternList::new(["eth8"]).expect("good"),
        ..Filter::default()
    };
    fixture.dispatcher.set_filters(Filters { list: vec![on_eth8], default_action: DefaultAction::Ignore });
    local(async {
        let last = fixture.facts.0.remove(&LinkId(8)).expect("there");
        fixture.dispatcher.link_gone(LinkId(8), last);
        fixture.submit(event(1, EventKind::LinkRemoved, 8));
        fixture.finish().await;
        assert_eq!(fixture.written("ran"), "10-a eth8 1\n");
    });
}
