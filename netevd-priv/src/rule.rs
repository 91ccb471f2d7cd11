//! A routing rule as a value: read from the kernel, and those that we make.

use crate::netlink::Message;
use crate::object::Object;
use netlink_packet_core::{DecodeError, NLM_F_CREATE, NLM_F_EXCL};
use nix::libc::{RTM_DELRULE, RTM_NEWRULE};
use protocol::kernel::{FIB_RULE_INVERT, FR_ACT_TO_TBL, RTMSG, address, fra, octets};
use protocol::{Family, Mark, PROTOCOL, Priority, RuleShape, TableId, Who};

/// One rule, with all that it asks; without the number of the table in the head.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rule(Object);

impl Rule {
    /// A rule of ours.
    pub(crate) fn ours(family: Family, shape: &RuleShape) -> Self {
        let mut object = Object::new(family, RTMSG);
        object.head[7] = FR_ACT_TO_TBL;
        for (at, kind, prefix) in [(1, fra::DST, shape.destination), (2, fra::SRC, shape.source)] {
            object.head[at] = prefix.map_or(0, |prefix| prefix.length());
            object.attributes.extend(prefix.map(|prefix| (kind, octets(prefix.address()))));
        }
        for (kind, value) in [
            (fra::PRIORITY, Some(shape.priority.0)),
            (fra::TABLE, Some(shape.table.0)),
            (fra::FWMARK, shape.mark.map(|mark| mark.value)),
            (fra::FWMASK, shape.mark.map(|mark| mark.mask)),
            (fra::SUPPRESS_PREFIXLEN, shape.suppress),
        ] {
            object.attributes.extend(value.map(|value| (kind, value.to_ne_bytes().to_vec())));
        }
        Self(object.with(fra::PROTOCOL, [PROTOCOL]))
    }

    /// Carries our protocol number.
    pub(crate) fn is_ours(&self) -> bool {
        self.0.attributes.get(&fra::PROTOCOL).is_some_and(|value| value[..] == [PROTOCOL])
    }

    /// Where it leads; 0 for every other action.
    pub(crate) fn table(&self) -> TableId {
        TableId(self.0.number(fra::TABLE).filter(|_| self.0.head[7] == FR_ACT_TO_TBL).unwrap_or(0))
    }

    /// Only for packets that somebody has marked.
    pub(crate) fn is_marked(&self) -> bool {
        // The kernel names both where one of them is set.
        let set = |kind| self.0.number(kind).is_some_and(|value| value != 0);
        set(fra::FWMARK) && set(fra::FWMASK) && self.0.word(8) & FIB_RULE_INVERT == 0
    }

    /// Everything is sent to table local, of a later priority than this or not.
    pub(crate) fn precedes_as_local(&self, from: Priority) -> bool {
        let asks = |kind: &u16| ![fra::PRIORITY, fra::TABLE, fra::PROTOCOL].contains(kind);
        let all = !self.0.attributes.keys().any(asks) && self.0.head[3] == 0;
        let all = all && self.0.word(8) & FIB_RULE_INVERT == 0;
        let early = self.0.number(fra::PRIORITY).unwrap_or(0) <= from.0;
        all && early && self.table() == TableId::LOCAL
    }

    /// Whose traffic it is for.
    pub(crate) fn who(&self) -> Option<Who> {
        if let (Some(value), Some(mask)) = (self.0.number(fra::FWMARK), self.0.number(fra::FWMASK)) {
            return Some(Who::Mark(Mark { value, mask }));
        }
        let bytes = self.0.attributes.get(&fra::SRC).or(self.0.attributes.get(&fra::DST))?;
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
        let mut object = Object::read(payload, RTMSG)?;
        object.head[4] = 0;
        // Always sent; all ones mean that nothing is suppressed.
        if object.number(fra::SUPPRESS_PREFIXLEN) == Some(u32::MAX) {
            object.attributes.remove(&fra::SUPPRESS_PREFIXLEN);
        }
        Ok(Self(object))
    }
}

#[cfg(test)]
mod tests;
