//! Which rules an address or a mark gets: the policy's word, in one place for helper and worker.

use crate::{Family, Mark, Policy, Prefix, Priority, TableId, Through};
use std::net::IpAddr;

/// Whose traffic a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Who {
    /// What this address sends, and what is sent to it.
    Address(IpAddr),
    /// What carries this mark.
    Mark(Mark),
}

/// A rule of ours, with all that it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleShape {
    /// Where it stands.
    pub priority: Priority,
    /// Where it leads.
    pub table: TableId,
    /// `from`
    pub source: Option<Prefix>,
    /// `to`
    pub destination: Option<Prefix>,
    /// `fwmark`
    pub mark: Option<Mark>,
    /// `suppress_prefixlength`
    pub suppress: Option<u32>,
}

impl Policy {
    /// The rules for `who` into an interface's table. `local_behind`: no rule sends everything to table
    /// local before them.
    pub fn rules(
        &self,
        family: Family,
        table: TableId,
        who: Who,
        local_behind: bool,
        through: Through,
    ) -> Vec<RuleShape> {
        let at = self.priorities();
        let (source, mark) = match who {
            Who::Address(address) => (Some(Prefix::host(address)), None),
            Who::Mark(mark) => (None, Some(mark)),
        };
        let from = RuleShape { priority: at.from, table, source, destination: None, mark, suppress: None };
        let main = RuleShape { priority: at.main, table: TableId::MAIN, ..from };
        let mut rules = vec![from];
        if local_behind {
            // Without it what the host sends to itself leaves it.
            rules.push(RuleShape { priority: at.local, table: TableId::LOCAL, ..from });
        }
        if self.to_rules && !local_behind && source.is_some() {
            rules.push(RuleShape { priority: at.to, source: None, destination: source, ..from });
        }
        let own = self.main_prefixes.iter().filter(|prefix| Family::of(prefix.address()) == family);
        // A prefix of length 0 is not asked for.
        rules.extend(own.map(|p| RuleShape { destination: Some(*p).filter(|p| !p.is_default()), ..main }));
        if through == Through::MainFirst {
            // Up to here a prefix is a default, or one of those that stand for one.
            let suppress = Some(if family == Family::V4 { 7 } else { 12 });
            rules.push(RuleShape { suppress, ..main });
        }
        rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(policy: &Policy, who: Who, behind: bool, through: Through) -> Vec<String> {
        let rules = policy.rules(Family::V4, TableId(241), who, behind, through);
        let text = |rule: &RuleShape| {
            let part =
                |word: &str, value: Option<String>| value.map_or(String::new(), |v| format!(" {word} {v}"));
            format!(
                "{}:{}{}{} lookup {}{}",
                rule.priority,
                part("from", rule.source.map(|p| p.to_string())),
                part("to", rule.destination.map(|p| p.to_string())),
                part("fwmark", rule.mark.map(|m| m.to_string())),
                rule.table,
                part("suppress", rule.suppress.map(|n| n.to_string())),
            )
        };
        rules.iter().map(text).collect()
    }

    #[test]
    fn each_shape_that_the_policy_knows() {
        let prefixes =
            ["10.0.0.0/8", "fc00::/7", "0.0.0.0/0"].map(|text| text.parse().expect("a prefix")).to_vec();
        let policy = Policy { main_prefixes: prefixes, ..Policy::default() };
        let address = Who::Address("192.0.2.5".parse().expect("an address"));
        assert_eq!(
            shapes(&policy, address, false, Through::MainFirst),
            [
                "32002: from 192.0.2.5/32 lookup 241",
                "32003: to 192.0.2.5/32 lookup 241",
                "32001: from 192.0.2.5/32 to 10.0.0.0/8 lookup 254",
                "32001: from 192.0.2.5/32 lookup 254",
                "32001: from 192.0.2.5/32 lookup 254 suppress 7",
            ]
        );
        let policy = Policy { to_rules: false, ..Policy::default() };
        assert_eq!(shapes(&policy, address, false, Through::Table), ["32002: from 192.0.2.5/32 lookup 241"]);
        let late = ["32002: from 192.0.2.5/32 lookup 241", "32000: from 192.0.2.5/32 lookup 255"];
        assert_eq!(shapes(&Policy::default(), address, true, Through::Table), late);
        let mark = Who::Mark(Mark { value: 7, mask: 15 });
        let marked = ["32002: fwmark 0x7/0xf lookup 241", "32000: fwmark 0x7/0xf lookup 255"];
        assert_eq!(shapes(&Policy::default(), mark, false, Through::Table), marked[..1]);
        assert_eq!(shapes(&Policy::default(), mark, true, Through::Table), marked);
        let first = ["32002: fwmark 0x7/0xf lookup 241", "32001: fwmark 0x7/0xf lookup 254 suppress 7"];
        assert_eq!(shapes(&Policy::default(), mark, false, Through::MainFirst), first);
    }
}
