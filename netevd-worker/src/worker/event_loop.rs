//! The loop: sources in, state in the middle, scripts and routing out. The one owner of it all.

use super::log::Log;
use super::memory::Memory;
use super::options::Options;
use super::routing_task::RoutingTask;
use crate::config::Config;
use crate::dispatch::{Dispatcher, ScriptRoots, TrustedOwner};
use crate::event::{Class, Event, EventKind, LinkId};
use crate::facts::LinkFacts;
use crate::kernel::{Dump, DumpError, Dumper, KernelMessage, Multicast, Received};
use crate::routing::{
    Helper, HelperError, Hold, PassError, PassReport, Plan, Reconciler, WipeVerdict, WipeWatch, desired,
};
use crate::state::{Changes, Interest, State};
use protocol::Policy;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

/// The pass that needs no reason, and the dump that heals what no message told.
const PERIOD: Duration = Duration::from_secs(60);
/// A full dump as a precaution must be cheap.
const CHEAP: Duration = Duration::from_millis(50);
/// After a doubt the dump waits a moment: doubts come in bunches.
const SETTLE: Duration = Duration::from_millis(20);
/// Before a failed pass is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// Between a change and the file that remembers it.
const SAVE_AFTER: Duration = Duration::from_millis(200);
/// What scripts get between TERM and KILL when the worker stops.
const GRACE: Duration = Duration::from_secs(5);

/// Why the worker ends without having been asked.
#[derive(Debug)]
pub(super) enum Fatal {
    /// The multicast socket.
    Multicast(io::Error),
    /// No dump at the start.
    Dump(DumpError),
    /// The helper.
    Helper(HelperError),
    /// Signals.
    Signals(io::Error),
    /// A task that must not end did.
    Task(&'static str),
}

/// A dump under way; the dumper comes back with it.
type Dumping = JoinHandle<(Dumper, Result<Dump, DumpError>)>;

/// The worker.
pub(super) struct Worker {
    options: Options,
    config: Config,
    log: Log,
    state: State,
    dispatcher: Dispatcher,
    multicast: Multicast,
    dumper: Option<Dumper>,
    dumping: Option<(Dumping, Instant)>,
    /// When the next dump is due, and after an overrun or a doubt how long the last one took.
    dump_at: Option<Instant>,
    dump_took: Duration,
    /// The next dump fills in routes that nobody wanted to hear of before.
    quiet_dump: bool,
    routes_wanted: bool,
    routing: Option<RoutingTask>,
    /// The policy that the helper was started with.
    policy: Policy,
    pass_at: Option<Instant>,
    /// The next pass has another reason than that objects of ours went.
    fresh: bool,
    hold: Hold,
    wipes: WipeWatch,
    told: BTreeSet<String>,
    notes: Vec<String>,
    memory: Memory,
    save_at: Option<Instant>,
    period_at: Instant,
    overruns: u64,
    faults: usize,
    signals: Signals,
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
        let inherited = options.netlink.map(crate::sys::inherited);
        let channel = options.channel.map(crate::sys::inherited);
        // From before the dump, so that nothing falls in between.
        let multicast = Multicast::new(inherited).map_err(Fatal::Multicast)?;
        let policy = config.routing.clone();
        let routing = match channel {
            None => None,
            Some(channel) => {
                let helper = Helper::connect(channel).await.map_err(Fatal::Helper)?;
                let dumper = Dumper::new().map_err(Fatal::Dump)?;
                Some(RoutingTask::start(Reconciler::new(helper, dumper, policy.clone())))
            }
        };
        let uid = nix::unistd::geteuid();
        // A system daemon trusts root alone; the worker's own user must not be able to plant
        // scripts. An ordinary user's daemon has no helper, and trusts that user as well.
        let owner = if routing.is_some() { TrustedOwner::ROOT } else { TrustedOwner::user(uid.as_raw()) };
        let backend = "kernel";
        let dispatcher = Dispatcher::new(ScriptRoots::default(), config.scripts.clone(), owner, backend);
        let memory = Memory::new(&options.runtime_dir);
        let recalled = memory.recall();
        let replays = config.system.startup_events;
        let now = Instant::now();
        let mut worker = Self {
            state: recalled.unwrap_or_default(),
            routes_wanted: false,
            dumper: Some(Dumper::new().map_err(Fatal::Dump)?),
            dumping: None,
            dump_at: None,
            dump_took: Duration::ZERO,
            quiet_dump: false,
            pass_at: routing.as_ref().map(|_| now),
            fresh: true,
            hold: Hold::default(),
            wipes: WipeWatch::default(),
            told: BTreeSet::new(),
            notes: Vec::new(),
            save_at: None,
            period_at: now + PERIOD,
            overruns: 0,
            faults: 0,
            signals,
            options,
            config,
            log,
            dispatcher,
            multicast,
            routing,
            policy,
            memory,
        };
        worker.first_look(replays).await?;
        Ok(worker)
    }

    async fn first_look(&mut self, replays: bool) -> Result<(), Fatal> {
        self.update_interest();
        let keep = self.state.routes().keeper();
        if let Some(dumper) = &mut self.dumper {
            let dump = dumper.state(keep).await.map_err(Fatal::Dump)?;
            let mut changes = Changes::default();
            self.resynchronise(dump, &mut changes);
            if !replays {
                changes.events.clear();
            }
            self.follow(changes);
        }
        self.begin_pass();
        if let Some(routing) = &mut self.routing {
            let report = routing.report().await.ok_or(Fatal::Task("the routing task"))?;
            self.passed(report)?;
        } else if self.policy.interfaces.is_empty() {
            tracing::debug!("policy routing is off: no helper");
        } else {
            tracing::warn!("policy routing is off: no helper, so routing.policy_rules is without effect");
        }
        let links = self.state.links().count();
        let monitored = self.state.links().filter(|link| link.monitored).count();
        tracing::info!(
            "ready: {monitored} of {links} links monitored, host {}, policy routing {}",
            self.state.host(),
            if self.routing.is_some() { "on" } else { "off" },
        );
        Ok(())
    }

    /// Until a signal asks to stop, or something fails for good.
    pub(super) async fn run(&mut self) -> Result<(), Fatal> {
        let mut batch: Vec<KernelMessage> = Vec::new();
        loop {
            let wake = self.next_wake();
            tokio::select! {
                received = self.multicast.receive(|m| batch.push(m)), if self.dumping.is_none() => {
                    self.received(received.map_err(Fatal::Multicast)?, &mut batch);
                }
                dump = finished(&mut self.dumping) => self.dumped(dump)?,
                _completion = self.dispatcher.completed() => self.dispatcher.pump(&self.state),
                report = report_of(&mut self.routing) => {
                    self.passed(report.ok_or(Fatal::Task("the routing task"))?)?;
                }
                () = tokio::time::sleep_until(wake.into()) => {}
                _ = self.signals.terminate.recv() => break,
                _ = self.signals.interrupt.recv() => break,
                _ = self.signals.hang_up.recv() => self.reload(),
            }
            self.due();
        }
        tracing::info!("stopping: {} scripts running", self.dispatcher.running());
        // What has not run yet is for the next start.
        let unrun = self.dispatcher.has_unrun();
        self.dispatcher.shutdown(GRACE).await;
        if !unrun {
            self.save();
        }
        Ok(())
    }

    fn next_wake(&self) -> Instant {
        let pass = self.pass_at.filter(|_| self.routing.as_ref().is_some_and(|task| !task.is_busy()));
        let dump = self.dump_at.filter(|_| self.dumping.is_none());
        let save = self.save_at.filter(|_| self.dispatcher.is_idle());
        [pass, dump, save].into_iter().flatten().fold(self.period_at, Instant::min)
    }

    /// Does what has come due.
    fn due(&mut self) {
        let now = Instant::now();
        if self.period_at <= now {
            self.period_at = now + PERIOD;
            self.pass_at.get_or_insert(now);
            self.fresh = true;
            if self.dump_took < CHEAP {
                self.dump_at.get_or_insert(now);
            }
        }
        if self.dump_at.is_some_and(|at| at <= now) {
            self.begin_dump();
        }
        if self.pass_at.is_some_and(|at| at <= now) {
            self.begin_pass();
        }
        if self.save_at.is_some_and(|at| at <= now) && self.dispatcher.is_idle() {
            self.save_at = None;
            self.save();
        }
    }

    fn received(&mut self, received: Received, batch: &mut Vec<KernelMessage>) {
        self.update_interest();
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
                self.faults += faults;
                tracing::warn!(
                    "{faults} netlink messages were not understood; reading the kernel's state again"
                );
                self.dump_at.get_or_insert(Instant::now() + SETTLE);
            }
            Received::Overrun => {
                self.overruns += 1;
                tracing::warn!(
                    "the kernel had more to tell than the receive buffer holds (overrun {}); reading its \
                     state again. What happened meanwhile is told as one difference",
                    self.overruns
                );
                self.multicast.discard();
                self.dump_at = Some(Instant::now());
            }
        }
    }

    /// Events to scripts, marks to timers.
    fn follow(&mut self, changes: Changes) {
        let now = Instant::now();
        if !changes.events.is_empty() {
            self.save_at.get_or_insert(now + SAVE_AFTER);
        }
        let mut news = Vec::new();
        for event in changes.events {
            if is_news(&event) {
                news.push(event.clone());
            }
            self.dispatcher.submit(event);
        }
        for (link, last) in &changes.gone {
            self.dispatcher.link_gone(*link, last.clone());
        }
        self.dispatcher.pump(&self.state);
        // After the scripts have started: they are what is waited for.
        for event in &news {
            log_event(event, &self.state, &changes.gone);
        }
        if changes.routing {
            self.pass_at = Some(now);
            self.fresh = true;
        } else if changes.ours_gone {
            let hold = self.wipes.hold_until(now).unwrap_or(now);
            self.pass_at = Some(self.pass_at.map_or(hold, |at| at.min(hold)));
        }
        if changes.doubt {
            // On a router with a million routes a dump takes a second; one in ten is enough.
            let pause = SETTLE.max(self.dump_took * 10);
            self.dump_at.get_or_insert(now + pause);
        }
    }

    fn update_interest(&mut self) {
        let wanted = self.dispatcher.wanted(EventKind::Routes);
        if wanted != self.routes_wanted {
            self.routes_wanted = wanted;
            self.state.remember_all_routes(wanted);
            if wanted {
                self.quiet_dump = true;
                self.dump_at = Some(Instant::now());
            }
        }
    }

    fn begin_dump(&mut self) {
        let Some(mut dumper) = self.dumper.take() else { return };
        self.dump_at = None;
        let keep = self.state.routes().keeper();
        let task = tokio::spawn(async move {
            let dump = dumper.state(keep).await;
            (dumper, dump)
        });
        self.dumping = Some((task, Instant::now()));
    }

    fn dumped(
        &mut self,
        dump: Result<(Dumper, Result<Dump, DumpError>, Instant), Fatal>,
    ) -> Result<(), Fatal> {
        let (dumper, dump, began) = dump?;
        self.dumper = Some(dumper);
        self.dumping = None;
        self.dump_took = began.elapsed();
        match dump {
            Ok(dump) => {
                let mut changes = Changes::default();
                self.resynchronise(dump, &mut changes);
                self.follow(changes);
            }
            Err(error) => {
                tracing::warn!("{error}; trying again in {} s", RETRY.as_secs());
                self.dump_at = Some(Instant::now() + RETRY);
            }
        }
        Ok(())
    }

    fn resynchronise(&mut self, dump: Dump, changes: &mut Changes) {
        let config = &self.config;
        let routes = self.routes_wanted && !std::mem::take(&mut self.quiet_dump);
        let interest = Interest { monitors: &|name| config.monitors(name), routes };
        self.state.resynchronise(dump, &interest, changes);
        // A saved state may be of another monitored set.
        self.state.reconsider(&interest, changes);
    }

    fn begin_pass(&mut self) {
        let Some(routing) = self.routing.as_mut().filter(|task| !task.is_busy()) else { return };
        let mut plan = desired(&self.state, &self.policy);
        self.pass_at = self.hold.consider(&mut plan, &self.state, Instant::now());
        if plan.notes != self.notes {
            for note in plan.notes.iter().filter(|note| !self.notes.contains(note)) {
                tracing::warn!("routing: {note}");
            }
            self.notes.clone_from(&plan.notes);
        }
        routing.begin(Arc::new(plan), std::mem::take(&mut self.fresh));
    }

    fn passed(&mut self, report: Result<PassReport, PassError>) -> Result<(), Fatal> {
        let report = match report {
            Ok(report) => report,
            Err(PassError::Helper(error)) => return Err(Fatal::Helper(error)),
            Err(PassError::Dump(error)) => {
                tracing::warn!("{error}; the routing pass is tried again in {} s", RETRY.as_secs());
                self.retry();
                return Ok(());
            }
        };
        for (key, count) in &report.changed {
            let name = name_of(&report.plan, *key, &self.state);
            let table = protocol::TableId::for_interface(self.policy.table_base, key.ifindex);
            let changes = if *count == 1 { "change" } else { "changes" };
            tracing::info!(link = %name, "routing: {count} {changes} for {} in table {table}", key.family);
        }
        if report.wiped > 0 {
            self.wiped(report.wiped);
        }
        let told: BTreeSet<String> = report.refused.into_iter().map(|refused| refused.text).collect();
        for text in told.difference(&self.told) {
            tracing::warn!("routing: {text}");
        }
        for text in self.told.difference(&told) {
            tracing::info!("routing: no longer: {text}");
        }
        if told.difference(&self.told).next().is_some() {
            // Often a race with the kernel that the next look settles.
            self.retry();
        }
        self.told = told;
        Ok(())
    }

    fn retry(&mut self) {
        self.fresh = true;
        self.pass_at.get_or_insert(Instant::now() + RETRY);
    }

    fn wiped(&mut self, count: usize) {
        let cure = "if it is systemd-networkd, set ManageForeignRoutingPolicyRules=no and ManageForeignRoutes=no \
                    in networkd.conf";
        match self.wipes.wiped(Instant::now()) {
            WipeVerdict::Repaired => {
                tracing::info!("routing: another program deleted {count} of our objects; put back")
            }
            WipeVerdict::Warn => tracing::warn!(
                "routing: another program keeps deleting our rules ({count} now, the third time within a minute); \
                 put back. {cure}. Further repairs wait longer and longer"
            ),
            WipeVerdict::BackOff(wait) => tracing::info!(
                "routing: another program deleted {count} of our objects again; put back, the next repair waits {} s",
                wait.as_secs()
            ),
        }
    }

    fn reload(&mut self) {
        let config = match super::read_config(&self.options) {
            Ok(config) => config,
            Err(problems) => {
                tracing::error!("the configuration is not reloaded, the old one stays:\n{problems}");
                return;
            }
        };
        if config.routing != self.policy {
            tracing::warn!(
                "routing: changed, which takes a helper with the new policy: send SIGHUP to netevd, not to its worker"
            );
        }
        self.log.reconfigure(&config.system);
        self.dispatcher.reconfigure(config.scripts.clone());
        self.config = config;
        let mut changes = Changes::default();
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes: self.routes_wanted };
        self.state.reconsider(&interest, &mut changes);
        self.follow(changes);
        tracing::info!("configuration reloaded");
    }

    fn save(&self) {
        if let Err(error) = self.memory.save(&self.state) {
            tracing::warn!(
                "the state is not saved ({error}): scripts would run for everything after a restart"
            );
        }
    }
}

async fn finished(
    dumping: &mut Option<(Dumping, Instant)>,
) -> Result<(Dumper, Result<Dump, DumpError>, Instant), Fatal> {
    match dumping {
        None => std::future::pending().await,
        Some((task, began)) => {
            let (dumper, dump) = task.await.map_err(|_| Fatal::Task("the dump"))?;
            Ok((dumper, dump, *began))
        }
    }
}

async fn report_of(routing: &mut Option<RoutingTask>) -> Option<Result<PassReport, PassError>> {
    match routing {
        None => std::future::pending().await,
        Some(routing) => routing.report().await,
    }
}

fn name_of(plan: &Plan, key: crate::routing::TableKey, state: &State) -> String {
    let planned = plan.tables.get(&key).map(|table| table.name.clone());
    let known = || state.links().find(|link| link.ifindex == key.ifindex).map(|link| link.name.to_string());
    planned.or_else(known).unwrap_or_else(|| format!("interface {} (gone)", key.ifindex))
}

/// States are news for whoever reads the log; single addresses and routes only when debugging.
fn is_news(event: &Event) -> bool {
    let state = event.kind.class() == Class::State || event.kind == EventKind::Manager;
    state || tracing::enabled!(tracing::Level::DEBUG)
}

fn log_event(event: &Event, state: &State, gone: &[(LinkId, Arc<LinkFacts>)]) {
    let here = state.links().find(|link| link.id == event.link).map(|link| link.name.as_str());
    let went = || gone.iter().find(|(id, _)| *id == event.link).map(|(_, last)| last.name.as_str());
    let link = here.or_else(went).unwrap_or_default();
    let (id, old, startup) = (event.id, event.old_state.unwrap_or_default(), event.startup);
    match event.kind.class() {
        Class::State => tracing::info!(link, event = %id, old, startup, "{}", event.kind),
        Class::Value if event.kind == EventKind::Manager => {
            tracing::info!(event = %id, old, startup, "host {}", event.state);
        }
        _ => tracing::debug!(link, event = %id, startup, "{}", event.kind),
    }
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fatal::Multicast(error) => write!(f, "the netlink multicast socket failed: {error}"),
            Fatal::Dump(error) => write!(f, "the kernel's state cannot be read: {error}"),
            Fatal::Helper(error) => write!(f, "{error}; its state in the kernel stays"),
            Fatal::Signals(error) => write!(f, "cannot listen for signals: {error}"),
            Fatal::Task(what) => write!(f, "{what} ended, which it must not"),
        }
    }
}

impl std::error::Error for Fatal {}
