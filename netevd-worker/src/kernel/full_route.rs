//! A route with all that a copy of it has, and nothing else: two routes do the same where these are equal.

use crate::model::{BLACKHOLE, PROHIBIT, THROW, UNICAST};
use netlink_packet_core::{DecodeError, NlasIterator, parse_u32};
use nix::libc;
use protocol::kernel::{ENCAP_BPF, RTA_NH_ID, RTMSG, RTNEXTHOP, RTNH_F_DEAD, RTNH_F_ONLINK, address};
use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::fmt;
use std::net::IpAddr;

/// Attributes that libc does not name (linux/rtnetlink.h).
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_ENCAP: u16 = 22;
const RTA_TTL_PROPAGATE: u16 = 26;
/// `RTN_LOCAL`, `RTN_MULTICAST`
const LOCAL: u8 = 2;
const MULTICAST: u8 = 5;
/// The place of `rta_expires` in `struct rta_cacheinfo`, in hundredths of a second.
const EXPIRES: usize = 8;
/// `IP6_RT_PRIO_USER`: what the kernel makes of metric 0.
const METRIC_OF_IPV6: u32 = 1024;

/// What a copy has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spec {
    /// Length 0 is a default route.
    pub destination: Prefix,
    /// Of a source-specific route.
    pub source: Option<Prefix>,
    /// `rtm_tos`
    pub tos: u8,
    /// `RTA_PRIORITY`
    pub metric: u32,
    /// `rtm_type`
    pub kind: u8,
    /// `rtm_scope`; 0 of IPv6, and of what has no way out.
    pub scope: u8,
    /// The living ways out.
    pub hops: Vec<SpecHop>,
    /// Nearly always none.
    pub attributes: Option<Box<Attributes>>,
}

/// Attributes of a whole route.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Attributes {
    /// `RTA_METRICS`
    pub metrics: Vec<u8>,
    /// `RTA_PREF`
    pub preference: u8,
    /// `RTA_TTL_PROPAGATE`
    pub ttl_propagate: Option<u8>,
}

/// One way out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpecHop {
    /// `RTA_OIF`, `rtnh_ifindex`
    pub oif: Ifindex,
    /// `RTA_GATEWAY`, `RTA_VIA`: of either family.
    pub gateway: Option<IpAddr>,
    /// `RTNH_F_ONLINK`
    pub onlink: bool,
    /// `rtnh_hops`; 0 of an only way.
    pub weight: u8,
    /// Nearly always none.
    pub attributes: Option<Box<HopAttributes>>,
}

/// Attributes of one way out.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct HopAttributes {
    /// `RTA_FLOW`
    pub realms: u32,
    /// `RTA_ENCAP_TYPE`
    pub encap_type: u16,
    /// `RTA_ENCAP`
    pub encap: Vec<u8>,
}

/// A route as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FullRoute {
    /// What a copy of it would have.
    pub spec: Spec,
    /// `RTA_TABLE`
    pub table: TableId,
    /// `rtm_protocol`
    pub protocol: u8,
    /// It has a way out that is dead, so that `spec` lacks it.
    pub lacks_hops: bool,
    /// It is made of more than a copy can have.
    pub opaque: bool,
    /// Hundredths of a second until it goes.
    pub expires: Option<u32>,
}

impl FullRoute {
    /// Reads what follows the header of an `RTM_NEWROUTE`; `None` for other families, cached copies, and what
    /// is over and not yet removed.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((
            &[family, length, source_length, tos, table, protocol, scope, kind, flags @ ..],
            attributes,
        )) = payload.split_first_chunk::<RTMSG>()
        else {
            return Err("shorter than struct rtmsg".into());
        };
        let flags = u32::from_ne_bytes(flags);
        let Some(family) = Family::numbered(family) else { return Ok(None) };
        let any = Prefix::everything(family).address();
        let is_ipv4 = any.is_ipv4();
        let [low, ..] = flags.to_le_bytes();
        let mut read = Reading { flags: low, ..Reading::default() };
        let (mut table, mut metric, mut expires) = (u32::from(table), 0, None);
        let (mut destination, mut from) = (Some(any), Some(any));
        let (mut own, mut hops, mut by_object) = (Attributes::default(), Vec::new(), false);
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::RTA_DST => destination = address(value),
                libc::RTA_SRC => from = address(value),
                libc::RTA_TABLE => table = parse_u32(value)?,
                libc::RTA_PRIORITY => metric = parse_u32(value)?,
                libc::RTA_METRICS => own.metrics = value.to_vec(),
                libc::RTA_MULTIPATH => hops = paths(value)?,
                libc::RTA_CACHEINFO => {
                    let ticks = value.get(EXPIRES..).and_then(<[u8]>::first_chunk).copied();
                    expires = ticks.map(i32::from_ne_bytes).filter(|ticks| *ticks != 0);
                }
                RTA_NH_ID => by_object = true,
                RTA_PREF => own.preference = value.first().copied().unwrap_or_default(),
                RTA_TTL_PROPAGATE => own.ttl_propagate = value.first().copied(),
                kind => read.take(kind, value)?,
            }
        }
        let prefix = |address: Option<IpAddr>, length| Prefix::containing(address?, length).ok();
        let Some(destination) = prefix(destination, length) else { return Ok(None) };
        if flags & libc::RTM_F_CLONED != 0 || expires.is_some_and(|ticks| ticks < 0) {
            return Ok(None);
        }
        let has_hops = [UNICAST, LOCAL, MULTICAST].contains(&kind);
        if hops.is_empty() {
            hops.push(read);
        }
        let found = hops.len();
        let mut living: Vec<SpecHop> = hops.iter().filter_map(Reading::living).collect();
        let lacks_hops = has_hops && living.len() < found;
        let opaque = has_hops
            && (hops.iter().any(|hop| hop.attributes.encap_type == ENCAP_BPF)
                || by_object && hops.iter().all(|hop| hop.oif.is_none()));
        if let [only] = living.as_mut_slice() {
            only.weight = 0;
        }
        if !has_hops {
            living.clear();
            own = Attributes::default();
        }
        let metric = if metric == 0 && !is_ipv4 { METRIC_OF_IPV6 } else { metric };
        let spec = Spec {
            destination,
            source: if source_length == 0 { None } else { prefix(from, source_length) },
            tos,
            metric,
            kind,
            scope: if has_hops && is_ipv4 { scope } else { 0 },
            hops: living,
            attributes: (own != Attributes::default()).then(|| Box::new(own)),
        };
        let expires = expires.and_then(|ticks| u32::try_from(ticks).ok());
        Ok(Some(Self { spec, table: TableId(table), protocol, lacks_hops, opaque, expires }))
    }

    /// Carries our protocol number.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        self.spec.family()
    }

    /// A living way out through this link.
    pub fn leaves_through(&self, link: Ifindex) -> bool {
        self.spec.hops.iter().any(|hop| hop.oif == link)
    }
}

impl Spec {
    /// With nothing but a destination.
    pub fn plain(destination: Prefix, kind: u8, metric: u32) -> Self {
        let metric = if metric == 0 && !destination.is_ipv4() { METRIC_OF_IPV6 } else { metric };
        Self { destination, source: None, tos: 0, metric, kind, scope: 0, hops: Vec::new(), attributes: None }
    }

    /// IPv4 or IPv6.
    pub fn family(&self) -> Family {
        Family::of(self.destination.address())
    }

    /// Unicast.
    pub fn is_unicast(&self) -> bool {
        self.kind == UNICAST
    }

    /// Blackhole, unreachable, prohibit, throw.
    pub fn leads_nowhere(&self) -> bool {
        (BLACKHOLE..=THROW).contains(&self.kind)
    }

    /// `RTA_PREF`
    pub fn preference(&self) -> u8 {
        self.attributes.as_ref().map_or(0, |own| own.preference)
    }

    /// With these of its ways out; one that remains is a plain route.
    #[must_use]
    pub fn through(&self, keep: impl Fn(&SpecHop) -> bool) -> Self {
        let mut copy = self.clone();
        copy.hops.retain(keep);
        if let [only] = copy.hops.as_mut_slice() {
            only.weight = 0;
        }
        copy
    }

    /// What a throw in its place has.
    #[must_use]
    pub fn thrown(&self) -> Self {
        Self { source: self.source, ..Self::plain(self.destination, THROW, 0) }
    }

    /// In a form in which the order of ways out does not count.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.hops.sort();
        self
    }
}

impl SpecHop {
    /// Through a link, by a gateway or without one.
    pub fn new(oif: Ifindex, gateway: Option<IpAddr>) -> Self {
        Self { oif, gateway, onlink: false, weight: 0, attributes: None }
    }
}

/// A way out while it is read.
#[derive(Debug, Default)]
struct Reading {
    oif: Option<Ifindex>,
    gateway: Option<IpAddr>,
    flags: u8,
    weight: u8,
    attributes: HopAttributes,
}

impl Reading {
    fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            libc::RTA_OIF => self.oif = Ifindex::try_from(parse_u32(value)?).ok(),
            libc::RTA_GATEWAY => self.gateway = address(value),
            libc::RTA_FLOW => self.attributes.realms = parse_u32(value)?,
            RTA_VIA => self.gateway = value.get(2..).and_then(address),
            RTA_ENCAP_TYPE => {
                self.attributes.encap_type = value.first_chunk().map_or(0, |kind| u16::from_ne_bytes(*kind));
            }
            RTA_ENCAP => self.attributes.encap = value.to_vec(),
            _ => {}
        }
        Ok(())
    }

    fn living(&self) -> Option<SpecHop> {
        let oif = self.oif.filter(|_| self.flags & RTNH_F_DEAD == 0)?;
        let attributes = &self.attributes;
        Some(SpecHop {
            oif,
            gateway: self.gateway,
            onlink: self.flags & RTNH_F_ONLINK != 0,
            weight: self.weight,
            attributes: (*attributes != HopAttributes::default()).then(|| Box::new(attributes.clone())),
        })
    }
}

/// `struct rtnexthop` after `struct rtnexthop`, each with its own attributes.
fn paths(mut rest: &[u8]) -> Result<Vec<Reading>, DecodeError> {
    let mut hops = Vec::new();
    while let Some(&[low, high, flags, weight, index @ ..]) = rest.first_chunk::<RTNEXTHOP>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let attributes = rest.get(RTNEXTHOP..length).ok_or("a next hop of an impossible length")?;
        let oif = Ifindex::try_from(u32::from_ne_bytes(index)).ok();
        let mut hop = Reading { oif, flags, weight, ..Reading::default() };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            hop.take(attribute.kind(), attribute.value())?;
        }
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

impl fmt::Display for Spec {
    /// Nearly as ip(8) writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            UNICAST => {}
            LOCAL => f.write_str("local ")?,
            MULTICAST => f.write_str("multicast ")?,
            BLACKHOLE => f.write_str("blackhole ")?,
            PROHIBIT => f.write_str("prohibit ")?,
            THROW => f.write_str("throw ")?,
            _ => f.write_str("unreachable ")?,
        }
        match self.destination.is_default() {
            true => f.write_str("default")?,
            false => write!(f, "{}", self.destination)?,
        }
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        for hop in &self.hops {
            match hop.gateway {
                Some(gateway) => write!(f, " via {gateway}")?,
                None => write!(f, " dev {}", hop.oif)?,
            }
        }
        let usual = if self.destination.is_ipv4() { 0 } else { METRIC_OF_IPV6 };
        if self.metric != usual { write!(f, " metric {}", self.metric) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).expect("short");
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn message(kind: u8, flags: u32, attributes: &[Vec<u8>]) -> Vec<u8> {
        let header = [2, 24, 0, 0, 254, 4, 0, kind];
        let destination = attribute(1, &[192, 0, 2, 0]);
        [&header[..], &flags.to_ne_bytes(), &destination, &attributes.concat()].concat()
    }

    fn read(bytes: &[u8]) -> Option<FullRoute> {
        FullRoute::read(bytes).expect("good")
    }

    #[test]
    fn of_several_ways_the_dead_are_left_out_and_one_left_is_a_plain_route() {
        let path = |flags: u8, weight: u8, oif: u32, attributes: &[u8]| {
            let length = u16::try_from(8 + attributes.len()).expect("short").to_ne_bytes();
            [&length[..], &[flags, weight], &oif.to_ne_bytes(), attributes].concat()
        };
        let gateway = attribute(5, &[192, 0, 2, 1]);
        let both = [path(RTNH_F_DEAD, 3, 2, &gateway), path(RTNH_F_ONLINK, 4, 3, &gateway)].concat();
        let route = read(&message(1, 0, &[attribute(9, &both)])).expect("a route");
        let oif = Ifindex::try_from(3).expect("valid");
        let hop = SpecHop { onlink: true, ..SpecHop::new(oif, "192.0.2.1".parse().ok()) };
        assert_eq!((route.spec.hops, route.lacks_hops, route.opaque), (vec![hop], true, false));
    }

    #[test]
    fn what_is_over_is_gone_and_what_is_opaque_is_known() {
        let oif = attribute(4, &3_u32.to_ne_bytes());
        let info = |ticks: i32| {
            let words = [0, 0, ticks, 0, 0, 0, 0, 0];
            attribute(12, &words.map(i32::to_ne_bytes).concat())
        };
        assert!(read(&message(1, 0, &[oif.clone(), info(-3)])).is_none());
        let left = read(&message(1, 0, &[oif.clone(), info(300)])).expect("a route");
        assert_eq!((left.expires, left.spec.attributes), (Some(300), None));
        assert!(read(&message(1, 0x200, std::slice::from_ref(&oif))).is_none(), "a cached copy");
        let id = attribute(30, &7_u32.to_ne_bytes());
        assert!(
            read(&message(1, 0, std::slice::from_ref(&id))).expect("a route").opaque,
            "an object without ways"
        );
        assert!(!read(&message(1, 0, &[oif.clone(), id])).expect("a route").opaque);
        let bpf = attribute(21, &6_u16.to_ne_bytes());
        assert!(read(&message(1, 0, &[oif.clone(), bpf.clone()])).expect("a route").opaque);
        let nowhere = read(&message(6, 0, &[oif, bpf])).expect("a route");
        assert!(nowhere.spec.hops.is_empty() && !nowhere.opaque && !nowhere.lacks_hops);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..120), family in prop::sample::select(vec![2u8, 10])) {
            let mut payload = payload;
            if let Some(first) = payload.first_mut() {
                *first = family;
            }
            let _ = FullRoute::read(&payload);
        }
    }
}
