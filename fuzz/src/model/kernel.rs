//! The model's kernel: one request, its answer. Flags, filters and errors as rtnetlink has them.

use super::judge::Judge;
use super::wire::{self, Message};
use super::world::{Hop, LOCAL, Route, Rule, World};
use crate::bytes::Bytes;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_APPEND, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_MULTIPART,
    NLM_F_REPLACE, NLM_F_REQUEST,
};
use protocol::{Family, Prefix};
use std::collections::VecDeque;

const ENOENT: i32 = 2;
const ESRCH: i32 = 3;
const EINTR: i32 = 4;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EEXIST: i32 = 17;
const ENODEV: i32 = 19;
const EINVAL: i32 = 22;
const ENETUNREACH: i32 = 101;
const ENOBUFS: i32 = 105;

const NEWLINK: u16 = 16;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const GETADDR: u16 = 22;
const NEWROUTE: u16 = 24;
const DELROUTE: u16 = 25;
const GETROUTE: u16 = 26;
const NEWRULE: u16 = 32;
const DELRULE: u16 = 33;
const GETRULE: u16 = 34;

/// What goes wrong at the next request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Fault {
    /// A signal at the first receive.
    Interrupted,
    /// A dump that changed on the way.
    Inconsistent,
    /// The rest of an exchange before.
    Stale,
    /// Messages lost.
    Overrun,
    /// No memory.
    Memory,
}

/// The kernel, who speaks to it, and who watches.
#[derive(Default)]
pub(crate) struct Model {
    pub(crate) world: World,
    pub(crate) judge: Judge,
    pub(crate) operations: Bytes,
    pub(crate) fault: Option<Fault>,
    /// After so many more requests an address goes, or a link.
    pub(crate) vanishing: Option<(u8, u8)>,
    /// The first frame is the right one.
    pub(crate) greets: bool,
    /// The worker goes without taking its answer.
    pub(super) hangs_up: bool,
    /// What the worker has sent.
    pub(super) frame: Option<Vec<u8>>,
    /// Something has changed since the doorbell was silenced.
    pub(crate) rings: bool,
    answers: VecDeque<Result<Vec<u8>, i32>>,
}

/// The type of what is dumped, and the objects.
type Answer = Result<(u16, Vec<Vec<u8>>), i32>;

const DONE: Answer = Ok((0, Vec::new()));

impl Model {
    /// A datagram of the helper's.
    pub(crate) fn sent(&mut self, datagram: &[u8]) {
        self.judge.exchanged(&self.world);
        self.vanish();
        assert!(self.answers.is_empty(), "one exchange at a time");
        let fault = self.fault.take();
        let messages = wire::messages(datagram);
        let first = messages.first().expect("a message").sequence;
        if fault.is_some() {
            self.judge.disturbed();
        }
        for message in messages {
            // No memory for the first.
            let no_memory = fault == Some(Fault::Memory) && message.sequence == first;
            let answer = if no_memory { Err(ENOMEM) } else { self.answer(&message) };
            self.reply(&message, answer, fault == Some(Fault::Inconsistent));
        }
        match fault {
            Some(Fault::Interrupted) => self.answers.push_front(Err(EINTR)),
            Some(Fault::Overrun) => self.answers = VecDeque::from([Err(ENOBUFS)]),
            Some(Fault::Stale) => self.answers.push_front(Ok(wire::end(first.wrapping_sub(1), true, 0))),
            _ => {}
        }
    }

    fn reply(&mut self, request: &Message, answer: Answer, inconsistent: bool) {
        let (sequence, is_dump) = (request.sequence, request.flags & NLM_F_DUMP == NLM_F_DUMP);
        let mut code = 0;
        let mut flags = if is_dump { NLM_F_MULTIPART } else { 0 };
        if inconsistent && is_dump {
            flags |= NLM_F_DUMP_INTR;
        }
        match answer {
            Ok((kind, objects)) => {
                let each = objects.iter().map(|object| wire::message(kind, flags, sequence, object));
                let messages: Vec<Vec<u8>> = each.collect();
                // Several messages share a datagram.
                self.answers.extend(messages.chunks(5).map(|some| Ok(some.concat())));
            }
            Err(errno) => code = -errno,
        }
        if is_dump {
            let mut end = wire::end(sequence, true, code);
            end[6..8].copy_from_slice(&flags.to_ne_bytes());
            self.answers.push_back(Ok(end));
        } else if request.flags & NLM_F_ACK != 0 || code != 0 {
            self.answers.push_back(Ok(wire::end(sequence, false, code)));
        }
    }

    pub(crate) fn receive(&mut self) -> Result<(Vec<u8>, usize), i32> {
        let datagram = self.answers.pop_front().unwrap_or(Err(EAGAIN))?;
        let length = datagram.len();
        Ok((datagram, length))
    }

    fn vanish(&mut self) {
        match self.vanishing {
            Some((0, what)) => {
                self.vanishing = None;
                self.judge.disturbed();
                self.rings = true;
                match what {
                    128.. => self.world.remove_link(u32::from(what - 128) % 8),
                    what => self.world.remove_address(what.into()),
                }
            }
            Some((left, what)) => self.vanishing = Some((left - 1, what)),
            None => {}
        }
    }

    fn answer(&mut self, request: &Message) -> Answer {
        let (flags, payload) = (request.flags, &request.payload[..]);
        assert!(flags & NLM_F_REQUEST != 0);
        if [GETLINK, GETADDR, GETRULE, GETROUTE].contains(&request.kind) {
            assert_eq!(flags, NLM_F_REQUEST | NLM_F_DUMP);
        } else {
            assert!(flags & NLM_F_ACK != 0, "a change whose failure would not be seen");
            self.rings = true;
        }
        let write = flags & !(NLM_F_REQUEST | NLM_F_ACK);
        match request.kind {
            GETLINK => {
                assert_eq!(payload, [0; 16]);
                Ok((NEWLINK, self.world.links.iter().map(wire::link).collect()))
            }
            GETADDR => {
                assert_eq!(payload[1..], [0; 7]);
                let family = wire::family(payload[0]);
                let wanted = self.world.addresses.iter().filter(|a| Family::of(a.ip) == family);
                Ok((NEWADDR, wanted.map(wire::address).collect()))
            }
            GETRULE => {
                assert_eq!(payload[1..], [0; 11]);
                let family = wire::family(payload[0]);
                let mut rules: Vec<&Rule> = self.world.rules.iter().filter(|r| r.family == family).collect();
                rules.sort_by_key(|rule| rule.priority);
                Ok((NEWRULE, rules.into_iter().map(wire::rule).collect()))
            }
            GETROUTE => self.dump_routes(payload),
            NEWRULE => {
                assert_eq!(write, NLM_F_CREATE | NLM_F_EXCL);
                self.add_rule(payload)
            }
            DELRULE => self.delete_rule(payload),
            NEWROUTE => {
                assert!(write & NLM_F_CREATE != 0);
                self.put_route(payload, write & !NLM_F_CREATE)
            }
            DELROUTE => self.delete_route(payload),
            other => panic!("the helper sends messages of type {other}"),
        }
    }

    fn dump_routes(&self, filter: &[u8]) -> Answer {
        // ip_valid_fib_dump_req: what strict checking permits in a filter.
        if filter[1..4] != [0; 3] || filter[6] != 0 {
            return Err(EINVAL);
        }
        let family = wire::family(filter[0]);
        let (mut table, mut oif) = (0, 0);
        for (kind, value) in wire::attributes(&filter[12..]) {
            let number = u32::from_ne_bytes(value[..].try_into().expect("a number"));
            match kind {
                15 => table = number,
                4 => oif = number,
                other => panic!("attribute {other} is no filter of a dump"),
            }
        }
        if oif != 0 && self.world.link(oif).is_none() {
            return Err(ENODEV);
        }
        let dumped: Vec<Route> = self.world.dumped().into_iter().filter(|r| r.family() == family).collect();
        if table != 0 && !dumped.iter().any(|route| route.table == table) {
            // "FIB table does not exist"
            return Err(ENOENT);
        }
        let (protocol, kind) = (filter[5], filter[7]);
        let wanted = dumped.iter().filter(|route| {
            (table == 0 || route.table == table)
                && (oif == 0 || route.hops.iter().any(|hop| hop.oif == oif))
                && (kind == 0 || route.kind == kind)
                && (protocol == 0 || route.protocol == protocol)
        });
        Ok((NEWROUTE, wanted.map(wire::route).collect()))
    }

    fn add_rule(&mut self, payload: &[u8]) -> Answer {
        let rule = wire::written_rule(payload);
        let same = |r: &Rule| Rule { protocol: rule.protocol, ..r.clone() } == rule;
        if self.world.rules.iter().any(same) {
            return Err(EEXIST);
        }
        self.judge.adds_rule(&self.world, &rule);
        self.world.rules.push(rule);
        DONE
    }

    /// The first that has all that is named; what is not named may be anything.
    fn delete_rule(&mut self, payload: &[u8]) -> Answer {
        let named = wire::written_rule(payload);
        let is_meant = |rule: &Rule| {
            rule.family == named.family
                && (named.priority == 0 || rule.priority == named.priority)
                && rule.table == named.table
                && (named.from.is_none() || rule.from == named.from)
                && (named.to.is_none() || rule.to == named.to)
                && (named.protocol == 0 || rule.protocol == named.protocol)
                && (named.mark.is_none() || rule.mark == named.mark)
                && (named.suppress.is_none() || rule.suppress == named.suppress)
                && (!named.inverted || rule.inverted)
        };
        // The kernel holds them by priority; one of priority 0 is named without, and comes first.
        let found = (0..self.world.rules.len()).filter(|at| is_meant(&self.world.rules[*at]));
        let at = found.min_by_key(|at| self.world.rules[*at].priority).ok_or(ENOENT)?;
        let rule = self.world.rules.remove(at);
        self.judge.deletes_rule(&rule);
        DONE
    }

    fn is_reached(&self, route: &Route) -> Result<(), i32> {
        for hop in &route.hops {
            self.world.link(hop.oif).ok_or(ENODEV)?;
            let reached = |gateway| {
                let by = |r: &&Route| {
                    r.to.contains(gateway)
                        && matches!(&r.hops[..], [h] if h.oif == hop.oif && h.gateway.is_none())
                };
                let link_local = "fe80::/10".parse().is_ok_and(|p: Prefix| p.contains(gateway));
                link_local || self.world.routes.iter().any(|r| by(&r) && r.table != LOCAL)
            };
            if hop.gateway.is_some_and(|gateway| !hop.onlink && !reached(gateway)) {
                return Err(ENETUNREACH);
            }
        }
        Ok(())
    }

    fn put_route(&mut self, payload: &[u8], how: u16) -> Answer {
        let mut route = wire::written_route(payload);
        self.is_reached(&route)?;
        let down = |index| self.world.link(index).is_some_and(|link| !link.up);
        if route.hops.iter().any(|hop| down(hop.oif)) {
            // Of a gateway's link that is down, and of one in a multipath.
            return Err(ENETUNREACH);
        }
        if route.to.is_ipv4() {
            return self.insert(route, how);
        }
        route.tos = 0;
        if route.metric == 0 {
            route.metric = 1024;
        }
        if route.hops.len() < 2 {
            return self.insert(route, how);
        }
        // One after the other; only the first replaces.
        let mut how = how;
        for hop in route.hops.clone() {
            self.insert(Route { hops: vec![hop], ..route.clone() }, how)?;
            how &= !(NLM_F_EXCL | NLM_F_REPLACE);
        }
        DONE
    }

    fn insert(&mut self, route: Route, how: u16) -> Answer {
        let ipv4 = route.to.is_ipv4();
        let same = |r: &Route| r.key() == route.key();
        let here: Vec<usize> =
            (0..self.world.routes.len()).filter(|at| same(&self.world.routes[*at])).collect();
        if how & NLM_F_EXCL != 0 && !here.is_empty() {
            return Err(EEXIST);
        }
        // One that has all of it; of IPv6 the way is enough.
        let like = |at: &usize| {
            let other = &self.world.routes[*at];
            let way = |r: &Route| r.hops.first().map(|hop| (hop.oif, hop.gateway));
            if ipv4 { *other == route } else { way(other) == way(&route) }
        };
        let twin = here.iter().position(like);
        if how & NLM_F_REPLACE != 0 {
            let fits = |at: &&usize| ipv4 || self.world.routes[**at].is_joined() == route.is_joined();
            let Some(at) = here.iter().find(fits).copied() else {
                self.judge.puts_route(&self.world, &route, None);
                self.world.routes.push(route);
                return DONE;
            };
            match twin {
                Some(0) if ipv4 => return DONE,
                Some(_) if ipv4 => return Err(EEXIST),
                _ => {}
            }
            // Its siblings go with it.
            let siblings: Vec<Route> = if !ipv4 && route.is_joined() {
                let others =
                    here.iter().filter(|other| **other != at).map(|other| self.world.routes[*other].clone());
                others.filter(Route::is_joined).collect()
            } else {
                Vec::new()
            };
            let old = self.world.routes[at].clone();
            self.judge.puts_route(&self.world, &route, Some(&old));
            self.world.routes[at] = route;
            siblings.iter().for_each(|sibling| self.judge.deletes_route(sibling));
            self.world.routes.retain(|r| !siblings.contains(r));
            return DONE;
        }
        if twin.is_some() {
            return Err(EEXIST);
        }
        assert!(here.is_empty() || how & NLM_F_APPEND != 0 || !ipv4, "in front of others by chance");
        self.judge.puts_route(&self.world, &route, None);
        self.world.routes.push(route);
        DONE
    }

    fn delete_route(&mut self, payload: &[u8]) -> Answer {
        let named = wire::written_route(payload);
        let ipv4 = named.to.is_ipv4();
        let is_list = wire::attributes(&payload[12..]).iter().any(|(kind, _)| *kind == 9);
        // fib_nh_match: a hop that is named alone is the first, those of a list are all, in their order; hops
        // that are named beyond those of the route are not looked at, and an object has none that can be
        // named. IPv6 holds each by itself.
        let hop_fits = |hops: &[Hop]| {
            let fits = |(named, hop): (&Hop, &Hop)| {
                (named.oif == 0 || named.oif == hop.oif)
                    && (named.gateway.is_none() || named.gateway == hop.gateway)
            };
            let enough = !is_list || named.hops.len() >= hops.len();
            (named.hops.is_empty() || !hops.is_empty()) && enough && named.hops.iter().zip(hops).all(fits)
        };
        let is_meant = |route: &Route| {
            (route.table, route.to, route.source) == (named.table, named.to, named.source)
                && (!ipv4 || (route.tos, route.scope) == (named.tos, named.scope))
                && (named.metric == 0 || route.metric == named.metric)
                && (named.protocol == 0 || route.protocol == named.protocol)
                && (!ipv4 || named.kind == 0 || route.kind == named.kind)
                && hop_fits(&route.hops)
                && !(ipv4 && route.by_object && !named.hops.is_empty())
        };
        // Those of one key stand in the order of their metrics.
        let found = (0..self.world.routes.len()).filter(|at| is_meant(&self.world.routes[*at]));
        let at = found.min_by_key(|at| self.world.routes[*at].metric).ok_or(ESRCH)?;
        let route = self.world.routes.remove(at);
        self.judge.deletes_route(&route);
        if !ipv4 && route.is_joined() && !named.has_gateway() {
            // Whoever names no gateway means all siblings.
            let is_sibling = |r: &Route| r.is_joined() && r.key() == route.key();
            self.world.routes.iter().filter(|r| is_sibling(r)).for_each(|r| self.judge.deletes_route(r));
            self.world.routes.retain(|r| !is_sibling(r));
        }
        DONE
    }
}
