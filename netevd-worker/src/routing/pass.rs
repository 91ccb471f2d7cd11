//! Carrying out steps: what was refused, and what must not follow a refusal.

use crate::routing::{Helper, HelperError, Step, TableKey};
use protocol::{NextHop, Refusal, Reply, Request, RouteKind, Selector};
use std::collections::{BTreeMap, BTreeSet};

/// What a run of steps brought.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// Objects put in, replaced or taken out, by table.
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
}

/// Carries out steps in order, and lists them if `lists`. A table whose essential step fails is
/// skipped from there on.
pub(super) async fn carry_out(
    helper: &mut Helper,
    steps: &[Step],
    lists: bool,
) -> Result<Outcome, HelperError> {
    let mut outcome = Outcome::default();
    for step in steps {
        if outcome.broken.contains(&step.key) {
            continue;
        }
        let reply = helper.call(&step.request).await?;
        if lists && !matches!(reply, Reply::Exists | Reply::Absent) {
            outcome.steps.push((step.key, step.request, reply));
        }
        if let Some(failure) = Failure::of(reply) {
            outcome.failed.entry((step.key, failure)).or_insert(step.request);
            if step.essential {
                outcome.broken.insert(step.key);
            }
        } else if reply == Reply::Ok {
            *outcome.changed.entry(step.key).or_default() += 1;
        }
    }
    Ok(outcome)
}

impl Outcome {
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
