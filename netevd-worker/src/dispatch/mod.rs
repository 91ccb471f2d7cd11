//! The script engine: events in, scripts run, completions out.
//!
//! [`Dispatcher`] is owned by the worker's one thread and lives in a tokio current-thread runtime
//! within a `LocalSet`. The queues decide (`queue`), this file wires: which scripts an event has
//! (`directory`), whether they are trusted (`trust`), what they are given (`environment`,
//! `document`), and their processes (`run`).
//!
//! Limits: nothing here waits for a script, a pipe or a disk. It changes no identity and no
//! capability; scripts have what the daemon has, which is nothing, or what the runner's user has.

mod batch;
mod climb;
mod directory;
mod document;
mod engine;
mod environment;
mod eyes;
mod far;
mod group;
mod held;
mod identity;
mod lease;
mod linger;
mod moment;
mod mounts;
mod name_queue;
mod networkd;
mod note;
mod occasion;
mod output;
mod process;
mod queue;
mod record;
mod remote;
mod run;
mod sieve;
mod start_far;
mod startable;
mod stdin;
mod survey;
mod text;
mod trial;
mod trust;
mod unrun;
mod validate;
mod way;

use directory::Directories;
pub use directory::ScriptRoots;
pub use document::SCHEMA;
pub use eyes::Eyes;
pub(crate) use far::on_thread;
pub use identity::Identity;
pub use note::Note;
pub use occasion::{Input, Occasion};
pub use record::{Completion, Counts};
pub use remote::{Runner, SOCKET};
pub use run::{Outcome, command, why_not_started};
pub use stdin::Feed;
pub use survey::{Entry, Stray, Survey, survey};
pub use text::printable;
pub use trial::{Told, Trial};
pub use trust::{TrustedOwner, Verdict, judge};
pub use unrun::{Stopped, Unrun};
pub use validate::is_host_name;

use crate::config::{Backend, Scripts};
use crate::event::{Event, EventId, EventKind, LinkId};
use crate::facts::{Facts, LinkFacts};
use crate::filter::Runs;
use engine::{Active, Report};
use held::Held;
use linger::Lingering;
use protocol::InterfaceName;
use queue::{Full, Queues, Turn};
use record::Verdicts;
use sieve::Sieve;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two log lines about full queues.
const FULL_PAUSE: Duration = Duration::from_secs(60);
/// Between TERM and KILL at a timeout.
const GRACE: Duration = Duration::from_secs(5);

/// An event whose turn has come, with scripts or without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begun {
    /// Its number.
    pub id: EventId,
    /// What it is.
    pub kind: EventKind,
    /// Its link; `None` for the host.
    pub link: Option<InterfaceName>,
}

/// Queues events and runs their scripts.
pub struct Dispatcher {
    directories: Directories,
    settings: Scripts,
    grace: Duration,
    owner: TrustedOwner,
    identity: Identity,
    /// Starts the scripts, where they have a user of their own.
    runner: Option<Rc<Runner>>,
    backend: Backend,
    emit_json: bool,
    /// Whether events are listed in `begun`.
    lists_begun: bool,
    begun: Vec<Begun>,
    notes: Vec<Note>,
    /// Scripts are judged and told, and not started.
    dry_run: bool,
    sieve: Sieve,
    queues: Queues,
    /// Events whose scripts run, one a link.
    active: HashMap<LinkId, Active>,
    processes: JoinSet<Report>,
    /// Runs that ended before they began.
    unstarted: VecDeque<Completion>,
    lingering: Lingering,
    stop: watch::Sender<Option<Duration>>,
    verdicts: Verdicts,
    full_told: Option<Instant>,
    held: Held,
    counts: Counts,
}

impl Dispatcher {
    /// Nothing runs before [`Dispatcher::pump`]. `backend` is what scripts see as `BACKEND`.
    pub fn new(roots: ScriptRoots, settings: Scripts, trust: TrustedOwner, backend: Backend) -> Self {
        Self {
            directories: Directories::new(roots),
            settings,
            grace: GRACE,
            owner: trust,
            identity: Identity::current(),
            runner: None,
            backend,
            emit_json: false,
            lists_begun: false,
            begun: Vec::new(),
            notes: Vec::new(),
            dry_run: false,
            sieve: Sieve::default(),
            queues: Queues::default(),
            active: HashMap::new(),
            processes: JoinSet::new(),
            unstarted: VecDeque::new(),
            lingering: Lingering::default(),
            stop: watch::Sender::new(None),
            verdicts: Verdicts::default(),
            full_told: None,
            held: Held::default(),
            counts: Counts::default(),
        }
    }

    /// Queues an event; never blocks. An event that finds its queue full is counted and told.
    /// `facts` are those that filters see of changed routes.
    pub fn submit(&mut self, event: Event, facts: &dyn Facts) {
        if self.stop.borrow().is_some() {
            return;
        }
        if event.kind != EventKind::Routes || self.sieve.filters.is_empty() {
            self.end_ignored();
            return self.push(event, None, facts);
        }
        let before = self.notes.len();
        let id = event.id;
        let parts = self.sift(event, facts);
        if parts.is_empty() {
            return;
        }
        self.end_ignored();
        let count = parts.len();
        for (event, runs) in parts {
            self.push(event, runs, facts);
        }
        // What is in a run of its own, if only in part, does not stand in another event's.
        let joined = |note: &Note| matches!(note, Note::Coalesced { event, .. } if *event == id);
        if self.notes[before..].iter().filter(|note| joined(note)).count() < count {
            let new = self.notes.split_off(before);
            self.notes.extend(new.into_iter().filter(|note| !joined(note)));
        }
    }

    /// `runs` is what filters said of changes of routes.
    fn push(&mut self, event: Event, runs: Option<Runs>, facts: &dyn Facts) {
        let (id, link) = (event.id, event.link);
        let pushed = self.queues.push(event, runs, || facts.name(link));
        self.notes.append(&mut self.queues.notes);
        if let Err(Full { link, pending }) = pushed {
            self.notes.push(Note::Lost(id));
            self.counts.refused_events += 1;
            if self.full_told.is_none_or(|told| told.elapsed() >= FULL_PAUSE) {
                self.full_told = Some(Instant::now());
                tracing::error!(
                    link = self.name_of(link),
                    pending,
                    all = self.queues.len(),
                    lost = self.counts.refused_events,
                    "an event queue is full and events are lost to scripts: a script is too slow or \
                     events come in a storm; see the run times above, lower scripts.timeout"
                );
            }
        }
    }

    /// The link's name as far as it is known here: from the event that runs.
    fn name_of(&self, link: LinkId) -> String {
        match self.active.get(&link).and_then(|active| active.input.as_ref()) {
            Some(input) => input.link.clone(),
            None if link == LinkId::HOST => "the host".to_owned(),
            None => format!("number {}", link.0),
        }
    }

    /// Starts what may start. Call after [`Dispatcher::submit`] and after each completion.
    ///
    /// Within a `LocalSet` only: tokio panics elsewhere.
    pub fn pump(&mut self, facts: &dyn Facts) {
        self.sieve.forget();
        // Directories that were found empty a moment ago are not read again for each event.
        let mut empty = HashSet::new();
        while self.stop.borrow().is_none() {
            if self.processes.len() >= self.settings.max_parallel.get() {
                break;
            }
            self.held.end(self.settings.max_parallel);
            match self.queues.next() {
                Some(Turn::Event(due)) => self.begin(due, &mut empty, facts),
                Some(Turn::Script(link)) => self.next_script(link, facts),
                None => break,
            }
        }
        self.held.note(self.queues.ready(), Instant::now());
        self.queues.forget_idle();
    }

    /// What keeps scripts waiting, and what to do about it.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let held = self.held.problem(self.settings.max_parallel, Instant::now());
        held.into_iter().chain(self.directories.far.problem())
    }

    /// The next run that has ended; pending forever when nothing runs. Cancel-safe. Call
    /// [`Dispatcher::pump`] afterwards.
    pub async fn completed(&mut self) -> Completion {
        loop {
            if let Some(completion) = self.unstarted.pop_front() {
                return completion;
            }
            match self.processes.join_next().await {
                Some(Ok(report)) => return self.conclude(report),
                // Tasks are neither aborted nor do they panic.
                Some(Err(error)) => tracing::error!("a script's task was lost: {error}"),
                None => std::future::pending().await,
            }
        }
    }

    /// The link is gone: its queued events use `last`, and its queue goes with the last of them.
    /// Submit the event of the removal before the next [`Dispatcher::pump`].
    pub fn link_gone(&mut self, link: LinkId, last: Arc<LinkFacts>) {
        self.queues.link_gone(link, last);
    }

    /// Whether any file is there now that an event of this kind could run.
    pub fn wanted(&mut self, kind: EventKind) -> bool {
        self.directories.has_any(kind)
    }

    /// Notices when that may have changed.
    pub fn watch(&mut self, kind: EventKind) -> std::io::Result<Eyes> {
        // inotify(7) does not see what other machines change, and adding a watch would wait for them.
        if let Some(directory) = self.directories.far_directory(kind) {
            return Err(std::io::Error::other(format!("{} is not on this machine", directory.display())));
        }
        Eyes::new(self.directories.roots(), kind)
    }

    /// From now on scripts are started by this runner, and judged for its user.
    pub fn run_by(&mut self, runner: Runner) {
        if let Some(identity) = runner.identity() {
            self.identity = identity.clone();
        }
        self.runner = Some(Rc::new(runner));
    }

    /// As whom scripts run.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// New settings, for what starts from now on.
    pub fn reconfigure(&mut self, settings: Scripts) {
        self.settings = settings;
    }

    /// What scripts see as `BACKEND`, and whether they get `JSON`, from now on.
    pub fn set_backend(&mut self, backend: Backend, emit_json: bool) {
        self.backend = backend;
        self.emit_json = emit_json;
    }

    /// Whether [`Dispatcher::begun`] tells anything.
    pub fn list_begun(&mut self, lists: bool) {
        self.lists_begun = lists;
    }

    /// The events whose turn came since the last call. Take them after each [`Dispatcher::pump`].
    pub fn begun(&mut self) -> Vec<Begun> {
        std::mem::take(&mut self.begun)
    }

    /// What became of events since the last call, in order. Take them after each
    /// [`Dispatcher::submit`] and [`Dispatcher::pump`]: they are kept until then.
    pub fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// From now on scripts are judged and told, and not started.
    pub fn only_tell(&mut self) {
        self.dry_run = true;
    }

    /// The events under a link's name that wait, and the one whose scripts run.
    pub fn queue(&self, name: &InterfaceName) -> (usize, Option<EventId>) {
        let (waiting, out) = self.queues.of_name(name);
        (waiting, out.and_then(|link| self.active.get(&link)).map(Active::event))
    }

    /// Nothing queued, nothing running, no completion left to take.
    pub fn is_idle(&self) -> bool {
        self.queues.len() == 0 && self.active.is_empty() && self.unstarted.is_empty()
    }

    /// Events that wait.
    pub fn pending(&self) -> usize {
        self.queues.len()
    }

    /// Scripts that run.
    pub fn running(&self) -> usize {
        self.processes.len()
    }

    /// Totals.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// TERM to every script's group, KILL after `grace`; returns when the last one has ended, with the runs
    /// that ended so and the events that did not run. Nothing is taken or started afterwards.
    pub async fn shutdown(&mut self, grace: Duration) -> Stopped {
        let unrun = self.unrun();
        self.queues.clear();
        self.stop.send_replace(Some(grace));
        let mut completions: Vec<Completion> = self.unstarted.drain(..).collect();
        let mut over = Vec::new();
        while let Some(report) = self.processes.join_next().await {
            let Ok(report) = report else { continue };
            let completion = self.conclude(report);
            // It has no more scripts, and this one was not cut off.
            let is_over = !self.active.contains_key(&completion.link);
            if is_over && !unrun::is_cut_off(&completion.outcome) {
                over.push(completion.event);
            }
            completions.push(completion);
        }
        self.active.clear();
        self.lingering.close();
        let unrun = unrun::without(unrun, &over);
        Stopped { completions, unrun }
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
