//! Errors.

use serde::{Deserialize, Serialize};

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
