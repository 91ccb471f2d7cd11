//! What the helper did, object by object, in words for the audit log. Pure.

use super::pass::new_rules;
use super::{Actual, Plan, TableKey};
use protocol::{NextHop, Policy, Reply, Request, RouteKind, Selector, TableId};
use std::collections::BTreeSet;

/// One object that was put in, replaced, taken out, or refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Whose table.
    pub key: TableKey,
    /// The interface's name at the time of the plan; empty when it was gone by then.
    pub interface: String,
    /// A rule; else a route.
    pub is_rule: bool,
    /// `add` or `delete`; a default that replaces our own is an add.
    pub action: &'static str,
    /// Nearly as ip(8) writes it: `from 192.0.2.3 lookup 203`, `default via 192.0.2.1 table 203`.
    pub object: String,
    /// What came of it.
    pub reply: Reply,
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

/// The objects of the steps that were taken. The fallback, which the helper puts in by itself before
/// a default or a rule, is among them.
pub(super) fn list(
    steps: &[(TableKey, Request, Reply)],
    plan: &Plan,
    before: &Actual,
    policy: &Policy,
) -> Vec<Done> {
    let has_fallback = |key: &TableKey| before.tables.get(key).is_some_and(|table| table.fallback);
    let mut without: BTreeSet<TableKey> = plan
        .tables
        .iter()
        .filter(|(key, table)| table.fallback && !has_fallback(key))
        .map(|(key, _)| *key)
        .collect();
    let mut list = Vec::new();
    for (key, request, reply) in steps {
        let table = TableId::for_interface(policy.table_base, key.ifindex);
        let interface = plan.tables.get(key).map(|table| table.name.clone()).unwrap_or_default();
        let done = |action, object| Done {
            key: *key,
            interface: interface.clone(),
            is_rule: false,
            action,
            object,
            reply: *reply,
        };
        let brings_fallback = matches!(
            request,
            Request::SetDefault { .. } | Request::AddRule { .. } | Request::AddRules { .. }
        );
        if *reply == Reply::Ok && brings_fallback && without.remove(key) {
            list.push(done("add", format!("unreachable default table {table}")));
        }
        list.push(match request {
            Request::AddRule { .. } | Request::AddRules { .. } => {
                let rule = |(selector, address)| Done {
                    is_rule: true,
                    ..done("add", format!("{} {address} lookup {table}", word(selector)))
                };
                list.extend(new_rules(*key, request, before).map(rule));
                continue;
            }
            Request::DelRule { selector, address, .. } => Done {
                is_rule: true,
                ..done("delete", format!("{} {address} lookup {table}", word(*selector)))
            },
            Request::SetDefault { next_hop: NextHop::Gateway(gateway), .. } => {
                done("add", format!("default via {gateway} table {table}"))
            }
            Request::SetDefault { .. } => done("add", format!("default table {table}")),
            Request::AddSubnet { address, .. } => {
                let subnets = plan.tables.get(key).map(|table| &table.subnets).into_iter().flatten();
                let prefix =
                    subnets.filter(|(_, of)| *of == address).map(|(prefix, _)| prefix.to_string()).next();
                done(
                    "add",
                    format!("{} table {table}", prefix.unwrap_or_else(|| format!("subnet of {address}"))),
                )
            }
            Request::AddLocal { destination, .. } => done("add", format!("{destination} table {table}")),
            Request::DelRoute { route, .. } => done("delete", format!("{} table {table}", route_of(*route))),
            Request::Purge { .. } => done("delete", format!("everything in table {table}")),
            Request::Hello { .. } | Request::SyncBegin | Request::SyncEnd | Request::Ping => continue,
        });
    }
    list
}

fn word(selector: Selector) -> &'static str {
    match selector {
        Selector::From => "from",
        Selector::To => "to",
    }
}

fn route_of(route: RouteKind) -> String {
    match route {
        RouteKind::Default => "default".to_owned(),
        RouteKind::Fallback => "unreachable default".to_owned(),
        RouteKind::Subnet(prefix) | RouteKind::Local(prefix) => prefix.to_string(),
    }
}
