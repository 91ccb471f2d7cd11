//! `api:`, `metrics:` and `audit:`: who may look, at what, and what is written down.

use super::problem::Fault;
use super::value::{absolute_path, integer};
use super::yaml::Node;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// `api:`; the unix socket is there whatever it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// `enabled`: listen on TCP as well.
    pub enabled: bool,
    /// `bind_address`
    pub bind_address: IpAddr,
    /// `port`
    pub port: u16,
    /// `token_file`: changes over TCP need the token in it; beyond loopback everything does.
    pub token_file: Option<PathBuf>,
    /// `socket_group`: may connect to the unix socket beside the worker's user and root.
    pub socket_group: String,
}

/// `metrics:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metrics {
    /// `enabled`: `/metrics` is served.
    pub enabled: bool,
}

/// `audit:`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// `enabled`
    pub enabled: bool,
    /// `path` of the file that is written to.
    pub path: PathBuf,
    /// `retention_days`: files of days before that are removed.
    pub retention_days: u32,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            enabled: false,
            bind_address: Ipv4Addr::LOCALHOST.into(),
            port: 9090,
            token_file: None,
            socket_group: "netevd".to_owned(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { enabled: false, path: PathBuf::from("/var/log/netevd/audit.log"), retention_days: 90 }
    }
}

impl Api {
    /// Where TCP is listened on, if at all.
    pub fn tcp(&self) -> Option<SocketAddr> {
        self.enabled.then(|| SocketAddr::new(self.bind_address, self.port))
    }
}

/// `api.port`; 0 lets the kernel choose, which `status` shows.
pub(super) fn port(node: &Node) -> Result<u16, Fault> {
    let number = integer(node, 0..=65_535)?;
    u16::try_from(number).map_err(|_| Fault::error(node.span, "no port", ""))
}

/// `api.token_file`; null is none.
pub(super) fn token_file(node: &Node) -> Result<Option<PathBuf>, Fault> {
    if node.is_null() { Ok(None) } else { absolute_path(node).map(Some) }
}
