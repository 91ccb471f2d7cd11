//! The planner and the comparison against a model of the kernel.

use super::{Actual, ActualTable, HOLD, Hold, Plan, PlannedTable, TableKey, changes, desired, everything};
use crate::backend::{LinkReport, ManagerFacts, Report};
use crate::config::Config;
use crate::facts::Address;
use crate::fixtures::{self, index, route};
use crate::kernel::{Dump, Hop, Hops, Link, Route, link_flag};
use crate::state::{Changes, Interest, Newer, State};
use proptest::prelude::*;
use protocol::{
    Fallback, Family, GatewayCheck, InterfaceName, NextHop, PatternList, Policy, Prefix, Request, RouteKind,
    Selector,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

fn link(n: u32, name: &str) -> Link {
    fixtures::link(n, name, link_flag::UP | link_flag::LOWER_UP)
}

fn address(text: &str) -> Address {
    fixtures::address(text, 0)
}

fn policy(interfaces: &[&str]) -> Policy {
    Policy { interfaces: PatternList::new(interfaces).expect("good"), ..Policy::default() }
}

fn state(dump: Dump) -> State {
    let mut state = State::default();
    let config = Config::default();
    let interest = Interest { monitors: &|name| config.monitors(name), routes: false };
    state.resynchronise(dump, Newer::default(), &interest, &mut Changes::default());
    state
}

/// eth0 and eth1 in one subnet, docker0, and main's routes for them.
fn two_uplinks() -> Dump {
    Dump {
        links: vec![link(2, "eth0"), link(3, "eth1"), link(4, "docker0")],
        addresses: vec![
            (index(2), address("192.0.2.10/24")),
            (index(3), address("192.0.2.11/24")),
            (index(4), address("172.17.0.1/16")),
        ],
        routes: vec![
            route("0.0.0.0/0", 2, "192.0.2.1"),
            Route { metric: 200, ..route("0.0.0.0/0", 3, "192.0.2.1") },
            route("192.0.2.0/24", 2, ""),
            route("192.0.2.0/24", 3, ""),
            route("172.17.0.0/16", 4, ""),
        ],
    }
}

/// eth1, IPv4.
fn eth1() -> TableKey {
    TableKey { ifindex: index(3), family: Family::V4 }
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

#[test]
fn two_uplinks_and_a_bridge() {
    let plan = desired(&state(two_uplinks()), &policy(&["eth1"]));
    assert_eq!(plan.tables.keys().copied().collect::<Vec<_>>(), [eth1()]);
    let table = &plan.tables[&eth1()];
    assert_eq!(table.addresses, BTreeSet::from(["192.0.2.11".parse().expect("an address")]));
    assert_eq!(table.subnets.keys().collect::<Vec<_>>(), [&prefix("192.0.2.0/24")]);
    assert_eq!(table.locals.keys().collect::<Vec<_>>(), [&prefix("172.17.0.0/16")]);
    assert_eq!(table.default, "192.0.2.1".parse().ok().map(NextHop::Gateway));
    assert!(!table.fallback);
}

#[test]
fn without_a_gateway_nothing_or_the_fallback() {
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    let state = state(dump);
    assert_eq!(desired(&state, &policy(&["eth1"])).tables, BTreeMap::new());
    let strict = Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) };
    let plan = desired(&state, &strict);
    let table = &plan.tables[&eth1()];
    assert!(table.fallback && table.default.is_none() && !table.addresses.is_empty());
}

#[test]
fn what_is_not_managed_and_what_is_not_copied() {
    let mut dump = two_uplinks();
    dump.links[1].controller = 4;
    assert!(desired(&state(dump), &policy(&["eth1"])).tables.is_empty(), "enslaved");

    let mut dump = two_uplinks();
    dump.links.push(link(5, "tun0"));
    dump.routes.extend([
        route("0.0.0.0/1", 5, ""),
        route("10.8.0.0/24", 5, ""),
        route("169.254.0.0/16", 4, ""),
        route("224.0.0.0/4", 4, ""),
        Route { protocol: 186, ..route("10.9.0.0/16", 4, "") },
        Route {
            hops: Hops::Several(
                [&route("10.7.0.0/16", 4, "").hops[..], &route("10.7.0.0/16", 5, "").hops].concat(),
            ),
            ..route("10.7.0.0/16", 4, "")
        },
    ]);
    let plan = desired(&state(dump), &policy(&["eth1"]));
    let locals: Vec<_> = plan.tables[&eth1()].locals.keys().collect();
    assert_eq!(locals, [&prefix("172.17.0.0/16")], "tun0 took the default: it is an uplink");

    let mut dump = two_uplinks();
    dump.routes[4].metric = 50;
    dump.routes.push(Route { protocol: 186, ..route("172.17.0.0/16", 2, "192.0.2.1") });
    assert_eq!(
        desired(&state(dump.clone()), &policy(&["eth1"])).tables[&eth1()].locals.len(),
        1,
        "a daemon's route"
    );
    dump.routes.push(Route {
        route_type: 6,
        hops: Hops::Several(Vec::new()),
        ..route("172.17.0.0/16", 2, "")
    });
    assert!(
        desired(&state(dump), &policy(&["eth1"])).tables[&eth1()].locals.is_empty(),
        "a blackhole in front"
    );

    let none = Policy { local_networks: false, ..policy(&["eth1"]) };
    assert!(desired(&state(two_uplinks()), &none).tables[&eth1()].locals.is_empty());
}

#[test]
fn the_administrator_s_gateway_comes_first_and_on_link_ones_before_others() {
    let mut policy = policy(&["eth1"]);
    let named = ["198.51.100.1", "192.0.2.77"].map(|g| g.parse().expect("an address"));
    policy.gateways.insert(InterfaceName::new("eth1").expect("good"), named.to_vec());
    let plan = desired(&state(two_uplinks()), &policy);
    assert_eq!(plan.tables[&eth1()].default, "192.0.2.77".parse().ok().map(NextHop::Gateway));
}

#[test]
fn a_manager_s_gateway_counts_where_the_kernel_has_none_and_the_helper_takes_it() {
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    let mut state = state(dump);
    let facts = ManagerFacts { gateway: "192.0.2.1".parse().ok(), ..ManagerFacts::default() };
    let report = LinkReport { facts: Some(facts.into()), ..LinkReport::new(index(3)) };
    state.report(Report::Link(report), &mut Changes::default());
    // By default the helper takes none that the kernel does not know: asking would be of no use.
    assert_eq!(desired(&state, &policy(&["eth1"])).tables, BTreeMap::new());
    let on_link = Policy { gateway_check: GatewayCheck::OnLink, ..policy(&["eth1"]) };
    let plan = desired(&state, &on_link);
    assert_eq!(plan.tables[&eth1()].default, "192.0.2.1".parse().ok().map(NextHop::Gateway));
}

#[test]
fn a_gateway_whose_subnet_is_gone_is_none() {
    let mut dump = two_uplinks();
    dump.addresses[1].1 = address("198.51.100.7/24");
    dump.routes.remove(3);
    let plan = desired(&state(dump), &policy(&["eth1"]));
    assert_eq!(plan.tables, BTreeMap::new());
    assert!(plan.notes[0].text.contains("192.0.2.1 is not on-link by eth1"), "{:?}", plan.notes);

    let mut dump = two_uplinks();
    dump.addresses[1].1 = address("198.51.100.7/32");
    dump.routes[3] = route("192.0.2.1/32", 3, "");
    let plan = desired(&state(dump), &policy(&["eth1"]));
    assert!(plan.tables.contains_key(&eth1()), "a host route makes it on-link");
}

#[test]
fn a_gateway_that_comes_back_at_once_was_never_gone() {
    let policy = policy(&["eth1"]);
    let whole = state(two_uplinks());
    let mut without = two_uplinks();
    without.routes.remove(1);
    let (mut hold, now) = (Hold::default(), std::time::Instant::now());
    let mut plan = desired(&whole, &policy);
    assert_eq!(hold.consider(&mut plan, &whole, now), None);
    let there = run(&plan, Actual::default(), &changes(&plan, &Actual::default()));

    let lost = state(without.clone());
    let mut plan = desired(&lost, &policy);
    assert_eq!(hold.consider(&mut plan, &lost, now), Some(now + HOLD));
    assert_eq!(changes(&plan, &there), [], "left alone");
    let mut plan = desired(&lost, &policy);
    assert_eq!(hold.consider(&mut plan, &lost, now + HOLD), None);
    assert!(!changes(&plan, &there).is_empty(), "the moment is over");

    let mut plan = desired(&whole, &policy);
    hold.consider(&mut plan, &whole, now);
    without.addresses.remove(1);
    let lost = state(without);
    let mut plan = desired(&lost, &policy);
    assert_eq!(hold.consider(&mut plan, &lost, now), None, "an address that is gone is not waited for");
    assert!(!changes(&plan, &there).is_empty());
}

#[test]
fn a_listed_name_for_which_nothing_can_be_installed_is_named() {
    let notes = |change: &dyn Fn(&mut Dump), listed: &[&str]| -> Vec<String> {
        let mut dump = two_uplinks();
        change(&mut dump);
        let plan = desired(&state(dump), &policy(listed));
        plan.notes.into_iter().map(|note| note.text).collect()
    };
    let nothing = |_: &mut Dump| {};
    assert_eq!(notes(&nothing, &["eth1"]), [""; 0]);
    // Only names are anybody's word that a link is an uplink.
    assert_eq!(notes(&nothing, &["docker*", "wg*"]), [""; 0]);
    let one = |change: &dyn Fn(&mut Dump), listed: &[&str], part: &str| {
        let notes = notes(change, listed);
        assert!(notes.len() == 1 && notes[0].contains(part), "{part}: {notes:?}");
    };
    one(&nothing, &["eth11"], "lists eth11, and there is no such link");
    one(&nothing, &["docker0"], "docker0 ipv4: 172.17.0.1 has no gateway");
    let second = |dump: &mut Dump| dump.addresses.push((index(3), address("2001:db8::2/64")));
    one(&second, &["eth1"], "eth1 ipv6: 2001:db8::2 has no gateway");
    let port = |dump: &mut Dump| dump.links[1].controller = 4;
    one(&port, &["eth1"], "a port of docker0, which has its addresses and routes: write docker0");
    let loopback =
        |dump: &mut Dump| dump.links.push(fixtures::link(1, "lo", link_flag::UP | link_flag::LOOPBACK));
    one(&loopback, &["lo"], "lists lo, the loopback link");
}

#[test]
fn tables_of_others_that_decide_for_everything_are_known_to_the_plan() {
    let mut dump = two_uplinks();
    let of = |table: u32, route: Route| Route { table: protocol::TableId(table), ..route };
    dump.routes.extend([
        of(52, route("0.0.0.0/0", 4, "")),
        of(53, route("0.0.0.0/1", 4, "")),
        of(54, Route { route_type: 7, ..route("0.0.0.0/0", 4, "") }),
        of(55, Route { route_type: 9, ..route("0.0.0.0/0", 4, "") }),
        of(56, route("203.0.113.0/24", 4, "")),
    ]);
    let leading = desired(&state(dump), &policy(&["eth1"])).leading;
    let tables: Vec<(u32, u8)> = leading.iter().map(|((_, table), length)| (table.0, *length)).collect();
    assert_eq!(tables, [(52, 0), (53, 1), (54, 0), (254, 0)]);
}

#[test]
fn limits_cut_and_say_so() {
    let mut dump = two_uplinks();
    dump.addresses.extend((20..60).map(|n| (index(3), address(&format!("192.0.2.{n}/24")))));
    let mut policy = policy(&["eth1"]);
    policy.limits.addresses = 10;
    let plan = desired(&state(dump), &policy);
    assert_eq!(plan.tables[&eth1()].addresses.len(), 10);
    let texts: Vec<&str> = plan.notes.iter().map(|note| note.text.as_str()).collect();
    assert_eq!(texts, ["eth1 ipv4: 41 addresses, of which routing.limits.addresses lets 10 in"]);
}

#[test]
fn up_ends_with_the_rules_and_down_begins_with_them() {
    let plan = desired(&state(two_uplinks()), &policy(&["eth1"]));
    let kinds = |steps: &[super::Step]| steps.iter().map(|s| s.request.name()).collect::<Vec<_>>();
    let up = changes(&plan, &Actual::default());
    assert_eq!(kinds(&up), ["AddSubnet", "AddLocal", "SetDefault", "AddRules"]);
    let there = run(&plan, Actual::default(), &up);
    let down = changes(&Plan::default(), &there);
    assert_eq!(kinds(&down), ["DelRule", "DelRule", "DelRoute", "DelRoute", "DelRoute"]);
    assert!(matches!(down[2].request, Request::DelRoute { route: RouteKind::Default, .. }));
}

/// What the helper does, in the shape of the comparison.
fn run(plan: &Plan, mut actual: Actual, steps: &[super::Step]) -> Actual {
    for step in steps {
        let planned = plan.tables.get(&step.key).cloned().unwrap_or_default();
        let table = actual.tables.entry(step.key).or_default();
        let own = |gateway| Hop { oif: Some(step.key.ifindex), gateway, foreign_gateway: false };
        match step.request.clone() {
            Request::AddRule { selector, address, .. } => {
                table.fallback |= planned.fallback;
                table.rules.insert((selector, address));
            }
            Request::AddRules { addresses, .. } => {
                table.fallback |= planned.fallback;
                table.rules.extend(addresses.iter().flat_map(|a| [(Selector::From, a), (Selector::To, a)]));
            }
            Request::DelRule { selector, address, .. } => {
                table.rules.remove(&(selector, address));
            }
            Request::SetDefault { next_hop, .. } => {
                table.default = Some(own(next_hop.gateway()));
            }
            Request::AddSubnet { address, .. } => {
                let subnet = planned.subnets.iter().find(|(_, a)| **a == address).map(|(p, _)| *p);
                table.routes.insert(subnet.expect("a planned subnet"), own(None));
            }
            Request::AddLocal { destination, .. } => {
                table.routes.insert(destination, planned.locals[&destination]);
            }
            Request::DelRoute { route, .. } => match route {
                RouteKind::Default => table.default = None,
                RouteKind::Fallback => table.fallback = false,
                RouteKind::Subnet(p) | RouteKind::Local(p) => {
                    table.routes.remove(&p);
                }
            },
            other => panic!("no such step: {other:?}"),
        }
    }
    actual.tables.retain(|_, table| *table != ActualTable::default());
    actual
}

fn ip(n: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, n])
}

fn planned_table() -> impl Strategy<Value = PlannedTable> {
    let addresses = prop::collection::btree_set((1u8..9).prop_map(ip), 1..4);
    let locals =
        prop::collection::btree_map((0u8..6).prop_map(|n| prefix(&format!("10.{n}.0.0/16"))), hop(), 0..4);
    (addresses, locals, prop::option::of(next_hop()), any::<bool>()).prop_map(
        |(addresses, locals, default, fallback)| {
            let subnets =
                BTreeMap::from([(prefix("192.0.2.0/24"), *addresses.first().expect("one at least"))]);
            PlannedTable { name: "eth1".to_owned(), fallback, subnets, locals, default, addresses }
        },
    )
}

fn hop() -> impl Strategy<Value = Hop> {
    (5u32..7, prop::option::of((1u8..3).prop_map(ip))).prop_map(|(oif, gateway)| Hop {
        oif: Some(index(oif)),
        gateway,
        foreign_gateway: false,
    })
}

fn next_hop() -> impl Strategy<Value = NextHop> {
    prop_oneof![(200u8..203).prop_map(|n| NextHop::Gateway(ip(n))), Just(NextHop::PointToPoint)]
}

fn key() -> impl Strategy<Value = TableKey> {
    (2u32..5).prop_map(|n| TableKey { ifindex: index(n), family: Family::V4 })
}

fn plan() -> impl Strategy<Value = Plan> {
    prop::collection::btree_map(key(), planned_table(), 0..3)
        .prop_map(|tables| Plan { tables, ..Plan::default() })
}

fn actual_table() -> impl Strategy<Value = ActualTable> {
    let selector = prop_oneof![Just(Selector::From), Just(Selector::To)];
    let rules = prop::collection::btree_set((selector, (1u8..9).prop_map(ip)), 0..5);
    let routes =
        prop::collection::btree_map((0u8..8).prop_map(|n| prefix(&format!("10.{n}.0.0/16"))), hop(), 0..4);
    (rules, routes, prop::option::of(hop()), any::<bool>())
        .prop_map(|(rules, routes, default, fallback)| ActualTable { fallback, default, routes, rules })
}

fn actual() -> impl Strategy<Value = Actual> {
    prop::collection::btree_map(key(), actual_table(), 0..3).prop_map(|tables| Actual { tables, strays: 0 })
}

proptest! {
    #[test]
    fn one_run_of_steps_reaches_the_plan(plan in plan(), actual in actual()) {
        let reached = run(&plan, actual.clone(), &changes(&plan, &actual));
        prop_assert_eq!(changes(&plan, &reached), vec![]);
        prop_assert_eq!(reached.tables.keys().collect::<Vec<_>>(), plan.tables.keys().collect::<Vec<_>>());
    }

    /// At no point does a rule lead to a table that lacks its default: a look-up in between
    /// would leave by another interface.
    #[test]
    fn no_rule_stands_before_its_table_is_whole(plan in plan()) {
        let steps = everything(&plan);
        for n in 0..=steps.len() {
            let between = run(&plan, Actual::default(), &steps[..n]);
            for (key, table) in &between.tables {
                let planned = &plan.tables[key];
                let whole = table.default.is_some() == planned.default.is_some()
                    && planned.subnets.keys().all(|p| table.routes.contains_key(p));
                prop_assert!(table.rules.is_empty() || whole, "after {} steps", n);
            }
        }
    }
}

/// Two that lack both rules share a request; of one that lacks one, that one is asked for.
#[test]
fn rules_are_asked_for_together_where_both_are_missing() {
    let mut dump = two_uplinks();
    dump.addresses.extend((20..120).map(|n| (index(3), address(&format!("192.0.2.{n}/24")))));
    let plan = desired(&state(dump), &policy(&["eth1"]));
    let mut there = run(&plan, Actual::default(), &changes(&plan, &Actual::default()));
    assert_eq!(changes(&plan, &there), []);
    let rules = &mut there.tables.get_mut(&eth1()).expect("it is there").rules;
    assert_eq!(rules.len(), 202);
    rules.remove(&(Selector::To, ip(20)));
    rules.retain(|(_, address)| *address != ip(30) && *address != ip(31));
    let requests: Vec<Request> = changes(&plan, &there).into_iter().map(|step| step.request).collect();
    let ifindex = index(3);
    let missing = Request::AddRule { ifindex, selector: Selector::To, address: ip(20) };
    let together = protocol::Addresses::lists([ip(30), ip(31)]).remove(0);
    assert_eq!(requests, [missing, Request::AddRules { ifindex, addresses: together }]);
    let all = everything(&plan).into_iter().filter(|step| step.request.name() == "AddRules").count();
    assert_eq!(all, 2, "101 addresses, of which a frame holds 59");
}
