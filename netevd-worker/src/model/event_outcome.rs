//! What becomes of an event on its way to scripts, told as it happens: for whoever keeps a record.

use crate::model::EventId;
use std::path::PathBuf;
use std::time::SystemTime;

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventOutcome {
    /// Another event's run stands for it.
    Coalesced {
        /// This one.
        event: EventId,
        /// The other one; it may be coalesced in its turn.
        into: EventId,
    },
    /// Its queue was full: no script hears of it.
    Lost(EventId),
    /// Filters had a say.
    Judged {
        /// This one.
        event: EventId,
        /// Which, by their place in the configuration from 1.
        filters: Vec<u32>,
        /// Nothing runs for it.
        is_ignored: bool,
    },
    /// Its turn came.
    Begun {
        /// This one.
        event: EventId,
        /// Events, or changes of routes, that it stands for beside itself.
        skipped: u64,
    },
    /// A script was started for it. Its end is a [`super::Completion`].
    Started {
        /// This one.
        event: EventId,
        /// The script.
        script: PathBuf,
        /// When.
        at: SystemTime,
    },
    /// A script would have been started: this is a dry run.
    WouldRun {
        /// This one.
        event: EventId,
        /// The script.
        script: PathBuf,
    },
    /// Nothing more runs for it.
    Over(EventId),
}
