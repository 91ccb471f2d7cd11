//! Calls to other services on the system bus: resolved, hostnamed, systemd. One task, one
//! connection, one call at a time for each service; the loop never waits for it.

pub use crate::config::Verb;
use crate::event::EventId;
use protocol::{Ifindex, InterfaceName};
use std::net::IpAddr;

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demand {
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
    pub demand: Demand,
    /// Done, perhaps with a remark for people (a static host name wins); or why not, and what to do
    /// about it.
    pub result: Result<Option<String>, String>,
}

/// Other services; what is demanded waits for them.
#[derive(Debug, Default)]
pub struct Services {
    waiting: Vec<Demand>,
}

impl Services {
    /// Nothing is asked yet.
    pub fn start() -> Self {
        Self::default()
    }

    /// Takes a demand.
    ///
    /// # Errors
    /// When too many wait.
    pub fn submit(&mut self, demand: Demand) -> Result<(), String> {
        self.waiting.push(demand);
        Ok(())
    }

    /// What became of a demand.
    pub async fn outcome(&mut self) -> Outcome {
        std::future::pending().await
    }
}
