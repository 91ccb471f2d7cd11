//! Requests into changes: ask the kernel, check, write, and check again.

mod remove;

use crate::budget::Budget;
use crate::check::{self, Place, refuse_if};
use crate::kernel::{Kernel, Link};
use crate::route::Route;
use crate::rule::{OurRule, Rule};
use crate::sync::Named;
use crate::sys::monotonic;
use netlink_packet_route::rule::RuleMessage;
use nix::errno::Errno;
use protocol::{
    Addresses, Fallback, Family, GatewayCheck, Ifindex, NextHop, Policy, Prefix, Refusal, Reply, Request,
    Selector, TableId,
};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// The reply with which a request ends before it is done.
struct Stop(Reply);

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self(Reply::Refused(refusal))
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self(Reply::Kernel(errno as i32))
    }
}

type Answer = Result<Reply, Stop>;

/// The kernel under the policy.
pub(crate) struct Helper {
    pub(crate) kernel: Kernel,
    policy: Policy,
    budget: Budget,
    /// No more than this many objects of ours stand in the kernel: additions are counted, what
    /// goes is not. At the limit the kernel is asked for the true number (see `room`).
    objects: usize,
    named: Option<Named>,
}

impl Helper {
    pub(crate) fn new(kernel: Kernel, policy: Policy) -> Self {
        let budget = Budget::new(policy.limits.writes_per_second, policy.limits.objects);
        // Unknown at first: the first addition counts.
        Self { kernel, policy, budget, objects: usize::MAX, named: None }
    }

    /// Does what is asked, or says why not. The session has already permitted it.
    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        self.apply(request).unwrap_or_else(|Stop(reply)| reply)
    }

    fn apply(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Hello { version } if version != protocol::VERSION => Err(Refusal::Version.into()),
            Request::Hello { .. } | Request::Ping => Ok(Reply::Ok),
            Request::AddRule { ifindex, selector, address } => {
                self.add_rules(ifindex, &[selector], &address.into())
            }
            Request::AddRules { ifindex, ref addresses } => {
                self.add_rules(ifindex, &[Selector::From, Selector::To], addresses)
            }
            Request::DelRule { ifindex, selector, address } => {
                self.delete_rule(&self.our_rule(ifindex, selector, address))
            }
            Request::SetDefault { ifindex, family, next_hop } => self.set_default(ifindex, family, next_hop),
            Request::AddSubnet { ifindex, address } => self.add_subnet(ifindex, address),
            Request::AddLocal { ifindex, destination } => self.add_local(ifindex, destination),
            Request::DelRoute { ifindex, family, route } => self.delete_route(ifindex, family, route),
            Request::Purge { ifindex } => self.purge(ifindex),
            Request::SyncBegin => {
                self.named = Some(Named::default());
                Ok(Reply::Ok)
            }
            Request::SyncEnd => self.end_sync(),
        }
    }

    fn table_of(&self, ifindex: Ifindex) -> TableId {
        TableId::for_interface(self.policy.table_base, ifindex)
    }

    fn our_rule(&self, ifindex: Ifindex, selector: Selector, address: IpAddr) -> OurRule {
        OurRule::new(self.policy.priorities(), self.table_of(ifindex), selector, address)
    }

    fn link(&mut self, ifindex: Ifindex) -> Result<Link, Stop> {
        let link = self.kernel.link(ifindex.get())?;
        Ok(check::link(&self.policy, link)?)
    }

    /// The interface's table, in which nothing foreign stands and to which nothing foreign leads.
    fn place(&mut self, ifindex: Ifindex, family: Family) -> Result<Place, Stop> {
        let table = self.table_of(ifindex);
        let place = Place {
            ifindex,
            family,
            table,
            priorities: self.policy.priorities(),
            rules: self.kernel.rules()?,
            routes: self.kernel.table(table, family, &|_, _| true)?,
        };
        check::nothing_foreign(&place)?;
        Ok(place)
    }

    /// All of these rules, of addresses of one family, or none: whatever can be refused is, before
    /// the first is written.
    fn add_rules(&mut self, ifindex: Ifindex, selectors: &[Selector], addresses: &Addresses) -> Answer {
        self.link(ifindex)?;
        self.sources(ifindex, addresses)?;
        let place = self.place(ifindex, addresses.family())?;
        check::local_precedes(&place)?;
        let of = |address| selectors.iter().map(move |selector| (*selector, address));
        let rules = addresses.iter().flat_map(of).map(|(selector, a)| self.our_rule(ifindex, selector, a));
        let rules: BTreeSet<OurRule> = rules.collect();
        let ours = place.rules.iter().filter_map(Rule::as_ours);
        let standing: BTreeSet<OurRule> = ours.filter(|rule| rule.table == place.table).collect();
        let new: Vec<OurRule> = rules.difference(&standing).copied().collect();
        check::addresses_within(&standing, &new, self.policy.limits.addresses)?;
        self.ensure_fallback(&place)?;
        self.name(|named| named.rules.extend(&rules))?;
        if new.is_empty() {
            return Ok(Reply::Exists);
        }
        self.room(new.len())?;
        self.objects = self.objects.saturating_add(new.len());
        let mut added = Vec::new();
        // Rules outlive addresses: one that went away in between would leave its rules for ever.
        let written = self.write(&new, &mut added).and_then(|()| self.sources(ifindex, addresses));
        if let Err(stop) = written {
            // One that cannot be deleted does not save the others.
            added.into_iter().map(|rule| self.kernel.delete_rule(rule)).fold(Ok(true), Result::and)?;
            return Err(stop);
        }
        Ok(if added.is_empty() { Reply::Exists } else { Reply::Ok })
    }

    /// What was added before a failure is in `added`.
    fn write(&mut self, new: &[OurRule], added: &mut Vec<RuleMessage>) -> Result<(), Stop> {
        for rule in new {
            match self.kernel.add_rule(rule) {
                Ok(()) => added.push(rule.message()),
                // Somebody was faster: equal includes the protocol, but the kernel is asked all the same.
                Err(Errno::EEXIST) if self.kernel.rules()?.iter().any(|r| r.as_ours() == Some(*rule)) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
        Ok(())
    }

    /// Each of these is on the interface now, and usable.
    fn sources(&mut self, ifindex: Ifindex, addresses: &Addresses) -> Result<(), Stop> {
        let present = self.kernel.addresses(Some(ifindex), addresses.family())?;
        Ok(addresses.iter().try_for_each(|address| check::source(address, &present).map(drop))?)
    }

    fn set_default(&mut self, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Answer {
        if let Some(gateway) = next_hop.gateway() {
            refuse_if(Family::of(gateway) != family, Refusal::Family)?;
            check::gateway_unicast(gateway)?;
        }
        let link = self.link(ifindex)?;
        let place = self.place(ifindex, family)?;
        match next_hop {
            NextHop::Gateway(gateway) => self.check_gateway(&place, &link, gateway)?,
            NextHop::PointToPoint => {
                let by =
                    self.kernel.routes_by(ifindex.get(), family, &|r, _| place.seen_elsewhere(r, None))?;
                check::no_gateway_needed(&place, &link, &by)?;
            }
        }
        self.ensure_fallback(&place)?;
        self.put(&place, &Route::default_by(place.table, ifindex, family, next_hop))
    }

    fn check_gateway(&mut self, place: &Place, link: &Link, gateway: IpAddr) -> Result<(), Stop> {
        let (ifindex, family) = (place.ifindex, place.family);
        let link_local = matches!(gateway, IpAddr::V6(a) if a.is_unicast_link_local());
        // Not by a look-up: of a link-local address that answers for one interface only, and a rule in front
        // of table local may answer for any.
        let own = self.kernel.addresses(None, family)?;
        refuse_if(own.iter().any(|a| a.address == gateway), Refusal::GatewayOwn)?;
        // Link-local is on-link by its nature.
        if !link_local {
            // Without an interface, for it may be an address of any of ours.
            check::gateway_not_own(self.kernel.look_up(gateway, None)?.as_ref())?;
            check::gateway_on_link(self.kernel.look_up(gateway, Some(ifindex))?.as_ref(), ifindex)?;
        }
        let named = self.policy.gateways_of(&link.name);
        if self.policy.gateway_check == GatewayCheck::Known && !named.contains(&gateway) {
            let one = |route: &Route, kept| kept == 0 && place.seen_elsewhere(route, Some(gateway));
            let routes = self.kernel.routes_by(ifindex.get(), family, &one)?;
            check::gateway_known(place, gateway, &routes)?;
        }
        Ok(())
    }

    /// An address whose prefix is its own length has no subnet: nothing is to be added, `Exists`.
    fn add_subnet(&mut self, ifindex: Ifindex, address: IpAddr) -> Answer {
        self.link(ifindex)?;
        let family = Family::of(address);
        let found = check::source(address, &self.kernel.addresses(Some(ifindex), family)?)?;
        if found.subnet == Prefix::host(address) {
            return Ok(Reply::Exists);
        }
        // An address with prefix length 0 would make this a default route.
        check::routed_prefix(found.subnet)?;
        let place = self.place(ifindex, family)?;
        self.ensure_fallback(&place)?;
        let route = Route::subnet(place.table, ifindex, found.subnet);
        let reply = self.put(&place, &route)?;
        if reply == Reply::Ok
            && let Err(stop) = self.sources(ifindex, &address.into())
        {
            self.kernel.delete_route(&route)?;
            return Err(stop);
        }
        Ok(reply)
    }

    /// The copy takes gateway, interface, scope and the onlink flag from main's route; not the
    /// preferred source (it may go while the copy stays) and not the metric.
    fn add_local(&mut self, ifindex: Ifindex, destination: Prefix) -> Answer {
        let family = Family::of(destination.address());
        let other = if family == Family::V4 { Family::V6 } else { Family::V4 };
        refuse_if(!self.policy.local_networks, Refusal::RouteNotCopyable)?;
        check::routed_prefix(destination)?;
        self.link(ifindex)?;
        let own = self.kernel.addresses(Some(ifindex), family)?;
        refuse_if(own.iter().any(|a| a.subnet == destination), Refusal::RouteNotCopyable)?;
        let counts = |r: &Route, _| r.destination == destination || r.destination.is_default_like();
        let main = self.kernel.table(TableId::MAIN, family, &counts)?;
        let (original, oif) = check::copyable(&main, destination)?;
        let out = self.kernel.link(oif)?.ok_or(Refusal::NoSuchRoute)?;
        let by_oif = self.kernel.routes_by(oif, other, &|r, _| r.destination.is_default_like())?;
        check::no_uplink(&self.policy, &out, oif, main.iter().chain(&by_oif))?;
        let place = self.place(ifindex, family)?;
        let hop = original.hops.first().cloned().ok_or(Refusal::RouteNotCopyable)?;
        let copy = Route { scope: original.scope, ..Route::ours(place.table, destination, hop) };
        let mut standing = self.kernel.table(place.table, other, &|_, _| true)?;
        standing.extend(place.routes.iter().cloned());
        check::copies_within(&standing, &copy, ifindex, self.policy.limits.local_networks)?;
        self.put(&place, &copy)
    }

    /// With `fallback unreachable` the unreachable route goes in before anything else.
    fn ensure_fallback(&mut self, place: &Place) -> Result<(), Stop> {
        if self.policy.fallback == Fallback::Unreachable {
            self.put(place, &Route::fallback(place.table, place.family))?;
        }
        Ok(())
    }

    /// Puts a route into a table that holds nothing foreign.
    fn put(&mut self, place: &Place, route: &Route) -> Answer {
        self.name(|named| named.routes.extend([route.key()]))?;
        match place.routes.iter().find(|r| r.key() == route.key()) {
            Some(present) if present == route => return Ok(Reply::Exists),
            Some(_) => {
                self.pay(1)?;
                match self.kernel.replace_route(route) {
                    Ok(()) => return Ok(Reply::Ok),
                    // It went away in between.
                    Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            None => {}
        }
        self.room(1)?;
        self.kernel.add_route(route)?;
        self.objects = self.objects.saturating_add(1);
        Ok(Reply::Ok)
    }

    /// While the worker names its desired set: names an object that has passed its checks.
    fn name(&mut self, name: impl FnOnce(&mut Named)) -> Result<(), Stop> {
        if let Some(named) = &mut self.named {
            name(named);
            let count = named.rules.len() + named.routes.len();
            refuse_if(count > self.policy.limits.objects as usize, Refusal::Limit)?;
        }
        Ok(())
    }

    /// Room for so many more objects, and the writes to spend on them.
    fn room(&mut self, new: usize) -> Result<(), Stop> {
        let limit = self.policy.limits.objects as usize;
        if self.objects.saturating_add(new) > limit {
            let rules = self.kernel.rules()?.iter().filter(|rule| rule.is_ours()).count();
            self.objects = rules + self.kernel.our_routes()?.len();
        }
        refuse_if(self.objects.saturating_add(new) > limit, Refusal::Limit)?;
        self.pay(new)
    }

    /// Additions and replacements are paid for; a delete was, when its object was added.
    fn pay(&mut self, writes: usize) -> Result<(), Stop> {
        if self.budget.take(writes, monotonic()) { Ok(()) } else { Err(Stop(Reply::Busy)) }
    }
}
