//! What follows for scripts from what is known now: of one link, of all, of the host. A state is told
//! once, whoever noticed it.

use super::link_phase::{self, LinkPhase};
use super::managed::{LeaseReport, old_name};
use super::waits::{Wait, may_be_overtaken};
use super::{Changes, State, host_name};
use crate::model::{Backend, Detail, EventKind, LinkId};
use protocol::Ifindex;
use std::borrow::Cow;
use std::sync::Arc;

impl State {
    /// Asks the state machine about one link, and compares its manager's words and its leases with
    /// what scripts were told.
    pub(super) fn evaluate(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        if self.awaits_dump {
            return;
        }
        let (mut pending, expects) = (self.leases_pending, self.expects_leases && !self.startup);
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        if self.waits.of(ifindex) == Some(Wait::FirstWord) && link.managed.operational.is_none() {
            return self.emit_manager_states(ifindex, changes);
        }
        let next_hops = link.default_next_hops(&self.routes);
        let mut phase_inputs = link.phase_inputs(next_hops);
        match link.lease_report {
            LeaseReport::None if expects && link.lacks_lease() => link.lease_report = LeaseReport::Expected,
            LeaseReport::Expected | LeaseReport::Overdue if !link.lacks_lease() => {
                link.lease_report = LeaseReport::None;
            }
            _ => {}
        }
        pending |= link.lease_report == LeaseReport::Expected;
        // What made the link routable is about to be told with its lease.
        phase_inputs.leads &= !pending || link.phase == Some(LinkPhase::Routable);
        let (before, was_lost) = (link.phase, link.gateway_lost);
        let is_kept = phase_inputs.carrier && phase_inputs.global && !phase_inputs.leads;
        let gateway_lost = is_kept && (was_lost || link.leads);
        let after = link_phase::next(gateway_lost, phase_inputs);
        // An address after NetworkManager's last word: of which connection it is, its next word may say.
        let is_rise = after >= LinkPhase::Configured && before.is_some_and(|before| before < after);
        let may_be_next = self.manager == Some(Backend::NetworkManager)
            && link.managed.administrative.is_some_and(|word| may_be_overtaken(word.name));
        match self.waits.of(ifindex) {
            None | Some(Wait::Cause) if is_rise && may_be_next && self.released != Some(ifindex) => {
                self.waits.begin(ifindex, Wait::Cause);
                return self.emit_manager_states(ifindex, changes);
            }
            Some(Wait::Cause) => self.waits.end(ifindex),
            _ => {}
        }
        link.gateway_lost = gateway_lost;
        let leads = after == LinkPhase::Routable && phase_inputs.leads;
        self.phases_changed |= before != Some(after) || link.leads != leads;
        (link.phase, link.leads) = (Some(after), leads);
        if may_be_next && phase_inputs.global {
            link.managed.parting = None;
        } else if may_be_next && before > Some(after) {
            link.managed.parting = Some(Arc::new(link.facts(&self.routes)));
        }
        // The machine goes on beside a manager, silently, so that it knows where things stand when
        // the manager goes away.
        if link.managed.operational.is_none() {
            self.emit_phases(ifindex, link_phase::passed(before, was_lost, after), changes);
            self.emit_lease(ifindex, false, changes);
        }
        self.emit_gateways(ifindex, next_hops, changes);
        self.emit_manager_states(ifindex, changes);
        self.emit_values(ifindex, changes);
    }

    fn emit_phases(
        &mut self,
        ifindex: Ifindex,
        passed: impl Iterator<Item = LinkPhase>,
        changes: &mut Changes,
    ) {
        for phase in passed {
            let Some(link) = self.links.get_mut(&ifindex) else { return };
            let old = old_name(link.last_reported.operational.replace(Cow::Borrowed(phase.name())));
            let mut detail = Detail::None;
            match (phase, std::mem::take(&mut link.lease_report)) {
                (LinkPhase::Routable, LeaseReport::New { old }) => detail = Detail::Lease { old },
                // Scripts were told `routable` already.
                (LinkPhase::Routable, LeaseReport::Ahead) => continue,
                (LinkPhase::NoCarrier, LeaseReport::Ahead) => {}
                (_, report) => link.lease_report = report,
            }
            let id = link.id;
            let mut event = self.event(id, phase.kind(), phase.name(), detail);
            event.old_state = old;
            changes.events.push(event);
        }
    }

    pub(super) fn evaluate_all(&mut self, changes: &mut Changes) {
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            self.evaluate(ifindex, changes);
        }
    }

    pub(super) fn evaluate_host(&mut self, changes: &mut Changes) {
        if self.awaits_dump {
            return;
        }
        // Asked at every message, and there may be thousands of links.
        if !std::mem::take(&mut self.phases_changed) {
            return;
        }
        let online = self.links.values().any(|link| link.leads);
        if self.online == Some(online) {
            return;
        }
        let before = self.online.replace(online).map(host_name);
        if self.host_report.is_some() {
            return;
        }
        // A manager's last word no longer holds.
        self.host_last_reported = None;
        let mut event = self.event(LinkId::HOST, EventKind::Manager, host_name(online), Detail::None);
        event.old_state = before;
        changes.events.push(event);
    }
}
