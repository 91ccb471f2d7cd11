//! A routing rule as a value: read from the kernel, and the two kinds that we make.

use crate::route::address_family;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use protocol::{Family, PROTOCOL, Prefix, Priority, PriorityPair, Selector, TableId};
use std::net::IpAddr;

/// `from A lookup T` or `to A lookup T` with our protocol number: everything that makes it one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OurRule {
    pub(crate) priority: Priority,
    pub(crate) table: TableId,
    pub(crate) selector: Selector,
    pub(crate) address: IpAddr,
}

/// One rule as the kernel holds it.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) priority: Priority,
    /// Where `lookup` goes; `None` for every other action.
    pub(crate) table: Option<TableId>,
    pub(crate) protocol: u8,
    pub(crate) source: Option<Prefix>,
    pub(crate) destination: Option<Prefix>,
    /// Nothing but source, destination and table is asked: no mark, interface, port, inversion.
    pub(crate) plain: bool,
    /// As dumped, which is the fullest key for a delete.
    message: RuleMessage,
}

impl OurRule {
    /// The rule for an address.
    pub(crate) fn new(priorities: PriorityPair, table: TableId, selector: Selector, address: IpAddr) -> Self {
        let priority = match selector {
            Selector::From => priorities.from,
            Selector::To => priorities.to,
        };
        Self { priority, table, selector, address }
    }

    /// The message that adds or deletes it: the full key, with the protocol.
    pub(crate) fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = address_family(Family::of(self.address));
        message.header.action = RuleAction::ToTable;
        let length = Prefix::host(self.address).length();
        let attribute = match self.selector {
            Selector::From => {
                message.header.src_len = length;
                RuleAttribute::Source(self.address)
            }
            Selector::To => {
                message.header.dst_len = length;
                RuleAttribute::Destination(self.address)
            }
        };
        message.attributes = vec![
            attribute,
            RuleAttribute::Priority(self.priority.0),
            RuleAttribute::Table(self.table.0),
            RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)),
        ];
        message
    }
}

impl Rule {
    /// Carries our protocol number.
    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    /// The rule as one of our two kinds; `None` for any other.
    pub(crate) fn as_ours(&self) -> Option<OurRule> {
        let (selector, prefix) = match (self.source, self.destination) {
            (Some(source), None) => (Selector::From, source),
            (None, Some(destination)) => (Selector::To, destination),
            _ => return None,
        };
        let whole = prefix == Prefix::host(prefix.address());
        let (priority, table, address) = (self.priority, self.table?, prefix.address());
        (self.is_ours() && self.plain && whole).then_some(OurRule { priority, table, selector, address })
    }

    /// The message that deletes exactly this rule.
    pub(crate) fn into_message(self) -> RuleMessage {
        self.message
    }

    /// Reads a kernel message; `None` for the rules of other families (multicast routing).
    pub(crate) fn read(message: RuleMessage) -> Option<Self> {
        let header = &message.header;
        let family = match header.family {
            AddressFamily::Inet => Family::V4,
            AddressFamily::Inet6 => Family::V6,
            _ => return None,
        };
        let mut plain = header.tos == 0 && !header.flags.contains(RuleFlags::Invert);
        let (mut priority, mut protocol) = (0, 0);
        let mut table = u32::from(header.table);
        let (mut source, mut destination) = (None, None);
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Source(address) => {
                    source = Prefix::containing(*address, header.src_len).ok();
                }
                RuleAttribute::Destination(address) => {
                    destination = Prefix::containing(*address, header.dst_len).ok();
                }
                RuleAttribute::Priority(value) => priority = *value,
                RuleAttribute::Table(value) => table = *value,
                RuleAttribute::Protocol(value) => protocol = u8::from(*value),
                // Always sent; all ones mean that nothing is suppressed.
                RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::SuppressIfGroup(u32::MAX) => {}
                _ => plain = false,
            }
        }
        let table = (header.action == RuleAction::ToTable).then_some(TableId(table));
        let priority = Priority(priority);
        Some(Self { family, priority, table, protocol, source, destination, plain, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ours(selector: Selector, address: IpAddr) -> OurRule {
        let priorities = PriorityPair { from: Priority(32_002), to: Priority(32_003) };
        OurRule::new(priorities, TableId(203), selector, address)
    }

    proptest! {
        #[test]
        fn ours_reads_back_as_itself(address: IpAddr, from: bool) {
            let rule = ours(if from { Selector::From } else { Selector::To }, address);
            let read = Rule::read(rule.message()).expect("a rule");
            prop_assert_eq!(read.as_ours(), Some(rule));
            prop_assert_eq!(read.protocol, PROTOCOL);
        }
    }

    #[test]
    fn a_rule_that_asks_more_is_not_one_of_our_kinds() {
        let address = IpAddr::from([192, 0, 2, 2]);
        let with = |attribute| {
            let mut message = ours(Selector::From, address).message();
            message.attributes.push(attribute);
            Rule::read(message).expect("a rule")
        };
        assert!(with(RuleAttribute::SuppressPrefixLen(u32::MAX)).as_ours().is_some());
        assert!(with(RuleAttribute::SuppressPrefixLen(0)).as_ours().is_none());
        assert!(with(RuleAttribute::FwMark(1)).as_ours().is_none());
        assert!(with(RuleAttribute::Iifname("eth0".to_owned())).as_ours().is_none());
        assert!(with(RuleAttribute::Destination(address)).as_ours().is_none());
        let mut message = ours(Selector::To, address).message();
        message.header.dst_len = 24;
        assert!(Rule::read(message.clone()).expect("a rule").as_ours().is_none());
        message.header.dst_len = 32;
        message.header.flags = RuleFlags::Invert;
        assert!(Rule::read(message).expect("a rule").as_ours().is_none());
    }
}
