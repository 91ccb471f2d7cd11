//! How a manager's reports change the state.

use super::managed::{LeaseReport, old_name};
use super::waits::{Wait, has_connection, is_end, may_be_overtaken};
use super::{Changes, LinkPhase, LinkState, State};
use crate::backend::{HostReport, LinkReport, Report, StateName};
use crate::model::{Detail, Event, EventKind, EventValues, LinkFacts, LinkId, LinkLeases, Track};
use protocol::{Ifindex, InterfaceName};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reports about links that the kernel has not told of yet; beyond, they are dropped: the manager
/// tells again when it is asked.
const UNKNOWN_LINKS_MAX: usize = 16_384;

/// What a link's `routable` waits for under dhclient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeaseWait {
    /// The kernel, which has not all that the lease says.
    ForKernel,
    /// The kernel, which looks for duplicates of a leased IPv6 address.
    ForDuplicateCheck,
    /// The file, which does not name the address that the kernel has.
    ForFile,
}

impl State {
    /// One report.
    pub fn report(&mut self, report: Report, changes: &mut Changes) {
        match report {
            Report::Link(report) => self.link_reported(report, changes),
            Report::Host(host) => self.host_reported(host, changes),
            Report::LeasesPending => self.leases_pending = true,
            Report::Leases(leases) => self.leases_reported(leases, changes),
            Report::Chosen(_) => {}
            Report::Synced => self.manager = Some(self.backend),
            Report::Absent(_) => {
                self.manager = None;
                self.unknown_links.clear();
                self.host_report = None;
                for link in self.links.values_mut() {
                    link.managed.forget_states();
                }
                self.release_all_waits(changes);
            }
        }
    }

    fn link_reported(&mut self, report: LinkReport, changes: &mut Changes) {
        let ifindex = report.ifindex;
        if let Some(link) = self.links.get_mut(&ifindex) {
            // The manager's gateway is the last resort of policy routing.
            changes.routing |= report.facts.as_ref().is_some_and(|facts| {
                let known = link.managed.facts.as_deref();
                known.map(|k| (k.gateway, k.gateway6)) != Some((facts.gateway, facts.gateway6))
            });
            link.managed.take(&report);
            self.receive(&report, changes);
            self.evaluate(ifindex, changes);
        } else if let Some((_, id, last)) = self.gone.iter().rev().find(|(gone, ..)| *gone == ifindex) {
            // What a manager says of a link after its end is told if it is about the end, and if the name is
            // not another link's by now: a script would take that one down.
            let is_taken = self.links.values().any(|link| link.name == last.name);
            let lingers = report.administrative.filter(|word| word.event == Some(EventKind::Linger));
            let lingers = lingers.filter(|_| !is_taken);
            if let (Some(word), id, last) = (lingers, *id, last.clone()) {
                let event = Event {
                    track: Track::Administrative,
                    old_state: last.administrative,
                    then: EventValues::Whole(last.clone()),
                    ..self.event(id, EventKind::Linger, word.name, Detail::None)
                };
                changes.events.push(event);
                changes.gone.push((id, last));
            }
        } else if self.unknown_links.len() < UNKNOWN_LINKS_MAX || self.unknown_links.contains_key(&ifindex) {
            self.unknown_links.entry(ifindex).or_default().take(&report);
        }
    }

    /// What a manager's word means to a wait for it.
    fn receive(&mut self, report: &LinkReport, changes: &mut Changes) {
        let ifindex = report.ifindex;
        let wait = self.waits.of(ifindex);
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        if report.operational.is_some() {
            if std::mem::take(&mut link.managed.is_late) {
                self.waits.begin(ifindex, Wait::Agreement);
            } else if wait == Some(Wait::FirstWord) {
                self.waits.end(ifindex);
            }
        }
        let Some(word) = report.administrative else { return };
        let had_connection = link.last_reported.administrative.as_deref().is_some_and(has_connection);
        if !may_be_overtaken(word.name) {
            link.managed.parting = None;
        }
        if report.provisional && had_connection {
            self.waits.begin(ifindex, Wait::Settled);
        } else if wait == Some(Wait::Settled) {
            self.waits.end(ifindex);
        } else if wait == Some(Wait::Cause) {
            // Its own change first, then what the kernel made of it.
            self.emit_manager_states(ifindex, changes);
            if !may_be_overtaken(word.name) {
                self.waits.end(ifindex);
            }
        }
    }

    fn host_reported(&mut self, host: HostReport, changes: &mut Changes) {
        self.host_report = Some(host);
        let reported = (Cow::Borrowed(host.state), host.connectivity.map(Cow::Borrowed));
        if self.host_last_reported.as_ref() == Some(&reported) {
            return;
        }
        // A state that was never told is news; so is a known one under another connectivity.
        let before = match self.host_last_reported.replace(reported) {
            Some((Cow::Borrowed(name), _)) => Some(name),
            // Of a remembered text it is not known whether it is a state.
            Some((Cow::Owned(_), _)) | None => None,
        };
        let detail = host.connectivity.map_or(Detail::None, |connectivity| Detail::Host { connectivity });
        let mut event = self.event(LinkId::HOST, EventKind::Manager, host.state, detail);
        event.old_state = before;
        changes.events.push(event);
    }

    fn leases_reported(&mut self, leases: BTreeMap<InterfaceName, LinkLeases>, changes: &mut Changes) {
        self.leases_pending = false;
        self.leases_known = true;
        self.leases = leases;
        changes.routing = true;
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let Some(link) = self.links.get_mut(&ifindex) else { continue };
            let new = self.leases.get(&link.name).cloned().unwrap_or_default();
            let old = std::mem::replace(&mut link.leases, new);
            if link.leases.is_newer_than(&old) {
                // Of several changes before scripts hear of it the first one's past counts.
                let old = match std::mem::take(&mut link.lease_report) {
                    LeaseReport::New { old } => old,
                    LeaseReport::None | LeaseReport::Expected | LeaseReport::Overdue | LeaseReport::Ahead => {
                        Box::new(old)
                    }
                };
                link.lease_report = LeaseReport::New { old };
            } else if link.leases == LinkLeases::default() {
                link.lease_report = LeaseReport::None;
            }
            self.evaluate(ifindex, changes);
        }
        self.evaluate_host(changes);
    }

    /// Whether files of leases tell anything: under dhclient.
    pub fn expect_leases(&mut self, expects: bool) {
        self.expects_leases = expects;
    }

    /// What `routable` of some link waits for; the longer wait where there are both.
    pub fn lease_wait(&self) -> Option<LeaseWait> {
        let of = |link: &LinkState| match link.lease_report {
            LeaseReport::Expected => Some(LeaseWait::ForFile),
            LeaseReport::New { .. } if link.checks_lease() => Some(LeaseWait::ForDuplicateCheck),
            LeaseReport::New { .. } => Some(LeaseWait::ForKernel),
            LeaseReport::None | LeaseReport::Overdue | LeaseReport::Ahead => None,
        };
        self.links.values().filter(|link| link.monitored).filter_map(of).max()
    }

    /// The wait is over: scripts hear of new leases, whether the kernel has all of them or not, and
    /// of states whose leases are not to be had.
    pub fn release_leases(&mut self, changes: &mut Changes) {
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let expected =
                self.links.get_mut(&ifindex).filter(|link| link.lease_report == LeaseReport::Expected);
            if let Some(link) = expected {
                link.lease_report = LeaseReport::Overdue;
                self.evaluate(ifindex, changes);
            }
            self.emit_lease(ifindex, true, changes);
            self.emit_values(ifindex, changes);
        }
        self.evaluate_host(changes);
    }

    /// `routable` for a new lease: when the kernel has what the lease says, or at once.
    pub(super) fn emit_lease(&mut self, ifindex: Ifindex, at_once: bool, changes: &mut Changes) {
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        let is_routable = link.phase == Some(LinkPhase::Routable);
        let has = |ip| link.addresses.iter().any(|known| known.address.ip == ip);
        let has_all = link.leases.addresses().all(has) && !link.checks_lease();
        let stands = has_all && (is_routable || link.leases.have_no_router());
        if !(stands || at_once) || !matches!(link.lease_report, LeaseReport::New { .. }) {
            return;
        }
        let ahead = if is_routable { LeaseReport::None } else { LeaseReport::Ahead };
        let LeaseReport::New { old } = std::mem::replace(&mut link.lease_report, ahead) else { return };
        let (id, state) = (link.id, link.state_name(&self.routes));
        let name = EventKind::Routable.name();
        let mut event = self.event(id, EventKind::Routable, name, Detail::Lease { old });
        event.old_state = Some(state);
        changes.events.push(event);
    }

    /// The manager's words against what scripts were told.
    pub(super) fn emit_manager_states(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        for track in [Track::Administrative, Track::Operational] {
            let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
            let (word, reported) = match track {
                Track::Operational => (link.managed.operational, &mut link.last_reported.operational),
                Track::Administrative => {
                    (link.managed.administrative, &mut link.last_reported.administrative)
                }
            };
            let Some(StateName { name, event: kind }) = word else { continue };
            let wait = self.waits.of(ifindex);
            if reported.as_deref() == Some(name) {
                if track == Track::Operational && wait == Some(Wait::Agreement) {
                    self.waits.end(ifindex);
                }
                continue;
            }
            let waits_for = match track {
                Track::Operational => Wait::Agreement,
                Track::Administrative => Wait::Settled,
            };
            if wait == Some(waits_for) {
                continue;
            }
            let before = reported.replace(Cow::Borrowed(name));
            let Some(kind) = kind else { continue };
            // A device that never had a connection, or lost it long ago, ends nothing.
            if kind == EventKind::Disconnected && !before.as_deref().is_some_and(has_connection) {
                continue;
            }
            let detail = match (track, link.managed.reason) {
                (Track::Administrative, Some(reason)) => Detail::Device { reason },
                _ => Detail::None,
            };
            let id = link.id;
            let parting = link.managed.parting.clone().filter(|_| is_end(kind)).map(|parting| LinkFacts {
                manager: link.managed.facts.clone(),
                leases: link.present_leases(),
                ..(*parting).clone()
            });
            let mut event = self.event(id, kind, name, detail);
            (event.track, event.old_state) = (track, old_name(before));
            if let Some(parting) = parting {
                event.then = EventValues::Whole(Arc::new(parting));
            }
            changes.events.push(event);
        }
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
