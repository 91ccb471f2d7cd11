//! What the loop answers to the API: values of this moment, copied out of the state.

use super::{ManagerState, Worker};
use crate::backend::bus;
use crate::document::{
    Check, Checks, ConfigStatus, Health, HelperStatus, InterfaceDetail, InterfaceDocument, Overview,
    QueueDocument, Status,
};
use crate::model::{Backend, EventId};
use crate::request::{ApiRequest, Names};
use crate::routing::Plan;
use crate::timestamp::rfc3339;
use crate::view;
use crate::view::Managing;
use crate::worker::routing_controller::RoutingController;
use protocol::InterfaceName;
use std::time::Instant;

/// Events that the page of one interface has.
const EVENTS_SHOWN: usize = 10;

impl Worker {
    /// Answers one question. Whoever asked may be gone; that is their affair.
    pub(super) fn answer(&mut self, ask: ApiRequest) {
        match ask {
            ApiRequest::Status(reply) => drop(reply.send(self.status_document())),
            ApiRequest::Interfaces(reply) => drop(reply.send(self.interfaces())),
            ApiRequest::Interface(name, reply) => drop(reply.send(self.interface(&name).map(Box::new))),
            ApiRequest::Names(reply) => drop(reply.send(self.names())),
            ApiRequest::Events(query, reply) => drop(reply.send(self.journal.page(&query))),
            ApiRequest::Event(id, reply) => drop(reply.send(self.journal.event(EventId(id)).map(Box::new))),
            ApiRequest::Follow(place, reply) => {
                if !self.journal.has_readers() {
                    self.overview.begin(Instant::now(), self.overview_document());
                }
                drop(reply.send(self.journal.follow(place)));
            }
            ApiRequest::Runs(reply) => drop(reply.send(self.journal.runs())),
            ApiRequest::Health(reply) => drop(reply.send(self.health())),
            ApiRequest::Reload { dry_run, actor, reply } => drop(reply.send(self.reload(&actor, dry_run))),
        }
    }

    fn names(&self) -> Names {
        let links = self.state.links().map(|link| (link.ifindex, link.name.clone()));
        Names { links: links.collect(), policy: self.policy().clone() }
    }

    fn policy(&self) -> &protocol::Policy {
        self.routing.as_ref().map_or(&self.config.routing, RoutingController::policy)
    }

    fn interfaces(&self) -> Vec<InterfaceDocument> {
        let nothing = Plan::default();
        let managing = self.managing(&nothing);
        self.state.links().map(|link| view::interface(link, self.state.routes(), &managing)).collect()
    }

    fn managing<'a>(&'a self, nothing: &'a Plan) -> Managing<'a> {
        match &self.routing {
            None => Managing { policy: None, plan: nothing },
            Some(routing) => Managing { policy: Some(routing.policy()), plan: routing.plan() },
        }
    }

    fn interface(&self, name: &InterfaceName) -> Option<InterfaceDetail> {
        let link = self.state.links().find(|link| link.name == *name)?;
        let (waiting, running) = self.dispatcher.queue(name);
        let queue = QueueDocument {
            waiting: number(waiting),
            event: running.map(|event| event.0),
            script: running.and_then(|event| self.journal.running(event)),
        };
        let above = self.state.links().find(|other| other.ifindex.get() == link.controller);
        let above = above.map(|other| other.name.to_string());
        let nothing = Plan::default();
        let mut detail = view::detail(link, self.state.routes(), &self.managing(&nothing), above, queue);
        let routing = self.routing.iter();
        detail.problems = routing.flat_map(|routing| routing.complaints_of(link.ifindex)).cloned().collect();
        let query = crate::request::EventQuery {
            limit: EVENTS_SHOWN,
            interface: Some(name.to_string()),
            ..Default::default()
        };
        detail.events = self.journal.page(&query).events;
        Some(detail)
    }

    /// What readers of the stream are told of.
    pub(super) fn overview_document(&self) -> Overview {
        let complaints: Vec<String> =
            self.routing.iter().flat_map(RoutingController::complaints).cloned().collect();
        let problems = self.problems(&complaints);
        Overview {
            status: verdict(&problems).to_owned(),
            health: self.health().status,
            problems,
            routing_changes: self.routing.as_ref().map_or(0, RoutingController::changes),
        }
    }

    fn status_document(&self) -> Status {
        let counts = self.dispatcher.counts();
        let complaints: Vec<String> =
            self.routing.iter().flat_map(RoutingController::complaints).cloned().collect();
        let problems = self.problems(&complaints);
        Status {
            status: verdict(&problems).to_owned(),
            problems,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instance: format!("{:x}", self.journal.instance()),
            started_at: rfc3339(self.started.1),
            uptime_seconds: self.started.0.elapsed().as_secs_f64(),
            backend: self.backend.name().to_owned(),
            backend_state: match self.manager_state {
                ManagerState::None => "none",
                ManagerState::Up => "connected",
                ManagerState::Down(_) => "waiting",
            }
            .to_owned(),
            host: self.state.host().to_owned(),
            interfaces_monitored: number(self.state.links().filter(|link| link.monitored).count()),
            interfaces_total: number(self.state.links().count()),
            events_processed: self.journal.received(),
            scripts_executed: counts.runs,
            scripts_failed: counts.failures + counts.timeouts + counts.not_started,
            scripts_running: number(self.dispatcher.running()),
            events_waiting: number(self.dispatcher.pending()),
            rules_managed: 0,
            routes_managed: 0,
            last_event: self.journal.last(),
            helper: HelperStatus {
                state: self.routing.as_ref().map_or("none", RoutingController::helper).to_owned(),
                complaints,
            },
            dry_run: self.options.dry_run,
            config: ConfigStatus {
                files: self.loaded.files.clone(),
                loaded_at: rfc3339(self.loaded.at),
                last_reload_successful: self.loaded.error.is_none(),
                last_error: self.loaded.error.clone(),
            },
            listeners: Vec::new(),
        }
    }

    /// What is wrong, each with what to do about it.
    fn problems(&self, complaints: &[String]) -> Vec<String> {
        let checks = self.health().checks;
        let named = [
            ("netlink", checks.netlink),
            ("bus", checks.dbus),
            ("configuration", checks.config),
            ("backend", checks.backend),
            ("helper", checks.helper),
        ];
        let failed = named.into_iter().filter(|(_, check)| check.status == "failed");
        let mut problems: Vec<String> =
            failed.map(|(name, check)| format!("{name}: {}", check.message.unwrap_or_default())).collect();
        problems.extend(complaints.iter().map(|text| format!("routing: {text}")));
        problems.extend(self.dispatcher.problems().map(|text| format!("scripts: {text}")));
        problems.extend(self.observer.audit.problem().map(|text| format!("audit log: {text}")));
        problems
    }

    fn health(&self) -> Health {
        let netlink = match self.resync.problem() {
            None => ok(),
            Some(error) => failed(format!("{error}; it is tried again every 5 s")),
        };
        let config = match &self.loaded.error {
            None => ok(),
            Some(error) => failed(format!("the last reload was refused, the old one stays: {error}")),
        };
        let backend = match &self.manager_state {
            ManagerState::None => off(),
            ManagerState::Up => ok(),
            ManagerState::Down(why) => {
                failed(format!("{}: {why}; the kernel's view counts until it is there", self.backend.name()))
            }
        };
        let has_work = !self.policy().interfaces.is_empty();
        let failing = self.routing.as_ref().and_then(RoutingController::failing);
        let helper = match self.routing.as_ref().map(RoutingController::helper) {
            Some("connected") => ok(),
            // The first also where no link is listed: the next reload may list one.
            Some("waiting") if failing.is_some() || has_work => failed(format!(
                "{}; rules and routes stay as they are",
                failing.unwrap_or("netevd-priv is not connected; see systemctl status netevd-priv")
            )),
            None if has_work && !self.options.dry_run => {
                failed("netevd was started without one, so routing.policy_rules has no effect".to_owned())
            }
            _ => off(),
        };
        let checks = Checks { netlink, dbus: self.bus_check(), config, backend, helper };
        let is_bad = [&checks.netlink, &checks.dbus, &checks.config, &checks.backend, &checks.helper]
            .iter()
            .any(|check| check.status == "failed");
        Health { status: if is_bad { "unhealthy" } else { "healthy" }.to_owned(), checks }
    }

    /// Needed by two backends and by what is passed on to other services.
    fn bus_check(&self) -> Check {
        let dhclient = &self.config.backends.dhclient;
        let passes_on = dhclient.use_dns || dhclient.use_domain || dhclient.use_hostname;
        let is_needed = matches!(self.backend, Backend::Networkd | Backend::NetworkManager)
            || !self.config.units.is_empty()
            || (self.backend == Backend::Dhclient && passes_on);
        match is_needed.then(bus::probe) {
            None => off(),
            Some(Ok(())) => ok(),
            Some(Err(why)) => failed(format!("{why}; it is tried again until it answers")),
        }
    }
}

fn verdict(problems: &[String]) -> &'static str {
    if problems.is_empty() { "ok" } else { "degraded" }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn ok() -> Check {
    Check { status: "ok".to_owned(), message: None }
}

fn off() -> Check {
    Check { status: "off".to_owned(), message: None }
}

fn failed(message: String) -> Check {
    Check { status: "failed".to_owned(), message: Some(message) }
}
