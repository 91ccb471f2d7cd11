//! Requests into changes: ask the kernel, check, write, and check again.

mod remove;

use crate::budget::Budget;
use crate::check::{self, Place};
use crate::kernel::{Kernel, Link};
use crate::route::Route;
use crate::rule::{OurRule, Rule};
use crate::sync::Named;
use crate::sys::monotonic;
use nix::errno::Errno;
use protocol::{
    Fallback, Family, GatewayCheck, Ifindex, NextHop, Policy, Prefix, Refusal, Reply, Request, Selector,
    TableId,
};
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
    objects: u32,
    named: Option<Named>,
}

impl Helper {
    pub(crate) fn new(kernel: Kernel, policy: Policy) -> Self {
        let budget = Budget::new(policy.limits.writes_per_second, policy.limits.objects);
        // Unknown at first: the first addition counts.
        Self { kernel, policy, budget, objects: u32::MAX, named: None }
    }

    /// Does what is asked, or says why not. The session has already permitted it.
    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        self.apply(request).unwrap_or_else(|Stop(reply)| reply)
    }

    fn apply(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Hello { version } if version != protocol::VERSION => Err(Refusal::Version.into()),
            Request::Hello { .. } | Request::Ping => Ok(Reply::Ok),
            Request::AddRule { ifindex, selector, address } => self.add_rule(ifindex, selector, address),
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

    fn add_rule(&mut self, ifindex: Ifindex, selector: Selector, address: IpAddr) -> Answer {
        check::source_range(address)?;
        self.link(ifindex)?;
        let family = Family::of(address);
        check::source(address, &self.kernel.addresses(Some(ifindex), family)?)?;
        let place = self.place(ifindex, family)?;
        check::local_precedes(&place)?;
        let rule = self.our_rule(ifindex, selector, address);
        let stands = |rules: &[Rule]| rules.iter().any(|r| r.as_ours() == Some(rule));
        if !stands(&place.rules) {
            check::addresses_within(&place.rules, &rule, self.policy.limits.addresses)?;
        }
        self.ensure_fallback(&place)?;
        self.name(|named| named.rules.insert(rule))?;
        if stands(&place.rules) {
            return Ok(Reply::Exists);
        }
        self.room()?;
        match self.kernel.add_rule(&rule) {
            Ok(()) => self.objects = self.objects.saturating_add(1),
            // Somebody was faster: equal includes the protocol, but the kernel is asked all the same.
            Err(Errno::EEXIST) if stands(&self.kernel.rules()?) => return Ok(Reply::Exists),
            Err(errno) => return Err(errno.into()),
        }
        // Rules outlive addresses: one that went away in between would leave its rule for ever.
        if let Err(stop) = self.source_again(ifindex, address) {
            self.kernel.delete_rule(rule.message())?;
            return Err(stop);
        }
        Ok(Reply::Ok)
    }

    /// The address is still there. Its entry in table local says so at once; only if that is not
    /// found are the interface's addresses read again.
    fn source_again(&mut self, ifindex: Ifindex, address: IpAddr) -> Result<(), Stop> {
        let way = self.kernel.look_up(address, Some(ifindex))?;
        if !check::is_own(way.as_ref(), address, ifindex) {
            check::source(address, &self.kernel.addresses(Some(ifindex), Family::of(address))?)?;
        }
        Ok(())
    }

    fn set_default(&mut self, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Answer {
        if let Some(gateway) = next_hop.gateway() {
            if Family::of(gateway) != family {
                return Err(Refusal::Family.into());
            }
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
        if self.kernel.addresses(None, family)?.iter().any(|a| a.address == gateway) {
            return Err(Refusal::GatewayOwn.into());
        }
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
        check::source_range(address)?;
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
            && let Err(stop) = self.source_again(ifindex, address)
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
        if !self.policy.local_networks {
            return Err(Refusal::RouteNotCopyable.into());
        }
        check::routed_prefix(destination)?;
        self.link(ifindex)?;
        let own = self.kernel.addresses(Some(ifindex), family)?;
        if own.iter().any(|a| a.subnet == destination) {
            return Err(Refusal::RouteNotCopyable.into());
        }
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
        self.name(|named| named.routes.insert(route.key()))?;
        match place.routes.iter().find(|r| r.key() == route.key()) {
            Some(present) if present == route => return Ok(Reply::Exists),
            Some(_) => {
                self.pay()?;
                match self.kernel.replace_route(route) {
                    Ok(()) => return Ok(Reply::Ok),
                    // It went away in between.
                    Err(Errno::ENOENT) => {}
                    Err(errno) => return Err(errno.into()),
                }
            }
            None => {}
        }
        self.room()?;
        self.kernel.add_route(route)?;
        self.objects = self.objects.saturating_add(1);
        Ok(Reply::Ok)
    }

    /// While the worker names its desired set: names an object that has passed its checks.
    fn name(&mut self, name: impl FnOnce(&mut Named) -> bool) -> Result<(), Stop> {
        if let Some(named) = &mut self.named {
            name(named);
            if named.rules.len() + named.routes.len() > self.policy.limits.objects as usize {
                return Err(Refusal::Limit.into());
            }
        }
        Ok(())
    }

    /// Room for one more object, and a write to spend on it.
    fn room(&mut self) -> Result<(), Stop> {
        let limit = self.policy.limits.objects;
        if self.objects >= limit {
            let rules = self.kernel.rules()?.iter().filter(|rule| rule.is_ours()).count();
            let objects = rules + self.kernel.our_routes()?.len();
            self.objects = u32::try_from(objects).unwrap_or(u32::MAX);
        }
        if self.objects >= limit {
            return Err(Refusal::Limit.into());
        }
        self.pay()
    }

    /// Additions and replacements are paid for; a delete was, when its object was added.
    fn pay(&mut self) -> Result<(), Stop> {
        if self.budget.take(monotonic()) { Ok(()) } else { Err(Stop(Reply::Busy)) }
    }
}
