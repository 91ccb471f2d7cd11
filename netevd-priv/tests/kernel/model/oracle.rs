//! The helper as DESIGN describes it, and not as it is written: what a request may be answered,
//! and what of ours stands then, given what stands in the kernel.
//!
//! Pure: a view and a request in, an expectation out. A request is granted if no reason speaks
//! against it; which of several reasons is told is left open.

use super::expected::{Expected, Key, Set, key, put};
use super::facts::Facts;
use crate::objects::{Address, Route, UNICAST};
use crate::ours::{Ours, everything};
use crate::view::View;
use protocol::{Family, Ifindex, NextHop, Policy, Prefix, Refusal, Reply, Request, RouteKind, Selector};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The helper's memory, which is only what has been named between SyncBegin and SyncEnd.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory {
    naming: bool,
    named: BTreeSet<Key>,
    /// Named or not: the request failed on its way.
    perhaps: BTreeSet<Key>,
}

impl Memory {
    /// What may become of this request, by this policy, before this view.
    pub(crate) fn expect(&self, policy: &Policy, view: &View, request: &Request) -> Expected {
        let facts = Facts { policy, view };
        let ours = view.ours();
        match *request {
            Request::Hello { .. } | Request::Ping | Request::SyncBegin => Expected::plain(Reply::Ok, ours),
            Request::AddRule { ifindex, selector, address } => {
                self.add_rules(&facts, ours, ifindex, &[(selector, address)])
            }
            Request::AddRules { ifindex, ref addresses } => {
                let both = |address| [(Selector::From, address), (Selector::To, address)];
                self.add_rules(&facts, ours, ifindex, &addresses.iter().flat_map(both).collect::<Vec<_>>())
            }
            Request::AddSubnet { ifindex, address } => self.add_subnet(&facts, ours, ifindex, address),
            Request::AddLocal { ifindex, destination } => self.add_local(&facts, ours, ifindex, destination),
            Request::SetDefault { ifindex, family, next_hop } => {
                self.set_default(&facts, ours, ifindex, family, next_hop)
            }
            Request::DelRule { ifindex, selector, address } => {
                let rule = facts.rule(ifindex, selector, address);
                Expected::deletion(ours, |object| *object == rule)
            }
            Request::DelRoute { ifindex, family, route } => {
                let (destination, last) = match route {
                    RouteKind::Default => (everything(family), false),
                    RouteKind::Fallback => (everything(family), true),
                    RouteKind::Subnet(prefix) | RouteKind::Local(prefix) => (prefix, false),
                };
                if Family::of(destination.address()) != family {
                    return Expected {
                        refusals: [Refusal::Family].into(),
                        ..Expected::plain(Reply::Ok, ours)
                    };
                }
                let table = facts.table(ifindex);
                Expected::deletion(ours, |object| {
                    matches!(object, Ours::Route(r)
                        if r.table == table && r.destination == destination && (r.metric == u32::MAX) == last)
                })
            }
            Request::Purge { ifindex } => {
                let table = facts.table(ifindex);
                Expected::deletion(ours, |object| match object {
                    Ours::Rule(rule) => rule.table == table,
                    Ours::Route(route) => route.table == table,
                })
            }
            Request::SyncEnd => {
                let uncertain = ours.iter().filter(|o| self.perhaps.contains(&key(o))).cloned().collect();
                let stays = |o: &Ours| self.named.contains(&key(o)) || self.perhaps.contains(&key(o));
                let left = ours.into_iter().filter(stays).collect();
                Expected { uncertain, ..Expected::plain(Reply::Ok, left) }
            }
        }
    }

    /// What the helper remembers after this reply.
    pub(crate) fn learn(&mut self, request: &Request, expected: &Expected, reply: Reply) {
        match (request, reply) {
            (Request::SyncBegin, _) => *self = Self { naming: true, ..Self::default() },
            (Request::SyncEnd, _) => *self = Self::default(),
            (_, Reply::Ok | Reply::Exists) if self.naming => self.named.extend(expected.keys.iter().cloned()),
            (_, Reply::Refused(Refusal::Limit) | Reply::Kernel(_)) if self.naming => {
                self.perhaps.extend(expected.keys.iter().cloned());
            }
            _ => {}
        }
    }

    /// All of them or none.
    fn add_rules(
        &self,
        facts: &Facts<'_>,
        ours: Set,
        ifindex: Ifindex,
        asked: &[(Selector, IpAddr)],
    ) -> Expected {
        let mut refusals = facts.against_link(ifindex);
        let table = facts.table(ifindex);
        let mut addresses: BTreeSet<IpAddr> = ours.iter().filter_map(|o| host_of(o, table)).collect();
        let mut rules = Set::new();
        for (selector, address) in asked {
            refusals.extend(facts.against_source(ifindex, *address).err());
            rules.insert(facts.rule(ifindex, *selector, *address));
            addresses.insert(*address);
        }
        let family = Family::of(asked[0].1);
        refusals.extend(facts.conflicts(ifindex, family));
        if !facts.local_precedes(family) {
            refusals.insert(Refusal::LocalRule);
        }
        if !rules.is_subset(&ours) && over(addresses.len(), facts.policy.limits.addresses) {
            refusals.insert(Refusal::Limit);
        }
        self.addition(facts, ours, facts.fallback(ifindex, family), rules, refusals)
    }

    fn add_subnet(&self, facts: &Facts<'_>, ours: Set, ifindex: Ifindex, address: IpAddr) -> Expected {
        let family = Family::of(address);
        let mut refusals = facts.against_link(ifindex);
        let subnet = match facts.against_source(ifindex, address) {
            Ok(found) => found.subnet,
            Err(refusal) => {
                refusals.insert(refusal);
                Prefix::host(address)
            }
        };
        if subnet == Prefix::host(address) {
            return Expected { refusals, ..Expected::plain(Reply::Exists, ours) };
        }
        if !facts.is_network(subnet) {
            refusals.insert(Refusal::RouteNotCopyable);
        }
        refusals.extend(facts.conflicts(ifindex, family));
        let route = Ours::route(facts.table(ifindex), subnet, (ifindex.get(), None));
        let expected = self.addition(facts, ours, facts.fallback(ifindex, family), [route].into(), refusals);
        Expected { may_fail: facts.is_down(ifindex.get()), ..expected }
    }

    fn add_local(&self, facts: &Facts<'_>, ours: Set, ifindex: Ifindex, destination: Prefix) -> Expected {
        let (family, table) = (Family::of(destination.address()), facts.table(ifindex));
        let mut refusals = facts.against_link(ifindex);
        let own = |a: &Address| a.index == ifindex.get() && a.subnet == destination;
        if !facts.policy.local_networks
            || !facts.is_network(destination)
            || facts.view.addresses.iter().any(own)
        {
            refusals.insert(Refusal::RouteNotCopyable);
        }
        refusals.extend(facts.conflicts(ifindex, family));
        let mut may_fail = false;
        let copy = match facts.local_network(destination) {
            Ok(original) => {
                // Its gateway was reachable when main's route was made, and need not be now.
                may_fail = facts.is_down(original.ways[0].0) || !facts.reaches_gateway(original);
                let Ours::Route(plain) = Ours::route(table, destination, original.ways[0]) else {
                    unreachable!("it is a route")
                };
                Ours::Route(Route { scope: original.scope, onlink: original.onlink, ..plain })
            }
            Err(refusal) => {
                refusals.insert(refusal);
                Ours::route(table, destination, (0, None))
            }
        };
        let is_copy = |o: &&Ours| {
            matches!(o, Ours::Route(r) if r.table == table && r.kind == UNICAST
                && r.ways.iter().all(|way| way.0 != ifindex.get()))
        };
        let copies: BTreeSet<Key> = ours.iter().filter(is_copy).chain([&copy]).map(key).collect();
        if over(copies.len(), facts.policy.limits.local_networks) {
            refusals.insert(Refusal::Limit);
        }
        // It alone brings no fallback: a copy leads where main leads as well.
        Expected { may_fail, ..self.addition(facts, ours, None, [copy].into(), refusals) }
    }

    fn set_default(
        &self,
        facts: &Facts<'_>,
        ours: Set,
        ifindex: Ifindex,
        family: Family,
        hop: NextHop,
    ) -> Expected {
        let mut refusals = facts.against_link(ifindex);
        let gateway = match hop {
            NextHop::Gateway(gateway) => {
                if Family::of(gateway) != family {
                    refusals.insert(Refusal::Family);
                }
                refusals.extend(facts.against_gateway(ifindex, gateway));
                Some(gateway)
            }
            NextHop::PointToPoint => {
                if !facts.needs_no_gateway(ifindex, family) {
                    refusals.insert(Refusal::NotPointToPoint);
                }
                None
            }
        };
        refusals.extend(facts.conflicts(ifindex, family));
        let route = Ours::route(facts.table(ifindex), everything(family), (ifindex.get(), gateway));
        let expected = self.addition(facts, ours, facts.fallback(ifindex, family), [route].into(), refusals);
        Expected { may_fail: facts.is_down(ifindex.get()), ..expected }
    }

    /// The objects go in, and before them the policy's fallback, if they are such as bring it.
    fn addition(
        &self,
        facts: &Facts<'_>,
        ours: Set,
        first: Option<Ours>,
        objects: Set,
        refusals: BTreeSet<Refusal>,
    ) -> Expected {
        let mut refusals = refusals;
        let keys: Vec<Key> = first.iter().chain(&objects).map(key).collect();
        let standing: BTreeSet<Key> = ours.iter().map(key).collect();
        let new = keys.iter().filter(|key| !standing.contains(key)).count();
        let named = self.named.iter().chain(&keys).collect::<BTreeSet<_>>();
        let perhaps = named.iter().copied().chain(&self.perhaps).collect::<BTreeSet<_>>().len();
        let limit = facts.policy.limits.objects;
        if (new > 0 && over(ours.len() + new, limit)) || (self.naming && over(named.len(), limit)) {
            refusals.insert(Refusal::Limit);
        }
        let may_be_refused = (self.naming && over(perhaps, limit)).then_some(Refusal::Limit);
        let reply = if objects.is_subset(&ours) { Reply::Exists } else { Reply::Ok };
        let mut after = ours;
        for object in first.iter().chain(&objects) {
            put(&mut after, object);
        }
        Expected {
            refusals,
            granted: (reply, after),
            uncertain: Set::new(),
            may_fail: false,
            may_be_refused,
            first,
            keys,
        }
    }
}

/// The one address that a rule of ours into this table is about.
fn host_of(object: &Ours, table: u32) -> Option<IpAddr> {
    match object {
        Ours::Rule(rule) if rule.table == table && !rule.more => match (rule.from, rule.to) {
            (Some(prefix), None) | (None, Some(prefix)) => {
                (prefix == Prefix::host(prefix.address())).then_some(prefix.address())
            }
            _ => None,
        },
        _ => None,
    }
}

fn over(count: usize, limit: u32) -> bool {
    u64::try_from(count).expect("small") > u64::from(limit)
}
