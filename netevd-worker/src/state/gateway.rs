//! The gateway of each family of a link: the first of `routing.gateways` that is a neighbour, else that of the
//! kernel's default route; and the event that tells of its changes.

use super::link::LinkState;
use super::routes::Routes;
use super::{Changes, State};
use crate::kernel::link_flag;
use crate::model::{Address, DefaultNextHop, Detail, EventKind, EventValues, GatewayChange, Hop, LinkFacts};
use protocol::{Family, GatewayName, Ifindex, Policy};
use std::net::IpAddr;
use std::sync::Arc;

/// How a link reaches everything else, by family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultNextHops {
    /// IPv4
    pub v4: Option<DefaultNextHop>,
    /// IPv6
    pub v6: Option<DefaultNextHop>,
}

impl DefaultNextHops {
    /// Of this family.
    pub fn of(&self, family: Family) -> Option<DefaultNextHop> {
        match family {
            Family::V4 => self.v4,
            Family::V6 => self.v6,
        }
    }

    pub(super) fn of_mut(&mut self, family: Family) -> &mut Option<DefaultNextHop> {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// What becomes of each family on the way to `new`.
    fn changes(self, new: DefaultNextHops) -> impl Iterator<Item = GatewayChange> {
        let change = move |family| GatewayChange { family, old: self.of(family), new: new.of(family) };
        [Family::V4, Family::V6].into_iter().map(change).filter(|change| change.old != change.new)
    }
}

impl LinkState {
    /// How it reaches everything else.
    pub fn default_next_hops(&self, routes: &Routes) -> DefaultNextHops {
        let mut next_hops = routes.default_next_hops(self.ifindex);
        for family in [Family::V4, Family::V6] {
            if let Some(gateway) = self.named_gateway(family, routes) {
                *next_hops.of_mut(family) = Some(DefaultNextHop::Via(gateway));
            }
        }
        next_hops
    }

    /// The first of the administrator's gateways that the link reaches without another. It counts only where
    /// policy routing uses it: on a listed link that is up and no port.
    fn named_gateway(&self, family: Family, routes: &Routes) -> Option<IpAddr> {
        if !self.is_up() || self.flags & link_flag::LOOPBACK != 0 || self.controller != 0 {
            return None;
        }
        let named = self.named_gateways.iter().filter_map(|name| match name {
            GatewayName::Address(gateway) => (Family::of(*gateway) == family).then_some(*gateway),
            GatewayName::First => self.first_host(family),
        });
        named.filter(|gateway| !self.is_own(*gateway)).find(|gateway| self.is_neighbour(*gateway, routes))
    }

    fn is_own(&self, ip: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address.ip == ip)
    }

    /// What `first` names: the first host of its first subnet in which that is another host.
    fn first_host(&self, family: Family) -> Option<IpAddr> {
        let usable = self.addresses.iter().map(|known| &known.address).filter(|a| a.is_usable());
        let subnets =
            usable.filter(|a| Family::of(a.ip) == family && a.peer.is_none()).filter_map(Address::subnet);
        subnets.filter_map(|subnet| subnet.first_host()).find(|host| !self.is_own(*host))
    }

    /// In a subnet of the link, or reached by a route of main's without a gateway; link-local IPv6 always.
    fn is_neighbour(&self, gateway: IpAddr, routes: &Routes) -> bool {
        let by_link =
            |hop: &Hop| hop.oif == Some(self.ifindex) && hop.gateway.is_none() && !hop.foreign_gateway;
        let mut subnets = self.addresses.iter().filter_map(|known| known.address.subnet());
        let mut of_main = routes.iter().filter(|r| r.is_main_candidate() && !r.destination.is_default_like());
        matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local())
            || subnets.any(|prefix| prefix.contains(gateway))
            || of_main.any(|r| r.single_hop().is_some_and(by_link) && r.destination.contains(gateway))
    }
}

impl State {
    /// From now on this policy says which gateways count; `None` where no helper follows it.
    pub fn apply_policy(&mut self, policy: Option<&Policy>, changes: &mut Changes) {
        self.policy = policy.cloned();
        let indices: Vec<Ifindex> = self.links.keys().copied().collect();
        for ifindex in indices {
            let Some(link) = self.links.get_mut(&ifindex) else { continue };
            let before = std::mem::take(&mut link.named_gateways);
            link.name_gateways(self.policy.as_ref());
            // The first look is at everything.
            if before != link.named_gateways && !self.startup {
                self.evaluate(ifindex, changes);
                self.evaluate_host(changes);
            }
        }
    }

    /// `gateway`, for each family whose gateway is another than scripts were told.
    pub(super) fn emit_gateways(
        &mut self,
        ifindex: Ifindex,
        next_hops: DefaultNextHops,
        changes: &mut Changes,
    ) {
        let Some(link) = self.links.get_mut(&ifindex) else { return };
        let (id, reported) = (link.id, std::mem::replace(&mut link.gateways, next_hops));
        if reported == next_hops {
            return;
        }
        let state = link.state_name(&self.routes);
        for change in reported.changes(next_hops) {
            let event = self.event(id, EventKind::Gateway, state, Detail::Gateway(change));
            changes.events.push(event);
        }
    }

    /// The gateways of a link that is gone went with it.
    pub(super) fn emit_gateways_lost(
        &mut self,
        link: &LinkState,
        last: &Arc<LinkFacts>,
        changes: &mut Changes,
    ) {
        for change in link.gateways.changes(DefaultNextHops::default()) {
            let mut event = self.event(link.id, EventKind::Gateway, last.state, Detail::Gateway(change));
            event.then = EventValues::Whole(Arc::clone(last));
            changes.events.push(event);
        }
    }
}

impl LinkState {
    /// Takes over what the policy names for it.
    pub(super) fn name_gateways(&mut self, policy: Option<&Policy>) {
        let Some(policy) = policy.filter(|policy| !policy.gateways.is_empty()) else {
            self.named_gateways = Box::default();
            return;
        };
        let names = self.names();
        let named = policy.gateways_of(&names).copied().collect();
        self.named_gateways = if policy.interfaces.lists(&names) { named } else { Box::default() };
    }
}

#[cfg(test)]
#[path = "gateway_tests.rs"]
mod tests;
