//! Netlink's bytes: messages and attributes (netlink(7), rtnetlink(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Flags in an attribute's type: nested, in network byte order.
const KIND: u16 = 0x3fff;

/// A message: its type and what follows the header.
pub(super) fn messages(mut bytes: &[u8]) -> Vec<(u16, &[u8])> {
    let mut list = Vec::new();
    while bytes.len() >= 16 {
        let length = usize::try_from(u32_at(bytes, 0)).expect("fits");
        list.push((u16_at(bytes, 4), &bytes[16..length]));
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    list
}

/// The attributes of a message or of another attribute.
pub(super) struct Attributes<'a>(Vec<(u16, &'a [u8])>);

impl<'a> Attributes<'a> {
    pub(super) fn of(mut bytes: &'a [u8]) -> Attributes<'a> {
        let mut list = Vec::new();
        while bytes.len() >= 4 {
            let length = usize::from(u16_at(bytes, 0));
            if length < 4 {
                break;
            }
            list.push((u16_at(bytes, 2) & KIND, &bytes[4..length]));
            bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
        }
        Attributes(list)
    }

    pub(super) fn get(&self, kind: u16) -> Option<&'a [u8]> {
        self.0.iter().find(|(found, _)| *found == kind).map(|(_, value)| *value)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        self.0.iter().copied()
    }

    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        self.get(kind).map(|value| u32_at(value, 0))
    }

    pub(super) fn address(&self, kind: u16) -> Option<IpAddr> {
        self.get(kind).and_then(address)
    }

    pub(super) fn text(&self, kind: u16) -> Option<String> {
        self.get(kind).map(text)
    }
}

/// A string that ends with a zero byte.
pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.strip_suffix(&[0]).unwrap_or(value)).into_owned()
}

pub(super) fn address(value: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(value).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    v4.or_else(|_| <[u8; 16]>::try_from(value).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))).ok()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
