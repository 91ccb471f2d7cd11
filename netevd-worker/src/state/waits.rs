//! What the telling of a link's states waits for. The kernel and a manager speak of the same change by two
//! ways, and which of them arrives first says nothing about what happened first. Each wait has an end.

use super::{Changes, State};
use crate::model::EventKind;
use protocol::Ifindex;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The reason of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A new link waits for networkd's first word of it.
    FirstWord,
    /// networkd's first word came late: the kernel's view counts until networkd has caught up with it.
    Agreement,
    /// A link under NetworkManager gained an address: its word of what led there is on its way.
    Cause,
    /// NetworkManager restarts, and takes its devices over step by step.
    Settled,
}

impl Wait {
    /// How long at most.
    const fn patience(self) -> Duration {
        match self {
            Wait::FirstWord => Duration::from_secs(3),
            Wait::Agreement => Duration::from_secs(1),
            Wait::Cause => Duration::from_millis(500),
            Wait::Settled => Duration::from_secs(10),
        }
    }
}

/// The links that wait, one reason at a time.
#[derive(Debug, Default)]
pub(super) struct Waits(BTreeMap<Ifindex, (Wait, Instant)>);

impl Waits {
    pub(super) fn of(&self, ifindex: Ifindex) -> Option<Wait> {
        self.0.get(&ifindex).map(|(wait, _)| *wait)
    }

    /// Begins a wait; one for the same reason goes on as it is.
    pub(super) fn begin(&mut self, ifindex: Ifindex, wait: Wait) {
        if self.of(ifindex) != Some(wait) {
            self.0.insert(ifindex, (wait, Instant::now() + wait.patience()));
        }
    }

    pub(super) fn end(&mut self, ifindex: Ifindex) {
        self.0.remove(&ifindex);
    }
}

impl State {
    /// When the first wait ends; `None` when nothing waits.
    pub fn waits_until(&self) -> Option<Instant> {
        self.waits.0.values().map(|(_, until)| *until).min()
    }

    /// Tells what has waited long enough by now.
    pub fn release_waits(&mut self, now: Instant, changes: &mut Changes) {
        let over = self.waits.0.iter().filter(|(_, (_, until))| *until <= now);
        let over: Vec<(Ifindex, Wait)> = over.map(|(ifindex, (wait, _))| (*ifindex, *wait)).collect();
        self.release(over, changes);
    }

    /// The manager that was waited for is gone.
    pub(super) fn release_all_waits(&mut self, changes: &mut Changes) {
        let all = self.waits.0.iter().map(|(ifindex, (wait, _))| (*ifindex, *wait)).collect();
        self.release(all, changes);
    }

    fn release(&mut self, links: Vec<(Ifindex, Wait)>, changes: &mut Changes) {
        for (ifindex, wait) in links {
            self.waits.end(ifindex);
            if let Some(link) = self.links.get_mut(&ifindex) {
                link.managed.is_late |= wait == Wait::FirstWord;
            }
            self.released = Some(ifindex);
            self.evaluate(ifindex, changes);
            self.released = None;
        }
        self.evaluate_host(changes);
    }
}

/// What ends a connection.
pub(super) const fn is_end(kind: EventKind) -> bool {
    use EventKind as E;
    matches!(kind, E::Deactivating | E::Disconnected | E::Failed | E::Unavailable | E::Unmanaged)
}

/// States of NetworkManager in which a device has a connection, or has just lost one: only from there is
/// `disconnected` an end.
pub(super) fn has_connection(state: &str) -> bool {
    use EventKind as E;
    let on_the_way = [E::Prepare, E::Config, E::NeedAuth, E::IpConfig, E::IpCheck, E::Secondaries];
    let others = [E::Activated, E::Deactivating, E::Failed];
    on_the_way.iter().chain(&others).any(|kind| kind.name() == state)
}

/// States of NetworkManager in which a kernel's news of an address may be of a connection that it has not
/// spoken of yet.
pub(super) fn may_be_overtaken(state: &str) -> bool {
    use EventKind as E;
    let states = [E::Activated, E::Deactivating, E::Failed, E::Disconnected, E::Unavailable];
    states.iter().any(|kind| kind.name() == state)
}
