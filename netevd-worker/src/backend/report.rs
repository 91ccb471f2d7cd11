//! What a manager told, as plain values. The words of a manager are closed lists: what is not on
//! them is logged by the backend and told as unknown, so that no string from a bus selects
//! anything.

use crate::model::ManagerFacts;
use crate::model::{Backend, EventKind, LinkLeases};
use protocol::{Ifindex, InterfaceName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One thing told. A backend sends them in the order in which they happened.
#[derive(Clone, Debug)]
pub enum Report {
    /// A link's state or values.
    Link(LinkReport),
    /// The host's state.
    Host(HostReport),
    /// Lease files are being written; what they say follows within milliseconds
    /// ([`Report::Leases`]). Until then no link counts as newly routable.
    LeasesPending,
    /// Every interface that has an unexpired lease now, whole: who is not in it has none.
    Leases(BTreeMap<InterfaceName, LinkLeases>),
    /// `auto` has decided, or decided again, for this backend.
    Chosen(Backend),
    /// What there was at the beginning has been told; from now on changes follow. Once after each
    /// connection to the manager.
    Synced,
    /// The manager is not there (any more); the reason is for people. The kernel's view counts
    /// until the next [`Report::Synced`].
    Absent(String),
}

/// A word of a manager's own list, and the event that reaching it is, if it is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateName {
    /// `STATE`, as the manager spells it, in lower case with dashes.
    pub name: &'static str,
    /// Which directory runs; NetworkManager's `unknown`, for example, has none.
    pub event: Option<EventKind>,
}

/// A link as its manager sees it. `None` leaves what was told before.
#[derive(Clone, Debug)]
pub struct LinkReport {
    /// Which link.
    pub ifindex: Ifindex,
    /// How far packets get: networkd's OperationalState. Other managers have none, and the
    /// kernel's view is told.
    pub operational: Option<StateName>,
    /// How far setting up got: networkd's AdministrativeState, NetworkManager's device state.
    pub administrative: Option<StateName>,
    /// Why, where the manager says so: NetworkManager's reason.
    pub reason: Option<&'static str>,
    /// Everything else that is known of the link by now.
    pub facts: Option<Arc<ManagerFacts>>,
    /// The manager is starting: it may be on the way back to where the link was before.
    pub provisional: bool,
}

impl LinkReport {
    /// A report that says nothing yet.
    pub const fn new(ifindex: Ifindex) -> Self {
        Self {
            ifindex,
            operational: None,
            administrative: None,
            reason: None,
            facts: None,
            provisional: false,
        }
    }
}

/// The host as its manager sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostReport {
    /// `STATE` of `manager.d`.
    pub state: &'static str,
    /// NetworkManager's connectivity: unknown, none, portal, limited, full. For networkd its
    /// OnlineState: offline, partial, online. Told where known.
    pub connectivity: Option<&'static str>,
}
