//! A policy routing rule as the kernel tells it (`fib_rule_hdr`, linux/fib_rules.h).

use netlink_packet_route::AddressFamily;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use protocol::{Family, PROTOCOL, Prefix, Priority, TableId};
use std::fmt;

/// One rule, as far as netevd compares rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// IPv4 or IPv6.
    pub family: Family,
    /// `FRA_PRIORITY`
    pub priority: Priority,
    /// `from`; `None` is any.
    pub source: Option<Prefix>,
    /// `to`; `None` is any.
    pub destination: Option<Prefix>,
    /// The table looked up; `None` for other actions.
    pub table: Option<TableId>,
    /// `FRA_PROTOCOL`
    pub protocol: u8,
    /// Has a selector beside `from` and `to` (mark, interface, port …).
    pub narrower: bool,
}

impl Rule {
    /// Takes what is of use from a message; `None` for families that are not IP.
    pub fn from_message(message: RuleMessage) -> Option<Rule> {
        let header = message.header;
        let family = match header.family {
            AddressFamily::Inet => Family::V4,
            AddressFamily::Inet6 => Family::V6,
            _ => return None,
        };
        let mut rule = Rule {
            family,
            priority: Priority(0),
            source: None,
            destination: None,
            table: None,
            protocol: 0,
            narrower: header.tos != 0,
        };
        let mut table = u32::from(header.table);
        for attribute in message.attributes {
            match attribute {
                RuleAttribute::Source(a) => rule.source = Prefix::containing(a, header.src_len).ok(),
                RuleAttribute::Destination(a) => {
                    rule.destination = Prefix::containing(a, header.dst_len).ok()
                }
                RuleAttribute::Priority(priority) => rule.priority = Priority(priority),
                RuleAttribute::Table(id) => table = id,
                RuleAttribute::Protocol(protocol) => rule.protocol = protocol.into(),
                // Present in every dump, and no selectors.
                RuleAttribute::SuppressPrefixLen(u32::MAX) | RuleAttribute::SuppressIfGroup(u32::MAX) => {}
                RuleAttribute::Other(_) | RuleAttribute::FwMask(_) => {}
                _ => rule.narrower = true,
            }
        }
        if header.action == RuleAction::ToTable {
            rule.table = Some(TableId(table));
        }
        Some(rule)
    }

    /// Carries our protocol number.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl fmt::Display for Rule {
    /// In the words of ip-rule(8).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        match self.source {
            Some(prefix) => write!(f, " from {prefix}")?,
            None => f.write_str(" from all")?,
        }
        if let Some(prefix) = self.destination {
            write!(f, " to {prefix}")?;
        }
        match self.table {
            Some(table) => write!(f, " lookup {table}")?,
            None => f.write_str(" (no lookup)")?,
        }
        write!(f, " proto {}", self.protocol)
    }
}
