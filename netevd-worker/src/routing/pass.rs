//! Carrying out steps: what was refused, and what must not follow a refusal.

use crate::routing::{Actual, Helper, HelperError, Step, TableKey};
use protocol::{NextHop, Refusal, Reply, Request, RouteKind, Selector};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

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

/// Carries out steps in order, on what stood before, and lists them if `lists`. A table whose
/// essential step fails is skipped from there on.
pub(super) async fn carry_out(
    helper: &mut Helper,
    steps: Vec<Step>,
    before: &Actual,
    lists: bool,
) -> Result<Outcome, HelperError> {
    let mut outcome = Outcome::default();
    for step in steps {
        if outcome.broken.contains(&step.key) {
            continue;
        }
        let reply = helper.call(&step.request).await?;
        let singles = Failure::of(reply).and_then(|_| one_by_one(&step.request));
        let Some(singles) = singles else {
            outcome.record(&step, reply, before, lists);
            continue;
        };
        // Refused whole, for the sake of one perhaps: alone it is found and named.
        for request in singles {
            let single = Step { request, ..step.clone() };
            let reply = helper.call(&single.request).await?;
            outcome.record(&single, reply, before, lists);
            if outcome.broken.contains(&step.key) {
                break;
            }
        }
    }
    Ok(outcome)
}

/// A request for several addresses as one for each of them; `None` for any other.
fn one_by_one(request: &Request) -> Option<Vec<Request>> {
    let Request::AddRules { ifindex, addresses } = request else { return None };
    let single = |address: IpAddr| Request::AddRules { ifindex: *ifindex, addresses: address.into() };
    let singles: Vec<Request> = addresses.iter().map(single).collect();
    (singles.len() > 1).then_some(singles)
}

/// The rules that a request put in, if it is one that does, where it found these.
pub(super) fn new_rules<'a>(
    key: TableKey,
    request: &'a Request,
    before: &'a Actual,
) -> Box<dyn Iterator<Item = (Selector, IpAddr)> + 'a> {
    let stood = move |rule: &(Selector, IpAddr)| {
        before.tables.get(&key).is_some_and(|table| table.rules.contains(rule))
    };
    match request {
        Request::AddRule { selector, address, .. } => Box::new([(*selector, *address)].into_iter()),
        Request::AddRules { addresses, .. } => {
            let both = |address| [(Selector::From, address), (Selector::To, address)];
            Box::new(addresses.iter().flat_map(both).filter(move |rule| !stood(rule)))
        }
        _ => Box::new([].into_iter()),
    }
}

impl Outcome {
    fn record(&mut self, step: &Step, reply: Reply, before: &Actual, lists: bool) {
        if lists && !matches!(reply, Reply::Exists | Reply::Absent) {
            self.steps.push((step.key, step.request.clone(), reply));
        }
        if let Some(failure) = Failure::of(reply) {
            self.failed.entry((step.key, failure)).or_insert_with(|| step.request.clone());
            if step.essential {
                self.broken.insert(step.key);
            }
        } else if reply == Reply::Ok {
            let objects = new_rules(step.key, &step.request, before).count().max(1);
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
    match request {
        Request::AddRule { selector, address, .. } => format!("rule {selector} {address}"),
        Request::AddRules { addresses, .. } => format!("rules of {addresses:?}"),
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
