//! A routing rule as a value: read from the kernel, and those that we make.

use crate::netlink::Message;
use crate::object::{Object, address, family_number, octets};
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL};
use nix::libc::{RTM_DELRULE, RTM_NEWRULE};
use protocol::{Family, Mark, PROTOCOL, Prefix, Priority, RuleShape, TableId, Who};

// linux/fib_rules.h
const FRA_DST: u16 = 1;
const FRA_SRC: u16 = 2;
const FRA_PRIORITY: u16 = 6;
const FRA_FWMARK: u16 = 10;
const FRA_SUPPRESS_PREFIXLEN: u16 = 14;
const FRA_TABLE: u16 = 15;
const FRA_FWMASK: u16 = 16;
const FRA_PROTOCOL: u16 = 21;
const FR_ACT_TO_TBL: u8 = 1;
const FIB_RULE_INVERT: u32 = 2;

/// One rule, with all that it asks; without the number of the table in the head.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule(Object);

impl Rule {
    /// A rule of ours.
    pub(crate) fn ours(family: Family, shape: &RuleShape) -> Self {
        let [to, from] = [(FRA_DST, shape.destination), (FRA_SRC, shape.source)];
        let length = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.length());
        let (to_len, from_len) = (length(to.1), length(from.1));
        let head = vec![family_number(family), to_len, from_len, 0, 0, 0, 0, FR_ACT_TO_TBL, 0, 0, 0, 0];
        let mut object = Object { head, ..Object::default() }.with(FRA_PROTOCOL, [PROTOCOL]);
        for (kind, prefix) in [to, from] {
            object.attributes.extend(prefix.map(|prefix| (kind, octets(prefix.address()))));
        }
        let mark =
            [(FRA_FWMARK, shape.mark.map(|mark| mark.value)), (FRA_FWMASK, shape.mark.map(|mark| mark.mask))];
        let place = [(FRA_PRIORITY, Some(shape.priority.0)), (FRA_TABLE, Some(shape.table.0))];
        for (kind, value) in mark.into_iter().chain(place).chain([(FRA_SUPPRESS_PREFIXLEN, shape.suppress)]) {
            object.attributes.extend(value.map(|value| (kind, value.to_ne_bytes().to_vec())));
        }
        Self(object)
    }

    /// Carries our protocol number.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.attributes.get(&FRA_PROTOCOL).is_some_and(|value| value[..] == [PROTOCOL])
    }

    /// Where it leads; 0 for every other action.
    pub(crate) fn table(&self) -> TableId {
        TableId(self.0.number(FRA_TABLE).filter(|_| self.0.head[7] == FR_ACT_TO_TBL).unwrap_or(0))
    }

    /// Only for packets that somebody has marked.
    pub(crate) fn is_marked(&self) -> bool {
        let set = |kind| self.0.number(kind) != Some(0);
        self.0.attributes.contains_key(&FRA_FWMARK)
            && set(FRA_FWMARK)
            && set(FRA_FWMASK)
            && !self.is_inverted()
    }

    /// `not`: it is for what the selectors do not match.
    fn is_inverted(&self) -> bool {
        self.0.word(8) & FIB_RULE_INVERT != 0
    }

    /// Everything is sent to table local, of a later priority than this or not.
    pub(crate) fn precedes_as_local(&self, from: Priority) -> bool {
        let asks = |kind: &u16| ![FRA_PRIORITY, FRA_TABLE, FRA_PROTOCOL].contains(kind);
        let all = !self.0.attributes.keys().any(asks) && self.0.head[3] == 0 && !self.is_inverted();
        let early = self.0.number(FRA_PRIORITY).unwrap_or(0) <= from.0;
        all && early && !self.is_ours() && self.table() == TableId::LOCAL
    }

    /// Whose traffic it is for.
    pub(crate) fn who(&self) -> Option<Who> {
        if let (Some(value), Some(mask)) = (self.0.number(FRA_FWMARK), self.0.number(FRA_FWMASK)) {
            return Some(Who::Mark(Mark { value, mask }));
        }
        let bytes = self.0.attributes.get(&FRA_SRC).or(self.0.attributes.get(&FRA_DST))?;
        address(bytes).map(Who::Address)
    }

    /// The message that adds it; EEXIST when the same one stands.
    pub(crate) fn addition(&self) -> Message {
        Message { kind: RTM_NEWRULE, flags: NLM_F_CREATE | NLM_F_EXCL, bytes: self.0.bytes() }
    }

    /// The message that deletes exactly this rule: all that the kernel said of it.
    pub(crate) fn deletion(&self) -> Message {
        Message { kind: RTM_DELRULE, flags: 0, bytes: self.0.bytes() }
    }

    /// Reads a kernel message.
    pub(crate) fn read(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut object = Object::read(payload, 12)?;
        object.head[4] = 0;
        // Always sent; all ones mean that nothing is suppressed.
        if object.number(FRA_SUPPRESS_PREFIXLEN) == Some(u32::MAX) {
            object.attributes.remove(&FRA_SUPPRESS_PREFIXLEN);
        }
        Ok(Self(object))
    }
}

#[cfg(test)]
mod tests;
