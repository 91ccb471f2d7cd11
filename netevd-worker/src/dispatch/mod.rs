//! The script engine: events in, scripts run, completions out.
//!
//! [`Dispatcher`] is owned by the worker's one thread and lives in a tokio current-thread runtime
//! within a `LocalSet`. The queues decide ([`queue`]), this file wires: which scripts an event has
//! ([`directory`]), whether they are trusted ([`trust`]), what they are given ([`environment`],
//! [`document`]), and their processes ([`run`]).
//!
//! Limits: nothing here waits for a script, a pipe or a disk. It changes no identity and no
//! capability; scripts have what the daemon has, which is nothing.

mod batch;
mod climb;
mod directory;
mod document;
mod environment;
mod group;
mod linger;
mod names;
mod occasion;
mod output;
mod queue;
mod record;
mod run;
mod stdin;
mod survey;
mod text;
mod timestamp;
mod trust;
mod validate;

pub use directory::ScriptRoots;
pub use document::SCHEMA;
pub use occasion::{Input, Occasion};
pub use record::{Completion, Counts};
pub use run::Outcome;
pub use survey::{Entry, Stray, Survey, survey};
pub use trust::{Identity, TrustedOwner, Verdict, judge};

use crate::config::Scripts;
use crate::event::{Event, EventKind, LinkId};
use crate::facts::{Facts, LinkFacts};
use linger::Lingering;
use output::Labels;
use queue::{Due, Full, Queues};
use record::Verdicts;
use run::{Ended, Limit};
use std::collections::{HashMap, HashSet, VecDeque};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Between two log lines about full queues.
const FULL_PAUSE: Duration = Duration::from_secs(60);
/// Between TERM and KILL at a timeout.
const GRACE: Duration = Duration::from_secs(5);

/// Queues events and runs their scripts.
pub struct Dispatcher {
    roots: ScriptRoots,
    settings: Scripts,
    grace: Duration,
    owner: TrustedOwner,
    identity: Identity,
    backend: &'static str,
    queues: Queues,
    /// Events whose scripts run, one a link.
    active: HashMap<LinkId, Active>,
    /// Links whose event waits for its next script.
    between: VecDeque<LinkId>,
    processes: JoinSet<Report>,
    /// Runs that ended before they began.
    unstarted: VecDeque<Completion>,
    lingering: Lingering,
    stop: watch::Sender<Option<Duration>>,
    verdicts: Verdicts,
    full_told: Option<Instant>,
    counts: Counts,
}

/// An event with scripts left to run.
struct Active {
    due: Due,
    scripts: VecDeque<PathBuf>,
    /// Made when the first script starts, the same for all of them.
    input: Option<Rc<Input>>,
}

/// What the task of one process hands back.
struct Report {
    run: Run,
    ended: Ended,
}

struct Run {
    link: LinkId,
    kind: EventKind,
    script: PathBuf,
    labels: Rc<Labels>,
    started: SystemTime,
    clock: Instant,
    limit: Limit,
}

impl Dispatcher {
    /// Nothing runs before [`Dispatcher::pump`]. `backend` is what scripts see as `BACKEND`.
    pub fn new(roots: ScriptRoots, settings: Scripts, trust: TrustedOwner, backend: &'static str) -> Self {
        Self {
            roots,
            settings,
            grace: GRACE,
            owner: trust,
            identity: Identity::current(),
            backend,
            queues: Queues::default(),
            active: HashMap::new(),
            between: VecDeque::new(),
            processes: JoinSet::new(),
            unstarted: VecDeque::new(),
            lingering: Lingering::default(),
            stop: watch::Sender::new(None),
            verdicts: Verdicts::default(),
            full_told: None,
            counts: Counts::default(),
        }
    }

    /// Queues an event; never blocks. An event that finds its queue full is counted and told.
    pub fn submit(&mut self, event: Event) {
        if self.stop.borrow().is_some() {
            return;
        }
        if let Err(Full { link, pending }) = self.queues.push(event) {
            self.counts.refused_events += 1;
            if self.full_told.is_none_or(|told| told.elapsed() >= FULL_PAUSE) {
                self.full_told = Some(Instant::now());
                tracing::error!(
                    link = link.0,
                    pending,
                    all = self.queues.len(),
                    lost = self.counts.refused_events,
                    "an event queue is full and events are lost to scripts: a script is too slow or \
                     events come in a storm; see the run times above, lower scripts.timeout"
                );
            }
        }
    }

    /// Starts what may start. Call after [`Dispatcher::submit`] and after each completion.
    ///
    /// Within a `LocalSet` only: tokio panics elsewhere.
    pub fn pump(&mut self, facts: &dyn Facts) {
        // Directories that were found empty a moment ago are not read again for each event.
        let mut empty = HashSet::new();
        while self.stop.borrow().is_none() {
            while let Some(link) = self.between.pop_front() {
                self.next_script(link, facts);
            }
            if self.active.len() >= self.settings.max_parallel.get() {
                break;
            }
            let Some(due) = self.queues.next() else { break };
            self.begin(due, &mut empty);
        }
        self.queues.forget_idle();
    }

    /// The next run that has ended; pending for ever when nothing runs. Cancel-safe. Call
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
    pub fn wanted(&self, kind: EventKind) -> bool {
        directory::has_any(&self.roots, kind)
    }

    /// New settings, for what starts from now on.
    pub fn reconfigure(&mut self, settings: Scripts) {
        self.settings = settings;
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

    /// Drops what is queued, TERM to every script's group, KILL after `grace`; returns when the
    /// last one has ended. Nothing is taken or started afterwards.
    pub async fn shutdown(&mut self, grace: Duration) {
        let dropped = self.queues.clear();
        if dropped > 0 {
            tracing::warn!(events = dropped, "events dropped unrun: the daemon ends");
        }
        self.stop.send_replace(Some(grace));
        while let Some(report) = self.processes.join_next().await {
            if let Ok(report) = report {
                self.conclude(report);
            }
        }
        self.between.clear();
        self.active.clear();
        self.unstarted.clear();
        self.lingering.close();
    }

    fn begin(&mut self, due: Due, empty: &mut HashSet<EventKind>) {
        let (kind, link) = (due.event.kind, due.event.link);
        self.counts.skipped += due.skipped;
        if !empty.contains(&kind) {
            let listing = directory::list(&self.roots, kind);
            for (path, verdict) in &listing.unreadable {
                self.counts.refused_scripts += 1;
                self.verdicts.note(path, verdict);
            }
            if !listing.scripts.is_empty() {
                self.active.insert(link, Active { due, scripts: listing.scripts.into(), input: None });
                self.between.push_back(link);
                return;
            }
            empty.insert(kind);
        }
        self.queues.finished(link);
    }

    /// Starts the next script of a link's event that may run; without one the event is over.
    fn next_script(&mut self, link: LinkId, facts: &dyn Facts) {
        while let Some(path) = self.active.get_mut(&link).and_then(|active| active.scripts.pop_front()) {
            let verdict = judge(&path, self.owner, &self.identity);
            self.verdicts.note(&path, &verdict);
            match verdict {
                Verdict::Runs => {
                    if let Some(input) = self.input(link, facts) {
                        self.start(link, path, &input);
                        return;
                    }
                }
                Verdict::Refused { .. } => self.counts.refused_scripts += 1,
                Verdict::Masked { .. } | Verdict::Skipped(_) => {}
            }
        }
        self.active.remove(&link);
        self.queues.finished(link);
    }

    /// Environment and document of a link's event, made once.
    fn input(&mut self, link: LinkId, facts: &dyn Facts) -> Option<Rc<Input>> {
        let active = self.active.get_mut(&link)?;
        if let Some(input) = &active.input {
            return Some(Rc::clone(input));
        }
        let due = &active.due;
        let values = due.last.clone().or_else(|| self.queues.last(link)).or_else(|| facts.link(link));
        let occasion = Occasion {
            event: &due.event,
            link: values.as_deref(),
            backend: self.backend,
            skipped: due.skipped,
            truncated: due.truncated,
        };
        let id = due.event.id.0;
        match occasion.input() {
            Ok(input) => {
                if !input.rejected.is_empty() {
                    self.counts.rejected_values += u64::try_from(input.rejected.len()).unwrap_or(u64::MAX);
                    let fields = input.rejected.join(" ");
                    tracing::warn!(
                        link = input.link,
                        event_id = id,
                        "values left out, as they are malformed: {fields}"
                    );
                }
                let input = Rc::new(input);
                active.input = Some(Rc::clone(&input));
                Some(input)
            }
            Err(error) => {
                tracing::error!(event_id = id, "the event's document cannot be written: {error}");
                active.scripts.clear();
                None
            }
        }
    }

    fn start(&mut self, link: LinkId, path: PathBuf, input: &Input) {
        let Some(event) = self.active.get(&link).map(|active| &active.due.event) else { return };
        let labels =
            Labels { link: input.link.clone(), event: event.kind, id: event.id, script: text::shown(&path) };
        let run = Run {
            link,
            kind: event.kind,
            labels: Rc::new(labels),
            started: SystemTime::now(),
            clock: Instant::now(),
            limit: Limit { timeout: self.settings.timeout, grace: self.grace },
            script: path,
        };
        let arguments = [input.link.as_str(), run.kind.name()];
        let stop = self.stop.subscribe();
        let prepared = run::command(&run.script, arguments, &input.environment, &input.document);
        let spawned = prepared.map(|mut command| (run::spawn(&mut command), command));
        match spawned {
            Ok((Ok(child), _)) => {
                self.processes.spawn_local(async move {
                    let ended = run::attend(child, Rc::clone(&run.labels), run.limit, stop).await;
                    Report { run, ended }
                });
            }
            Ok((Err(error), command)) if run::is_busy(&error) => {
                self.processes.spawn_local(async move {
                    let ended = match run::spawn_busy(command, &run.script).await {
                        Ok(child) => run::attend(child, Rc::clone(&run.labels), run.limit, stop).await,
                        Err(cause) => Ended { outcome: Outcome::NotStarted(cause), output: None },
                    };
                    Report { run, ended }
                });
            }
            Ok((Err(error), _)) | Err(error) => {
                let outcome = Outcome::NotStarted(run::why_not_started(&run.script, &error));
                let completion = self.conclude(Report { run, ended: Ended { outcome, output: None } });
                self.unstarted.push_back(completion);
            }
        }
    }

    fn conclude(&mut self, report: Report) -> Completion {
        let Report { run, ended } = report;
        let duration = run.clock.elapsed();
        if let Some(output) = ended.output {
            self.lingering.follow(output);
        }
        self.counts.note(&ended.outcome);
        record::log(&run.labels, &ended.outcome, duration, run.limit.timeout);
        self.between.push_back(run.link);
        Completion {
            event: run.labels.id,
            kind: run.kind,
            link: run.link,
            script: run.script,
            outcome: ended.outcome,
            duration,
            started: run.started,
        }
    }
}

#[cfg(test)]
#[path = "tests/mod.rs"]
mod tests;
