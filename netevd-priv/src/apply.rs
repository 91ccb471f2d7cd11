//! Requests into changes: ask the kernel, check, write. And what was granted once is checked again.

use crate::budget::Budget;
use crate::copy::{changes, copies, follow, is_granted, teardown};
use crate::kernel::{COUNTS, EVERY, Filter, View, refuse_if};
use crate::netlink::{Message, Netlink, failed};
use crate::route::{Hop, Route};
use crate::rule::Rule;
use crate::sys::monotonic;
use netlink_packet_core::{NLM_F_CREATE, NLM_F_REPLACE};
use nix::errno::Errno;
use nix::libc::RTN_UNICAST;
use protocol::kernel::FALLBACK_METRIC;
use protocol::{
    Fallback, Family, Ifindex, Links, NextHop, Policy, Prefix, Prefixes, Refusal, Reply, Request, Rules,
    TableId, Through, Who,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

/// For this long a default stays whose gateway vanished: a renewal takes it away and brings it back.
const GRACE: Duration = Duration::from_secs(2);

/// So often everything is checked while there is anything of ours, whatever happens.
const INTERVAL: Duration = Duration::from_secs(30);

/// An early reply is an error.
type Answer = Result<Reply, Reply>;

/// Rules, and the prefixes of tables.
type Named = (BTreeSet<Rule>, BTreeSet<(TableId, Prefix)>);

/// How many objects a check of everything has deleted, and when the next one must be.
type Outcome = (usize, Option<Duration>);

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

impl Helper {
    pub(crate) fn new(netlink: Netlink, policy: Policy) -> Self {
        let budget = Budget::new(policy.limits.writes_per_second, policy.limits.objects);
        let (policy, doubted) = (Rc::new(policy), BTreeMap::new());
        // Unknown until everything is checked for the first time, before the first request.
        let objects = usize::MAX;
        Self { netlink, policy, budget, objects, named: None, doubted }
    }

    /// Does what is asked, or says why not. The session has already permitted it.
    pub(crate) fn apply(&mut self, request: &Request) -> Answer {
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
                let keep = |_: &[Route], route: &Route| route.is_ours() || route.parts().len() > 1;
                let filter = Filter::Table(table, Some(&prefixes.iter().collect()));
                let found = self.netlink.routes(prefixes.family(), filter, &keep)?;
                Ok(done(self.write(teardown(found).collect())?, Reply::Absent))
            }
            Request::SyncBegin => {
                self.named = Some(Named::default());
                Ok(Reply::Ok)
            }
            Request::SyncEnd => {
                let named = self.named.take();
                self.recheck(named.as_ref()).map(|_| Reply::Ok)
            }
        }
    }

    fn view(&mut self, family: Family, ifindex: Ifindex) -> Result<View, Reply> {
        Ok(View::read(&self.policy, &mut self.netlink, family)?.of(ifindex))
    }

    /// All of ours in a table that holds nothing else.
    fn standing(&mut self, view: &View) -> Result<Vec<Route>, Reply> {
        // Of another program's, of which there may be a million, one is enough.
        let keep = |kept: &[Route], route: &Route| route.is_ours() || kept.last().is_none_or(Route::is_ours);
        let standing = self.netlink.routes(view.family, Filter::Table(view.table, None), &keep)?;
        view.nothing_foreign(&standing)?;
        Ok(standing)
    }

    /// Makes the rules of these addresses, or of the mark, what the policy says: what can be refused is,
    /// before the first is written.
    fn add_rules(&mut self, ifindex: Ifindex, rules: &Rules, through: Through) -> Answer {
        let view = self.view(rules.family(), ifindex)?;
        let link = view.link(ifindex)?;
        let mark = || self.policy.mark_of(&link.names).map(Who::Mark).ok_or(Refusal::MarkUnknown);
        let who: BTreeSet<Who> = match rules {
            Rules::Addresses(addresses) => {
                addresses.iter().try_for_each(|address| view.source(ifindex, address))?;
                addresses.iter().map(Who::Address).collect()
            }
            Rules::Mark(_) => [mark()?].into(),
        };
        let wanted =
            who.iter().flat_map(|who| view.rules_for(view.table, *who, through)).collect::<BTreeSet<_>>();
        // Also in a conflict: what is there of them stays.
        self.name(|(rules, _)| rules.extend(wanted.iter().cloned()))?;
        self.standing(&view)?;
        let ours: BTreeSet<&Rule> = view.ours.iter().collect();
        let new: Vec<&Rule> = wanted.iter().filter(|rule| !ours.contains(rule)).collect();
        let many = view.whose().union(&who).count() > self.policy.limits.addresses as usize;
        refuse_if(many && !new.is_empty(), Refusal::Limit)?;
        let shared = |who| matches!(who, Who::Address(address) if self.policy.shared.contains(&address));
        let stale = view.rules_of(&who, shared).into_iter().filter(|rule| !wanted.contains(rule));
        let changes = new.into_iter().map(Rule::addition).chain(stale.map(Rule::deletion)).collect();
        Ok(done(self.write(changes)?, Reply::Exists))
    }

    fn delete_rules(&mut self, ifindex: Ifindex, rules: &Rules) -> Answer {
        let view = self.view(rules.family(), ifindex)?;
        let who = match rules {
            Rules::Addresses(addresses) => addresses.iter().map(Who::Address).collect(),
            // Whatever the policy's mark is today.
            Rules::Mark(_) => view.whose().into_iter().filter(|who| matches!(who, Who::Mark(_))).collect(),
        };
        let found = view.rules_of(&who, |_| true).into_iter().map(Rule::deletion).collect();
        Ok(done(self.write(found)?, Reply::Absent))
    }

    /// What the default of a table may be: every route of length 0.
    fn set_default(&mut self, ifindex: Ifindex, family: Family, next_hop: NextHop) -> Answer {
        let unlike = next_hop.gateway().is_some_and(|gateway| Family::of(gateway) != family);
        refuse_if(unlike, Refusal::Family)?;
        let view = self.view(family, ifindex)?;
        view.link(ifindex)?;
        let (table, everything) = (view.table, Prefix::everything(family));
        let only = BTreeSet::from([everything]);
        let mut wanted = match next_hop {
            NextHop::Nothing => Vec::new(),
            NextHop::Gateway(_) | NextHop::PointToPoint => {
                let onlink = self.way(&view, next_hop.gateway())?;
                let hop = Hop::by(ifindex.get(), next_hop.gateway(), onlink);
                vec![Route::ours(table, everything, RTN_UNICAST, Some(hop))]
            }
            NextHop::Table(source) => {
                refuse_if([TableId(0), TableId::LOCAL, table].contains(&source), Refusal::TableForbidden)?;
                let unicast = |_: &[Route], route: &Route| route.is_unicast();
                let source = self.netlink.routes(family, Filter::Table(source, Some(&only)), &unicast)?;
                let copied = copies(table, &source, |_, hop| hop.oif() == ifindex.get());
                refuse_if(copied.is_empty(), Refusal::NoSuchRoute)?;
                refuse_if(!copied.iter().all(Route::is_unicast), Refusal::RouteNotCopyable)?;
                copied
            }
        };
        let bare = |_: &[Route], route: &Route| route.is_deviceless() && route.metric != FALLBACK_METRIC;
        let bare = self.netlink.routes(family, Filter::Table(TableId::MAIN, Some(&only)), &bare)?;
        wanted.extend(copies(table, &bare, |_, _| true));
        wanted
            .extend((self.policy.fallback == Fallback::Unreachable).then(|| Route::fallback(table, family)));
        self.put(&view, &only, |_| wanted.clone())
    }

    /// Whether a default by this gateway, or without one, needs the onlink flag; or why there is to be none.
    fn way(&mut self, view: &View, gateway: Option<IpAddr>) -> Result<bool, Reply> {
        let by = self.foreign_by(view, gateway)?;
        let Some(gateway) = gateway else { return Ok(view.no_gateway(&by).map(|()| false)?) };
        let leads = |_: &[Route], route: &Route| route.destination.contains(gateway);
        let local = self.netlink.routes(view.family, Filter::Table(TableId::LOCAL, None), &leads)?;
        Ok(view.gateway(gateway, &local, &by)?)
    }

    /// Other programs' routes by an interface: defaults, what leads to a gateway, and some that have it.
    fn foreign_by(&mut self, view: &View, gateway: Option<IpAddr>) -> Result<Vec<Route>, Reply> {
        let has = |hop: &&Hop| hop.oif() == view.ifindex && gateway.is_some() && hop.gateway() == gateway;
        let keep = |kept: &[Route], route: &Route| {
            // One that has it on trust, and one that has not, of perhaps a million.
            let mut held = kept.iter().flat_map(|route| &route.hops).filter(has);
            let first = |hop: &Hop| !held.any(|other| other.is_onlink() == hop.is_onlink());
            let leads = gateway.is_some_and(|gateway| route.destination.contains(gateway));
            let meant = leads || route.destination.is_default() || route.hops.iter().filter(has).any(first);
            route.is_unicast() && route.counts() && route.table != view.table && meant
        };
        self.netlink.routes(view.family, Filter::By(view.ifindex), &keep)
    }

    /// Copies of these prefixes without some hops, or, without exceptions, what follows the default.
    fn copy(&mut self, ifindex: Ifindex, except: Option<&Links>, prefixes: &Prefixes) -> Answer {
        let (family, prefixes) = (prefixes.family(), prefixes.iter().collect::<BTreeSet<Prefix>>());
        let never = |prefix: &Prefix| prefix.is_default() || (except.is_none() && prefix.is_of_own_link());
        refuse_if(prefixes.iter().any(never), Refusal::RouteNotCopyable)?;
        let view = self.view(family, ifindex)?;
        view.link(ifindex)?;
        let main = self.netlink.routes(family, Filter::Table(TableId::MAIN, Some(&prefixes)), COUNTS)?;
        let stays = |route: &Route, hop: &Hop| match Ifindex::try_from(hop.oif()) {
            Ok(oif) if route.destination.is_of_own_link() => oif == ifindex,
            Ok(oif) => !except.is_some_and(|links| links.contains(oif)),
            Err(_) => false,
        };
        let held: BTreeSet<Prefix> =
            main.iter().filter(|one| one.is_unicast()).map(|one| one.destination).collect();
        self.put(&view, &prefixes, |own| match except {
            Some(_) => copies(view.table, &main, stays),
            None => held.iter().map(|prefix| follow(view.table, own, *prefix)).collect(),
        })
    }

    /// Makes the routes of ours of these prefixes equal to the wanted ones, in a table that holds
    /// nothing foreign.
    fn put(&mut self, view: &View, to: &BTreeSet<Prefix>, wanted: impl Fn(&[Route]) -> Vec<Route>) -> Answer {
        self.name(|(_, routes)| routes.extend(to.iter().map(|prefix| (view.table, *prefix))))?;
        for attempt in 0..3 {
            let standing = self.standing(view)?;
            let wanted = wanted(&standing);
            let nets = standing.iter().chain(&wanted).map(|route| route.destination);
            let nets: BTreeSet<Prefix> = nets.filter(|prefix| !prefix.is_default()).collect();
            let many = nets.len() > self.policy.limits.copies as usize;
            refuse_if(many && !wanted.iter().all(|route| route.destination.is_default()), Refusal::Limit)?;
            let meant = standing.iter().filter(|route| to.contains(&route.destination));
            let (writes, shed) = changes(meant.collect(), &wanted);
            if writes.is_empty() {
                return Ok(if attempt == 0 { Reply::Exists } else { Reply::Ok });
            }
            refuse_if(attempt > 0 && shed, Refusal::TableConflict)?;
            let again = shed || writes.iter().any(|one| one.flags == 0 || one.flags & NLM_F_REPLACE != 0);
            self.write(writes)?;
            if !again {
                return Ok(Reply::Ok);
            }
            // The kernel does not say what a REPLACE or a deletion took away: what is there now counts.
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
        let change = |change: &Message| match self.netlink.change(change) {
            Ok(()) => {
                self.objects = self.objects.saturating_sub(usize::from(change.flags == 0));
                Ok(1)
            }
            // It went away by itself.
            Err(Errno::ENOENT | Errno::ESRCH | Errno::ENODEV) if change.flags & NLM_F_CREATE == 0 => Ok(0),
            Err(errno) => Err(failed(errno)),
        };
        changes.iter().map(change).collect::<Vec<_>>().into_iter().sum()
    }

    /// Deletes each object of ours that would be refused now or, at the end of a synchronisation, was not named.
    pub(crate) fn recheck(&mut self, named: Option<&Named>) -> Result<Outcome, Reply> {
        let (mut stale, mut holds, now) = (Vec::new(), 0, monotonic());
        let doubted = std::mem::take(&mut self.doubted);
        for family in [Family::V4, Family::V6] {
            let mut view = View::read(&self.policy, &mut self.netlink, family)?;
            let mut allowed = BTreeSet::new();
            for ifindex in view.links.keys().filter_map(|index| Ifindex::try_from(*index).ok()) {
                let Ok(link) = view.link(ifindex) else { continue };
                let table = TableId::for_interface(self.policy.table_base, ifindex);
                let here = view.addresses.iter().filter(|a| a.ifindex == ifindex.get()).map(|a| a.address);
                let fit = here.filter(|address| view.source(ifindex, *address).is_ok()).map(Who::Address);
                for who in fit.chain(self.policy.mark_of(&link.names).map(Who::Mark)) {
                    allowed.extend(view.rules_for(table, who, Through::MainFirst));
                }
            }
            let stays =
                |rule: &Rule| allowed.contains(rule) && named.is_none_or(|(all, _)| all.contains(rule));
            stale.extend(view.ours.iter().filter(|rule| !stays(rule)).map(Rule::deletion));
            let own = self.netlink.routes(family, Filter::Ours, EVERY)?;
            holds += view.ours.len() + own.len();
            let prefixes = own.iter().map(|route| route.destination).collect();
            let mut main = BTreeMap::<Prefix, Vec<Route>>::new();
            for route in self.netlink.routes(family, Filter::Table(TableId::MAIN, Some(&prefixes)), COUNTS)? {
                main.entry(route.destination).or_default().push(route);
            }
            let defaults: Vec<Route> = own.iter().filter(|route| route.is_default()).cloned().collect();
            let mut refused = Vec::new();
            for route in own.iter().flat_map(Route::parts) {
                let is_named = named.is_none_or(|(_, all)| all.contains(&(route.table, route.destination)));
                let ifindex = route.table.interface(self.policy.table_base);
                if let Some(ifindex) = ifindex.filter(|ifindex| is_named && view.link(*ifindex).is_ok()) {
                    view = view.of(ifindex);
                    let main = main.get(&route.destination).map(Vec::as_slice).unwrap_or_default();
                    if self.holds(&view, &route, &defaults, main)? {
                        continue;
                    }
                }
                let since = doubted.get(&route).copied().unwrap_or(now);
                if is_named && route.is_default() && now.saturating_sub(since) < GRACE {
                    self.doubted.insert(route, since);
                } else {
                    refused.push(route);
                }
            }
            stale.extend(teardown(refused));
        }
        self.objects = holds;
        let again = self.doubted.values().min().map(|since| *since + GRACE);
        Ok((self.write(stale)?, again.or((holds > 0).then_some(now + INTERVAL))))
    }

    /// The route is the fallback, what main has for its prefix, or a default each of whose ways is one of
    /// another program's defaults or might be named now.
    fn holds(&mut self, view: &View, route: &Route, own: &[Route], main: &[Route]) -> Result<bool, Reply> {
        if !route.is_default() {
            let ends = self.policy.fallback == Fallback::Unreachable;
            let is_fallback = ends && *route == Route::fallback(view.table, view.family);
            return Ok(is_fallback || is_granted(route, view.ifindex, own, main));
        }
        let by = self.foreign_by(view, None)?;
        let known = |hop: &Hop| by.iter().flat_map(|other| &other.hops).any(|other| other.is_way(hop));
        for hop in route.hops.iter().filter(|hop| !known(hop)) {
            match self.way(view, hop.gateway()) {
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
