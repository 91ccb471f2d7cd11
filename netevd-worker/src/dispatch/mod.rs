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
mod coalesce;
mod directory;
mod directory_watch;
mod document;
mod engine;
mod environment;
mod filter_stage;
mod group;
mod identity;
mod lease;
mod linger;
mod moment;
mod mounts;
mod name_queue;
mod networkd;
mod output;
mod path_walk;
mod process;
mod queue;
mod record;
mod remote;
mod remote_fs;
mod run;
mod script_context;
mod start_on_remote_fs;
mod startable;
mod stdin;
mod survey;
mod text;
mod trial;
mod trust;
mod unfinished;
mod validate;
mod waiting_links;

use crate::model::{Completion, EventOutcome};
use directory::Directories;
pub use directory::ScriptRoots;
pub use directory_watch::DirectoryWatch;
pub use document::SCHEMA;
pub use identity::Identity;
pub use record::Counts;
pub use remote::{Runner, SOCKET};
pub(crate) use remote_fs::on_thread;
pub use run::{command, why_not_started};
pub use script_context::{Input, ScriptContext};
pub use stdin::Feed;
pub use survey::{Entry, Survey, UnknownDirectory, survey};
pub use trial::{OutputSink, Trial};
pub use trust::{TrustedOwner, Verdict, judge};
pub use unfinished::Stopped;
pub use validate::is_host_name;

use crate::config::Scripts;
use crate::filter::ScriptSelection;
use crate::model::{Backend, Event, EventId, EventKind, Facts, LinkFacts, LinkId};
use engine::{Active, Report};
use filter_stage::FilterStage;
use linger::Lingering;
use protocol::InterfaceName;
use queue::{Full, Queues, Turn};
use record::Verdicts;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use waiting_links::WaitingLinks;

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
    outcomes: Vec<EventOutcome>,
    /// Scripts are judged and told, and not started.
    dry_run: bool,
    filter_stage: FilterStage,
    queues: Queues,
    /// Events whose scripts run, one a link.
    active: HashMap<LinkId, Active>,
    processes: JoinSet<Report>,
    /// Runs that ended before they began.
    unstarted: VecDeque<Completion>,
    lingering: Lingering,
    stop: watch::Sender<Option<Duration>>,
    verdicts: Verdicts,
    full_logged: Option<Instant>,
    waiting_links: WaitingLinks,
    counts: Counts,
}

impl Dispatcher {
    /// Nothing runs before [`Dispatcher::start_due`]. `backend` is what scripts see as `BACKEND`.
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
            outcomes: Vec::new(),
            dry_run: false,
            filter_stage: FilterStage::default(),
            queues: Queues::default(),
            active: HashMap::new(),
            processes: JoinSet::new(),
            unstarted: VecDeque::new(),
            lingering: Lingering::default(),
            stop: watch::Sender::new(None),
            verdicts: Verdicts::default(),
            full_logged: None,
            waiting_links: WaitingLinks::default(),
            counts: Counts::default(),
        }
    }

    /// Queues an event; never blocks. An event that finds its queue full is counted and told.
    /// `facts` are those that filters see of changed routes.
    pub fn submit(&mut self, event: Event, facts: &dyn Facts) {
        if self.stop.borrow().is_some() {
            return;
        }
        if event.kind != EventKind::Routes || self.filter_stage.filters.is_empty() {
            self.end_ignored();
            return self.push(event, None, facts);
        }
        let before = self.outcomes.len();
        let id = event.id;
        let parts = self.apply_filters(event, facts);
        if parts.is_empty() {
            return;
        }
        self.end_ignored();
        let count = parts.len();
        for (event, selection) in parts {
            self.push(event, selection, facts);
        }
        // What is in a run of its own, if only in part, does not stand in another event's.
        let joined =
            |note: &EventOutcome| matches!(note, EventOutcome::Coalesced { event, .. } if *event == id);
        if self.outcomes[before..].iter().filter(|note| joined(note)).count() < count {
            let new = self.outcomes.split_off(before);
            self.outcomes.extend(new.into_iter().filter(|note| !joined(note)));
        }
    }

    /// `runs` is what filters said of changes of routes.
    fn push(&mut self, event: Event, selection: Option<ScriptSelection>, facts: &dyn Facts) {
        let (id, link) = (event.id, event.link);
        let pushed = self.queues.push(event, selection, || facts.name(link));
        self.outcomes.append(&mut self.queues.outcomes);
        if let Err(Full { link, pending }) = pushed {
            self.outcomes.push(EventOutcome::Lost(id));
            self.counts.refused_events += 1;
            if self.full_logged.is_none_or(|at| at.elapsed() >= FULL_PAUSE) {
                self.full_logged = Some(Instant::now());
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
    pub fn start_due(&mut self, facts: &dyn Facts) {
        self.filter_stage.forget();
        // Directories that were found empty a moment ago are not read again for each event.
        let mut empty = HashSet::new();
        while self.stop.borrow().is_none() {
            if self.processes.len() >= self.settings.max_parallel.get() {
                break;
            }
            self.waiting_links.end(self.settings.max_parallel);
            match self.queues.next() {
                Some(Turn::Event(due)) => self.begin(due, &mut empty, facts),
                Some(Turn::Script(link)) => self.next_script(link, facts),
                None => break,
            }
        }
        self.waiting_links.note(self.queues.ready(), Instant::now());
        self.queues.forget_idle();
    }

    /// What keeps scripts waiting, and what to do about it.
    pub fn problems(&self) -> impl Iterator<Item = String> {
        let waiting_links = self.waiting_links.problem(self.settings.max_parallel, Instant::now());
        waiting_links.into_iter().chain(self.directories.remote_fs.problem())
    }

    /// The next run that has ended; pending forever when nothing runs. Cancel-safe. Call
    /// [`Dispatcher::start_due`] afterwards.
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
    /// Submit the event of the removal before the next [`Dispatcher::start_due`].
    pub fn link_gone(&mut self, link: LinkId, last: Arc<LinkFacts>) {
        self.queues.link_gone(link, last);
    }

    /// Whether any file is there now that an event of this kind could run.
    pub fn wanted(&mut self, kind: EventKind) -> bool {
        self.directories.has_any(kind)
    }

    /// Notices when that may have changed.
    pub fn watch(&mut self, kind: EventKind) -> std::io::Result<DirectoryWatch> {
        // inotify(7) does not see what other machines change, and adding a watch would wait for them.
        if let Some(directory) = self.directories.remote_directory(kind) {
            return Err(std::io::Error::other(format!("{} is not on this machine", directory.display())));
        }
        DirectoryWatch::new(self.directories.roots(), kind)
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

    /// The events whose turn came since the last call. Take them after each [`Dispatcher::start_due`].
    pub fn begun(&mut self) -> Vec<Begun> {
        std::mem::take(&mut self.begun)
    }

    /// What became of events since the last call, in order. Take them after each
    /// [`Dispatcher::submit`] and [`Dispatcher::start_due`]: they are kept until then.
    pub fn outcomes(&mut self) -> Vec<EventOutcome> {
        std::mem::take(&mut self.outcomes)
    }

    /// From now on scripts are judged and told, and not started.
    pub fn set_dry_run(&mut self) {
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
        let unfinished = self.unfinished();
        self.queues.clear();
        self.stop.send_replace(Some(grace));
        let mut completions: Vec<Completion> = self.unstarted.drain(..).collect();
        let mut over = Vec::new();
        while let Some(report) = self.processes.join_next().await {
            let Ok(report) = report else { continue };
            let completion = self.conclude(report);
            // It has no more scripts, and this one was not cut off.
            let is_over = !self.active.contains_key(&completion.link);
            if is_over && !unfinished::is_cut_off(&completion.outcome) {
                over.push(completion.event);
            }
            completions.push(completion);
        }
        self.active.clear();
        self.lingering.close();
        let unfinished = unfinished::without(unfinished, &over);
        Stopped { completions, unfinished }
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
