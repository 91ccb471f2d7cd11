//! Events, and the runs and demands that came of them.

use super::AddressDocument;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `GET /api/v1/events`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Events {
    /// In the order of their numbers. Without `since` the newest, with it the oldest after it.
    pub events: Vec<EventDocument>,
    /// How many are listed.
    pub count: u64,
    /// More of the remembered events match.
    pub has_more: bool,
}

/// An event, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventDocument {
    /// Its number, rising in one life of the worker.
    pub id: u64,
    /// When the worker read it.
    pub timestamp: String,
    /// Its kind: `routable`, `address-added` …
    pub event_type: String,
    /// Its link; null for the host.
    pub interface: Option<String>,
    /// What became of it: `waiting`, `running`, `done` (something ran), `none` (nothing waits for such
    /// an event), `coalesced` (another event's run stands for it), `ignored` (by a filter), `lost`
    /// (its queue was full).
    pub action: String,
    /// What belongs to it.
    pub details: EventDetails,
    /// The scripts that ran or run for it, in order.
    pub scripts: Vec<ScriptRun>,
    /// The systemd units that were asked for.
    pub units: Vec<UnitRun>,
}

/// What belongs to one event. The first five are always there; the others only where the kind has
/// them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EventDetails {
    /// `STATE`
    pub state: String,
    /// The state before.
    pub old_state: Option<String>,
    /// It replays what was there before the daemon.
    pub startup: bool,
    /// `BACKEND` at that time.
    pub backend: String,
    /// Events, or changes of routes, that it stands for beside itself.
    pub skipped: u64,
    /// Of a coalesced event: the one that stands for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coalesced_into: Option<u64>,
    /// The filters that had a say, by their place in the configuration, from 1.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<u32>,
    /// `address-added`, `address-removed`, `address-changed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressDocument>,
    /// `routes`: the first changes, oldest first, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteChangeDocument>,
    /// `routes`: how many changes there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_changes: Option<u64>,
    /// `gateway`: before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<GatewayChangeDocument>,
    /// `mtu`: before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<MtuDocument>,
    /// NetworkManager's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `manager`: the manager's word for how far the host gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<String>,
    /// `lease`, and `routable` under dhclient: a lease was gained, changed or lost.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lease: bool,
}

/// A change of the MTU, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MtuDocument {
    /// Before.
    pub old: u32,
    /// After.
    pub new: u32,
}

/// A change of a family's gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayChangeDocument {
    /// `added`, `removed`, `changed`.
    pub action: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// Before; null without one, and for a default route straight out (point to point).
    pub old: Option<IpAddr>,
    /// After; null as above.
    pub new: Option<IpAddr>,
}

/// One change of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteChangeDocument {
    /// `added`, `removed`, `changed`.
    pub action: String,
    /// `default`, or a prefix.
    pub destination: String,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// First or only gateway.
    pub gateway: Option<IpAddr>,
    /// As in [`super::RouteDocument`].
    pub table: String,
    /// 0 when it has none.
    pub metric: u32,
    /// As in [`super::RouteDocument`].
    pub protocol: String,
    /// As in [`super::RouteDocument`].
    pub scope: String,
    /// As in [`super::RouteDocument`].
    #[serde(rename = "type")]
    pub kind: String,
}

/// One run of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScriptRun {
    /// Its path.
    pub script: String,
    /// `running`, `success`, `failure` (a status other than 0, or a signal), `timeout`, `not-started`,
    /// `dry-run` (it would have run).
    pub result: String,
    /// Its exit status.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// When it was started.
    pub started_at: String,
    /// How long it ran; null while it does.
    pub duration_seconds: Option<f64>,
    /// Why it did not start.
    pub error: Option<String>,
}

/// One demand to systemd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitRun {
    /// The unit.
    pub unit: String,
    /// `start`, `stop`, `restart`, `reload`.
    pub verb: String,
    /// `asked`, `success` (systemd took the job), `failure`, `dry-run`.
    pub result: String,
    /// Why not.
    pub error: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
