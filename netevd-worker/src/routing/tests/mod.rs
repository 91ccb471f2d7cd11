//! The planner and the comparison against a model of the kernel.

mod naive;
mod steps;

use super::snapshot::Collector;
use super::{GATEWAY_GRACE_PERIOD, Plan, PlanHistory, Recent, Snapshot, TableKey, desired};
use crate::backend::{LinkReport, Report};
use crate::config::{Config, Planning, SpecificRoutes};
use crate::fixtures::{self, index, route};
use crate::kernel::{Dump, FullRoute, Link, Rule, SeenRule, Spec, SpecHop, UnusedRoutes, link_flag};
use crate::model::{Address, Hops, LinkExtra, ManagerFacts, Route};
use crate::state::{Changes, Interest, Newer, State};
use protocol::{
    Fallback, Family, GatewayCheck, InterfaceName, Mark, NextHop, PatternList, Policy, Prefix, TableId,
    Through,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

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

/// The same as the kernel tells it in full.
fn full(route: &Route) -> FullRoute {
    let hop = |hop: &crate::model::Hop| Some(SpecHop::new(hop.oif?, hop.gateway));
    let plain = Spec::plain(route.destination, route.route_type, route.metric);
    let hops: Vec<SpecHop> = route.hops.iter().filter_map(hop).filter(|_| !plain.leads_nowhere()).collect();
    FullRoute {
        spec: Spec { hops, scope: route.scope, ..plain },
        table: route.table,
        protocol: route.protocol,
        lacks_hops: false,
        opaque: false,
        expires: None,
    }
}

/// The kernel's three rules of each family.
fn usual_rules() -> Vec<Rule> {
    let rule = |family, priority, table| SeenRule {
        priority,
        table: Some(table),
        ..SeenRule::any(family, "lookup")
    };
    let families = [Family::V4, Family::V6].into_iter();
    families
        .flat_map(|family| [(0, 255), (32_766, 254)].map(|(p, table)| rule(family, p, table).into()))
        .collect()
}

fn snapshot_of(state: &State, routes: &[FullRoute], rules: Vec<Rule>, policy: &Policy) -> Snapshot {
    let links = Arc::new(state.links().cloned().collect::<Vec<_>>());
    let managed = links.iter().filter(|link| super::is_managed(link, policy));
    let tables = managed.map(|link| TableId::for_interface(policy.table_base, link.ifindex)).collect();
    let mut found = Collector::default();
    for route in routes {
        found.take(route.clone(), policy, &Planning::default(), &tables);
    }
    let Collector { foreign, ours, intruders, .. } = found;
    Snapshot { links, rules, foreign: Arc::new(foreign), ours, intruders, ..Snapshot::default() }
}

fn snapshot(dump: Dump, policy: &Policy) -> Snapshot {
    let routes: Vec<FullRoute> = dump.routes.iter().map(full).collect();
    snapshot_of(&state(dump), &routes, usual_rules(), policy)
}

fn plan_of(snapshot: &Snapshot, policy: &Policy) -> Plan {
    desired(snapshot, policy, &Planning::default(), &PlanHistory::default())
}

fn planned(dump: Dump, policy: &Policy) -> Plan {
    plan_of(&snapshot(dump, policy), policy)
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

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn named(mut policy: Policy, gateways: &[&str]) -> Policy {
    let gateways = gateways.iter().map(|text| text.parse().expect("a gateway")).collect();
    policy.gateways.insert(InterfaceName::new("eth1").expect("good"), gateways);
    policy
}

/// Routes of eth1's table in words, `3` for eth1.
fn table(plan: &Plan) -> Vec<String> {
    let Some(table) = plan.tables.get(&eth1()) else { return Vec::new() };
    let copies = table.copies.values().flat_map(|copied| &copied.routes);
    let follows = table.follows.iter().map(|prefix| format!("{prefix} follows"));
    copies.chain(&table.defaults).map(ToString::to_string).chain(follows).collect()
}

fn texts(plan: &Plan) -> Vec<&str> {
    plan.notes.iter().map(|note| note.text.as_str()).collect()
}

#[test]
fn two_uplinks_and_a_bridge() {
    let plan = planned(two_uplinks(), &policy(&["eth1"]));
    assert_eq!(plan.tables.keys().copied().collect::<Vec<_>>(), [eth1()]);
    let planned = &plan.tables[&eth1()];
    assert_eq!(planned.addresses, BTreeSet::from([ip("192.0.2.11")]));
    assert_eq!(
        table(&plan),
        ["172.17.0.0/16 dev 4", "192.0.2.0/24 dev 3", "default via 192.0.2.1 metric 200"]
    );
    assert_eq!(planned.copies[&prefix("192.0.2.0/24")].except.iter().collect::<Vec<_>>(), [index(2)]);
    assert_eq!(planned.next_hop, NextHop::Table(TableId::MAIN));
    let rules: Vec<String> = planned.rules.values().flatten().map(ToString::to_string).collect();
    assert_eq!(rules, ["from 192.0.2.11 lookup 203", "to 192.0.2.11 lookup 203"]);
    assert!(!planned.fallback);
}

#[test]
fn routes_through_another_uplink_matter_inside_of_copied_nets_alone() {
    let eth0 = BTreeSet::from([index(2)]);
    let none = UnusedRoutes::default();
    let plan = planned(two_uplinks(), &policy(&["eth1"]));
    let expected = none.with(Family::V4, &eth0, &BTreeSet::from([prefix("172.17.0.0/16")]));
    assert_eq!(plan.unused_routes, expected);
    assert_eq!(planned(two_uplinks(), &policy(&["eth*"])).unused_routes, none, "both have tables");
    let plan = planned(two_uplinks(), &policy(&["eth9"]));
    let both = BTreeSet::from([index(2), index(3)]);
    assert_eq!(plan.unused_routes, none.with(Family::V4, &both, &BTreeSet::new()), "there is no table");
    let mut dump = two_uplinks();
    dump.links[0].flags |= link_flag::POINTOPOINT;
    assert_eq!(planned(dump, &policy(&["eth1"])).unused_routes, none, "a point-to-point link's are copied");
    let mut dump = two_uplinks();
    dump.routes.remove(0);
    assert_eq!(planned(dump, &policy(&["eth1"])).unused_routes, none, "eth0 is no uplink");
}

#[test]
fn without_a_gateway_nothing_or_the_fallback() {
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    let plain = policy(&["eth1"]);
    assert_eq!(planned(dump.clone(), &plain).tables, BTreeMap::new());
    let strict = Policy { fallback: Fallback::Unreachable, ..plain };
    let plan = planned(dump, &strict);
    let planned = &plan.tables[&eth1()];
    assert!(planned.fallback && !planned.has_default() && !planned.addresses.is_empty());
    assert!(table(&plan).contains(&"unreachable default metric 4294967295".to_owned()));
    assert!(
        plan.notes[0].text.contains("so ipv4 reaches only what is copied (routing.fallback: unreachable)"),
        "{:?}",
        plan.notes
    );
}

#[test]
fn whatever_does_not_leave_through_another_uplink_is_copied() {
    let mut dump = two_uplinks();
    dump.links.push(link(5, "wan9"));
    let both = [&route("10.7.0.0/16", 4, "172.17.0.9").hops[..], &route("10.7.0.0/16", 5, "").hops].concat();
    let nowhere = |kind, destination| Route { route_type: kind, ..route(destination, 4, "") };
    dump.routes.extend([
        route("0.0.0.0/0", 5, ""),
        route("10.8.0.0/24", 5, ""),
        route("169.254.0.0/16", 3, ""),
        route("203.0.113.0/24", 3, "192.0.2.7"),
        Route { protocol: 186, ..route("10.9.0.0/16", 4, "") },
        Route { hops: Hops::Several(both), ..route("10.7.0.0/16", 4, "") },
        nowhere(6, "10.64.0.0/10"),
        route("10.65.0.0/16", 2, "192.0.2.1"),
        nowhere(7, "0.0.0.0/0"),
    ]);
    assert_eq!(
        table(&planned(dump, &policy(&["eth1"]))),
        [
            "10.7.0.0/16 via 172.17.0.9",
            "10.9.0.0/16 dev 4",
            "blackhole 10.64.0.0/10",
            "169.254.0.0/16 dev 3",
            "172.17.0.0/16 dev 4",
            "192.0.2.0/24 dev 3",
            "203.0.113.0/24 via 192.0.2.7",
            "default via 192.0.2.1 metric 200",
            "unreachable default",
            "10.65.0.0/16 follows",
        ]
    );
}

/// A node with many pods: each of its links has fe80::/64, and a request names only 16 links.
#[test]
fn the_link_local_subnets_of_many_links_are_no_exceptions() {
    let mut dump = two_uplinks();
    dump.links.extend((10..40).map(|n| link(n, &format!("cali{n}"))));
    let others = (10..40).chain([2, 3]).map(|n| route("fe80::/64", n, ""));
    dump.routes.extend(others.chain([route("::/0", 3, "fe80::1")]));
    dump.addresses.push((index(3), address("2001:db8::3/64")));
    let plan = planned(dump, &policy(&["eth1"]));
    let copied = &plan.tables[&TableKey { family: Family::V6, ..eth1() }].copies[&prefix("fe80::/64")];
    let routes: Vec<String> = copied.routes.iter().map(ToString::to_string).collect();
    assert_eq!((routes, copied.except.iter().count()), (vec!["fe80::/64 dev 3".to_owned()], 0));
    assert_eq!(plan.notes, []);
}

#[test]
fn halves_stay_with_their_link_and_a_vpn_s_sites_with_the_vpn() {
    let mut dump = two_uplinks();
    dump.links.push(fixtures::link(5, "wg0", link_flag::UP | link_flag::POINTOPOINT));
    dump.routes.extend([
        route("0.0.0.0/1", 5, ""),
        route("128.0.0.0/1", 3, "192.0.2.9"),
        route("10.8.0.0/24", 5, ""),
        route("0.0.0.0/0", 5, ""),
        route("10.9.0.1/32", 5, ""),
        route("10.9.0.1/32", 3, ""),
    ]);
    let plan = planned(dump.clone(), &policy(&["eth1"]));
    let found = table(&plan);
    for copied in ["128.0.0.0/1 via 192.0.2.9", "10.8.0.0/24 dev 5", "10.9.0.1/32 dev 3"] {
        assert!(found.contains(&copied.to_owned()), "{copied}: {found:?}");
    }
    assert_eq!(found.len(), 6, "{found:?}");
    let own = Planning { local_networks: false, ..Planning::default() };
    let policy = policy(&["eth1"]);
    let snapshot = snapshot(dump, &policy);
    let plan = desired(&snapshot, &policy, &own, &PlanHistory::default());
    assert_eq!(
        table(&plan),
        [
            "10.9.0.1/32 dev 3",
            "128.0.0.0/1 via 192.0.2.9",
            "192.0.2.0/24 dev 3",
            "default via 192.0.2.1 metric 200"
        ]
    );
}

#[test]
fn the_administrator_s_gateway_comes_first_and_on_link_ones_before_others() {
    let eth1_alone = policy(&["eth1"]);
    let gateway = |gateways: &[&str]| {
        let plan = planned(two_uplinks(), &named(eth1_alone.clone(), gateways));
        plan.tables[&eth1()].next_hop
    };
    assert_eq!(gateway(&["198.51.100.1", "192.0.2.77"]), NextHop::Gateway(ip("192.0.2.77")));
    assert_eq!(gateway(&["first"]), NextHop::Gateway(ip("192.0.2.1")));
    assert_eq!(gateway(&["198.51.100.1"]), NextHop::Table(TableId::MAIN), "none of them is of use");
    let notes = |gateways: &[&str]| planned(two_uplinks(), &named(eth1_alone.clone(), gateways)).notes;
    assert_eq!(notes(&["198.51.100.1", "192.0.2.77"]), []);
    for (useless, why) in
        [("198.51.100.1", "198.51.100.1 is not on-link on eth1"), ("192.0.2.10", "an address of this host")]
    {
        let notes = notes(&[useless]);
        assert!(
            notes[0].text.contains(why) && notes[0].text.contains("so the next source's is used"),
            "{notes:?}"
        );
        assert_eq!(notes.len(), 1);
    }
}

#[test]
fn a_manager_s_gateway_counts_where_the_kernel_has_it_or_the_helper_takes_any() {
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    let facts = ManagerFacts { gateway: "192.0.2.1".parse().ok(), ..ManagerFacts::default() };
    let report = LinkReport { facts: Some(facts.into()), ..LinkReport::new(index(3)) };
    let plain = policy(&["eth1"]);
    let next_hop = |routes: &[Route], policy: &Policy| {
        let mut state = state(dump.clone());
        state.report(Report::Link(report.clone()), &mut Changes::default());
        let routes: Vec<FullRoute> = dump.routes.iter().chain(routes).map(full).collect();
        let plan = plan_of(&snapshot_of(&state, &routes, usual_rules(), policy), policy);
        plan.tables.get(&eth1()).map(|table| table.next_hop)
    };
    assert_eq!(next_hop(&[], &plain), None);
    let gateway = Some(NextHop::Gateway(ip("192.0.2.1")));
    assert_eq!(next_hop(&[route("203.0.113.0/24", 3, "192.0.2.1")], &plain), gateway);
    assert_eq!(next_hop(&[], &Policy { gateway_check: GatewayCheck::OnLink, ..plain }), gateway);
}

#[test]
fn the_only_next_hop_to_the_own_subnet_is_a_gateway_and_one_to_elsewhere_is_none() {
    let mut dump = two_uplinks();
    dump.addresses[1].1 = address("10.128.0.5/32");
    dump.routes = vec![
        route("0.0.0.0/0", 2, "192.0.2.1"),
        route("10.128.0.1/32", 3, ""),
        route("203.0.113.0/24", 3, "10.128.0.7"),
    ];
    let eth1_alone = policy(&["eth1"]);
    assert_eq!(planned(dump.clone(), &eth1_alone).tables, BTreeMap::new());
    dump.routes.push(route("10.128.0.0/20", 3, "10.128.0.1"));
    let next_hop = |dump| planned(dump, &eth1_alone).tables.get(&eth1()).map(|table| table.next_hop);
    assert_eq!(next_hop(dump.clone()), Some(NextHop::Gateway(ip("10.128.0.1"))));
    dump.routes.push(route("10.128.0.0/16", 3, "10.128.0.2"));
    assert_eq!(next_hop(dump), None, "two");
}

#[test]
fn a_point_to_point_link_is_an_uplink_by_name_or_by_half_of_the_world() {
    let mut dump = two_uplinks();
    dump.links[1] = fixtures::link(3, "eth1", link_flag::UP | link_flag::POINTOPOINT);
    dump.routes.remove(1);
    let next_hop =
        |dump: &Dump, policy| planned(dump.clone(), &policy).tables.get(&eth1()).map(|table| table.next_hop);
    assert_eq!(next_hop(&dump, policy(&["eth1"])), Some(NextHop::PointToPoint));
    assert_eq!(next_hop(&dump, policy(&["e*1"])), None, "never by a pattern");
    dump.routes.push(route("128.0.0.0/1", 3, ""));
    assert_eq!(next_hop(&dump, policy(&["e*1"])), Some(NextHop::PointToPoint));
}

#[test]
fn tables_that_rules_lead_to_have_gateways_and_uplinks() {
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    dump.routes.push(Route { table: TableId(101), ..route("0.0.0.0/0", 3, "192.0.2.9") });
    dump.routes.push(Route { table: TableId(100), ..route("0.0.0.0/0", 3, "192.0.2.8") });
    let policy = policy(&["eth1"]);
    let leads = |change: &dyn Fn(&mut SeenRule)| {
        let mut rule = SeenRule { priority: 100, table: Some(101), ..SeenRule::any(Family::V4, "lookup") };
        change(&mut rule);
        let routes: Vec<FullRoute> = dump.routes.iter().map(full).collect();
        let rules = [usual_rules(), vec![rule.into()]].concat();
        let plan = plan_of(&snapshot_of(&state(dump.clone()), &routes, rules, &policy), &policy);
        plan.tables.get(&eth1()).map(|table| table.next_hop)
    };
    let there = Some(NextHop::Table(TableId(101)));
    assert_eq!(leads(&|_| {}), there);
    assert_eq!(leads(&|rule| rule.source = Some(prefix("192.0.2.0/28"))), there);
    assert_eq!(leads(&|rule| rule.source = Some(prefix("198.51.100.0/24"))), None);
    assert_eq!(leads(&|rule| rule.mark = Some((1, 255))), None, "never marked traffic's");
    assert_eq!(leads(&|rule| (rule.mark, rule.inverted) = (Some((1, 255)), true)), there);
    assert_eq!(leads(&|rule| rule.iif = Some("eth0".to_owned())), None);
    assert_eq!(leads(&|rule| rule.tos = 4), None);
    assert_eq!(leads(&|rule| rule.table = Some(102)), None, "without a default");
}

#[test]
fn a_default_that_cannot_be_copied_blocks_and_another_route_is_thrown_to_main() {
    let eth1_alone = policy(&["eth1"]);
    let plan = |at: usize| {
        let dump = two_uplinks();
        let mut routes: Vec<FullRoute> = dump.routes.iter().map(full).collect();
        routes[at].opaque = true;
        plan_of(&snapshot_of(&state(dump), &routes, usual_rules(), &eth1_alone), &eth1_alone)
    };
    let blocked = plan(1);
    assert_eq!(blocked.tables, BTreeMap::new());
    assert!(texts(&blocked)[0].contains("cannot be copied"), "{:?}", blocked.notes);
    let thrown = plan(4);
    assert!(table(&thrown).contains(&"throw 172.17.0.0/16".to_owned()), "{:?}", table(&thrown));
    assert!(texts(&thrown)[0].contains("172.17.0.0/16 cannot be copied"), "{:?}", thrown.notes);
}

#[test]
fn a_gateway_whose_subnet_is_gone_is_none() {
    let policy = named(policy(&["eth1"]), &["192.0.2.1"]);
    let mut dump = two_uplinks();
    dump.routes.remove(1);
    dump.addresses[1].1 = address("198.51.100.7/24");
    dump.routes.remove(2);
    let plan = planned(dump.clone(), &policy);
    assert_eq!(plan.tables, BTreeMap::new());
    assert!(plan.notes[0].text.contains("192.0.2.1 is not on-link on eth1"), "{:?}", plan.notes);
    dump.routes.push(route("192.0.2.1/32", 3, ""));
    assert!(planned(dump, &policy).tables.contains_key(&eth1()), "a host route makes it on-link");
}

#[test]
fn a_gateway_that_comes_back_soon_was_never_gone() {
    let policy = policy(&["eth0", "eth1"]);
    let mut dump = two_uplinks();
    // A subnet of eth0's alone, which must not move into eth1's table.
    dump.routes.push(route("203.0.113.0/24", 2, ""));
    let whole = snapshot(dump.clone(), &policy);
    let mut without = dump.clone();
    without.routes.drain(..2);
    let lost = snapshot(without.clone(), &policy);
    let (mut recent, now) = (Recent::default(), Instant::now());
    let mut pass = |snapshot: &Snapshot, at| {
        let mut plan = desired(snapshot, &policy, &Planning::default(), &recent.history(at));
        let again = recent.consider(&mut plan, &snapshot.links, &policy, at);
        (plan, again)
    };
    let (plan, again) = pass(&whole, now);
    assert_eq!((plan.tables.len(), again), (2, None));
    let (plan, again) = pass(&lost, now);
    assert_eq!((plan.in_grace.len(), again), (2, Some(now + GATEWAY_GRACE_PERIOD)));
    let (plan, again) = pass(&lost, now + GATEWAY_GRACE_PERIOD);
    assert_eq!((plan.in_grace.len(), plan.tables.len(), again), (0, 0, None), "the moment is over");

    // Only eth0's is gone.
    let mut without = dump.clone();
    without.routes.remove(0);
    let lost = snapshot(without, &policy);
    pass(&whole, now);
    let (plan, _) = pass(&lost, now);
    assert!(plan.in_grace.contains(&TableKey { ifindex: index(2), family: Family::V4 }));
    assert!(!table(&plan).contains(&"203.0.113.0/24 dev 2".to_owned()), "it still is an uplink");
    let (plan, _) = pass(&lost, now + GATEWAY_GRACE_PERIOD);
    assert!(table(&plan).contains(&"203.0.113.0/24 dev 2".to_owned()), "it is none");

    pass(&whole, now);
    let mut without = dump;
    without.routes.drain(..2);
    without.addresses.remove(1);
    let (plan, _) = pass(&snapshot(without, &policy), now);
    assert!(!plan.in_grace.contains(&eth1()), "an address that is gone is not waited for");
}

#[test]
fn an_address_on_two_links_has_rules_on_neither_unless_it_is_shared() {
    let mut dump = two_uplinks();
    dump.addresses.push((index(2), address("192.0.2.11/24")));
    let both = policy(&["eth0", "eth1"]);
    let plan = planned(dump.clone(), &both);
    let of_eth0 = TableKey { ifindex: index(2), family: Family::V4 };
    assert_eq!(plan.tables.keys().collect::<Vec<_>>(), [&of_eth0]);
    assert_eq!(plan.tables[&of_eth0].addresses, BTreeSet::from([ip("192.0.2.10")]));
    assert!(texts(&plan).iter().all(|text| text.contains("192.0.2.11 is on eth")), "{:?}", plan.notes);
    assert_eq!(plan.notes.len(), 2);
    let shared = Policy { shared: [ip("192.0.2.11")].into(), ..both };
    let plan = planned(dump.clone(), &shared);
    assert_eq!((plan.tables[&of_eth0].addresses.len(), plan.notes.len()), (2, 0));
    dump.links[0].flags = 0;
    assert!(planned(dump.clone(), &policy(&["eth1"])).tables.contains_key(&eth1()), "of a link that is down");
    // Both down and with the fallback: the helper would take it from one for the other, in turns.
    dump.links[1].flags = 0;
    let strict = Policy { fallback: Fallback::Unreachable, ..policy(&["eth0", "eth1"]) };
    let plan = planned(dump, &strict);
    let addresses: BTreeSet<IpAddr> =
        plan.tables.values().flat_map(|table| table.addresses.clone()).collect();
    assert_eq!(addresses, BTreeSet::from([ip("192.0.2.10")]));
    assert!(texts(&plan).iter().all(|text| text.contains("192.0.2.11 is on eth")), "{:?}", plan.notes);
    assert_eq!(plan.notes.len(), 2);
    // Shared, and one of them up: only that one has rules, which the other's fallback would come before.
    let mut dump = two_uplinks();
    dump.addresses.push((index(2), address("192.0.2.11/32")));
    dump.links[0].flags = 0;
    let shared = Policy { shared: [ip("192.0.2.11")].into(), ..strict };
    let plan = planned(dump, &shared);
    let of = |ifindex| plan.tables[&TableKey { ifindex: index(ifindex), ..eth1() }].addresses.clone();
    assert_eq!((of(2), of(3)), ([ip("192.0.2.10")].into(), [ip("192.0.2.11")].into()));
    assert_eq!(plan.notes, []);
}

#[test]
fn too_many_routes_are_left_to_main_and_the_way_back_is_at_three_quarters() {
    let policy =
        Policy { limits: protocol::Limits { copies: 8, ..protocol::Limits::default() }, ..policy(&["eth1"]) };
    let with = |count: u8| {
        let mut dump = two_uplinks();
        dump.routes.push(route("64.0.0.0/2", 3, "192.0.2.1"));
        dump.routes.extend((0..count).map(|n| route(&format!("10.{n}.0.0/16"), 4, "")));
        snapshot(dump, &policy)
    };
    let mut recent = Recent::default();
    let mut plan = |count| {
        let (snapshot, now) = (with(count), Instant::now());
        let mut plan = desired(&snapshot, &policy, &Planning::default(), &recent.history(now));
        recent.consider(&mut plan, &snapshot.links, &policy, now);
        plan
    };
    let copied = plan(5);
    assert_eq!((copied.tables[&eth1()].through, copied.tables[&eth1()].copies.len()), (Through::Table, 8));
    let first = plan(6);
    let words = |plan: &Plan| -> Vec<String> {
        plan.tables[&eth1()].rules.values().flatten().map(ToString::to_string).collect()
    };
    assert_eq!(table(&first), ["64.0.0.0/2 via 192.0.2.1", "default via 192.0.2.1 metric 200"]);
    assert!(words(&first).contains(&"from 192.0.2.11 lookup main suppress_prefixlength 7".to_owned()));
    assert!(texts(&first)[0].contains("main has more than 8 routes to copy"), "{:?}", first.notes);
    assert_eq!(plan(4).tables[&eth1()].through, Through::MainFirst);
    assert_eq!(plan(3).tables[&eth1()].through, Through::Table);
    assert_eq!(plan(200).tables[&eth1()].through, Through::MainFirst, "what is counted alone counts");

    let by_choice = Planning { specific_routes: SpecificRoutes::Main, ..Planning::default() };
    let plan = desired(&with(0), &policy, &by_choice, &PlanHistory::default());
    assert_eq!((plan.tables[&eth1()].through, plan.notes.len()), (Through::MainFirst, 0));
}

#[test]
fn rules_follow_the_policy_and_the_place_of_local() {
    let mut asked = policy(&["eth1"]);
    asked.to_rules = false;
    asked.main_prefixes = vec![prefix("10.0.0.0/8"), prefix("fd00::/8")];
    asked.marks.insert(InterfaceName::new("eth1").expect("good"), Mark { value: 0x65_0000, mask: 0xff_0000 });
    let words = |rules: Vec<Rule>, policy: &Policy| -> Vec<String> {
        let dump = two_uplinks();
        let routes: Vec<FullRoute> = dump.routes.iter().map(full).collect();
        let plan = plan_of(&snapshot_of(&state(dump), &routes, rules, policy), policy);
        let rules = plan.tables[&eth1()].rules.values().flatten();
        rules.map(|rule| format!("{}: {rule}", rule.priority)).collect()
    };
    assert_eq!(
        words(usual_rules(), &asked),
        [
            "32001: from 192.0.2.11 to 10.0.0.0/8 lookup main",
            "32002: from 192.0.2.11 lookup 203",
            "32001: to 10.0.0.0/8 fwmark 0x650000/0xff0000 lookup main",
            "32002: fwmark 0x650000/0xff0000 lookup 203"
        ]
    );
    // As on a host with a VRF.
    let mut behind = usual_rules();
    behind.iter_mut().filter(|rule| rule.table == Some(TableId::LOCAL)).for_each(|rule| {
        rule.priority = protocol::Priority(32_765);
    });
    assert_eq!(
        words(behind, &policy(&["eth1"])),
        ["32000: from 192.0.2.11 lookup local", "32002: from 192.0.2.11 lookup 203"]
    );
}

#[test]
fn foreign_objects_in_our_table_are_conflicts_and_marked_rules_are_welcome() {
    let eth1_alone = policy(&["eth1"]);
    let conflict = |rule: Option<SeenRule>, intruder: bool| {
        let mut dump = two_uplinks();
        if intruder {
            dump.routes.push(Route { table: TableId(203), ..route("203.0.113.0/24", 3, "") });
        }
        let routes: Vec<FullRoute> = dump.routes.iter().map(full).collect();
        let rules = [usual_rules(), rule.into_iter().map(Rule::from).collect()].concat();
        let plan = plan_of(&snapshot_of(&state(dump), &routes, rules, &eth1_alone), &eth1_alone);
        plan.conflicts.get(&eth1()).cloned()
    };
    let rule = || SeenRule { priority: 9, table: Some(203), ..SeenRule::any(Family::V4, "lookup") };
    assert_eq!(conflict(None, false), None);
    assert!(conflict(None, true).is_some_and(|text| text.contains("table 203 holds routes")));
    assert!(conflict(Some(rule()), false).is_some_and(|text| text.contains("looks up table 203")));
    assert_eq!(conflict(Some(SeenRule { mark: Some((7, u32::MAX)), ..rule() }), false), None);
    assert!(conflict(Some(SeenRule { mark: Some((0, 0)), ..rule() }), false).is_some());
    let at_our_priority = SeenRule { priority: 32_002, table: Some(4711), ..rule() };
    assert_eq!(conflict(Some(at_our_priority), false), None);
}

#[test]
fn ipv6_routes_that_main_holds_apart_stay_apart() {
    let of = |gateway: &str, preference: u8| {
        let mut route = full(&Route { metric: 1024, ..route("::/0", 3, gateway) });
        route.spec.attributes = (preference != 0).then(|| {
            Box::new(crate::kernel::Attributes { preference, ..crate::kernel::Attributes::default() })
        });
        route.spec
    };
    let other = Spec { metric: 1025, ..of("fe80::9", 0) };
    let routes = super::copies::split(vec![of("fe80::3", 3), of("fe80::1", 0), other, of("fe80::2", 1)]);
    let words: Vec<String> = routes.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "default via fe80::2",
            "default via fe80::1 metric 1026",
            "default via fe80::9 metric 1025",
            "default via fe80::3 metric 1027"
        ]
    );
}

#[test]
fn a_listed_name_for_which_nothing_can_be_installed_is_named() {
    let notes = |change: &dyn Fn(&mut Dump), listed: &[&str]| -> Vec<String> {
        let mut dump = two_uplinks();
        change(&mut dump);
        let plan = planned(dump, &policy(listed));
        plan.notes.into_iter().map(|note| note.text).collect()
    };
    let nothing = |_: &mut Dump| {};
    assert_eq!(notes(&nothing, &["eth1"]), [""; 0]);
    // Only names are anybody's word that a link is an uplink.
    assert_eq!(notes(&nothing, &["docker*", "wg*"]), [""; 0]);
    let other_name = |dump: &mut Dump| {
        let alternative_names = vec!["uplink".to_owned()];
        dump.links[1].extra = Some(Arc::new(LinkExtra { alternative_names, ..LinkExtra::default() }));
    };
    assert_eq!(notes(&other_name, &["uplink"]), [""; 0]);
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
    let much = |dump: &mut Dump| dump.routes.extend((64..160).map(|n| route(&format!("{n}.0.0.0/8"), 4, "")));
    one(&much, &["eth1"], "routes through docker0 cover more than a quarter");
}

#[test]
fn tables_of_others_that_decide_for_everything_are_known_to_the_plan() {
    let mut dump = two_uplinks();
    let of = |table: u32, route: Route| Route { table: TableId(table), ..route };
    dump.routes.extend([
        of(52, route("0.0.0.0/0", 4, "")),
        of(53, route("0.0.0.0/1", 4, "")),
        of(54, Route { route_type: 7, ..route("0.0.0.0/0", 4, "") }),
        of(55, Route { route_type: 9, ..route("0.0.0.0/0", 4, "") }),
        of(56, route("203.0.113.0/24", 4, "")),
    ]);
    let leading = planned(dump, &policy(&["eth1"])).leading;
    let tables: Vec<(u32, u8)> = leading.iter().map(|((_, table), length)| (table.0, *length)).collect();
    assert_eq!(tables, [(52, 0), (53, 1), (54, 0), (254, 0)]);
}

#[test]
fn limits_cut_and_say_so() {
    let mut dump = two_uplinks();
    dump.addresses.extend((20..60).map(|n| (index(3), address(&format!("192.0.2.{n}/24")))));
    let mut policy = policy(&["eth1"]);
    policy.limits.addresses = 10;
    let plan = planned(dump, &policy);
    assert_eq!(plan.tables[&eth1()].addresses.len(), 10);
    let text = "eth1 ipv4: 41 addresses, of which routing.limits.addresses lets 10 in; the others get no rule: raise it";
    assert_eq!(texts(&plan), [text]);
}
