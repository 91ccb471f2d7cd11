//! What is known of one link, and its report that waits for what belongs to it.

use super::changes::Changes;
use super::file::LinkFile;
use crate::backend::LinkReport;
use crate::model::{Lease, ManagerFacts};
use protocol::Ifindex;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a report waits for the state file to say the same as the signal.
pub(super) const FILE_TIMEOUT: Duration = Duration::from_millis(20);
/// How long a link's first reports wait for its description.
pub(super) const DESCRIBE_TIMEOUT: Duration = Duration::from_millis(250);

/// What networkd's files say of a link.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// The state file.
    pub(super) link: LinkFile,
    /// The router in the lease file.
    pub(super) router: Option<Ipv4Addr>,
    /// The lease in it.
    pub(super) lease: Option<Arc<Lease>>,
}

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    /// Number of the newest message about it; each of networkd's messages has a higher one.
    as_of: u32,
    /// When it was first heard of.
    seen: Instant,
    states: BTreeMap<&'static str, String>,
    files: Option<Files>,
    described: Vec<(&'static str, String)>,
    /// The description came, or none will.
    settled: bool,
    sent: Option<Arc<ManagerFacts>>,
    held: Option<HeldReport>,
}

/// A report that waits.
#[derive(Debug)]
struct HeldReport {
    report: LinkReport,
    since: Instant,
}

impl Link {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            as_of: 0,
            seen: now,
            states: BTreeMap::new(),
            files: None,
            described: Vec::new(),
            settled: false,
            sent: None,
            held: None,
        }
    }

    /// True for a message that is newer than all before.
    pub(super) fn advances(&mut self, serial: u32) -> bool {
        // The numbers wrap.
        let newer = serial != self.as_of && serial.wrapping_sub(self.as_of) < u32::MAX / 2;
        if newer {
            self.as_of = serial;
        }
        newer
    }

    /// Takes what networkd said. A state begins to wait; a report without one comes back.
    pub(super) fn receive(
        &mut self,
        ifindex: Ifindex,
        changes: Changes,
        files: Option<Files>,
        now: Instant,
    ) -> Option<LinkReport> {
        self.states.extend(changes.details);
        if files.is_some() {
            self.files = files;
        }
        let mut report = LinkReport::new(ifindex);
        report.operational = changes.operational;
        report.administrative = changes.administrative;
        if report.operational.is_none() && report.administrative.is_none() {
            return self.new_facts_report(ifindex);
        }
        self.held = Some(HeldReport { report, since: now });
        None
    }

    pub(super) fn files_changed(&mut self, files: Option<Files>) {
        if let Some(files) = &files
            && self.held.is_none()
        {
            // With nothing on the way the file is the newest word.
            self.states.extend(files.link.details.iter().cloned());
        }
        if files.is_some() {
            self.files = files;
        }
    }

    pub(super) fn described(&mut self, described: Option<Vec<(&'static str, String)>>) {
        self.settled = true;
        if let Some(described) = described {
            self.described = described;
        }
    }

    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// When the report that waits is due whatever else comes; `None` when it is complete, or there
    /// is none. A link that lingers has neither file nor description any more.
    pub(super) fn due(&self) -> Option<Instant> {
        let held = self.held.as_ref().filter(|held| !held.report.is_last())?;
        let file = (!self.agrees(&held.report)).then(|| held.since + FILE_TIMEOUT);
        let description = (!self.settled).then(|| self.seen + DESCRIBE_TIMEOUT);
        file.max(description)
    }

    /// The report that waits, with all that is known.
    pub(super) fn release(&mut self) -> Option<LinkReport> {
        let mut report = self.held.take()?.report;
        report.facts = self.new_facts();
        Some(report)
    }

    /// What is new beside the states, if anything is.
    pub(super) fn new_facts_report(&mut self, ifindex: Ifindex) -> Option<LinkReport> {
        let facts = self.new_facts()?;
        Some(LinkReport { facts: Some(facts), ..LinkReport::new(ifindex) })
    }

    /// The file says the same as the report.
    fn agrees(&self, report: &LinkReport) -> bool {
        let Some(files) = &self.files else { return false };
        let same = |reported: Option<crate::backend::StateName>, written: &Option<String>| {
            reported.is_none_or(|word| written.as_deref() == Some(word.name))
        };
        same(report.operational, &files.link.operational)
            && same(report.administrative, &files.link.administrative)
    }

    fn new_facts(&mut self) -> Option<Arc<ManagerFacts>> {
        let facts = self.facts();
        if self.sent.as_deref() == Some(&facts) {
            return None;
        }
        let facts = Arc::new(facts);
        self.sent = Some(facts.clone());
        Some(facts)
    }

    /// Described, overwritten by the file, overwritten by what signals said.
    fn facts(&self) -> ManagerFacts {
        let mut facts = ManagerFacts::default();
        facts.details.extend(self.described.iter().cloned());
        if let Some(Files { link, router, lease }) = &self.files {
            facts.dns.clone_from(&link.dns);
            facts.domains.clone_from(&link.domains);
            facts.ntp.clone_from(&link.ntp);
            facts.gateway = *router;
            facts.leases.v4.clone_from(lease);
            facts.details.extend(link.details.iter().cloned());
        }
        for (key, value) in &self.states {
            if value.is_empty() {
                facts.details.remove(key);
            } else {
                facts.details.insert(key, value.clone());
            }
        }
        facts
    }
}

impl LinkReport {
    /// networkd lets go of the link.
    pub(super) fn is_last(&self) -> bool {
        self.administrative.is_some_and(|word| word.name == "linger")
    }
}
