//! How a manager's reports change the state.

use super::managed::{LeaseNews, old_name};
use super::waits::{Wait, has_connection, is_end, may_be_overtaken};
use super::{Changes, LinkState, Stage, State};
use crate::backend::dhclient::LinkLeases;
use crate::backend::{HostReport, LinkReport, Report, Word};
use crate::event::{Detail, Event, EventKind, LinkId, Then, Track};
use crate::facts::LinkFacts;
use protocol::{Ifindex, InterfaceName};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reports about links that the kernel has not told of yet; beyond, they are dropped: the manager
/// tells again when it is asked.
const STRANGERS_MAX: usize = 16_384;

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
            Report::Leases(leases) => self.leases_told(leases, changes),
            Report::Chosen(_) => {}
            Report::Synced => self.manager = Some(self.backend),
            Report::Away(_) => {
                self.manager = None;
                self.strangers.clear();
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
            self.heard(&report, changes);
            self.look(ifindex, changes);
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
                    then: Then::Whole(last.clone()),
                    ..self.event(id, EventKind::Linger, word.name, Detail::None)
                };
                changes.events.push(event);
                changes.gone.push((id, last));
            }
        } else if self.strangers.len() < STRANGERS_MAX || self.strangers.contains_key(&ifindex) {
            self.strangers.entry(ifindex).or_default().take(&report);
        }
    }

    /// What a manager's word means to a wait for it.
    fn heard(&mut self, report: &LinkReport, changes: &mut Changes) {
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
        let had_connection = link.told.administrative.as_deref().is_some_and(has_connection);
        if !may_be_overtaken(word.name) {
            link.managed.parting = None;
        }
        if report.provisional && had_connection {
            self.waits.begin(ifindex, Wait::Settled);
        } else if wait == Some(Wait::Settled) {
            self.waits.end(ifindex);
        } else if wait == Some(Wait::Cause) {
            // Its own change first, then what the kernel made of it.
            self.tell_words(ifindex, changes);
            if !may_be_overtaken(word.name) {
                self.waits.end(ifindex);
            }
        }
    }

    fn host_reported(&mut self, host: HostReport, changes: &mut Changes) {
        self.host_report = Some(host);
        let told = (Cow::Borrowed(host.state), host.connectivity.map(Cow::Borrowed));
        if self.host_told.as_ref() == Some(&told) {
            return;
        }
        // A state that was never told is news; so is a known one under another connectivity.
        let before = match self.host_told.replace(told) {
            Some((Cow::Borrowed(name), _)) => Some(name),
            // Of a remembered text it is not known whether it is a state.
            Some((Cow::Owned(_), _)) | None => None,
        };
        let detail = host.connectivity.map_or(Detail::None, |connectivity| Detail::Host { connectivity });
        let mut event = self.event(LinkId::HOST, EventKind::Manager, host.state, detail);
        event.old_state = before;
        changes.events.push(event);
    }

    fn leases_told(&mut self, leases: BTreeMap<InterfaceName, LinkLeases>, changes: &mut Changes) {
        self.leases_pending = false;
        self.leases_known = true;
        self.leases = leases;
        changes.routing = true;
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let Some(link) = self.links.get_mut(&ifindex) else { continue };
            let new = self.leases.get(&link.name).cloned().unwrap_or_default();
            let old = std::mem::replace(&mut link.leases, new);
            if link.leases.is_news_after(&old) {
                // Of several changes before scripts hear of it the first one's past counts.
                let old = match std::mem::take(&mut link.lease_news) {
                    LeaseNews::Fresh { old } => old,
                    LeaseNews::None | LeaseNews::Expected | LeaseNews::Overdue | LeaseNews::Ahead => {
                        Box::new(old)
                    }
                };
                link.lease_news = LeaseNews::Fresh { old };
            } else if link.leases == LinkLeases::default() {
                link.lease_news = LeaseNews::None;
            }
            self.look(ifindex, changes);
        }
        self.look_at_host(changes);
    }

    /// Whether files of leases tell anything: under dhclient.
    pub fn expect_leases(&mut self, expects: bool) {
        self.expects_leases = expects;
    }

    /// What `routable` of some link waits for; the longer wait where there are both.
    pub fn lease_wait(&self) -> Option<LeaseWait> {
        let of = |link: &LinkState| match link.lease_news {
            LeaseNews::Expected => Some(LeaseWait::ForFile),
            LeaseNews::Fresh { .. } if link.checks_lease() => Some(LeaseWait::ForDuplicateCheck),
            LeaseNews::Fresh { .. } => Some(LeaseWait::ForKernel),
            LeaseNews::None | LeaseNews::Overdue | LeaseNews::Ahead => None,
        };
        self.links.values().filter(|link| link.monitored).filter_map(of).max()
    }

    /// The wait is over: scripts hear of new leases, whether the kernel has all of them or not, and
    /// of states whose leases are not to be had.
    pub fn release_leases(&mut self, changes: &mut Changes) {
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let expected = self.links.get_mut(&ifindex).filter(|link| link.lease_news == LeaseNews::Expected);
            if let Some(link) = expected {
                link.lease_news = LeaseNews::Overdue;
                self.look(ifindex, changes);
            }
            self.tell_lease(ifindex, true, changes);
            self.tell_values(ifindex, changes);
        }
        self.look_at_host(changes);
    }

    /// `routable` for a new lease: when the kernel has what the lease says, or at once.
    pub(super) fn tell_lease(&mut self, ifindex: Ifindex, at_once: bool, changes: &mut Changes) {
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        let is_routable = link.stage == Some(Stage::Routable);
        let has = |ip| link.addresses.iter().any(|known| known.address.ip == ip);
        let has_all = link.leases.addresses().all(has) && !link.checks_lease();
        let stands = has_all && (is_routable || link.leases.have_no_router());
        if !(stands || at_once) || !matches!(link.lease_news, LeaseNews::Fresh { .. }) {
            return;
        }
        let ahead = if is_routable { LeaseNews::None } else { LeaseNews::Ahead };
        let LeaseNews::Fresh { old } = std::mem::replace(&mut link.lease_news, ahead) else { return };
        let (id, state) = (link.id, link.state_name(&self.routes));
        let name = EventKind::Routable.name();
        let mut event = self.event(id, EventKind::Routable, name, Detail::Lease { old });
        event.old_state = Some(state);
        changes.events.push(event);
    }

    /// The manager's words against what scripts were told.
    pub(super) fn tell_words(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        for track in [Track::Administrative, Track::Operational] {
            let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
            let (word, told) = match track {
                Track::Operational => (link.managed.operational, &mut link.told.operational),
                Track::Administrative => (link.managed.administrative, &mut link.told.administrative),
            };
            let Some(Word { name, event: kind }) = word else { continue };
            let wait = self.waits.of(ifindex);
            if told.as_deref() == Some(name) {
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
            let before = told.replace(Cow::Borrowed(name));
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
                event.then = Then::Whole(Arc::new(parting));
            }
            changes.events.push(event);
        }
    }
}

#[cfg(test)]
#[path = "reports_tests.rs"]
mod tests;
