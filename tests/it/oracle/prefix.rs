//! Prefixes of both families.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Prefix {
    pub(super) address: IpAddr,
    pub(super) length: u8,
}

impl Prefix {
    pub(super) fn new(address: IpAddr, length: u8) -> Prefix {
        Prefix { address, length }
    }

    pub(super) fn default(is_v4: bool) -> Prefix {
        let any = if is_v4 { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        Prefix::new(any, 0)
    }

    pub(super) fn contains(self, address: IpAddr) -> bool {
        let ((mine, width), (theirs, other)) = (bits(self.address), bits(address));
        let shift = u32::from(width - self.length);
        width == other && mine.checked_shr(shift).unwrap_or(0) == theirs.checked_shr(shift).unwrap_or(0)
    }

    pub(super) fn covers(self, other: Prefix) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    fn overlaps(self, other: Prefix) -> bool {
        self.covers(other) || other.covers(self)
    }

    pub(super) fn is_link_local_v6(self) -> bool {
        Prefix::new("fe80::".parse().expect("an address"), 10).covers(self)
    }

    /// A half of the world, or a part that is nearly as large: the ways by which VPNs take all traffic.
    pub(super) fn is_default_like(self) -> bool {
        if self.address.is_ipv4() {
            let multicast = Prefix::new("224.0.0.0".parse().expect("an address"), 3);
            (1..=7).contains(&self.length) && !multicast.covers(self)
        } else {
            let unicast = Prefix::new("2000::".parse().expect("an address"), 3);
            (1..=12).contains(&self.length) && self.overlaps(unicast)
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

fn bits(address: IpAddr) -> (u128, u8) {
    match address {
        IpAddr::V4(ip) => (u128::from(ip.to_bits()), 32),
        IpAddr::V6(ip) => (ip.to_bits(), 128),
    }
}
