//! Links, and all about one of them.

use super::{EventDocument, RouteDocument, RuleDocument};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `GET /api/v1/interfaces`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Interfaces {
    /// By ifindex.
    pub interfaces: Vec<InterfaceDocument>,
    /// How many.
    pub count: u64,
}

/// A link in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InterfaceDocument {
    /// Its name.
    pub name: String,
    /// Its ifindex.
    pub index: u32,
    /// How far packets get: `routable`, `no-carrier` …
    pub state: String,
    /// How far setting up got, in the manager's words; null without one.
    pub administrative_state: Option<String>,
    /// The kernel's operational state, as ip(8) has it in lower case: `up`, `down` …
    pub operstate: String,
    /// `veth`, `bridge` …; for plain links the link layer: `ether`, `loopback`, `none`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Hardware address; null without one.
    pub mac_address: Option<String>,
    /// Bytes.
    pub mtu: u32,
    /// In the order in which they would be chosen as a source.
    pub addresses: Vec<AddressDocument>,
    /// `UP`, `LOWER_UP` …
    pub flags: Vec<String>,
    /// Its events run scripts.
    pub monitored: bool,
    /// It is under policy routing.
    pub managed: bool,
    /// Counters, read from the kernel now; null unless they were asked for (`?statistics=true`; for
    /// a single interface always).
    pub statistics: Option<StatisticsDocument>,
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressDocument {
    /// The address.
    pub ip: IpAddr,
    /// Length of its prefix in bits.
    pub prefix: u8,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// `global`, `link`, `host`.
    pub scope: String,
    /// `permanent`, `tentative`, `deprecated` … as for scripts.
    pub flags: Vec<String>,
    /// The far end of a point-to-point address; left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
}

/// Counters since the link was made (`rtnl_link_stats64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named as in the kernel's header")]
pub struct StatisticsDocument {
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub multicast: u64,
    pub collisions: u64,
}

/// `GET /api/v1/interfaces/{name}`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterfaceDetail {
    /// What the list has too.
    #[serde(flatten)]
    pub interface: InterfaceDocument,
    /// Routes through this link, of every table, read from the kernel now.
    pub routes: Vec<RouteDocument>,
    /// Rules of ours for it, read from the kernel now.
    pub rules: Vec<RuleDocument>,
    /// What keeps its routing from being as it should, each with what to do about it.
    #[serde(default)]
    pub problems: Vec<String>,
    /// Its table, where it is under policy routing.
    pub table: Option<u32>,
    /// Its gateways, one for each family that has one.
    pub gateways: Vec<GatewayDocument>,
    /// Name servers, from the manager or a lease.
    pub dns_servers: Vec<IpAddr>,
    /// Search domains, from the manager or a lease.
    pub domains: Vec<String>,
    /// The link above it (bridge, bond), by name.
    pub controller: Option<String>,
    /// Its events that wait or run.
    pub queue: QueueDocument,
    /// Its newest events, newest last, at most ten, with what ran for them.
    pub events: Vec<EventDocument>,
}

/// A link's gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayDocument {
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Its address; null for a default route straight out (point to point).
    pub address: Option<IpAddr>,
    /// Where it came from: `configuration` (routing.gateways), `kernel` (a default route of main), `table` (one of
    /// another table, to which a rule of another program leads), `manager`, `lease`, `neighbour` (the only next hop
    /// towards its own subnets), `point-to-point` (it needs none).
    pub source: String,
    /// With `table`: which.
    pub table: Option<u32>,
}

/// A link's queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueDocument {
    /// Events that wait.
    pub waiting: u64,
    /// The event whose scripts run.
    pub event: Option<u64>,
    /// The script that runs.
    pub script: Option<String>,
}
