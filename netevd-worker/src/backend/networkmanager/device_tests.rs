//! A device's pipeline, with the time and the readings in the test's hand.

use super::*;
use proptest::prelude::*;

/// What was told: the state's name, or `facts`, with the reading's number as the only server.
fn reported(out: &mut Vec<LinkReport>) -> Vec<String> {
    let one = |report: LinkReport| {
        let facts = report.facts.expect("facts come with every report");
        let server = facts.connection_id.clone().unwrap_or_default();
        format!("{} {server}", report.administrative.map_or("facts", |word| word.name)).trim_end().to_owned()
    };
    out.drain(..).map(one).collect()
}

fn reading(state: u32, connection: &str) -> Reading {
    Reading {
        ifindex: Ifindex::try_from(7).ok(),
        state: Some((state, 0)),
        configs: [Some((IP4.to_owned(), Config::default())), Some(("/ip6".to_owned(), Config::default()))],
        dhcps: [None, None],
        facts: ManagerFacts {
            connection_id: Some(connection.to_owned()).filter(|id| !id.is_empty()),
            ..ManagerFacts::default()
        },
    }
}

const IP4: &str = "/org/freedesktop/NetworkManager/IP4Config/1";

fn change(new: u32, old: u32) -> Change {
    Change { new, old, reason: 39 }
}

fn gateway(address: &str) -> Properties {
    Properties::from([("Gateway", zbus::Variant::from(address.to_owned()))])
}

/// A device that was found disconnected.
fn found(now: Instant) -> (Device, Vec<LinkReport>) {
    let (mut device, mut out) = (Device::new(), Vec::new());
    assert!(device.begin(now));
    assert!(!device.begin(now), "one at a time");
    device.read(reading(30, ""), now, &mut out);
    assert_eq!(reported(&mut out), ["disconnected"]);
    (device, out)
}

fn after(now: Instant, milliseconds: u64) -> Instant {
    now + Duration::from_millis(milliseconds)
}

#[test]
fn an_activation_waits_for_what_it_is_about_and_for_nothing_else() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(40, 30), now);
    device.changed(change(50, 40), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), [""; 0], "preparing waits, and what comes after it with it");
    assert!(device.begin(now));
    device.read(reading(50, "one"), after(now, 1), &mut out);
    assert_eq!(reported(&mut out), ["prepare one", "config one"]);
    device.changed(change(70, 50), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["ip-config one"], "at once");
    assert!(!device.begin(now));
    device.changed(change(100, 70), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["activated one"], "at once: what it needs came by signals");
    // Afterwards it is made sure of.
    assert!(device.begin(now));
    device.read(reading(100, "one"), now, &mut out);
    assert_eq!(reported(&mut out), [""; 0]);
    assert_eq!(device.due(true), None, "nothing wakes anybody");
}

#[test]
fn the_end_of_a_connection_names_it_and_is_told_at_once() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(40, 30), now);
    assert!(device.begin(now));
    device.read(reading(40, "one"), now, &mut out);
    device.config_changed(IP4, &gateway("192.0.2.1"), &mut out);
    device.changed(change(100, 40), now);
    device.drain(now, &mut out);
    assert_eq!(out.last().and_then(|r| r.facts.as_ref()?.gateway), "192.0.2.1".parse().ok());
    device.changed(change(30, 100), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["prepare one", "facts one", "activated one", "disconnected one"]);
    // Then what it took with it.
    assert!(device.begin(now));
    device.read(reading(30, ""), now, &mut out);
    assert_eq!(out.first().and_then(|r| r.facts.as_ref()).map(|f| f.gateway), Some(None));
    assert_eq!(reported(&mut out), ["facts one"]);
}

#[test]
fn a_reading_of_the_next_connection_does_not_change_the_end_of_this_one() {
    let now = Instant::now();
    let of = |state, connection: &str| {
        let mut reading = reading(state, connection);
        reading.facts.connection_uuid = Some(connection.to_owned());
        reading
    };
    let (mut device, mut out) = (Device::new(), Vec::new());
    assert!(device.begin(now));
    device.read(of(100, "one"), now, &mut out);
    device.config_changed(IP4, &gateway("192.0.2.1"), &mut out);
    assert!(device.begin(now) || device.wanted == device.begun);
    // The answer overtakes the signals of the end.
    device.read(of(50, "two"), now, &mut out);
    for (new, old) in [(110, 100), (30, 110), (40, 30)] {
        device.changed(change(new, old), now);
        device.drain(now, &mut out);
    }
    assert_eq!(reported(&mut out), ["activated one", "facts one", "deactivating one", "disconnected one"]);
    assert!(device.begin(now));
    device.read(of(50, "two"), now, &mut out);
    assert_eq!(reported(&mut out), ["prepare two"]);
    // One that nothing announces is taken at the second time.
    assert!(device.begin(now + RESYNC_DELAY));
    device.read(of(100, "three"), now, &mut out);
    assert!(device.begin(now + RESYNC_DELAY * 2));
    device.read(of(100, "three"), now, &mut out);
    assert_eq!(reported(&mut out), ["facts three"]);
}

#[test]
fn a_reading_that_began_before_the_change_does_not_serve_it() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(20, 30), now);
    device.changed(change(40, 20), now);
    assert!(device.begin(now));
    device.changed(change(40, 40), now);
    device.read(reading(40, "one"), now, &mut out);
    assert_eq!(reported(&mut out), ["unavailable one", "prepare one"]);
    assert!(device.begin(now));
    device.read(reading(40, "two"), now, &mut out);
    assert_eq!(reported(&mut out), ["prepare two"]);
}

#[test]
fn what_is_read_while_a_signal_comes_is_read_again() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(100, 30), now);
    device.drain(now, &mut out);
    assert!(device.begin(now));
    device.config_changed(IP4, &gateway("192.0.2.1"), &mut out);
    assert_eq!(reported(&mut out), ["activated", "facts"]);
    // Of before the signal.
    device.read(reading(100, "one"), now, &mut out);
    assert_eq!(reported(&mut out), ["facts one"]);
    assert!(device.begin(now));
    let mut newer = reading(100, "one");
    newer.configs[0] = Some((IP4.to_owned(), Config::read(&gateway("192.0.2.1"))));
    device.read(newer, now, &mut out);
    assert_eq!(out.first().and_then(|r| r.facts.as_ref()?.gateway), "192.0.2.1".parse().ok());
    assert!(!device.begin(now));
    // Another device's, and one that changes nothing of interest.
    out.clear();
    device.config_changed("/other", &gateway("192.0.2.9"), &mut out);
    device.config_changed(IP4, &gateway("192.0.2.1"), &mut out);
    assert_eq!(reported(&mut out), [""; 0]);
}

#[test]
fn a_manager_that_does_not_answer_delays_for_half_a_second() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(40, 30), now);
    device.changed(change(50, 40), after(now, 100));
    assert!(device.begin(now));
    device.drain(after(now, 499), &mut out);
    assert_eq!(reported(&mut out), [""; 0]);
    assert_eq!(device.due(true), Some(now + TIMEOUT));
    device.drain(after(now, 500), &mut out);
    assert_eq!(reported(&mut out), ["prepare", "config"]);
    assert_eq!(device.due(true), None, "the question is still out");
    device.not_read(after(now, 5000), &mut out);
    assert_eq!(device.due(true), Some(after(now, 6000)));
    assert!(device.begin(after(now, 6000)));
    device.read(reading(50, "one"), after(now, 6001), &mut out);
    assert_eq!(reported(&mut out), ["facts one"]);
}

#[test]
fn changes_that_led_to_where_it_was_found_are_not_told_again() {
    let now = Instant::now();
    for (signals, expected) in [
        // The reading was first.
        (vec![(50, 40), (70, 50)], vec!["prepare one", "config one", "ip-config one"]),
        // Two were on their way, the third is news.
        (vec![(30, 20), (40, 30), (50, 40)], vec!["prepare one", "config one"]),
        // All were on their way.
        (vec![(20, 10), (30, 20), (40, 30)], vec!["prepare one"]),
    ] {
        let (mut device, mut out) = (Device::new(), Vec::new());
        assert!(device.begin(now));
        for (new, old) in signals {
            device.changed(change(new, old), now);
        }
        device.drain(now, &mut out);
        assert_eq!(reported(&mut out), [""; 0]);
        device.read(reading(40, "one"), now, &mut out);
        device.drain(after(now, 500), &mut out);
        assert_eq!(reported(&mut out), expected);
    }
}

#[test]
fn a_device_whose_changes_join_on_to_nothing_is_asked() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(80, 70), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), [""; 0]);
    assert_eq!(device.due(true), Some(now + RESYNC_DELAY));
    assert!(device.begin(now + RESYNC_DELAY));
    device.read(reading(80, "one"), now + RESYNC_DELAY, &mut out);
    assert_eq!(reported(&mut out), ["ip-check one"]);
    // From the first that joins on, none is doubted.
    device.changed(change(90, 80), now);
    device.changed(change(120, 10), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["secondaries one", "failed one"]);
}

#[test]
fn a_modem_has_no_link_before_it_has_an_address() {
    let now = Instant::now();
    let (mut device, mut out) = (Device::new(), Vec::new());
    let without = |state| Reading { ifindex: None, ..reading(state, "gsm") };
    assert!(device.begin(now));
    device.read(without(30), now, &mut out);
    device.changed(change(40, 30), now);
    assert!(device.begin(now));
    device.read(without(40), now, &mut out);
    assert_eq!(reported(&mut out), [""; 0]);
    device.changed(change(70, 40), now);
    assert!(device.begin(now));
    device.read(reading(70, "gsm"), now, &mut out);
    assert_eq!(reported(&mut out), ["ip-config gsm"]);
}

#[test]
fn what_happened_before_the_removal_is_told_without_waiting() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(40, 30), now);
    device.changed(change(10, 40), now);
    device.removed();
    assert!(!device.is_over());
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["prepare", "unmanaged"]);
    assert!(device.is_over());
    assert!(!device.begin(now));
}

#[test]
fn an_unknown_state_is_no_report() {
    let now = Instant::now();
    let (mut device, mut out) = found(now);
    device.changed(change(31, 30), now);
    device.changed(change(50, 31), now);
    device.drain(now, &mut out);
    assert_eq!(reported(&mut out), ["config"]);
}

proptest! {
    /// Whatever comes, with whatever answers: all of it in order, each once.
    #[test]
    fn order_is_kept_and_nothing_lost(
        states in prop::collection::vec(0usize..12, 1..200),
        steps in prop::collection::vec(0u8..4, 0..400),
    ) {
        const STATES: [u32; 12] = [10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120];
        let mut now = Instant::now();
        let (mut device, mut out) = found(now);
        let mut expected = Vec::new();
        let (mut old, mut states, mut out_there) = (30, states.into_iter(), false);
        for step in steps {
            match step {
                0 | 1 => {
                    let Some(new) = states.next().map(|index| STATES[index]) else { continue };
                    device.changed(change(new, old), now);
                    expected.push(new);
                    old = new;
                }
                2 => now += Duration::from_millis(200),
                _ if out_there => {
                    device.read(reading(old, ""), now, &mut out);
                    out_there = false;
                }
                _ => {}
            }
            out_there |= device.begin(now);
            device.drain(now, &mut out);
        }
        device.drain(now + TIMEOUT, &mut out);
        let states: Vec<_> = out.iter().filter_map(|report| report.administrative).collect();
        let expected: Vec<_> = expected.into_iter().filter_map(words::device_state).collect();
        prop_assert_eq!(states, expected);
    }
}
