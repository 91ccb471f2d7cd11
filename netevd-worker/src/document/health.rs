//! Health, for those who ask nothing else.

use serde::{Deserialize, Serialize};

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
