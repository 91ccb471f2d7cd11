//! Scripts as they would run.

use super::ScriptRun;
use serde::{Deserialize, Serialize};

/// `GET /api/v1/scripts`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Scripts {
    /// By event in the order of the documentation, then in the order of running.
    pub scripts: Vec<ScriptDocument>,
    /// How many.
    pub count: u64,
    /// Directories beneath the roots whose scripts would never run.
    pub strays: Vec<UnknownDirectoryDocument>,
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
    /// Why, for all but `runs`; with the command that fixes it.
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
pub struct UnknownDirectoryDocument {
    /// Where it is.
    pub path: String,
    /// The directory that was probably meant.
    pub nearest: Option<String>,
}
