//! The loop: sources in, state in the middle, scripts and routing out. The one owner of it all.

mod answers;
mod due;
mod kernel;
mod managers;
mod reload;
mod start;

use super::alarm::Alarm;
use super::bell::Bell;
use super::confine;
use super::fatal::Fatal;
use super::lock::Lock;
use super::log::Log;
use super::memory::Memory;
use super::news;
use super::notify::Notify;
use super::options::Options;
use super::overview::OverviewWatch;
use super::resync::Resync;
use super::routing_side::RoutingSide;
use super::routing_task::RoutingNews;
use super::services_side::{self, ServicesSide};
use super::thrift::Thrift;
use super::witness::Witness;
use crate::api::ask::{Actor, Ask};
use crate::api::server::Server;
use crate::audit::Entry;
use crate::backend::Source;
use crate::clock::SleepWatch;
use crate::config::{Backend, Config};
use crate::dispatch::{Dispatcher, Eyes, Unrun};
use crate::journal::Journal;
use crate::kernel::{KernelMessage, Multicast};
use crate::services::Demand;
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
const UNRUN_NAMED: usize = 20;
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
    services: ServicesSide,
    routing: Option<RoutingSide>,
    routes_wanted: bool,
    /// Notices scripts for routes.
    scripts: Option<Eyes>,
    memory: Memory,
    save_at: Option<Instant>,
    thrift: Thrift,
    period_at: Instant,
    sleep_watch: SleepWatch,
    /// When scripts hear of new leases, whether the kernel has all of them or not.
    leases_at: Option<(LeaseWait, Instant)>,
    overruns: u64,
    witness: Witness,
    notify: Notify,
    /// Recent events.
    journal: Journal,
    /// What readers of the stream know of the host as a whole.
    overview: OverviewWatch,
    /// The manager, as far as it is there.
    presence: Presence,
    loaded: InForce,
    /// Asks the launcher for new processes.
    bell: Option<Bell>,
    started: (Instant, SystemTime),
    /// What the API wants to know.
    asks: mpsc::Receiver<Ask>,
    /// `None` only while the worker stops.
    server: Option<Server>,
    _lock: Option<Lock>,
}

/// The manager of the network.
#[derive(Debug, PartialEq, Eq)]
enum Presence {
    /// There is none: the kernel alone tells.
    Alone,
    /// It is there.
    There,
    /// It is not; why, for people.
    Awaited(String),
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
                    self.hear_of_manager().await;
                    self.received(received, &mut batch);
                }
                report = self.source.next() => {
                    self.catch_up(&report, &mut batch)?;
                    self.reported(report);
                }
                Some(ask) = self.asks.recv() => {
                    self.thrift.worked(1, Instant::now());
                    is_question = !matches!(ask, Ask::Reload { .. });
                    self.answer(ask);
                }
                seen = scripts_changed(&mut self.scripts) => {
                    if seen.is_err() {
                        self.scripts = None;
                    }
                    self.update_interest();
                }
                outcome = self.services.outcome() => {
                    services_side::tell(&outcome);
                    if let Demand::Unit { verb, unit, event, .. } = &outcome.demand {
                        let error = outcome.result.as_ref().err().map(String::as_str);
                        let result = if error.is_none() { "success" } else { "failure" };
                        self.journal.unit(*event, unit, verb.name(), result, error);
                    }
                    self.witness.audit.record(|| Entry::service(&outcome));
                }
                dump = self.resync.dump() => {
                    if let Some(dump) = dump? {
                        let (changes, received) = self.resynchronise(dump)?;
                        self.follow(changes);
                        self.heed(received);
                    }
                }
                completion = self.dispatcher.completed() => {
                    self.witness.ran(&completion);
                    self.journal.ended(&completion);
                    self.pump();
                    self.notify.touch(Instant::now());
                }
                news = news_of(&mut self.routing) => {
                    self.routing_news(news?)?;
                }
                rung = self.alarm.wait(wake) => rung.map_err(Fatal::Alarm)?,
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
            self.witness.ran(completion);
        }
        self.services.finish().await;
        // What has not run is for a restart.
        self.save(&stopped.unrun);
        for Unrun { event, last } in stopped.unrun.iter().take(UNRUN_NAMED) {
            let name = self.state.link_of(event.link).map(|link| &link.name);
            let name = name.or(last.as_ref().map(|last| &last.name)).map_or("host", InterfaceName::as_str);
            let (kind, id) = (event.kind, event.id.0);
            tracing::warn!(link = name, event = %kind, event_id = id, "{name} {kind} has not run to its end: it runs after a restart");
        }
        if let more @ 1.. = stopped.unrun.len().saturating_sub(UNRUN_NAMED) {
            tracing::warn!("{more} more events have not run to their end");
        }
        self.witness.audit.stop().await;
    }

    /// Streams end in good order; what was asked before is answered.
    async fn stop_serving(&mut self) {
        let Some(server) = self.server.take() else { return };
        let mut stopped = std::pin::pin!(server.stop());
        loop {
            tokio::select! {
                () = &mut stopped => return,
                Some(ask) = self.asks.recv() => self.answer(ask),
            }
        }
    }

    /// Starts what may start, scripts and units.
    fn pump(&mut self) {
        self.dispatcher.pump(&self.state);
        let begun = self.dispatcher.begun();
        if !begun.is_empty() {
            let journal = &mut self.journal;
            self.services
                .begun(begun, |event, unit, verb, result| journal.unit(event, unit, verb, result, None));
        }
        self.take_notes();
    }

    fn take_notes(&mut self) {
        for note in self.dispatcher.notes() {
            self.witness.note(&note);
            self.journal.note(&note);
        }
    }

    /// Events to scripts, marks to timers.
    fn follow(&mut self, mut changes: Changes) {
        let now = Instant::now();
        self.thrift.worked(changes.events.len(), now);
        if self.backend == Backend::Dhclient {
            self.wait_for_leases(now);
            if changes.links {
                // The same lease is another link's now, or nobody's.
                self.services.follow(&self.state);
            }
        }
        if !changes.events.is_empty() {
            self.save_at.get_or_insert(now + SAVE_AFTER);
        }
        // Before the events: their filters and scripts see the last values.
        for (link, last) in &changes.gone {
            self.dispatcher.link_gone(*link, last.clone());
            self.witness.metrics.interface_gone(last.name.as_str(), now);
        }
        let mut news = Vec::new();
        let mut known = None;
        for event in changes.events.drain(..) {
            if known.as_ref().is_none_or(|(link, _)| *link != event.link) {
                known = Some((event.link, news::name_of(&event, &self.state, &changes.gone)));
            }
            let link = known.as_ref().and_then(|(_, name)| name.as_ref());
            self.witness.heard(&event, link.map(InterfaceName::as_str), self.backend.name());
            self.journal.hear(&event, link.cloned(), self.backend);
            if news::is_news(&event) {
                news.push(event.clone());
            }
            self.dispatcher.submit(event, &self.state);
            // Before the next: what joins an event that waits is known by being the newest.
            self.take_notes();
        }
        self.pump();
        // After the scripts have started: they are what is waited for.
        for event in &news {
            news::log(event, &self.state, &changes.gone);
        }
        if let Some(routing) = &mut self.routing {
            routing.follow(&changes, now);
        }
        if changes.doubt {
            self.resync.soon(now);
        }
        self.notify.touch(now);
    }
}

async fn scripts_changed(eyes: &mut Option<Eyes>) -> io::Result<()> {
    match eyes {
        None => std::future::pending().await,
        Some(eyes) => eyes.changed().await,
    }
}

async fn news_of(routing: &mut Option<RoutingSide>) -> Result<RoutingNews, Fatal> {
    match routing {
        None => std::future::pending().await,
        Some(routing) => routing.news().await,
    }
}
