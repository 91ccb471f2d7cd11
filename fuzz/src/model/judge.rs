//! Whether the helper may do what it does: at each write, and after each frame. Written from the
//! design, not from the helper's own checks.

use super::wire;
use super::world::{Address, LOCAL, Link, MAIN, Route, Rule, World};
use netlink_packet_route::route::{RouteScope, RouteType};
use protocol::{
    Fallback, Family, GatewayCheck, Ifindex, NextHop, PROTOCOL, Policy, Prefix, Refusal, Reply, Request,
    RouteKind, Selector, decode_reply, encode_reply,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// What is known of the frame under way.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) policy: Policy,
    /// Nothing has changed but by the helper since the frame came.
    pub(crate) is_calm: bool,
    request: Option<Request>,
    before: World,
    added_rules: Vec<Rule>,
    added_routes: Vec<Route>,
    exchanges: usize,
    reply: Option<Reply>,
    /// What was asked for since SyncBegin.
    wanted: Option<Vec<Request>>,
}

/// 200 + ifindex, but for the kernel's own three.
fn table(base: u32, index: u32) -> u32 {
    match base + index {
        own @ 253..=255 => 65_536 + own,
        other => other,
    }
}

fn index_of(request: &Request) -> Option<Ifindex> {
    match *request {
        Request::AddRule { ifindex, .. }
        | Request::AddRules { ifindex, .. }
        | Request::DelRule { ifindex, .. }
        | Request::SetDefault { ifindex, .. }
        | Request::AddSubnet { ifindex, .. }
        | Request::AddLocal { ifindex, .. }
        | Request::DelRoute { ifindex, .. }
        | Request::Purge { ifindex } => Some(ifindex),
        _ => None,
    }
}

/// The rules that a request asks for.
fn rules_of(request: &Request) -> Vec<(Selector, IpAddr)> {
    match request {
        Request::AddRule { selector, address, .. } => vec![(*selector, *address)],
        Request::AddRules { addresses, .. } => addresses
            .iter()
            .flat_map(|address| [(Selector::From, address), (Selector::To, address)])
            .collect(),
        _ => Vec::new(),
    }
}

fn is_default_like(to: Prefix) -> bool {
    to.length() <= if to.is_ipv4() { 1 } else { 3 }
}

impl Judge {
    /// A frame comes; `request` is what it says, if it says anything.
    pub(crate) fn begin(&mut self, world: &World, request: Option<Request>) {
        self.request.clone_from(&request);
        self.before = world.clone();
        self.is_calm = true;
        self.added_rules.clear();
        self.added_routes.clear();
        (self.exchanges, self.reply) = (0, None);
        match request {
            Some(Request::SyncBegin) => self.wanted = Some(Vec::new()),
            Some(request) => self.wanted.iter_mut().for_each(|wanted| wanted.push(request.clone())),
            None => {}
        }
    }

    pub(crate) fn answered(&mut self, frame: &[u8]) {
        let reply = decode_reply(frame).expect("a reply");
        assert_eq!(encode_reply(&reply), frame);
        assert!(self.reply.replace(reply).is_none(), "two replies to one request");
    }

    pub(crate) fn exchanged(&mut self, world: &World) {
        self.exchanges += 1;
        assert!(self.exchanges < 100 + 2 * (world.rules.len() + world.routes.len()), "it does not end");
    }

    fn request(&self) -> Request {
        self.request.clone().expect("nothing is asked of the kernel but for a request")
    }

    /// The interface into whose table the request leads, which the policy has to list.
    fn listed<'a>(&self, world: &'a World, number: u32) -> Option<&'a Link> {
        let index = index_of(&self.request()).expect("a request about an interface").get();
        assert_eq!(number, table(self.policy.table_base, index), "the table of another interface");
        assert!(!(253..=255).contains(&number));
        let link = world.link(index);
        if self.is_calm {
            let link = link.expect("there is the interface");
            assert!(self.policy.interfaces.matches(link.name), "{link:?} is not listed");
            assert!(!link.loopback && link.master == 0, "{link:?}");
        }
        link
    }

    /// Nothing foreign is in the table, leads to it, or stands at our priorities.
    fn place_is_ours(&self, world: &World, number: u32, family: Family) {
        let priorities = [self.policy.rule_priority + 2, self.policy.rule_priority + 3];
        let foreign = world.routes.iter().find(|r| !r.is_ours() && r.table == number && r.family() == family);
        assert!(!self.is_calm || foreign.is_none(), "beside {foreign:?}");
        let conflict = world.rules.iter().find(|r| {
            let leads = r.table == Some(number) || priorities.contains(&r.priority);
            !r.is_ours() && r.family == family && leads
        });
        assert!(!self.is_calm || conflict.is_none(), "beside {conflict:?}");
    }

    fn has_room(&self, world: &World) {
        let rules = world.rules.iter().filter(|rule| rule.is_ours()).count();
        let routes = world.routes.iter().filter(|route| route.is_ours()).count();
        let limit = usize::try_from(self.policy.limits.objects).expect("32 bits");
        assert!(rules + routes < limit, "more than {limit} objects");
    }

    fn usable<'a>(&self, world: &'a World, index: u32, ip: IpAddr) -> Option<&'a Address> {
        let never = match ip {
            IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
            IpAddr::V6(a) => a.is_unicast_link_local(),
        };
        assert!(!never && !ip.is_loopback() && !ip.is_multicast() && !ip.is_unspecified(), "{ip}");
        let found = world.addresses.iter().find(|a| a.index == index && a.ip == ip && a.is_usable());
        assert!(!self.is_calm || found.is_some(), "{ip} is not on interface {index}");
        found
    }

    pub(crate) fn adds_rule(&mut self, world: &World, rule: &Rule) {
        let request = self.request();
        let number = rule.table.expect("it looks a table up");
        self.listed(world, number);
        let index = index_of(&request).expect("checked").get();
        let (family, table, protocol) = (rule.family, Some(number), PROTOCOL);
        let one = rules_of(&request).into_iter().find(|(selector, address)| {
            let host = Some(Prefix::host(*address));
            let (from, to, priority) = match selector {
                Selector::From => (host, None, self.policy.rule_priority + 2),
                Selector::To => (None, host, self.policy.rule_priority + 3),
            };
            let family = Family::of(*address);
            *rule == Rule { family, priority, table, from, to, protocol, mark: None, inverted: false }
        });
        let (_, address) = one.unwrap_or_else(|| panic!("{request:?} adds {rule:?}"));
        let host = Some(Prefix::host(address));
        // Refused whole or not at all: each has to be right, also those that are not added yet.
        for (_, address) in rules_of(&request) {
            self.usable(world, index, address);
        }
        self.place_is_ours(world, number, family);
        let local_first = world.rules.iter().any(|r| {
            let plain = r.from.is_none() && r.to.is_none() && r.mark.is_none() && !r.inverted;
            r.family == family
                && r.table == Some(LOCAL)
                && plain
                && r.priority < self.policy.rule_priority + 2
        });
        assert!(!self.is_calm || local_first, "before the rule for local");
        self.has_room(world);
        let ours = world.rules.iter().filter(|r| r.is_ours() && r.table == table && r.mark.is_none());
        let hosts = ours.filter_map(|r| r.from.xor(r.to)).filter(|p| *p == Prefix::host(p.address()));
        let addresses: BTreeSet<Prefix> = hosts.chain(host).collect();
        assert!(addresses.len() <= usize::try_from(self.policy.limits.addresses).expect("32 bits"));
        self.added_rules.push(rule.clone());
    }

    pub(crate) fn puts_route(&mut self, world: &World, route: &Route, old: Option<&Route>) {
        let request = self.request();
        assert!(route.is_ours() && old.is_none_or(Route::is_ours), "{old:?} is replaced by {route:?}");
        let link = self.listed(world, route.table);
        self.place_is_ours(world, route.table, route.family());
        if old.is_none() {
            self.has_room(world);
        }
        assert_eq!(route.tos, 0);
        let everything = route.to.length() == 0;
        let index = index_of(&request).expect("checked").get();
        let hop = match (route.kind, &route.hops[..]) {
            (RouteType::Unreachable, []) => {
                assert!(
                    everything && route.metric == u32::MAX && self.policy.fallback == Fallback::Unreachable
                );
                assert!(!matches!(request, Request::AddLocal { .. } | Request::DelRule { .. }));
                return self.added_routes.push(route.clone());
            }
            (RouteType::Unicast, [hop]) => hop,
            other => panic!("a route of {other:?}"),
        };
        assert_eq!(route.metric, if route.to.is_ipv4() { 0 } else { 1024 });
        match request {
            Request::SetDefault { family, next_hop, .. } => {
                assert!(everything && family == route.family() && hop.oif == index && !hop.onlink);
                match next_hop {
                    NextHop::Gateway(gateway) => {
                        assert_eq!(hop.gateway, Some(gateway));
                        self.gateway_is_right(world, route, link, gateway);
                    }
                    NextHop::PointToPoint => {
                        assert_eq!(hop.gateway, None);
                        let done = self.foreign(world, route.table).any(|r| {
                            r.to.length() == 0 && r.hops.iter().any(|h| h.oif == index && h.gateway.is_none())
                        });
                        let is_right = link.is_some_and(|link| link.point_to_point) || done;
                        assert!(!self.is_calm || is_right, "{link:?} needs a gateway");
                    }
                }
            }
            Request::AddSubnet { address, .. } => {
                assert!(
                    hop.oif == index && hop.gateway.is_none() && !hop.onlink && !is_default_like(route.to)
                );
                if let Some(found) = self.usable(world, index, address) {
                    let all = world.addresses.iter().filter(|a| a.index == index && a.ip == found.ip);
                    assert!(!self.is_calm || all.into_iter().any(|a| a.subnet() == route.to));
                }
            }
            Request::AddLocal { destination, .. } => {
                assert!(route.to == destination && self.policy.local_networks && !is_default_like(route.to));
                assert!(hop.oif != index, "a copy leaves by another interface");
                self.copy_is_right(world, route);
            }
            other => panic!("{other:?} puts {route:?}"),
        }
        self.added_routes.push(route.clone());
    }

    fn foreign<'a>(&self, world: &'a World, but: u32) -> impl Iterator<Item = &'a Route> {
        world.routes.iter().filter(move |r| !r.is_ours() && r.table != but)
    }

    fn gateway_is_right(&self, world: &World, route: &Route, link: Option<&Link>, gateway: IpAddr) {
        let odd = match gateway {
            IpAddr::V4(a) => a.is_broadcast() || a.octets()[0] == 0 || a.octets()[0] >= 240,
            IpAddr::V6(a) => a.to_ipv4_mapped().is_some(),
        };
        assert!(!odd && !gateway.is_multicast() && !gateway.is_loopback() && !gateway.is_unspecified());
        assert_eq!(Family::of(gateway), route.family());
        let Some(link) = link.filter(|_| self.is_calm) else { return };
        let is_own = world.addresses.iter().any(|a| a.ip == gateway);
        // Table local says which address is own; who takes its rule away has none.
        let asks_local = world.rules.iter().any(|r| r.table == Some(LOCAL) && r.priority == 0 && !r.inverted);
        assert!(!is_own || !asks_local, "{gateway} is an own address");
        let link_local = matches!(gateway, IpAddr::V6(a) if a.is_unicast_link_local());
        let direct = world.routes.iter().any(|r| {
            let by = matches!(&r.hops[..], [hop] if hop.oif == link.index && hop.gateway.is_none());
            !r.is_ours()
                && r.kind == RouteType::Unicast
                && by
                && r.to.contains(gateway)
                && !is_default_like(r.to)
        });
        assert!(link_local || direct, "{gateway} is not on-link by {link:?}");
        let named = self.policy.gateways_of(link.name).contains(&gateway);
        let known = self
            .foreign(world, route.table)
            .any(|r| r.hops.iter().any(|hop| hop.oif == link.index && hop.gateway == Some(gateway)));
        let free = self.policy.gateway_check == GatewayCheck::OnLink;
        assert!(free || named || known, "nobody knows {gateway} for {link:?}");
    }

    fn copy_is_right(&self, world: &World, route: &Route) {
        if !self.is_calm {
            return;
        }
        let original = world.routes.iter().find(|r| {
            let copied = [2, 3, 4, 9, 16].contains(&r.protocol) && r.kind == RouteType::Unicast && r.tos == 0;
            r.table == MAIN && r.to == route.to && r.hops == route.hops && copied
        });
        assert!(original.is_some(), "main has nothing like {route:?}");
        let oif = route.hops[0].oif;
        let out = world.link(oif).expect("it was main's");
        let uplink = self.policy.interfaces.matches(out.name)
            || world
                .routes
                .iter()
                .any(|r| r.table == MAIN && is_default_like(r.to) && r.hops.iter().any(|hop| hop.oif == oif));
        assert!(!uplink && !out.loopback, "{out:?}");
    }

    pub(crate) fn deletes_rule(&self, rule: &Rule) {
        assert!(rule.is_ours(), "{rule:?} is deleted");
        let number = index_of(&self.request()).map(|index| table(self.policy.table_base, index.get()));
        match self.request() {
            Request::AddRule { .. } | Request::AddRules { .. } => {
                assert!(self.added_rules.contains(rule), "{rule:?} stood before")
            }
            Request::DelRule { .. } | Request::Purge { .. } => assert_eq!(rule.table, number),
            Request::SyncEnd => {}
            other => panic!("{other:?} deletes {rule:?}"),
        }
    }

    pub(crate) fn deletes_route(&self, route: &Route) {
        assert!(route.is_ours(), "{route:?} is deleted");
        let number = index_of(&self.request()).map(|index| table(self.policy.table_base, index.get()));
        match self.request() {
            Request::AddSubnet { .. } => assert!(self.added_routes.contains(route), "{route:?} stood before"),
            Request::DelRoute { .. } | Request::Purge { .. } => assert_eq!(Some(route.table), number),
            Request::SyncEnd => {}
            other => panic!("{other:?} deletes {route:?}"),
        }
    }

    /// The frame has been answered.
    pub(crate) fn end(&mut self, world: &World) {
        let Some(request) = self.request.take() else { return };
        let reply = self.reply.expect("an answer");
        if self.is_calm {
            assert_eq!(foreign(world), foreign(&self.before), "{request:?} changed what is not netevd's");
        }
        // Rules outlive addresses: what was added for one stands only where it still is.
        let mut addresses: Vec<IpAddr> = rules_of(&request).into_iter().map(|(_, address)| address).collect();
        if let Request::AddSubnet { address, .. } = request {
            addresses.push(address);
        }
        for address in addresses {
            let index = index_of(&request).expect("of an address").get();
            let there = world.addresses.iter().any(|a| a.index == index && a.ip == address);
            let is_of = |rule: &&Rule| rule.from.xor(rule.to) == Some(Prefix::host(address));
            let rule = self.added_rules.iter().filter(is_of).find(|rule| world.rules.contains(rule));
            let direct = |r: &&Route| r.kind == RouteType::Unicast && world.routes.contains(r);
            let route = self.added_routes.iter().find(direct);
            assert!(there || (rule.is_none() && route.is_none()), "{rule:?} or {route:?} for {address}");
        }
        if !matches!(reply, Reply::Ok) {
            let fallback_only = self
                .added_routes
                .iter()
                .all(|r| r.kind == RouteType::Unreachable || !world.routes.contains(r));
            let no_rule = self.added_rules.iter().all(|rule| !world.rules.contains(rule));
            // Where the kernel itself failed within an undoing, nobody can undo.
            let failed = matches!(reply, Reply::Kernel(_));
            assert!(failed || (fallback_only && no_rule), "{request:?} is {reply:?}, and yet it was done");
        }
        let done = matches!(reply, Reply::Ok | Reply::Exists | Reply::Absent);
        match request {
            Request::AddRule { .. } | Request::AddRules { .. } if done && self.is_calm => {
                for (selector, address) in rules_of(&request) {
                    let host = Some(Prefix::host(address));
                    let side = |r: &Rule| if selector == Selector::From { r.from } else { r.to };
                    assert!(world.rules.iter().any(|r| r.is_ours() && side(r) == host), "{address}");
                }
            }
            Request::Purge { ifindex } if done => {
                let number = table(self.policy.table_base, ifindex.get());
                assert!(!world.routes.iter().any(|r| r.is_ours() && r.table == number));
                assert!(!world.rules.iter().any(|r| r.is_ours() && r.table == Some(number)));
            }
            Request::SyncEnd => {
                let wanted = self.wanted.take().unwrap_or_default();
                if reply == Reply::Ok {
                    self.only_wanted(world, &wanted);
                }
            }
            _ => {}
        }
    }

    fn only_wanted(&self, world: &World, wanted: &[Request]) {
        for rule in world.rules.iter().filter(|rule| rule.is_ours()) {
            let is_it = |request: &Request| {
                rules_of(request).into_iter().any(|(selector, address)| {
                    let side = if selector == Selector::From { rule.from } else { rule.to };
                    side == Some(Prefix::host(address))
                })
            };
            assert!(wanted.iter().any(is_it), "{rule:?} was not named");
        }
        for route in world.routes.iter().filter(|route| route.is_ours()) {
            let tables =
                wanted.iter().filter(|r| !matches!(r, Request::DelRule { .. } | Request::DelRoute { .. }));
            let mut tables = tables.filter_map(index_of).map(|i| table(self.policy.table_base, i.get()));
            assert!(tables.any(|number| number == route.table), "{route:?} was not named");
        }
    }

    /// The session is over: by its end, or by a violation, which changes nothing.
    pub(crate) fn finish(&mut self, world: &World, served: bool) {
        if served {
            // An end at the reply is no violation.
            return if self.reply.is_some() {
                self.end(world)
            };
        }
        assert!(self.reply.is_none() && self.exchanges == 0, "a violation was answered");
        assert_eq!(*world, self.before);
    }
}

fn foreign(world: &World) -> (Vec<&Rule>, Vec<&Route>) {
    let rules = world.rules.iter().filter(|rule| !rule.is_ours());
    (rules.collect(), world.routes.iter().filter(|route| !route.is_ours()).collect())
}
