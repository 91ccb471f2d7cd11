//! From what stands to what should: the requests, in an order in which no look-up between two of
//! them is answered by the wrong interface. Pure.
//!
//! Up: subnets, local networks, default, rules (the fallback goes in with the first of them).
//! Down: rules, default, other routes, fallback. What is new is put in before what is old goes.

use crate::routing::{Actual, ActualTable, Plan, PlannedTable, TableKey};
use protocol::{Addresses, NextHop, Request, RouteKind, Selector};
use std::net::IpAddr;

/// One request and what it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Whose table.
    pub key: TableKey,
    /// The request.
    pub request: Request,
    /// Without it the table must not be used: its rules are not put in when it fails.
    pub essential: bool,
}

/// The steps that turn `actual` into `plan`; none when they agree.
pub fn changes(plan: &Plan, actual: &Actual) -> Vec<Step> {
    let nothing = ActualTable::default();
    let mut steps = Vec::new();
    for (key, planned) in &plan.tables {
        let there = actual.tables.get(key).unwrap_or(&nothing);
        up(*key, planned, there, &mut steps);
    }
    let unwanted = PlannedTable::default();
    for (key, there) in actual.tables.iter().filter(|(key, _)| !plan.held.contains(key)) {
        let planned = plan.tables.get(key).unwrap_or(&unwanted);
        down(*key, planned, there, &mut steps);
    }
    steps
}

/// The steps that name the whole plan, for a synchronisation.
pub fn everything(plan: &Plan) -> Vec<Step> {
    let nothing = ActualTable::default();
    let mut steps = Vec::new();
    for (key, planned) in &plan.tables {
        up(*key, planned, &nothing, &mut steps);
    }
    steps
}

fn up(key: TableKey, planned: &PlannedTable, there: &ActualTable, steps: &mut Vec<Step>) {
    let TableKey { ifindex, family } = key;
    let mut step = |request, essential| steps.push(Step { key, request, essential });
    for (prefix, address) in &planned.subnets {
        let right =
            there.routes.get(prefix).is_some_and(|hop| hop.oif == Some(ifindex) && hop.gateway.is_none());
        if !right {
            step(Request::AddSubnet { ifindex, address: *address }, true);
        }
    }
    for (prefix, hop) in &planned.locals {
        if there.routes.get(prefix) != Some(hop) {
            step(Request::AddLocal { ifindex, destination: *prefix }, false);
        }
    }
    if let Some(next_hop) = planned.default {
        let right = there.default.is_some_and(|hop| {
            hop.oif == Some(ifindex)
                && match next_hop {
                    NextHop::Gateway(gateway) => hop.gateway == Some(gateway),
                    NextHop::PointToPoint => hop.gateway.is_none() && !hop.foreign_gateway,
                }
        });
        if !right {
            step(Request::SetDefault { ifindex, family, next_hop }, true);
        }
    }
    // The helper puts a missing fallback in before any rule: one that exists will do.
    let needs_fallback = planned.fallback && !there.fallback;
    let mut bare = Vec::new();
    for (number, address) in planned.addresses.iter().enumerate() {
        let missing = [Selector::From, Selector::To].map(|s| !there.rules.contains(&(s, *address)));
        match missing {
            _ if needs_fallback && number == 0 => bare.push(*address),
            [true, true] => bare.push(*address),
            [false, false] => {}
            [from, _] => {
                let selector = if from { Selector::From } else { Selector::To };
                step(Request::AddRule { ifindex, selector, address: *address }, true);
            }
        }
    }
    // The helper looks at the kernel once for a request: at few of them, however many the addresses.
    for addresses in Addresses::lists(bare) {
        step(Request::AddRules { ifindex, addresses }, true);
    }
}

fn down(key: TableKey, planned: &PlannedTable, there: &ActualTable, steps: &mut Vec<Step>) {
    let TableKey { ifindex, family } = key;
    let mut step = |request| steps.push(Step { key, request, essential: false });
    let stale = |(_, address): &&(Selector, IpAddr)| !planned.addresses.contains(address);
    for (selector, address) in there.rules.iter().filter(stale) {
        step(Request::DelRule { ifindex, selector: *selector, address: *address });
    }
    let mut route = |route| step(Request::DelRoute { ifindex, family, route });
    if there.default.is_some() && planned.default.is_none() {
        route(RouteKind::Default);
    }
    for prefix in there.routes.keys() {
        if !planned.locals.contains_key(prefix) && !planned.subnets.contains_key(prefix) {
            route(RouteKind::Local(*prefix));
        }
    }
    if there.fallback && !planned.fallback {
        route(RouteKind::Fallback);
    }
}
