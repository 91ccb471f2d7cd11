//! The model's kernel: one request, its answer. Flags, filters and errors as rtnetlink has them.

use super::judge::Judge;
use super::wire;
use super::world::{LOCAL, Route, Rule, World};
use crate::bytes::Bytes;
use crate::sessions;
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_EXCL, NLM_F_MULTIPART, NLM_F_REPLACE,
    NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope, RouteType};
use netlink_packet_route::{AddressFamily, rule::RuleMessage};
use protocol::{Family, Request, VERSION, decode_request, encode_request};
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
    hangs_up: bool,
    answers: VecDeque<Result<Vec<u8>, i32>>,
}

type Answer = Result<Vec<RouteNetlinkMessage>, i32>;

impl Model {
    /// A datagram of the helper's.
    pub(crate) fn sent(&mut self, datagram: &[u8]) {
        self.judge.exchanged(&self.world);
        self.vanish();
        let request = NetlinkMessage::<RouteNetlinkMessage>::deserialize(datagram).expect("a request");
        let (flags, sequence) = (request.header.flags, request.header.sequence_number);
        assert!(flags & NLM_F_REQUEST != 0 && self.answers.is_empty(), "one exchange at a time");
        let is_dump = flags & NLM_F_DUMP == NLM_F_DUMP;
        let NetlinkPayload::InnerMessage(inner) = request.payload else { panic!("no request") };
        let fault = self.fault.take();
        let answer = if fault == Some(Fault::Memory) { Err(ENOMEM) } else { self.answer(inner, flags) };
        match fault {
            Some(Fault::Interrupted) => self.answers.push_back(Err(EINTR)),
            Some(Fault::Overrun) => self.answers.push_back(Err(ENOBUFS)),
            Some(Fault::Stale) => self.answers.push_back(Ok(wire::end(sequence.wrapping_sub(1), true, 0))),
            _ => {}
        }
        if fault == Some(Fault::Overrun) {
            return;
        }
        let mut code = 0;
        let mut flags_of = if is_dump { NLM_F_MULTIPART } else { 0 };
        if fault == Some(Fault::Inconsistent) && is_dump {
            flags_of |= NLM_F_DUMP_INTR;
        }
        match answer {
            Ok(objects) => {
                let each = objects.into_iter().map(|object| wire::message(sequence, flags_of, object));
                let messages: Vec<Vec<u8>> = each.collect();
                // Several messages share a datagram.
                self.answers.extend(messages.chunks(5).map(|some| Ok(some.concat())));
            }
            Err(errno) => code = -errno,
        }
        if is_dump {
            let mut end = wire::end(sequence, true, code);
            end[6..8].copy_from_slice(&flags_of.to_ne_bytes());
            self.answers.push_back(Ok(end));
        } else if flags & NLM_F_ACK != 0 || code != 0 {
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
                self.judge.is_calm = false;
                match what {
                    128.. => self.world.remove_link(u32::from(what - 128) % 8),
                    what => self.world.remove_address(what.into()),
                }
            }
            Some((left, what)) => self.vanishing = Some((left - 1, what)),
            None => {}
        }
    }

    fn answer(&mut self, request: RouteNetlinkMessage, flags: u16) -> Answer {
        match request {
            RouteNetlinkMessage::GetLink(m) => {
                let link = self.world.link(m.header.index).ok_or(ENODEV)?;
                Ok(vec![wire::link(link)])
            }
            RouteNetlinkMessage::GetAddress(m) => {
                let (family, index) = (wire::family(m.header.family), m.header.index);
                if index != 0 && self.world.link(index).is_none() {
                    return Err(ENODEV);
                }
                let wanted = self.world.addresses.iter().filter(|a| Family::of(a.ip) == family);
                Ok(wanted.filter(|a| index == 0 || a.index == index).map(wire::address).collect())
            }
            RouteNetlinkMessage::GetRule(m) => {
                assert!(m.header.family == AddressFamily::Unspec && m.attributes.is_empty());
                Ok(self.world.rules.iter().map(wire::rule).collect())
            }
            RouteNetlinkMessage::GetRoute(m) if flags & NLM_F_DUMP == NLM_F_DUMP => self.dump_routes(&m),
            RouteNetlinkMessage::GetRoute(m) => self.look_up(&m),
            RouteNetlinkMessage::NewRule(m) => {
                assert_eq!(flags & !(NLM_F_REQUEST | NLM_F_ACK), NLM_F_CREATE | NLM_F_EXCL);
                self.add_rule(&m)
            }
            RouteNetlinkMessage::DelRule(m) => self.delete_rule(&m),
            RouteNetlinkMessage::NewRoute(m) => match flags & !(NLM_F_REQUEST | NLM_F_ACK) {
                NLM_F_REPLACE => self.put_route(&m, true),
                other => {
                    assert_eq!(other, NLM_F_CREATE | NLM_F_EXCL);
                    self.put_route(&m, false)
                }
            },
            RouteNetlinkMessage::DelRoute(m) => self.delete_route(&m),
            other => panic!("the helper sends {other:?}"),
        }
    }

    fn dump_routes(&self, filter: &RouteMessage) -> Answer {
        let header = &filter.header;
        // ip_valid_fib_dump_req: what strict checking permits in a filter.
        if header.destination_prefix_length != 0 || header.tos != 0 || header.scope != RouteScope::Universe {
            return Err(EINVAL);
        }
        let family = wire::family(header.address_family);
        let (mut table, mut oif) = (0, 0);
        for attribute in &filter.attributes {
            match attribute {
                RouteAttribute::Table(number) => table = *number,
                RouteAttribute::Oif(index) => oif = *index,
                other => panic!("{other:?} is no filter of a dump"),
            }
        }
        if oif != 0 && self.world.link(oif).is_none() {
            return Err(ENODEV);
        }
        let of_family = || self.world.routes.iter().filter(|route| route.family() == family);
        if table != 0 && !of_family().any(|route| route.table == table) {
            // "FIB table does not exist"
            return Err(ENOENT);
        }
        let (kind, protocol) = (header.kind, u8::from(header.protocol));
        let wanted = of_family().filter(|route| {
            (table == 0 || route.table == table)
                && (oif == 0 || route.hops.iter().any(|hop| hop.oif == oif))
                && (kind == RouteType::Unspec || route.kind == kind)
                && (protocol == 0 || route.protocol == protocol)
        });
        Ok(wanted.map(wire::route).collect())
    }

    fn look_up(&self, request: &RouteMessage) -> Answer {
        let (mut to, mut oif) = (None, None);
        for attribute in &request.attributes {
            match attribute {
                RouteAttribute::Destination(netlink_packet_route::route::RouteAddress::Inet(address)) => {
                    to = Some((*address).into());
                }
                RouteAttribute::Destination(netlink_packet_route::route::RouteAddress::Inet6(address)) => {
                    to = Some((*address).into());
                }
                RouteAttribute::Oif(index) => oif = Some(*index),
                other => panic!("{other:?} in a look-up"),
            }
        }
        self.world.way(to.expect("a destination"), oif).map(|route| vec![wire::route(route)])
    }

    fn add_rule(&mut self, message: &RuleMessage) -> Answer {
        let rule = wire::written_rule(message);
        if self.world.rules.contains(&rule) {
            return Err(EEXIST);
        }
        self.judge.adds_rule(&self.world, &rule);
        self.world.rules.push(rule);
        Ok(Vec::new())
    }

    /// The first that has all that is named; what is not named may be anything.
    fn delete_rule(&mut self, message: &RuleMessage) -> Answer {
        let named = wire::written_rule(message);
        let is_meant = |rule: &Rule| {
            rule.family == named.family
                && (named.priority == 0 || rule.priority == named.priority)
                && (named.table.is_none() || rule.table == named.table)
                && (named.from.is_none() || rule.from == named.from)
                && (named.to.is_none() || rule.to == named.to)
                && (named.protocol == 0 || rule.protocol == named.protocol)
                && (named.mark.is_none() || rule.mark == named.mark)
                && (!named.inverted || rule.inverted)
        };
        let at = self.world.rules.iter().position(is_meant).ok_or(ENOENT)?;
        let rule = self.world.rules.remove(at);
        self.judge.deletes_rule(&rule);
        Ok(Vec::new())
    }

    fn put_route(&mut self, message: &RouteMessage, replace: bool) -> Answer {
        let mut route = wire::written_route(message);
        if !route.to.is_ipv4() && route.metric == 0 {
            route.metric = 1024;
        }
        for hop in &route.hops {
            self.world.link(hop.oif).ok_or(ENODEV)?;
            let reached = |gateway| {
                let by = |r: &&Route| {
                    r.to.contains(gateway)
                        && matches!(&r.hops[..], [h] if h.oif == hop.oif && h.gateway.is_none())
                };
                let link_local = gateway.is_ipv6()
                    && "fe80::/10".parse().is_ok_and(|p: protocol::Prefix| p.contains(gateway));
                link_local || self.world.routes.iter().any(|r| by(&r) && r.table != LOCAL)
            };
            if hop.gateway.is_some_and(|gateway| !hop.onlink && !reached(gateway)) {
                return Err(ENETUNREACH);
            }
        }
        // The protocol is no part of the key.
        let same =
            |r: &Route| (r.table, r.to, r.metric, r.tos) == (route.table, route.to, route.metric, route.tos);
        let at = self.world.routes.iter().position(same);
        match (at, replace) {
            (Some(_), false) => return Err(EEXIST),
            (None, true) => return Err(ENOENT),
            _ => {}
        }
        let old = at.map(|at| self.world.routes.remove(at));
        self.judge.puts_route(&self.world, &route, old.as_ref());
        self.world.routes.push(route);
        Ok(Vec::new())
    }

    fn delete_route(&mut self, message: &RouteMessage) -> Answer {
        let named = wire::written_route(message);
        let is_meant = |route: &Route| {
            let hop_fits = match (&named.hops[..], &route.hops[..]) {
                ([named], [hop]) => {
                    (named.oif == 0 || named.oif == hop.oif)
                        && (named.gateway.is_none() || named.gateway == hop.gateway)
                }
                ([], _) => true,
                _ => false,
            };
            (route.table, route.to, route.tos) == (named.table, named.to, named.tos)
                && (named.metric == 0 || route.metric == named.metric)
                && (named.protocol == 0 || route.protocol == named.protocol)
                && (named.kind == RouteType::Unspec || route.kind == named.kind)
                && hop_fits
        };
        let at = self.world.routes.iter().position(is_meant).ok_or(ESRCH)?;
        let route = self.world.routes.remove(at);
        self.judge.deletes_route(&route);
        Ok(Vec::new())
    }
}

/// The other end of the channel.
impl Model {
    /// Everything that happens until the worker's next frame, and that frame; an empty one at the end.
    pub(crate) fn next_frame(&mut self) -> Vec<u8> {
        self.judge.end(&self.world);
        (self.vanishing, self.fault) = (None, None);
        let frame = self.operate();
        // An empty one is the end for the helper.
        self.judge.begin(&self.world, decode_request(&frame).ok());
        frame
    }

    fn operate(&mut self) -> Vec<u8> {
        if std::mem::take(&mut self.greets) {
            return encode_request(&Request::Hello { version: VERSION });
        }
        while !self.operations.is_empty() {
            match self.operations.byte() & 15 {
                7 => {
                    let length = usize::from(self.operations.byte());
                    return self.operations.some(length);
                }
                8 => {
                    let mut frame = encode_request(&sessions::request(&mut self.operations));
                    let at = usize::from(self.operations.byte()) % frame.len();
                    frame[at] ^= self.operations.byte();
                    return frame;
                }
                9 | 12 => sessions::change(&mut self.world, &mut self.operations),
                10 => {
                    use Fault::{Inconsistent, Interrupted, Memory, Overrun, Stale};
                    self.fault =
                        Some(self.operations.of(&[Interrupted, Inconsistent, Stale, Overrun, Memory]));
                }
                11 => self.vanishing = Some((self.operations.byte() % 12, self.operations.byte())),
                13 => self.hangs_up = true,
                _ => return encode_request(&sessions::request(&mut self.operations)),
            }
        }
        Vec::new()
    }

    /// The helper's answer; false when nobody takes it.
    pub(crate) fn answered(&mut self, frame: &[u8]) -> bool {
        self.judge.answered(frame);
        !std::mem::take(&mut self.hangs_up)
    }
}
