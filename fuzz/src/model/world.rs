//! Links, addresses, routes and rules as values, and what the kernel makes of a change by itself.

use netlink_packet_route::route::{RouteScope, RouteType};
use protocol::{Family, PROTOCOL, Prefix};
use std::net::IpAddr;

pub(crate) const MAIN: u32 = 254;
pub(crate) const LOCAL: u32 = 255;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: &'static str,
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

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hop {
    pub(crate) oif: u32,
    pub(crate) gateway: Option<IpAddr>,
    pub(crate) onlink: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Route {
    pub(crate) table: u32,
    pub(crate) to: Prefix,
    pub(crate) metric: u32,
    pub(crate) kind: RouteType,
    pub(crate) protocol: u8,
    pub(crate) scope: RouteScope,
    pub(crate) tos: u8,
    pub(crate) hops: Vec<Hop>,
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
    pub(crate) mark: Option<u32>,
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
        let hop = Hop { oif: self.index, gateway: None, onlink: false };
        let local = Route {
            table: LOCAL,
            to: Prefix::host(self.ip),
            metric: 0,
            kind: RouteType::Local,
            protocol: 2,
            scope: if self.ip.is_ipv4() { RouteScope::Host } else { RouteScope::Universe },
            tos: 0,
            hops: vec![hop],
        };
        let (metric, scope) =
            if self.ip.is_ipv4() { (0, RouteScope::Link) } else { (256, RouteScope::Universe) };
        let connected = Route {
            table: MAIN,
            to: self.subnet(),
            kind: RouteType::Unicast,
            metric,
            scope,
            ..local.clone()
        };
        if self.subnet() == local.to { vec![local] } else { vec![local, connected] }
    }
}

impl Route {
    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }

    pub(crate) fn family(&self) -> Family {
        Family::of(self.to.address())
    }
}

impl Rule {
    pub(crate) fn is_ours(&self) -> bool {
        self.protocol == PROTOCOL
    }
}

impl World {
    pub(crate) fn link(&self, index: u32) -> Option<&Link> {
        self.links.iter().find(|link| link.index == index)
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

    /// The way to `to`, by this interface if one is given; the rules in their order, as for a packet of
    /// this host without a source. `Err` is what the kernel answers.
    pub(crate) fn way(&self, to: IpAddr, oif: Option<u32>) -> Result<&Route, i32> {
        const ENETUNREACH: i32 = 101;
        if let Some(oif) = oif
            && self.link(oif).is_none()
        {
            return Err(19);
        }
        let mut rules: Vec<&Rule> = self.rules.iter().filter(|rule| rule.family == Family::of(to)).collect();
        rules.sort_by_key(|rule| rule.priority);
        for rule in rules {
            let applies = rule.from.is_none_or(|from| from.length() == 0)
                && rule.to.is_none_or(|prefix| prefix.contains(to))
                && rule.mark.is_none();
            if applies == rule.inverted {
                continue;
            }
            let Some(table) = rule.table else { return Err(13) };
            let there = |route: &&Route| {
                let leaves = oif
                    .is_none_or(|oif| route.hops.is_empty() || route.hops.iter().any(|hop| hop.oif == oif));
                route.table == table && route.to.contains(to) && route.tos == 0 && leaves
            };
            let best = self
                .routes
                .iter()
                .filter(there)
                .min_by_key(|route| (u8::MAX - route.to.length(), route.metric));
            match best.map(|route| route.kind) {
                None | Some(RouteType::Throw) => {}
                Some(RouteType::Unreachable) => return Err(113),
                Some(RouteType::Prohibit) => return Err(13),
                Some(RouteType::BlackHole) => return Err(22),
                Some(_) => return best.ok_or(ENETUNREACH),
            }
        }
        Err(ENETUNREACH)
    }
}
