//! What stands in the kernel with our protocol number, in the shape of the plan. Pure.

use super::rules::{OwnRule, Subject};
use super::snapshot::Snapshot;
use crate::kernel::Spec;
use crate::model::UNREACHABLE;
use crate::routing::TableKey;
use protocol::kernel::FALLBACK_METRIC;
use protocol::{Ifindex, Policy, Prefix, TableId};
use std::collections::{BTreeMap, BTreeSet};

/// Everything of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actual {
    /// Routes by interface and family, then by prefix, in the kernel's order; the interface may be gone.
    pub tables: BTreeMap<TableKey, BTreeMap<Prefix, Vec<Spec>>>,
    /// Rules by whose traffic they are about.
    pub rules: BTreeMap<Subject, StandingRules>,
    /// Objects that no single request can name (another table base): a synchronisation removes them.
    pub leftover: usize,
}

/// The rules of one address or mark.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingRules {
    /// The rules.
    pub rules: BTreeSet<OwnRule>,
    /// Some are there twice: the kernel keeps equal rules apart when they were added without EXCL.
    pub are_doubled: bool,
    /// The interfaces whose tables they look up: several of an address that these share.
    pub owners: BTreeSet<Ifindex>,
}

impl StandingRules {
    /// Those of one interface, with what decides before its table.
    pub fn of(&self, ifindex: Ifindex, policy: &Policy) -> BTreeSet<OwnRule> {
        let is_own = |rule: &&OwnRule| owner(rule, policy).is_none_or(|owner| owner == ifindex);
        self.rules.iter().filter(is_own).cloned().collect()
    }
}

/// The interface whose table a rule looks up.
fn owner(rule: &OwnRule, policy: &Policy) -> Option<Ifindex> {
    let is_common = [TableId::LOCAL, TableId::MAIN, TableId::DEFAULT].contains(&rule.table);
    rule.table.interface(policy.table_base).filter(|_| !is_common)
}

impl Actual {
    /// Sorts a snapshot by the policy's table base.
    pub fn new(snapshot: &Snapshot, policy: &Policy) -> Self {
        let mut actual = Self::default();
        for rule in snapshot.rules.iter().filter(|rule| rule.is_ours()) {
            let Some((subject, own)) = OwnRule::of(rule) else {
                actual.leftover += 1;
                continue;
            };
            let standing = actual.rules.entry(subject).or_default();
            standing.owners.extend(owner(&own, policy));
            standing.are_doubled |= !standing.rules.insert(own);
        }
        // Nobody's interface: no request names them.
        let ownerless = actual.rules.extract_if(.., |_, standing| standing.owners.is_empty());
        actual.leftover += ownerless.map(|(_, standing)| standing.rules.len()).sum::<usize>();
        for route in &snapshot.ours {
            let Some(ifindex) = route.table.interface(policy.table_base) else {
                actual.leftover += 1;
                continue;
            };
            let key = TableKey { ifindex, family: route.family() };
            let table = actual.tables.entry(key).or_default();
            table.entry(route.spec.destination).or_default().push(route.spec.clone());
        }
        actual
    }

    /// What stands of a prefix.
    pub fn routes(&self, key: TableKey, prefix: Prefix) -> &[Spec] {
        self.tables.get(&key).and_then(|table| table.get(&prefix)).map_or(&[], Vec::as_slice)
    }

    /// The unreachable default.
    pub fn has_fallback(&self, key: TableKey) -> bool {
        let defaults = self.routes(key, Prefix::everything(key.family));
        defaults.iter().any(|route| route.kind == UNREACHABLE && route.metric == FALLBACK_METRIC)
    }

    /// A rule leads to this table.
    pub fn is_looked_up(&self, key: TableKey) -> bool {
        self.rules.iter().any(|(subject, standing)| {
            subject.family() == key.family && standing.owners.contains(&key.ifindex)
        })
    }
}
