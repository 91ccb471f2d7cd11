//! Coalescing, turns and bounds, case by case and for any order of events.

use super::*;
use crate::model::{
    Action, DefaultNextHop, Detail, EventId, EventKind, EventValues, GatewayChange, RouteChange, Track,
};
use proptest::prelude::*;
use protocol::Family;
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
        then: EventValues::Present,
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

/// Most tests have one incarnation of each link, so names do not matter.
fn unnamed() -> Option<InterfaceName> {
    None
}

/// The next event, where no event has a second script.
fn next(queues: &mut Queues) -> Option<Due> {
    match queues.next()? {
        Turn::Event(due) => Some(due),
        Turn::Script(link) => panic!("a second script of {link:?}"),
    }
}

/// Runs everything that waits, each event over before the next is taken.
fn drain(queues: &mut Queues) -> Vec<(u64, EventKind, u64)> {
    let mut ran = Vec::new();
    while let Some(due) = next(queues) {
        ran.push((due.event.id.0, due.event.kind, due.skipped));
        queues.finished(due.event.link);
    }
    ran
}

/// What waits under all names.
fn pending(queues: &Queues) -> impl Iterator<Item = &super::super::name_queue::Pending> {
    queues.names.values().flat_map(|queue| &queue.pending)
}

fn push_all(queues: &mut Queues, kinds: &[EventKind]) {
    for (id, kind) in (1..).zip(kinds) {
        queues.push(event(id, *kind, 1), None, unnamed).expect("there is room");
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
        assert!(queues.links.is_empty() && queues.names.is_empty(), "queues vanish when empty");
    }
}

/// What becomes of these states of a link's setup, where all of them wait.
fn chain(kinds: &[EventKind]) -> Vec<(EventKind, u64)> {
    let mut queues = Queues::default();
    for (id, kind) in (1..).zip(kinds) {
        let event = Event { track: Track::Administrative, ..event(id, *kind, 1) };
        queues.push(event, None, unnamed).expect("there is room");
    }
    drain(&mut queues).into_iter().map(|(_, kind, skipped)| (kind, skipped)).collect()
}

#[test]
fn states_that_end_something_are_kept_as_a_chain() {
    use EventKind::*;
    let kept =
        |kinds: &[EventKind]| -> Vec<(EventKind, u64)> { kinds.iter().map(|kind| (*kind, 0)).collect() };
    // NetworkManager when the machine goes to sleep, and when an activation fails: within a millisecond.
    let sleep = [Deactivating, Disconnected, Unmanaged];
    assert_eq!(chain(&sleep), kept(&sleep));
    assert_eq!(chain(&[Prepare, Config, Failed, Disconnected]), [(Failed, 2), (Disconnected, 0)]);
    // Waking up, the climb that follows runs whole, behind the ends before it.
    let awake = [Deactivating, Unmanaged, Unavailable, Disconnected, Prepare, Activated];
    assert_eq!(chain(&awake), kept(&awake));
    // Each at most once, and the newest of its kind: a connection that is tried three times.
    let tries = [Prepare, Config, Failed, Disconnected].repeat(3);
    assert_eq!(chain(&tries), [(Failed, 8), (Disconnected, 2)]);
    // networkd: a link that failed and is configured again; one that goes.
    assert_eq!(chain(&[Configuring, Failed, Configuring]), [(Failed, 1), (Configuring, 0)]);
    assert_eq!(chain(&[Configuring, Configured, Unmanaged, Linger]), [(Unmanaged, 2), (Linger, 0)]);
}

#[test]
fn a_started_event_is_not_superseded() {
    let mut queues = Queues::default();
    push_all(&mut queues, &[EventKind::Routable]);
    let started = next(&mut queues).expect("due");
    queues.push(event(2, EventKind::NoCarrier, 1), None, unnamed).expect("room");
    assert!(queues.next().is_none(), "one event of a link at a time");
    queues.finished(started.event.link);
    assert_eq!(drain(&mut queues), [(2, EventKind::NoCarrier, 0)]);
}

#[test]
fn each_family_has_a_gateway_of_its_own() {
    let via = |n: u8| Some(DefaultNextHop::Via(std::net::Ipv4Addr::new(192, 0, 2, n).into()));
    let mut queues = Queues::default();
    for (id, family, old, new) in [
        (1, Family::V4, None, via(1)),
        (2, Family::V6, via(7), None),
        (3, Family::V4, via(1), None),
        (4, Family::V4, None, via(2)),
    ] {
        let detail = Detail::Gateway(GatewayChange { family, old, new });
        queues.push(Event { detail, ..event(id, EventKind::Gateway, 1) }, None, unnamed).expect("room");
    }
    let first = next(&mut queues).expect("due");
    let all = GatewayChange { family: Family::V4, old: None, new: via(2) };
    assert_eq!((first.event.id.0, first.skipped, first.event.detail), (4, 2, Detail::Gateway(all)));
    queues.finished(first.event.link);
    assert_eq!(drain(&mut queues), [(2, EventKind::Gateway, 0)]);
}

#[test]
fn an_mtu_run_tells_the_value_before_all_changes() {
    let mut queues = Queues::default();
    for (id, old, new) in [(1, 1_500, 1_400), (2, 1_400, 9_000)] {
        let detail = Detail::Mtu { old, new };
        queues.push(Event { detail, ..event(id, EventKind::Mtu, 1) }, None, unnamed).expect("room");
    }
    let due = next(&mut queues).expect("due");
    assert_eq!((due.event.detail, due.skipped), (Detail::Mtu { old: 1_500, new: 9_000 }, 1));
}

#[test]
fn routes_gather_in_one_batch() {
    let mut queues = Queues::default();
    queues.push(routes(1, [1, 2]), None, unnamed).expect("room");
    queues.push(routes(2, [3, 1]), None, unnamed).expect("room");
    let due = next(&mut queues).expect("due");
    assert_eq!((due.event.id.0, due.skipped, due.truncated), (1, 1, false));
    assert_eq!(due.event.detail, routes(0, [2, 3, 1]).detail);
    // What comes while it runs is the next batch, and far too much is cut and told.
    queues.push(routes(3, 0..5_000), None, unnamed).expect("room");
    queues.finished(due.event.link);
    let due = next(&mut queues).expect("due");
    assert_eq!((due.event.id.0, due.skipped, due.truncated), (3, 904, true));
}

#[test]
fn links_take_turns() {
    let mut queues = Queues::default();
    for (id, link) in [(1, 1), (2, 1), (3, 2), (4, 2), (5, 3)] {
        queues.push(event(id, EventKind::AddressAdded, link), None, unnamed).expect("room");
    }
    let order: Vec<u64> = drain(&mut queues).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(order, [1, 3, 5, 2, 4]);
}

#[test]
fn a_first_script_does_not_wait_behind_others_second() {
    let mut queues = Queues::default();
    for (id, link) in [(1, 1), (2, 2), (3, 2)] {
        queues.push(event(id, EventKind::AddressAdded, link), None, unnamed).expect("room");
    }
    // Both links have had their first script, and want a second: of the same event, and of the next.
    for _ in 0..2 {
        next(&mut queues).expect("due");
    }
    queues.paused(LinkId(1));
    queues.finished(LinkId(2));
    // A link that was idle comes now.
    queues.push(event(4, EventKind::AddressAdded, 3), None, unnamed).expect("room");
    assert_eq!(queues.ready(), 3);
    assert!(matches!(queues.next(), Some(Turn::Event(due)) if due.event.id.0 == 4));
    assert!(matches!(queues.next(), Some(Turn::Script(LinkId(1)))), "the same event goes on");
    assert!(matches!(queues.next(), Some(Turn::Event(due)) if due.event.id.0 == 3));
    assert!(queues.next().is_none());
    for link in 1..=3 {
        queues.finished(LinkId(link));
    }
    assert!(queues.links.is_empty() && queues.names.is_empty());
}

#[test]
fn edges_are_bounded_per_link_and_in_all_and_states_still_get_in() {
    let mut queues = Queues::default();
    let mut id = 0;
    let mut push = |queues: &mut Queues, kind, link| {
        id += 1;
        queues.push(event(id, kind, link), None, unnamed)
    };
    for _ in 0..EDGES_PER_NAME {
        push(&mut queues, EventKind::AddressAdded, 1).expect("room");
    }
    let full = push(&mut queues, EventKind::AddressAdded, 1);
    assert_eq!(full, Err(Full { link: LinkId(1), pending: EDGES_PER_NAME }));
    for link in 2..=8 {
        for _ in 0..EDGES_PER_NAME {
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
        let due = next(&mut queues).expect("due");
        queues.finished(due.event.link);
    }
    assert!(push(&mut queues, EventKind::AddressAdded, 1).is_ok());
}

#[test]
fn a_link_that_is_gone_keeps_its_last_values_until_its_queue_is_empty() {
    let last = Arc::new(crate::dispatch::tests::support::link(1));
    let mut queues = Queues::default();
    queues.link_gone(LinkId(1), Arc::clone(&last));
    queues.push(event(1, EventKind::LinkRemoved, 1), None, unnamed).expect("room");
    queues.forget_idle();
    let due = next(&mut queues).expect("due");
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
                    queues.push(event(submitted, kind, link), None, unnamed).expect("far from full");
                }
                Step::Start => if let Some(due) = next(&mut queues) {
                    prop_assert!(!out.contains(&due.event.link), "two events of one link at a time");
                    out.push(due.event.link);
                    ran.push(due);
                },
                Step::Finish(index) => if index < out.len() {
                    queues.finished(out.remove(index));
                },
            }
            let gone: u64 = ran.iter().map(|due| due.skipped + 1).sum();
            let waiting: u64 = pending(&queues).map(|p| p.skipped + 1).sum();
            prop_assert_eq!(gone + waiting, submitted);
            prop_assert_eq!(pending(&queues).count(), queues.len());
        }
        out.into_iter().for_each(|link| queues.finished(link));
        while let Some(due) = next(&mut queues) {
            queues.finished(due.event.link);
            ran.push(due);
        }
        prop_assert!(queues.links.is_empty() && queues.names.is_empty() && queues.len() == 0);
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

/// A link's life under a few names, as scripts are asked to follow it, and slow scripts.
#[derive(Clone, Copy, Debug)]
enum Life {
    /// The link of this name goes if it is there; else one comes.
    Turn(usize),
    /// The link of the first name gets the second one, if that is free.
    Rename(usize, usize),
    /// A setup of the link of this name begins (state 0 to 8, a manager's), and whether it ends.
    Set(usize, usize),
    /// A script starts; the one that has run longest, or any other, ends.
    Start,
    Finish(usize),
}

const NAMES: [&str; 3] = ["wg0", "wg1", "ppp0"];
const SETUP: [EventKind; 9] = {
    use EventKind::*;
    [Prepare, Config, IpConfig, Activated, Deactivating, Failed, Disconnected, Unmanaged, Unavailable]
};

fn life() -> impl Strategy<Value = Life> {
    prop_oneof![
        3 => (0..NAMES.len()).prop_map(Life::Turn),
        1 => (0..NAMES.len(), 0..NAMES.len()).prop_map(|(from, to)| Life::Rename(from, to)),
        4 => (0..NAMES.len(), 0..SETUP.len()).prop_map(|(name, state)| Life::Set(name, state)),
        3 => Just(Life::Start),
        2 => any::<prop::sample::Index>().prop_map(|index| Life::Finish(index.index(3))),
    ]
}

/// Links by name, and the queues that hear of them.
#[derive(Default)]
struct World {
    there: BTreeMap<usize, LinkId>,
    /// The last state of each link's setup.
    set: BTreeMap<LinkId, EventKind>,
    /// Every state that ends something and that has not run, nor a newer one of its kind.
    ends: Vec<(LinkId, EventKind)>,
    queues: Queues,
    events: u64,
    links: u64,
    /// Names whose script runs, and the link.
    out: Vec<(usize, LinkId)>,
    /// What ran under each name, in order.
    ran: BTreeMap<usize, Vec<(LinkId, EventKind)>>,
    of_link: BTreeMap<LinkId, usize>,
}

impl World {
    fn push(&mut self, name: usize, link: LinkId, kind: EventKind) {
        self.events += 1;
        let track = Track::Administrative;
        let event = Event { track, ..event(self.events, kind, link.0) };
        let name = || InterfaceName::new(NAMES[name]).ok();
        self.queues.push(event, None, name).expect("far from full");
    }

    fn comes(&mut self, name: usize) {
        self.links += 1;
        let link = LinkId(self.links);
        self.there.insert(name, link);
        self.of_link.insert(link, name);
        self.push(name, link, EventKind::LinkAdded);
    }

    fn goes(&mut self, name: usize) -> bool {
        let Some(link) = self.there.remove(&name) else { return false };
        let last = LinkFacts {
            name: InterfaceName::new(NAMES[name]).expect("legal"),
            ..crate::dispatch::tests::support::link(link.0)
        };
        self.queues.link_gone(link, Arc::new(last));
        self.push(name, link, EventKind::LinkRemoved);
        true
    }

    fn live(&mut self, life: Life) -> Result<(), TestCaseError> {
        match life {
            Life::Turn(name) => {
                if !self.goes(name) {
                    self.comes(name);
                }
            }
            Life::Rename(from, to) => {
                if !self.there.contains_key(&to) && self.goes(from) {
                    self.comes(to);
                }
            }
            Life::Set(name, state) => {
                if let Some(link) = self.there.get(&name).copied() {
                    let kind = SETUP[state];
                    self.set.insert(link, kind);
                    if state > 3 {
                        self.ends.retain(|known| *known != (link, kind));
                        self.ends.push((link, kind));
                    }
                    self.push(name, link, kind);
                }
            }
            Life::Start => self.start()?,
            Life::Finish(index) if index < self.out.len() => {
                let (_, link) = self.out.remove(index);
                self.queues.finished(link);
            }
            Life::Finish(_) => {}
        }
        self.queues.forget_idle();
        Ok(())
    }

    fn start(&mut self) -> Result<(), TestCaseError> {
        let Some(due) = next(&mut self.queues) else { return Ok(()) };
        let (link, kind) = (due.event.link, due.event.kind);
        let name = self.of_link[&link];
        prop_assert!(!self.out.iter().any(|(busy, _)| *busy == name), "two scripts of one name");
        prop_assert_eq!(due.last.is_some(), !self.there.values().any(|there| *there == link));
        self.out.push((name, link));
        self.ends.retain(|known| *known != (link, kind));
        self.ran.entry(name).or_default().push((link, kind));
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_last_script_of_each_name_agrees_with_what_is(lives in prop::collection::vec(life(), 0..200)) {
        let mut world = World::default();
        for life in lives {
            world.live(life)?;
        }
        while world.queues.len() > 0 || !world.out.is_empty() {
            for (_, link) in std::mem::take(&mut world.out) {
                world.queues.finished(link);
            }
            world.start()?;
        }
        prop_assert!(world.queues.links.is_empty() && world.queues.names.is_empty());
        prop_assert_eq!(&world.ends, &[], "each end ran, or a newer one of its kind");
        for (name, ran) in &world.ran {
            let lives: Vec<_> = ran.iter().filter(|(_, kind)| kind.class() == Class::Edge).collect();
            let last = if let Some(link) = world.there.get(name) {
                (*link, EventKind::LinkAdded)
            } else {
                (lives.last().expect("it was there").0, EventKind::LinkRemoved)
            };
            prop_assert_eq!(lives.last(), Some(&&last));
            prop_assert!(ran.is_sorted_by_key(|(link, _)| *link), "one incarnation after the other");
        }
        for (link, state) in &world.set {
            let mut ran = world.ran[&world.of_link[link]].iter();
            let last = ran.rfind(|(of, kind)| of == link && kind.class() == Class::State);
            prop_assert_eq!(last, Some(&(*link, *state)), "the last state of its setup");
        }
    }
}

#[test]
fn the_end_of_the_old_one_goes_before_the_beginning_of_the_new_one() {
    // A dump tells links by their index: another one has the name already.
    let name = || InterfaceName::new("eth0").ok();
    let mut queues = Queues::default();
    queues.push(event(1, EventKind::AddressAdded, 5), None, name).expect("room");
    queues.push(event(2, EventKind::LinkAdded, 9), None, name).expect("room");
    queues.push(event(3, EventKind::LinkRemoved, 5), None, name).expect("room");
    let ran: Vec<u64> = drain(&mut queues).into_iter().map(|(id, ..)| id).collect();
    assert_eq!(ran, [1, 3, 2]);
}

#[test]
fn who_stands_for_whom_is_told() {
    let mut queues = Queues::default();
    for (id, kind) in
        [(1, EventKind::Carrier), (2, EventKind::NoCarrier), (3, EventKind::Mtu), (4, EventKind::Mtu)]
    {
        queues.push(event(id, kind, 1), None, unnamed).expect("room");
    }
    queues.push(routes(5, [1]), None, unnamed).expect("room");
    queues.push(routes(6, [2]), None, unnamed).expect("room");
    let coalesced = |event, into| EventOutcome::Coalesced { event: EventId(event), into: EventId(into) };
    assert_eq!(queues.outcomes, [coalesced(1, 2), coalesced(3, 4), coalesced(6, 5)]);
}
