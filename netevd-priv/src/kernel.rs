//! What the kernel has, asked for each request again, and what of it forbids one: nothing here is
//! remembered, and nothing here changes anything. An `Err` is the one reason that the worker is given.

use crate::netlink::Netlink;
use crate::object::{Object, prefix};
use crate::route::{Hop, Route};
use crate::rule::Rule;
use netlink_packet_core::{DecodeError, NlasIterator};
use nix::libc::{
    ENODEV, ENOENT, IFA_ADDRESS, IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_FLAGS, IFA_LOCAL, IFF_LOOPBACK,
    IFF_POINTOPOINT, IFF_UP, IFLA_ALT_IFNAME, IFLA_IFNAME, IFLA_MASTER, IFLA_PROP_LIST, RTA_OIF, RTA_TABLE,
    RTM_GETADDR, RTM_GETLINK, RTM_GETROUTE, RTM_GETRULE, RTN_LOCAL,
};
use protocol::kernel::{RTMSG, address};
use protocol::{
    Family, GatewayCheck, GatewayName, Ifindex, PROTOCOL, Policy, Prefix, Refusal, Reply, TableId, Through,
    Who, is_router, is_source,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;

type Verdict = Result<(), Refusal>;
/// Which routes are kept while a dump is read, which may be of a million; it knows those that are.
type Keep<'a> = &'a dyn Fn(&[Route], &Route) -> bool;

/// What the checks need to know of an interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Link {
    /// Its name first, then its alternative names.
    pub(crate) names: Vec<Vec<u8>>,
    flags: i32,
    enslaved: bool,
}

/// One address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) ifindex: u32,
    pub(crate) address: IpAddr,
    /// The connected subnet; of a point-to-point address, the peer's.
    subnet: Prefix,
    /// Global scope, not tentative, not failed its duplicate check.
    usable: bool,
}

/// Everything of one family but the routes, and whose table of it is meant.
pub(crate) struct View {
    policy: Rc<Policy>,
    pub(crate) family: Family,
    pub(crate) ifindex: u32,
    pub(crate) table: TableId,
    pub(crate) links: BTreeMap<u32, Link>,
    pub(crate) addresses: Vec<Address>,
    /// Rules of ours, and those of others.
    pub(crate) ours: Vec<Rule>,
    others: Vec<Rule>,
}

/// Which routes the kernel is asked for.
pub(crate) enum Filter<'a> {
    /// Of a table, all or these prefixes alone.
    Table(TableId, Option<&'a BTreeSet<Prefix>>),
    /// Of all tables, by this interface.
    By(u32),
    Ours,
}

/// The one way to a refusal.
pub(crate) fn refuse_if(condition: bool, refusal: Refusal) -> Verdict {
    if condition { Err(refusal) } else { Ok(()) }
}

impl View {
    /// Asks the kernel for all of it.
    pub(crate) fn read(policy: &Rc<Policy>, netlink: &mut Netlink, family: Family) -> Result<Self, Reply> {
        let head = |length| Object::new(family, length).head;
        let links = netlink.dump(RTM_GETLINK, vec![0; LINK_HEAD], &|_, one| Link::read(one).map(Some))?;
        let addresses = netlink.dump(RTM_GETADDR, head(ADDRESS_HEAD), &|_, one| Address::read(one))?;
        let rules = netlink.dump(RTM_GETRULE, head(RTMSG), &|_, one| Rule::read(one).map(Some))?;
        let (ours, others) = rules.into_iter().partition(Rule::is_ours);
        let (links, policy) = (links.into_iter().collect(), policy.clone());
        Ok(Self { policy, family, ifindex: 0, table: TableId(0), links, addresses, ours, others })
    }

    /// The same, of the table of this interface.
    pub(crate) fn of(mut self, ifindex: Ifindex) -> Self {
        (self.ifindex, self.table) = (ifindex.get(), TableId::for_interface(self.policy.table_base, ifindex));
        self
    }

    /// The interface exists, is in the policy by its current names, and neither loopback nor enslaved.
    pub(crate) fn link(&self, ifindex: Ifindex) -> Result<&Link, Refusal> {
        let link = self.links.get(&ifindex.get()).ok_or(Refusal::NoInterface)?;
        refuse_if(!self.policy.interfaces.lists(&link.names), Refusal::NotListed)?;
        refuse_if(link.flags & IFF_LOOPBACK != 0, Refusal::Loopback)?;
        refuse_if(link.enslaved, Refusal::Enslaved)?;
        Ok(link)
    }

    /// The address is of a range that is routed, on the interface, usable there, and on no other interface
    /// that is up, loopback aside, unless the policy shares it.
    pub(crate) fn source(&self, ifindex: Ifindex, address: IpAddr) -> Verdict {
        refuse_if(!is_source(address), Refusal::AddressUnusable)?;
        let present = self.addresses.iter().filter(|a| a.address == address);
        let (own, others): (Vec<&Address>, Vec<&Address>) = present.partition(|a| a.ifindex == ifindex.get());
        refuse_if(own.is_empty(), Refusal::AddressAbsent)?;
        // One address may be there twice, with different prefixes.
        refuse_if(!own.iter().any(|a| a.usable), Refusal::AddressUnusable)?;
        let up = |link: &Link| link.flags & (IFF_UP | IFF_LOOPBACK) == IFF_UP;
        let elsewhere = others.iter().any(|a| self.links.get(&a.ifindex).is_some_and(up));
        refuse_if(elsewhere && !self.policy.shared.contains(&address), Refusal::AddressShared)
    }

    /// Whose traffic rules of ours send to the table.
    pub(crate) fn whose(&self) -> BTreeSet<Who> {
        self.ours.iter().filter(|rule| rule.table() == self.table).filter_map(Rule::who).collect()
    }

    /// The rules of ours for one of `who`: those into the table, and the others as well, but for whom `keeps`
    /// what leads to another interface's table.
    pub(crate) fn rules_of(&self, who: &BTreeSet<Who>, keeps: impl Fn(Who) -> bool) -> Vec<&Rule> {
        let here = [self.table, TableId::MAIN, TableId::LOCAL];
        let elsewhere = self.ours.iter().filter(|rule| !here.contains(&rule.table()));
        let kept: BTreeSet<Who> = elsewhere.filter_map(Rule::who).filter(|one| keeps(*one)).collect();
        let goes = |one, table| who.contains(&one) && (table == self.table || !kept.contains(&one));
        self.ours.iter().filter(|rule| rule.who().is_some_and(|one| goes(one, rule.table()))).collect()
    }

    /// The rules of ours for `who` into a table.
    pub(crate) fn rules_for(&self, table: TableId, who: Who, through: Through) -> impl Iterator<Item = Rule> {
        let from = self.policy.priorities().from;
        let behind = !self.others.iter().any(|rule| rule.precedes_as_local(from));
        let (family, shapes) = (self.family, self.policy.rules(self.family, table, who, behind, through));
        shapes.into_iter().map(move |shape| Rule::ours(family, &shape))
    }

    /// Nothing that is not ours is in the table; no rule but ours leads to it, except for what
    /// somebody has marked.
    pub(crate) fn nothing_foreign(&self, routes: &[Route]) -> Verdict {
        refuse_if(!routes.iter().all(Route::is_ours), Refusal::TableConflict)?;
        let conflicts = |rule: &Rule| rule.table() == self.table && !rule.is_marked();
        refuse_if(self.others.iter().any(conflicts), Refusal::RuleConflict)
    }

    /// A default may go by this gateway: it is a router's address, none of ours, on-link on the interface,
    /// and known there or named by the policy. `true`: it needs the onlink flag. `local`: routes of table
    /// local to it; `by`: those of other programs by the interface that lead to it or have it as gateway.
    pub(crate) fn gateway(&self, gateway: IpAddr, local: &[Route], by: &[Route]) -> Result<bool, Refusal> {
        refuse_if(!is_router(gateway), Refusal::GatewayNotUnicast)?;
        let own = self.addresses.iter().any(|a| a.address == gateway);
        refuse_if(own || local.iter().any(|route| route.kind() == RTN_LOCAL), Refusal::GatewayOwn)?;
        // The subnet's own broadcast or anycast address.
        refuse_if(!local.is_empty(), Refusal::GatewayNotUnicast)?;
        let held = |hop: &&Hop| hop.oif() == self.ifindex && hop.gateway() == Some(gateway);
        let known: Vec<&Hop> = by.iter().flat_map(|route| route.hops.iter().filter(held)).collect();
        let onlink = known.iter().any(|hop| hop.is_onlink());
        // Link-local is on-link by its nature; else the best way to it must be direct, and more than a default.
        let ways = by.iter().filter(|route| route.destination.contains(gateway));
        let way = ways.max_by_key(|route| (route.destination.length(), !route.has_gateway()));
        let huge = |prefix: Prefix| prefix.is_default() || prefix.is_default_like();
        let direct = way.is_some_and(|way| !way.has_gateway() && !huge(way.destination));
        refuse_if(!(Prefix::host(gateway).is_link_local() || onlink || direct), Refusal::GatewayOffLink)?;
        let here = |a: &&Address| a.ifindex == self.ifindex && a.subnet.first_host() == Some(gateway);
        let names = self.links.get(&self.ifindex).map(|link| &link.names[..]).unwrap_or_default();
        let named = self.policy.gateways_of(names).any(|name| match name {
            GatewayName::Address(address) => *address == gateway,
            GatewayName::First => self.addresses.iter().any(|address| here(&address)),
        });
        let free = self.policy.gateway_check == GatewayCheck::OnLink;
        refuse_if(!free && !named && known.is_empty(), Refusal::GatewayUnknown)?;
        Ok(onlink)
    }

    /// A route without a gateway is right where the link has but one other end (IFF_POINTOPOINT), or
    /// where somebody else's default route does the same. IFF_NOARP alone says nothing about that.
    pub(crate) fn no_gateway(&self, by: &[Route]) -> Verdict {
        let direct = |hop: &Hop| hop.oif() == self.ifindex && hop.gateway().is_none();
        let done = |route: &Route| route.destination.is_default() && route.hops.iter().any(direct);
        let flags = self.links.get(&self.ifindex).map_or(0, |link| link.flags);
        refuse_if(flags & IFF_POINTOPOINT == 0 && !by.iter().any(done), Refusal::NotPointToPoint)
    }
}

/// Keeps any route, or what counts of other programs'.
pub(crate) const EVERY: Keep<'_> = &|_, _| true;
pub(crate) const COUNTS: Keep<'_> = &|_, route| route.counts();

impl Netlink {
    /// The routes of one family that are to be kept. None if there is no such table.
    pub(crate) fn routes(
        &mut self,
        family: Family,
        filter: Filter<'_>,
        keep: Keep<'_>,
    ) -> Result<Vec<Route>, Reply> {
        let mut message = Object::new(family, RTMSG);
        match filter {
            Filter::Ours => message.head[5] = PROTOCOL,
            Filter::By(oif) => message = message.with(RTA_OIF, oif.to_ne_bytes()),
            Filter::Table(TableId(table), _) => message = message.with(RTA_TABLE, table.to_ne_bytes()),
        }
        let wanted = |to| !matches!(filter, Filter::Table(_, Some(all)) if !all.contains(&to));
        let read = |kept: &[Route], one: &[u8]| Ok(Route::read(one, &wanted)?.filter(|one| keep(kept, one)));
        match self.dump(RTM_GETROUTE, message.bytes(), &read) {
            // "FIB table does not exist", and a filter's interface that has just gone.
            Err(Reply::Kernel(ENOENT | ENODEV)) => Ok(Vec::new()),
            found => found,
        }
    }
}

/// `struct ifinfomsg`, `struct ifaddrmsg`
const LINK_HEAD: usize = 16;
const ADDRESS_HEAD: usize = 8;

impl Link {
    fn read(payload: &[u8]) -> Result<(u32, Self), DecodeError> {
        let object = Object::read(payload, LINK_HEAD)?;
        let enslaved = object.number(IFLA_MASTER).is_some_and(|master| master != 0);
        // Bytes that end with a zero.
        let name = |name: &[u8]| name.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
        let mut names: Vec<_> =
            object.attributes.get(&IFLA_IFNAME).map(|bytes| name(bytes)).into_iter().collect();
        let properties = object.attributes.get(&IFLA_PROP_LIST).map(Vec::as_slice).unwrap_or_default();
        for property in NlasIterator::new(properties) {
            let property = property?;
            if property.kind() == IFLA_ALT_IFNAME {
                names.push(name(property.value()));
            }
        }
        // Without a name no pattern could be asked.
        if names.is_empty() { Err("a link without a name") } else { Ok(()) }?;
        Ok((object.word(4), Self { names, flags: object.word(8).cast_signed(), enslaved }))
    }
}

impl Address {
    fn read(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let object = Object::read(payload, ADDRESS_HEAD)?;
        let (own, peer) = (object.attributes.get(&IFA_LOCAL), object.attributes.get(&IFA_ADDRESS));
        // IFA_LOCAL is left out where it equals IFA_ADDRESS (IPv6 without a peer).
        let (Some(own), Some(peer)) = (own.or(peer), peer.or(own)) else { return Ok(None) };
        let flags = object.number(IFA_FLAGS).unwrap_or(object.head[2].into());
        // RT_SCOPE_UNIVERSE
        let usable = object.head[3] == 0 && flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED) == 0;
        let subnet = prefix(peer, object.head[1])?;
        let address = address(own).ok_or("an address of a strange length")?;
        Ok(Some(Self { ifindex: object.word(4), address, subnet, usable }))
    }
}

#[cfg(test)]
mod tests;
