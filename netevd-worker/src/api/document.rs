//! Every document of the API, as it stands on the wire. Times are RFC 3339 in UTC with milliseconds;
//! names of scopes, tables and protocols are those that ip(8) prints. A field that is not known is
//! null, and no field is left out but where that is said.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// `GET /api/v1/status`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Status {
    /// `ok`, or `degraded` when `problems` has something to say.
    pub status: String,
    /// What is wrong, each with what to do about it.
    pub problems: Vec<String>,
    /// Version of the worker.
    pub version: String,
    /// This life of the worker, as in the ids of the stream.
    pub instance: String,
    /// When it started.
    pub started_at: String,
    /// Seconds since.
    pub uptime_seconds: f64,
    /// `systemd-networkd`, `NetworkManager`, `dhclient` or `kernel`.
    pub backend: String,
    /// `connected`, `waiting`, or `none` where the kernel alone tells.
    pub backend_state: String,
    /// The host as a whole: `online`, or the manager's word.
    pub host: String,
    /// Links whose events run scripts.
    pub interfaces_monitored: u64,
    /// All links.
    pub interfaces_total: u64,
    /// Events since the start, also those that nothing waited for.
    pub events_processed: u64,
    /// Scripts that ran since the start.
    pub scripts_executed: u64,
    /// Of these, and of those that could not start: what did not end well.
    pub scripts_failed: u64,
    /// Scripts that run now.
    pub scripts_running: u64,
    /// Events that wait for their turn.
    pub events_waiting: u64,
    /// Rules of ours in the kernel.
    pub rules_managed: u64,
    /// Routes of ours in the kernel.
    pub routes_managed: u64,
    /// The newest event.
    pub last_event: Option<LastEvent>,
    /// The helper.
    pub helper: HelperStatus,
    /// Nothing is run or changed; what would be is logged.
    pub dry_run: bool,
    /// The configuration in force.
    pub config: ConfigStatus,
    /// Where the API listens.
    pub listeners: Vec<Listener>,
}

/// The newest event, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastEvent {
    /// Its number.
    pub id: u64,
    /// When.
    pub timestamp: String,
    /// Its kind.
    pub event_type: String,
    /// Its link; null for the host.
    pub interface: Option<String>,
}

/// The helper, as the worker sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelperStatus {
    /// `connected`, `waiting` (for the next one), `none` (started without, or a dry run).
    pub state: String,
    /// What it refused lately, or what else keeps routing from being as it should.
    pub complaints: Vec<String>,
}

/// The configuration in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// The files it was read from, in order.
    pub files: Vec<String>,
    /// When it was read.
    pub loaded_at: String,
    /// Whether the last reload was taken.
    pub last_reload_successful: bool,
    /// What it was refused for.
    pub last_error: Option<String>,
}

/// One listening socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// `unix:/run/netevd/api.sock`, `http://127.0.0.1:9090`.
    pub address: String,
    /// `listening` or `failed`.
    pub state: String,
    /// Why it failed, and what to do.
    pub error: Option<String>,
}

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
    /// Routes by this link, of every table, read from the kernel now.
    pub routes: Vec<RouteDocument>,
    /// Rules of ours for it, read from the kernel now.
    pub rules: Vec<RuleDocument>,
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
    /// Where it came from: `configuration` (routing.gateways), `kernel` (a default route), `manager`,
    /// `lease`.
    pub source: String,
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
    /// `address-added`, `address-removed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<AddressDocument>,
    /// `routes`: the first changes, oldest first, at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteChangeDocument>,
    /// `routes`: how many changes there are in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_changes: Option<u64>,
    /// `mtu`: before and after.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<MtuDocument>,
    /// NetworkManager's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// `manager`: the manager's word for how far the host gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connectivity: Option<String>,
    /// `routable` under dhclient: a lease was gained or changed.
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
    /// As in [`RouteDocument`].
    pub table: String,
    /// 0 when it has none.
    pub metric: u32,
    /// As in [`RouteDocument`].
    pub protocol: String,
    /// As in [`RouteDocument`].
    pub scope: String,
    /// As in [`RouteDocument`].
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

/// `GET /api/v1/scripts`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scripts {
    /// By event in the order of the documentation, then in the order of running.
    pub scripts: Vec<ScriptDocument>,
    /// How many.
    pub count: u64,
    /// Directories beneath the roots whose scripts would never run.
    pub strays: Vec<StrayDocument>,
}

/// One file of an event directory.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ScriptDocument {
    /// Where it is.
    pub path: String,
    /// Whose directory it is in.
    pub event_type: String,
    /// `runs`, `refused`, `masked`, `skipped`.
    pub verdict: String,
    /// Why, for all but `runs`; with the command that mends it.
    pub reason: Option<String>,
    /// How often it ran since the start.
    pub runs: u64,
    /// How often that did not end well.
    pub failures: u64,
    /// The last run.
    pub last_run: Option<ScriptRun>,
}

/// A directory that belongs to no event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StrayDocument {
    /// Where it is.
    pub path: String,
    /// The directory that was probably meant.
    pub nearest: Option<String>,
}

/// `POST /api/v1/reload`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reload {
    /// `reloaded`; `restarting` when both processes start again for a changed routing policy; with
    /// `?dry_run=true` `checked`.
    pub result: String,
    /// The files that were read, in order.
    pub files: Vec<String>,
    /// The sections that changed (or would).
    pub changed: Vec<String>,
    /// What should be mended and does no harm.
    pub warnings: Vec<ProblemDocument>,
}

/// One problem of a configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDocument {
    /// The file, or the variable of the environment.
    pub origin: String,
    /// From 1; null when it is about the whole.
    pub line: Option<u64>,
    /// From 1.
    pub column: Option<u64>,
    /// How many characters from there on are at fault.
    pub width: Option<u64>,
    /// The line as it stands there.
    pub text: Option<String>,
    /// `error` or `warning`.
    pub severity: String,
    /// What was found.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// `GET /health`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// `healthy` (200) or `unhealthy` (503).
    pub status: String,
    /// What was looked at.
    pub checks: Checks,
}

/// What health is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checks {
    /// Messages of the kernel are read, and the last dump succeeded.
    pub netlink: Check,
    /// The bus, where something needs it.
    pub dbus: Check,
    /// The configuration on the disk is the one in force.
    pub config: Check,
    /// The manager is there.
    pub backend: Check,
    /// The helper is there, where there is work for it.
    pub helper: Check,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// `ok`, `failed`, or `off` (not needed here).
    pub status: String,
    /// For people.
    pub message: Option<String>,
}

/// Every error of the API.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorDocument {
    /// The one member.
    pub error: ErrorBody,
}

/// What went wrong.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ErrorBody {
    /// For programs: `bad_request`, `unauthorized`, `forbidden`, `not_found`, `method_not_allowed`,
    /// `invalid_configuration`, `internal`, `unavailable`.
    pub code: String,
    /// For people: what was found, and what to do.
    pub message: String,
    /// What belongs to it: for `invalid_configuration` `{"problems": [...]}`; else null or an object.
    pub details: serde_json::Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_false(value: &bool) -> bool {
    !value
}
