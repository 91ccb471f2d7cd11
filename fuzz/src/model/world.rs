//! Links, addresses, routes and rules as values, and what the kernel makes of a change by itself.

use protocol::{Family, PROTOCOL, Prefix};
use std::net::IpAddr;

pub(crate) const MAIN: u32 = 254;
pub(crate) const LOCAL: u32 = 255;
/// Types of routes, `RTN_*`.
pub(crate) const UNICAST: u8 = 1;
pub(crate) const LOCAL_ROUTE: u8 = 2;
pub(crate) const BROADCAST: u8 = 3;
pub(crate) const MULTICAST: u8 = 5;
pub(crate) const BLACKHOLE: u8 = 6;
pub(crate) const UNREACHABLE: u8 = 7;
pub(crate) const PROHIBIT: u8 = 8;
pub(crate) const THROW: u8 = 9;
/// `RT_SCOPE_LINK`, `RT_SCOPE_HOST`
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
/// `RTPROT_RA`: what the kernel took from an advertisement it joins with nothing.
const RA: u8 = 9;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    /// Its name, then its alternative names.
    pub(crate) names: Vec<&'static [u8]>,
    pub(crate) up: bool,
    pub(crate) loopback: bool,
    pub(crate) point_to_point: bool,
    pub(crate) master: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Address {
    pub(crate) index: u32,
    pub(crate) ip: IpAddr,
    pub(crate) length: u8,
    pub(crate) peer: Option<IpAddr>,
    pub(crate) scope: u8,
    /// `IFA_F_*`
    pub(crate) flags: u32,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hop {
    pub(crate) oif: u32,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) onlink: bool,
    pub(crate) dead: bool,
    pub(crate) weight: u8,
    pub(crate) flow: Option<u32>,
    /// Type and bytes.
    pub(crate) encap: Option<(u16, Vec<u8>)>,
}

/// Of IPv6 each hop is a route, which a dump joins with its siblings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) table: u32,
    pub(crate) to: Prefix,
    pub(crate) source: Option<Prefix>,
    pub(crate) tos: u8,
    pub(crate) metric: u32,
    pub(crate) kind: u8,
    pub(crate) protocol: u8,
    pub(crate) scope: u8,
    pub(crate) metrics: Option<Vec<u8>>,
    pub(crate) preference: u8,
    pub(crate) cloned: bool,
    /// `rta_expires`
    pub(crate) expires: i32,
    pub(crate) hops: Vec<Hop>,
    /// By a nexthop object, beside whose id a dump has the hops.
    pub(crate) by_object: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rule {
    pub(crate) family: Family,
    pub(crate) priority: u32,
    /// `None`: prohibit.
    pub(crate) table: Option<u32>,
    pub(crate) from: Option<Prefix>,
    pub(crate) to: Option<Prefix>,
    pub(crate) protocol: u8,
    /// Value and mask.
    pub(crate) mark: Option<(u32, u32)>,
    pub(crate) suppress: Option<u32>,
    pub(crate) inverted: bool,
}

/// What there is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct World {
    pub(crate) links: Vec<Link>,
    pub(crate) addresses: Vec<Address>,
    pub(crate) routes: Vec<Route>,
    pub(crate) rules: Vec<Rule>,
}

impl Address {
    /// The connected subnet; of a point-to-point address, the peer's.
    pub(crate) fn subnet(&self) -> Prefix {
        Prefix::containing(self.peer.unwrap_or(self.ip), self.length).expect("not too long")
    }

    /// Global, and neither tentative nor failed.
    pub(crate) fn is_usable(&self) -> bool {
        self.scope == 0 && self.flags & 0x48 == 0
    }

    /// The routes that the kernel keeps for it.
    fn routes(&self) -> Vec<Route> {
        let ipv4 = self.ip.is_ipv4();
        let mut local = Route::new(LOCAL, Prefix::host(self.ip), LOCAL_ROUTE);
        local.scope = if ipv4 { SCOPE_HOST } else { 0 };
        local.hops.push(Hop { oif: self.index, ..Hop::default() });
        let mut connected = Route { table: MAIN, to: self.subnet(), kind: UNICAST, ..local.clone() };
        (connected.metric, connected.scope) = if ipv4 { (0, SCOPE_LINK) } else { (256, 0) };
        if connected.to == local.to { vec![local] } else { vec![local, connected] }
    }
}

impl Route {
    /// The kernel's own, with nothing special.
    pub(crate) fn new(table: u32, to: Prefix, kind: u8) -> Self {
        Self {
            table,
            to,
            source: None,
            tos: 0,
            metric: 0,
            kind,
            protocol: 2,
            scope: 0,
            metrics: None,
            preference: 0,
            cloned: false,
            expires: 0,
            hops: Vec::new(),
            by_object: false,
        }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.to.address())
    }

    pub(crate) fn is_deviceless(&self) -> bool {
        [BLACKHOLE, UNREACHABLE, PROHIBIT, THROW].contains(&self.kind)
    }

    pub(crate) fn has_gateway(&self) -> bool {
        self.hops.iter().any(|hop| hop.gateway.is_some())
    }

    /// Under which the kernel holds it, beside others perhaps.
    pub(crate) fn key(&self) -> (u32, Prefix, Option<Prefix>, u8, u32) {
        (self.table, self.to, self.source, self.tos, self.metric)
    }

    /// The kernel joins it with its like.
    pub(crate) fn is_joined(&self) -> bool {
        !self.to.is_ipv4() && self.has_gateway() && self.protocol != RA
    }
}

impl Rule {
    pub(crate) fn new(family: Family, priority: u32, table: Option<u32>, protocol: u8) -> Self {
        let (from, to, mark, suppress) = (None, None, None, None);
        Self { family, priority, table, from, to, protocol, mark, suppress, inverted: false }
    }

    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl World {
    pub(crate) fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
    }

    /// The routes as a dump has them: siblings of IPv6 as one, under the protocol of the first.
    pub(crate) fn dumped(&self) -> Vec<Route> {
        let mut dumped: Vec<Route> = Vec::new();
        for route in &self.routes {
            let sibling = |other: &&mut Route| other.is_joined() && other.key() == route.key();
            match dumped.iter_mut().find(sibling) {
                Some(first) if route.is_joined() => first.hops.extend(route.hops.clone()),
                _ => dumped.push(route.clone()),
            }
        }
        dumped
    }

    /// Somebody else's route, each hop by itself if it is IPv6; behind others of IPv4 under one key.
    pub(crate) fn add_route(&mut self, route: Route) {
        let there = route.hops.iter().all(|hop| self.link(hop.oif).is_some());
        let ipv4 = route.to.is_ipv4();
        let is_taken = |other: &Route| other.key() == route.key() && (!ipv4 || *other == route);
        let taken = self.routes.iter().any(is_taken);
        let beside = !ipv4 && route.protocol == RA;
        if !there || (taken && !beside) {
            return;
        }
        let singles: Vec<Route> = if ipv4 || route.hops.len() < 2 {
            vec![route]
        } else {
            route.hops.iter().map(|hop| Route { hops: vec![hop.clone()], ..route.clone() }).collect()
        };
        for route in singles {
            let same = |r: &Route| {
                let hop = |r: &Route| r.hops.first().map(|hop| (hop.oif, hop.gateway));
                !ipv4 && r.key() == route.key() && hop(r) == hop(&route)
            };
            if !self.routes.iter().any(same) {
                self.routes.push(route);
            }
        }
    }

    pub(crate) fn add_address(&mut self, address: Address) {
        let there = self.addresses.iter().any(|a| a.index == address.index && a.ip == address.ip);
        if self.link(address.index).is_some() && !there {
            self.routes.extend(address.routes());
            self.addresses.push(address);
        }
    }

    pub(crate) fn remove_address(&mut self, number: usize) {
        if self.addresses.is_empty() {
            return;
        }
        let gone = self.addresses.remove(number % self.addresses.len());
        for route in gone.routes() {
            if let Some(at) = self.routes.iter().position(|r| *r == route) {
                self.routes.remove(at);
            }
        }
    }

    /// Rules stay, routes without a device stay.
    pub(crate) fn remove_link(&mut self, index: u32) {
        self.links.retain(|link| link.index != index);
        self.addresses.retain(|address| address.index != index);
        self.routes.retain(|route| route.hops.iter().all(|hop| hop.oif != index));
    }

    pub(crate) fn turn(&mut self, index: u32) {
        let Some(link) = self.links.iter_mut().find(|link| link.index == index) else { return };
        link.up = !link.up;
        let hops = self.routes.iter_mut().flat_map(|route| &mut route.hops);
        for hop in hops.filter(|hop| hop.oif == index) {
            hop.dead = !link.up;
        }
    }
}
