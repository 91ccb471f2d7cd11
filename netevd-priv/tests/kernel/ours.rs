//! What netevd's own rules and routes look like in the kernel, whole: written by hand from the
//! description, for comparison with what is there.

use crate::objects::{Route, Rule, UNICAST, UNREACHABLE, Way};
use protocol::{Family, PROTOCOL, Prefix, Selector};
use std::net::IpAddr;

/// An object that carries our protocol number, with all that makes it one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ours {
    Rule(Rule),
    Route(Route),
}

impl Ours {
    /// `from A lookup T` or `to A lookup T` at this priority, and nothing more.
    pub(crate) fn rule(priority: u32, selector: Selector, address: IpAddr, table: u32) -> Self {
        let (from, to) = match selector {
            Selector::From => (Some(Prefix::host(address)), None),
            Selector::To => (None, Some(Prefix::host(address))),
        };
        let ipv4 = address.is_ipv4();
        Self::Rule(Rule { ipv4, priority, from, to, table, protocol: PROTOCOL, more: false })
    }

    /// A unicast route of the family's own metric and the way's scope, and nothing more.
    pub(crate) fn route(table: u32, destination: Prefix, way: Way) -> Self {
        let ipv4 = destination.is_ipv4();
        Self::Route(Route {
            table,
            destination,
            metric: if ipv4 { 0 } else { 1024 },
            protocol: PROTOCOL,
            kind: UNICAST,
            ways: vec![way],
            scope: if ipv4 && way.1.is_none() { 253 } else { 0 },
            onlink: false,
            source: false,
            special: false,
        })
    }

    /// `unreachable default metric 4294967295`
    pub(crate) fn fallback(table: u32, family: Family) -> Self {
        let Self::Route(route) = Self::route(table, everything(family), (0, None)) else { unreachable!() };
        Self::Route(Route { metric: u32::MAX, kind: UNREACHABLE, scope: 0, ways: Vec::new(), ..route })
    }
}

/// The destination of a default route.
pub(crate) fn everything(family: Family) -> Prefix {
    let text = if family == Family::V4 { "0.0.0.0/0" } else { "::/0" };
    text.parse().expect("a prefix")
}
