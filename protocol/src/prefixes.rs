//! Several prefixes of one family, and several interfaces: lists that a frame carries whole.

use crate::kernel::octets;
use crate::{Family, Ifindex, MAX_FRAME, Prefix};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// The rest of the longest request that carries prefixes: tag, ifindex, sixteen more of them with
/// their count, family, length in bytes.
const BEFORE: usize = 4 + 4 + 8 + 4 * Links::MAX + 4 + 8;

/// Prefixes of one family, at least one, in an order of the worker's choice.
///
/// In a frame each is a byte for its length and only those bytes of the address that the length
/// needs: 489 prefixes of `192.0.2.0/24`, 115 of `2001:db8::1/128`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
pub struct Prefixes(Vec<Prefix>);

#[derive(Serialize, Deserialize)]
struct Wire {
    family: Family,
    packed: Packed,
}

impl Prefixes {
    /// Maximum number of bytes that they take in a frame, without their count.
    const MAX: usize = MAX_FRAME - BEFORE;

    /// These prefixes, each list as long as a frame allows; the families apart.
    pub fn lists(prefixes: impl IntoIterator<Item = Prefix>) -> Vec<Self> {
        let (v4, v6): (Vec<_>, Vec<_>) = prefixes.into_iter().partition(Prefix::is_ipv4);
        let mut lists = Vec::new();
        for family in [v4, v6] {
            let (mut list, mut bytes) = (Vec::new(), 0);
            for prefix in family {
                if bytes + packed_len(prefix.length()) > Self::MAX {
                    lists.push(Self(std::mem::take(&mut list)));
                    bytes = 0;
                }
                bytes += packed_len(prefix.length());
                list.push(prefix);
            }
            if !list.is_empty() {
                lists.push(Self(list));
            }
        }
        lists
    }

    /// The family of all of them.
    pub fn family(&self) -> Family {
        if self.0.iter().all(Prefix::is_ipv4) { Family::V4 } else { Family::V6 }
    }

    /// One after the other.
    pub fn iter(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.0.iter().copied()
    }
}

impl From<Prefix> for Prefixes {
    fn from(prefix: Prefix) -> Self {
        Self(vec![prefix])
    }
}

/// A prefix in a frame: its length, and as many bytes as that length needs.
fn packed_len(length: u8) -> usize {
    1 + usize::from(length.div_ceil(8))
}

impl From<Prefixes> for Wire {
    fn from(prefixes: Prefixes) -> Self {
        let mut packed = Vec::new();
        for prefix in prefixes.iter() {
            packed.push(prefix.length());
            packed.extend(octets(prefix.address()).iter().take(packed_len(prefix.length()) - 1));
        }
        Self { family: prefixes.family(), packed: Packed(packed) }
    }
}

impl TryFrom<Wire> for Prefixes {
    type Error = &'static str;

    fn try_from(Wire { family, packed: Packed(packed) }: Wire) -> Result<Self, &'static str> {
        let mut prefixes = Vec::new();
        let mut rest = &packed[..];
        while let Some(&length) = rest.first() {
            let (one, others) = rest.split_at_checked(packed_len(length)).ok_or("a prefix is cut short")?;
            rest = others;
            let mut octets = [0; 16];
            octets.get_mut(..one.len() - 1).ok_or("a prefix is too long")?.copy_from_slice(&one[1..]);
            let [a, b, c, d, ..] = octets;
            let address = match family {
                Family::V4 => IpAddr::from([a, b, c, d]),
                Family::V6 => IpAddr::from(octets),
            };
            prefixes.push(Prefix::new(address, length).map_err(|_| "not a prefix")?);
        }
        if prefixes.is_empty() || packed.len() > Self::MAX {
            return Err("no prefix, or more than a frame holds");
        }
        Ok(Self(prefixes))
    }
}

/// `192.0.2.0/24 and 3 more`, for a line of the log.
impl fmt::Debug for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(first) = self.0.first() {
            write!(f, "{first}")?;
        }
        match self.0.len() {
            0 | 1 => Ok(()),
            all => write!(f, " and {} more", all - 1),
        }
    }
}

/// Bytes that serde takes as such, and not one by one.
struct Packed(Vec<u8>);

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The codec's limit on a frame bounds the memory: a length beyond it is refused first.
        deserializer.deserialize_byte_buf(Bytes).map(Self)
    }
}

struct Bytes;

impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("packed prefixes")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }
}

/// Up to sixteen interfaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "BTreeSet<Ifindex>")]
pub struct Links(BTreeSet<Ifindex>);

/// More interfaces than [`Links::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyLinks(pub usize);

impl Links {
    /// Maximum number of interfaces.
    pub const MAX: usize = 16;

    /// These interfaces, each once.
    pub fn new(links: impl IntoIterator<Item = Ifindex>) -> Result<Self, TooManyLinks> {
        Self::try_from(links.into_iter().collect::<BTreeSet<_>>())
    }

    /// True when this interface is among them.
    pub fn contains(&self, ifindex: Ifindex) -> bool {
        self.0.contains(&ifindex)
    }

    /// In ascending order.
    pub fn iter(&self) -> impl Iterator<Item = Ifindex> + '_ {
        self.0.iter().copied()
    }
}

impl TryFrom<BTreeSet<Ifindex>> for Links {
    type Error = TooManyLinks;

    fn try_from(links: BTreeSet<Ifindex>) -> Result<Self, TooManyLinks> {
        if links.len() > Self::MAX { Err(TooManyLinks(links.len())) } else { Ok(Self(links)) }
    }
}

impl fmt::Display for TooManyLinks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} interfaces are more than the {} that a request can name", self.0, Links::MAX)
    }
}

impl std::error::Error for TooManyLinks {}

#[cfg(test)]
mod tests {
    use super::*;

    fn many(count: u32, length: u8) -> Vec<Prefix> {
        let prefix = |n: u32| Prefix::new(IpAddr::from((n << 8).to_be_bytes()), length).expect("a prefix");
        (0..count).map(prefix).collect()
    }

    #[test]
    fn lists_hold_each_prefix_once_and_as_many_as_a_frame_holds() {
        let prefixes = many(1000, 24);
        let lists = Prefixes::lists(prefixes.clone());
        assert_eq!(lists.iter().map(|list| list.0.len()).collect::<Vec<_>>(), [489, 489, 22]);
        assert_eq!(lists.iter().flat_map(Prefixes::iter).collect::<Vec<_>>(), prefixes);
        let hosts = Prefixes::lists((0..116).map(|n: u128| Prefix::host(IpAddr::V6(n.into()))));
        assert_eq!(hosts.iter().map(|list| list.0.len()).collect::<Vec<_>>(), [115, 1]);
        assert_eq!(hosts[0].family(), Family::V6);
        let both = Prefixes::lists(["::/0", "0.0.0.0/0"].map(|text| text.parse().expect("a prefix")));
        assert_eq!(both.iter().map(Prefixes::family).collect::<Vec<_>>(), [Family::V4, Family::V6]);
        assert_eq!(Prefixes::lists([]), []);
    }

    #[test]
    fn a_list_takes_as_many_bytes_as_its_prefixes_need() {
        let packed = |text: &str| Wire::from(Prefixes::from(text.parse::<Prefix>().expect("good"))).packed.0;
        assert_eq!(packed("10.0.0.0/8"), [8, 10]);
        assert_eq!(packed("0.0.0.0/0"), [0]);
        assert_eq!(packed("192.0.2.128/25"), [25, 192, 0, 2, 128]);
        assert_eq!(packed("2001:db8::/32"), [32, 0x20, 1, 0xd, 0xb8]);
    }

    #[test]
    fn what_is_no_list_is_refused() {
        let read = |family, bytes: &[u8]| Prefixes::try_from(Wire { family, packed: Packed(bytes.to_vec()) });
        assert!(read(Family::V4, &[8, 10, 0]).is_ok(), "10.0.0.0/8 and 0.0.0.0/0");
        for bytes in [&[][..], &[8], &[33, 1, 2, 3, 4, 0], &[7, 11], &[255; 40]] {
            assert!(read(Family::V4, bytes).is_err(), "{bytes:?}");
        }
        assert!(read(Family::V6, &[129; 18]).is_err());
        assert!(read(Family::V6, &[0; Prefixes::MAX]).is_ok());
        assert!(read(Family::V6, &[0; Prefixes::MAX + 1]).is_err());
    }

    #[test]
    fn sixteen_interfaces_and_no_more() {
        let links = |count: u32| Links::new((1..=count).map(|n| Ifindex::try_from(n).expect("valid")));
        assert!(links(16).is_ok_and(|links| links.iter().count() == 16));
        assert_eq!(links(17), Err(TooManyLinks(17)));
    }

    #[test]
    fn a_line_of_the_log_names_the_first_and_how_many_more() {
        let line = |count| format!("{:?}", Prefixes::lists(many(count, 24))[0]);
        assert_eq!([line(1), line(3)], ["0.0.0.0/24", "0.0.0.0/24 and 2 more"]);
    }
}
