//! What happened, as one closed enumeration; each member's directory name is compiled in.
//!
//! No string from outside ever becomes part of a path: whoever names a state (the kernel, a
//! manager, a bus client) selects a member here or nothing.

use crate::model::{Address, DefaultNextHop, LinkFacts, LinkLeases, ManagerFacts, Resolver};
use protocol::{Family, Prefix};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// One incarnation of a link. An ifindex can be reused and a name given twice; this cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

impl LinkId {
    /// Events of the host as a whole: manager, and routes without a device.
    pub const HOST: LinkId = LinkId(0);
}

/// Number of an event, rising from 1 in the life of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How events of a kind behave in a queue that is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A link's state: what a newer state contradicts is skipped and counted.
    State,
    /// A value (MTU, the host's state): the newest replaces an older one, which is counted.
    Value,
    /// A happening of its own: never dropped.
    Edge,
    /// Route changes: gathered into one run.
    Batch,
}

/// Which of a link's two states a state event is about. They change independently of each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Track {
    /// How far packets get: the kernel's view, or networkd's OperationalState.
    #[default]
    Operational,
    /// How far setting up got: networkd's AdministrativeState, NetworkManager's device state.
    Administrative,
}

macro_rules! kinds {
    ($($member:ident $name:literal $class:ident $doc:literal;)*) => {
        /// Every kind of event. [`EventKind::name`] is what scripts see in `EVENT`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum EventKind { $(#[doc = $doc] $member,)* }

        impl EventKind {
            /// All of them, in the order of the documentation.
            pub const ALL: &'static [EventKind] = &[$(EventKind::$member,)*];

            /// The name, as in `EVENT` and in filters.
            pub const fn name(self) -> &'static str {
                match self { $(EventKind::$member => $name,)* }
            }

            /// The directory beneath each script root.
            pub const fn directory(self) -> &'static str {
                match self { $(EventKind::$member => concat!($name, ".d"),)* }
            }

            /// How it behaves in a queue.
            pub const fn class(self) -> Class {
                match self { $(EventKind::$member => Class::$class,)* }
            }

            /// The kind of this name; nothing else selects a directory.
            pub fn from_name(name: &str) -> Option<EventKind> {
                match name { $($name => Some(EventKind::$member),)* _ => None }
            }
        }
    };
}

kinds! {
    Carrier "carrier" State "The link gained its carrier.";
    NoCarrier "no-carrier" State "The link lost its carrier, or is down.";
    Degraded "degraded" State "Partly configured: only link-local addresses, or the gateway was lost.";
    Configured "configured" State "The link is set up: its first usable global address.";
    Routable "routable" State "A global address and a default route of the same family through this link.";
    Gateway "gateway" Value "The gateway of a family through this link was gained, changed or lost.";
    Manager "manager" Value "The whole host: a manager's state of it, else online or offline.";
    Routes "routes" Batch "Routes were added, removed or changed.";
    AddressAdded "address-added" Edge "An address became usable, IPv6 after duplicate address detection.";
    AddressRemoved "address-removed" Edge "An address is gone.";
    LinkAdded "link-added" Edge "A link appeared, by creation, move or rename into the monitored set.";
    LinkRemoved "link-removed" Edge "A link is gone.";
    Mtu "mtu" Value "The link's MTU changed.";
    AddressChanged "address-changed" Edge "An address became deprecated, or preferred again.";
    Dns "dns" Value "Name servers, search domains or time servers of the link changed.";
    Lease "lease" Value "A DHCP lease of the link was gained, changed or lost.";
    Activated "activated" State "NetworkManager device state 100.";
    Disconnected "disconnected" State "NetworkManager device state 30.";
    Off "off" State "systemd-networkd: the link is powered down.";
    Dormant "dormant" State "systemd-networkd: carrier, but not yet ready for traffic.";
    DegradedCarrier "degraded-carrier" State "systemd-networkd: one of a bond's or bridge's ports has no carrier.";
    Enslaved "enslaved" State "systemd-networkd: the link is a port of a bond or bridge.";
    Configuring "configuring" State "systemd-networkd: being configured.";
    Failed "failed" State "systemd-networkd: configuration failed.";
    Unmanaged "unmanaged" State "The manager leaves this link alone.";
    Linger "linger" State "systemd-networkd: the link is gone, its configuration not yet.";
    Pending "pending" State "systemd-networkd: the link is new, and udev has not spoken of it.";
    Initialized "initialized" State "systemd-networkd: udev is done with the link, its configuration has not begun.";
    Missing "missing" State "systemd-networkd: how far packets get is not known.";
    Unavailable "unavailable" State "NetworkManager device state 20.";
    Prepare "prepare" State "NetworkManager device state 40.";
    Config "config" State "NetworkManager device state 50.";
    NeedAuth "need-auth" State "NetworkManager device state 60.";
    IpConfig "ip-config" State "NetworkManager device state 70.";
    IpCheck "ip-check" State "NetworkManager device state 80.";
    Secondaries "secondaries" State "NetworkManager device state 90.";
    Deactivating "deactivating" State "NetworkManager device state 110.";
}

impl EventKind {
    /// True when every backend reports this kind of event; name servers and leases where a manager or a lease
    /// file names them.
    pub const fn from_kernel(self) -> bool {
        // The members before Activated, in the order of the table above.
        (self as u8) < (EventKind::Activated as u8)
    }

    /// True when this kind of event is told by systemd-networkd.
    pub const fn from_networkd(self) -> bool {
        use EventKind::{Configuring, DegradedCarrier, Dormant, Enslaved, Failed, Initialized};
        use EventKind::{Linger, Missing, Off, Pending, Unmanaged};
        self.from_kernel()
            || matches!(
                self,
                Off | Dormant
                    | DegradedCarrier
                    | Enslaved
                    | Configuring
                    | Failed
                    | Unmanaged
                    | Linger
                    | Pending
                    | Initialized
                    | Missing
            )
    }

    /// True when this kind of event is told by NetworkManager.
    pub const fn from_networkmanager(self) -> bool {
        use EventKind::{Failed, Unmanaged};
        !self.from_networkd() || self.from_kernel() || matches!(self, Failed | Unmanaged)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a route or an address, as scripts see it in `ACTION`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// New.
    Added,
    /// Gone.
    Removed,
    /// Replaced in place (`NLM_F_REPLACE`).
    Changed,
}

impl Action {
    /// `added`, `removed`, `changed`.
    pub const fn name(self) -> &'static str {
        match self {
            Action::Added => "added",
            Action::Removed => "removed",
            Action::Changed => "changed",
        }
    }
}

/// One change of a route, as `ip monitor route` would show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteChange {
    /// What became of it.
    pub action: Action,
    /// Destination; length 0 is a default route.
    pub destination: Prefix,
    /// First or only gateway.
    pub gateway: Option<IpAddr>,
    /// `RTA_TABLE`.
    pub table: u32,
    /// `RTA_PRIORITY`; 0 when none was given.
    pub metric: u32,
    /// `rtm_protocol`, a number of /etc/iproute2/rt_protos.
    pub protocol: u8,
    /// `rtm_scope`.
    pub scope: u8,
    /// `rtm_type`, 1 is unicast.
    pub route_type: u8,
}

impl RouteChange {
    /// The route's family.
    pub fn family(&self) -> Family {
        Family::of(self.destination.address())
    }
}

/// A family's gateway through a link, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatewayChange {
    /// Of this family.
    pub family: Family,
    /// Before; `None` when there was none.
    pub old: Option<DefaultNextHop>,
    /// Now; `None` when it was lost.
    pub new: Option<DefaultNextHop>,
}

impl GatewayChange {
    /// Gained, lost, or another.
    pub fn action(&self) -> Action {
        match (self.old, self.new) {
            (None, Some(_)) => Action::Added,
            (_, None) => Action::Removed,
            (Some(_), Some(_)) => Action::Changed,
        }
    }
}

/// What belongs to one event alone; the link's values beside it are in [`EventValues`].
#[derive(Clone, Debug, PartialEq)]
pub enum Detail {
    /// Nothing beyond the kind.
    None,
    /// `address-added`, `address-removed`.
    Address(Address),
    /// `routes`: one change or more, oldest first.
    Routes(Vec<RouteChange>),
    /// `gateway`: of one family.
    Gateway(GatewayChange),
    /// `mtu`: the value before, in bytes.
    Mtu {
        /// MTU before the change.
        old: u32,
        /// MTU now.
        new: u32,
    },
    /// A state of NetworkManager's: why it was reached.
    Device {
        /// The reason, in libnm's words.
        reason: &'static str,
    },
    /// `dns`: what the link had before.
    Dns {
        /// Before the change.
        old: Box<Resolver>,
    },
    /// `lease`, and `routable` under dhclient for a lease that was gained or changed.
    Lease {
        /// What the link had before.
        old: Box<LinkLeases>,
    },
    /// `manager` under a manager that knows how far the host gets.
    Host {
        /// NetworkManager's connectivity, networkd's OnlineState.
        connectivity: &'static str,
    },
}

/// The link's values when an event happened. A script may run much later, and the link may have another
/// connection by then.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum EventValues {
    /// Nothing is kept: events of the host, and changes of routes, which are gathered until they run.
    #[default]
    Present,
    /// What may come in thousands (addresses) keeps only what does not grow with the link.
    Brief(Box<Brief>),
    /// All values.
    Whole(Arc<LinkFacts>),
}

/// The values that every event of a link keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Brief {
    /// How far setting up got, in the manager's words.
    pub administrative: Option<&'static str>,
    /// What else the manager knew, the connection among it.
    pub manager: Option<Arc<ManagerFacts>>,
    /// The leases.
    pub leases: LinkLeases,
}

/// One event, on its way to scripts.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number.
    pub id: EventId,
    /// What it is.
    pub kind: EventKind,
    /// Of a state event: which state.
    pub track: Track,
    /// Which link, or [`LinkId::HOST`].
    pub link: LinkId,
    /// `STATE`: the state that this event reached; for other kinds the link's or host's current one.
    pub state: &'static str,
    /// The state before, for state events and `manager`, where there was one.
    pub old_state: Option<&'static str>,
    /// True when it replays what was there before the daemon.
    pub startup: bool,
    /// When the worker read it.
    pub time: SystemTime,
    /// What belongs to it alone.
    pub detail: Detail,
    /// The link's values when it happened.
    pub then: EventValues,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_plain_names() {
        for kind in EventKind::ALL {
            let directory = kind.directory();
            assert!(
                directory.bytes().all(|b| b.is_ascii_lowercase() || b == b'-' || b == b'.'),
                "{directory}"
            );
            assert_eq!(directory.strip_suffix(".d"), Some(kind.name()));
            assert_eq!(EventKind::from_name(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn a_hostile_state_selects_nothing() {
        for name in ["../../evil", "routable/..", "routable.d", "", "Routable", "routable\0"] {
            assert_eq!(EventKind::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn the_kernel_tells_the_first_sixteen() {
        let told: Vec<_> = EventKind::ALL.iter().filter(|k| k.from_kernel()).map(|k| k.name()).collect();
        assert_eq!(told.len(), 16);
        assert!(told.contains(&"mtu") && !told.contains(&"activated") && !told.contains(&"off"));
    }

    #[test]
    fn each_manager_tells_its_own() {
        let count = |told: fn(EventKind) -> bool| EventKind::ALL.iter().filter(|k| told(**k)).count();
        assert_eq!(count(EventKind::from_networkd), 16 + 11);
        assert_eq!(count(EventKind::from_networkmanager), 16 + 12);
        assert!(EventKind::ALL.iter().all(|k| k.from_networkd() || k.from_networkmanager()));
    }
}
