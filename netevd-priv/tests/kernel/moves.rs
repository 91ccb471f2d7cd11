//! The reason of what the helper has granted goes in ways that are told late, or of something else: an address that
//! moves, a link that comes up, a nexthop object, an alternative name, a table of another program, a rule. The worker
//! is silent, as in later.rs.

use crate::later::goes_from;
use crate::world::{copy, default, policy, via};
use protocol::{Family, GatewayName, Ifindex, InterfaceName, NextHop, Policy, Request, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn eth1() -> Policy {
    policy(&["eth1"])
}

fn nothing(_: Ifindex) -> Vec<Request> {
    Vec::new()
}

#[test]
fn rules_go_with_an_address_that_moves_or_that_a_second_link_has_in_either_family() {
    let moved = "addr del 10.0.2.6/24 dev eth1\naddr add 10.0.2.6/24 dev docker0";
    goes_from("", &eth1(), nothing, moved, |line| line.contains("10.0.2.6"));
    let second = "addr add 2001:db8:2::5/128 dev docker0 nodad";
    goes_from("", &eth1(), nothing, second, |line| line.contains("2001:db8:2::5"));
}

/// While the second link is down the address is its neighbour's alone.
#[test]
fn rules_go_when_a_second_link_with_the_address_comes_up() {
    let down = "link add late0 type bridge\naddr add 10.0.2.6/32 dev late0";
    goes_from(down, &eth1(), nothing, "link set late0 up", |line| line.contains("10.0.2.6"));
}

#[test]
fn rules_of_a_shared_address_stay_on_a_second_link() {
    let shared = BTreeSet::from(["10.0.2.6".parse().expect("an address")]);
    let change = "addr add 10.0.2.6/32 dev docker0\naddr add 10.0.2.5/32 dev docker0";
    goes_from("", &Policy { shared, ..eth1() }, nothing, change, |line| line.contains("10.0.2.5"));
}

/// The kernel tells of the object and not of its routes.
#[test]
fn copies_go_when_a_nexthop_object_leads_elsewhere_or_goes() {
    let object = "nexthop add id 30 via 10.0.2.2 dev eth1\nroute add 10.67.0.0/16 nhid 30
        nexthop add id 31 via 10.0.2.3 dev eth1\nnexthop add id 40 group 30/31\nroute add 10.68.0.0/16 nhid 40
        -6 nexthop add id 60 via fe80::2 dev eth1\n-6 route add 2001:db8:67::/48 nhid 60";
    let copies =
        |eth1| vec![copy(eth1, &["10.67.0.0/16", "10.68.0.0/16"]), copy(eth1, &["2001:db8:67::/48"])];
    let multipath = |line: &str| {
        line.contains("10.68.0.0")
            || line.contains("nexthop via 10.0.2.2")
            || line.contains("nexthop via 10.0.2.3")
    };
    goes_from(object, &eth1(), copies, "nexthop replace id 30 via 10.0.2.4 dev eth1", |line| {
        line.contains("10.67.0.0") || multipath(line)
    });
    goes_from(object, &eth1(), copies, "nexthop replace id 40 group 31", multipath);
    goes_from(object, &eth1(), copies, "-6 nexthop del id 60", |line| line.contains("2001:db8:67::"));
}

/// main's default is a nexthop object's, which leads to another gateway.
#[test]
fn a_default_goes_when_its_nexthop_object_leads_elsewhere() {
    let object = "route del default dev eth1\nnexthop add id 30 via 10.0.2.1 dev eth1\nroute add default nhid 30 metric 200";
    let by_default = |line: &str| line.contains("via 10.0.2.1 ");
    let time = goes_from(object, &eth1(), nothing, "nexthop replace id 30 via 10.0.2.9 dev eth1", by_default);
    assert!(time == Duration::ZERO || time > Duration::from_millis(1900), "{time:?}");
}

#[test]
fn everything_goes_with_the_alternative_name_that_the_policy_lists() {
    let named = "link property add dev eth1 altname wan";
    goes_from(named, &policy(&["wan"]), nothing, "link property del dev eth1 altname wan", |_| true);
}

/// A default of a table to which another program's rule leads.
#[test]
fn a_default_of_another_table_goes_with_that_tables_route() {
    let table = "route del default dev eth1\nroute add default via 10.0.2.1 dev eth1 metric 200
        route add default via 10.0.2.7 dev eth1 table 77\nrule add from 10.0.2.5 lookup 77 priority 90";
    let led = |eth1| vec![default(eth1, Family::V4, NextHop::Table(TableId(77)))];
    goes_from(table, &eth1(), led, "route del default table 77", |line| line.contains("via 10.0.2.7 "));
}

/// A gateway is never an address of this host.
#[test]
fn a_gateway_that_becomes_an_address_of_this_host_goes() {
    let name = InterfaceName::new("eth1").expect("a name");
    let gateways = BTreeMap::from([(name, vec!["10.0.2.77".parse::<GatewayName>().expect("a gateway")])]);
    let named = |eth1| vec![via(eth1, "10.0.2.77")];
    let policy = Policy { gateways, ..eth1() };
    goes_from("", &policy, named, "addr add 10.0.2.77/32 dev docker0", |line| {
        line.contains("via 10.0.2.77 ")
    });
}

/// With the rule for table local behind, `to` rules would keep the host from itself.
#[test]
fn to_rules_go_when_local_moves_behind() {
    let behind = "rule add priority 32765 lookup local\nrule del priority 0";
    goes_from("", &eth1(), nothing, behind, |line| line.starts_with("32003:") && !line.contains("2001:"));
}
