//! Requests into changes: ask the kernel, check, write. And what was granted once is checked again.

use crate::budget::Budget;
use crate::copy::{changes, copies, follow, is_granted, own_link_only, teardown};
use crate::kernel::{EVERY, Filter, View, failed, refuse_if};
use crate::netlink::{Message, Netlink};
use crate::route::{FALLBACK_METRIC, Hop, Route};
use crate::rule::Rule;
use crate::sys::monotonic;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use nix::errno::Errno;
use nix::libc::RTN_UNICAST;
use protocol::{
    Fallback, Family, Ifindex, Links, NextHop, Policy, Prefix, Prefixes, Refusal, Reply, Request, Rules,
    TableId, Through, Who,
};
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// For this long a default stays whose gateway vanished: a renewal takes it away and brings it back.
const GRACE: Duration = Duration::from_secs(2);

/// An early reply is an error.
type Answer = Result<Reply, Reply>;

/// Rules, and the prefixes of tables.
type Named = (BTreeSet<Rule>, BTreeSet<(TableId, Prefix)>);

/// The kernel under the policy.
pub(crate) struct Helper {
    pub(crate) netlink: Netlink,
    policy: Rc<Policy>,
    budget: Budget,
    /// No more than this many objects of ours are in the kernel: additions are counted, what
    /// goes is not, until everything is checked again.
    objects: usize,
    /// The worker's whole desired set, between `SyncBegin` and `SyncEnd`.
    named: Option<Named>,
    /// Defaults that would be refused now, and since when.
    doubted: BTreeMap<Route, Duration>,
}

/// What a check of everything found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// Objects that were deleted.
    pub(crate) deleted: usize,
    /// Something of ours was there.
    pub(crate) holds: bool,
    /// When the next check must be, because a default is kept that far.
    pub(crate) again: Option<Duration>,
}

impl Helper {
    pub(crate) fn new(netlink: Netlink, policy: Policy) -> Self {
        let budget = Budget::new(policy.limits.writes_per_second, policy.limits.objects);
        // Unknown until everything is checked for the first time, before the first request.
        Self {
            netlink,
            policy: Rc::new(policy),
            budget,
            objects: usize::MAX,
            named: None,
            doubted: BTreeMap::new(),
        }
    }

    /// Does what is asked, or says why not. The session has already permitted it.
    pub(crate) fn answer(&mut self, request: &Request) -> Reply {
        self.apply(request).unwrap_or_else(|reply| reply)
    }

    fn apply(&mut self, request: &Request) -> Answer {
        match *request {
            Request::Hello { version } if version != protocol::VERSION => Err(Refusal::Version.into()),
            Request::Hello { .. } => Ok(Reply::Ok),
            Request::AddRules { ifindex, ref rules, through } => self.add_rules(ifindex, rules, through),
            Request::DelRules { ifindex, ref rules } => self.delete_rules(ifindex, rules),
            Request::SetDefault { ifindex, family, next_hop } => self.set_default(ifindex, family, next_hop),
            Request::Copy { ifindex, ref except, ref prefixes } => self.copy(ifindex, Some(except), prefixes),
            Request::Follow { ifindex, ref prefixes } => self.copy(ifindex, None, prefixes),
            Request::DelRoutes { ifindex, ref prefixes } => {
                let table = TableId::for_interface(self.policy.table_base, ifindex);
                // IPv6 routes that the kernel has joined are dumped under the protocol of one of them.
                let keep = |route: &Route| route.is_ours() || route.parts().len() > 1;
                let filter = Filter::To(table, &prefixes.iter().collect());
                let found = self.netlink.routes(prefixes.family(), filter, &keep)?;
                Ok(done(self.write(teardown(found).collect())?, Reply::Absent))
            }
            Request::SyncBegin => {
                self.named = Some(Named::default());
                Ok(Reply::Ok)
            }
            Request::SyncEnd => {
                let ((rules, prefixes), mut stale) = (self.named.take().unwrap_or_default(), Vec::new());
                for family in [Family::V4, Family::V6] {
                    let view = self.view(family)?;
                    let unnamed = view.rules.iter().filter(|rule| rule.is_ours() && !rules.contains(rule));
                    stale.extend(unnamed.map(Rule::deletion));
                    let unnamed = |route: &Route| !prefixes.contains(&(route.table, route.destination));
                    stale.extend(teardown(self.netlink.routes(family, Filter::Ours, &unnamed)?));
                }
                self.write(stale).map(|_| Reply::Ok)
            }
        }
    }

    fn view(&mut self, family: Family) -> Result<View, Reply> {
        View::read(&self.policy, &mut self.netlink, family)
    }

    /// All of ours in a table, and of another program's one, of which there may be a million.
    fn standing(&mut self, view: &View) -> Result<Vec<Route>, Reply> {
        let foreign = Cell::new(false);
        let keep = |route: &Route| route.is_ours() || !foreign.replace(true);
        self.netlink.routes(view.family, Filter::Table(view.table), &keep)
    }

    /// Makes the rules of these addresses, or of the mark, what the policy says: what can be refused is,
    /// before the first is written.
    fn add_rules(&mut self, ifindex: Ifindex, rules: &Rules, through: Through) -> Answer {
        let view = self.view(rules.family())?.of(ifindex);
        let link = view.link(ifindex)?;
        let who: BTreeSet<Who> = match rules {
            Rules::Addresses(addresses) => addresses.iter().map(Who::Address).collect(),
            Rules::Mark(_) => {
                [Who::Mark(self.policy.mark_of(&link.names).ok_or(Refusal::MarkUnknown)?)].into()
            }
        };
        if let Rules::Addresses(addresses) = rules {
            addresses.iter().try_for_each(|address| view.source(ifindex, address))?;
        }
        let wanted: BTreeSet<Rule> =
            who.iter().flat_map(|who| view.rules_for(view.table, *who, through)).collect();
        // Also in a conflict: what is there of them stays.
        self.name(|(rules, _)| rules.extend(wanted.iter().cloned()))?;
        view.nothing_foreign(&self.standing(&view)?)?;
        let ours: BTreeSet<&Rule> = view.rules.iter().filter(|rule| rule.is_ours()).collect();
        let new: Vec<&Rule> = wanted.iter().filter(|rule| !ours.contains(rule)).collect();
        let here = ours.iter().copied().filter(|rule| rule.table() == view.table);
        let hosts: BTreeSet<Option<Who>> = here.chain(new.iter().copied()).map(Rule::who).collect();
        let many = hosts.len() > self.policy.limits.addresses as usize;
        refuse_if(many && !new.is_empty(), Refusal::Limit)?;
        let stale = self.rules_of(&view, &who, true).filter(|rule| !wanted.contains(rule));
        let changes = new.into_iter().map(Rule::addition).chain(stale.map(Rule::deletion)).collect();
        Ok(done(self.write(changes)?, Reply::Exists))
    }

    fn delete_rules(&mut self, ifindex: Ifindex, rules: &Rules) -> Answer {
        let view = self.view(rules.family())?.of(ifindex);
        let here = view.rules.iter().filter(|rule| rule.is_ours() && rule.table() == view.table);
        let who = match rules {
            Rules::Addresses(addresses) => addresses.iter().map(Who::Address).collect(),
            // Whatever the policy's mark is today.
            Rules::Mark(_) => here.filter_map(Rule::who).filter(|who| matches!(who, Who::Mark(_))).collect(),
        };
        let found = self.rules_of(&view, &who, false).map(Rule::deletion).collect();
        Ok(done(self.write(found)?, Reply::Absent))
    }

    /// The rules of ours for one of `who`. Those into the tables of other interfaces are among them only
    /// `elsewhere`, and of no address that several interfaces share; those into main and local where
    /// no such rule remains.
    fn rules_of<'a>(
        &self,
        view: &'a View,
        who: &BTreeSet<Who>,
        elsewhere: bool,
    ) -> impl Iterator<Item = &'a Rule> {
        let ours = || view.rules.iter().filter(|rule| rule.is_ours());
        let common = |rule: &Rule| [TableId::MAIN, TableId::LOCAL].contains(&rule.table());
        let other = ours().filter(|rule| rule.table() != view.table && !common(rule));
        let others: BTreeSet<Option<Who>> = other.map(Rule::who).collect();
        ours().filter(move |rule| {
            let Some(one) = rule.who().filter(|one| who.contains(one)) else { return false };
            let shared = matches!(one, Who::Address(address) if self.policy.shared.contains(&address));
            let unused = common(rule) && !others.contains(&Some(one));
            rule.table() == view.table || (elsewhere && !shared) || unused
        })
    }

    /// What the default of a table may be: every route of length 0.
    fn set_default(&mut self, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Answer {
        let unlike = next_hop.gateway().is_some_and(|gateway| Family::of(gateway) != family);
        refuse_if(unlike, Refusal::Family)?;
        let view = self.view(family)?.of(ifindex);
        view.link(ifindex)?;
        let (table, everything) = (view.table, BTreeSet::from([Prefix::everything(family)]));
        let by = |gateway, onlink| {
            let hop = Hop::by(ifindex.get(), gateway, onlink);
            vec![Route::ours(table, Prefix::everything(family), RTN_UNICAST, Some(hop))]
        };
        let mut wanted = match next_hop {
            NextHop::Nothing => Vec::new(),
            NextHop::Gateway(gateway) => by(Some(gateway), self.gateway(&view, gateway)?),
            NextHop::PointToPoint => {
                view.no_gateway(&self.foreign_by(&view, None)?)?;
                by(None, false)
            }
            NextHop::Table(source) => {
                refuse_if([TableId(0), TableId::LOCAL, table].contains(&source), Refusal::TableForbidden)?;
                let source =
                    self.netlink.routes(family, Filter::To(source, &everything), &Route::is_unicast)?;
                let copied = copies(table, source.iter(), |_, hop| hop.oif() == ifindex.get());
                refuse_if(copied.is_empty(), Refusal::NoSuchRoute)?;
                refuse_if(!copied.iter().all(Route::is_unicast), Refusal::RouteNotCopyable)?;
                copied
            }
        };
        let bare = |route: &Route| route.is_deviceless() && route.metric != FALLBACK_METRIC;
        let bare = self.netlink.routes(family, Filter::To(TableId::MAIN, &everything), &bare)?;
        wanted.extend(copies(table, bare.iter(), |_, _| true));
        wanted
            .extend((self.policy.fallback == Fallback::Unreachable).then(|| Route::fallback(table, family)));
        self.put(&view, &everything, |_| wanted.clone())
    }

    /// Whether a default by this gateway needs the onlink flag; or why there is to be none.
    fn gateway(&mut self, view: &View, gateway: IpAddr) -> Result<bool, Reply> {
        let leads = |route: &Route| route.destination.contains(gateway);
        let local = self.netlink.routes(view.family, Filter::Table(TableId::LOCAL), &leads)?;
        let by = self.foreign_by(view, Some(gateway))?;
        Ok(view.gateway(gateway, &local, &by)?)
    }

    /// Other programs' routes by an interface: defaults, what leads to a gateway, and some that have it.
    fn foreign_by(&mut self, view: &View, gateway: Option<IpAddr>) -> Result<Vec<Route>, Reply> {
        let found = [Cell::new(false), Cell::new(false)];
        let oif = view.ifindex;
        let keep = |route: &Route| {
            let hop = |hop: &&Hop| hop.oif() == oif && gateway.is_some() && hop.gateway() == gateway;
            // One that has it on trust, and one that has not, of perhaps a million.
            let first = |hop: &Hop| !found[usize::from(hop.is_onlink())].replace(true);
            let leads = gateway.is_some_and(|gateway| route.destination.contains(gateway));
            let meant = leads || route.destination.is_default() || route.hops.iter().filter(hop).any(first);
            route.counts() && route.table != view.table && meant
        };
        self.netlink.routes(view.family, Filter::By(oif), &keep)
    }

    /// Copies of these prefixes without some hops, or, without exceptions, what follows the default.
    fn copy(&mut self, ifindex: Ifindex, except: Option<&Links>, prefixes: &Prefixes) -> Answer {
        let (family, prefixes) = (prefixes.family(), prefixes.iter().collect::<BTreeSet<Prefix>>());
        let never = |prefix: &Prefix| prefix.is_default() || (except.is_none() && own_link_only(*prefix));
        refuse_if(prefixes.iter().any(never), Refusal::RouteNotCopyable)?;
        let view = self.view(family)?.of(ifindex);
        view.link(ifindex)?;
        let main = self.netlink.routes(family, Filter::To(TableId::MAIN, &prefixes), &Route::counts)?;
        let stays = |route: &Route, hop: &Hop| {
            let excepted = |links: &Links| Ifindex::try_from(hop.oif()).is_ok_and(|oif| links.contains(oif));
            if own_link_only(route.destination) {
                hop.oif() == ifindex.get()
            } else {
                !except.is_some_and(excepted)
            }
        };
        let unicast = main.iter().filter(|route| route.is_unicast());
        let held: BTreeSet<Prefix> = unicast.map(|route| route.destination).collect();
        self.put(&view, &prefixes, |own| match except {
            Some(_) => copies(view.table, main.iter(), stays),
            None => held.iter().map(|prefix| follow(view.table, own, *prefix)).collect(),
        })
    }

    /// Makes the routes of ours of these prefixes equal to the wanted ones, in a table that holds
    /// nothing foreign.
    fn put(&mut self, view: &View, to: &BTreeSet<Prefix>, wanted: impl Fn(&[Route]) -> Vec<Route>) -> Answer {
        self.name(|(_, routes)| routes.extend(to.iter().map(|prefix| (view.table, *prefix))))?;
        let mut standing = self.standing(view)?;
        view.nothing_foreign(&standing)?;
        let wanted = wanted(&standing);
        let nets = standing.iter().chain(&wanted).map(|route| route.destination);
        let nets: BTreeSet<Prefix> = nets.filter(|prefix| !prefix.is_default()).collect();
        let many = nets.len() > self.policy.limits.copies as usize;
        refuse_if(many && !wanted.iter().all(|route| route.destination.is_default()), Refusal::Limit)?;
        for attempt in 0..3 {
            let meant = standing.iter().filter(|route| to.contains(&route.destination));
            let (writes, shed) = changes(meant.collect(), &wanted);
            if writes.is_empty() {
                return Ok(if attempt == 0 { Reply::Exists } else { Reply::Ok });
            }
            refuse_if(attempt > 0 && !shed.is_empty(), Refusal::TableConflict)?;
            let replaces = writes.iter().any(|message| message.flags & NLM_F_REPLACE != 0);
            let again = replaces || !shed.is_empty();
            self.write(if shed.is_empty() { writes } else { teardown(shed).collect() })?;
            if !again {
                return Ok(Reply::Ok);
            }
            // The kernel does not say what a REPLACE took away: what is there now counts.
            standing = self.standing(view)?;
            view.nothing_foreign(&standing)?;
        }
        Err(failed(Errno::EAGAIN))
    }

    /// While the worker names its desired set: names objects that have passed their checks.
    fn name(&mut self, name: impl FnOnce(&mut Named)) -> Result<(), Refusal> {
        let Some(named) = &mut self.named else { return Ok(()) };
        name(named);
        refuse_if(named.0.len() + named.1.len() > self.policy.limits.objects as usize, Refusal::Limit)
    }

    /// Makes these changes, with room for new objects and the writes to spend; a deletion was paid for when
    /// its object was added. One that fails does not save the others: the first errno is replied at the end,
    /// or how many were made.
    fn write(&mut self, changes: Vec<Message>) -> Result<usize, Reply> {
        let count = |bits, value| changes.iter().filter(|message| message.flags & bits == value).count();
        let new = count(NLM_F_CREATE | NLM_F_REPLACE, NLM_F_CREATE);
        let full = self.objects.saturating_add(new) > self.policy.limits.objects as usize;
        refuse_if(new > 0 && full, Refusal::Limit)?;
        if !self.budget.take(count(NLM_F_CREATE, NLM_F_CREATE), monotonic()) {
            return Err(Reply::Busy);
        }
        self.objects = self.objects.saturating_add(new);
        let results = self.netlink.change(&changes).map_err(failed)?;
        let result = |(change, result): (&Message, Result<(), Errno>)| match result {
            Ok(()) => {
                self.objects = self.objects.saturating_sub(usize::from(change.flags == 0));
                Ok(1)
            }
            // It went away by itself.
            Err(Errno::ENOENT | Errno::ESRCH | Errno::ENODEV) if change.flags & NLM_F_CREATE == 0 => Ok(0),
            Err(errno) => Err(failed(errno)),
        };
        changes.iter().zip(results).map(result).sum()
    }

    /// Deletes each object of ours that would be refused now.
    pub(crate) fn recheck(&mut self) -> Result<Outcome, Reply> {
        let (mut stale, mut holds, now) = (Vec::new(), 0, monotonic());
        let doubted = std::mem::take(&mut self.doubted);
        for family in [Family::V4, Family::V6] {
            let mut view = self.view(family)?;
            let (mut allowed, mut listed) = (BTreeSet::new(), BTreeMap::new());
            for ifindex in view.links.keys().filter_map(|index| Ifindex::try_from(*index).ok()) {
                let Ok(link) = view.link(ifindex) else { continue };
                let table = TableId::for_interface(self.policy.table_base, ifindex);
                listed.insert(table, ifindex);
                let here = view.addresses.iter().filter(|a| a.ifindex == ifindex.get()).map(|a| a.address);
                let fit = here.filter(|address| view.source(ifindex, *address).is_ok()).map(Who::Address);
                for who in fit.chain(self.policy.mark_of(&link.names).map(Who::Mark)) {
                    allowed.extend(view.rules_for(table, who, Through::MainFirst));
                }
            }
            let ours: Vec<&Rule> = view.rules.iter().filter(|rule| rule.is_ours()).collect();
            let own = self.netlink.routes(family, Filter::Ours, EVERY)?;
            holds += ours.len() + own.len();
            stale.extend(ours.into_iter().filter(|rule| !allowed.contains(rule)).map(Rule::deletion));
            let prefixes = own.iter().map(|route| route.destination).collect();
            let mut main = BTreeMap::<Prefix, Vec<Route>>::new();
            for route in self.netlink.routes(family, Filter::To(TableId::MAIN, &prefixes), &Route::counts)? {
                main.entry(route.destination).or_default().push(route);
            }
            let defaults = own.iter().filter(|route| route.is_default());
            let defaults: Vec<Route> = defaults.cloned().collect();
            let mut refused = Vec::new();
            for route in own.iter().flat_map(Route::parts) {
                if let Some(ifindex) = listed.get(&route.table) {
                    view = view.of(*ifindex);
                    let main = main.get(&route.destination).map(Vec::as_slice).unwrap_or_default();
                    if self.holds(&view, &route, &defaults, main)? {
                        continue;
                    }
                }
                let since = doubted.get(&route).copied().unwrap_or(now);
                if route.is_default() && now.saturating_sub(since) < GRACE {
                    self.doubted.insert(route, since);
                } else {
                    refused.push(route);
                }
            }
            stale.extend(teardown(refused));
        }
        self.objects = holds;
        let again = self.doubted.values().min().map(|since| *since + GRACE);
        Ok(Outcome { deleted: self.write(stale)?, holds: holds > 0, again })
    }

    /// The route is the fallback, what main has for its prefix, or a default each of whose ways is one of
    /// another program's defaults or might be named now.
    fn holds(&mut self, view: &View, route: &Route, own: &[Route], main: &[Route]) -> Result<bool, Reply> {
        if *route == Route::fallback(view.table, view.family) {
            return Ok(self.policy.fallback == Fallback::Unreachable);
        }
        if !route.is_default() {
            return Ok(is_granted(route, view.ifindex, own, main));
        }
        let by = self.foreign_by(view, None)?;
        for hop in &route.hops {
            let checked = match hop.gateway() {
                _ if by.iter().any(|other| other.hops.iter().any(|other| other.is_way(hop))) => Ok(false),
                Some(gateway) => self.gateway(view, gateway),
                None => view.no_gateway(&by).map(|()| false).map_err(Reply::from),
            };
            match checked {
                Ok(onlink) if hop.is_onlink() || !onlink => {}
                Ok(_) | Err(Reply::Refused(_)) => return Ok(false),
                Err(other) => return Err(other),
            }
        }
        Ok(true)
    }
}

fn done(changes: usize, otherwise: Reply) -> Reply {
    if changes > 0 { Reply::Ok } else { otherwise }
}
