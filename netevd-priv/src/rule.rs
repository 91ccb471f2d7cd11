//! A routing rule as a value: read from the kernel, and the two kinds that we make.

use crate::route::{address_family, family_of};
use netlink_packet_core::{DecodeError, NlasIterator, Parseable};
use netlink_packet_route::route::RouteProtocol;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleHeader, RuleMessage};
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
    /// As dumped, where it is ours and yet of neither of our two kinds.
    pub(crate) odd: Option<Box<RuleMessage>>,
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

    /// The message that deletes exactly this rule of ours; `None` for a foreign one.
    pub(crate) fn deletion(&self) -> Option<RuleMessage> {
        self.as_ours().map(|rule| rule.message()).or_else(|| self.odd.as_deref().cloned())
    }

    /// Reads a kernel message, attribute by attribute, for there may be thousands; `None` for the
    /// rules of other families (multicast routing).
    pub(crate) fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        const HEADER: usize = 12;
        let header = RuleHeader::parse(payload)?;
        let Some(family) = family_of(header.family) else { return Ok(None) };
        let mut rule = Self {
            family,
            priority: Priority(0),
            table: None,
            protocol: 0,
            source: None,
            destination: None,
            plain: header.tos == 0 && !header.flags.contains(RuleFlags::Invert),
            odd: None,
        };
        let mut table = u32::from(header.table);
        for attribute in NlasIterator::new(payload.get(HEADER..).unwrap_or_default()) {
            match RuleAttribute::parse(&attribute?)? {
                RuleAttribute::Source(a) => rule.source = Prefix::containing(a, header.src_len).ok(),
                RuleAttribute::Destination(a) => {
                    rule.destination = Prefix::containing(a, header.dst_len).ok();
                }
                RuleAttribute::Priority(value) => rule.priority = Priority(value),
                RuleAttribute::Table(value) => table = value,
                RuleAttribute::Protocol(value) => rule.protocol = u8::from(value),
                // Always sent; all ones mean that nothing is suppressed.
                RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::SuppressIfGroup(u32::MAX) => {}
                _ => rule.plain = false,
            }
        }
        rule.table = (header.action == RuleAction::ToTable).then_some(TableId(table));
        if rule.is_ours() && rule.as_ours().is_none() {
            rule.odd = Some(Box::new(RuleMessage::parse(payload)?));
        }
        Ok(Some(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::Emitable;
    use proptest::prelude::*;

    fn ours(selector: Selector, address: IpAddr) -> OurRule {
        let priorities = PriorityPair { from: Priority(32_002), to: Priority(32_003) };
        OurRule::new(priorities, TableId(203), selector, address)
    }

    fn read(message: &RuleMessage) -> Rule {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        Rule::read(&bytes).expect("legible").expect("a rule")
    }

    proptest! {
        #[test]
        fn ours_reads_back_as_itself(address: IpAddr, from: bool) {
            let rule = ours(if from { Selector::From } else { Selector::To }, address);
            let read = read(&rule.message());
            prop_assert_eq!(read.as_ours(), Some(rule));
            prop_assert_eq!(read.deletion(), Some(rule.message()));
        }
    }

    #[test]
    fn a_rule_that_asks_more_is_not_one_of_our_kinds() {
        let address = IpAddr::from([192, 0, 2, 2]);
        let with = |attribute| {
            let mut message = ours(Selector::From, address).message();
            message.attributes.push(attribute);
            read(&message)
        };
        assert!(with(RuleAttribute::SuppressPrefixLen(u32::MAX)).as_ours().is_some());
        assert!(with(RuleAttribute::SuppressPrefixLen(0)).as_ours().is_none());
        let marked = with(RuleAttribute::FwMark(1));
        assert!(marked.as_ours().is_none());
        let deletion = marked.deletion().expect("it is ours");
        assert!(deletion.attributes.contains(&RuleAttribute::FwMark(1)));
        assert!(deletion.attributes.contains(&RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL))));
        assert!(with(RuleAttribute::Iifname("eth0".to_owned())).as_ours().is_none());
        assert!(with(RuleAttribute::Destination(address)).as_ours().is_none());
        let mut message = ours(Selector::To, address).message();
        message.header.dst_len = 24;
        assert!(read(&message).as_ours().is_none());
        message.header.dst_len = 32;
        message.header.flags = RuleFlags::Invert;
        assert!(read(&message).as_ours().is_none());
    }
}
