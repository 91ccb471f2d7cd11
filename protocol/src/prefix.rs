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

    /// A default route, or one of the few huge prefixes that VPN clients use to override one
    /// without replacing it (0.0.0.0/1 and 128.0.0.0/1, ::/1, 2000::/3 and the like). An
    /// interface with such a route is an uplink, and such a route is no local network.
    pub fn is_default_like(&self) -> bool {
        self.length <= if self.is_ipv4() { 1 } else { 3 }
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
        assert!("0.0.0.0/0".parse::<Prefix>().is_ok_and(|p| p.is_default_like()));
        assert!("128.0.0.0/1".parse::<Prefix>().is_ok_and(|p| p.is_default_like()));
        assert!("10.0.0.0/8".parse::<Prefix>().is_ok_and(|p| !p.is_default_like()));
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
