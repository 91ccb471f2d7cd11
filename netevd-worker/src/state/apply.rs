//! How messages change the state.

use super::gateway::DefaultNextHops;
use super::link::{Known, LinkState};
use super::managed::{LastReported, LeaseReport};
use super::routes::{Inserted, is_reported};
use super::waits::Wait;
use super::{Changes, GONE_MAX, Interest, State};
use crate::kernel::{KernelMessage, Link};
use crate::model::{
    Action, Address, Backend, Detail, EventKind, EventValues, LinkId, Route, RouteChange, address_flag,
};
use protocol::{Family, Ifindex, TableId};
use std::net::IpAddr;
use std::sync::Arc;

impl State {
    /// One message of the kernel.
    pub fn apply(&mut self, message: KernelMessage, interest: &Interest<'_>, changes: &mut Changes) {
        match self.absorb(message, interest, changes) {
            Touched::Nothing => return,
            Touched::Link(ifindex) => self.evaluate(ifindex, changes),
            Touched::Links(links) => links.into_iter().for_each(|ifindex| self.evaluate(ifindex, changes)),
            Touched::All => self.evaluate_all(changes),
            Touched::Host => {}
        }
        self.evaluate_host(changes);
    }

    /// Other links are monitored now: the new ones are introduced, the dropped ones fall silent.
    pub fn reconsider(&mut self, interest: &Interest<'_>, changes: &mut Changes) {
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let Some(link) = self.links.get_mut(&ifindex) else { continue };
            let monitored = (interest.monitors)(link.name.as_str());
            if monitored != link.monitored {
                link.monitored = monitored;
                (link.phase, link.leads, link.gateway_lost) = (None, false, false);
                self.phases_changed = true;
                link.last_reported = LastReported::default();
                link.gateways = DefaultNextHops::default();
                for known in &mut link.addresses {
                    known.announced = false;
                }
                self.introduce(ifindex, changes);
                self.evaluate(ifindex, changes);
            }
        }
        self.evaluate_host(changes);
    }

    pub(super) fn absorb(
        &mut self,
        message: KernelMessage,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) -> Touched {
        match message {
            KernelMessage::Link(link) => self.link_message(&link, interest, changes),
            KernelMessage::LinkGone(ifindex) => self.link_gone(ifindex, interest, changes),
            KernelMessage::Address(ifindex, address) => self.address_message(ifindex, address, changes),
            KernelMessage::AddressGone(ifindex, address) => {
                self.address_gone(ifindex, &address, interest, changes)
            }
            KernelMessage::Route(route, replaced) => self.route_message(&route, replaced, interest, changes),
            KernelMessage::RouteGone(route) => self.route_gone(&route, interest, changes),
            // What we add ourselves is no reason to look again.
            KernelMessage::Rule(rule) => {
                changes.routing |= !rule.is_ours();
                Touched::Nothing
            }
            KernelMessage::RuleGone(rule) => {
                changes.routing |= !rule.is_ours();
                changes.ours_gone |= rule.is_ours();
                Touched::Nothing
            }
        }
    }

    fn link_message(&mut self, reported: &Link, interest: &Interest<'_>, changes: &mut Changes) -> Touched {
        // IPv4 routes go without a word when a link goes down, so every link message counts.
        changes.routing = true;
        let renamed = self
            .links
            .get(&reported.ifindex)
            .is_some_and(|link| reported.name.as_ref().is_some_and(|name| *name != link.name));
        if renamed {
            self.rename(reported, interest, changes);
            return Touched::Link(reported.ifindex);
        }
        let Some(link) = self.links.get_mut(&reported.ifindex) else {
            let id = self.new_link_id();
            let monitored = reported.name.as_ref().is_some_and(|name| (interest.monitors)(name.as_str()));
            if let Some(mut link) = LinkState::new(id, reported, monitored) {
                self.gone.retain(|(ifindex, ..)| *ifindex != reported.ifindex);
                link.managed = self.unknown_links.remove(&reported.ifindex).unwrap_or_default();
                link.leases = self.leases.get(&link.name).cloned().unwrap_or_default();
                link.name_gateways(self.policy.as_ref());
                let is_awaited = monitored && link.managed.operational.is_none();
                if is_awaited && self.manager == Some(Backend::Networkd) && !self.startup {
                    self.waits.begin(reported.ifindex, Wait::FirstWord);
                }
                self.put_link(link);
                changes.links = true;
                self.introduce(reported.ifindex, changes);
            }
            return Touched::Link(reported.ifindex);
        };
        let was_up = link.is_up();
        link.take(reported);
        link.name_gateways(self.policy.as_ref());
        let went_down = was_up && !link.is_up();
        let (id, monitored, old) = (link.id, link.monitored, link.mtu);
        let state = link.state_name(&self.routes);
        let new = reported.mtu.unwrap_or(old);
        link.mtu = new;
        if monitored && new != old {
            let event = self.event(id, EventKind::Mtu, state, Detail::Mtu { old, new });
            changes.events.push(event);
        }
        if went_down {
            let gone = self.routes.forget_link(reported.ifindex, Some(Family::V4));
            self.report_gone(&gone, interest, changes);
            changes.needs_resync = true;
        }
        Touched::Link(reported.ifindex)
    }

    /// A new name is a new incarnation: scripts know links by name, and a name may have left or
    /// entered the monitored set. Addresses move along.
    fn rename(&mut self, reported: &Link, interest: &Interest<'_>, changes: &mut Changes) {
        let Some(old) = self.take_link(reported.ifindex) else { return };
        changes.links = true;
        self.emit_removed(&old, changes);
        let id = self.new_link_id();
        let Some(name) = reported.name.clone() else { return };
        let monitored = (interest.monitors)(name.as_str());
        let mut link =
            LinkState { id, name, monitored, phase: None, gateway_lost: false, leads: false, ..old };
        link.gateways = DefaultNextHops::default();
        link.last_reported = LastReported::default();
        link.leases = self.leases.get(&link.name).cloned().unwrap_or_default();
        link.lease_report = LeaseReport::None;
        link.take(reported);
        link.name_gateways(self.policy.as_ref());
        link.mtu = reported.mtu.unwrap_or(link.mtu);
        for known in &mut link.addresses {
            known.announced = false;
        }
        self.put_link(link);
        self.introduce(reported.ifindex, changes);
    }

    /// `link-added`, and the addresses that it already has.
    fn introduce(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        let Some(link) = self.links.get(&ifindex).filter(|link| link.monitored) else { return };
        let addresses: Vec<Address> = link.addresses.iter().map(|known| known.address.clone()).collect();
        let (id, state) = (link.id, link.state_name(&self.routes));
        let event = self.event(id, EventKind::LinkAdded, state, Detail::None);
        changes.events.push(event);
        for address in addresses {
            self.announce(ifindex, &address, changes);
        }
    }

    fn emit_removed(&mut self, link: &LinkState, changes: &mut Changes) {
        let last = Arc::new(link.facts(&self.routes));
        if link.monitored {
            self.emit_gateways_lost(link, &last, changes);
            let mut event = self.event(link.id, EventKind::LinkRemoved, last.state, Detail::None);
            event.then = EventValues::Whole(Arc::clone(&last));
            changes.events.push(event);
        }
        changes.gone.push((link.id, Arc::clone(&last)));
        self.gone.push_back((link.ifindex, link.id, last));
        if self.gone.len() > GONE_MAX {
            self.gone.pop_front();
        }
    }

    fn link_gone(&mut self, ifindex: Ifindex, interest: &Interest<'_>, changes: &mut Changes) -> Touched {
        changes.routing = true;
        let routes = self.routes.forget_link(ifindex, None);
        self.report_gone(&routes, interest, changes);
        self.unknown_links.remove(&ifindex);
        self.waits.end(ifindex);
        if let Some(link) = self.take_link(ifindex) {
            changes.links = true;
            self.emit_removed(&link, changes);
        }
        Touched::Host
    }

    fn address_message(&mut self, ifindex: Ifindex, mut address: Address, changes: &mut Changes) -> Touched {
        let Some(link) = self.links.get_mut(&ifindex) else { return Touched::Nothing };
        // The kernel gives every IPv4 address a label; only one that was chosen says something.
        address.label = address.label.filter(|label| label != link.name.as_str());
        changes.routing = true;
        match link.addresses.iter_mut().find(|known| same(&known.address, &address)) {
            Some(known) => {
                let is_changed = (known.address.flags ^ address.flags) & address_flag::DEPRECATED != 0;
                known.address = address.clone();
                if is_changed && known.announced && link.monitored {
                    let (id, state) = (link.id, link.state_name(&self.routes));
                    let detail = Detail::Address(address.clone());
                    let event = self.event(id, EventKind::AddressChanged, state, detail);
                    changes.events.push(event);
                }
            }
            None => link.addresses.push(Known { address: address.clone(), announced: false }),
        }
        self.announce(ifindex, &address, changes);
        Touched::Link(ifindex)
    }

    /// `address-added`, once, when duplicate detection is over.
    fn announce(&mut self, ifindex: Ifindex, address: &Address, changes: &mut Changes) {
        let pending = address.flags & (address_flag::TENTATIVE | address_flag::DADFAILED) != 0;
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        let (id, monitored, state) = (link.id, link.monitored, link.state_name(&self.routes));
        let Some(known) = link.addresses.iter_mut().find(|known| same(&known.address, address)) else {
            return;
        };
        if pending || known.announced {
            return;
        }
        known.announced = true;
        if monitored {
            let event = self.event(id, EventKind::AddressAdded, state, Detail::Address(address.clone()));
            changes.events.push(event);
        }
    }

    fn address_gone(
        &mut self,
        ifindex: Ifindex,
        address: &Address,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) -> Touched {
        let Some(link) = self.links.get_mut(&ifindex) else { return Touched::Nothing };
        let Some(at) = link.addresses.iter().position(|known| same(&known.address, address)) else {
            return Touched::Nothing;
        };
        changes.routing = true;
        let known = link.addresses.remove(at);
        let (id, monitored, state) = (link.id, link.monitored, link.state_name(&self.routes));
        let last_ipv4 = address.ip.is_ipv4() && !link.addresses.iter().any(|k| k.address.ip.is_ipv4());
        if known.announced && monitored {
            let event = self.event(id, EventKind::AddressRemoved, state, Detail::Address(known.address));
            changes.events.push(event);
        }
        let mut routes = self.routes.forget_source(address.ip);
        if last_ipv4 {
            routes.extend(self.routes.forget_link(ifindex, Some(Family::V4)));
        }
        self.report_gone(&routes, interest, changes);
        changes.needs_resync |= address.ip.is_ipv4();
        Touched::Link(ifindex)
    }

    fn route_message(
        &mut self,
        route: &Route,
        replaced: bool,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) -> Touched {
        let needed = route.is_default() || route.is_main_candidate() || route.may_lead();
        // A foreign route in a table of ours is a conflict; which tables are ours the plan knows.
        changes.routing |= needed || is_in_private_table(route);
        changes.copies |= is_of_main(route);
        let inserted = self.routes.insert(route, replaced);
        let action = match inserted {
            Inserted::Known => return Touched::Nothing,
            Inserted::New => Action::Added,
            Inserted::Replaced => Action::Changed,
            Inserted::Ambiguous => {
                changes.needs_resync = true;
                Action::Changed
            }
        };
        self.report_route(route, action, interest, changes);
        match inserted {
            _ if !route.is_default() => self.touched_by_neighbours(route),
            Inserted::New => Touched::by(route),
            // By which links the one before it led is not known here.
            _ => Touched::All,
        }
    }

    fn route_gone(&mut self, route: &Route, interest: &Interest<'_>, changes: &mut Changes) -> Touched {
        let remembered = self.routes.remove(route);
        let needed = route.is_default() || route.is_main_candidate() || route.may_lead();
        changes.routing |= needed || is_in_private_table(route);
        changes.copies |= is_of_main(route);
        changes.ours_gone |= route.is_ours();
        // Without the whole table in memory every deletion is news.
        if remembered.is_some() || !self.routes.keeps(route) {
            self.report_route(route, Action::Removed, interest, changes);
        }
        match remembered {
            _ if !route.is_default() => self.touched_by_neighbours(route),
            Some(known) if known.hops == route.hops => Touched::by(route),
            _ => Touched::All,
        }
    }

    /// A route of main's without a gateway may lead to a gateway that the administrator names.
    fn touched_by_neighbours(&self, route: &Route) -> Touched {
        let has_names =
            |ifindex| self.links.get(&ifindex).is_some_and(|link| !link.named_gateways.is_empty());
        match route.single_hop().and_then(|hop| hop.oif).filter(|_| route.is_main_candidate()) {
            Some(ifindex) if has_names(ifindex) => Touched::Link(ifindex),
            _ => Touched::Nothing,
        }
    }

    fn report_gone(&mut self, routes: &[Route], interest: &Interest<'_>, changes: &mut Changes) {
        for route in routes {
            self.report_route(route, Action::Removed, interest, changes);
        }
    }

    /// `routes`, for the link of its first hop; without a device, for the host.
    fn report_route(
        &mut self,
        route: &Route,
        action: Action,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) {
        if !interest.routes || !is_reported(route) {
            return;
        }
        let oif = route.hops.iter().find_map(|hop| hop.oif);
        let (link, state) = match oif.and_then(|oif| self.links.get(&oif)) {
            Some(link) if link.monitored => (link.id, link.state_name(&self.routes)),
            Some(_) => return,
            None if oif.is_some() => return,
            None => (LinkId::HOST, self.host()),
        };
        let change = RouteChange {
            action,
            destination: route.destination,
            gateway: route.hops.iter().find_map(|hop| hop.gateway),
            table: route.table.0,
            metric: route.metric,
            protocol: route.protocol,
            scope: route.scope,
            route_type: route.route_type,
        };
        let event = self.event(link, EventKind::Routes, state, Detail::Routes(vec![change]));
        changes.events.push(event);
    }
}

/// What a message may have moved.
pub(super) enum Touched {
    Nothing,
    Link(Ifindex),
    /// Those that a default route leads by.
    Links(Vec<Ifindex>),
    All,
    Host,
}

impl Touched {
    fn by(route: &Route) -> Self {
        Self::Links(route.hops.iter().filter_map(|hop| hop.oif).collect())
    }
}

/// One address of a link, as the kernel tells addresses apart.
fn same(a: &Address, b: &Address) -> bool {
    a.ip == b.ip && identity(a) == identity(b)
}

/// See [`identity`].
pub(super) type AddressIdentity = (IpAddr, Option<(u8, Option<IpAddr>)>);

/// What tells addresses of one link apart.
pub(super) fn identity(address: &Address) -> AddressIdentity {
    (address.ip, address.ip.is_ipv4().then_some((address.prefix_length, address.peer)))
}

/// A route of main's that may be copied.
fn is_of_main(route: &Route) -> bool {
    route.table == TableId::MAIN && !route.cloned && !route.is_ours()
}

/// A foreign route outside the kernel's own tables: it may stand in one of ours.
pub(crate) fn is_in_private_table(route: &Route) -> bool {
    !route.is_ours() && ![TableId::DEFAULT, TableId::MAIN, TableId::LOCAL].contains(&route.table)
}
