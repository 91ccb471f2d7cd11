//! A network prefix in canonical form: no bit set beyond its length.

use crate::Family;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `address/length`; host bits are zero. A frame whose prefix is not canonical does not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

#[derive(Serialize, Deserialize)]
struct Wire {
    address: IpAddr,
    length: u8,
}

/// What was found where a prefix was expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadPrefix(pub String);

impl Prefix {
    /// A prefix whose host bits must already be zero.
    pub fn new(address: IpAddr, length: u8) -> Result<Self, BadPrefix> {
        let prefix = Self::containing(address, length)?;
        if prefix.address == address { Ok(prefix) } else { Err(BadPrefix(format!("{address}/{length}"))) }
    }

    /// The prefix of this length that `address` lies in; host bits are cleared.
    pub fn containing(address: IpAddr, length: u8) -> Result<Self, BadPrefix> {
        let bad = || BadPrefix(format!("{address}/{length}"));
        let address = match address {
            IpAddr::V4(a) => {
                let drop = 32u32.checked_sub(length.into()).ok_or_else(bad)?;
                IpAddr::V4((a.to_bits() & u32::MAX.checked_shl(drop).unwrap_or(0)).into())
            }
            IpAddr::V6(a) => {
                let drop = 128u32.checked_sub(length.into()).ok_or_else(bad)?;
                IpAddr::V6((a.to_bits() & u128::MAX.checked_shl(drop).unwrap_or(0)).into())
            }
        };
        Ok(Self { address, length })
    }

    /// The whole address as a prefix: /32 or /128.
    pub fn host(address: IpAddr) -> Self {
        Self { address, length: if address.is_ipv4() { 32 } else { 128 } }
    }

    /// The prefix of a default route: length 0.
    pub fn everything(family: Family) -> Self {
        let address = match family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self { address, length: 0 }
    }

    /// The network address.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Length in bits.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// True for IPv4.
    pub fn is_ipv4(&self) -> bool {
        self.address.is_ipv4()
    }

    /// True when `address` lies in this prefix (never across families).
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4()
            && Self::containing(address, self.length).is_ok_and(|p| p.address == self.address)
    }

    /// True when `other` lies in this prefix, or is it.
    pub fn covers(&self, other: Prefix) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// The first host: the address after the network's own. None where that lies outside.
    pub fn first_host(&self) -> Option<IpAddr> {
        let first = match self.address {
            IpAddr::V4(net) => IpAddr::V4((net.to_bits() | 1).into()),
            IpAddr::V6(net) => IpAddr::V6((net.to_bits() | 1).into()),
        };
        Some(first).filter(|first| *first != self.address && self.contains(*first))
    }

    /// The prefix of a default route.
    pub fn is_default(&self) -> bool {
        self.length == 0
    }

    /// One of the few huge prefixes, longer than a default's, with which VPN clients override a
    /// default without replacing it: 0.0.0.0/1, 128.0.0.0/1, ::/1, 2000::/3. Up to /7 outside
    /// 224.0.0.0/3, for IPv6 up to /12 that overlaps 2000::/3.
    pub fn is_default_like(&self) -> bool {
        let special = match self.address {
            IpAddr::V4(a) => self.length <= 7 && (self.length < 3 || a.octets()[0] < 224),
            IpAddr::V6(a) => {
                self.length <= 12 && (a.octets()[0] & 0xe0 == 0x20 || self.contains(Self::GLOBAL.into()))
            }
        };
        self.length > 0 && special
    }

    /// The first address of 2000::/3.
    const GLOBAL: Ipv6Addr = Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0);

    /// fe80::/10, whose addresses mean something on one link only.
    pub fn is_link_local(&self) -> bool {
        self.length >= 10 && matches!(self.address, IpAddr::V6(a) if a.is_unicast_link_local())
    }

    /// Not copied through another interface: what stands for a default, and what is of one link.
    pub fn is_of_own_link(&self) -> bool {
        self.is_default_like() || self.is_link_local()
    }
}

impl TryFrom<Wire> for Prefix {
    type Error = BadPrefix;

    fn try_from(wire: Wire) -> Result<Self, BadPrefix> {
        Self::new(wire.address, wire.length)
    }
}

impl From<Prefix> for Wire {
    fn from(prefix: Prefix) -> Self {
        Self { address: prefix.address, length: prefix.length }
    }
}

impl FromStr for Prefix {
    type Err = BadPrefix;

    /// `192.0.2.0/24`, `2001:db8::/32`; an address alone is a host.
    fn from_str(text: &str) -> Result<Self, BadPrefix> {
        let bad = || BadPrefix(text.to_owned());
        match text.split_once('/') {
            None => Ok(Self::host(text.parse().map_err(|_| bad())?)),
            Some((address, length)) => {
                Self::new(address.parse().map_err(|_| bad())?, length.parse().map_err(|_| bad())?)
            }
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl fmt::Display for BadPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is no network prefix (host bits must be zero)", self.0)
    }
}

impl std::error::Error for BadPrefix {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn host_bits_must_be_zero() {
        assert!("192.0.2.0/24".parse::<Prefix>().is_ok());
        assert!("192.0.2.1/24".parse::<Prefix>().is_err());
        assert!("192.0.2.0/33".parse::<Prefix>().is_err());
        assert!("2001:db8::/129".parse::<Prefix>().is_err());
    }

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn the_first_host_of_a_subnet() {
        for (net, first) in [
            ("192.0.2.0/24", Some("192.0.2.1")),
            ("192.0.2.128/25", Some("192.0.2.129")),
            ("192.0.2.4/31", Some("192.0.2.5")),
            ("192.0.2.4/32", None),
            ("192.0.2.5/32", None),
            ("2001:db8::/64", Some("2001:db8::1")),
            ("2001:db8::/128", None),
        ] {
            assert_eq!(
                prefix(net).first_host(),
                first.map(|text| text.parse().expect("an address")),
                "{net}"
            );
        }
    }

    #[test]
    fn the_huge_prefixes_of_vpn_clients() {
        for huge in [
            "0.0.0.0/1",
            "128.0.0.0/1",
            "192.0.0.0/2",
            "192.0.0.0/3",
            "8.0.0.0/7",
            "2000::/3",
            "::/1",
            "::/2",
            "2a00::/12",
        ] {
            assert!(prefix(huge).is_default_like(), "{huge}");
        }
        for other in [
            "0.0.0.0/0",
            "::/0",
            "10.0.0.0/8",
            "224.0.0.0/4",
            "224.0.0.0/3",
            "240.0.0.0/4",
            "fc00::/7",
            "8000::/1",
            "2a00::/13",
            "100::/8",
        ] {
            assert!(!prefix(other).is_default_like(), "{other}");
        }
        assert!(prefix("fe80::/10").is_link_local() && prefix("fe80::1").is_link_local());
        assert!(!prefix("fe80::/9").is_link_local() && !prefix("169.254.0.0/16").is_link_local());
        assert!(prefix("10.0.0.0/8").covers(prefix("10.1.0.0/16")) && prefix("::/0").covers(prefix("::/0")));
        assert!(
            !prefix("10.1.0.0/16").covers(prefix("10.0.0.0/8"))
                && !prefix("0.0.0.0/0").covers(prefix("::/0"))
        );
    }

    proptest! {
        #[test]
        fn what_contains_an_address_does(address: IpAddr, length in 0u8..=128) {
            if let Ok(prefix) = Prefix::containing(address, length) {
                prop_assert!(prefix.contains(address));
                prop_assert_eq!(Prefix::new(prefix.address(), length), Ok(prefix));
                prop_assert_eq!(prefix.to_string().parse::<Prefix>(), Ok(prefix));
            } else {
                prop_assert!(address.is_ipv4() && length > 32);
            }
        }
    }
}
