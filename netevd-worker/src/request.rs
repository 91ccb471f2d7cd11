//! What the server asks of the loop. One bounded queue leads there, each question carries its own way
//! back, and an answer is a value: the state has one owner and no lock.
//!
//! What is not asked here the server finds out itself: routes, rules and counters of links are read
//! from the kernel on request, scripts' files from the disk.

use super::document::{EventDocument, Health, InterfaceDetail, InterfaceDocument, Reload, Status};
use crate::model::EventKind;
use protocol::{Ifindex, InterfaceName, Policy};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use tokio::sync::{broadcast, mpsc, oneshot};

/// Questions that may wait for the loop; beyond that the asking connections wait.
pub const QUESTIONS: usize = 64;
/// Changes of events that a slow reader of the stream may be behind; beyond that it is told from the
/// ring again.
pub const STREAM_BEHIND: usize = 256;

/// The server's side.
pub type ApiSender = mpsc::Sender<ApiRequest>;

/// One question.
#[derive(Debug)]
pub enum ApiRequest {
    /// All of `/api/v1/status` but the counts of rules and routes, which the server reads from the
    /// kernel, and the listeners, which it knows.
    Status(oneshot::Sender<Status>),
    /// Every link, by ifindex.
    Interfaces(oneshot::Sender<Vec<InterfaceDocument>>),
    /// One link; routes, rules and statistics are empty and the server's to fill in.
    Interface(InterfaceName, oneshot::Sender<Option<Box<InterfaceDetail>>>),
    /// What is needed to tell routes and rules of ours by name.
    Names(oneshot::Sender<Names>),
    /// Events of the ring.
    Events(EventQuery, oneshot::Sender<EventPage>),
    /// One event.
    Event(u64, oneshot::Sender<Option<Box<EventDocument>>>),
    /// The events that changed after a place in the stream, and everything from then on.
    Follow(Option<StreamPosition>, oneshot::Sender<Followed>),
    /// The last run of each script.
    Runs(oneshot::Sender<Vec<ScriptRuns>>),
    /// `/health`
    Health(oneshot::Sender<Health>),
    /// Read the configuration again.
    Reload {
        /// Check only, and say what would change.
        dry_run: bool,
        /// Who wants it, for log and audit.
        actor: Actor,
        /// What came of it.
        reply: oneshot::Sender<Result<Reload, Refused>>,
    },
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// By the unix socket: SO_PEERCRED.
    Local {
        /// uid
        uid: u32,
        /// pid, 0 when the kernel does not know it.
        pid: i32,
    },
    /// By TCP.
    Remote {
        /// The far end.
        address: std::net::SocketAddr,
        /// The right token was shown.
        token: bool,
    },
    /// SIGHUP.
    Signal,
    /// The daemon itself.
    Netevd,
}

/// A faulty configuration; the old one stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Each problem.
    pub problems: Vec<super::document::ProblemDocument>,
}

/// The links' names, and how tables and rules of ours follow from the policy.
#[derive(Clone, Debug)]
pub struct Names {
    /// Every link.
    pub links: BTreeMap<Ifindex, InterfaceName>,
    /// The policy in force.
    pub policy: Policy,
}

/// Which events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// At most so many; the server has checked the bounds.
    pub limit: usize,
    /// Of this link.
    pub interface: Option<String>,
    /// Of these kinds; empty is all.
    pub kinds: Vec<EventKind>,
    /// Later than this.
    pub since: Option<Since>,
}

/// The place after which events are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// An event's number.
    Id(u64),
    /// A time.
    Time(SystemTime),
}

/// Events in the order of their numbers. Without `since` the newest; with it the oldest after it.
#[derive(Clone, Debug, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventDocument>,
    /// Events of the ring that match and are not among them.
    pub has_more: bool,
}

/// A place in the stream: which life of the worker, and the number of the change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StreamPosition {
    /// Microseconds since 1970 at the worker's start.
    pub instance: u64,
    /// Each change of an event (it came, a script ran) has a number.
    pub revision: u64,
}

/// What a message of the stream is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// An event that came or changed.
    Event,
    /// The host as a whole; it has no place in the stream.
    State,
}

/// A change, ready to be sent.
#[derive(Clone, Debug)]
pub struct Change {
    /// What changed.
    pub kind: ChangeKind,
    /// Where in the stream.
    pub place: StreamPosition,
    /// The event, or the overview, as it is now, as JSON.
    pub json: Arc<str>,
}

/// The beginning of a stream.
#[derive(Debug)]
pub struct Followed {
    /// The life of the worker that answers; another one than asked for means: from the beginning.
    pub instance: u64,
    /// The number of the last change, also where that is not told: what comes next is later.
    pub revision: u64,
    /// What changed since, in order.
    pub missed: Vec<Change>,
    /// What readers were told last of the host as a whole, if they were.
    pub state: Option<Change>,
    /// What changes from now on, seamlessly.
    pub changes: broadcast::Receiver<Change>,
}

/// What is known of a script's runs.
#[derive(Clone, Debug, PartialEq)]
pub struct ScriptRuns {
    /// The script.
    pub path: PathBuf,
    /// How often it ran.
    pub runs: u64,
    /// How often that did not end well.
    pub failures: u64,
    /// The last time.
    pub last: super::document::ScriptRun,
}

impl std::fmt::Display for StreamPosition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{}", self.instance, self.revision)
    }
}

impl std::str::FromStr for StreamPosition {
    type Err = ();

    /// The form of `Last-Event-ID`.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (instance, revision) = text.split_once('-').ok_or(())?;
        Ok(Self {
            instance: u64::from_str_radix(instance, 16).map_err(|_| ())?,
            revision: revision.parse().map_err(|_| ())?,
        })
    }
}
