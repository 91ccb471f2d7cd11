//! One link as the worker knows it.

use crate::kernel::{Link, link_flag};
use crate::model::{
    Address, Brief, DefaultNextHop, Lease, LinkExtra, LinkFacts, LinkId, LinkLeases, address_flag,
};
use crate::state::gateway::DefaultNextHops;
use crate::state::link_phase::{self, LinkPhase, PhaseInputs};
use crate::state::managed::{LastReported, LeaseReport, Managed};
use crate::state::routes::Routes;
use protocol::{Family, GatewayName, Ifindex, InterfaceName};
use std::net::IpAddr;
use std::sync::Arc;

/// An address and whether scripts have heard of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// The address.
    pub address: Address,
    /// True once it was usable; a tentative one is not announced.
    pub announced: bool,
}

/// A link's state.
#[derive(Clone, Debug)]
pub struct LinkState {
    /// This incarnation.
    pub id: LinkId,
    /// `ifi_index`
    pub ifindex: Ifindex,
    /// Its name now.
    pub name: InterfaceName,
    /// `ifi_flags`
    pub flags: u32,
    /// Bytes; 0 until told.
    pub mtu: u32,
    /// Hardware address.
    pub mac: Option<String>,
    /// `IFLA_INFO_KIND`
    pub kind: Option<String>,
    /// `IFLA_OPERSTATE`
    pub operstate: &'static str,
    /// `IFLA_MASTER`, 0 for none.
    pub controller: u32,
    /// Its addresses, in the kernel's order.
    pub addresses: Vec<Known>,
    /// Where the state machine stands; `None` before its first look, and for links that are not
    /// monitored.
    pub phase: Option<LinkPhase>,
    /// A default route was there, and the link has kept its global address since.
    pub gateway_lost: bool,
    /// It is `routable` by a default route, which a point-to-point link need not have.
    pub leads: bool,
    /// The administrator's gateways for it, where policy routing uses them.
    pub named_gateways: Box<[GatewayName]>,
    /// Its gateways, as scripts were told of them last.
    pub gateways: DefaultNextHops,
    /// Events of this link run scripts.
    pub monitored: bool,
    /// What its manager says.
    pub managed: Managed,
    /// What scripts were told last.
    pub last_reported: LastReported,
    /// dhclient's leases.
    pub leases: LinkLeases,
    /// A lease that scripts have not heard of yet, or heard of before the kernel had it.
    pub lease_report: LeaseReport,
    /// What else the kernel said.
    pub extra: Option<Arc<LinkExtra>>,
}

impl LinkState {
    /// A link that was just told; `None` without a name, which only partial messages lack.
    pub fn new(id: LinkId, link: &Link, monitored: bool) -> Option<Self> {
        let mut state = Self {
            id,
            ifindex: link.ifindex,
            name: link.name.clone()?,
            flags: 0,
            mtu: link.mtu.unwrap_or_default(),
            mac: None,
            kind: None,
            operstate: "unknown",
            controller: 0,
            addresses: Vec::new(),
            phase: None,
            gateway_lost: false,
            leads: false,
            named_gateways: Box::default(),
            gateways: DefaultNextHops::default(),
            monitored,
            managed: Managed::default(),
            last_reported: LastReported::default(),
            leases: LinkLeases::default(),
            lease_report: LeaseReport::None,
            extra: None,
        };
        state.take(link);
        Some(state)
    }

    /// Takes over what a message says, name and MTU aside.
    pub fn take(&mut self, link: &Link) {
        self.flags = link.flags;
        // A full message has an MTU; a partial one says nothing of the rest either.
        if link.mtu.is_none() {
            return;
        }
        self.mac = link.mac.clone().filter(|mac| !mac.is_empty());
        self.controller = link.controller;
        self.extra.clone_from(&link.extra);
        if link.kind.is_some() {
            self.kind.clone_from(&link.kind);
        }
        if let Some(operstate) = link.operstate {
            self.operstate = operstate;
        }
    }

    /// Administratively up.
    pub fn is_up(&self) -> bool {
        self.flags & link_flag::UP != 0
    }

    /// An IPv4 address with an end, as DHCP clients set them, that no known lease names.
    pub(super) fn lacks_lease(&self) -> bool {
        let has_end = |address: &Address| address.ip.is_ipv4() && address.valid_lifetime != u32::MAX;
        let is_known = |ip| self.leases.addresses().any(|leased| leased == ip);
        let mut addresses = self.addresses.iter().map(|known| &known.address);
        addresses.any(|address| has_end(address) && address.is_usable() && !is_known(address.ip))
    }

    /// A leased address is there, and the kernel still looks whether another host has it.
    pub(super) fn checks_lease(&self) -> bool {
        let is_tentative = |address: &Address| address.flags & address_flag::TENTATIVE != 0;
        let is_leased = |ip| self.leases.addresses().any(|leased| leased == ip);
        self.addresses.iter().map(|known| &known.address).any(|a| is_tentative(a) && is_leased(a.ip))
    }

    /// Its name and its alternative names.
    pub fn names(&self) -> Vec<&str> {
        let others = self.extra.iter().flat_map(|extra| &extra.alternative_names);
        std::iter::once(self.name.as_str()).chain(others.map(String::as_str)).collect()
    }

    /// What the state machine looks at, of a link with these ways out.
    pub(super) fn phase_inputs(&self, next_hops: DefaultNextHops) -> PhaseInputs {
        let pending = address_flag::TENTATIVE | address_flag::DADFAILED;
        let usable = || self.addresses.iter().map(|known| &known.address).filter(|a| a.flags & pending == 0);
        let has_global = |family| usable().any(|a| a.is_global() && Family::of(a.ip) == family);
        let (v4, v6) = (has_global(Family::V4), has_global(Family::V6));
        PhaseInputs {
            carrier: self.is_up() && self.flags & link_flag::LOWER_UP != 0,
            link_local: usable().any(|address| !address.is_global()),
            global: v4 || v6,
            leads: (v4 && next_hops.v4.is_some()) || (v6 && next_hops.v6.is_some()),
            point_to_point: self.flags & link_flag::POINTOPOINT != 0,
        }
    }

    /// `STATE`: what the manager says of how far packets get, else where the machine stands or
    /// would at its first look.
    pub fn state_name(&self, routes: &Routes) -> &'static str {
        let first = || link_phase::next(false, self.phase_inputs(self.default_next_hops(routes)));
        let phase = || self.phase.unwrap_or_else(first).name();
        self.managed.operational.map_or_else(phase, |word| word.name)
    }

    /// What every event of the link keeps.
    pub(super) fn brief(&self) -> Brief {
        Brief {
            administrative: self.managed.administrative.map(|word| word.name),
            manager: self.managed.facts.clone(),
            leases: self.present_leases(),
        }
    }

    /// The manager's leases, else dhclient's: none of a link that is down, whatever a file of the last boot
    /// says, and none whose address the client has given up, though the file still tells of it.
    pub(super) fn present_leases(&self) -> LinkLeases {
        if !self.is_up() {
            return LinkLeases::default();
        }
        let of_manager = self.managed.facts.as_deref().map(|facts| &facts.leases);
        let mut leases =
            of_manager.filter(|leases| **leases != LinkLeases::default()).unwrap_or(&self.leases).clone();
        if self.lease_report == LeaseReport::Overdue {
            leases.v4 = None;
        }
        leases
    }

    /// The values for scripts, but for [`LinkFacts::routes`].
    pub fn facts(&self, routes: &Routes) -> LinkFacts {
        let mut addresses: Vec<Address> = self.addresses.iter().map(|known| known.address.clone()).collect();
        addresses.sort_by_key(preference);
        let next_hops = self.default_next_hops(routes);
        let gateway = |family| match next_hops.of(family) {
            Some(DefaultNextHop::Via(gateway)) => Some(gateway),
            _ => self.believed_gateway(family),
        };
        let leases = self.present_leases();
        let (dns, domains) = self.managed.resolver().unwrap_or_else(|| leases.resolver());
        LinkFacts {
            ifindex: self.ifindex,
            name: self.name.clone(),
            kind: self.kind.clone(),
            state: self.state_name(routes),
            administrative: self.managed.administrative.map(|word| word.name),
            operstate: self.operstate,
            flags: self.flags,
            mtu: self.mtu,
            mac: self.mac.clone(),
            addresses,
            gateway: match gateway(Family::V4) {
                Some(IpAddr::V4(gateway)) => Some(gateway),
                _ => None,
            },
            gateway6: match gateway(Family::V6) {
                Some(IpAddr::V6(gateway)) => Some(gateway),
                _ => None,
            },
            dns,
            domains,
            manager: self.managed.facts.clone(),
            leases,
            controller: self.controller,
            extra: self.extra.clone(),
            routes: Vec::new(),
        }
    }

    /// The gateway that the manager or a lease names, whatever the kernel does with it; a lease of the last
    /// boot means nothing before the link is up.
    pub fn believed_gateway(&self, family: Family) -> Option<IpAddr> {
        if !self.is_up() {
            return None;
        }
        let manager = self.managed.facts.as_deref().and_then(|facts| match family {
            Family::V4 => facts.gateway.map(IpAddr::V4),
            Family::V6 => facts.gateway6.map(IpAddr::V6),
        });
        let lease = match family {
            Family::V4 => self.leases.v4.as_deref(),
            Family::V6 => self.leases.v6.as_deref(),
        };
        manager.or_else(|| lease.and_then(Lease::gateway))
    }
}

/// Order of source addresses towards a global destination: IPv4 as the kernel lists it, primary
/// before secondary; IPv6 by the rules of RFC 6724 section 5 that do not depend on the
/// destination (3 deprecated last, 2 global before unique local before link-local, 7 temporary
/// first). The sort is stable, so the kernel's order decides the rest.
fn preference(address: &Address) -> (u8, bool, u8, bool) {
    let deprecated = address.flags & address_flag::DEPRECATED != 0;
    let secondary = address.flags & address_flag::SECONDARY != 0;
    match address.ip {
        IpAddr::V4(_) => (0, false, u8::from(!address.is_global()), secondary),
        IpAddr::V6(ip) if !address.is_global() => (1, deprecated, 2, ip.is_loopback()),
        IpAddr::V6(ip) => (1, deprecated, u8::from(ip.is_unique_local()), !secondary),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;

    #[test]
    fn sources_in_order_of_preference() {
        let mut addresses = [
            address("fe80::1", 0),
            address("fd00::1", 0),
            address("2001:db8::dead", address_flag::DEPRECATED),
            address("2001:db8::1", 0),
            address("192.0.2.3", address_flag::SECONDARY),
            address("2001:db8::7", address_flag::SECONDARY),
            address("192.0.2.2", 0),
        ];
        addresses.sort_by_key(preference);
        let order: Vec<String> = addresses.iter().map(|a| a.ip.to_string()).collect();
        let expected =
            ["192.0.2.2", "192.0.2.3", "2001:db8::7", "2001:db8::1", "fd00::1", "fe80::1", "2001:db8::dead"];
        assert_eq!(order, expected);
    }
}
