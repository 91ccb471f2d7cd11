//! What DESIGN 2.3 asks of the kernel, answered from a view of it. Pure.

use crate::objects::{
    Address, LOCAL_TABLE, LOOPBACK, Link, MAIN_TABLE, POINT_TO_POINT, Route, UNICAST, UP, Way,
};
use crate::ours::Ours;
use crate::view::View;
use protocol::{Fallback, Family, GatewayCheck, Ifindex, PROTOCOL, Policy, Prefix, Refusal, Selector};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// IFA_F_DADFAILED and IFA_F_TENTATIVE
const UNFIT: u32 = 0x08 | 0x40;
/// kernel, boot, static, ra, dhcp: whose routes are copied.
const COPIED: [u8; 5] = [2, 3, 4, 9, 16];

/// The policy and the kernel.
pub(crate) struct Facts<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) view: &'a View,
}

impl Facts<'_> {
    /// 2.3.1: base + ifindex; 253 to 255 go elsewhere.
    pub(crate) fn table(&self, ifindex: Ifindex) -> u32 {
        match self.policy.table_base + ifindex.get() {
            plain @ 253..=255 => 65_536 + plain,
            plain => plain,
        }
    }

    pub(crate) fn rule(&self, ifindex: Ifindex, selector: Selector, address: IpAddr) -> Ours {
        let more = if selector == Selector::From { 2 } else { 3 };
        Ours::rule(self.policy.rule_priority + more, selector, address, self.table(ifindex))
    }

    /// What goes in first, where the policy says so.
    pub(crate) fn fallback(&self, ifindex: Ifindex, family: Family) -> Option<Ours> {
        let unreachable = self.policy.fallback == Fallback::Unreachable;
        unreachable.then(|| Ours::fallback(self.table(ifindex), family))
    }

    fn link(&self, index: u32) -> Option<&Link> {
        self.view.links.iter().find(|link| link.index == index)
    }

    pub(crate) fn is_down(&self, index: u32) -> bool {
        self.link(index).is_some_and(|link| link.flags & UP == 0)
    }

    /// 2.3.3
    pub(crate) fn against_link(&self, ifindex: Ifindex) -> BTreeSet<Refusal> {
        let Some(link) = self.link(ifindex.get()) else { return [Refusal::NoInterface].into() };
        let reasons = [
            (!self.policy.interfaces.matches(&link.name), Refusal::NotListed),
            (link.flags & LOOPBACK != 0, Refusal::Loopback),
            (link.master != 0, Refusal::Enslaved),
        ];
        reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, refusal)| refusal).collect()
    }

    /// 2.3.4
    pub(crate) fn against_source(&self, ifindex: Ifindex, address: IpAddr) -> Result<&Address, Refusal> {
        let found = self.view.addresses.iter().find(|a| a.index == ifindex.get() && a.address == address);
        if never_a_source(address) {
            return Err(Refusal::AddressUnusable);
        }
        match found {
            None => Err(Refusal::AddressAbsent),
            Some(found) if found.scope != 0 || found.flags & UNFIT != 0 => Err(Refusal::AddressUnusable),
            Some(found) => Ok(found),
        }
    }

    /// 2.3.5 and 2.3.6
    pub(crate) fn against_gateway(&self, ifindex: Ifindex, gateway: IpAddr) -> BTreeSet<Refusal> {
        let mut refusals = BTreeSet::new();
        if never_a_gateway(gateway) || self.is_broadcast(gateway) {
            refusals.insert(Refusal::GatewayNotUnicast);
        }
        if self.view.addresses.iter().any(|a| a.address == gateway) {
            refusals.insert(Refusal::GatewayOwn);
        }
        if !self.is_on_link(ifindex.get(), gateway) {
            refusals.insert(Refusal::GatewayOffLink);
        }
        let link = self.link(ifindex.get());
        let named = link.is_some_and(|link| self.policy.gateways_of(&link.name).contains(&gateway));
        let way = (ifindex.get(), Some(gateway));
        let known = named || self.foreign_elsewhere(ifindex).any(|route| route.ways.contains(&way));
        if self.policy.gateway_check == GatewayCheck::Known && !known {
            refusals.insert(Refusal::GatewayUnknown);
        }
        refusals
    }

    /// Somebody else's unicast routes in other tables than the interface's.
    fn foreign_elsewhere(&self, ifindex: Ifindex) -> impl Iterator<Item = &Route> {
        let table = self.table(ifindex);
        let foreign = move |r: &&Route| r.protocol != PROTOCOL && r.table != table && r.kind == UNICAST;
        self.view.routes.iter().filter(foreign)
    }

    fn is_broadcast(&self, address: IpAddr) -> bool {
        let host = Prefix::host(address);
        // RTN_BROADCAST, RTN_ANYCAST
        let meant = |r: &Route| r.table == LOCAL_TABLE && r.destination == host && [3, 4].contains(&r.kind);
        self.view.routes.iter().any(meant)
    }

    /// What main's longest prefix by that interface says: unicast, direct, and no default route.
    fn is_on_link(&self, index: u32, gateway: IpAddr) -> bool {
        if matches!(gateway, IpAddr::V6(a) if a.is_unicast_link_local()) {
            return true;
        }
        let leads = |r: &&Route| {
            let by =
                r.ways.iter().any(|way| way.0 == index) || (r.ways.is_empty() && r.destination.is_ipv4());
            r.table == MAIN_TABLE && r.destination.contains(gateway) && by
        };
        let ways = self.view.routes.iter().filter(leads);
        let best = ways.max_by_key(|r| (r.destination.length(), u32::MAX - r.metric));
        best.is_some_and(|r| {
            r.kind == UNICAST && r.ways == [(index, None)] && !is_default_like(r.destination)
        })
    }

    /// The gateway of this route, if it has one that the kernel asks about, is on-link.
    pub(crate) fn reaches_gateway(&self, route: &Route) -> bool {
        let reached = |way: &Way| way.1.is_none_or(|gateway| self.is_on_link(way.0, gateway));
        route.onlink || route.ways.iter().all(reached)
    }

    pub(crate) fn needs_no_gateway(&self, ifindex: Ifindex, family: Family) -> bool {
        let of = |r: &Route| Family::of(r.destination.address()) == family && r.destination.length() == 0;
        let bare = |r: &Route| of(r) && r.ways.contains(&(ifindex.get(), None));
        self.link(ifindex.get()).is_some_and(|link| link.flags & POINT_TO_POINT != 0)
            || self.foreign_elsewhere(ifindex).any(bare)
    }

    /// 2.3.7: main's route for exactly this prefix, by what is no uplink.
    pub(crate) fn local_network(&self, destination: Prefix) -> Result<&Route, Refusal> {
        let main = || self.view.routes.iter().filter(|r| r.table == MAIN_TABLE);
        let there: Vec<_> = main().filter(|r| r.destination == destination).collect();
        if there.is_empty() {
            return Err(Refusal::NoSuchRoute);
        }
        let copied = there.into_iter().filter(|r| COPIED.contains(&r.protocol)).min_by_key(|r| r.metric);
        let route = copied.ok_or(Refusal::RouteNotCopyable)?;
        let [(oif, _)] = route.ways[..] else { return Err(Refusal::RouteNotCopyable) };
        if route.kind != UNICAST || route.special {
            return Err(Refusal::RouteNotCopyable);
        }
        let out = self.link(oif).ok_or(Refusal::NoSuchRoute)?;
        let by_it = |r: &Route| is_default_like(r.destination) && r.ways.iter().any(|way| way.0 == oif);
        if self.policy.interfaces.matches(&out.name) || main().any(by_it) {
            return Err(Refusal::RouteByUplink);
        }
        if out.flags & LOOPBACK != 0 { Err(Refusal::RouteNotCopyable) } else { Ok(route) }
    }

    /// 2.3.8
    pub(crate) fn conflicts(&self, ifindex: Ifindex, family: Family) -> BTreeSet<Refusal> {
        let (table, mut refusals) = (self.table(ifindex), BTreeSet::new());
        let of = |r: &Route| Family::of(r.destination.address()) == family && r.table == table;
        if self.view.routes.iter().any(|r| of(r) && r.protocol != PROTOCOL) {
            refusals.insert(Refusal::TableConflict);
        }
        let own = [self.policy.rule_priority + 2, self.policy.rule_priority + 3];
        let foreign = self.view.rules.iter().filter(|r| r.protocol != PROTOCOL);
        let mut meant = foreign.filter(|r| r.ipv4 == (family == Family::V4));
        if meant.any(|r| r.table == table || own.contains(&r.priority)) {
            refusals.insert(Refusal::RuleConflict);
        }
        refusals
    }

    /// 2.3.9
    pub(crate) fn local_precedes(&self, family: Family) -> bool {
        self.view.rules.iter().any(|r| {
            let everything = r.from.is_none() && r.to.is_none() && !r.more;
            let of = r.ipv4 == (family == Family::V4);
            of && everything && r.table == LOCAL_TABLE && r.priority < self.policy.rule_priority + 2
        })
    }

    /// A prefix that can be somebody's network.
    pub(crate) fn is_network(&self, prefix: Prefix) -> bool {
        let first = prefix.address();
        let loopback = ["127.0.0.1", "::1"].map(|text| text.parse().expect("an address"));
        !is_default_like(prefix) && !never_a_source(first) && !loopback.iter().any(|a| prefix.contains(*a))
    }
}

/// 127/8, 169.254/16, fe80::/10, multicast, unspecified; and broadcast.
fn never_a_source(address: IpAddr) -> bool {
    let link_local = match address {
        IpAddr::V4(a) => a.is_link_local() || a.is_broadcast(),
        IpAddr::V6(a) => a.segments()[0] & 0xffc0 == 0xfe80,
    };
    link_local || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}

/// No unicast address: those above that are not link-local, 0/8, 240/4, and IPv4 within IPv6.
fn never_a_gateway(address: IpAddr) -> bool {
    let other = match address {
        IpAddr::V4(a) => a.octets()[0] == 0 || a.octets()[0] >= 240,
        IpAddr::V6(a) => a.to_ipv4_mapped().is_some(),
    };
    other || address.is_loopback() || address.is_multicast() || address.is_unspecified()
}

fn is_default_like(prefix: Prefix) -> bool {
    prefix.length() <= if prefix.is_ipv4() { 1 } else { 3 }
}
