//! From an event whose turn it is to the processes of its scripts, one after the other.

use super::name_queue::Due;
use super::output::Labels;
use super::run::{self, Ended, Limit};
use super::stdin::{Feed, RemainingInput};
use super::{Begun, Dispatcher, Input, Runner, ScriptContext, Verdict, judge, record, remote, text};
use crate::filter::ScriptSelection;
use crate::model::{Backend, Completion, Event, EventId, EventKind, EventOutcome, Facts, LinkFacts, LinkId};
use std::collections::{HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::watch;

/// Says when everything is to end, and with which grace.
type Stop = watch::Receiver<Option<Duration>>;

/// An event with scripts left to run.
pub(super) struct Active {
    due: Due,
    pub(super) scripts: VecDeque<PathBuf>,
    /// Made when the first script starts, the same for all of them.
    pub(super) input: Option<Rc<Input>>,
    /// The link's values at that moment.
    values: Option<Arc<LinkFacts>>,
    /// Made when the first script has started.
    document: Option<Rc<[u8]>>,
}

/// What the task of one process hands back.
pub(super) struct Report {
    pub(super) run: Run,
    pub(super) ended: Ended,
}

pub(super) struct Run {
    pub(super) link: LinkId,
    pub(super) kind: EventKind,
    pub(super) script: PathBuf,
    pub(super) labels: Rc<Labels>,
    started: SystemTime,
    clock: Instant,
    pub(super) limit: Limit,
    rejected: Vec<&'static str>,
}

impl Active {
    pub(super) fn event(&self) -> EventId {
        self.due.event.id
    }

    /// The event, and the last values of a link that is gone.
    pub(super) fn unfinished(&self) -> (Event, Option<Arc<LinkFacts>>) {
        (self.due.event.clone(), self.due.last.clone())
    }

    fn context(&self, backend: Backend, emit_json: bool) -> ScriptContext<'_> {
        ScriptContext {
            event: &self.due.event,
            link: self.values.as_deref(),
            backend,
            emit_json,
            skipped: self.due.skipped,
            truncated: self.due.truncated,
        }
    }
}

/// Hands the document over as far as it fits; a failure costs the script its document alone.
pub(super) fn feed_or_log(feed: Feed, document: Rc<[u8]>, labels: &Labels) -> Option<RemainingInput> {
    feed.begin(document).unwrap_or_else(|error| {
        tracing::warn!(script = labels.script, event_id = labels.id.0, "its document is cut off: {error}");
        None
    })
}

/// By its file name; a name that is no text is no filter's.
fn permits(selection: &ScriptSelection, path: &Path) -> bool {
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) => selection.permits(name),
        None => *selection == ScriptSelection::All,
    }
}

impl Dispatcher {
    pub(super) fn begin(&mut self, mut due: Due, empty: &mut HashSet<EventKind>, facts: &dyn Facts) {
        let (kind, link) = (due.event.kind, due.event.link);
        let (event, skipped) = (due.event.id, due.skipped);
        self.counts.skipped += skipped;
        self.outcomes.push(EventOutcome::Begun { event, skipped });
        let selection = self.judge_due(&mut due, facts).unwrap_or(ScriptSelection::All);
        if selection == ScriptSelection::Nothing {
            self.outcomes.push(EventOutcome::Over(event));
            return self.queues.finished(link);
        }
        if self.lists_begun {
            let values = due.last.clone().or_else(|| facts.link(link));
            let name = values.map(|values| values.name.clone());
            self.begun.push(Begun { id: due.event.id, kind, link: name });
        }
        if !empty.contains(&kind) {
            let mut listing = self.directories.list(kind);
            for (path, verdict) in &listing.unreadable {
                self.counts.refused_scripts += 1;
                self.verdicts.note(path, verdict);
            }
            let is_empty = listing.scripts.is_empty();
            listing.scripts.retain(|path| permits(&selection, path));
            if !listing.scripts.is_empty() {
                self.active.insert(
                    link,
                    Active {
                        due,
                        scripts: listing.scripts.into(),
                        input: None,
                        values: None,
                        document: None,
                    },
                );
                self.next_script(link, facts);
                return;
            }
            if is_empty {
                empty.insert(kind);
            }
        }
        self.outcomes.push(EventOutcome::Over(event));
        self.queues.finished(link);
    }

    /// Starts the next script of a link's event that may run; without one the event is over.
    pub(super) fn next_script(&mut self, link: LinkId, facts: &dyn Facts) {
        while let Some(path) = self.active.get_mut(&link).and_then(|active| active.scripts.pop_front()) {
            if let Some(point) = self.directories.remote_fs.point(&path) {
                if self.dry_run {
                    self.log_dry_run(link, path, facts);
                } else if let Some(input) = self.input(link, facts) {
                    self.start_on_remote_fs(link, path, &point, &input);
                    return;
                }
                continue;
            }
            let verdict = judge(&path, self.owner, &self.identity);
            self.verdicts.note(&path, &verdict);
            match verdict {
                Verdict::Runs if self.dry_run => self.log_dry_run(link, path, facts),
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
        self.over(link);
    }

    fn over(&mut self, link: LinkId) {
        if let Some(active) = self.active.remove(&link) {
            self.outcomes.push(EventOutcome::Over(active.event()));
        }
        self.queues.finished(link);
    }

    /// What a dry run does in place of starting a script.
    fn log_dry_run(&mut self, link: LinkId, script: PathBuf, facts: &dyn Facts) {
        let Some(active) = self.active.get(&link) else { return };
        let event = &active.due.event;
        let values = active.due.last.clone().or_else(|| facts.link(link));
        let name = values.as_ref().map(|values| values.name.as_str()).unwrap_or_default();
        let shown = text::shown(&script);
        tracing::info!(link = name, event = %event.kind, event_id = event.id.0, script = shown, "dry run: would run");
        self.outcomes.push(EventOutcome::WouldRun { event: event.id, script });
    }

    /// The environment of a link's event, made once.
    fn input(&mut self, link: LinkId, facts: &dyn Facts) -> Option<Rc<Input>> {
        let active = self.active.get_mut(&link)?;
        if let Some(input) = &active.input {
            return Some(Rc::clone(input));
        }
        active.values =
            active.due.last.clone().or_else(|| self.queues.last(link)).or_else(|| facts.link(link));
        let id = active.due.event.id.0;
        if active.values.is_none() && link != LinkId::HOST {
            tracing::warn!(
                link = link.0,
                event_id = id,
                "nothing is known of the event's link; LINK is empty"
            );
        }
        let input = Rc::new(active.context(self.backend, self.emit_json).input());
        if !input.rejected.is_empty() {
            self.counts.rejected_values += u64::try_from(input.rejected.len()).unwrap_or(u64::MAX);
            let fields = input.rejected.join(" ");
            tracing::warn!(
                link = input.link,
                event_id = id,
                "values left out, as they are malformed: {fields}"
            );
        }
        active.input = Some(Rc::clone(&input));
        Some(input)
    }

    /// The document of a link's event, made once.
    pub(super) fn document(&mut self, link: LinkId) -> Rc<[u8]> {
        let Some(active) = self.active.get_mut(&link) else { return Rc::from([]) };
        if let Some(document) = &active.document {
            return Rc::clone(document);
        }
        let document = active.context(self.backend, self.emit_json).document().unwrap_or_else(|error| {
            let id = active.due.event.id.0;
            tracing::error!(event_id = id, "the event's document cannot be written: {error}");
            Vec::new()
        });
        Rc::clone(active.document.insert(Rc::from(document)))
    }

    /// A run that is about to begin.
    pub(super) fn run_of(&mut self, link: LinkId, path: PathBuf, input: &Input) -> Option<Run> {
        let event = self.active.get(&link).map(|active| &active.due.event)?;
        let labels =
            Labels { link: input.link.clone(), event: event.kind, id: event.id, script: text::shown(&path) };
        let run = Run {
            link,
            kind: event.kind,
            labels: Rc::new(labels),
            started: SystemTime::now(),
            clock: Instant::now(),
            limit: Limit { timeout: self.settings.timeout, grace: self.grace },
            rejected: input.rejected.clone(),
            script: path,
        };
        let (event, at) = (run.labels.id, run.started);
        self.outcomes.push(EventOutcome::Started { event, script: run.script.clone(), at });
        Some(run)
    }

    fn start(&mut self, link: LinkId, path: PathBuf, input: &Input) {
        let Some(run) = self.run_of(link, path, input) else { return };
        let stop = self.stop.subscribe();
        if let Some(runner) = self.runner.clone() {
            return self.start_by(runner, run, input, stop);
        }
        let prepared = run::command(&run.script, run.kind, input);
        let spawned = prepared.map(|(mut command, feed)| (run::spawn(&mut command), command, feed));
        match spawned {
            Ok((Ok(child), command, feed)) => {
                // Our copy of the script's end: while it is open nobody learns that the script's is not.
                drop(command);
                let rest = feed_or_log(feed, self.document(link), &run.labels);
                self.processes.spawn_local(async move {
                    let ended =
                        run::attend(child, run.clock, Rc::clone(&run.labels), run.limit, stop, rest).await;
                    Report { run, ended }
                });
            }
            Ok((Err(error), command, feed)) if run::is_busy(&error) => {
                let document = self.document(link);
                self.processes.spawn_local(async move {
                    let ended = match run::spawn_busy(command, &run.script).await {
                        Ok(child) => {
                            let rest = feed_or_log(feed, document, &run.labels);
                            run::attend(child, Instant::now(), Rc::clone(&run.labels), run.limit, stop, rest)
                                .await
                        }
                        Err(cause) => Ended::not_started(cause),
                    };
                    Report { run, ended }
                });
            }
            Ok((Err(error), ..)) | Err(error) => self.not_started(run, &error),
        }
    }

    /// The same by the runner.
    fn start_by(&mut self, runner: Rc<Runner>, run: Run, input: &Input, stop: Stop) {
        match remote::prepare(&run.script, run.kind, input) {
            Ok((prepared, feed)) => {
                let rest = feed_or_log(feed, self.document(run.link), &run.labels);
                self.processes.spawn_local(async move {
                    let whose = (run.script.as_path(), Rc::clone(&run.labels), run.limit);
                    let ended = remote::run(runner, prepared, whose, stop, rest).await;
                    Report { run, ended }
                });
            }
            Err(error) => self.not_started(run, &error),
        }
    }

    fn not_started(&mut self, run: Run, error: &std::io::Error) {
        let cause = run::why_not_started(&run.script, error);
        self.never_started(run, cause);
    }

    pub(super) fn never_started(&mut self, run: Run, cause: String) {
        let ended = Ended::not_started(cause);
        let completion = self.conclude(Report { run, ended });
        self.unstarted.push_back(completion);
    }

    pub(super) fn conclude(&mut self, report: Report) -> Completion {
        let Report { run, ended } = report;
        let duration = ended.at.saturating_duration_since(run.clock).saturating_sub(ended.paused);
        if let Some(output) = ended.output {
            self.lingering.follow(output);
        }
        self.counts.note(&ended.outcome);
        record::log(&run.labels, &ended.outcome, duration, run.limit.timeout);
        match self.active.get(&run.link) {
            Some(active) if !active.scripts.is_empty() => self.queues.paused(run.link),
            _ => self.over(run.link),
        }
        Completion {
            event: run.labels.id,
            kind: run.kind,
            link: run.link,
            script: run.script,
            outcome: ended.outcome,
            duration,
            started: run.started,
            rejected: run.rejected,
        }
    }
}
