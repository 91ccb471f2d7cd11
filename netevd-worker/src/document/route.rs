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
    /// Source prefix that it is for (`from`). This and what follows is left out where the route has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// TOS that it is for, such as `0x10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<String>,
    /// The nexthop object that it is made of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_id: Option<u32>,
    /// `dead`, `onlink`, `linkdown` … of the route, or of its one way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
    /// `mtu`, `advmss`, `initcwnd`, `hoplimit` …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricDocument>,
    /// Of a router advertisement: `low`, `medium`, `high`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preference: Option<String>,
    /// Seconds until it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_seconds: Option<i32>,
    /// `3/4`, or the destination's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realms: Option<String>,
    /// What packets are wrapped in: `mpls`, `ip`, `seg6` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encapsulation: Option<String>,
    /// MPLS: whether the TTL is carried over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_propagate: Option<bool>,
}

/// One of a route's metrics for TCP and IP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MetricDocument {
    /// As ip-route(8) names it.
    pub name: String,
    /// As ip-route(8) writes it.
    pub value: String,
    /// The kernel does not change it by itself (`mtu lock`).
    pub locked: bool,
}

/// One way of a multipath route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHopDocument {
    /// Next hop.
    pub gateway: Option<IpAddr>,
    /// Outgoing link.
    pub interface: Option<String>,
    /// Its share.
    #[serde(default)]
    pub weight: u16,
    /// `dead`, `onlink`, `linkdown` …
    #[serde(default)]
    pub flags: Vec<String>,
    /// As of a route; left out where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realms: Option<String>,
    /// As of a route; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encapsulation: Option<String>,
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
    /// The whole rule in the words of ip-rule(8), without priority and protocol.
    #[serde(default)]
    pub text: String,
    /// It holds for all that its selectors do not match. This and what follows is left out where the
    /// rule has none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// `0x1`, or `0x1/0xff` with a mask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fwmark: Option<String>,
    /// Incoming link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<String>,
    /// Outgoing link that a socket is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<String>,
    /// Users, as `0-99`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_range: Option<String>,
    /// `tcp`, `udp` …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_protocol: Option<String>,
    /// `80`, or `80-90`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<String>,
    /// `80`, or `80-90`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<String>,
    /// Such as `0x10`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos: Option<String>,
    /// `tun_id`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel_id: Option<u64>,
    /// The table of the VRF that the packet is in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub l3mdev: bool,
    /// What the table has of this length or less does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_prefix_length: Option<u32>,
    /// What leaves through a link of this group does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress_group: Option<u32>,
    /// `3/4`, or the destination's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realms: Option<String>,
    /// Of `goto` the priority to go on with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goto: Option<u32>,
    /// `iif-detached`, `oif-detached`: there is no such link; `unresolved`: no rule for the `goto`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}
