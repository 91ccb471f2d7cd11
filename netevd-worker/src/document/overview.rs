//! The whole in one line, for who follows the stream.

use serde::{Deserialize, Serialize};

/// The data of a message `state` of the stream: sent when one of these is another than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overview {
    /// As in `/api/v1/status`.
    pub status: String,
    /// As in `/health`.
    pub health: String,
    /// As in `/api/v1/status`.
    pub problems: Vec<String>,
    /// Rises when rules or routes of netevd's were added, replaced or deleted, by whomever.
    pub routing_changes: u64,
}
