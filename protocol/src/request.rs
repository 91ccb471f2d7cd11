//! What the worker may ask of the helper.

use crate::{Addresses, Ifindex, Links, Prefixes, TableId};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;

/// Address family (`AF_INET`, `AF_INET6`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// Whose traffic is sent to an interface's table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rules {
    /// What these addresses send, and what is sent to them.
    Addresses(Addresses),
    /// What carries the mark that the policy names for the interface.
    Mark(Family),
}

/// What is looked up before the interface's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Through {
    /// Nothing: the table holds a copy of main.
    Table,
    /// main, without its defaults and the huge prefixes: the table holds few copies, because main
    /// has too many routes or the administrator wants it so.
    MainFirst,
}

/// Where an interface's default route points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NextHop {
    /// By this gateway, of the request's family.
    Gateway(IpAddr),
    /// Straight out of the interface, which needs no gateway (ppp, wg, tun).
    PointToPoint,
    /// As the defaults of this table by the interface, with their metrics and attributes.
    Table(TableId),
    /// There is none by the interface.
    Nothing,
}

/// One frame from the worker. The interface's own table, priority, protocol, metric, scope, hops,
/// attributes and action are not here: the helper derives them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields say what they are by name and type")]
pub enum Request {
    /// First, and once.
    Hello {
        /// The worker's [`crate::VERSION`].
        version: u16,
    },
    /// Makes our rules of these addresses, which are on the interface now, equal to what the policy
    /// says; the whole request is refused if one of them is, before the first is added.
    AddRules { ifindex: Ifindex, rules: Rules, through: Through },
    /// Deletes all our rules of these addresses, or of the mark; the interface may be gone.
    DelRules { ifindex: Ifindex, rules: Rules },
    /// Makes all our routes of length 0 in the interface's table equal to these defaults, main's own
    /// defaults without an interface, and the policy's fallback.
    SetDefault { ifindex: Ifindex, family: Family, next_hop: NextHop },
    /// Makes our routes of each of these prefixes equal to what main has for it, without hops by
    /// some interfaces.
    Copy { ifindex: Ifindex, except: Links, prefixes: Prefixes },
    /// Makes our routes of each of these prefixes, which main holds, one route that goes where the
    /// table's default goes.
    Follow { ifindex: Ifindex, prefixes: Prefixes },
    /// Deletes all our routes of exactly these prefixes; the interface may be gone.
    DelRoutes { ifindex: Ifindex, prefixes: Prefixes },
    /// From here to [`Request::SyncEnd`] the worker names its whole desired set.
    SyncBegin,
    /// Deletes what is ours and was not named since [`Request::SyncBegin`].
    SyncEnd,
}

impl Family {
    /// The family of an address.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Family::V4 } else { Family::V6 }
    }
}

impl Rules {
    /// The family of all of them.
    pub fn family(&self) -> Family {
        match self {
            Rules::Addresses(addresses) => addresses.family(),
            Rules::Mark(family) => *family,
        }
    }
}

impl NextHop {
    /// The gateway, if there is one.
    pub fn gateway(self) -> Option<IpAddr> {
        match self {
            NextHop::Gateway(gateway) => Some(gateway),
            NextHop::PointToPoint | NextHop::Table(_) | NextHop::Nothing => None,
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

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHop::Gateway(gateway) => write!(f, "via {gateway}"),
            NextHop::PointToPoint => f.write_str("point to point"),
            NextHop::Table(table) => write!(f, "as in table {table}"),
            NextHop::Nothing => f.write_str("none"),
        }
    }
}
