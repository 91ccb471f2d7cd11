//! A policy routing rule as the kernel tells it (`fib_rule_hdr`, linux/fib_rules.h).

use super::SeenRule;
use netlink_packet_core::DecodeError;
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
    /// `fwmark`: value and mask.
    pub mark: Option<(u32, u32)>,
    /// `suppress_prefixlength`
    pub suppress_length: Option<u32>,
    /// Has a selector beside `from` and `to` (mark, interface, port …).
    pub narrower: bool,
    /// Everything, of a rule that is not ours.
    pub foreign: Option<Box<SeenRule>>,
}

impl Rule {
    /// Reads what follows the header of an `RTM_NEWRULE` or `RTM_DELRULE`; `None` for families that are
    /// not IP.
    pub(super) fn read(payload: &[u8]) -> Result<Option<Rule>, DecodeError> {
        Ok(SeenRule::read(payload)?.map(Rule::from))
    }

    /// Carries our protocol number.
    pub fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl From<SeenRule> for Rule {
    fn from(seen: SeenRule) -> Self {
        Self {
            family: seen.family,
            priority: Priority(seen.priority),
            source: seen.source,
            destination: seen.destination,
            table: seen.table.map(TableId),
            protocol: seen.protocol,
            mark: seen.mark,
            suppress_length: seen.suppress_length,
            narrower: seen.is_narrower(),
            foreign: (seen.protocol != PROTOCOL).then(|| Box::new(seen)),
        }
    }
}

impl fmt::Display for Rule {
    /// In the words of ip-rule(8).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.priority)?;
        if let Some(foreign) = &self.foreign {
            return write!(f, " {foreign} proto {}", self.protocol);
        }
        match self.source {
            Some(prefix) => write!(f, " from {prefix}")?,
            None => f.write_str(" from all")?,
        }
        if let Some(prefix) = self.destination {
            write!(f, " to {prefix}")?;
        }
        if let Some((value, mask)) = self.mark {
            write!(f, " fwmark {value:#x}/{mask:#x}")?;
        }
        match self.table {
            Some(table) => write!(f, " lookup {table}")?,
            None => f.write_str(" (no lookup)")?,
        }
        if let Some(length) = self.suppress_length {
            write!(f, " suppress_prefixlength {length}")?;
        }
        write!(f, " proto {}", self.protocol)
    }
}
