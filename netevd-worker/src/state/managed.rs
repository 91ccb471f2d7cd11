//! What a link's manager and its leases add to what the kernel says, and what scripts have heard
//! of it. Pure values.

use crate::backend::{LinkReport, StateName};
use crate::model::{EventKind, Lease, LinkFacts, LinkLeases, ManagerFacts, Resolver};
use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;

/// A link in the words of its manager; all of it is unknown without one.
#[derive(Clone, Debug, Default)]
pub struct Managed {
    /// How far packets get; while it is known the kernel's view tells no states.
    pub operational: Option<StateName>,
    /// How far setting up got.
    pub administrative: Option<StateName>,
    /// Why the administrative state was reached.
    pub reason: Option<&'static str>,
    /// Everything else.
    pub facts: Option<Arc<ManagerFacts>>,
    /// The kernel's view was reported because the manager's first word was late.
    pub(super) is_late: bool,
    /// The link's values when its last global address went, while NetworkManager had not said why: what comes
    /// after may be the next connection's.
    pub(super) parting: Option<Arc<LinkFacts>>,
}

impl Managed {
    /// Takes over what a report says.
    pub(super) fn take(&mut self, report: &LinkReport) {
        self.operational = report.operational.or(self.operational);
        if report.administrative.is_some() {
            self.administrative = report.administrative;
            self.reason = report.reason;
        }
        if let Some(facts) = &report.facts {
            self.facts = Some(Arc::clone(facts));
        }
    }

    /// The manager went away: its states count no longer, what it set up still stands.
    pub(super) fn forget_states(&mut self) {
        self.operational = None;
        self.administrative = None;
        self.reason = None;
    }

    /// Whom programs ask, if a manager knows it.
    pub(super) fn asked(&self) -> Option<Resolver> {
        let facts = self.facts.as_deref()?;
        Some(Resolver { dns: facts.dns.clone(), domains: facts.domains.clone(), ntp: facts.ntp.clone() })
    }

    /// Name servers and domains, if a manager knows them.
    pub(super) fn resolver(&self) -> Option<(Vec<IpAddr>, Vec<String>)> {
        let facts = self.facts.as_deref()?;
        Some((facts.dns.clone(), facts.domains.clone()))
    }
}

/// What was reported to scripts last: the states on each track, name servers, leases.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LastReported {
    pub(super) operational: Option<Cow<'static, str>>,
    pub(super) administrative: Option<Cow<'static, str>>,
    pub(super) resolver: Resolver,
    pub(super) leases: LinkLeases,
}

impl LastReported {
    pub(super) fn save(&self) -> (Option<String>, Option<String>) {
        let text = |name: &Option<Cow<'static, str>>| name.as_deref().map(str::to_owned);
        (text(&self.operational), text(&self.administrative))
    }

    pub(super) fn restore((operational, administrative): (Option<String>, Option<String>)) -> Self {
        Self {
            operational: operational.map(Cow::Owned),
            administrative: administrative.map(Cow::Owned),
            ..Self::default()
        }
    }
}

/// What `manager.d` was told in a manager's words: state and connectivity.
pub(super) type HostLastReported = (Cow<'static, str>, Option<Cow<'static, str>>);

/// The name of a state as `OLD_STATE` can tell it: of a remembered text only what is a state.
pub(super) fn old_name(reported: Option<Cow<'static, str>>) -> Option<&'static str> {
    match reported? {
        Cow::Borrowed(name) => Some(name),
        Cow::Owned(name) => EventKind::from_name(&name).map(EventKind::name),
    }
}

/// Where a gained or changed lease stands between the client and scripts. dhclient sets the address
/// first and writes its file then, within milliseconds; unless it has written less than 15 s ago,
/// when it leaves that for the next renewal (`MIN_LEASE_WRITE` of ISC dhclient).
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LeaseReport {
    /// Nothing to tell.
    #[default]
    None,
    /// The kernel has an address that must be of a lease, and no file names it yet: `routable` waits.
    Expected,
    /// It waited long enough.
    Overdue,
    /// Scripts have not heard of it; the kernel may not have its address yet.
    New {
        /// What the link had before.
        old: Box<LinkLeases>,
    },
    /// Scripts were told `routable` for it before the kernel's view got there; reaching it is no
    /// second event.
    Ahead,
}

impl LinkLeases {
    /// A lease of some family is there that `old` has not in this form.
    pub(super) fn is_newer_than(&self, old: &LinkLeases) -> bool {
        (self.v4.is_some() && self.v4 != old.v4) || (self.v6.is_some() && self.v6 != old.v6)
    }

    fn both(&self) -> impl Iterator<Item = &Lease> {
        [&self.v4, &self.v6].into_iter().flatten().map(Arc::as_ref)
    }

    /// The addresses that the kernel will have when the client has done its work.
    pub(super) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.both().map(|lease| lease.address)
    }

    /// No default route is to be expected with these.
    pub(super) fn have_no_router(&self) -> bool {
        self.both().all(|lease| lease.gateway().is_none())
    }

    /// Time servers of both families, each once.
    pub fn ntp(&self) -> Vec<String> {
        let mut ntp: Vec<String> = Vec::new();
        for server in self.both().flat_map(|lease| &lease.ntp) {
            let server = server.to_string();
            if !ntp.contains(&server) {
                ntp.push(server);
            }
        }
        ntp
    }

    /// Name servers and domains of both families, each once.
    pub fn resolver(&self) -> (Vec<IpAddr>, Vec<String>) {
        let (mut dns, mut domains): (Vec<IpAddr>, Vec<String>) = (Vec::new(), Vec::new());
        for lease in self.both() {
            for server in &lease.dns {
                if !dns.contains(server) {
                    dns.push(*server);
                }
            }
            for domain in lease.domain.iter().chain(&lease.search) {
                if !domains.contains(domain) {
                    domains.push(domain.clone());
                }
            }
        }
        (dns, domains)
    }
}
