//! Rules of several addresses in one request: all of them or none.

use crate::world::{HOST, World, add_rule, add_rules, policy};
use protocol::{Limits, Policy, Refusal, Reply, Request, Selector};

const THREE: &str = "addr add 10.0.2.6/24 dev eth1\naddr add 10.0.2.7/24 dev eth1";

fn both(text: &str) -> [String; 2] {
    [
        format!("32002: from {text} lookup 241 proto 110"),
        format!("32003: from all to {text} lookup 241 proto 110"),
    ]
}

/// As ip(8) shows them: by priority, and in the order in which they came.
fn all(texts: &[&str]) -> Vec<String> {
    let mut rules: Vec<String> = texts.iter().copied().flat_map(both).collect();
    rules.sort();
    rules
}

#[test]
fn adds_what_is_missing_of_both_rules_of_each() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip(THREE);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    assert_eq!(helper.ask(add_rule(eth1, Selector::To, "10.0.2.6")), Reply::Ok);
    let three = add_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"]);
    let texts = ["10.0.2.5", "10.0.2.6", "10.0.2.7"];
    let standing = || {
        let mut rules = world.rules("-4");
        rules.sort();
        rules
    };
    assert_eq!(helper.ask(&three), Reply::Ok);
    assert_eq!(standing(), all(&texts));
    assert_eq!(helper.ask(&three), Reply::Exists);
    // Named twice it is there once.
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Ok);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5", "10.0.2.5"])), Reply::Ok);
    assert_eq!(standing(), all(&["10.0.2.5"]));
    assert_eq!(helper.ask(add_rules(eth1, &["2001:db8:2::5"])), Reply::Ok);
    assert_eq!(world.rules("-6").len(), 2);
}

#[test]
fn is_refused_whole_for_one_of_them_wherever_it_stands() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip(THREE);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let before = world.everything();
    for (bad, refusal) in [
        ("10.0.2.9", Refusal::AddressAbsent),
        ("10.0.1.5", Refusal::AddressAbsent),
        ("127.0.0.1", Refusal::AddressUnusable),
        ("224.0.0.1", Refusal::AddressUnusable),
    ] {
        for at in 0..3 {
            let mut texts = vec!["10.0.2.5", "10.0.2.6"];
            texts.insert(at, bad);
            assert_eq!(helper.ask(add_rules(eth1, &texts)), Reply::Refused(refusal), "{texts:?}");
            assert_eq!(world.everything(), before, "{texts:?}");
        }
    }
}

/// In a synchronisation a list names all of its rules, and a refused one none.
#[test]
fn names_all_or_nothing() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip(THREE);
    let eth1 = world.ifindex("eth1");
    let mut helper = world.helper(&policy(&["eth1"]));
    let three = add_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"]);
    assert_eq!(helper.ask(&three), Reply::Ok);
    let before = world.everything();
    for request in [Request::SyncBegin, three, Request::SyncEnd] {
        assert!(matches!(helper.ask(&request), Reply::Ok | Reply::Exists), "{request:?}");
    }
    assert_eq!(world.everything(), before);
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    let refused = Reply::Refused(Refusal::AddressAbsent);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.5", "10.0.2.9"])), refused);
    assert_eq!(helper.ask(add_rules(eth1, &["10.0.2.6"])), Reply::Exists);
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert_eq!(world.rules("-4"), both("10.0.2.6"));
}

#[test]
fn limits_and_the_write_budget_refuse_it_whole() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    world.ip(THREE);
    let eth1 = world.ifindex("eth1");
    let three = add_rules(eth1, &["10.0.2.5", "10.0.2.6", "10.0.2.7"]);
    let two = add_rules(eth1, &["10.0.2.5", "10.0.2.6"]);
    for limits in [Limits { addresses: 2, ..Limits::default() }, Limits { objects: 5, ..Limits::default() }] {
        let mut helper = world.helper(&Policy { limits, ..policy(&["eth1"]) });
        assert_eq!(helper.ask(&three), Reply::Refused(Refusal::Limit), "{limits:?}");
        assert!(world.rules("-4").is_empty(), "{limits:?}");
        assert_eq!(helper.ask(&two), Reply::Ok, "{limits:?}");
        assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Ok);
    }
    // Six writes are to be had, then one a second.
    let limits = Limits { objects: 6, writes_per_second: 1, ..Limits::default() };
    let mut helper = world.helper(&Policy { limits, ..policy(&["eth1"]) });
    assert_eq!(helper.ask(&two), Reply::Ok);
    assert_eq!(helper.ask(Request::Purge { ifindex: eth1 }), Reply::Ok);
    assert_eq!(helper.ask(&three), Reply::Busy);
    assert!(world.rules("-4").is_empty());
}
