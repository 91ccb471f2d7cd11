//! Coalescing, turns and bounds, case by case and for any order of events.

use super::*;
use crate::event::{Action, EventId, EventKind, RouteChange, Track};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

fn event(id: u64, kind: EventKind, link: u64) -> Event {
    Event {
        id: EventId(id),
        kind,
        track: Track::Operational,
        link: LinkId(link),
        state: kind.name(),
        old_state: None,
        startup: false,
        time: UNIX_EPOCH,
        detail: Detail::None,
    }
}

fn routes(id: u64, destinations: impl IntoIterator<Item = u32>) -> Event {
    let change = |destination: u32| RouteChange {
        action: Action::Added,
        destination: protocol::Prefix::host(std::net::Ipv4Addr::from_bits(destination).into()),
        gateway: None,
        table: 254,
        metric: 0,
        protocol: 4,
        scope: 0,
        route_type: 1,
    };
    Event {
        detail: Detail::Routes(destinations.into_iter().map(change).collect()),
        ..event(id, EventKind::Routes, 1)
    }
}

/// Runs everything that waits, each event over before the next is taken.
fn drain(queues: &mut Queues) -> Vec<(u64, EventKind, u64)> {
    let mut ran = Vec::new();
    while let Some(due) = queues.next() {
        ran.push((due.event.id.0, due.event.kind, due.skipped));
        queues.finished(due.event.link);
    }
    ran
}

fn push_all(queues: &mut Queues, kinds: &[EventKind]) {
    for (id, kind) in (1..).zip(kinds) {
        queues.push(event(id, *kind, 1), None).expect("there is room");
    }
}

#[test]
fn what_coalesces() {
    use EventKind::*;
    type Ran<'a> = &'a [(u64, EventKind, u64)];
    let cases: &[(&[EventKind], Ran<'_>)] = &[
        // A climb runs whole, with the edges between.
        (
            &[Carrier, AddressAdded, Configured, Routable],
            &[(1, Carrier, 0), (2, AddressAdded, 0), (3, Configured, 0), (4, Routable, 0)],
        ),
        // What was climbed is lost again: only the loss is left, and says how much it stands for.
        (&[Carrier, Configured, Routable, NoCarrier], &[(4, NoCarrier, 3)]),
        (&[Carrier, Configured, Routable, Degraded], &[(1, Carrier, 0), (4, Degraded, 2)]),
        // Flapping: the counts add up.
        (
            &[NoCarrier, Carrier, NoCarrier, Carrier, Routable],
            &[(3, NoCarrier, 2), (4, Carrier, 0), (5, Routable, 0)],
        ),
        // Managers' own states have no order: the newest stands for all.
        (&[Configuring, Carrier, Prepare, IpConfig, Activated], &[(5, Activated, 4)]),
        // A value keeps its place; edges are never dropped.
        (
            &[Mtu, LinkRemoved, Mtu, AddressRemoved, AddressRemoved, Mtu],
            &[(6, Mtu, 2), (2, LinkRemoved, 0), (4, AddressRemoved, 0), (5, AddressRemoved, 0)],
        ),
    ];
    for (kinds, expected) in cases {
        let mut queues = Queues::default();
        push_all(&mut queues, kinds);
        assert_eq!(queues.len(), expected.len(), "{kinds:?}");
        assert_eq!(drain(&mut queues), *expected, "{kinds:?}");
        assert_eq!(queues.len(), 0);
        assert!(queues.links.is_empty(), "queues vanish when empty");
    }
}

#[test]
fn a_started_event_is_not_superseded() {
    let mut queues = Queues::default();
    push_all(&mut queues, &[EventKind::Routable]);
    let started = queues.next().expect("due");
    queues.push(event(2, EventKind::NoCarrier, 1), None).expect("room");
    assert!(queues.next().is_none(), "one event of a link at a time");
    queues.finished(started.event.link);
    assert_eq!(drain(&mut queues), [(2, EventKind::NoCarrier, 0)]);
}

#[test]
fn an_mtu_run_tells_the_value_before_all_changes() {
    let mut queues = Queues::default();
    for (id, old, new) in [(1, 1_500, 1_400), (2, 1_400, 9_000)] {
        let detail = Detail::Mtu { old, new };
        queues.push(Event { detail, ..event(id, EventKind::Mtu, 1) }, None).expect("room");
    }
    let due = queues.next().expect("due");
    assert_eq!((due.event.detail, due.skipped), (Detail::Mtu { old: 1_500, new: 9_000 }, 1));
}

#[test]
fn routes_gather_in_one_batch() {
    let mut queues = Queues::default();
    queues.push(routes(1, [1, 2]), None).expect("room");
    queues.push(routes(2, [3, 1]), None).expect("room");
    let due = queues.next().expect("due");
    assert_eq!((due.event.id.0, due.skipped, due.truncated), (1, 1, false));
    assert_eq!(due.event.detail, routes(0, [2, 3, 1]).detail);
    // What comes while it runs is the next batch, and far too much is cut and told.
    queues.push(routes(3, 0..5_000), None).expect("room");
    queues.finished(due.event.link);
    let due = queues.next().expect("due");
    assert_eq!((due.event.id.0, due.skipped, due.truncated), (3, 904, true));
}

#[test]
fn links_take_turns() {
    let mut queues = Queues::default();
    for (id, link) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
        queues.push(event(id, EventKind::AddressAdded, link), None).expect("room");
    }
    let order: Vec<u64> = drain(&mut queues).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(order, [1, 3, 5, 2, 4]);
}

#[test]
fn edges_are_bounded_per_link_and_in_all_and_states_still_get_in() {
    let mut queues = Queues::default();
    let mut id = 0;
    let mut push = |queues: &mut Queues, kind, link| {
        id += 1;
        queues.push(event(id, kind, link), None)
    };
    for _ in 0..EDGES_PER_LINK {
        push(&mut queues, EventKind::AddressAdded, 1).expect("room");
    }
    let full = push(&mut queues, EventKind::AddressAdded, 1);
    assert_eq!(full, Err(Full { link: LinkId(1), pending: EDGES_PER_LINK }));
    for link in 2..=8 {
        for _ in 0..EDGES_PER_LINK {
            push(&mut queues, EventKind::AddressAdded, link).expect("room");
        }
    }
    assert_eq!(queues.len(), EDGES_MAX);
    assert!(push(&mut queues, EventKind::AddressAdded, 9).is_err());
    assert!(
        push(&mut queues, EventKind::Routable, 9).is_ok() && push(&mut queues, EventKind::Mtu, 1).is_ok()
    );
    assert!(!queues.links.contains_key(&LinkId(10)));
    // Room comes back with each event that runs.
    for _ in 0..3 {
        let due = queues.next().expect("due");
        queues.finished(due.event.link);
    }
    assert!(push(&mut queues, EventKind::AddressAdded, 1).is_ok());
}

#[test]
fn a_link_that_is_gone_keeps_its_last_values_until_its_queue_is_empty() {
    let last = Arc::new(crate::dispatch::tests::support::link(1));
    let mut queues = Queues::default();
    queues.link_gone(LinkId(1), Arc::clone(&last));
    queues.push(event(1, EventKind::LinkRemoved, 1), None).expect("room");
    queues.forget_idle();
    let due = queues.next().expect("due");
    assert_eq!(due.last, Some(Arc::clone(&last)));
    assert_eq!(queues.last(LinkId(1)), Some(Arc::clone(&last)));
    queues.finished(LinkId(1));
    assert!(queues.links.is_empty());
    queues.link_gone(LinkId(2), last);
    queues.forget_idle();
    assert!(queues.links.is_empty(), "nothing followed");
}

#[test]
fn clearing_says_how_much_was_lost() {
    let mut queues = Queues::default();
    push_all(&mut queues, &[EventKind::AddressAdded, EventKind::Routable]);
    assert_eq!(queues.clear(), 2);
    assert!(queues.next().is_none());
}

#[derive(Clone, Debug)]
enum Step {
    Push(EventKind, u64),
    Start,
    Finish(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (prop::sample::select(EventKind::ALL), 1u64..4)
            .prop_filter("routes are counted by changes", |(kind, _)| *kind != EventKind::Routes)
            .prop_map(|(kind, link)| Step::Push(kind, link)),
        2 => Just(Step::Start),
        2 => any::<prop::sample::Index>().prop_map(|index| Step::Finish(index.index(3))),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_uncounted(steps in prop::collection::vec(step(), 0..200)) {
        let mut queues = Queues::default();
        let mut out: Vec<LinkId> = Vec::new();
        let mut ran: Vec<Due> = Vec::new();
        let mut last_state: BTreeMap<LinkId, EventId> = BTreeMap::new();
        let mut edges: Vec<EventId> = Vec::new();
        let mut submitted = 0;
        for step in steps {
            match step {
                Step::Push(kind, link) => {
                    submitted += 1;
                    match kind.class() {
                        Class::State => { last_state.insert(LinkId(link), EventId(submitted)); }
                        Class::Edge => edges.push(EventId(submitted)),
                        Class::Value | Class::Batch => {}
                    }
                    queues.push(event(submitted, kind, link), None).expect("far from full");
                }
                Step::Start => if let Some(due) = queues.next() {
                    prop_assert!(!out.contains(&due.event.link), "two events of one link at a time");
                    out.push(due.event.link);
                    ran.push(due);
                },
                Step::Finish(index) => if index < out.len() {
                    queues.finished(out.remove(index));
                },
            }
            let gone: u64 = ran.iter().map(|due| due.skipped + 1).sum();
            let waiting: u64 = queues.links.values().flat_map(|q| &q.pending).map(|p| p.skipped + 1).sum();
            prop_assert_eq!(gone + waiting, submitted);
            let count: usize = queues.links.values().map(|queue| queue.pending.len()).sum();
            prop_assert_eq!(count, queues.len());
        }
        out.into_iter().for_each(|link| queues.finished(link));
        while let Some(due) = queues.next() {
            queues.finished(due.event.link);
            ran.push(due);
        }
        prop_assert!(queues.links.is_empty() && queues.len() == 0);
        for (link, id) in last_state {
            let last = ran.iter().rfind(|due| due.event.link == link && due.event.kind.class() == Class::State);
            prop_assert_eq!(last.map(|due| due.event.id), Some(id));
        }
        for edge in edges {
            prop_assert!(ran.iter().any(|due| due.event.id == edge), "an edge was dropped");
        }
        for link in 1..4 {
            // States of a link run in the order in which they came.
            let states: Vec<EventId> = ran.iter()
                .filter(|due| due.event.link == LinkId(link) && due.event.kind.class() == Class::State)
                .map(|due| due.event.id).collect();
            prop_assert!(states.is_sorted());
        }
    }
}

#[test]
fn who_stands_for_whom_is_told() {
    let mut queues = Queues::default();
    for (id, kind) in
        [(1, EventKind::Carrier), (2, EventKind::NoCarrier), (3, EventKind::Mtu), (4, EventKind::Mtu)]
    {
        queues.push(event(id, kind, 1), None).expect("room");
    }
    queues.push(routes(5, [1]), None).expect("room");
    queues.push(routes(6, [2]), None).expect("room");
    let coalesced = |event, into| Note::Coalesced { event: EventId(event), into: EventId(into) };
    assert_eq!(queues.notes, [coalesced(1, 2), coalesced(3, 4), coalesced(6, 5)]);
}
