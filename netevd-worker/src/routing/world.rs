//! A snapshot in the planner's words: links under routing, rules that lead, uplinks. Pure.

use super::gateway::DefaultChoice;
use super::snapshot::Snapshot;
use super::{TableKey, is_managed};
use crate::config::Planning;
use crate::kernel::{FullRoute, Rule, link_flag};
use crate::state::LinkState;
use protocol::{Family, Ifindex, Policy, Prefix, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// What is planned from.
pub(super) struct World<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) planning: &'a Planning,
    links: BTreeMap<Ifindex, &'a LinkState>,
    leading: Vec<Leading>,
    /// Links that have an address, loopback aside.
    owners: BTreeMap<IpAddr, BTreeSet<Ifindex>>,
}

/// A rule of another program that sends unmarked traffic to a table.
#[derive(Clone, Copy, Debug)]
struct Leading {
    family: Family,
    table: TableId,
    source: Option<Prefix>,
}

impl<'a> World<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, policy: &'a Policy, planning: &'a Planning) -> Self {
        let links: BTreeMap<Ifindex, &LinkState> =
            snapshot.links.iter().map(|link| (link.ifindex, link)).collect();
        let mut own: BTreeSet<TableId> = snapshot.ours.iter().map(|route| route.table).collect();
        let managed = snapshot.links.iter().filter(|link| is_managed(link, policy));
        own.extend(managed.map(|link| TableId::for_interface(policy.table_base, link.ifindex)));
        let leading = snapshot.rules.iter().filter_map(|rule| Leading::of(rule, &own)).collect();
        let mut owners: BTreeMap<IpAddr, BTreeSet<Ifindex>> = BTreeMap::new();
        for link in snapshot.links.iter().filter(|link| link.flags & link_flag::LOOPBACK == 0) {
            for known in &link.addresses {
                owners.entry(known.address.ip).or_default().insert(link.ifindex);
            }
        }
        Self { snapshot, policy, planning, links, leading, owners }
    }

    pub(super) fn managed(&self) -> impl Iterator<Item = &'a LinkState> {
        self.snapshot.links.iter().filter(|link| is_managed(link, self.policy))
    }

    pub(super) fn link(&self, ifindex: Ifindex) -> Option<&'a LinkState> {
        self.links.get(&ifindex).copied()
    }

    pub(super) fn main(&self, family: Family) -> impl Iterator<Item = &'a FullRoute> {
        self.snapshot.foreign.of_table(TableId::MAIN, family)
    }

    pub(super) fn is_point_to_point(&self, ifindex: Ifindex) -> bool {
        self.link(ifindex).is_some_and(|link| link.flags & link_flag::POINTOPOINT != 0)
    }

    /// Any link of this host has it.
    pub(super) fn is_own(&self, address: IpAddr) -> bool {
        self.snapshot.links.iter().any(|link| link.addresses.iter().any(|known| known.address.ip == address))
    }

    /// Other links that have an address of this one and are up; of a link that is down, any other: an address has
    /// rules into one table, and two links that are down would take them from each other.
    pub(super) fn others_with(&self, address: IpAddr, link: &LinkState) -> impl Iterator<Item = Ifindex> {
        let (own, is_down) = (link.ifindex, !link.is_up());
        let others =
            self.owners.get(&address).into_iter().flatten().copied().filter(move |other| *other != own);
        others.filter(move |other| is_down || self.link(*other).is_some_and(LinkState::is_up))
    }

    /// The default routes of a table through a link.
    pub(super) fn defaults(
        &self,
        table: TableId,
        family: Family,
        link: Ifindex,
    ) -> impl Iterator<Item = &'a FullRoute> {
        let routes = self.snapshot.foreign.of_table(table, family);
        routes.filter(move |route| is_default(route) && route.leaves_through(link))
    }

    /// Tables that traffic of this link's addresses may be led to, in the order of the rules.
    pub(super) fn led(&self, link: &LinkState, family: Family) -> impl Iterator<Item = TableId> {
        let of_family = self.leading.iter().filter(move |leading| leading.family == family);
        of_family.filter(|leading| leading.concerns(link)).map(|leading| leading.table)
    }

    /// A living way of main's or of another table's through this link by this gateway is on-link by its own word.
    pub(super) fn known_gateway(&self, link: Ifindex, gateway: IpAddr) -> Option<bool> {
        let foreign = &self.snapshot.foreign;
        let hops = foreign.main.iter().chain(&foreign.wide).flat_map(|route| &route.spec.hops);
        let same = hops.filter(|hop| hop.oif == link && hop.gateway == Some(gateway));
        same.map(|hop| hop.onlink).reduce(|one, other| one || other)
    }

    /// Links with a default of this family, now or a moment ago, or listed ones with a gateway.
    pub(super) fn uplinks(
        &self,
        family: Family,
        choices: &BTreeMap<TableKey, DefaultChoice>,
        recent: &BTreeSet<TableKey>,
    ) -> BTreeSet<Ifindex> {
        let mut uplinks: BTreeSet<Ifindex> = BTreeSet::new();
        for route in self.main(family).filter(|route| is_default(route)) {
            uplinks.extend(route.spec.hops.iter().map(|hop| hop.oif));
        }
        for route in self.snapshot.foreign.wide.iter().filter(|r| r.family() == family && is_default(r)) {
            let is_led = |hop: &Ifindex| {
                let link = self.link(*hop);
                link.is_some_and(|link| self.led(link, family).any(|table| table == route.table))
            };
            uplinks.extend(route.spec.hops.iter().map(|hop| hop.oif).filter(is_led));
        }
        let of_family = |key: &&TableKey| key.family == family;
        let with_gateway = choices.iter().filter(|(_, choice)| choice.is_some()).map(|(key, _)| key);
        uplinks.extend(with_gateway.chain(recent).filter(of_family).map(|key| key.ifindex));
        uplinks
    }

    /// Whether the rule for table local is behind ours, or is not there at all.
    pub(super) fn local_is_behind(&self, family: Family) -> bool {
        let local = self.snapshot.rules.iter().filter(|rule| {
            let all = rule.source.is_none() && rule.destination.is_none() && !rule.narrower;
            !rule.is_ours() && rule.family == family && all && rule.table == Some(TableId::LOCAL)
        });
        local.map(|rule| rule.priority).min().is_none_or(|first| first > self.policy.priorities().from)
    }
}

impl Leading {
    fn of(rule: &Rule, own: &BTreeSet<TableId>) -> Option<Self> {
        let seen = rule.foreign.as_deref()?;
        let table = rule.table?;
        let is_marked = seen.mark.is_some_and(|(value, mask)| value != 0 && mask != 0) && !seen.inverted;
        let leads = ![TableId::MAIN, TableId::LOCAL].contains(&table)
            && !own.contains(&table)
            && !seen.has_other_selectors()
            && seen.tos == 0
            && !is_marked;
        leads.then_some(Self { family: rule.family, table, source: rule.source })
    }

    fn concerns(&self, link: &LinkState) -> bool {
        let has = |prefix: Prefix| link.addresses.iter().any(|known| prefix.contains(known.address.ip));
        self.source.is_none_or(has)
    }
}

fn is_default(route: &FullRoute) -> bool {
    route.spec.destination.is_default() && route.spec.is_unicast()
}
