//! Carrying out steps: what was refused, and what must not follow a refusal.

use super::done::objects;
use crate::routing::{Actual, Helper, HelperError, Plan, Step, TableKey};
use protocol::{NextHop, Policy, Prefixes, Refusal, Reply, Request, Rules};
use std::collections::{BTreeMap, BTreeSet};

/// What steps are about.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) plan: &'a Plan,
    /// What stood before.
    pub(super) before: &'a Actual,
    pub(super) policy: &'a Policy,
    /// Whether the steps are listed.
    pub(super) lists: bool,
}

/// What a run of steps brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Objects added, replaced or deleted, by table.
    pub(super) changed: BTreeMap<TableKey, usize>,
    /// What was refused or failed, and why; of each table the first for a reason.
    pub(super) failed: BTreeMap<(TableKey, Failure), Request>,
    /// Tables that lack something without which they must not be used.
    pub(super) broken: BTreeSet<TableKey>,
    /// Each request that changed something or was refused, in order; kept on demand.
    pub(super) steps: Vec<(TableKey, Request, Reply)>,
}

/// Why a request brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Failure {
    /// The helper refused.
    Refused(Refusal),
    /// The kernel's errno.
    Kernel(i32),
}

impl Failure {
    fn of(reply: Reply) -> Option<Failure> {
        match reply {
            Reply::Refused(refusal) => Some(Failure::Refused(refusal)),
            Reply::Kernel(errno) => Some(Failure::Kernel(errno)),
            Reply::Ok | Reply::Exists | Reply::Absent | Reply::Busy => None,
        }
    }

    /// Nothing else of this table will be taken either.
    fn is_of_table(self) -> bool {
        matches!(
            self,
            Failure::Refused(
                Refusal::NoInterface
                    | Refusal::NotListed
                    | Refusal::Loopback
                    | Refusal::Enslaved
                    | Refusal::TableConflict
                    | Refusal::RuleConflict
            )
        )
    }
}

/// Carries out steps in order. A table whose essential step fails is skipped from there on.
pub(super) async fn carry_out(
    helper: &mut Helper,
    steps: Vec<Step>,
    context: Context<'_>,
) -> Result<Outcome, HelperError> {
    let mut outcome = Outcome::default();
    for step in steps {
        if outcome.broken.contains(&step.key) {
            continue;
        }
        let reply = helper.call(&step.request).await?;
        let singles = Failure::of(reply).filter(|f| !f.is_of_table()).and_then(|_| one_by_one(&step.request));
        let Some(singles) = singles else {
            outcome.record(&step, reply, context);
            continue;
        };
        // Refused whole, for the sake of one perhaps: alone it is found and named.
        for request in singles {
            let single = Step { request, ..step.clone() };
            let reply = helper.call(&single.request).await?;
            outcome.record(&single, reply, context);
            if outcome.broken.contains(&step.key) {
                break;
            }
        }
    }
    Ok(outcome)
}

/// A request for several addresses or prefixes as one for each of them; `None` for any other.
fn one_by_one(request: &Request) -> Option<Vec<Request>> {
    let prefixes = |prefixes: &Prefixes, single: &dyn Fn(Prefixes) -> Request| {
        prefixes.iter().map(|prefix| single(prefix.into())).collect::<Vec<_>>()
    };
    let singles = match request {
        Request::AddRules { ifindex, rules: Rules::Addresses(addresses), through } => {
            let single = |address: std::net::IpAddr| {
                let rules = Rules::Addresses(address.into());
                Request::AddRules { ifindex: *ifindex, rules, through: *through }
            };
            addresses.iter().map(single).collect()
        }
        Request::Copy { ifindex, except, prefixes: all } => {
            prefixes(all, &|prefixes| Request::Copy { ifindex: *ifindex, except: except.clone(), prefixes })
        }
        Request::Follow { ifindex, prefixes: all } => {
            prefixes(all, &|prefixes| Request::Follow { ifindex: *ifindex, prefixes })
        }
        _ => return None,
    };
    (singles.len() > 1).then_some(singles)
}

impl Outcome {
    fn record(&mut self, step: &Step, reply: Reply, context: Context<'_>) {
        if context.lists && !matches!(reply, Reply::Exists | Reply::Absent) {
            self.steps.push((step.key, step.request.clone(), reply));
        }
        if let Some(failure) = Failure::of(reply) {
            self.failed.entry((step.key, failure)).or_insert_with(|| step.request.clone());
            if step.essential || failure.is_of_table() {
                self.broken.insert(step.key);
            }
        } else if reply == Reply::Ok {
            let Context { plan, before, policy, .. } = context;
            let objects = objects(step.key, &step.request, plan, before, policy).len().max(1);
            *self.changed.entry(step.key).or_default() += objects;
        }
    }

    /// Adds what a second run did.
    pub(super) fn absorb(&mut self, other: Outcome) {
        for (key, count) in other.changed {
            *self.changed.entry(key).or_default() += count;
        }
        self.failed.extend(other.failed);
        self.steps.extend(other.steps);
    }
}

/// A request in words, for the log.
pub(super) fn describe(request: &Request) -> String {
    let rules_of = |rules: &Rules| match rules {
        Rules::Addresses(addresses) => format!("rules of {addresses:?}"),
        Rules::Mark(family) => format!("the {family} rule of the mark"),
    };
    match request {
        Request::AddRules { rules, .. } => rules_of(rules),
        Request::DelRules { rules, .. } => format!("deletion of {}", rules_of(rules)),
        Request::SetDefault { next_hop: NextHop::Gateway(gateway), .. } => format!("default via {gateway}"),
        Request::SetDefault { next_hop: NextHop::PointToPoint, .. } => "default without a gateway".to_owned(),
        Request::SetDefault { next_hop: NextHop::Table(table), .. } => {
            format!("copy of the default in table {}", crate::names::route_table(table.0))
        }
        Request::SetDefault { next_hop: NextHop::Nothing, .. } => "deletion of the default".to_owned(),
        Request::Copy { prefixes, .. } => format!("copy of {prefixes:?}"),
        Request::Follow { prefixes, .. } => format!("{prefixes:?} as the default"),
        Request::DelRoutes { prefixes, .. } => format!("deletion of {prefixes:?}"),
        Request::Hello { .. } | Request::SyncBegin | Request::SyncEnd => request.name().to_owned(),
    }
}
