//! What a request does, object by object, in words for the log and the audit log. Pure.

use super::copies::{are_equal, followed};
use super::rules::{OwnRule, Subject};
use super::{Actual, Plan, TableKey};
use crate::kernel::Spec;
use protocol::{Policy, Prefix, Reply, Request, Rules, TableId};
use std::collections::BTreeSet;

/// One object that was added, replaced, deleted, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose table.
    pub key: TableKey,
    /// The interface's name at the time of the plan; empty when it was gone by then.
    pub interface: String,
    /// A rule; else a route.
    pub is_rule: bool,
    /// `add` or `delete`; a route that replaces our own is an add.
    pub action: &'static str,
    /// Nearly as ip(8) writes it: `from 192.0.2.3 lookup 203`, `default via 192.0.2.1 table 203`.
    pub object: String,
    /// What came of it.
    pub reply: Reply,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) is_rule: bool,
    pub(super) action: &'static str,
    pub(super) text: String,
}

impl Done {
    /// Why it was not done.
    pub fn error(&self) -> Option<String> {
        match self.reply {
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => None,
            Reply::Refused(refusal) => Some(refusal.to_string()),
            Reply::Kernel(errno) => Some(std::io::Error::from_raw_os_error(errno).to_string()),
        }
    }
}

/// The objects of the steps that were taken.
pub(super) fn list(
    steps: &[(TableKey, Request, Reply)],
    plan: &Plan,
    before: &Actual,
    policy: &Policy,
) -> Vec<Done> {
    let mut list = Vec::new();
    for (key, request, reply) in steps {
        let interface = plan.tables.get(key).map(|table| table.name.clone()).unwrap_or_default();
        let done = |Object { is_rule, action, text }| Done {
            key: *key,
            interface: interface.clone(),
            is_rule,
            action,
            object: text,
            reply: *reply,
        };
        list.extend(objects(*key, request, plan, before, policy).into_iter().map(done));
    }
    list
}

/// What a request changes of what stood before.
pub(super) fn objects(
    key: TableKey,
    request: &Request,
    plan: &Plan,
    before: &Actual,
    policy: &Policy,
) -> Vec<Object> {
    let table = TableId::for_interface(policy.table_base, key.ifindex);
    let planned = plan.tables.get(&key);
    let mut objects = Vec::new();
    let mut routes = |prefix: Prefix, wanted: &[Spec]| {
        let standing = before.routes(key, prefix);
        if are_equal(standing, wanted) {
            return;
        }
        let text = |route: &Spec| format!("{route} table {table}");
        let object = |action, route| Object { is_rule: false, action, text: text(route) };
        let missing = wanted.iter().filter(|route| !standing.contains(route));
        objects.extend(missing.map(|route| object("add", route)));
        // One that another takes the place of is that one's.
        let same = |gone: &Spec| {
            wanted.iter().any(|w| (w.metric, w.tos, w.source) == (gone.metric, gone.tos, gone.source))
        };
        let gone = standing.iter().filter(|route| !wanted.contains(route) && !same(route));
        objects.extend(gone.map(|route| object("delete", route)));
    };
    match request {
        Request::SetDefault { family, .. } => {
            routes(Prefix::everything(*family), planned.map_or(&[], |planned| &planned.defaults));
        }
        Request::Copy { prefixes, .. } => {
            for prefix in prefixes.iter() {
                let copied = planned.and_then(|planned| planned.copies.get(&prefix));
                routes(prefix, copied.map_or(&[], |copied| &copied.routes));
            }
        }
        Request::Follow { prefixes, .. } => {
            for prefix in prefixes.iter() {
                let wanted = planned.map(|planned| followed(prefix, &planned.defaults));
                routes(prefix, wanted.as_slice());
            }
        }
        Request::DelRoutes { prefixes, .. } => prefixes.iter().for_each(|prefix| routes(prefix, &[])),
        Request::AddRules { rules, .. } | Request::DelRules { rules, .. } => {
            for subject in subjects(rules, key, plan, before) {
                let nothing = BTreeSet::new();
                let wanted = planned.and_then(|planned| planned.rules.get(&subject)).unwrap_or(&nothing);
                let standing = before.rules.get(&subject).map(|standing| standing.of(key.ifindex, policy));
                let standing = &standing.unwrap_or_default();
                let object =
                    |action, rule: &OwnRule| Object { is_rule: true, action, text: rule.to_string() };
                objects.extend(wanted.difference(standing).map(|rule| object("add", rule)));
                objects.extend(standing.difference(wanted).map(|rule| object("delete", rule)));
            }
        }
        Request::Hello { .. } | Request::SyncBegin | Request::SyncEnd => {}
    }
    objects
}

/// The addresses or the mark of a request.
fn subjects(rules: &Rules, key: TableKey, plan: &Plan, before: &Actual) -> Vec<Subject> {
    match rules {
        Rules::Addresses(addresses) => addresses.iter().map(Subject::Address).collect(),
        Rules::Mark(family) => {
            let is_mark = |subject: &&Subject| matches!(subject, Subject::Mark(of, ..) if of == family);
            let planned = plan.tables.get(&key).into_iter().flat_map(|planned| planned.rules.keys());
            let standing = before.rules.iter().filter(|(_, standing)| standing.owners.contains(&key.ifindex));
            let all: BTreeSet<Subject> =
                planned.chain(standing.map(|(subject, _)| subject)).filter(is_mark).copied().collect();
            all.into_iter().collect()
        }
    }
}
