//! What the model says of a few situations that can be judged by hand. No kernel, no helper.

use super::oracle::Memory;
use crate::objects::{Address, LOCAL_TABLE, Link, MAIN_TABLE, Route, Rule, UNICAST, UP, Way};
use crate::ours::{Ours, everything};
use crate::view::View;
use crate::world::{add_local, add_rule, add_subnet, address, policy, via};
use protocol::{
    Fallback, Family, Ifindex, Limits, Policy, Prefix, Refusal, Reply, Request, RouteKind, Selector,
};
use std::borrow::Borrow;
use std::collections::BTreeSet;

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

/// A route of main as an administrator makes it.
fn main_route(destination: Prefix, way: Way) -> Route {
    let Ours::Route(route) = Ours::route(MAIN_TABLE, destination, way) else { unreachable!("it is one") };
    Route { protocol: 3, kind: UNICAST, ..route }
}

fn eth1() -> Ifindex {
    Ifindex::try_from(41).expect("valid")
}

/// eth1 with an address, its subnet, a gateway; docker0 with a network.
fn host() -> View {
    let link = |index, name: &str| Link { index, name: name.to_owned(), flags: UP, master: 0 };
    let subnet = prefix("10.0.2.0/24");
    let local =
        Rule { ipv4: true, priority: 0, from: None, to: None, table: LOCAL_TABLE, protocol: 2, more: false };
    View {
        links: vec![link(41, "eth1"), link(42, "docker0")],
        addresses: vec![Address { index: 41, address: address("10.0.2.5"), subnet, scope: 0, flags: 0x80 }],
        routes: vec![
            main_route(subnet, (41, None)),
            main_route(everything(Family::V4), (41, Some(address("10.0.2.1")))),
            main_route(prefix("172.17.0.0/16"), (42, None)),
        ],
        rules: vec![local],
        ..View::default()
    }
}

/// The refusals, and else the reply.
fn said(policy: &Policy, view: &View, request: impl Borrow<Request>) -> Result<Reply, Vec<Refusal>> {
    let expected = Memory::default().expect(policy, view, request.borrow());
    let refusals: Vec<_> = expected.refusals.iter().copied().collect();
    if refusals.is_empty() { Ok(expected.granted.0) } else { Err(refusals) }
}

fn with(view: &View, ours: &[Ours]) -> View {
    let mut view = view.clone();
    for object in ours.iter().cloned() {
        match object {
            Ours::Rule(rule) => view.rules.push(rule),
            Ours::Route(route) => view.routes.push(route),
        }
    }
    view
}

#[test]
fn grants_what_an_honest_worker_asks_for() {
    let (policy, view) = (policy(&["eth1"]), host());
    for request in [
        add_rule(eth1(), Selector::From, "10.0.2.5"),
        add_subnet(eth1(), "10.0.2.5"),
        via(eth1(), "10.0.2.1"),
        add_local(eth1(), "172.17.0.0/16"),
    ] {
        assert_eq!(said(&policy, &view, &request), Ok(Reply::Ok), "{request:?}");
        let after = Memory::default().expect(&policy, &view, &request).granted.1;
        let after = with(&view, &after.into_iter().collect::<Vec<_>>());
        assert_eq!(said(&policy, &after, &request), Ok(Reply::Exists), "{request:?}");
    }
}

#[test]
fn names_every_reason_against_a_request() {
    let (policy, view) = (policy(&["eth1"]), host());
    let unlisted = Ifindex::try_from(42).expect("valid");
    let gone = Ifindex::try_from(9).expect("valid");
    for (request, refusals) in [
        (add_rule(gone, Selector::To, "10.0.2.5"), vec![Refusal::NoInterface, Refusal::AddressAbsent]),
        (add_rule(unlisted, Selector::To, "10.0.2.5"), vec![Refusal::NotListed, Refusal::AddressAbsent]),
        (via(eth1(), "10.0.2.5"), vec![Refusal::GatewayOwn, Refusal::GatewayUnknown]),
        (via(eth1(), "10.0.2.2"), vec![Refusal::GatewayUnknown]),
        (via(eth1(), "9.9.9.9"), vec![Refusal::GatewayOffLink, Refusal::GatewayUnknown]),
        (add_local(eth1(), "10.0.2.0/24"), vec![Refusal::RouteByUplink, Refusal::RouteNotCopyable]),
        (add_local(eth1(), "10.9.0.0/16"), vec![Refusal::NoSuchRoute]),
    ] {
        assert_eq!(said(&policy, &view, &request), Err(refusals), "{request:?}");
    }
}

#[test]
fn a_foreign_route_or_rule_forbids_additions_and_no_deletion() {
    let policy = policy(&["eth1"]);
    let mut view = host();
    view.routes.push(Route { table: 241, ..main_route(prefix("9.9.9.0/24"), (42, None)) });
    let request = via(eth1(), "10.0.2.1");
    assert_eq!(said(&policy, &view, &request), Err(vec![Refusal::TableConflict]));
    let rule = Ours::rule(32_002, Selector::From, address("10.0.2.5"), 241);
    let view = with(&view, &[rule]);
    let delete = Request::DelRule { ifindex: eth1(), selector: Selector::From, address: address("10.0.2.5") };
    assert_eq!(said(&policy, &view, delete), Ok(Reply::Ok));
    let local = RouteKind::Local(prefix("9.9.9.0/24"));
    let delete = Request::DelRoute { ifindex: eth1(), family: Family::V4, route: local };
    assert_eq!(said(&policy, &view, delete), Ok(Reply::Absent));
}

#[test]
fn the_end_of_a_synchronisation_removes_what_was_not_named() {
    let policy = policy(&["eth1"]);
    let stale = Ours::rule(5_002, Selector::From, address("10.0.2.5"), 1241);
    let kept = Ours::rule(32_002, Selector::From, address("10.0.2.5"), 241);
    let view = with(&host(), &[stale, kept.clone()]);
    let mut memory = Memory::default();
    for request in [Request::SyncBegin, add_rule(eth1(), Selector::From, "10.0.2.5")] {
        let expected = memory.expect(&policy, &view, &request);
        memory.learn(&request, &expected, expected.granted.0);
    }
    let expected = memory.expect(&policy, &view, &Request::SyncEnd);
    let left = BTreeSet::from([kept]);
    assert_eq!(expected.granted, (Reply::Ok, left.clone()));
    assert!(expected.agrees(Reply::Ok, &view.ours(), &left).is_ok());
    assert!(expected.agrees(Reply::Ok, &view.ours(), &view.ours()).is_err());
    assert!(expected.agrees(Reply::Ok, &view.ours(), &BTreeSet::new()).is_err());
}

#[test]
fn a_limit_holds_for_the_fallback_and_what_follows_it() {
    let limits = Limits { objects: 2, ..Limits::default() };
    let policy = Policy { fallback: Fallback::Unreachable, limits, ..policy(&["eth1"]) };
    let request = add_rule(eth1(), Selector::From, "10.0.2.5");
    assert_eq!(said(&policy, &host(), &request), Ok(Reply::Ok));
    let other = Ours::rule(32_003, Selector::To, address("10.0.2.5"), 241);
    let view = with(&host(), std::slice::from_ref(&other));
    let expected = Memory::default().expect(&policy, &view, &request);
    assert_eq!(expected.refusals, BTreeSet::from([Refusal::Limit]));
    // There was room for the first of the two.
    let partly = BTreeSet::from([other, Ours::fallback(241, Family::V4)]);
    assert!(expected.agrees(Reply::Refused(Refusal::Limit), &view.ours(), &partly).is_ok());
    assert!(expected.agrees(Reply::Ok, &view.ours(), &partly).is_err());
}
