//! A route as the kernel tells it (`rtmsg`, rtnetlink(7)).

use crate::model::{Hop, Hops, Route};
use netlink_packet_core::{DecodeError, NlasIterator, parse_u32};
use nix::libc;
use protocol::kernel::RTA_NH_ID;
use protocol::{Family, Ifindex, Prefix, TableId};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// `struct rtmsg`
const HEADER: usize = 12;
/// Attributes that libc does not name (linux/rtnetlink.h).
const RTA_VIA: u16 = 18;

impl Route {
    /// Reads what follows the header of an `RTM_NEWROUTE` or `RTM_DELROUTE`, attribute by attribute, for
    /// there may be a million; `None` for families that are not IP.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Route>, DecodeError> {
        let Some((
            &[family, length, source_length, tos, table, protocol, scope, kind, flags @ ..],
            attributes,
        )) = payload.split_first_chunk::<HEADER>()
        else {
            return Err("shorter than struct rtmsg".into());
        };
        let any: IpAddr = match i32::from(family) {
            libc::AF_INET => Ipv4Addr::UNSPECIFIED.into(),
            libc::AF_INET6 => Ipv6Addr::UNSPECIFIED.into(),
            _ => return Ok(None),
        };
        let ip = |bytes: &[u8]| address(Family::of(any), bytes);
        let mut destination = Some(any);
        let (mut table, mut metric, mut source) = (u32::from(table), 0, None);
        let mut nexthop_object = false;
        let mut hop = Hop { oif: None, gateway: None, foreign_gateway: false };
        let mut hops = Vec::new();
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            let value = attribute.value();
            match attribute.kind() {
                libc::RTA_DST => destination = ip(value),
                libc::RTA_TABLE => table = parse_u32(value)?,
                libc::RTA_PRIORITY => metric = parse_u32(value)?,
                RTA_NH_ID => nexthop_object = true,
                libc::RTA_PREFSRC => source = ip(value),
                libc::RTA_MULTIPATH => hops = paths(Family::of(any), value)?,
                kind => hop.take(Family::of(any), kind, value)?,
            }
        }
        let Some(destination) = destination.and_then(|to| Prefix::containing(to, length).ok()) else {
            return Ok(None);
        };
        Ok(Some(Route {
            destination,
            table: TableId(table),
            metric,
            protocol,
            scope,
            route_type: kind,
            selective: tos != 0 || source_length != 0 || nexthop_object,
            tos,
            cloned: u32::from_ne_bytes(flags) & libc::RTM_F_CLONED != 0,
            source,
            hops: if hops.is_empty() { hop.into() } else { Hops::Several(hops) },
        }))
    }
}

impl Hop {
    fn take(&mut self, family: Family, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            libc::RTA_OIF => self.oif = Ifindex::try_from(parse_u32(value)?).ok(),
            libc::RTA_GATEWAY => self.gateway = address(family, value),
            RTA_VIA => self.foreign_gateway = true,
            _ => {}
        }
        Ok(())
    }
}

/// `struct rtnexthop` after `struct rtnexthop`, each with attributes of its own.
fn paths(family: Family, mut rest: &[u8]) -> Result<Vec<Hop>, DecodeError> {
    const PATH: usize = 8;
    let mut hops = Vec::new();
    while let Some(&[low, high, _flags, _weight, index @ ..]) = rest.first_chunk::<PATH>() {
        let length = usize::from(u16::from_ne_bytes([low, high]));
        let attributes = rest.get(PATH..length).ok_or("a next hop of an impossible length")?;
        let oif = Ifindex::try_from(u32::from_ne_bytes(index)).ok();
        let mut hop = Hop { oif, gateway: None, foreign_gateway: false };
        for attribute in NlasIterator::new(attributes) {
            let attribute = attribute?;
            hop.take(family, attribute.kind(), attribute.value())?;
        }
        hops.push(hop);
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(hops)
}

/// An address of this family; `None` when it is of another length.
fn address(family: Family, bytes: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        Family::V6 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
    }
}

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;
