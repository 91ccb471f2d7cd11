//! What the helper answers.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One frame from the helper, exactly one for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Done.
    Ok,
    /// It was there already, and ours.
    Exists,
    /// There was nothing of ours to delete.
    Absent,
    /// The policy or the kernel's state forbids it; nothing was changed.
    Refused(Refusal),
    /// The kernel answered this errno, a positive number.
    Kernel(i32),
    /// The write budget is used up; ask again in a tenth of a second.
    Busy,
}

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// `Hello` named another protocol version.
    Version,
    /// No interface has this index.
    NoInterface,
    /// None of the interface's names matches a pattern of the policy, or one is excluded.
    NotListed,
    /// The loopback interface.
    Loopback,
    /// The interface is enslaved to a bridge, bond, team or VRF.
    Enslaved,
    /// The address is not on that interface.
    AddressAbsent,
    /// On it, but tentative, failed its duplicate check, not of global scope, or of a range that
    /// is never routed (0/8, 127/8, 169.254/16, 240/4, fe80::/10, multicast, IPv4-mapped).
    AddressUnusable,
    /// Another interface that is up has the address as well, and the policy does not share it.
    AddressShared,
    /// The policy names no mark for the interface.
    MarkUnknown,
    /// The families of the request do not agree.
    Family,
    /// The gateway is no unicast address.
    GatewayNotUnicast,
    /// The gateway is one of this host's own addresses.
    GatewayOwn,
    /// The gateway is not on-link on that interface.
    GatewayOffLink,
    /// Neither the kernel nor the policy knows this gateway for that interface.
    GatewayUnknown,
    /// A route without a gateway, on an interface that needs one.
    NotPointToPoint,
    /// The table that was named has no default through the interface.
    NoSuchRoute,
    /// A default through the interface cannot be copied whole, or the prefix is one that the request
    /// cannot name (length 0; to follow the default also a huge or a link-local one).
    RouteNotCopyable,
    /// The table that was named is `local`, or one of ours.
    TableForbidden,
    /// The table holds a route that is not ours.
    TableConflict,
    /// A rule that is not ours looks the table up, without asking for a mark.
    RuleConflict,
    /// One of the policy's limits is reached.
    Limit,
}

impl Refusal {
    /// Every reason, for tables and tests.
    pub const ALL: [Refusal; 21] = [
        Refusal::Version,
        Refusal::NoInterface,
        Refusal::NotListed,
        Refusal::Loopback,
        Refusal::Enslaved,
        Refusal::AddressAbsent,
        Refusal::AddressUnusable,
        Refusal::AddressShared,
        Refusal::MarkUnknown,
        Refusal::Family,
        Refusal::GatewayNotUnicast,
        Refusal::GatewayOwn,
        Refusal::GatewayOffLink,
        Refusal::GatewayUnknown,
        Refusal::NotPointToPoint,
        Refusal::NoSuchRoute,
        Refusal::RouteNotCopyable,
        Refusal::TableForbidden,
        Refusal::TableConflict,
        Refusal::RuleConflict,
        Refusal::Limit,
    ];
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Version => "another protocol version: worker and helper are of different builds",
            Refusal::NoInterface => "no such interface",
            Refusal::NotListed => "the interface is not in routing.policy_rules",
            Refusal::Loopback => "the loopback interface",
            Refusal::Enslaved => "the interface is enslaved",
            Refusal::AddressAbsent => "the address is not on that interface",
            Refusal::AddressUnusable => "the address is not usable as a source",
            Refusal::AddressShared => "another interface that is up has the address as well",
            Refusal::MarkUnknown => "routing.marks names no mark for the interface",
            Refusal::Family => "the address families do not agree",
            Refusal::GatewayNotUnicast => "the gateway is no unicast address",
            Refusal::GatewayOwn => "the gateway is one of this host's own addresses",
            Refusal::GatewayOffLink => "the gateway is not on-link on that interface",
            Refusal::GatewayUnknown => "no route and no policy names this gateway for that interface",
            Refusal::NotPointToPoint => "the interface needs a gateway",
            Refusal::NoSuchRoute => "the table has no default through that interface",
            Refusal::RouteNotCopyable => "the route is of a kind that is not copied",
            Refusal::TableForbidden => "no default is taken from this table",
            Refusal::TableConflict => "the table holds a route that is not netevd's",
            Refusal::RuleConflict => "a rule that is not netevd's looks the table up without a mark",
            Refusal::Limit => "a limit of the policy is reached",
        })
    }
}
