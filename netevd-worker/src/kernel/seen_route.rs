//! A route with everything that the kernel tells of it (`rtmsg`, rtnetlink(7)), in numbers.

use super::seen_rule::realms;
use netlink_packet_core::{DecodeError, NlasIterator, parse_u32};
use nix::libc;
use protocol::kernel::RTA_NH_ID;
use protocol::{Family, Prefix};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `struct rtmsg`, `struct rtnexthop`
const HEADER: usize = 12;
const PATH: usize = 8;
/// `RTAX_LOCK`, `RTAX_CC_ALGO`
const LOCK: u16 = 1;
const ALGORITHM: u16 = 16;
/// Attributes that libc does not name (linux/rtnetlink.h).
const RTA_VIA: u16 = 18;
const RTA_PREF: u16 = 20;
const RTA_ENCAP_TYPE: u16 = 21;
const RTA_TTL_PROPAGATE: u16 = 26;
/// The place of `rta_expires` in `struct rta_cacheinfo`, in hundredths of a second (`USER_HZ`).
const EXPIRES: usize = 8;
const HUNDREDTHS: i32 = 100;

/// A route, in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenRoute {
    /// Length 0 is a default route.
    pub destination: Prefix,
    /// `from`: of a source-specific route.
    pub from: Option<Prefix>,
    /// `rtm_tos`
    pub tos: u8,
    /// `rtm_type`
    pub kind: u8,
    /// `RTA_TABLE`
    pub table: u32,
    /// `RTA_PRIORITY`; 0 when none.
    pub metric: u32,
    /// `rtm_protocol`
    pub protocol: u8,
    /// `rtm_scope`
    pub scope: u8,
    /// `rtm_flags`
    pub flags: u32,
    /// `RTA_PREFSRC`
    pub source: Option<IpAddr>,
    /// `RTA_NH_ID`: the nexthop object that it is made of.
    pub nexthop_object: Option<u32>,
    /// `RTA_METRICS`
    pub metrics: Vec<SeenMetric>,
    /// `RTA_PREF` of a router advertisement (RFC 4191).
    pub preference: Option<u8>,
    /// Seconds until it goes; below 0 where it is over and not yet removed.
    pub expires: Option<i32>,
    /// `RTA_TTL_PROPAGATE`
    pub ttl_propagate: Option<bool>,
    /// The ways; more than one of a multipath route.
    pub hops: Vec<SeenHop>,
}

/// One way of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SeenHop {
    /// Of either family (`RTA_GATEWAY`, `RTA_VIA`).
    pub gateway: Option<IpAddr>,
    /// `RTA_OIF`, `rtnh_ifindex`
    pub oif: Option<u32>,
    /// `rtnh_flags` of a multipath route.
    pub flags: u8,
    /// Its share in a multipath route.
    pub weight: u16,
    /// `RTA_FLOW`, as ip(8) writes it.
    pub realms: Option<String>,
    /// `RTA_ENCAP_TYPE`
    pub encap: Option<u16>,
}

/// One of `RTA_METRICS` (`RTAX_*`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenMetric {
    /// `RTAX_*`
    pub kind: u16,
    /// Of all but the algorithm.
    pub value: u32,
    /// `congctl`
    pub algorithm: Option<String>,
    /// `lock`: path MTU discovery and the like leave it.
    pub locked: bool,
}

impl SeenRoute {
    /// Reads what follows the header of an `RTM_NEWROUTE`; `None` for what is no route of a table: other
    /// families, cached copies.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        Ok(Self::read_any(payload)?.filter(|route| route.flags & libc::RTM_F_CLONED == 0))
    }

    /// The same, also of the copy that answers for one packet.
    pub(super) fn read_any(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((
            &[family, length, source_length, tos, table, protocol, scope, kind, flags @ ..],
            attributes,
        )) = payload.split_first_chunk::<HEADER>()
        else {
            return Err("shorter than struct rtmsg".into());
        };
        let flags = u32::from_ne_bytes(flags);
        let any: IpAddr = match i32::from(family) {
            libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return Ok(None),
        };
        let Ok(everything) = Prefix::containing(any, 0) else { return Ok(None) };
        let mut route = Self {
            destination: everything,
            from: None,
            tos,
            kind,
            table: table.into(),
            metric: 0,
            protocol,
            scope,
            flags,
            source: None,
            nexthop_object: None,
            metrics: Vec::new(),
            preference: None,
            expires: None,
            ttl_propagate: None,
            hops: Vec::new(),
        };
        let family = Family::of(any);
        let (mut destination, mut from) = (Some(any), Some(any));
        let mut hop = SeenHop { weight: 1, ..SeenHop::default() };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::RTA_DST => destination = address(family, value),
                libc::RTA_SRC => from = address(family, value),
                libc::RTA_TABLE => route.table = parse_u32(value)?,
                libc::RTA_PRIORITY => route.metric = parse_u32(value)?,
                libc::RTA_PREFSRC => route.source = address(family, value),
                libc::RTA_METRICS => route.metrics = metrics(value)?,
                libc::RTA_MULTIPATH => route.hops = paths(family, value)?,
                libc::RTA_CACHEINFO => {
                    let ticks = value.get(EXPIRES..).and_then(<[u8]>::first_chunk).copied();
                    let ticks = ticks.map(i32::from_ne_bytes).filter(|ticks| *ticks != 0);
                    route.expires = ticks.map(|ticks| ticks / HUNDREDTHS);
                }
                RTA_NH_ID => route.nexthop_object = Some(parse_u32(value)?),
                RTA_PREF => route.preference = value.first().copied(),
                RTA_TTL_PROPAGATE => route.ttl_propagate = value.first().map(|byte| *byte != 0),
                kind => hop.take(family, kind, value)?,
            }
        }
        if route.hops.is_empty() {
            route.hops.push(hop);
        }
        let prefix = |address: Option<IpAddr>, length| Prefix::containing(address?, length).ok();
        route.from = if source_length == 0 { None } else { prefix(from, source_length) };
        match prefix(destination, length) {
            Some(destination) => Ok(Some(Self { destination, ..route })),
            None => Ok(None),
        }
    }

    /// Blackhole, unreachable, prohibit, throw: the kernel names lo for those of IPv6, and means no link.
    pub fn leads_nowhere(&self) -> bool {
        (6..=9).contains(&self.kind)
    }
}

impl SeenHop {
    fn take(&mut self, family: Family, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            libc::RTA_OIF => self.oif = Some(parse_u32(value)?),
            libc::RTA_GATEWAY => self.gateway = address(family, value),
            libc::RTA_FLOW => self.realms = Some(realms(parse_u32(value)?)),
            RTA_VIA => self.gateway = via(value),
            RTA_ENCAP_TYPE => {
                let kind = value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes));
                self.encap = kind.filter(|kind| *kind != 0);
            }
            _ => {}
        }
        Ok(())
    }
}

/// `struct rtnexthop` after `struct rtnexthop`, each with its own attributes.
fn paths(family: Family, mut rest: &[u8]) -> Result<Vec<SeenHop>, DecodeError> {
    let mut hops = Vec::new();
    while let Some(&[low, high, flags, weight, index @ ..]) = rest.first_chunk::<PATH>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let attributes = rest.get(PATH..length).ok_or("a next hop of an impossible length")?;
        let oif = Some(u32::from_ne_bytes(index));
        let mut hop = SeenHop { oif, flags, weight: u16::from(weight) + 1, ..SeenHop::default() };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            hop.take(family, attribute.kind(), attribute.value())?;
        }
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

fn metrics(value: &[u8]) -> Result<Vec<SeenMetric>, DecodeError> {
    let (mut found, mut locks) = (Vec::new(), 0);
    for attribute in NlasIterator::new(value) {
        let attribute = attribute?;
        let (kind, value) = (attribute.kind(), attribute.value());
        match kind {
            LOCK => locks = parse_u32(value)?,
            ALGORITHM => {
                let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
                let algorithm = Some(String::from_utf8_lossy(text).into_owned());
                found.push(SeenMetric { kind, value: 0, algorithm, locked: false });
            }
            _ => found.push(SeenMetric { kind, value: parse_u32(value)?, algorithm: None, locked: false }),
        }
    }
    for metric in &mut found {
        metric.locked = 1_u32.checked_shl(metric.kind.into()).is_some_and(|bit| locks & bit != 0);
    }
    Ok(found)
}

/// `struct rtvia`: a family, then an address of it.
fn via(value: &[u8]) -> Option<IpAddr> {
    let (family, bytes) = value.split_first_chunk()?;
    match i32::from(u16::from_ne_bytes(*family)) {
        libc::AF_INET => address(Family::V4, bytes),
        libc::AF_INET6 => address(Family::V6, bytes),
        _ => None,
    }
}

/// An address of this family; `None` when it is of another length.
fn address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        Family::V6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_bytes_panic(payload in prop::collection::vec(any::<u8>(), 0..120), family in prop::sample::select(vec![2u8, 10])) {
            let mut payload = payload;
            if let Some(first) = payload.first_mut() {
                *first = family;
            }
            let _ = SeenRoute::read(&payload);
            let _ = super::super::SeenRule::read(&payload);
        }
    }

    #[test]
    fn locks_and_lengths_of_metrics() {
        // RTAX_LOCK with the bit of RTAX_MTU, RTAX_MTU 1400, RTAX_ADVMSS 1200.
        let words: [[u16; 4]; 3] = [[8, 1, 4, 0], [8, 2, 1400, 0], [8, 8, 1200, 0]];
        let bytes: Vec<u8> = words.into_iter().flatten().flat_map(u16::to_ne_bytes).collect();
        let found = metrics(&bytes).expect("good");
        let found: Vec<(u16, u32, bool)> = found.iter().map(|m| (m.kind, m.value, m.locked)).collect();
        assert_eq!(found, [(2, 1400, true), (8, 1200, false)]);
    }
}
