//! How a run of a script ended.

use super::{EventId, EventKind, LinkId};
use nix::sys::signal::Signal;
use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this status; 0 is success.
    Exited(i32),
    /// This signal ended it.
    Signalled(i32),
    /// It did not end within `scripts.timeout` and was ended.
    TimedOut,
    /// No process came to be: cause and cure.
    NotStarted(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Exited(code) => write!(f, "exit status {code}"),
            Outcome::Signalled(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "ended by {}", signal.as_str()),
                Err(_) => write!(f, "ended by signal {number}"),
            },
            Outcome::TimedOut => f.write_str("timed out"),
            Outcome::NotStarted(cause) => write!(f, "not started: {cause}"),
        }
    }
}

/// One run of one script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The event that it ran for.
    pub event: EventId,
    /// The event's kind.
    pub kind: EventKind,
    /// The event's link.
    pub link: LinkId,
    /// The script.
    pub script: PathBuf,
    /// How it ended.
    pub outcome: Outcome,
    /// From its start to its end.
    pub duration: Duration,
    /// When it was started.
    pub started: SystemTime,
    /// Values that failed validation and were left out, by their places in the document.
    pub rejected: Vec<&'static str>,
}
