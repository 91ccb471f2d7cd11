//! The definition: what of protocol 110 may be in the kernel, and what a request has to make of a table.
//! Written from the design, by none of the helper's own code.

use super::world::{
    Address, Hop, LOCAL, LOCAL_ROUTE, Link, MAIN, MULTICAST, Route, Rule, THROW, UNICAST, UNREACHABLE, World,
};
use protocol::{
    Fallback, Family, GatewayCheck, GatewayName, NextHop, PROTOCOL, Policy, Prefix, Refusal, Rules, Through,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `LWTUNNEL_ENCAP_BPF`
pub(crate) const BPF: u16 = 6;

/// Base and ifindex, but for the kernel's own three.
pub(super) fn table_of(base: u32, index: u32) -> u32 {
    match base + index {
        own @ 253..=255 => 65_536 + own,
        other => other,
    }
}

/// By the interface of the table alone: what is as good as a default, and what is of one link.
fn is_of_one_link(to: Prefix) -> bool {
    is_huge(to) || is_link_local(to.address()) && to.length() >= 10
}

fn is_huge(to: Prefix) -> bool {
    let first = match to.address() {
        IpAddr::V4(a) => a.octets()[0],
        IpAddr::V6(a) => a.octets()[0],
    };
    let multicast = to.length() >= 3 && first >= 224;
    match to.length() {
        0 => false,
        1..=7 if to.is_ipv4() => !multicast,
        // Overlaps 2000::/3.
        1 | 2 if !to.is_ipv4() => first & (0xff << (8 - to.length())) == 0x20 & (0xff << (8 - to.length())),
        3..=12 if !to.is_ipv4() => first >> 5 == 1,
        _ => false,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(a) => a.octets()[..2] == [169, 254],
        IpAddr::V6(a) => a.octets()[0] == 0xfe && a.octets()[1] & 0xc0 == 0x80,
    }
}

/// Loopback, multicast, unspecified, 0/8, 240/4, IPv4-mapped.
fn is_odd(ip: IpAddr) -> bool {
    let odd = match ip {
        IpAddr::V4(a) => [0, 127].contains(&a.octets()[0]) || a.octets()[0] >= 224,
        IpAddr::V6(a) => a.to_ipv4_mapped().is_some(),
    };
    odd || ip.is_multicast() || ip.is_loopback() || ip.is_unspecified()
}

/// Not ours, and a packet goes by it.
fn counts(route: &Route) -> bool {
    !route.is_ours() && !route.cloned && route.expires >= 0
}

fn is_copied_kind(route: &Route) -> bool {
    route.is_deviceless() || [UNICAST, LOCAL_ROUTE, MULTICAST].contains(&route.kind)
}

fn is_way(hop: &Hop, other: &Hop) -> bool {
    let way = |hop: &Hop| Hop { dead: false, weight: 0, ..hop.clone() };
    way(hop) == way(other)
}

/// A route of ours with nothing special.
fn ours(table: u32, to: Prefix, kind: u8, hops: Vec<Hop>) -> Route {
    let ipv4 = to.is_ipv4();
    let direct = ipv4 && hops.first().is_some_and(|hop| hop.gateway.is_none());
    let (metric, scope) = (if ipv4 { 0 } else { 1024 }, if direct { 253 } else { 0 });
    Route { protocol: PROTOCOL, metric, scope, hops, ..Route::new(table, to, kind) }
}

/// What two routes have to have in common to be equal.
pub(super) fn plain(route: &Route) -> Route {
    let by_object = route.by_object && route.to.is_ipv4();
    let mut plain = Route { table: 0, protocol: 0, cloned: false, expires: 0, by_object, ..route.clone() };
    plain.hops.iter_mut().for_each(|hop| hop.dead = false);
    if let [only] = &mut plain.hops[..] {
        only.weight = 0;
    }
    plain.hops.sort();
    plain
}

/// A policy over a world.
pub(super) struct Law<'a> {
    pub(super) policy: &'a Policy,
    pub(super) world: &'a World,
    dumped: Vec<Route>,
}

impl<'a> Law<'a> {
    pub(super) fn new(policy: &'a Policy, world: &'a World) -> Self {
        Self { policy, world, dumped: world.dumped() }
    }

    pub(super) fn table(&self, index: u32) -> u32 {
        table_of(self.policy.table_base, index)
    }

    fn routes(&self, table: u32) -> impl Iterator<Item = &Route> {
        self.dumped.iter().filter(move |route| route.table == table)
    }

    /// The interface may be routed.
    pub(super) fn link(&self, index: u32) -> Result<&'a Link, Refusal> {
        let link = self.world.link(index).ok_or(Refusal::NoInterface)?;
        match link {
            _ if !self.policy.interfaces.lists(&link.names) => Err(Refusal::NotListed),
            Link { loopback: true, .. } => Err(Refusal::Loopback),
            Link { master: 1.., .. } => Err(Refusal::Enslaved),
            _ => Ok(link),
        }
    }

    fn on(&self, index: u32) -> impl Iterator<Item = &'a Address> {
        self.world.addresses.iter().filter(move |a| a.index == index)
    }

    /// The address is a source of the interface's.
    pub(super) fn source(&self, index: u32, ip: IpAddr) -> Result<(), Refusal> {
        if is_odd(ip) || is_link_local(ip) {
            return Err(Refusal::AddressUnusable);
        }
        if !self.on(index).any(|a| a.ip == ip) {
            return Err(Refusal::AddressAbsent);
        }
        if !self.on(index).any(|a| a.ip == ip && a.is_usable()) {
            return Err(Refusal::AddressUnusable);
        }
        let taken = self.world.links.iter().any(|link| {
            link.index != index && link.up && !link.loopback && self.on(link.index).any(|a| a.ip == ip)
        });
        if taken && !self.policy.shared.contains(&ip) { Err(Refusal::AddressShared) } else { Ok(()) }
    }

    /// The rule for table local stands behind ours.
    fn is_behind(&self, family: Family) -> bool {
        !self.world.rules.iter().any(|rule| {
            let all = (rule.from, rule.to, rule.mark, rule.suppress) == (None, None, None, None);
            let early = rule.priority <= self.policy.rule_priority + 2;
            let local = rule.table == Some(LOCAL) && rule.family == family;
            local && all && early && !rule.inverted && !rule.is_ours()
        })
    }

    /// The rules for one address of an interface, or for its mark.
    pub(super) fn rules(
        &self,
        index: u32,
        family: Family,
        address: Option<IpAddr>,
        through: Through,
    ) -> Vec<Rule> {
        let base = self.policy.rule_priority;
        let behind = self.is_behind(family);
        let mark = self.world.link(index).and_then(|link| self.policy.mark_of(&link.names));
        let mark = mark.map(|mark| (mark.value, mark.mask)).filter(|_| address.is_none());
        let from = address.map(Prefix::host);
        if mark.is_none() && from.is_none() {
            return Vec::new();
        }
        let at = |priority, table| Rule { from, mark, ..Rule::new(family, priority, Some(table), PROTOCOL) };
        let mut rules = vec![at(base + 2, self.table(index))];
        if behind {
            rules.push(at(base, LOCAL));
        } else if self.policy.to_rules && from.is_some() {
            rules.push(Rule { from: None, to: from, ..at(base + 3, self.table(index)) });
        }
        for prefix in &self.policy.main_prefixes {
            if prefix.is_ipv4() == (family == Family::V4) {
                let to = Some(*prefix).filter(|prefix| prefix.length() > 0);
                rules.push(Rule { to, ..at(base + 1, MAIN) });
            }
        }
        if through == Through::MainFirst {
            let suppress = Some(if family == Family::V4 { 7 } else { 12 });
            rules.push(Rule { suppress, ..at(base + 1, MAIN) });
        }
        rules
    }

    /// Whose rules a request is about, and each refusal that there is a reason for.
    pub(super) fn add_rules(&self, index: u32, rules: &Rules) -> BTreeSet<Refusal> {
        let mut reasons: BTreeSet<Refusal> = self.link(index).err().into_iter().collect();
        match rules {
            Rules::Addresses(all) => {
                reasons.extend(all.iter().filter_map(|address| self.source(index, address).err()));
            }
            Rules::Mark(_) => {
                let mark = self.world.link(index).and_then(|link| self.policy.mark_of(&link.names));
                reasons.extend(mark.is_none().then_some(Refusal::MarkUnknown));
            }
        }
        reasons.extend(self.conflicts(self.table(index), rules.family()));
        reasons
    }

    /// What others have in a table, or lead to it.
    pub(super) fn conflicts(&self, table: u32, family: Family) -> Vec<Refusal> {
        let route = self.routes(table).any(|route| !route.is_ours() && route.family() == family);
        let marked = |rule: &Rule| matches!(rule.mark, Some((1.., 1..))) && !rule.inverted;
        let rule = self.world.rules.iter().any(|rule| {
            rule.family == family && rule.table == Some(table) && !rule.is_ours() && !marked(rule)
        });
        let found = [(route, Refusal::TableConflict), (rule, Refusal::RuleConflict)];
        found.into_iter().filter_map(|(is, refusal)| is.then_some(refusal)).collect()
    }

    /// Every rule that may stand.
    pub(super) fn allows_rule(&self, rule: &Rule) -> bool {
        let indices = self.world.links.iter().map(|link| link.index);
        indices.filter(|index| self.link(*index).is_ok()).any(|index| {
            let here = self.on(index).map(|a| a.ip).filter(|ip| Family::of(*ip) == rule.family);
            let fit = here.filter(|ip| self.source(index, *ip).is_ok()).map(Some);
            fit.chain([None])
                .any(|who| self.rules(index, rule.family, who, Through::MainFirst).contains(rule))
        })
    }

    /// The link into whose table a route is.
    fn listed(&self, table: u32) -> Option<u32> {
        let indices = self.world.links.iter().map(|link| link.index);
        indices.filter(|index| self.link(*index).is_ok()).find(|index| self.table(*index) == table)
    }

    /// Each route of ours, IPv6 by its hops, with the attributes under which a dump has it.
    pub(super) fn own(&self) -> Vec<Route> {
        let mut own = Vec::new();
        for route in self.dumped.iter().filter(|route| route.is_ours()) {
            if route.to.is_ipv4() || route.hops.len() < 2 {
                own.push(route.clone());
                continue;
            }
            for hop in &route.hops {
                let single = Route { hops: vec![hop.clone()], ..route.clone() };
                let is_it = |r: &&Route| r.is_ours() && r.key() == single.key() && r.hops == single.hops;
                own.extend(self.world.routes.iter().find(is_it).map(|_| single));
            }
        }
        own
    }

    /// A route of ours may stand.
    pub(super) fn allows_route(&self, route: &Route) -> bool {
        let Some(index) = self.listed(route.table) else { return false };
        if route.by_object && route.to.is_ipv4() {
            // The helper writes none, and its hops are not what it can be deleted by.
            return false;
        }
        if route.to.length() == 0 && route.kind == UNICAST {
            return !route.hops.is_empty()
                && route.hops.iter().all(|hop| self.allows_hop(index, route.family(), hop));
        }
        let last = Route { metric: u32::MAX, ..ours(route.table, route.to, UNREACHABLE, Vec::new()) };
        if route.to.length() == 0 && route.metric == u32::MAX {
            return self.policy.fallback == Fallback::Unreachable && plain(route) == plain(&last);
        }
        self.is_copy(index, route) || self.follows(route)
    }

    /// A default may go this way.
    fn allows_hop(&self, index: u32, family: Family, hop: &Hop) -> bool {
        let defaults = self.dumped.iter().filter(|r| counts(r) && r.kind == UNICAST);
        let mut defaults =
            defaults.filter(|r| r.to.length() == 0 && r.family() == family && r.table != self.table(index));
        if hop.oif != index {
            return false;
        }
        if defaults.clone().any(|r| r.hops.iter().any(|other| is_way(hop, other))) {
            return true;
        }
        match hop.gateway {
            None => {
                let direct = |r: &Route| r.hops.iter().any(|h| h.oif == index && h.gateway.is_none());
                let alone = self.world.link(index).is_some_and(|link| link.point_to_point);
                !hop.onlink && (alone || defaults.any(direct))
            }
            Some(gateway) => {
                self.gateway(index, family, gateway).is_empty()
                    && (!hop.onlink || self.is_onlink(index, family, gateway))
            }
        }
    }

    /// Others' hops by an interface with this gateway.
    fn hops_by(&self, index: u32, family: Family, gateway: IpAddr) -> Vec<&Hop> {
        let own = self.table(index);
        let routes = self
            .dumped
            .iter()
            .filter(move |r| counts(r) && r.kind == UNICAST && r.family() == family && r.table != own);
        let hops = routes.flat_map(|r| &r.hops);
        hops.filter(|hop| hop.oif == index && hop.gateway == Some(gateway)).collect()
    }

    fn is_onlink(&self, index: u32, family: Family, gateway: IpAddr) -> bool {
        self.hops_by(index, family, gateway).iter().any(|hop| hop.onlink)
    }

    /// What speaks against a default by this gateway.
    pub(super) fn gateway(&self, index: u32, family: Family, gateway: IpAddr) -> BTreeSet<Refusal> {
        let mut reasons = BTreeSet::new();
        if Family::of(gateway) != family {
            reasons.insert(Refusal::Family);
        }
        if is_odd(gateway) {
            reasons.insert(Refusal::GatewayNotUnicast);
        }
        let local: Vec<&Route> = self.routes(LOCAL).filter(|route| route.to.contains(gateway)).collect();
        let address = self.world.addresses.iter().any(|a| a.ip == gateway);
        if address || local.iter().any(|route| route.kind == LOCAL_ROUTE) {
            reasons.insert(Refusal::GatewayOwn);
        } else if !local.is_empty() {
            reasons.insert(Refusal::GatewayNotUnicast);
        }
        let by = |route: &&Route| {
            let leaves = route.hops.iter().any(|hop| hop.oif == index);
            counts(route) && route.kind == UNICAST && leaves && route.table != self.table(index)
        };
        let ways: Vec<&Route> = self.dumped.iter().filter(by).filter(|r| r.to.contains(gateway)).collect();
        let longest = ways.iter().map(|route| route.to.length()).max().unwrap_or(0);
        let direct = ways
            .iter()
            .any(|r| r.to.length() == longest && longest > 0 && !is_huge(r.to) && !r.has_gateway());
        let link_local = gateway.is_ipv6() && is_link_local(gateway);
        if !(link_local || direct || self.is_onlink(index, family, gateway)) {
            reasons.insert(Refusal::GatewayOffLink);
        }
        let names = self.world.link(index).map(|link| link.names.clone()).unwrap_or_default();
        let first = |a: &Address| {
            let host = match a.subnet().address() {
                IpAddr::V4(net) => IpAddr::from((net.to_bits() + 1).to_be_bytes()),
                IpAddr::V6(net) => IpAddr::from((net.to_bits() + 1).to_be_bytes()),
            };
            host == gateway && a.subnet().contains(host)
        };
        let named = self.policy.gateways_of(&names).any(|name| match name {
            GatewayName::Address(address) => *address == gateway,
            GatewayName::First => self.on(index).any(first),
        });
        let known = !self.hops_by(index, family, gateway).is_empty();
        if !(named || known || self.policy.gateway_check == GatewayCheck::OnLink) {
            reasons.insert(Refusal::GatewayUnknown);
        }
        reasons
    }

    /// main's routes of this prefix that a packet goes by and that are copied.
    fn originals(&self, to: Prefix) -> impl Iterator<Item = &Route> {
        self.routes(MAIN).filter(move |route| route.to == to && counts(route) && is_copied_kind(route))
    }

    fn is_whole(route: &Route) -> bool {
        let bpf = |hop: &Hop| hop.encap.as_ref().is_some_and(|(kind, _)| *kind == BPF);
        route.is_deviceless() || (!route.hops.is_empty() && !route.hops.iter().any(bpf))
    }

    /// The same but for table, protocol, metric, and hops that are left out.
    fn is_part(route: &Route, of: &Route) -> bool {
        let bare = |route: &Route| Route { metric: 0, hops: Vec::new(), by_object: false, ..plain(route) };
        let there = |hop: &Hop| of.hops.iter().any(|other| is_way(hop, other));
        bare(route) == bare(of) && route.hops.iter().all(there)
    }

    /// main has it, whatever hops are left out.
    fn is_copy(&self, index: u32, route: &Route) -> bool {
        let mine = !is_of_one_link(route.to) || route.hops.iter().all(|hop| hop.oif == index);
        let apart = !route.to.is_ipv4() && route.has_gateway();
        let most = if apart { u32::try_from(self.originals(route.to).count()).expect("few") } else { 1 };
        let thrown = plain(&ours(route.table, route.to, THROW, Vec::new()));
        self.originals(route.to).any(|original| {
            let near = route.metric >= original.metric && route.metric - original.metric < most;
            let bare = route.is_deviceless() || !route.hops.is_empty();
            let same = near && mine && bare && Self::is_part(route, original);
            // Its hops that cannot be copied may be left out.
            same || (!Self::is_whole(original) && plain(route) == thrown)
        })
    }

    /// It goes where the default of its table goes, and main holds the prefix.
    fn follows(&self, route: &Route) -> bool {
        let held = self.originals(route.to).any(|original| original.kind == UNICAST);
        if !held || route.to.length() == 0 || is_of_one_link(route.to) {
            return false;
        }
        let wanted = self.following(route.table, route.to);
        route.metric == wanted.metric
            && Self::is_part(route, &wanted)
            && (route.is_deviceless() || !route.hops.is_empty())
    }

    /// What follows the default of a table.
    fn following(&self, table: u32, to: Prefix) -> Route {
        let defaults = self.routes(table).filter(|r| {
            r.is_ours() && r.to.length() == 0 && r.to.is_ipv4() == to.is_ipv4() && r.kind == UNICAST
        });
        match defaults.min_by_key(|route| route.metric) {
            Some(first) => Route { to, metric: ours(table, to, UNICAST, Vec::new()).metric, ..first.clone() },
            None => ours(table, to, UNREACHABLE, Vec::new()),
        }
    }

    pub(super) fn follow(&self, index: u32, to: Prefix) -> Vec<Route> {
        let held = self.originals(to).any(|original| original.kind == UNICAST);
        if held { vec![self.following(self.table(index), to)] } else { Vec::new() }
    }

    /// Copies of these routes with the hops that stay.
    fn copies<'r>(
        table: u32,
        originals: impl Iterator<Item = &'r Route>,
        stays: impl Fn(&Hop) -> bool,
    ) -> Vec<Route> {
        let mut copies: Vec<Route> = Vec::new();
        for original in originals {
            let (cloned, by_object) = (false, false);
            let mut copy =
                Route { protocol: PROTOCOL, table, cloned, by_object, expires: 0, ..original.clone() };
            copy.hops.retain(|hop| !hop.dead && stays(hop));
            if copy.hops.is_empty() && !original.hops.is_empty() {
                continue;
            }
            if !Self::is_whole(&copy) {
                copy = ours(table, original.to, THROW, Vec::new());
            }
            if !copies.iter().any(|other| plain(other) == plain(&copy)) {
                copies.push(copy);
            }
        }
        Self::apart(copies)
    }

    /// Of IPv6 routes by a gateway under one metric M, the first by preference keeps it.
    fn apart(mut copies: Vec<Route>) -> Vec<Route> {
        if copies.iter().all(|copy| copy.to.is_ipv4()) {
            return copies;
        }
        // 1 high, 0 medium, 3 low.
        copies.sort_by_key(|copy| [1, 0, 1, 2][usize::from(copy.preference)]);
        let slots: BTreeSet<(Option<Prefix>, u32)> = copies.iter().map(|c| (c.source, c.metric)).collect();
        let (mut taken, mut kept) = (slots, BTreeSet::new());
        for copy in copies.iter_mut().filter(|copy| copy.has_gateway()) {
            if kept.insert((copy.source, copy.metric)) {
                continue;
            }
            while !taken.insert((copy.source, copy.metric)) {
                copy.metric += 1;
            }
        }
        copies
    }

    pub(super) fn copy(&self, index: u32, except: &[u32], to: Prefix) -> Vec<Route> {
        let stays =
            |hop: &Hop| if is_of_one_link(to) { hop.oif == index } else { !except.contains(&hop.oif) };
        Self::copies(self.table(index), self.originals(to), stays)
    }

    /// All of length 0, or what speaks against it.
    pub(super) fn default(
        &self,
        index: u32,
        family: Family,
        next_hop: NextHop,
    ) -> Result<Vec<Route>, BTreeSet<Refusal>> {
        let mut reasons: BTreeSet<Refusal> = self.link(index).err().into_iter().collect();
        let (table, to) = (self.table(index), Prefix::everything(family));
        reasons.extend(self.conflicts(table, family));
        let by = |gateway, onlink| {
            let hop = Hop { oif: index, gateway, onlink, ..Hop::default() };
            vec![ours(table, to, UNICAST, vec![hop])]
        };
        let mut wanted = match next_hop {
            NextHop::Nothing => Vec::new(),
            NextHop::Gateway(gateway) => {
                reasons.extend(self.gateway(index, family, gateway));
                by(Some(gateway), self.is_onlink(index, family, gateway))
            }
            NextHop::PointToPoint => {
                let hop = Hop { oif: index, ..Hop::default() };
                let alone = self.world.link(index).is_some_and(|link| link.point_to_point);
                let done = self.dumped.iter().any(|r| {
                    counts(r)
                        && r.kind == UNICAST
                        && r.to == to
                        && r.table != table
                        && r.hops.iter().any(|h| h.oif == index && h.gateway.is_none())
                });
                reasons.extend((!alone && !done).then_some(Refusal::NotPointToPoint));
                debug_assert_eq!(hop.gateway, None);
                by(None, false)
            }
            NextHop::Table(source) => {
                if [0, LOCAL, table].contains(&source.0) {
                    reasons.insert(Refusal::TableForbidden);
                }
                let routes = self.routes(source.0).filter(|r| counts(r) && r.to == to && r.kind == UNICAST);
                let copies = Self::copies(table, routes, |hop| hop.oif == index);
                if copies.is_empty() {
                    reasons.insert(Refusal::NoSuchRoute);
                }
                if copies.iter().any(|copy| copy.kind == THROW) {
                    reasons.insert(Refusal::RouteNotCopyable);
                }
                copies
            }
        };
        let bare = self.originals(to).filter(|route| route.is_deviceless() && route.metric != u32::MAX);
        wanted.extend(Self::copies(table, bare, |_| true));
        if self.policy.fallback == Fallback::Unreachable {
            wanted.push(Route { metric: u32::MAX, ..ours(table, to, UNREACHABLE, Vec::new()) });
        }
        if reasons.is_empty() { Ok(wanted) } else { Err(reasons) }
    }

    /// A table's routes of a prefix are these.
    pub(super) fn equals(&self, table: u32, to: Prefix, wanted: &[Route]) -> Result<(), String> {
        let order = |routes: Vec<Route>| {
            let mut routes: Vec<Route> = routes.iter().map(plain).collect();
            if to.is_ipv4() {
                // Of one key the order is kept.
                routes.sort_by_key(Route::key);
            } else {
                routes.sort();
            }
            routes
        };
        let stand = order(self.routes(table).filter(|route| route.to == to).cloned().collect());
        let wanted = order(wanted.to_vec());
        if stand == wanted { Ok(()) } else { Err(format!("{to} is\n{stand:#?}\nand not\n{wanted:#?}")) }
    }
}

/// A request for these prefixes is never right.
pub(super) fn is_unfit(to: Prefix, follows: bool) -> bool {
    to.length() == 0 || (follows && is_of_one_link(to))
}
