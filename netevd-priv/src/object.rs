//! A netlink message as a value: its head, and its attributes as the kernel sent them.

use netlink_packet_core::{DecodeError, NlasIterator};
use protocol::kernel::address;
use protocol::{Family, Prefix};
use std::collections::BTreeMap;

/// Also each hop of a route is one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Object {
    pub(crate) head: Vec<u8>,
    pub(crate) attributes: BTreeMap<u16, Vec<u8>>,
}

impl Object {
    /// A message of this family whose head is this long.
    pub(crate) fn new(family: Family, head: usize) -> Self {
        let head = [vec![family.number()], vec![0; head - 1]].concat();
        Self { head, ..Self::default() }
    }

    /// Reads a message whose head is this long.
    pub(crate) fn read(bytes: &[u8], head: usize) -> Result<Self, DecodeError> {
        let (head, rest) = bytes.split_at_checked(head).ok_or("a short message")?;
        let mut object = Self { head: head.to_vec(), ..Self::default() };
        for attribute in NlasIterator::new(rest) {
            let attribute = attribute?;
            object.attributes.insert(attribute.kind(), attribute.value().to_vec());
        }
        Ok(object)
    }

    /// The same with one attribute more.
    pub(crate) fn with(mut self, kind: u16, value: impl Into<Vec<u8>>) -> Self {
        self.attributes.insert(kind, value.into());
        self
    }

    /// A number of 32 bits among the attributes.
    pub(crate) fn number(&self, kind: u16) -> Option<u32> {
        word(self.attributes.get(&kind)?, 0)
    }

    /// A number of 32 bits in the head.
    pub(crate) fn word(&self, at: usize) -> u32 {
        word(&self.head, at).unwrap_or(0)
    }

    /// The message; an attribute that is too long gets a length that the kernel refuses.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.head.clone();
        for (kind, value) in &self.attributes {
            bytes.extend(u16::try_from(value.len() + 4).unwrap_or(0).to_ne_bytes());
            bytes.extend(kind.to_ne_bytes());
            bytes.extend(value);
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    }
}

/// The number of 32 bits that begins at this byte.
pub(crate) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|four| u32::from_ne_bytes(*four))
}

/// The prefix of this length that holds an address of four or sixteen bytes.
pub(crate) fn prefix(bytes: &[u8], length: u8) -> Result<Prefix, DecodeError> {
    let address = address(bytes).ok_or("neither an IPv4 nor an IPv6 address")?;
    Prefix::containing(address, length).map_err(|error| error.to_string().into())
}
