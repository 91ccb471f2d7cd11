//! What came of a reload, and the problems of a configuration.

use serde::{Deserialize, Serialize};

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
    /// What should be fixed and does no harm.
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
