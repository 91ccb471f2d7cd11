//! What follows for scripts from what is known now: of one link, of all, of the host. A state is told
//! once, whoever noticed it.

use super::climb::{self, Stage};
use super::managed::{LeaseNews, old_name};
use super::waits::{Wait, may_be_overtaken};
use super::{Changes, State, host_name};
use crate::config::Backend;
use crate::event::{Detail, EventKind, LinkId};
use protocol::Ifindex;
use std::borrow::Cow;
use std::sync::Arc;

impl State {
    /// Asks the state machine about one link, and compares its manager's words and its leases with
    /// what scripts were told.
    pub(super) fn look(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        if self.awaits_dump {
            return;
        }
        let (mut pending, expects) = (self.leases_pending, self.expects_leases && !self.startup);
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        if self.waits.of(ifindex) == Some(Wait::FirstWord) && link.managed.operational.is_none() {
            return self.tell_words(ifindex, changes);
        }
        let ways = link.ways_out(&self.routes);
        let mut signs = link.signs(ways);
        match link.lease_news {
            LeaseNews::None if expects && link.lacks_lease() => link.lease_news = LeaseNews::Expected,
            LeaseNews::Expected | LeaseNews::Overdue if !link.lacks_lease() => {
                link.lease_news = LeaseNews::None;
            }
            _ => {}
        }
        pending |= link.lease_news == LeaseNews::Expected;
        // What made the link routable is about to be told with its lease.
        signs.leads &= !pending || link.stage == Some(Stage::Routable);
        let (before, was_lost) = (link.stage, link.gateway_lost);
        let is_kept = signs.carrier && signs.global && !signs.leads;
        let gateway_lost = is_kept && (was_lost || link.leads);
        let after = climb::next(gateway_lost, signs);
        // An address after NetworkManager's last word: of which connection it is, its next word may say.
        let is_rise = after >= Stage::Configured && before.is_some_and(|before| before < after);
        let may_be_next = self.manager == Some(Backend::NetworkManager)
            && link.managed.administrative.is_some_and(|word| may_be_overtaken(word.name));
        match self.waits.of(ifindex) {
            None | Some(Wait::Cause) if is_rise && may_be_next && self.released != Some(ifindex) => {
                self.waits.begin(ifindex, Wait::Cause);
                return self.tell_words(ifindex, changes);
            }
            Some(Wait::Cause) => self.waits.end(ifindex),
            _ => {}
        }
        link.gateway_lost = gateway_lost;
        let leads = after == Stage::Routable && signs.leads;
        self.stages_moved |= before != Some(after) || link.leads != leads;
        (link.stage, link.leads) = (Some(after), leads);
        if may_be_next && signs.global {
            link.managed.parting = None;
        } else if may_be_next && before > Some(after) {
            link.managed.parting = Some(Arc::new(link.facts(&self.routes)));
        }
        // The machine goes on beside a manager, silently, so that it knows where things stand when
        // the manager goes away.
        if link.managed.operational.is_none() {
            self.tell_stages(ifindex, climb::passed(before, was_lost, after), changes);
            self.tell_lease(ifindex, false, changes);
        }
        self.tell_gateways(ifindex, ways, changes);
        self.tell_words(ifindex, changes);
        self.tell_values(ifindex, changes);
    }

    fn tell_stages(&mut self, ifindex: Ifindex, passed: impl Iterator<Item = Stage>, changes: &mut Changes) {
        for stage in passed {
            let Some(link) = self.links.get_mut(&ifindex) else { return };
            let old = old_name(link.told.operational.replace(Cow::Borrowed(stage.name())));
            let mut detail = Detail::None;
            match (stage, std::mem::take(&mut link.lease_news)) {
                (Stage::Routable, LeaseNews::Fresh { old }) => detail = Detail::Lease { old },
                // Scripts were told `routable` already.
                (Stage::Routable, LeaseNews::Ahead) => continue,
                (Stage::NoCarrier, LeaseNews::Ahead) => {}
                (_, news) => link.lease_news = news,
            }
            let id = link.id;
            let mut event = self.event(id, stage.kind(), stage.name(), detail);
            event.old_state = old;
            changes.events.push(event);
        }
    }

    pub(super) fn look_at_all(&mut self, changes: &mut Changes) {
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            self.look(ifindex, changes);
        }
    }

    pub(super) fn look_at_host(&mut self, changes: &mut Changes) {
        if self.awaits_dump {
            return;
        }
        // Asked at every message, and there may be thousands of links.
        if !std::mem::take(&mut self.stages_moved) {
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
        self.host_told = None;
        let mut event = self.event(LinkId::HOST, EventKind::Manager, host_name(online), Detail::None);
        event.old_state = before;
        changes.events.push(event);
    }
}
