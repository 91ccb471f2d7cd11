//! Calls to other services on the system bus: resolved, hostnamed, systemd. The loop never waits for
//! one: a demand goes into a queue, and what became of it comes out later.
//!
//! Each service has a lane of its own, which begins with its first demand: a service that does not
//! answer delays no other. What is set (name servers, the host name) is a level: the newest demand
//! for a link or the host counts, is kept until its service takes it, and an older one that was
//! not begun has no outcome. Units are events: each demand is made, in the order of its unit (`unit_jobs`).

mod desired_setting;
mod failure;
mod hostnamed;
mod resolved;
mod service_queue;
mod systemd;
mod unit_jobs;
mod unit_queue;

pub use crate::config::Verb;
use crate::model::EventId;
use protocol::{Ifindex, InterfaceName};
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::mpsc;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServiceRequest {
    /// systemd-resolved: these name servers and domains for this link. `None` leaves that part
    /// alone (it is not configured to be passed on).
    Resolve {
        /// Which link.
        ifindex: Ifindex,
        /// Its name, for the log.
        link: InterfaceName,
        /// SetLinkDNS
        dns: Option<Vec<IpAddr>>,
        /// SetLinkDomains; `.` or `~.` is the catch-all, `~x` is for routing only.
        domains: Option<Vec<String>>,
    },
    /// systemd-resolved: RevertLink. The link may be gone.
    Revert {
        /// Which link.
        ifindex: Ifindex,
        /// Its name, for the log.
        link: InterfaceName,
    },
    /// systemd-hostnamed: SetHostname.
    HostName {
        /// The name, valid by RFC 1123.
        name: String,
        /// The link whose lease says so, for the log.
        link: InterfaceName,
    },
    /// systemd: start, stop, restart or reload a unit, mode `replace`.
    Unit {
        /// What to do.
        verb: Verb,
        /// The unit's full name.
        unit: String,
        /// Why: this event.
        event: EventId,
        /// Of this link; empty for the host.
        link: String,
    },
}

/// What became of a demand.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was to be done.
    pub request: ServiceRequest,
    /// Done, perhaps with a remark for people (a static host name wins); or why not, and what to do
    /// about it.
    pub result: Result<Option<String>, String>,
}

/// Demands that may wait for one service.
const REQUESTS: usize = 256;
/// How long the end of the worker waits for systemd to take what is asked for.
const FINISH: Duration = Duration::from_secs(2);
/// Outcomes that may wait to be taken; beyond that the services wait.
const OUTCOMES: usize = 64;

/// The lanes. They end with this value, and what is under way is not waited for.
#[derive(Debug)]
pub struct Services {
    resolved: Option<mpsc::Sender<ServiceRequest>>,
    hostnamed: Option<mpsc::Sender<ServiceRequest>>,
    systemd: Option<unit_queue::Started>,
    outbox: mpsc::Sender<Outcome>,
    outcomes: mpsc::Receiver<Outcome>,
}

/// A demand that was not taken: its service has answered none of the last 256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full(pub ServiceRequest);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let service = match self.0 {
            ServiceRequest::Resolve { .. } | ServiceRequest::Revert { .. } => resolved::NAME,
            ServiceRequest::HostName { .. } => hostnamed::NAME,
            ServiceRequest::Unit { .. } => systemd::NAME,
        };
        write!(f, "{service} has {REQUESTS} demands to answer; this one is dropped")
    }
}

impl std::error::Error for Full {}

impl Services {
    /// Nothing runs, and nothing is connected, before the first demand.
    pub fn start() -> Self {
        let (outbox, outcomes) = mpsc::channel(OUTCOMES);
        Self { resolved: None, hostnamed: None, systemd: None, outbox, outcomes }
    }

    /// Hands over a demand and does not wait. Needs a tokio runtime.
    ///
    /// # Errors
    /// When too many wait for the same service.
    pub fn submit(&mut self, request: ServiceRequest) -> Result<(), Full> {
        let outbox = &self.outbox;
        let queue: &mpsc::Sender<ServiceRequest> = match &request {
            ServiceRequest::Resolve { .. } | ServiceRequest::Revert { .. } => {
                self.resolved.get_or_insert_with(|| service_queue::set(resolved::bus(), true, outbox.clone()))
            }
            ServiceRequest::HostName { .. } => self
                .hostnamed
                .get_or_insert_with(|| service_queue::set(hostnamed::bus(), false, outbox.clone())),
            ServiceRequest::Unit { .. } => {
                &self.systemd.get_or_insert_with(|| unit_queue::start(outbox.clone())).0
            }
        };
        queue.try_send(request).map_err(|refused| Full(refused.into_inner()))
    }

    /// Makes the demands for units that are not made yet; nobody does after the worker's end. What became of them.
    pub async fn finish(&mut self) -> Vec<Outcome> {
        let Some((demands, task)) = self.systemd.take() else { return Vec::new() };
        drop(demands);
        let mut outcomes = Vec::new();
        let mut task = std::pin::pin!(tokio::time::timeout(FINISH, task));
        loop {
            tokio::select! {
                _ = &mut task => break,
                Some(outcome) = self.outcomes.recv() => outcomes.push(outcome),
            }
        }
        while let Ok(outcome) = self.outcomes.try_recv() {
            outcomes.push(outcome);
        }
        outcomes
    }

    /// The next outcome, in order for each service. Nothing is lost when the future is dropped.
    pub async fn outcome(&mut self) -> Outcome {
        match self.outcomes.recv().await {
            Some(outcome) => outcome,
            // Not before the end: a sender is kept here.
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests;
