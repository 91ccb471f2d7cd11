//! What the worker may ask of the helper.

use crate::{Addresses, Ifindex, Prefix};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Which of the two rules of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Selector {
    /// `from A lookup T`
    From,
    /// `to A lookup T`
    To,
}

/// Address family (`AF_INET`, `AF_INET6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// Where an interface's default route points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NextHop {
    /// By this gateway, of the request's family.
    Gateway(IpAddr),
    /// Straight out of the interface, which needs no gateway (ppp, wg, tun).
    PointToPoint,
}

/// Which route of an interface's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum RouteKind {
    /// The default route by the interface's gateway.
    Default,
    /// The connected subnet of one of the interface's addresses.
    Subnet(Prefix),
    /// A copy of main's route to a local network (docker0, pods, wg0).
    Local(Prefix),
    /// `unreachable default metric 4294967295`, with `fallback: unreachable`.
    Fallback,
}

/// One frame from the worker. Table, priority, protocol, metric, scope and action are not here:
/// the helper derives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are by name and type")]
pub enum Request {
    /// First, and once.
    Hello {
        /// The worker's [`crate::VERSION`].
        version: u16,
    },
    /// Adds the rule for an address (/32 or /128) that is on the interface now. With the policy's
    /// `fallback unreachable` the table's fallback route goes in first.
    AddRule { ifindex: Ifindex, selector: Selector, address: IpAddr },
    /// Adds both rules of each of these addresses, after one look at the kernel: the whole request is
    /// refused if one of them is, before the first is added.
    AddRules { ifindex: Ifindex, addresses: Addresses },
    /// Deletes our rule; the interface may be gone.
    DelRule { ifindex: Ifindex, selector: Selector, address: IpAddr },
    /// Adds the default route of the interface's table, or replaces our own atomically.
    SetDefault { ifindex: Ifindex, family: Family, next_hop: NextHop },
    /// Adds the connected subnet of this address; the prefix is read from the kernel.
    AddSubnet { ifindex: Ifindex, address: IpAddr },
    /// Copies main's route for exactly this prefix.
    AddLocal { ifindex: Ifindex, destination: Prefix },
    /// Deletes one of our routes; the interface may be gone.
    DelRoute { ifindex: Ifindex, family: Family, route: RouteKind },
    /// Deletes everything of ours in that interface's table, and our rules that point there.
    Purge { ifindex: Ifindex },
    /// From here to [`Request::SyncEnd`] the worker names its whole desired set.
    SyncBegin,
    /// Deletes what is ours and was not named since [`Request::SyncBegin`].
    SyncEnd,
    /// Nothing but a sign of life.
    Ping,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl NextHop {
    /// The gateway, if there is one.
    pub fn gateway(self) -> Option<IpAddr> {
        match self {
            NextHop::Gateway(gateway) => Some(gateway),
            NextHop::PointToPoint => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::V4 => "ipv4",
            Family::V6 => "ipv6",
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Selector::From => "from",
            Selector::To => "to",
        })
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHop::Gateway(gateway) => write!(f, "via {gateway}"),
            NextHop::PointToPoint => f.write_str("point to point"),
        }
    }
}
