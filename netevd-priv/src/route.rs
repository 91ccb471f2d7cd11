//! A route as a value: read from the kernel, made by us, and written as a message.
//!
//! What a copy has is kept, attributes as bytes; of all else only whether it is there.

use crate::netlink::Message;
use crate::object::{Object, prefix, word};
use netlink_packet_core::{DecodeError, NlasIterator};
use nix::libc::{
    RT_SCOPE_LINK, RTA_CACHEINFO, RTA_DST, RTA_ENCAP, RTA_ENCAP_TYPE, RTA_FLOW, RTA_GATEWAY, RTA_METRICS,
    RTA_MULTIPATH, RTA_OIF, RTA_PREF, RTA_PRIORITY, RTA_SRC, RTA_TABLE, RTA_TTL_PROPAGATE, RTA_VIA,
    RTM_DELROUTE, RTM_F_CLONED, RTM_NEWROUTE, RTN_BLACKHOLE, RTN_LOCAL, RTN_MULTICAST, RTN_THROW,
    RTN_UNICAST, RTN_UNREACHABLE,
};
use protocol::kernel::{
    ENCAP_BPF, FALLBACK_METRIC, RTA_NH_ID, RTMSG, RTNEXTHOP, RTNH_F_DEAD, RTNH_F_ONLINK, address, octets,
};
use protocol::{Family, PROTOCOL, Prefix, TableId};
use std::net::IpAddr;

/// What belongs to a hop, and what of it tells it from others.
const OF_HOP: [u16; 5] = [RTA_GATEWAY, RTA_VIA, RTA_FLOW, RTA_ENCAP, RTA_ENCAP_TYPE];
const OF_GATEWAY: [u16; 2] = [RTA_GATEWAY, RTA_VIA];

/// One way out of a route; the gateway of an IPv4 route may be an IPv6 address (`RTA_VIA`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hop(Object);

/// One route of one table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) table: TableId,
    pub(crate) destination: Prefix,
    pub(crate) metric: u32,
    /// Source prefix, metrics, preference; the flow where there is no hop. No flags in the head.
    object: Object,
    /// In the kernel's order where it was read, which an IPv4 deletion has to name them in.
    pub(crate) hops: Vec<Hop>,
    /// Expired, or a clone: a dump still has it, and no packet goes by it.
    gone: bool,
}

/// Under which the kernel holds one route, or several in an order: prefixes, TOS, metric.
pub(crate) type Slot = (Prefix, Option<Vec<u8>>, [u8; 2], u32);

impl Hop {
    /// Out of an interface, by a gateway of the route's own family or without one.
    pub(crate) fn by(oif: u32, gateway: Option<IpAddr>, onlink: bool) -> Self {
        let attributes = gateway.map(|gateway| (RTA_GATEWAY, octets(gateway))).into_iter().collect();
        let flags = if onlink { RTNH_F_ONLINK } else { 0 };
        let head = [vec![0, 0, flags, 0], oif.to_ne_bytes().to_vec()].concat();
        Self(Object { head, attributes })
    }

    pub(crate) fn oif(&self) -> u32 {
        self.0.word(4)
    }

    /// The kernel does not use it: its interface is down.
    pub(crate) fn is_dead(&self) -> bool {
        self.0.head[2] & RTNH_F_DEAD != 0
    }

    /// The gateway was taken on trust.
    pub(crate) fn is_onlink(&self) -> bool {
        self.0.head[2] & RTNH_F_ONLINK != 0
    }

    pub(crate) fn gateway(&self) -> Option<IpAddr> {
        let via = || self.0.attributes.get(&RTA_VIA).and_then(|via| via.get(2..));
        address(self.0.attributes.get(&RTA_GATEWAY).map(Vec::as_slice).or_else(via)?)
    }

    /// The same way, whatever its weight is and whether it is in use.
    pub(crate) fn is_way(&self, other: &Self) -> bool {
        let way = |hop: &Self| (hop.oif(), hop.is_onlink());
        way(self) == way(other) && self.0.attributes == other.0.attributes
    }
}

impl Route {
    /// A route of ours with the family's own metric (`IP6_RT_PRIO_USER`, linux/ipv6_route.h), and
    /// the scope that its way has. No preferred source: a route that has one outlives its address
    /// and then answers ENETUNREACH.
    pub(crate) fn ours(table: TableId, destination: Prefix, kind: u8, hop: Option<Hop>) -> Self {
        let ipv4 = destination.is_ipv4();
        let direct = ipv4 && hop.as_ref().is_some_and(|hop| hop.gateway().is_none());
        let (family, scope) = (Family::of(destination.address()), if direct { RT_SCOPE_LINK } else { 0 });
        let (mut object, metric) = (Object::new(family, RTMSG), if ipv4 { 0 } else { 1024 });
        object.head[1] = destination.length();
        object.head[5..8].copy_from_slice(&[PROTOCOL, scope, kind]);
        Self { table, destination, metric, object, hops: hop.into_iter().collect(), gone: false }
    }

    /// The unreachable route that ends a table.
    pub(crate) fn fallback(table: TableId, family: Family) -> Self {
        let everything = Prefix::everything(family);
        Self { metric: FALLBACK_METRIC, ..Self::ours(table, everything, RTN_UNREACHABLE, None) }
    }

    /// This route as ours in a table, with these of its hops, sorted.
    pub(crate) fn copy(&self, table: TableId, mut hops: Vec<Hop>) -> Self {
        hops.sort_unstable();
        if let [only] = &mut hops[..] {
            // The weight of one is nothing.
            only.0.head[3] = 0;
        }
        let mut copy = Self { table, hops, ..self.clone() };
        copy.object.head[5] = PROTOCOL;
        copy
    }

    /// This prefix where that route goes, with its attributes and the family's own metric.
    pub(crate) fn follow(&self, destination: Prefix) -> Self {
        let metric = Self::ours(self.table, destination, 0, None).metric;
        let mut route = Self { destination, metric, ..self.clone() };
        route.object.head[1] = destination.length();
        route
    }

    pub(crate) fn kind(&self) -> u8 {
        self.object.head[7]
    }

    /// `ICMPV6_ROUTER_PREF_*`: 1 high, 0 medium, 3 low.
    pub(crate) fn preference(&self) -> u8 {
        self.object.attributes.get(&RTA_PREF).and_then(|value| value.first()).copied().unwrap_or(0)
    }

    /// Carries our protocol number.
    pub(crate) fn is_ours(&self) -> bool {
        self.object.head[5] == PROTOCOL
    }

    /// Somebody else's, used by the kernel, and of a type that is copied at all (broadcast and anycast are
    /// the kernel's own).
    pub(crate) fn counts(&self) -> bool {
        let with_hops = [RTN_UNICAST, RTN_LOCAL, RTN_MULTICAST].contains(&self.kind());
        !self.is_ours() && !self.gone && (with_hops || self.is_deviceless())
    }

    pub(crate) fn is_unicast(&self) -> bool {
        self.kind() == RTN_UNICAST
    }

    /// A default that leads somewhere.
    pub(crate) fn is_default(&self) -> bool {
        self.destination.is_default() && self.is_unicast() && !self.hops.is_empty()
    }

    /// Leads to no interface.
    pub(crate) fn is_deviceless(&self) -> bool {
        (RTN_BLACKHOLE..=RTN_THROW).contains(&self.kind())
    }

    /// All of it is in the dump: no encapsulation by a program, no nexthop object without its hops.
    pub(crate) fn is_whole(&self) -> bool {
        let bpf = ENCAP_BPF.to_ne_bytes();
        let whole = |hop: &Hop| hop.0.attributes.get(&RTA_ENCAP_TYPE).is_none_or(|kind| kind[..] != bpf);
        self.is_deviceless() || (!self.hops.is_empty() && self.hops.iter().all(whole))
    }

    /// Has a gateway, so that what is direct must be there before it.
    pub(crate) fn has_gateway(&self) -> bool {
        self.hops.iter().any(|hop| hop.gateway().is_some())
    }

    pub(crate) fn slot(&self) -> Slot {
        let source = self.object.attributes.get(&RTA_SRC).cloned();
        (self.destination, source, [self.object.head[2], self.object.head[3]], self.metric)
    }

    /// The same but for table, protocol, metric, and some of its hops.
    pub(crate) fn is_part_of(&self, whole: &Self) -> bool {
        let bare = |route: &Self| Self { metric: 0, gone: false, ..route.copy(TableId::MAIN, Vec::new()) };
        bare(self) == bare(whole) && self.has_ways_of(whole)
    }

    /// Each of its hops is one of that route's.
    pub(crate) fn has_ways_of(&self, whole: &Self) -> bool {
        self.hops.iter().all(|hop| whole.hops.iter().any(|other| other.is_way(hop)))
    }

    /// What is deleted by itself: IPv6 holds each hop as a route, and one may be another program's.
    pub(crate) fn parts(&self) -> Vec<Self> {
        let is_one = self.destination.is_ipv4() || self.hops.len() < 2;
        let part = |hop: &Hop| self.copy(self.table, vec![hop.clone()]);
        if is_one { vec![self.clone()] } else { self.hops.iter().map(part).collect() }
    }

    /// Reads a kernel message; `None` for what is no route, or not `wanted`, which is asked before
    /// memory is taken: a dump may be of a million.
    pub(crate) fn read(payload: &[u8], wanted: &dyn Fn(Prefix) -> bool) -> Result<Option<Self>, DecodeError> {
        let (head, rest) = payload.split_first_chunk::<RTMSG>().ok_or("a short route")?;
        let Some(family) = Family::numbered(head[0]) else { return Ok(None) };
        let mut attributes = NlasIterator::new(rest);
        let to = attributes.find(|one| one.as_ref().map_or(true, |one| one.kind() == RTA_DST)).transpose()?;
        let everything = Prefix::everything(family);
        let destination = to.map_or(Ok(everything), |to| prefix(to.value(), head[1]))?;
        if !wanted(destination) {
            return Ok(None);
        }
        let mut object = Object::read(payload, RTMSG)?;
        let mut hops = Vec::new();
        let mut rest = object.attributes.get(&RTA_MULTIPATH).map(Vec::as_slice).unwrap_or_default();
        while let Some(length) = rest.first_chunk().map(|two| usize::from(u16::from_ne_bytes(*two))) {
            hops.push(Object::read(rest.get(..length).ok_or("a hop cut short")?, RTNEXTHOP)?);
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        if let (true, Some(oif)) = (hops.is_empty(), object.attributes.get(&RTA_OIF)) {
            let head = [&[0, 0, object.head[8], 0], &oif[..]].concat();
            hops.push(Object { head, attributes: object.attributes.clone() });
        }
        for hop in &mut hops {
            (hop.head[0], hop.head[1], hop.head[2]) = (0, 0, hop.head[2] & (RTNH_F_DEAD | RTNH_F_ONLINK));
            hop.attributes.retain(|kind, _| OF_HOP.contains(kind));
        }
        // `rta_expires` is the third number; it is negative when the time is over.
        let expires = object.attributes.get(&RTA_CACHEINFO).and_then(|info| word(info, 8));
        let gone = expires.unwrap_or(0).cast_signed() < 0 || object.word(8) & RTM_F_CLONED != 0;
        let table = TableId(object.number(RTA_TABLE).unwrap_or(object.head[4].into()));
        let metric = object.number(RTA_PRIORITY).unwrap_or(0);
        let by_object = object.attributes.contains_key(&RTA_NH_ID);
        object.head[4] = 0;
        object.head[8..].fill(0);
        let mut route = Self { table, destination, metric, object, hops: Vec::new(), gone };
        // IPv6 names the loopback interface as the way out of a route without one.
        let deviceless = route.is_deviceless();
        route.object.attributes.retain(|kind, value| match *kind {
            RTA_SRC | RTA_METRICS | RTA_TTL_PROPAGATE => true,
            RTA_PREF => value[..] != [0],
            RTA_FLOW => deviceless,
            _ => false,
        });
        // An IPv4 one by a nexthop object cannot be deleted by its hops. The helper writes none: such a one of ours
        // has none here, and so is refused.
        let hopless = deviceless || (by_object && route.is_ours() && destination.is_ipv4());
        route.hops = hops.into_iter().filter(|_| !hopless).map(Hop).collect();
        Ok(Some(route))
    }

    /// The message that adds or replaces it, with these flags.
    pub(crate) fn addition(&self, flags: u16) -> Message {
        self.message(RTM_NEWROUTE, flags, self.object.clone(), &OF_HOP)
    }

    /// The messages that delete it if it is ours: the full key, with our protocol, for each part.
    pub(crate) fn deletions(&self) -> impl Iterator<Item = Message> {
        self.parts().into_iter().map(|part| {
            let mut object = part.copy(part.table, Vec::new()).object;
            object.attributes.retain(|kind, _| *kind == RTA_SRC);
            part.message(RTM_DELROUTE, 0, object, &OF_GATEWAY)
        })
    }

    fn message(&self, kind: u16, flags: u16, object: Object, of_hop: &[u16]) -> Message {
        let mut object = object.with(RTA_TABLE, self.table.0.to_ne_bytes());
        if !self.destination.is_default() {
            object = object.with(RTA_DST, octets(self.destination.address()));
        }
        if self.metric > 0 {
            object = object.with(RTA_PRIORITY, self.metric.to_ne_bytes());
        }
        let mut hops: Vec<Object> = self.hops.iter().map(|hop| hop.0.clone()).collect();
        for hop in &mut hops {
            hop.head[2] &= RTNH_F_ONLINK;
            hop.attributes.retain(|kind, _| of_hop.contains(kind));
            let length = u16::try_from(hop.bytes().len()).unwrap_or(0);
            hop.head[..2].copy_from_slice(&length.to_ne_bytes());
        }
        match &mut hops[..] {
            [] => {}
            // An IPv4 route that is deleted by one hop may be one of several that begin with it, unless the hop
            // is in a list (`fib_nh_match`).
            [hop] if kind != RTM_DELROUTE || !self.destination.is_ipv4() => {
                object.head[8] = hop.head[2];
                object.attributes.append(&mut hop.attributes);
                object = object.with(RTA_OIF, &hop.head[4..]);
            }
            hops => {
                object = object.with(RTA_MULTIPATH, hops.iter().flat_map(Object::bytes).collect::<Vec<_>>())
            }
        }
        Message { kind, flags, bytes: object.bytes() }
    }
}

#[cfg(test)]
mod tests;
