//! Requests into changes: ask the kernel, check, write, and check again.

use crate::budget::Budget;
use crate::check;
use crate::kernel::{Kernel, Link};
use crate::route::{FALLBACK_METRIC, Route, everything};
use crate::rule::{OurRule, Rule};
use crate::sync::{Named, teardown};
use nix::errno::Errno;
use protocol::{
    Fallback, Family, GatewayCheck, Ifindex, NextHop, Policy, Prefix, Refusal, Reply, Request, RouteKind,
    Selector, TableId,
};
use std::net::IpAddr;
use std::time::Instant;

/// Why a request ends before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Refused(Refusal),
    Kernel(Errno),
    Busy,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Errno> for Stop {
    fn from(errno: Errno) -> Self {
        Self::Kernel(errno)
    }
}

type Answer = Result<Reply, Stop>;

/// The kernel under the policy.
#[derive(Debug)]
pub(crate) struct Helper {
    kernel: Kernel,
    policy: Policy,
    budget: Budget,
    started: Instant,
    /// At least as many objects of ours stand in the kernel as this or fewer. Only additions are
    /// counted, so it errs on the safe side; at the limit the kernel is asked (see `room`).
    objects: u32,
    named: Option<Named>,
}

/// What an addition has to know of the interface's table.
struct Place {
    table: TableId,
    rules: Vec<Rule>,
    routes: Vec<Route>,
}

impl Helper {
    pub(crate) fn new(kernel: Kernel, policy: Policy) -> Self {
        let budget = Budget::new(policy.limits.writes_per_second, policy.limits.objects);
        // Unknown at first: the first addition counts.
        Self { kernel, policy, budget, started: Instant::now(), objects: u32::MAX, named: None }
    }

    /// What the kernel said about the last error, if it said anything.
    pub(crate) fn explanation(&mut self) -> Option<String> {
        self.kernel.explanation()
    }

    /// Does what is asked, or says why not. The session has already permitted it.
    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        match self.apply(request) {
            Ok(reply) => reply,
            Err(Stop::Refused(refusal)) => Reply::Refused(refusal),
            Err(Stop::Kernel(errno)) => Reply::Kernel(errno as i32),
            Err(Stop::Busy) => Reply::Busy,
        }
    }

    fn apply(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Hello { version } if version != protocol::VERSION => Err(Refusal::Version.into()),
            Request::Hello { .. } | Request::Ping => Ok(Reply::Ok),
            Request::AddRule { ifindex, selector, address } => self.add_rule(ifindex, selector, address),
            Request::DelRule { ifindex, selector, address } => {
                let rule = self.our_rule(ifindex, selector, address);
                Ok(ok_or_absent(self.kernel.delete_rule(rule.message())?))
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
        let routes = self.kernel.table(table, family)?;
        check::table_is_ours(&routes)?;
        let rules = self.kernel.rules()?;
        check::rules_are_ours(&rules, family, table, self.policy.priorities())?;
        Ok(Place { table, rules, routes })
    }

    fn add_rule(&mut self, ifindex: Ifindex, selector: Selector, address: IpAddr) -> Answer {
        check::source_range(address)?;
        self.link(ifindex)?;
        let family = Family::of(address);
        check::source(address, &self.kernel.addresses(Some(ifindex), family)?)?;
        let place = self.place(ifindex, family)?;
        if selector == Selector::To {
            check::local_precedes(&place.rules, family, self.policy.priorities())?;
        }
        let rule = self.our_rule(ifindex, selector, address);
        let stands = |rules: &[Rule]| rules.iter().any(|r| r.as_ours() == Some(rule));
        if !stands(&place.rules) {
            check::addresses_within(&place.rules, &rule, self.policy.limits.addresses)?;
        }
        self.ensure_fallback(&place, family)?;
        self.name(|named| named.rule(rule))?;
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

    fn source_again(&mut self, ifindex: Ifindex, address: IpAddr) -> Result<(), Stop> {
        let present = self.kernel.addresses(Some(ifindex), Family::of(address))?;
        check::source(address, &present)?;
        Ok(())
    }

    fn set_default(&mut self, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Answer {
        if let NextHop::Gateway(gateway) = next_hop {
            if Family::of(gateway) != family {
                return Err(Refusal::Family.into());
            }
            check::gateway_unicast(gateway)?;
        }
        let link = self.link(ifindex)?;
        let place = self.place(ifindex, family)?;
        match next_hop {
            NextHop::Gateway(gateway) => self.check_gateway(ifindex, &link, &place, gateway)?,
            NextHop::PointToPoint => {
                let routes =
                    if link.point_to_point { Vec::new() } else { self.kernel.routes_by(ifindex, family)? };
                check::no_gateway_needed(&link, ifindex, place.table, &routes)?;
            }
        }
        self.ensure_fallback(&place, family)?;
        self.put(&place.routes, &Route::default_by(place.table, ifindex, family, next_hop))
    }

    fn check_gateway(
        &mut self,
        ifindex: Ifindex,
        link: &Link,
        place: &Place,
        gateway: IpAddr,
    ) -> Result<(), Stop> {
        let family = Family::of(gateway);
        if check::is_link_local6(gateway) {
            // A look-up answers for one interface only; two of ours may share a segment.
            let own = self.kernel.addresses(None, family)?;
            if own.iter().any(|a| a.address == gateway) {
                return Err(Refusal::GatewayOwn.into());
            }
        } else {
            // Without an interface, for it may be an address of any of ours.
            check::gateway_not_own(self.kernel.look_up(gateway, None)?.as_ref())?;
            check::gateway_on_link(self.kernel.look_up(gateway, Some(ifindex))?.as_ref(), ifindex)?;
        }
        let named = self.policy.gateways_of(&link.name);
        if self.policy.gateway_check == GatewayCheck::Known && !named.contains(&gateway) {
            let routes = self.kernel.routes_by(ifindex, family)?;
            check::gateway_known(gateway, ifindex, place.table, &routes, named)?;
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
        self.ensure_fallback(&place, family)?;
        let route = Route::subnet(place.table, ifindex, found.subnet);
        let reply = self.put(&place.routes, &route)?;
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
        let main = self.kernel.table(TableId::MAIN, family)?;
        let (original, oif) = check::copyable(&main, destination)?;
        let out = self.kernel.link(oif)?.ok_or(Refusal::NoSuchRoute)?;
        let main_other = self.kernel.main_by(oif, other)?;
        check::no_uplink(&self.policy, &out, oif, main.iter().chain(&main_other))?;
        let place = self.place(ifindex, family)?;
        let hop = original.hops.first().cloned().ok_or(Refusal::RouteNotCopyable)?;
        let copy = Route::ours(place.table, destination, original.scope, hop);
        let mut standing = self.kernel.table(place.table, other)?;
        standing.extend(place.routes.iter().cloned());
        check::copies_within(&standing, &copy, ifindex, self.policy.limits.local_networks)?;
        self.put(&place.routes, &copy)
    }

    /// With `fallback unreachable` the unreachable route goes in before anything else.
    fn ensure_fallback(&mut self, place: &Place, family: Family) -> Result<(), Stop> {
        if self.policy.fallback == Fallback::Unreachable {
            self.put(&place.routes, &Route::fallback(place.table, family))?;
        }
        Ok(())
    }

    /// Puts a route in its place in a table that holds `standing`, all of it ours.
    fn put(&mut self, standing: &[Route], route: &Route) -> Answer {
        self.name(|named| named.route(route.key()))?;
        match standing.iter().find(|r| r.key() == route.key()) {
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

    fn delete_route(&mut self, ifindex: Ifindex, family: Family, kind: RouteKind) -> Answer {
        let (destination, fallback) = match kind {
            RouteKind::Default => (everything(family), false),
            RouteKind::Fallback => (everything(family), true),
            RouteKind::Subnet(prefix) | RouteKind::Local(prefix) => (prefix, false),
        };
        if Family::of(destination.address()) != family {
            return Err(Refusal::Family.into());
        }
        let routes = self.kernel.table(self.table_of(ifindex), family)?;
        let meant = |route: &&Route| {
            route.is_ours()
                && route.destination == destination
                && (route.metric == FALLBACK_METRIC) == fallback
        };
        let mut deleted = false;
        for route in routes.iter().filter(meant) {
            deleted |= self.kernel.delete_route(route)?;
        }
        Ok(ok_or_absent(deleted))
    }

    fn purge(&mut self, ifindex: Ifindex) -> Answer {
        let table = self.table_of(ifindex);
        let mut rules = self.kernel.rules()?;
        rules.retain(|rule| rule.is_ours() && rule.table == Some(table));
        let mut routes = self.kernel.table(table, Family::V4)?;
        routes.extend(self.kernel.table(table, Family::V6)?);
        routes.retain(Route::is_ours);
        Ok(ok_or_absent(self.delete_all(rules, teardown(routes))?))
    }

    fn end_sync(&mut self) -> Answer {
        let named = self.named.take().unwrap_or_default();
        let rules = named.stale_rules(self.kernel.rules()?);
        let mut routes = self.kernel.our_routes(Family::V4)?;
        routes.extend(self.kernel.our_routes(Family::V6)?);
        self.delete_all(rules, named.stale_routes(routes))?;
        Ok(Reply::Ok)
    }

    /// Rules first, so that no rule leads into a half-empty table. One that cannot be deleted
    /// does not save the others; the first errno is told at the end.
    fn delete_all(&mut self, rules: Vec<Rule>, routes: Vec<Route>) -> Result<bool, Stop> {
        let mut results = Vec::new();
        for rule in rules {
            results.push(self.kernel.delete_rule(rule.into_message()));
        }
        for route in routes {
            results.push(self.kernel.delete_route(&route));
        }
        let mut any = false;
        for result in results {
            any |= result?;
        }
        Ok(any)
    }

    /// While the worker names its desired set: names an object that has passed its checks.
    fn name(&mut self, name: impl FnOnce(&mut Named)) -> Result<(), Stop> {
        if let Some(named) = &mut self.named {
            name(named);
            if check::exceeds(named.len(), self.policy.limits.objects) {
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
            let routes =
                self.kernel.our_routes(Family::V4)?.len() + self.kernel.our_routes(Family::V6)?.len();
            self.objects = u32::try_from(rules + routes).unwrap_or(u32::MAX);
        }
        if self.objects >= limit {
            return Err(Refusal::Limit.into());
        }
        self.pay()
    }

    /// Additions and replacements are paid for; a delete was, when its object was added.
    fn pay(&mut self) -> Result<(), Stop> {
        if self.budget.take(self.started.elapsed()) { Ok(()) } else { Err(Stop::Busy) }
    }
}

fn ok_or_absent(deleted: bool) -> Reply {
    if deleted { Reply::Ok } else { Reply::Absent }
}
