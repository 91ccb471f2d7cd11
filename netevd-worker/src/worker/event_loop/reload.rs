//! Another configuration, while everything runs on. All or nothing.

use super::{ManagerState, Worker};
use crate::audit::Entry;
use crate::backend::{Report, Source};
use crate::config::{Config, Loaded, Problem};
use crate::document::{ProblemDocument, Reload};
use crate::model::Backend;
use crate::request::{Actor, Refused};
use crate::state::{Changes, Interest};
use crate::worker::reload_pipe;
use crate::worker::routing_controller::RoutingController;
use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

/// The configuration in force, and how it got there.
pub(super) struct InForce {
    pub(super) files: Vec<String>,
    pub(super) at: SystemTime,
    /// Why the last reload was refused, if it was.
    pub(super) error: Option<String>,
}

impl InForce {
    /// Read just now.
    pub(super) fn new(loaded: &Loaded) -> Self {
        Self { files: files(loaded), at: SystemTime::now(), error: None }
    }
}

impl Worker {
    /// Reads the configuration again, and takes it or says why not. With `dry_run` it is only checked.
    pub(super) fn reload(&mut self, actor: &Actor, dry_run: bool) -> Result<Reload, Refused> {
        if dry_run {
            return crate::worker::read_config(&self.options)
                .map(|loaded| self.reload_result("checked", &loaded))
                .map_err(|problems| refused(&problems));
        }
        // The service manager waits for the end of what it is told has begun.
        self.notify.reloading();
        let outcome = self.read_again();
        self.loaded.error = outcome.as_ref().err().map(|refused| {
            let first = refused.problems.iter().find(|problem| problem.severity == "error");
            first.map(one_line).unwrap_or_default()
        });
        self.observer.reloaded(outcome.is_ok());
        self.observer.audit.record(|| Entry::reload(actor, &outcome));
        let status = self.status();
        self.notify.ready(&status, Instant::now());
        outcome
    }

    fn read_again(&mut self) -> Result<Reload, Refused> {
        let loaded = match crate::worker::read_config(&self.options) {
            Ok(loaded) => loaded,
            Err(problems) => {
                let text: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
                tracing::error!("the configuration is not reloaded, the old one stays:\n{text}");
                return Err(refused(&problems));
            }
        };
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let is_stuck = self
            .routing
            .as_ref()
            .is_some_and(|routing| routing.is_stuck_with_another(&loaded.config.routing));
        let another_user = self.scripts_user != loaded.config.scripts.user;
        if (is_stuck || another_user)
            && self.reload_pipe.as_ref().is_some_and(reload_pipe::ReloadPipe::request)
        {
            tracing::info!(
                "the routing policy or scripts.user changed: the launcher starts its processes again"
            );
            return Ok(self.reload_result("restarting", &loaded));
        }
        if is_stuck {
            tracing::warn!(
                "routing: changed, which takes a helper with the new policy: send SIGHUP to netevd, not to \
                 its worker"
            );
        }
        if another_user {
            tracing::warn!("scripts.user changed, which takes a start of netevd: scripts run as before");
        }
        let reload_result = self.reload_result("reloaded", &loaded);
        self.loaded = InForce::new(&loaded);
        self.take_over(loaded.config, is_stuck);
        tracing::info!("configuration reloaded");
        Ok(reload_result)
    }

    fn take_over(&mut self, config: Config, keeps_policy: bool) {
        if let Some(routing) = self.routing.as_mut().filter(|_| !keeps_policy) {
            routing.apply_policy(&config.routing, &config.planning);
        }
        self.log.reconfigure(&config.system);
        if !self.options.dry_run {
            self.observer.audit.reconfigure(&config.audit);
        }
        self.dispatcher.reconfigure(config.scripts.clone());
        self.dispatcher.set_filters(config.filters.clone());
        let mut changes = Changes::default();
        let policy = self.routing.as_ref().map(RoutingController::policy);
        self.state.apply_policy(policy, &mut changes);
        let source = |config: &Config| (config.system.backend, config.backends.dhclient.lease_files.clone());
        if source(&config) != source(&self.config) {
            self.state.report(Report::Absent("another one is configured".to_owned()), &mut changes);
            self.state.report(Report::Leases(BTreeMap::new()), &mut changes);
            self.backend = config.system.backend;
            self.manager_state = ManagerState::at_first(self.backend);
            self.source = Source::start(self.backend, &config.backends.dhclient);
        }
        if let Some(server) = self.server.as_ref().filter(|_| !self.options.dry_run) {
            server.reconfigure(config.api.clone(), config.metrics.enabled);
        }
        self.config = config;
        self.apply_backend();
        self.update_interest();
        self.services.reconfigure(&self.config, &self.state);
        let config = &self.config;
        let interest = Interest { monitors: &|name| config.monitors(name), routes: self.routes_wanted };
        self.state.reconsider(&interest, &mut changes);
        self.apply_changes(changes);
    }

    fn reload_result(&self, result: &str, loaded: &Loaded) -> Reload {
        Reload {
            result: result.to_owned(),
            files: files(loaded),
            changed: changed(&self.config, &loaded.config).map(str::to_owned).collect(),
            warnings: loaded.warnings.iter().map(ProblemDocument::from).collect(),
        }
    }
}

impl ManagerState {
    /// Of a backend that has just begun.
    pub(super) fn at_first(backend: Backend) -> Self {
        match backend {
            Backend::Kernel => ManagerState::None,
            _ => ManagerState::Down("it has not told its state yet".to_owned()),
        }
    }
}

fn files(loaded: &Loaded) -> Vec<String> {
    loaded.files.iter().map(|file| file.display().to_string()).collect()
}

/// The sections that differ.
fn changed(old: &Config, new: &Config) -> impl Iterator<Item = &'static str> {
    let sections = [
        ("system", old.system != new.system),
        ("monitoring", old.monitoring != new.monitoring),
        ("routing", old.routing != new.routing || old.planning != new.planning),
        ("scripts", old.scripts != new.scripts),
        ("units", old.units != new.units),
        ("filters", old.filters != new.filters),
        ("backends", old.backends != new.backends),
        ("api", old.api != new.api),
        ("metrics", old.metrics != new.metrics),
        ("audit", old.audit != new.audit),
    ];
    sections.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name)
}

fn refused(problems: &[Problem]) -> Refused {
    Refused { problems: problems.iter().map(ProblemDocument::from).collect() }
}

/// `/etc/netevd/netevd.yaml:3:3: unknown key`
fn one_line(problem: &ProblemDocument) -> String {
    let place = match (problem.line, problem.column) {
        (Some(line), Some(column)) => format!(":{line}:{column}"),
        _ => String::new(),
    };
    format!("{}{place}: {}", problem.origin, problem.message)
}
