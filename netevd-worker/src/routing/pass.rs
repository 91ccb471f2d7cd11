//! Carrying out steps: what was refused, what must not follow a refusal, and what is taken back
//! so that nothing stays half-installed.

use crate::routing::{ActualTable, Helper, HelperError, Step, TableKey};
use protocol::{NextHop, Refusal, Reply, Request, RouteKind, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// What a run of steps brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Objects put in, replaced or taken out, by table.
    pub(super) changed: BTreeMap<TableKey, usize>,
    /// What was refused or failed, and why; of each table the first for a reason.
    pub(super) failed: BTreeMap<(TableKey, Failure), Request>,
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
}

/// Carries out steps in order. A table whose essential step fails is skipped from there on;
/// if it had no rules before, what this run put into it is to be taken back by [`undo`].
pub(super) async fn carry_out(
    helper: &mut Helper,
    steps: &[Step],
    before: &BTreeMap<TableKey, ActualTable>,
) -> Result<(Outcome, Vec<Step>), HelperError> {
    let mut outcome = Outcome::default();
    let mut broken: BTreeSet<TableKey> = BTreeSet::new();
    let mut done: Vec<Step> = Vec::new();
    for step in steps {
        if broken.contains(&step.key) {
            continue;
        }
        let reply = helper.call(&step.request).await?;
        match Failure::of(reply) {
            Some(failure) => {
                outcome.failed.entry((step.key, failure)).or_insert(step.request);
                if step.essential {
                    broken.insert(step.key);
                }
            }
            None if reply == Reply::Ok => {
                *outcome.changed.entry(step.key).or_default() += 1;
                done.push(*step);
            }
            None => done.push(*step),
        }
    }
    let was_whole = |key: &TableKey| before.get(key).is_some_and(|table| !table.rules.is_empty());
    let take_back = done.into_iter().filter(|step| broken.contains(&step.key) && !was_whole(&step.key));
    Ok((outcome, undo(take_back)))
}

/// The deletions that take steps back, last first.
fn undo(done: impl DoubleEndedIterator<Item = Step>) -> Vec<Step> {
    let back = done.rev().filter_map(|step| {
        let TableKey { ifindex, family } = step.key;
        let request = match step.request {
            Request::AddRule { ifindex, selector, address } => {
                Request::DelRule { ifindex, selector, address }
            }
            Request::SetDefault { ifindex, family, .. } => {
                Request::DelRoute { ifindex, family, route: RouteKind::Default }
            }
            Request::AddLocal { destination, .. } => {
                Request::DelRoute { ifindex, family, route: RouteKind::Local(destination) }
            }
            _ => return None,
        };
        Some(Step { request, essential: false, ..step })
    });
    back.collect()
}

/// A request in words, for the log.
pub(super) fn describe(request: &Request) -> String {
    match request {
        Request::AddRule { selector, address, .. } => format!("rule {selector} {address}"),
        Request::SetDefault { next_hop: NextHop::Gateway(gateway), .. } => format!("default via {gateway}"),
        Request::SetDefault { next_hop: NextHop::PointToPoint, .. } => "default without a gateway".to_owned(),
        Request::AddSubnet { address, .. } => format!("subnet of {address}"),
        Request::AddLocal { destination, .. } => format!("local network {destination}"),
        Request::DelRule { selector, address, .. } => {
            let word = match selector {
                Selector::From => "from",
                Selector::To => "to",
            };
            format!("deletion of rule {word} {address}")
        }
        Request::DelRoute { route, .. } => match route {
            RouteKind::Default => "deletion of the default".to_owned(),
            RouteKind::Fallback => "deletion of the fallback".to_owned(),
            RouteKind::Subnet(prefix) | RouteKind::Local(prefix) => format!("deletion of {prefix}"),
        },
        Request::Purge { .. } => "purge".to_owned(),
        Request::Hello { .. } | Request::SyncBegin | Request::SyncEnd | Request::Ping => {
            request.name().to_owned()
        }
    }
}
