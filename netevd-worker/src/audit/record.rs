//! A record as a line, and its place in the chain.

use super::entry::{Entry, Kind, Verdict};
use crate::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// Longest actor or resource in bytes; a path has at most 4,095.
const TEXT_MAX: usize = 4_096;
/// Longest `details` in bytes; what is longer is replaced by its length.
const DETAILS_MAX: usize = 16 * 1024;

/// A line's hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Hash(pub(super) [u8; 32]);

impl Hash {
    /// Of a line without its newline.
    pub(super) fn of(line: &[u8]) -> Self {
        Self(Sha256::digest(line).into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The end of a chain: the last record's number, and the hash of its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// 0 before the first record.
    pub id: u64,
    pub(super) hash: Hash,
}

impl Head {
    /// The hash in hex, as `--head` takes it.
    pub fn hash(&self) -> String {
        self.hash.to_string()
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.id, self.hash)
    }
}

/// One line, its members in this order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) timestamp: String,
    pub(super) event_type: Kind,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) result: Verdict,
    pub(super) details: Map<String, Value>,
    pub(super) previous: String,
}

/// The line for an entry behind a head, without its newline, and the head behind it.
pub(super) fn line(entry: Entry, head: Head) -> (Vec<u8>, Head) {
    let Entry { time, kind, actor, action, resource, result, details } = entry;
    let record = Record {
        id: head.id.saturating_add(1),
        timestamp: rfc3339(time),
        event_type: kind,
        actor: shortened(actor),
        action: shortened(action),
        resource: shortened(resource),
        result,
        details: bounded(details),
        previous: head.hash.to_string(),
    };
    // Strings, numbers and maps with strings as keys: there is always a form for them.
    let line = serde_json::to_vec(&record).unwrap_or_default();
    let head = Head { id: record.id, hash: Hash::of(&line) };
    (line, head)
}

fn shortened(mut text: String) -> String {
    if text.len() > TEXT_MAX {
        text.truncate(text.floor_char_boundary(TEXT_MAX));
        text.push('…');
    }
    text
}

fn bounded(details: Map<String, Value>) -> Map<String, Value> {
    let length = serde_json::to_vec(&details).map_or(0, |text| text.len());
    if length <= DETAILS_MAX {
        return details;
    }
    let kept = ["event_id", "event_type", "interface", "exit_code", "status"];
    let mut left: Map<String, Value> = details
        .into_iter()
        .filter(|(key, value)| kept.contains(&key.as_str()) && !value.is_array())
        .collect();
    left.insert("omitted_bytes".to_owned(), length.into());
    left
}
