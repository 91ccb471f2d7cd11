//! The worker as a whole.

use serde::{Deserialize, Serialize};

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
