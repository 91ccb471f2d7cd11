//! The configuration as checked values. Reading and checking live in the other files here:
//! text ([`yaml`]) to nodes, nodes to values ([`validator`] with the table of [`mod@keys`]), files and
//! environment together ([`mod@load`]). Only `load` reads anything.

mod environment;
mod filters;
mod inside;
mod keys;
mod legacy;
mod load;
#[cfg(test)]
mod manual;
mod planning;
mod problem;
mod routing;
mod schema;
mod set;
mod unit_links;
mod units;
mod unlisted;
mod validator;
mod value;
mod watching;
mod yaml;

pub use environment::variable;
pub use keys::{Key, Kind};
pub use load::{DEFAULT_FILE, Loaded, Source, compile, load};
pub use planning::{IGNORED_MAX, Planning, SpecificRoutes};
#[cfg(any(test, fuzzing))]
pub(crate) use problem::lines;
pub use problem::{Fault, Origin, Problem, Severity, Span};
pub use schema::schema;
pub use unit_links::{UnitNames, may_name_a_unit};
pub use units::{UnitRule, UnitTemplate, Verb};
pub use watching::{Api, Audit, Metrics};

use crate::filter::Filters;
use crate::model::Backend;
use protocol::{PatternList, Policy};
use std::num::NonZeroUsize;
use std::time::Duration;

/// Everything that an administrator may set, with defaults filled in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// `system:`
    pub system: System,
    /// `monitoring.interfaces`; see [`Config::monitors`].
    pub monitoring: PatternList,
    /// `routing:`, already in the form that the helper reads.
    pub routing: Policy,
    /// The keys of `routing:` that only the worker needs.
    pub planning: Planning,
    /// `scripts:`
    pub scripts: Scripts,
    /// `units:`, in order; every one that matches is done.
    pub units: Vec<UnitRule>,
    /// `filters:`, in order; the first that matches decides.
    pub filters: Filters,
    /// `backends:`
    pub backends: Backends,
    /// `api:`
    pub api: Api,
    /// `metrics:`
    pub metrics: Metrics,
    /// `audit:`
    pub audit: Audit,
}

/// `system:`
#[derive(Clone, Debug, PartialEq)]
pub struct System {
    /// Filter of the log: error, warn, info, debug or trace.
    pub log_level: LogLevel,
    /// `RUST_LOG` as it is, in the syntax of tracing's `Targets` (`info,netevd_worker=debug`);
    /// wins over `log_level`.
    pub log_directives: Option<String>,
    /// Where events come from beside the kernel.
    pub backend: Backend,
    /// Whether the state found at the first start since boot, or after a stop, runs scripts (`STARTUP=1`).
    pub startup_events: bool,
}

/// `system.log_level`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the usual five")]
pub enum LogLevel {
    Error,
    Warn,
    #[default]
    Info,
    Debug,
    Trace,
}

/// `backends:`
#[derive(Clone, Debug, PartialEq)]
pub struct Backends {
    /// `systemd_networkd.emit_json`: scripts get `JSON`.
    pub emit_json: bool,
    /// `dhclient:`
    pub dhclient: Dhclient,
}

/// `backends.dhclient:`
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dhclient {
    /// A lease's name servers go to systemd-resolved.
    pub use_dns: bool,
    /// A lease's domains go to systemd-resolved.
    pub use_domain: bool,
    /// A lease's host name goes to systemd-hostnamed.
    pub use_hostname: bool,
    /// Lease files, absolute paths, the last component may be a glob; beside the usual ones.
    pub lease_files: Vec<String>,
}

/// `scripts:`
#[derive(Clone, Debug, PartialEq)]
pub struct Scripts {
    /// How long one script may run.
    pub timeout: Duration,
    /// Processes at a time over all links.
    pub max_parallel: NonZeroUsize,
    /// As whom they run, by name or number; `None` is as whom the worker runs.
    pub user: Option<String>,
}

impl Default for System {
    fn default() -> Self {
        Self {
            log_level: LogLevel::default(),
            log_directives: None,
            backend: Backend::Networkd,
            startup_events: true,
        }
    }
}

impl Default for Backends {
    fn default() -> Self {
        Self { emit_json: true, dhclient: Dhclient::default() }
    }
}

impl Default for Scripts {
    fn default() -> Self {
        const EIGHT: NonZeroUsize = NonZeroUsize::new(8).unwrap();
        Self { timeout: Duration::from_secs(30), max_parallel: EIGHT, user: None }
    }
}

/// Every key that this version reads, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    keys::KEYS.iter()
}

impl Config {
    /// Whether events of this link run scripts: listed by `monitoring.interfaces` and not
    /// excluded; with no inclusion, every link but `lo`.
    pub fn monitors(&self, name: &str) -> bool {
        if self.monitoring.includes_nothing() {
            name != "lo" && !self.monitoring.excludes(name)
        } else {
            self.monitoring.matches(name)
        }
    }
}

#[cfg(test)]
mod tests;
