//! Whether the helper may do what it does: at each write, after each frame, and after each check that it makes
//! by itself. What is right is `law`'s to say.

use super::law::{Law, is_unfit, plain, table_of};
use super::world::{LOCAL, MAIN, Route, Rule, World};
use crate::sys::CLOCK;
use protocol::{
    Ifindex, Policy, Prefix, Prefixes, Refusal, Reply, Request, Rules, Through, decode_reply, encode_reply,
};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// A default whose gateway vanished stays for so long, and no longer.
const GRACE: Duration = Duration::from_secs(2);

/// What the helper is at.
#[derive(Clone, Debug, Default, PartialEq)]
enum At {
    #[default]
    Nothing,
    Request(Request),
    /// What it does between requests.
    Check,
}

/// What is known of the frame or check under way.
#[derive(Default)]
pub(crate) struct Judge {
    pub(crate) policy: Policy,
    /// There is a session.
    pub(crate) watches: bool,
    at: At,
    /// Nothing has changed but by the helper, and nothing went wrong, since it began.
    is_calm: bool,
    before: World,
    added: usize,
    deleted: usize,
    exchanges: usize,
    reply: Option<Reply>,
    /// What was asked for since SyncBegin.
    wanted: Option<Vec<Request>>,
    /// Defaults that stand on sufferance, and since when.
    doubted: Vec<(Route, Duration)>,
    /// So many checks one after the other had nothing to do.
    pub(crate) quiet: u32,
    pub(crate) checks_at_the_end: u32,
}

fn index_of(request: &Request) -> Option<u32> {
    match request {
        Request::AddRules { ifindex, .. }
        | Request::DelRules { ifindex, .. }
        | Request::SetDefault { ifindex, .. }
        | Request::Copy { ifindex, .. }
        | Request::Follow { ifindex, .. }
        | Request::DelRoutes { ifindex, .. } => Some(ifindex.get()),
        _ => None,
    }
}

fn prefixes_of(request: &Request) -> BTreeSet<Prefix> {
    match request {
        Request::Copy { prefixes, .. }
        | Request::Follow { prefixes, .. }
        | Request::DelRoutes { prefixes, .. } => prefixes.iter().collect(),
        Request::SetDefault { family, .. } => [Prefix::everything(*family)].into(),
        _ => BTreeSet::new(),
    }
}

/// Whose rules: addresses, or `None` for the mark.
fn who_of(rules: &Rules) -> Vec<Option<IpAddr>> {
    match rules {
        Rules::Addresses(all) => all.iter().map(Some).collect(),
        Rules::Mark(_) => vec![None],
    }
}

/// Whose rule it is.
fn who(rule: &Rule) -> Option<IpAddr> {
    rule.from.or(rule.to).map(|prefix| prefix.address())
}

impl Judge {
    /// A frame comes; `request` is what it says, if it says anything.
    pub(crate) fn begin(&mut self, world: &World, request: Option<Request>) {
        self.start(world, request.clone().map_or(At::Nothing, At::Request));
        match request {
            Some(Request::SyncBegin) => self.wanted = Some(Vec::new()),
            Some(request) => self.wanted.iter_mut().for_each(|wanted| wanted.push(request.clone())),
            None => {}
        }
    }

    pub(crate) fn check_begins(&mut self, world: &World) {
        self.start(world, At::Check);
    }

    fn start(&mut self, world: &World, at: At) {
        self.at = at;
        self.before = world.clone();
        self.is_calm = true;
        (self.added, self.deleted, self.exchanges, self.reply) = (0, 0, 0, None);
    }

    /// Somebody else changed something, or something failed.
    pub(crate) fn disturbed(&mut self) {
        self.is_calm = false;
    }

    pub(crate) fn answered(&mut self, frame: &[u8]) {
        let reply = decode_reply(frame).expect("a reply");
        assert_eq!(encode_reply(&reply), frame);
        assert!(self.reply.replace(reply).is_none(), "two replies to one request");
    }

    pub(crate) fn exchanged(&mut self, world: &World) {
        self.exchanges += 1;
        assert!(!self.watches || self.at != At::Nothing, "something is asked of the kernel for no reason");
        let most = 100 + 10 * (world.rules.len() + world.routes.len());
        assert!(self.exchanges < most, "it does not end");
    }

    fn request(&self) -> &Request {
        match &self.at {
            At::Request(request) => request,
            other => panic!("{other:?} adds something"),
        }
    }

    fn has_room(&self, world: &World) {
        let rules = world.rules.iter().filter(|rule| rule.is_ours()).count();
        let routes = world.dumped().iter().filter(|route| route.is_ours()).count();
        let limit = usize::try_from(self.policy.limits.objects).expect("32 bits");
        assert!(rules + routes < limit, "more than {limit} objects");
    }

    pub(crate) fn adds_rule(&mut self, world: &World, rule: &Rule) {
        let Request::AddRules { ifindex, rules, through } = self.request() else {
            panic!("{:?} adds {rule:?}", self.at)
        };
        let index = ifindex.get();
        assert!(rule.is_ours() && rule.family == rules.family(), "{rule:?}");
        let table = rule.table.expect("it looks a table up");
        assert!([LOCAL, MAIN, table_of(self.policy.table_base, index)].contains(&table), "{rule:?}");
        if self.is_calm {
            let law = Law::new(&self.policy, world);
            // Refused whole or not at all: each has to be right, also those that are not added yet.
            assert_eq!(law.add_rules(index, rules), BTreeSet::new(), "and yet {rule:?} is added");
            let asked = who_of(rules).into_iter();
            let mut asked = asked.flat_map(|who| law.rules(index, rule.family, who, *through));
            assert!(asked.any(|one| one == *rule), "{rule:?} for {rules:?}");
            assert!(law.allows_rule(rule), "{rule:?}");
            self.has_room(world);
        }
        self.added += 1;
    }

    pub(crate) fn puts_route(&mut self, world: &World, route: &Route, old: Option<&Route>) {
        let request = self.request();
        let index = index_of(request).expect("a request about an interface");
        assert!(route.is_ours(), "{route:?}");
        assert!(!self.is_calm || old.is_none_or(Route::is_ours), "{old:?} is replaced by {route:?}");
        assert_eq!(route.table, table_of(self.policy.table_base, index), "the table of another interface");
        assert!(prefixes_of(request).contains(&route.to), "{request:?} puts {route:?}");
        assert!(!matches!(request, Request::DelRoutes { .. }));
        if self.is_calm {
            let law = Law::new(&self.policy, world);
            assert!(law.link(index).is_ok(), "{:?} is not listed", world.link(index));
            assert_eq!(law.conflicts(route.table, route.family()), [], "beside others");
            assert!(law.allows_route(route), "{route:?} for {request:?}");
            if old.is_none() && !route.is_joined() {
                self.has_room(world);
            }
        }
        self.added += 1;
    }

    pub(crate) fn deletes_rule(&mut self, rule: &Rule) {
        assert!(rule.is_ours(), "{rule:?} is deleted");
        self.deleted += 1;
        match &self.at {
            At::Request(Request::AddRules { rules, .. } | Request::DelRules { rules, .. }) => {
                assert_eq!(rule.family, rules.family());
                let meant = match rules {
                    Rules::Addresses(all) => all.iter().any(|address| who(rule) == Some(address)),
                    Rules::Mark(_) => rule.mark.is_some(),
                };
                assert!(meant, "{rule:?} for {rules:?}");
            }
            At::Request(Request::SyncEnd) => {}
            At::Check => {
                let law = Law::new(&self.policy, &self.before);
                // The kernel takes the first that has what is named: another of ours may have asked less.
                let vague = self.before.rules.iter().any(|r| {
                    let place = |r: &Rule| (r.family, r.priority, r.table, r.protocol);
                    let asks_less = r.from.is_none() || r.from == rule.from;
                    place(r) == place(rule) && r != rule && asks_less && !law.allows_rule(r)
                });
                assert!(!self.is_calm || vague || !law.allows_rule(rule), "{rule:?} may stand");
            }
            other => panic!("{other:?} deletes {rule:?}"),
        }
    }

    pub(crate) fn deletes_route(&mut self, route: &Route) {
        assert!(!self.is_calm || route.is_ours(), "{route:?} is deleted");
        self.deleted += 1;
        match &self.at {
            At::Request(Request::SyncEnd) => {}
            At::Request(request) => {
                let index = index_of(request).expect("a request about an interface");
                assert_eq!(route.table, table_of(self.policy.table_base, index));
                assert!(prefixes_of(request).contains(&route.to), "{request:?} deletes {route:?}");
            }
            At::Check => {
                let law = Law::new(&self.policy, &self.before);
                let is_it = |own: &&Route| own.key() == route.key() && plain(own).hops == plain(route).hops;
                let own = law.own();
                // Of several that differ in their attributes alone the kernel takes the first.
                let allowed = own.iter().filter(is_it).all(|own| law.allows_route(own));
                let known = own.iter().any(|own| is_it(&own));
                // And for an IPv4 route of several hops one that stands before it and has but the first of them.
                let ways = |r: &Route| r.hops.iter().map(|hop| (hop.oif, hop.gateway)).collect::<Vec<_>>();
                let vague = own.iter().any(|r| {
                    let begun = r.to.is_ipv4() && r.key() == route.key() && r.hops.len() > route.hops.len();
                    begun && ways(r).starts_with(&ways(route)) && !law.allows_route(r)
                });
                assert!(!self.is_calm || !known || vague || !allowed, "{route:?} may stand");
            }
            At::Nothing => panic!("{route:?} is deleted for no reason"),
        }
    }

    /// What was under way is over.
    pub(crate) fn over(&mut self, world: &World) {
        match std::mem::take(&mut self.at) {
            At::Nothing => {}
            At::Check => self.checked(world),
            At::Request(request) => self.done(world, &request),
        }
    }

    fn nothing_foreign_changed(&self, world: &World) {
        if self.is_calm {
            assert_eq!(foreign(world), foreign(&self.before), "what is not netevd's has changed");
        }
    }

    fn checked(&mut self, world: &World) {
        self.nothing_foreign_changed(world);
        assert_eq!(self.added, 0, "a check adds nothing");
        if !self.is_calm {
            self.doubted.clear();
            self.quiet = 0;
            return;
        }
        self.quiet = if self.deleted == 0 { self.quiet + 1 } else { 0 };
        let law = Law::new(&self.policy, world);
        for rule in world.rules.iter().filter(|rule| rule.is_ours()) {
            // In whose place another one has gone (see `deletes_rule`), the next check finds.
            assert!(self.deleted > 0 || law.allows_rule(rule), "{rule:?} would be refused now");
        }
        let now = CLOCK.get();
        let mut doubted = Vec::new();
        for route in law.own() {
            // What follows a default that has just gone is the next check's.
            if law.allows_route(&route) || (self.deleted > 0 && route.to.length() > 0) {
                continue;
            }
            assert_eq!(route.to.length(), 0, "{route:?} would be refused now");
            let before = self.doubted.iter().find(|(other, _)| *other == route);
            let since = before.map_or(now, |(_, since)| *since);
            // The helper's clock runs on while it works.
            assert!(now - since < GRACE + Duration::from_millis(100), "{route:?} would be refused for long");
            doubted.push((route, since));
        }
        self.doubted = doubted;
    }

    fn done(&mut self, world: &World, request: &Request) {
        self.nothing_foreign_changed(world);
        let reply = self.reply.expect("an answer");
        if let Reply::Refused(refusal) = reply {
            assert!(!self.is_calm || self.added == 0, "{request:?} is refused, and yet it was done");
            self.is_justified(request, refusal);
        }
        let done = matches!(reply, Reply::Ok | Reply::Exists | Reply::Absent);
        if let Request::SyncEnd = request {
            let wanted = self.wanted.take().unwrap_or_default();
            if done && self.is_calm {
                self.only_wanted(world, &wanted);
            }
        }
        if !done || !self.is_calm {
            return;
        }
        let changes = self.added + self.deleted;
        match reply {
            Reply::Ok if index_of(request).is_some() => assert!(changes > 0, "{request:?} did nothing"),
            Reply::Exists | Reply::Absent => assert_eq!(changes, 0, "{request:?} did something"),
            _ => {}
        }
        let law = Law::new(&self.policy, world);
        let table = index_of(request).map_or(0, |index| table_of(self.policy.table_base, index));
        let equal = |to: Prefix, wanted: &[Route]| {
            law.equals(table, to, wanted).unwrap_or_else(|error| panic!("{request:?}: {error}"));
        };
        match request {
            Request::AddRules { ifindex, rules, through } => {
                self.has_rules(&law, ifindex.get(), rules, *through);
            }
            Request::DelRules { rules, .. } => {
                let all = who_of(rules);
                let gone = |rule: &&Rule| {
                    let meant = if rule.mark.is_some() {
                        all.contains(&None)
                    } else {
                        who(rule).is_some() && all.contains(&who(rule))
                    };
                    rule.is_ours() && rule.family == rules.family() && rule.table == Some(table) && meant
                };
                assert_eq!(world.rules.iter().find(gone), None, "{request:?}");
            }
            Request::SetDefault { ifindex, family, next_hop } => {
                let wanted = law.default(ifindex.get(), *family, *next_hop);
                let wanted = wanted.unwrap_or_else(|reasons| panic!("{request:?} was done: {reasons:?}"));
                equal(Prefix::everything(*family), &wanted);
            }
            Request::Copy { ifindex, except, prefixes } => {
                let except: Vec<u32> = except.iter().map(Ifindex::get).collect();
                prefixes.iter().for_each(|to| equal(to, &law.copy(ifindex.get(), &except, to)));
            }
            Request::Follow { ifindex, prefixes } => {
                prefixes.iter().for_each(|to| equal(to, &law.follow(ifindex.get(), to)));
            }
            Request::DelRoutes { prefixes, .. } => {
                let meant: BTreeSet<Prefix> = prefixes.iter().collect();
                let is_it = |r: &&Route| r.is_ours() && r.table == table && meant.contains(&r.to);
                assert_eq!(world.routes.iter().find(is_it), None, "{request:?}");
            }
            _ => {}
        }
    }

    fn has_rules(&self, law: &Law<'_>, index: u32, rules: &Rules, through: Through) {
        for one in who_of(rules) {
            let wanted = law.rules(index, rules.family(), one, through);
            for rule in &wanted {
                assert!(law.world.rules.contains(rule), "{rule:?} is missing");
            }
            let table = Some(law.table(index));
            let shared = one.is_some_and(|address| self.policy.shared.contains(&address));
            let other = law.world.rules.iter().find(|rule| {
                let same = rule.is_ours() && rule.family == rules.family();
                let its = if one.is_some() {
                    who(rule) == one
                } else {
                    rule.mark.is_some() && rule.mark == wanted[0].mark
                };
                let common = [Some(MAIN), Some(LOCAL)].contains(&rule.table);
                // Another interface's, which has a right to it.
                let theirs = shared && (common || rule.table != table);
                same && its && !theirs && !wanted.contains(rule)
            });
            assert_eq!(other, None, "beside those of {one:?}");
        }
    }

    /// A refusal has a reason.
    fn is_justified(&self, request: &Request, refusal: Refusal) {
        if !self.is_calm {
            return;
        }
        let law = Law::new(&self.policy, &self.before);
        let index = index_of(request).unwrap_or(0);
        let table = table_of(self.policy.table_base, index);
        let of_routes = |prefixes: &Prefixes, follows| {
            let mut reasons: BTreeSet<Refusal> = law.link(index).err().into_iter().collect();
            reasons.extend(law.conflicts(table, prefixes.family()));
            let unfit = prefixes.iter().any(|to| is_unfit(to, follows));
            reasons.extend(unfit.then_some(Refusal::RouteNotCopyable));
            reasons
        };
        let mut reasons = match request {
            Request::Hello { .. } => [Refusal::Version].into(),
            Request::AddRules { rules, .. } => law.add_rules(index, rules),
            Request::SetDefault { family, next_hop, .. } => {
                law.default(index, *family, *next_hop).err().unwrap_or_default()
            }
            Request::Copy { prefixes, .. } => of_routes(prefixes, false),
            Request::Follow { prefixes, .. } => of_routes(prefixes, true),
            _ => BTreeSet::new(),
        };
        // Where the limits stand is said by `has_room`.
        reasons.insert(Refusal::Limit);
        // A sibling that the kernel has joined with ours is seen by a write alone.
        let joined = self.before.routes.iter().any(|r| !r.is_ours() && r.table == table && r.is_joined());
        reasons.extend(joined.then_some(Refusal::TableConflict));
        assert!(reasons.contains(&refusal), "{request:?} is refused: {refusal:?}, for {reasons:?}");
    }

    fn only_wanted(&self, world: &World, wanted: &[Request]) {
        let base = self.policy.table_base;
        for rule in world.rules.iter().filter(|rule| rule.is_ours()) {
            let is_it = |request: &Request| match request {
                Request::AddRules { rules, .. } => {
                    rules.family() == rule.family
                        && who_of(rules)
                            .iter()
                            .any(|one| if one.is_some() { who(rule) == *one } else { rule.mark.is_some() })
                }
                _ => false,
            };
            assert!(wanted.iter().any(is_it), "{rule:?} was not named");
        }
        for route in Law::new(&self.policy, world).own() {
            let is_it = |request: &Request| {
                let table = index_of(request).map(|index| table_of(base, index));
                table == Some(route.table) && prefixes_of(request).contains(&route.to)
            };
            assert!(wanted.iter().any(is_it), "{route:?} was not named");
        }
    }

    /// A quiet moment: nothing stands that would be refused now.
    pub(crate) fn rests(&self, world: &World) {
        let law = Law::new(&self.policy, world);
        for rule in world.rules.iter().filter(|rule| rule.is_ours()) {
            assert!(law.allows_rule(rule), "{rule:?} would be refused now");
        }
        for route in law.own() {
            assert!(law.allows_route(&route), "{route:?} would be refused now");
        }
    }

    /// The session is over: by its end, or by a violation, which changes nothing.
    pub(crate) fn finish(&mut self, world: &World, served: bool) {
        if served {
            // An end at the reply is no violation.
            if self.reply.is_some() {
                self.over(world);
            }
            return;
        }
        assert!(self.reply.is_none() && self.exchanges == 0, "a violation was answered");
        assert_eq!(*world, self.before);
    }
}

fn foreign(world: &World) -> (Vec<&Rule>, Vec<&Route>) {
    let rules = world.rules.iter().filter(|rule| !rule.is_ours());
    (rules.collect(), world.routes.iter().filter(|route| !route.is_ours()).collect())
}
