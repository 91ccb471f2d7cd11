//! Routes and rules of the kernel, ours marked.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `GET /api/v1/routes`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Routes {
    /// In the kernel's order.
    pub routes: Vec<RouteDocument>,
    /// How many match, also those beyond the limit.
    pub count: u64,
    /// More match than are listed.
    pub has_more: bool,
}

/// A route, read from the kernel on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteDocument {
    /// `default`, or a prefix.
    pub destination: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `unicast`, `local`, `unreachable` …
    #[serde(rename = "type")]
    pub kind: String,
    /// The (first) next hop; null when on-link.
    pub gateway: Option<IpAddr>,
    /// The (first) outgoing link; null for unreachable and the like.
    pub interface: Option<String>,
    /// 0 when it has none.
    pub metric: u32,
    /// `main`, `local`, `default`, or the number.
    pub table: String,
    /// `kernel`, `dhcp`, `netevd` …
    pub protocol: String,
    /// `global`, `link`, `host`.
    pub scope: String,
    /// Source address that it prefers.
    pub source: Option<IpAddr>,
    /// Every way of a multipath route; empty for others.
    pub next_hops: Vec<NextHopDocument>,
    /// It is ours.
    pub managed: bool,
}

/// One way of a multipath route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHopDocument {
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Outgoing link.
    pub interface: Option<String>,
}

/// `GET /api/v1/rules`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rules {
    /// IPv4, then IPv6, each by priority.
    pub rules: Vec<RuleDocument>,
    /// How many.
    pub count: u64,
}

/// A policy rule, read from the kernel on request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleDocument {
    /// Its place in the order.
    pub priority: u32,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Source: `all`, an address, or a prefix.
    pub from: String,
    /// Destination: `all`, an address, or a prefix.
    pub to: String,
    /// The table that is looked up, as in routes; null for other actions.
    pub table: Option<String>,
    /// `lookup`, `goto`, `nop`, `blackhole`, `unreachable`, `prohibit`.
    pub action: String,
    /// Of a rule of ours the link that it stands for; of others the incoming link they are bound to
    /// (`iif`).
    pub interface: Option<String>,
    /// `kernel`, `netevd` …
    pub protocol: String,
    /// It is ours.
    pub managed: bool,
}
