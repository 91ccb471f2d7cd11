//! Several addresses of one family: at least one, and no more than a frame holds.

use crate::{Family, MAX_FRAME};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The rest of the frame: which request, ifindex, which rules, family, count, and the way.
const BEFORE: usize = 4 + 4 + 4 + 4 + 8 + 4;

/// An address that a router can have: not multicast, broadcast, loopback, unspecified, IPv4-mapped, nor of
/// 0/8 and 240/4. Link-local addresses are: clouds use them.
pub fn is_router(address: IpAddr) -> bool {
    let other = match address {
        IpAddr::V4(a) => matches!(a.octets()[0], 0 | 240..),
        IpAddr::V6(a) => a.to_ipv4_mapped().is_some(),
    };
    !(other || address.is_multicast() || address.is_loopback() || address.is_unspecified())
}

/// An address whose traffic is routed: such a one, and not link-local.
pub fn is_source(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(a) => a.is_link_local(),
        IpAddr::V6(a) => a.is_unicast_link_local(),
    };
    is_router(address) && !link_local
}

/// Addresses of one family, in an order of the worker's choice.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Addresses {
    /// IPv4, at most 505.
    V4(List<Ipv4Addr>),
    /// IPv6, at most 126.
    V6(List<Ipv6Addr>),
}

/// From one address to as many as a frame holds.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct List<T>(Vec<T>);

impl<T> List<T> {
    const MAX: usize = (MAX_FRAME - BEFORE) / size_of::<T>();
}

impl Addresses {
    /// These addresses, each list as long as a frame allows; the families apart.
    pub fn lists(addresses: impl IntoIterator<Item = IpAddr>) -> Vec<Self> {
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for address in addresses {
            match address {
                IpAddr::V4(address) => v4.push(address),
                IpAddr::V6(address) => v6.push(address),
            }
        }
        let v4 = v4.chunks(List::<Ipv4Addr>::MAX).map(|some| Self::V4(List(some.to_vec())));
        let v6 = v6.chunks(List::<Ipv6Addr>::MAX).map(|some| Self::V6(List(some.to_vec())));
        v4.chain(v6).collect()
    }

    /// The family of all of them.
    pub fn family(&self) -> Family {
        match self {
            Self::V4(_) => Family::V4,
            Self::V6(_) => Family::V6,
        }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = IpAddr> + '_ {
        let (v4, v6): (&[Ipv4Addr], &[Ipv6Addr]) = match self {
            Self::V4(List(v4)) => (v4, &[]),
            Self::V6(List(v6)) => (&[], v6),
        };
        let v4 = v4.iter().copied().map(IpAddr::V4);
        v4.chain(v6.iter().copied().map(IpAddr::V6))
    }
}

impl From<IpAddr> for Addresses {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(List(vec![address])),
            IpAddr::V6(address) => Self::V6(List(vec![address])),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData)).map(Self)
    }
}

/// Reads a list without room for what the frame only claims to hold.
struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "1 to {} addresses", List::<T>::MAX)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(address) = sequence.next_element()? {
            list.push(address);
        }
        if list.is_empty() || list.len() > List::<T>::MAX {
            return Err(A::Error::invalid_length(list.len(), &self));
        }
        Ok(list)
    }
}

/// `192.0.2.3`, `192.0.2.3 and 1 more`: a line of the log stays a line.
impl fmt::Debug for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = self.iter();
        if let Some(first) = all.next() {
            write!(f, "{first}")?;
        }
        match all.count() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: u32) -> impl Iterator<Item = IpAddr> {
        (0..count).flat_map(|n| [Ipv4Addr::from(n).into(), Ipv6Addr::from(u128::from(n)).into()])
    }

    #[test]
    fn lists_hold_each_address_once_and_are_no_longer_than_a_frame_allows() {
        let lists = Addresses::lists(many(600));
        let lengths: Vec<usize> = lists.iter().map(|list| list.iter().count()).collect();
        assert_eq!(lengths, [505, 95, 126, 126, 126, 126, 96]);
        let mut all: Vec<IpAddr> = lists.iter().flat_map(Addresses::iter).collect();
        let mut expected: Vec<IpAddr> = many(600).collect();
        all.sort();
        expected.sort();
        assert_eq!(all, expected);
        assert!(lists.iter().all(|list| list.iter().all(|address| Family::of(address) == list.family())));
        assert_eq!(Addresses::lists([]), []);
    }

    #[test]
    fn ranges_that_no_router_and_no_source_has() {
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for text in [
            "0.1.2.3",
            "127.0.0.1",
            "224.0.0.5",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "ff02::1",
            "::ffff:192.0.2.1",
        ] {
            assert!(!is_router(address(text)) && !is_source(address(text)), "{text}");
        }
        for text in ["169.254.1.1", "fe80::1"] {
            assert!(is_router(address(text)) && !is_source(address(text)), "{text}");
        }
        for text in ["192.0.2.1", "10.0.0.1", "2001:db8::1", "fd00::1"] {
            assert!(is_router(address(text)) && is_source(address(text)), "{text}");
        }
    }

    #[test]
    fn a_log_is_told_the_first_and_how_many_more() {
        let told = |count| format!("{:?}", Addresses::lists(many(count))[0]);
        assert_eq!([told(1), told(3)], ["0.0.0.0", "0.0.0.0 and 2 more"]);
    }
}
