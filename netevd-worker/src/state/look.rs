//! What follows for scripts from what is known now: of one link, of all, of the host. A state is told
//! once, whoever noticed it.

use super::climb::{self, Stage};
use super::managed::{LeaseNews, old_name};
use super::{Changes, State, host_name};
use crate::event::{Detail, EventKind, LinkId};
use protocol::Ifindex;
use std::borrow::Cow;

impl State {
    /// Asks the state machine about one link, and compares its manager's words and its leases with
    /// what scripts were told.
    pub(super) fn look(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        if self.awaits_dump {
            return;
        }
        let (mut pending, expects) = (self.leases_pending, self.expects_leases && !self.startup);
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        let mut signs = link.signs(&self.routes);
        match link.lease_news {
            LeaseNews::None if expects && link.lacks_lease() => link.lease_news = LeaseNews::Expected,
            LeaseNews::Expected | LeaseNews::Overdue if !link.lacks_lease() => {
                link.lease_news = LeaseNews::None;
            }
            _ => {}
        }
        pending |= link.lease_news == LeaseNews::Expected;
        // What made the link routable is about to be told with its lease.
        signs.default_route &= !pending || link.stage == Some(Stage::Routable);
        let (before, lost) = (link.stage, link.gateway_lost);
        let after = climb::next(before, lost, signs);
        link.gateway_lost = signs.global && (link.gateway_lost || before == Some(Stage::Routable));
        if signs.default_route || !signs.carrier {
            link.gateway_lost = false;
        }
        link.stage = Some(after);
        self.stages_moved |= before != Some(after);
        // The machine goes on beside a manager, silently, so that it knows where things stand when
        // the manager goes away.
        if link.managed.operational.is_none() {
            self.tell_stages(ifindex, climb::passed(before, lost, after), changes);
            self.tell_lease(ifindex, false, changes);
        }
        self.tell_words(ifindex, changes);
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
        let online = self.links.values().any(|link| link.stage == Some(Stage::Routable));
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
