//! Routes of main that matter to no table of netevd's: those through other uplinks, outside of nets that are
//! copied. Such as a full table that comes in through an uplink which is not under policy routing. Pure.

use protocol::{Family, Ifindex, Prefix};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// More links or nets are not told apart: then everything matters.
const LINKS: usize = 8;
const NETS: usize = 16;

/// Attributes of a route (rtnetlink(7)).
pub(super) const RTA_DST: u16 = 1;
pub(super) const RTA_OIF: u16 = 4;
/// Of an attribute's type: the rest are flags (`NLA_TYPE_MASK`).
const TYPE: u16 = 0x3fff;

/// Which routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnusedRoutes {
    /// By interface index; 0 for none.
    ipv4: [u32; LINKS],
    ipv6: [u32; LINKS],
    /// Networks and their masks; a mask of 0 for none. What is inside of one matters all the same.
    nets: [(u32, u32); NETS],
}

impl UnusedRoutes {
    /// Routes of this family through these links matter inside of these nets alone.
    #[must_use]
    pub fn with(mut self, family: Family, links: &BTreeSet<Ifindex>, nets: &BTreeSet<Prefix>) -> Self {
        let most = if family == Family::V4 { NETS } else { 0 };
        if links.is_empty() || links.len() > LINKS {
            return self;
        }
        // The widest alone: in this order what is inside of a net follows it. There may be thousands.
        let mut widest: Vec<Prefix> = Vec::new();
        for net in nets {
            if widest.last().is_some_and(|last| last.covers(*net)) {
                continue;
            }
            if widest.len() == most {
                return self;
            }
            widest.push(*net);
        }
        let into = if family == Family::V4 { &mut self.ipv4 } else { &mut self.ipv6 };
        into.iter_mut().zip(links).for_each(|(place, link)| *place = link.get());
        for (place, net) in self.nets.iter_mut().zip(widest) {
            if let IpAddr::V4(address) = net.address() {
                *place = (address.to_bits(), u32::MAX << (32 - net.length().clamp(1, 32)));
            }
        }
        self
    }

    pub(super) fn links(&self, family: Family) -> impl Iterator<Item = u32> {
        let links = if family == Family::V4 { self.ipv4 } else { self.ipv6 };
        links.into_iter().filter(|link| *link != 0)
    }

    pub(super) fn nets(&self) -> impl Iterator<Item = (u32, u32)> {
        self.nets.into_iter().filter(|(_, mask)| *mask != 0)
    }

    /// Whether the route of a message (`struct rtmsg`, of a prefix that is no default's) is one of these.
    pub(super) fn has(&self, message: &[u8]) -> bool {
        let family = if message.first() == Some(&AF_INET) { Family::V4 } else { Family::V6 };
        let number = |kind| attribute(message, kind).and_then(|value| value.first_chunk::<4>());
        let Some(link) = number(RTA_OIF).map(|bytes| u32::from_ne_bytes(*bytes)) else { return false };
        let is_inside = || match number(RTA_DST).map(|bytes| u32::from_be_bytes(*bytes)) {
            Some(address) => self.nets().any(|(net, mask)| address & mask == net),
            None => true,
        };
        self.links(family).any(|other| other == link) && (family == Family::V6 || !is_inside())
    }
}

/// `AF_INET`
pub(super) const AF_INET: u8 = 2;
/// `struct rtmsg`
const ROUTE: usize = 12;

/// The value of the first attribute of this type, as the kernel looks for it (`nla_find`).
fn attribute(message: &[u8], kind: u16) -> Option<&[u8]> {
    let mut rest = message.get(ROUTE..)?;
    loop {
        let head = rest.first_chunk::<4>()?;
        let length = usize::from(u16::from_ne_bytes([head[0], head[1]]));
        let value = rest.get(4..length)?;
        if u16::from_ne_bytes([head[2], head[3]]) & TYPE == kind {
            return Some(value);
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::index;

    fn nets(texts: &[&str]) -> BTreeSet<Prefix> {
        texts.iter().map(|text| text.parse().expect("a prefix")).collect()
    }

    #[test]
    fn only_the_widest_nets_count_and_too_many_are_none() {
        let links = BTreeSet::from([index(2)]);
        let some =
            UnusedRoutes::default().with(Family::V4, &links, &nets(&["172.16.0.0/12", "172.17.0.0/16"]));
        assert_eq!(some.nets().collect::<Vec<_>>(), [(0xac10_0000, 0xfff0_0000)]);
        assert_eq!(some.links(Family::V4).collect::<Vec<_>>(), [2]);
        assert_eq!(some.links(Family::V6).count(), 0);
        let nested = ["11.0.0.0/8", "10.9.8.0/24", "10.9.0.0/16", "10.0.0.0/8", "10.0.0.0/24", "9.0.0.0/8"];
        let some = UnusedRoutes::default().with(Family::V4, &links, &nets(&nested));
        assert_eq!(some.nets().map(|(net, _)| net >> 24).collect::<Vec<_>>(), [9, 10, 11]);
        let many: BTreeSet<Prefix> = (0..17_u8)
            .map(|n| Prefix::containing(IpAddr::from([10, n, 0, 0]), 16).expect("a prefix"))
            .collect();
        assert_eq!(UnusedRoutes::default().with(Family::V4, &links, &many), UnusedRoutes::default());
        let ipv6 = UnusedRoutes::default().with(Family::V6, &links, &nets(&["fd00::/64"]));
        assert_eq!(ipv6, UnusedRoutes::default(), "nets of IPv6 are not told apart");
        let links = (1..=9).map(index).collect();
        assert_eq!(UnusedRoutes::default().with(Family::V4, &links, &nets(&[])), UnusedRoutes::default());
    }
}
