//! Another configuration, while everything runs on.

use super::Worker;
use crate::backend::{Report, Source};
use crate::config::Config;
use crate::state::{Changes, Interest};
use std::collections::BTreeMap;
use std::time::Instant;

impl Worker {
    /// The manager waits for the end of what it is told has begun.
    pub(super) fn reload(&mut self) {
        self.notify.reloading();
        self.stale = !self.read_again();
        self.witness.reloaded(!self.stale);
        let status = self.status();
        self.notify.ready(&status, Instant::now());
    }

    /// All or nothing; false when the old configuration stays.
    fn read_again(&mut self) -> bool {
        let config = match crate::worker::read_config(&self.options) {
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
        self.witness.audit.reconfigure(&config.audit);
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
}
