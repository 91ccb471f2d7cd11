//! The rules of an address or of a mark, as the helper makes them. Pure.

use crate::kernel::Rule;
use protocol::{Family, Mark, Policy, Prefix, Priority, RuleShape, TableId, Through, Who};
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Whose traffic a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// Of this address.
    Address(IpAddr),
    /// Of packets with this mark: value and mask.
    Mark(Family, u32, u32),
}

/// A rule of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnRule {
    /// `FRA_PRIORITY`
    pub priority: Priority,
    /// `from`
    pub source: Option<Prefix>,
    /// `to`
    pub destination: Option<Prefix>,
    /// `fwmark`: value and mask.
    pub mark: Option<(u32, u32)>,
    /// `lookup`
    pub table: TableId,
    /// `suppress_prefixlength`
    pub suppress_length: Option<u32>,
}

/// How the rules of a table are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// The table.
    pub(super) table: TableId,
    /// The rule for table local is behind ours.
    pub(super) local_is_behind: bool,
    /// What is looked up before it.
    pub(super) through: Through,
}

impl Subject {
    /// IPv4 or IPv6.
    pub fn family(self) -> Family {
        match self {
            Subject::Address(address) => Family::of(address),
            Subject::Mark(family, ..) => family,
        }
    }

    /// Its rules.
    pub(super) fn rules(self, shape: Shape, policy: &Policy) -> BTreeSet<OwnRule> {
        let who = match self {
            Subject::Address(address) => Who::Address(address),
            Subject::Mark(_, value, mask) => Who::Mark(Mark { value, mask }),
        };
        let Shape { table, local_is_behind, through } = shape;
        let rules = policy.rules(self.family(), table, who, local_is_behind, through);
        rules.into_iter().map(OwnRule::from).collect()
    }
}

impl From<RuleShape> for OwnRule {
    fn from(shape: RuleShape) -> Self {
        let RuleShape { priority, table, source, destination, mark, suppress } = shape;
        let mark = mark.map(|mark| (mark.value, mark.mask));
        Self { priority, source, destination, mark, table, suppress_length: suppress }
    }
}

impl OwnRule {
    /// A rule of the kernel's in this form, and whose it is; `None` of another form.
    pub(super) fn of(rule: &Rule) -> Option<(Subject, Self)> {
        let own = Self {
            priority: rule.priority,
            source: rule.source,
            destination: rule.destination,
            mark: rule.mark,
            table: rule.table?,
            suppress_length: rule.suppress_length,
        };
        let host = |prefix: Prefix| {
            (prefix == Prefix::host(prefix.address())).then_some(Subject::Address(prefix.address()))
        };
        let subject = match (rule.source, rule.destination, rule.mark) {
            (Some(source), _, None) => host(source)?,
            (None, Some(destination), None) => host(destination)?,
            (None, _, Some((value, mask))) => Subject::Mark(rule.family, value, mask),
            _ => return None,
        };
        // Of anything narrower there is only what is compared.
        let is_plain = !rule.narrower || rule.mark.is_some() || rule.suppress_length.is_some();
        is_plain.then_some((subject, own))
    }
}

impl From<(Family, Mark)> for Subject {
    fn from((family, mark): (Family, Mark)) -> Self {
        Subject::Mark(family, mark.value, mark.mask)
    }
}

impl fmt::Display for OwnRule {
    /// As ip-rule(8) words it, without the priority.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = crate::kernel::host_or_prefix;
        let mut words = Vec::new();
        words.extend(self.source.map(|source| format!("from {}", host(source))));
        words.extend(self.destination.map(|destination| format!("to {}", host(destination))));
        words.extend(self.mark.map(|(value, mask)| format!("fwmark {value:#x}/{mask:#x}")));
        words.push(format!("lookup {}", crate::names::route_table(self.table.0)));
        words.extend(self.suppress_length.map(|length| format!("suppress_prefixlength {length}")));
        f.write_str(&words.join(" "))
    }
}
