//! Rules of other programs that decide before ours: wg-quick's, Tailscale's, what a hand-written set-up left,
//! networkd's RoutingPolicyRule. Each is one problem with its remedy. Pure.

use super::{Plan, Refused, TableKey};
use crate::kernel::{Rule, SeenRule};
use protocol::{Family, Policy, Priority, TableId};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// Links that a problem names before it says how many more there are.
const NAMED: usize = 3;

/// What a rule does with a packet that it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RuleEffect {
    /// It looks up a table that has a route for nearly everything.
    Decides(TableId),
    /// It throws the packet away.
    Discards,
    /// It goes on behind ours.
    Skips(u32),
}

/// Each rule that takes traffic of an address under routing before ours see it.
pub(super) fn interference(rules: &[Rule], plan: &Plan, policy: &Policy) -> Vec<Refused> {
    let ours = policy.priorities().from;
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| rule.priority < ours) {
        let Some(seen) = rule.foreign.as_deref() else { continue };
        let Some(effect) = effect(seen, plan, policy) else { continue };
        let of_family = plan.tables.iter().filter(|(key, _)| key.family == rule.family);
        let taken: Vec<(TableKey, &str)> = of_family
            .filter(|(_, table)| table.addresses.iter().any(|address| matches(seen, *address)))
            .map(|(key, table)| (*key, table.name.as_str()))
            .collect();
        if taken.is_empty() {
            continue;
        }
        let names: Vec<&str> = taken.iter().map(|(_, name)| *name).collect();
        found.push(Refused {
            keys: taken.iter().map(|(key, _)| *key).collect(),
            text: text(seen, effect, &names, free_priority(seen, rules)),
        });
    }
    found
}

fn effect(rule: &SeenRule, plan: &Plan, policy: &Policy) -> Option<RuleEffect> {
    // What is asked for beside addresses and marks is a choice among traffic, not all of an address.
    if rule.has_other_selectors() || rule.suppress_group.is_some() {
        return None;
    }
    match (rule.action, rule.table, rule.goto) {
        ("blackhole" | "unreachable" | "prohibit", ..) => Some(RuleEffect::Discards),
        (_, _, Some(target)) if !rule.unresolved && Priority(target) > policy.priorities().from => {
            Some(RuleEffect::Skips(target))
        }
        (_, Some(table), _) => {
            let table = TableId(table);
            let longest = plan.leading.get(&(rule.family, table))?;
            let counts = rule.suppress_length.is_none_or(|length| u32::from(*longest) > length);
            counts.then_some(RuleEffect::Decides(table))
        }
        _ => None,
    }
}

/// Whether a plain packet from this address, unmarked and to anywhere, is the rule's.
fn matches(rule: &SeenRule, address: IpAddr) -> bool {
    let source = rule.source.is_none_or(|prefix| prefix.contains(address));
    let anywhere = rule.destination.is_none_or(|prefix| prefix.is_default_like());
    let unmarked = rule.mark.is_none_or(|(value, mask)| value & mask == 0);
    (source && anywhere && unmarked && rule.tos == 0) != rule.inverted
}

/// A `routing.rule_priority` with which ours stand in front of this rule, at places that nobody has and behind the
/// rule for table local: the next hundred, so that other rules that come beside it change nothing, else the highest.
fn free_priority(rule: &SeenRule, rules: &[Rule]) -> Option<u32> {
    let of_family = || rules.iter().filter(|other| other.family == rule.family && !other.is_ours());
    let taken: BTreeSet<u32> = of_family().map(|other| other.priority.0).collect();
    let is_local = |other: &&Rule| other.table == Some(TableId::LOCAL) && !other.narrower;
    let local = of_family().filter(is_local).map(|other| other.priority.0).min()?;
    let highest = rule.priority.checked_sub(4)?;
    let is_free = |base: &u32| {
        let (from, to) = (base + 2, base + 3);
        from > local && !taken.contains(&from) && !taken.contains(&to)
    };
    let hundred = Some(highest - highest % 100).filter(|base| *base > 0 && is_free(base));
    hundred.or_else(|| (1..=highest).rev().take(1_000).find(is_free))
}

fn text(rule: &SeenRule, effect: RuleEffect, links: &[&str], free: Option<u32>) -> String {
    let (family, option) = match rule.family {
        Family::V4 => ("ipv4", ""),
        Family::V6 => ("ipv6", "-6 "),
    };
    let effect = match effect {
        RuleEffect::Decides(table) => format!("it sends what comes from there by table {table}"),
        RuleEffect::Discards => "it discards what comes from there".to_owned(),
        RuleEffect::Skips(target) => format!("it goes on at {target}, behind netevd's"),
    };
    let named = links.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let links = match links.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    };
    let priority = rule.priority;
    let remedy = match free {
        Some(base) => format!("set routing.rule_priority: {base}, which is in front of it, or delete it"),
        None => "delete it, or give it a higher priority".to_owned(),
    };
    format!(
        "{links} {family}: rule {priority} ({rule}) of another program decides before netevd's: {effect}. Remedy: \
         {remedy} (ip {option}rule del priority {priority} {rule})"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::index;
    use crate::routing::PlannedTable;
    use protocol::Prefix;

    fn plan() -> Plan {
        let table = PlannedTable {
            name: "eth1".to_owned(),
            addresses: ["198.51.100.2".parse().expect("good")].into(),
            ..PlannedTable::default()
        };
        Plan {
            tables: [(TableKey { ifindex: index(7), family: Family::V4 }, table)].into(),
            leading: [((Family::V4, TableId(52)), 0), ((Family::V4, TableId(53)), 1)].into(),
            ..Plan::default()
        }
    }

    fn lookup(priority: u32, table: u32) -> SeenRule {
        SeenRule { priority, table: Some(table), ..SeenRule::any(Family::V4, "lookup") }
    }

    fn problems(rule: SeenRule) -> Vec<String> {
        let rules = [lookup(0, 255), rule].map(Rule::from);
        interference(&rules, &plan(), &Policy::default()).into_iter().map(|found| found.text).collect()
    }

    #[test]
    fn a_rule_that_takes_everything_is_named_with_its_remedy() {
        assert_eq!(
            problems(lookup(5270, 52)),
            [
                "eth1 ipv4: rule 5270 (from all lookup 52) of another program decides before netevd's: it sends what \
              comes from there by table 52. Remedy: set routing.rule_priority: 5200, which is in front of it, or \
              delete it (ip rule del priority 5270 from all lookup 52)"
            ]
        );
    }

    #[test]
    fn rules_that_decide_and_rules_that_do_not() {
        let prefix = |text: &str, length| Prefix::containing(text.parse().expect("good"), length).ok();
        let rule = || lookup(100, 52);
        let discards = || SeenRule { table: None, action: "blackhole", ..rule() };
        let goto = |target| SeenRule { table: None, action: "goto", goto: Some(target), ..rule() };
        for (name, rule, is_named) in [
            ("wg-quick", SeenRule { inverted: true, mark: Some((0xca6c, u32::MAX)), ..rule() }, true),
            ("from the address", SeenRule { source: prefix("198.51.100.0", 24), ..rule() }, true),
            ("from elsewhere", SeenRule { source: prefix("192.0.2.0", 24), ..rule() }, false),
            (
                "not from elsewhere",
                SeenRule { inverted: true, source: prefix("192.0.2.0", 24), ..rule() },
                true,
            ),
            ("a mark that no packet has", SeenRule { mark: Some((1, 0xff)), ..rule() }, false),
            ("the mark 0", SeenRule { mark: Some((0, 0xff)), ..rule() }, true),
            ("to one network", SeenRule { destination: prefix("203.0.113.0", 24), ..rule() }, false),
            ("of a link", SeenRule { iif: Some("eth0".to_owned()), ..rule() }, false),
            ("of a port", SeenRule { destination_ports: Some((80, 80)), ..rule() }, false),
            ("of a table without a default", lookup(100, 51), false),
            ("a suppressed default", SeenRule { suppress_length: Some(0), ..rule() }, false),
            (
                "halves behind a suppressed default",
                SeenRule { suppress_length: Some(0), ..lookup(100, 53) },
                true,
            ),
            ("suppressed halves", SeenRule { suppress_length: Some(1), ..lookup(100, 53) }, false),
            ("blackhole", discards(), true),
            ("blackhole of others", SeenRule { source: prefix("10.0.0.0", 8), ..discards() }, false),
            ("over ours", goto(32_766), true),
            ("not so far", goto(200), false),
            ("to nowhere", SeenRule { unresolved: true, ..goto(32_766) }, false),
            ("behind ours", lookup(32_010, 52), false),
            ("of our own", SeenRule { protocol: protocol::PROTOCOL, ..rule() }, false),
        ] {
            assert_eq!(problems(rule).len(), usize::from(is_named), "{name}");
        }
    }

    #[test]
    fn no_priority_is_named_that_would_be_in_front_of_local_or_another_s() {
        assert!(
            problems(lookup(3, 52))[0].contains("Remedy: delete it, or give it"),
            "{:?}",
            problems(lookup(3, 52))
        );
        let rules = [lookup(0, 255), lookup(98, 99), lookup(100, 52)].map(Rule::from);
        let found = interference(&rules, &plan(), &Policy::default());
        assert!(found[0].text.contains("routing.rule_priority: 94,"), "{}", found[0].text);
    }
}
