//! From the options to a worker that has told what there is.

use super::reload::InForce;
use super::{ManagerState, PERIOD, Signals, Worker};
use crate::api::server::{Server, Settings};
use crate::audit::{Audit, Entry};
use crate::backend::{Source, bus};
use crate::clock::SleepWatch;
use crate::config::{Api, Loaded};
use crate::dispatch::{Dispatcher, Runner, SOCKET, ScriptRoots, TrustedOwner};
use crate::journal::Journal;
use crate::kernel::{Dumper, Multicast};
use crate::metrics::Metrics;
use crate::model::{Event, EventKind, LinkFacts, LinkId};
use crate::request::QUESTIONS;
use crate::routing::Helper;
use crate::state::{Changes, State};
use crate::worker::activation;
use crate::worker::alarm::Alarm;
use crate::worker::event_observer::EventObserver;
use crate::worker::fatal::Fatal;
use crate::worker::helper_listener::HelperListener;
use crate::worker::lock::Lock;
use crate::worker::log::Log;
use crate::worker::memory_trimmer::MemoryTrimmer;
use crate::worker::notify::Notify;
use crate::worker::options::Options;
use crate::worker::overview::OverviewWatch;
use crate::worker::reload_pipe::ReloadPipe;
use crate::worker::resync::Resync;
use crate::worker::routing_controller::{RoutingContext, RoutingController};
use crate::worker::service_controller::ServiceController;
use crate::worker::state_file::StateFile;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime};
use tokio::sync::mpsc;

impl Worker {
    /// Opens everything, reads the kernel's state, and runs the first events and the first pass.
    pub(in crate::worker) async fn start(options: Options, loaded: Loaded, log: Log) -> Result<Self, Fatal> {
        // A signal that comes before its handler would end the process.
        let signals = Signals::new().map_err(Fatal::Signals)?;
        let sockets =
            if options.systemd { Some(activation::take().map_err(Fatal::Activation)?) } else { None };
        // The launcher holds the lock for a worker of its own.
        let lock =
            sockets.as_ref().map(|_| Lock::take(&options.runtime_dir)).transpose().map_err(Fatal::Lock)?;
        let netlink = inherited("--netlink", options.netlink)?;
        let channel = inherited("--channel", options.channel)?;
        let (netlink, helper_listener) = match sockets {
            None => (netlink, None),
            Some(sockets) => (sockets.netlink, Some(sockets.helper_listener)),
        };
        // From before the dump, so that nothing falls in between.
        let mut multicast = Multicast::new(netlink).map_err(Fatal::Multicast)?;
        if options.systemd {
            // What it holds was said to a worker before this one; the dump tells what became of it.
            multicast.discard();
        }
        let now = Instant::now();
        let metrics = Metrics::default();
        metrics.reloaded(true);
        bus::count_in(metrics.handle());
        let audit = Audit::new(metrics.handle());
        let in_force = InForce::new(&loaded);
        let config = loaded.config;
        if !options.dry_run {
            audit.reconfigure(&config.audit);
            audit.record(|| Entry::start(&in_force.files));
        }
        let planning = config.planning.clone();
        let context = RoutingContext { metrics: metrics.handle(), audit: audit.clone(), planning };
        let policy = config.routing.clone();
        let routing = match (channel, helper_listener) {
            (None, None) if options.rehearse_routing => {
                let dumper = Dumper::new().map_err(Fatal::Dump)?;
                Some(RoutingController::dry_run(dumper, policy, context))
            }
            (None, None) => None,
            (Some(channel), _) => {
                let helper = Helper::connect(channel).await.map_err(Fatal::Helper)?;
                let dumper = Dumper::new().map_err(Fatal::Dump)?;
                Some(RoutingController::with_helper(helper, dumper, policy, context))
            }
            (None, Some(helper_listener)) => Some(RoutingController::with_listener(
                HelperListener::new(helper_listener).map_err(Fatal::HelperListener)?,
                policy,
                context,
            )),
        };
        // A system's daemon trusts root alone: the worker's own user must not be able to plant
        // scripts. An ordinary user's daemon has no helper, and trusts that user as well.
        let user = nix::unistd::geteuid().as_raw();
        let owner = if routing.is_some() { TrustedOwner::ROOT } else { TrustedOwner::user(user) };
        let state_file = StateFile::new(&options.runtime_dir);
        let backend = config.system.backend;
        let reload_pipe = inherited("--bell", options.reload_pipe)?
            .map(ReloadPipe::new)
            .transpose()
            .map_err(Fatal::ReloadPipe)?;
        let mut dispatcher = Dispatcher::new(ScriptRoots::default(), config.scripts.clone(), owner, backend);
        let runner = inherited("--runner", options.runner)?;
        if let Some(user) = &config.scripts.user {
            match runner {
                Some(channel) => dispatcher.run_by(Runner::given(channel, user)),
                // A dry run only judges for the user.
                None if options.systemd || options.dry_run => {
                    dispatcher.run_by(Runner::at(Path::new(SOCKET), user));
                }
                None => {
                    tracing::warn!("scripts.user is without effect: scripts run as the daemon's own user")
                }
            }
        }
        let (api_sender, api_requests) = mpsc::channel(QUESTIONS);
        let server = Server::start(
            api_sender,
            Settings {
                runtime_dir: options.runtime_dir.clone(),
                // Beside a daemon a dry run has no port of its own.
                api: if options.dry_run {
                    Api { enabled: false, ..config.api.clone() }
                } else {
                    config.api.clone()
                },
                metrics_enabled: config.metrics.enabled,
                own_uid_may_change: routing.is_none(),
                scripts_run_as: dispatcher.identity().clone(),
                metrics: metrics.handle(),
                audit: audit.clone(),
            },
        );
        // A dry run tells what a start would do here: its own directory remembers nothing.
        let remembered = if options.dry_run { None } else { state_file.load() };
        let is_first = remembered.is_none();
        let started = (now, SystemTime::now());
        let mut worker = Self {
            state: remembered.unwrap_or_default(),
            backend,
            source: Source::start(backend, &config.backends.dhclient),
            scripts_user: config.scripts.user.clone(),
            dispatcher,
            services: ServiceController::new(&config, options.dry_run),
            resync: Resync::new().map_err(Fatal::Dump)?,
            routes_wanted: false,
            scripts: None,
            save_at: None,
            trimmer: MemoryTrimmer::default(),
            period_at: now + PERIOD,
            sleep_watch: SleepWatch::new(),
            leases_at: None,
            overruns: 0,
            observer: EventObserver::new(metrics, audit),
            notify: Notify::new(now),
            journal: Journal::new(started.1),
            overview: OverviewWatch::default(),
            manager_state: ManagerState::at_first(backend),
            loaded: in_force,
            reload_pipe,
            started,
            api_requests,
            server: Some(server),
            _lock: lock,
            options,
            config,
            log,
            signals,
            alarm: Alarm::new().map_err(Fatal::Alarm)?,
            multicast,
            routing,
            state_file,
        };
        worker.dispatcher.set_filters(worker.config.filters.clone());
        if worker.options.dry_run {
            worker.dispatcher.set_dry_run();
        }
        let policy = worker.routing.as_ref().map(RoutingController::policy);
        worker.state.apply_policy(policy, &mut Changes::default());
        worker.initial_dump(is_first).await?;
        Ok(worker)
    }

    async fn initial_dump(&mut self, is_first: bool) -> Result<(), Fatal> {
        let mut reported = self.await_manager().await;
        self.apply_backend();
        self.scripts = self
            .dispatcher
            .watch(EventKind::Routes)
            .inspect_err(|error| {
                tracing::info!("routes.d cannot be watched ({error}): the kernel tells of all routes");
            })
            .ok();
        self.update_interest();
        self.resync.begin(self.state.routes().route_filter(), Instant::now());
        while self.resync.is_running() {
            if let Some(dump) = self.resync.dump().await? {
                let (mut changes, received) = self.resynchronise(dump)?;
                changes.events.splice(0..0, reported.events.drain(..));
                // A restart is no start: what happened meanwhile is told, and before it what did not run.
                if is_first && !self.config.system.startup_events {
                    changes.events.clear();
                    self.save_at.get_or_insert(Instant::now());
                }
                let (events, gone) = unrun_events(&mut self.state);
                changes.events.splice(0..0, events);
                changes.gone.extend(gone);
                self.apply_changes(changes);
                self.handle(received);
            }
        }
        self.services.apply_changes(&self.state);
        self.wait_for_leases(Instant::now());
        match &mut self.routing {
            // Under systemd the helper comes when it comes.
            Some(_) if self.options.systemd => {}
            Some(routing) => {
                routing.begin(&self.state);
                let update = routing.update().await?;
                self.routing_update(update)?;
            }
            None if self.config.routing.interfaces.is_empty() => {}
            None => {
                tracing::warn!("policy routing is off: no helper, so routing.policy_rules is without effect");
            }
        }
        if let Some(server) = &self.server {
            server.listening().await;
        }
        tracing::info!(
            "ready: {} of {} links monitored, host {}, policy routing {}",
            self.state.links().filter(|link| link.monitored).count(),
            self.state.links().count(),
            self.state.host(),
            self.routing.as_ref().map_or("off", RoutingController::status),
        );
        self.trimmer.read_much(Instant::now());
        let status = self.status();
        self.notify.ready(&status, Instant::now());
        Ok(())
    }
}

/// What did not run before a restart, and the links of it that are gone.
fn unrun_events(state: &mut State) -> (Vec<Event>, Vec<(LinkId, Arc<LinkFacts>)>) {
    let unfinished = state.take_unfinished();
    if !unfinished.is_empty() {
        tracing::info!(
            "{} events have not run to their end before the restart: they run now",
            unfinished.len()
        );
    }
    let gone = unfinished
        .iter()
        .filter_map(|unfinished| Some((unfinished.event.link, unfinished.last.clone()?)))
        .collect();
    (unfinished.into_iter().map(|unfinished| unfinished.event).collect(), gone)
}

fn inherited(option: &'static str, number: Option<i32>) -> Result<Option<OwnedFd>, Fatal> {
    let open = |number| crate::sys::inherited(number).map_err(|error| Fatal::Descriptor(option, error));
    number.map(open).transpose()
}
