//! The loop: sources in, state in the middle, scripts and routing out. The one owner of it all.

mod managers;

use super::activation;
use super::door::Door;
use super::fatal::Fatal;
use super::lock::Lock;
use super::log::Log;
use super::memory::Memory;
use super::news;
use super::notify::{Notify, Status};
use super::options::Options;
use super::resync::Resync;
use super::routing_side::RoutingSide;
use super::routing_task::RoutingNews;
use super::services_side::{self, ServicesSide};
use crate::backend::{Report, Source};
use crate::config::{Backend, Config};
use crate::dispatch::{Dispatcher, ScriptRoots, TrustedOwner};
use crate::event::EventKind;
use crate::kernel::{Dump, Dumper, KernelMessage, Multicast, Received};
use crate::routing::Helper;
use crate::state::{Changes, Interest, LeaseWait, State, is_reported};
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The pass that needs no reason, and the dump that heals what no message told.
const PERIOD: Duration = Duration::from_secs(60);
/// Between a change and the file that remembers it.
const SAVE_AFTER: Duration = Duration::from_millis(200);
/// What scripts get between TERM and KILL when the worker stops.
const GRACE: Duration = Duration::from_secs(5);

/// The worker.
pub(super) struct Worker {
    options: Options,
    config: Config,
    log: Log,
    signals: Signals,
    multicast: Multicast,
    resync: Resync,
    state: State,
    /// The backend at work: what is configured, or what `auto` chose.
    backend: Backend,
    source: Source,
    dispatcher: Dispatcher,
    services: ServicesSide,
    routing: Option<RoutingSide>,
    routes_wanted: bool,
    memory: Memory,
    save_at: Option<Instant>,
    period_at: Instant,
    /// When scripts hear of new leases, whether the kernel has all of them or not.
    leases_at: Option<(LeaseWait, Instant)>,
    overruns: u64,
    notify: Notify,
    /// The last reload was refused.
    stale: bool,
    _lock: Option<Lock>,
}

/// What the process is told by signals.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

impl Worker {
    /// Opens everything, reads the kernel's state, and runs the first events and the first pass.
    pub(super) async fn start(options: Options, config: Config, log: Log) -> Result<Self, Fatal> {
        // A signal that comes before its handler would end the process.
        let signals = Signals::new().map_err(Fatal::Signals)?;
        let sockets =
            if options.systemd { Some(activation::take().map_err(Fatal::Activation)?) } else { None };
        // The launcher holds the lock for a worker of its own.
        let lock =
            sockets.as_ref().map(|_| Lock::take(&options.runtime_dir)).transpose().map_err(Fatal::Lock)?;
        let netlink = inherited("--netlink", options.netlink)?;
        let channel = inherited("--channel", options.channel)?;
        let (netlink, door) = match sockets {
            None => (netlink, None),
            Some(sockets) => (sockets.netlink, Some(sockets.door)),
        };
        // From before the dump, so that nothing falls in between.
        let mut multicast = Multicast::new(netlink).map_err(Fatal::Multicast)?;
        if options.systemd {
            // What it holds was said to a worker before this one; the dump tells what became of it.
            multicast.discard();
        }
        let now = Instant::now();
        let policy = config.routing.clone();
        let routing = match (channel, door) {
            (None, None) => None,
            (Some(channel), _) => {
                let helper = Helper::connect(channel).await.map_err(Fatal::Helper)?;
                let dumper = Dumper::new().map_err(Fatal::Dump)?;
                Some(RoutingSide::with_helper(helper, dumper, policy, now))
            }
            (None, Some(door)) => Some(RoutingSide::with_door(Door::new(door).map_err(Fatal::Door)?, policy)),
        };
        // A system's daemon trusts root alone: the worker's own user must not be able to plant
        // scripts. An ordinary user's daemon has no helper, and trusts that user as well.
        let user = nix::unistd::geteuid().as_raw();
        let owner = if routing.is_some() { TrustedOwner::ROOT } else { TrustedOwner::user(user) };
        let memory = Memory::new(&options.runtime_dir);
        let backend = config.system.backend;
        let mut worker = Self {
            state: memory.recall().unwrap_or_default(),
            backend,
            source: Source::start(backend, &config.backends.dhclient),
            dispatcher: Dispatcher::new(ScriptRoots::default(), config.scripts.clone(), owner, backend),
            services: ServicesSide::new(&config),
            resync: Resync::new().map_err(Fatal::Dump)?,
            routes_wanted: false,
            save_at: None,
            period_at: now + PERIOD,
            leases_at: None,
            overruns: 0,
            notify: Notify::new(now),
            stale: false,
            _lock: lock,
            options,
            config,
            log,
            signals,
            multicast,
            routing,
            memory,
        };
        worker.first_look().await?;
        Ok(worker)
    }

    async fn first_look(&mut self) -> Result<(), Fatal> {
        let mut told = self.await_manager().await;
        self.settle_backend();
        self.update_interest();
        self.resync.begin(self.state.routes().keeper(), Instant::now());
        while self.resync.is_running() {
            if let Some(dump) = self.resync.dump().await? {
                let mut changes = self.resynchronise(dump);
                changes.events.splice(0..0, told.events.drain(..));
                if !self.config.system.startup_events {
                    changes.events.clear();
                }
                self.follow(changes);
            }
        }
        self.services.follow(&self.state);
        self.wait_for_leases(Instant::now());
        match &mut self.routing {
            // Under systemd the helper comes when it comes.
            Some(_) if self.options.systemd => {}
            Some(routing) => {
                routing.begin(&self.state, Instant::now());
                let news = routing.news().await?;
                routing.hear(news, &self.state)?;
            }
            None if self.config.routing.interfaces.is_empty() => {}
            None => {
                tracing::warn!("policy routing is off: no helper, so routing.policy_rules is without effect");
            }
        }
        tracing::info!(
            "ready: {} of {} links monitored, host {}, policy routing {}",
            self.state.links().filter(|link| link.monitored).count(),
            self.state.links().count(),
            self.state.host(),
            self.routing.as_ref().map_or("off", RoutingSide::status),
        );
        let status = self.status();
        self.notify.ready(&status, Instant::now());
        Ok(())
    }

    /// Until a signal asks to stop, or something fails for good.
    pub(super) async fn run(&mut self) -> Result<(), Fatal> {
        let mut batch: Vec<KernelMessage> = Vec::new();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                received = self.multicast.receive(|m| batch.push(m)), if !self.resync.is_running() => {
                    let received = received.map_err(Fatal::Multicast)?;
                    self.hear_of_leases().await;
                    self.received(received, &mut batch);
                }
                report = self.source.next() => {
                    self.catch_up(&mut batch)?;
                    self.reported(report);
                }
                outcome = self.services.outcome() => services_side::tell(&outcome),
                dump = self.resync.dump() => {
                    if let Some(dump) = dump? {
                        let changes = self.resynchronise(dump);
                        self.follow(changes);
                    }
                }
                _completion = self.dispatcher.completed() => {
                    self.pump();
                    self.notify.touch(Instant::now());
                }
                news = news_of(&mut self.routing) => {
                    if let Some(routing) = &mut self.routing {
                        routing.hear(news?, &self.state)?;
                        self.notify.touch(Instant::now());
                    }
                }
                () = tokio::time::sleep_until(wake.into()) => {}
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
                _ = self.signals.hang_up.recv() => self.reload(),
            }
            self.do_what_is_due();
        }
        self.stop().await;
        Ok(())
    }

    async fn stop(&mut self) {
        self.notify.stopping();
        tracing::info!("stopping: {} scripts running", self.dispatcher.running());
        // What has not run yet is for the next start.
        let unrun = self.dispatcher.has_unrun();
        self.dispatcher.shutdown(GRACE).await;
        if !unrun {
            self.save();
        }
    }

    fn next_wake(&self) -> Instant {
        let pass = self.routing.as_ref().and_then(RoutingSide::due);
        let save = self.save_at.filter(|_| self.dispatcher.is_idle());
        [pass, self.resync.due(), save, self.leases_at.map(|(_, at)| at), self.notify.due()]
            .into_iter()
            .flatten()
            .fold(self.period_at, Instant::min)
    }

    fn do_what_is_due(&mut self) {
        let now = Instant::now();
        let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.period_at <= now {
            self.period_at = now + PERIOD;
            self.resync.routinely(now);
            if let Some(routing) = &mut self.routing {
                routing.routinely(now);
            }
        }
        if is_due(self.resync.due()) {
            self.resync.begin(self.state.routes().keeper(), now);
        }
        if let Some(routing) = self.routing.as_mut().filter(|routing| is_due(routing.due())) {
            routing.begin(&self.state, now);
        }
        if is_due(self.leases_at.map(|(_, at)| at)) {
            self.leases_at = None;
            let mut changes = Changes::default();
            self.state.release_leases(&mut changes);
            self.follow(changes);
        }
        if is_due(self.save_at) && self.dispatcher.is_idle() {
            self.save_at = None;
            self.save();
        }
        if is_due(self.notify.due()) {
            let status = self.status();
            self.notify.tend(status, now);
        }
    }

    /// What the service manager shows.
    fn status(&self) -> Status {
        let counts = self.dispatcher.counts();
        Status {
            monitored: self.state.links().filter(|link| link.monitored).count(),
            links: self.state.links().count(),
            host: self.state.host(),
            runs: counts.runs,
            failures: counts.failures + counts.timeouts + counts.not_started,
            routing: self.routing.as_ref().map_or("off", RoutingSide::status),
            stale: self.stale,
        }
    }

    /// Starts what may start, scripts and units.
    fn pump(&mut self) {
        self.dispatcher.pump(&self.state);
        let begun = self.dispatcher.begun();
        if !begun.is_empty() {
            self.services.begun(begun);
        }
    }

    fn received(&mut self, received: Received, batch: &mut Vec<KernelMessage>) {
        // Asked only where the answer matters: every look at a directory delays a script.
        if batch.iter().any(is_of_routes) {
            self.update_interest();
        }
        let mut changes = Changes::default();
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes: self.routes_wanted };
        for message in batch.drain(..) {
            self.state.apply(message, &interest, &mut changes);
        }
        self.follow(changes);
        match received {
            Received::Messages { faults: 0 } => {}
            Received::Messages { faults } => {
                tracing::warn!(
                    "{faults} netlink messages were not understood; reading the kernel's state again"
                );
                self.resync.soon(Instant::now());
            }
            Received::Overrun => {
                self.overruns += 1;
                tracing::warn!(
                    "the kernel had more to tell than the receive buffer holds (overrun {}); reading its \
                     state again. What happened meanwhile is told as one difference",
                    self.overruns
                );
                self.multicast.discard();
                self.resync.now(Instant::now());
            }
        }
    }

    /// Events to scripts, marks to timers.
    fn follow(&mut self, mut changes: Changes) {
        let now = Instant::now();
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
        let mut news = Vec::new();
        for event in changes.events.drain(..) {
            if news::is_news(&event) {
                news.push(event.clone());
            }
            self.dispatcher.submit(event);
        }
        for (link, last) in &changes.gone {
            self.dispatcher.link_gone(*link, last.clone());
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

    fn update_interest(&mut self) {
        let wanted = self.dispatcher.wanted(EventKind::Routes);
        if wanted != self.routes_wanted {
            self.routes_wanted = wanted;
            self.state.remember_all_routes(wanted);
            if wanted {
                self.resync.quietly(Instant::now());
            }
        }
    }

    fn resynchronise(&mut self, dump: Dump) -> Changes {
        let routes = self.routes_wanted && !self.resync.was_quiet();
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes };
        let mut changes = Changes::default();
        self.state.resynchronise(dump, &interest, &mut changes);
        // A saved state may be of another monitored set.
        self.state.reconsider(&interest, &mut changes);
        changes
    }

    /// The manager waits for the end of what it is told has begun.
    fn reload(&mut self) {
        self.notify.reloading();
        self.stale = !self.read_again();
        let status = self.status();
        self.notify.ready(&status, Instant::now());
    }

    /// All or nothing; false when the old configuration stays.
    fn read_again(&mut self) -> bool {
        let config = match super::read_config(&self.options) {
            Ok(config) => config,
            Err(problems) => {
                tracing::error!("the configuration is not reloaded, the old one stays:\n{problems}");
                return false;
            }
        };
        if self.routing.as_mut().is_some_and(|routing| !routing.follow_policy(&config.routing)) {
            tracing::warn!(
                "routing: changed, which takes a helper with the new policy: send SIGHUP to netevd, not to \
                 its worker"
            );
        }
        self.log.reconfigure(&config.system);
        self.dispatcher.reconfigure(config.scripts.clone());
        let mut changes = Changes::default();
        let source = |config: &Config| (config.system.backend, config.backends.dhclient.lease_files.clone());
        if source(&config) != source(&self.config) {
            self.state.report(Report::Away("another one is configured".to_owned()), &mut changes);
            self.state.report(Report::Leases(BTreeMap::new()), &mut changes);
            self.backend = config.system.backend;
            self.source = Source::start(self.backend, &config.backends.dhclient);
        }
        self.config = config;
        self.settle_backend();
        self.services.reconfigure(&self.config, &self.state);
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes: self.routes_wanted };
        self.state.reconsider(&interest, &mut changes);
        self.follow(changes);
        tracing::info!("configuration reloaded");
        true
    }

    fn save(&self) {
        if let Err(error) = self.memory.save(&self.state) {
            tracing::warn!(
                "the state is not saved ({error}): scripts would run for everything after a restart"
            );
        }
    }
}

/// Routes, and what takes routes along without a word.
fn is_of_routes(message: &KernelMessage) -> bool {
    match message {
        KernelMessage::Route(route, _) | KernelMessage::RouteGone(route) => is_reported(route),
        KernelMessage::Link(_) | KernelMessage::LinkGone(_) | KernelMessage::AddressGone(..) => true,
        KernelMessage::Address(..) | KernelMessage::Rule(_) | KernelMessage::RuleGone(_) => false,
    }
}

fn inherited(option: &'static str, number: Option<i32>) -> Result<Option<OwnedFd>, Fatal> {
    let open = |number| crate::sys::inherited(number).map_err(|error| Fatal::Descriptor(option, error));
    number.map(open).transpose()
}

async fn news_of(routing: &mut Option<RoutingSide>) -> Result<RoutingNews, Fatal> {
    match routing {
        None => std::future::pending().await,
        Some(routing) => routing.news().await,
    }
}
