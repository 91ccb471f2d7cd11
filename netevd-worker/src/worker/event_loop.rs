//! The loop: sources in, state in the middle, scripts and routing out. The one owner of it all.

mod answers;
mod due;
mod kernel;
mod managers;
mod reload;
mod start;

use super::alarm::Alarm;
use super::confine;
use super::event_log;
use super::event_observer::EventObserver;
use super::fatal::Fatal;
use super::lock::Lock;
use super::log::Log;
use super::memory_trimmer::MemoryTrimmer;
use super::notify::Notify;
use super::options::Options;
use super::overview::OverviewWatch;
use super::reload_pipe::ReloadPipe;
use super::resync::Resync;
use super::routing_controller::RoutingController;
use super::routing_task::RoutingUpdate;
use super::service_controller::{self, ServiceController};
use super::state_file::StateFile;
use crate::api::server::Server;
use crate::audit::Entry;
use crate::backend::Source;
use crate::clock::SleepWatch;
use crate::config::Config;
use crate::dispatch::{DirectoryWatch, Dispatcher};
use crate::journal::Journal;
use crate::kernel::{KernelMessage, Multicast};
use crate::model::{Backend, UnfinishedEvent};
use crate::request::{Actor, ApiRequest};
use crate::services::ServiceRequest;
use crate::state::{Changes, LeaseWait, State};
use protocol::InterfaceName;
use reload::InForce;
use std::io;
use std::time::{Duration, Instant, SystemTime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// The pass that needs no reason, and the dump that heals what no message told.
const PERIOD: Duration = Duration::from_secs(60);
/// Between a change and the file that remembers it.
const SAVE_AFTER: Duration = Duration::from_millis(200);
/// Events that the log names when the worker stops.
const UNFINISHED_NAMED: usize = 20;
/// What scripts get between TERM and KILL when the worker stops.
const GRACE: Duration = Duration::from_secs(5);

/// The worker.
pub(super) struct Worker {
    options: Options,
    config: Config,
    log: Log,
    signals: Signals,
    alarm: Alarm,
    multicast: Multicast,
    resync: Resync,
    state: State,
    /// The backend at work: what is configured, or what `auto` chose.
    backend: Backend,
    source: Source,
    dispatcher: Dispatcher,
    /// `scripts.user` at the start, which is as whom scripts run.
    scripts_user: Option<String>,
    services: ServiceController,
    routing: Option<RoutingController>,
    routes_wanted: bool,
    /// Notices scripts for routes.
    scripts: Option<DirectoryWatch>,
    state_file: StateFile,
    save_at: Option<Instant>,
    trimmer: MemoryTrimmer,
    period_at: Instant,
    sleep_watch: SleepWatch,
    /// When scripts hear of new leases, whether the kernel has all of them or not.
    leases_at: Option<(LeaseWait, Instant)>,
    overruns: u64,
    observer: EventObserver,
    notify: Notify,
    /// Recent events.
    journal: Journal,
    /// What readers of the stream know of the host as a whole.
    overview: OverviewWatch,
    /// The manager, as far as it is there.
    manager_state: ManagerState,
    loaded: InForce,
    /// Asks the launcher for new processes.
    reload_pipe: Option<ReloadPipe>,
    started: (Instant, SystemTime),
    /// What the API wants to know.
    api_requests: mpsc::Receiver<ApiRequest>,
    /// `None` only while the worker stops.
    server: Option<Server>,
    _lock: Option<Lock>,
}

/// The manager of the network.
#[derive(Debug, PartialEq, Eq)]
enum ManagerState {
    /// There is none: the kernel alone tells.
    None,
    /// It is there.
    Up,
    /// It is not; why, for people.
    Down(String),
}

/// What the process is told by signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        let signals = Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        };
        confine::permit_hang_up()?;
        Ok(signals)
    }
}

impl Worker {
    /// Until a signal asks to stop, or something fails for good.
    pub(super) async fn run(&mut self) -> Result<(), Fatal> {
        let mut batch: Vec<KernelMessage> = Vec::new();
        loop {
            let wake = self.next_wake();
            let mut is_question = false;
            tokio::select! {
                received = self.multicast.receive(|m| batch.push(m)), if !self.resync.is_running() => {
                    let received = received.map_err(Fatal::Multicast)?;
                    self.receive_manager_reports().await;
                    self.received(received, &mut batch);
                }
                report = self.source.next() => {
                    self.catch_up(&report, &mut batch)?;
                    self.reported(report);
                }
                Some(ask) = self.api_requests.recv() => {
                    self.trimmer.worked(1, Instant::now());
                    is_question = !matches!(ask, ApiRequest::Reload { .. });
                    self.answer(ask);
                }
                seen = scripts_changed(&mut self.scripts) => {
                    if seen.is_err() {
                        self.scripts = None;
                    }
                    self.update_interest();
                }
                outcome = self.services.outcome() => {
                    service_controller::log_outcome(&outcome);
                    if let ServiceRequest::Unit { verb, unit, event, .. } = &outcome.request {
                        let error = outcome.result.as_ref().err().map(String::as_str);
                        let result = if error.is_none() { "success" } else { "failure" };
                        self.journal.unit(*event, unit, verb.name(), result, error);
                    }
                    self.observer.audit.record(|| Entry::service(&outcome));
                }
                dump = self.resync.dump() => {
                    if let Some(dump) = dump? {
                        let (changes, received) = self.resynchronise(dump)?;
                        self.apply_changes(changes);
                        self.handle(received);
                    }
                }
                completion = self.dispatcher.completed() => {
                    self.observer.ran(&completion);
                    self.journal.ended(&completion);
                    self.start_due();
                    self.notify.touch(Instant::now());
                }
                update = next_update(&mut self.routing) => {
                    self.routing_update(update?)?;
                }
                fired = self.alarm.wait(wake) => fired.map_err(Fatal::Alarm)?,
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
                // What came of it is in the log.
                _ = self.signals.hang_up.recv() => drop(self.reload(&Actor::Signal, false)),
            }
            if !is_question && self.journal.has_readers() {
                self.overview.touch(Instant::now());
            }
            self.do_what_is_due();
            self.journal.publish();
        }
        Ok(())
    }

    /// In good order, whatever the reason: scripts end with the worker, for nobody would end them later.
    pub(super) async fn stop(&mut self) {
        self.notify.stopping();
        tracing::info!("stopping: {} scripts running", self.dispatcher.running());
        self.stop_serving().await;
        let stopped = self.dispatcher.shutdown(GRACE).await;
        for completion in &stopped.completions {
            self.observer.ran(completion);
        }
        self.services.finish().await;
        // What has not run is for a restart.
        self.save(&stopped.unfinished);
        for UnfinishedEvent { event, last } in stopped.unfinished.iter().take(UNFINISHED_NAMED) {
            let name = self.state.link_of(event.link).map(|link| &link.name);
            let name = name.or(last.as_ref().map(|last| &last.name)).map_or("host", InterfaceName::as_str);
            let (kind, id) = (event.kind, event.id.0);
            tracing::warn!(link = name, event = %kind, event_id = id, "{name} {kind} has not run to its end: it runs after a restart");
        }
        if let more @ 1.. = stopped.unfinished.len().saturating_sub(UNFINISHED_NAMED) {
            tracing::warn!("{more} more events have not run to their end");
        }
        self.observer.audit.stop().await;
    }

    /// Streams end in good order; what was asked before is answered.
    async fn stop_serving(&mut self) {
        let Some(server) = self.server.take() else { return };
        let mut stopped = std::pin::pin!(server.stop());
        loop {
            tokio::select! {
                () = &mut stopped => return,
                Some(ask) = self.api_requests.recv() => self.answer(ask),
            }
        }
    }

    /// Starts what may start, scripts and units.
    fn start_due(&mut self) {
        self.dispatcher.start_due(&self.state);
        let begun = self.dispatcher.begun();
        if !begun.is_empty() {
            let journal = &mut self.journal;
            self.services
                .begun(begun, |event, unit, verb, result| journal.unit(event, unit, verb, result, None));
        }
        self.report_outcomes();
    }

    fn report_outcomes(&mut self) {
        for note in self.dispatcher.outcomes() {
            self.observer.note(&note);
            self.journal.note(&note);
        }
    }

    /// Events to scripts, marks to timers.
    fn apply_changes(&mut self, mut changes: Changes) {
        let now = Instant::now();
        self.trimmer.worked(changes.events.len(), now);
        if self.backend == Backend::Dhclient {
            self.wait_for_leases(now);
            if changes.links {
                // The same lease is another link's now, or nobody's.
                self.services.apply_changes(&self.state);
            }
        }
        if !changes.events.is_empty() {
            self.save_at.get_or_insert(now + SAVE_AFTER);
        }
        // Before the events: their filters and scripts see the last values.
        for (link, last) in &changes.gone {
            self.dispatcher.link_gone(*link, last.clone());
            self.observer.metrics.interface_gone(last.name.as_str(), now);
        }
        let mut update = Vec::new();
        let mut known = None;
        for event in changes.events.drain(..) {
            if known.as_ref().is_none_or(|(link, _)| *link != event.link) {
                known = Some((event.link, event_log::name_of(&event, &self.state, &changes.gone)));
            }
            let link = known.as_ref().and_then(|(_, name)| name.as_ref());
            self.observer.begin(&event, link.map(InterfaceName::as_str), self.backend.name());
            self.journal.record_event(&event, link.cloned(), self.backend);
            if event_log::is_logged(&event) {
                update.push(event.clone());
            }
            self.dispatcher.submit(event, &self.state);
            // Before the next: what joins an event that waits is known by being the newest.
            self.report_outcomes();
        }
        self.start_due();
        // After the scripts have started: they are what is waited for.
        for event in &update {
            event_log::log_event(event, &self.state, &changes.gone);
        }
        if let Some(routing) = &mut self.routing {
            routing.apply_changes(&changes, now);
        }
        if changes.needs_resync {
            self.resync.soon(now);
        }
        self.notify.touch(now);
    }
}

async fn scripts_changed(watch: &mut Option<DirectoryWatch>) -> io::Result<()> {
    match watch {
        None => std::future::pending().await,
        Some(watch) => watch.changed().await,
    }
}

async fn next_update(routing: &mut Option<RoutingController>) -> Result<RoutingUpdate, Fatal> {
    match routing {
        None => std::future::pending().await,
        Some(routing) => routing.update().await,
    }
}
