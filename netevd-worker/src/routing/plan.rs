//! `desired`: the rules and routes that should stand in the kernel. Pure.

use super::copies::{ByPrefix, Copied, Copies, by_prefix, copies, split};
use super::gateway::{ChosenDefault, DefaultChoice, Origin, choose_default};
use super::listed::{self, is_listed};
use super::notes;
use super::rp_filter;
use super::rules::{OwnRule, Shape, Subject};
use super::snapshot::Snapshot;
use super::world::World;
use crate::config::{Planning, SpecificRoutes};
use crate::kernel::{Spec, UnusedRoutes, link_flag};
use crate::model::UNREACHABLE;
use crate::state::LinkState;
use protocol::kernel::FALLBACK_METRIC;
use protocol::{Fallback, Family, Ifindex, NextHop, Policy, Prefix, TableId, Through};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// One family in one interface's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableKey {
    /// The interface.
    pub ifindex: Ifindex,
    /// The family.
    pub family: Family,
}

/// What should stand for one [`TableKey`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedTable {
    /// The interface's name, for logs.
    pub name: String,
    /// An unreachable default of the worst metric.
    pub fallback: bool,
    /// The default through the interface, as it is asked for.
    pub next_hop: NextHop,
    /// Where that comes from; none without one.
    pub origin: Option<Origin>,
    /// All routes of length 0.
    pub defaults: Vec<Spec>,
    /// Copies of main's routes.
    pub copies: BTreeMap<Prefix, Copied>,
    /// Prefixes that go where the default goes.
    pub follows: BTreeSet<Prefix>,
    /// Addresses with rules.
    pub addresses: BTreeSet<IpAddr>,
    /// What is looked up before the table.
    pub through: Through,
    /// Rules, by whose traffic they are about.
    pub rules: BTreeMap<Subject, BTreeSet<OwnRule>>,
}

/// The whole desired set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// By interface and family.
    pub tables: BTreeMap<TableKey, PlannedTable>,
    /// Tables to leave as they are for a moment; see [`crate::routing::Recent`].
    pub in_grace: BTreeSet<TableKey>,
    /// Tables that another program uses as well, and what it has there: nothing is added or replaced.
    pub conflicts: BTreeMap<TableKey, String>,
    /// Links with a default now.
    pub uplinks: BTreeSet<TableKey>,
    /// Routes of main that matter to none of the tables.
    pub unused_routes: UnusedRoutes,
    /// Tables with routes of other programs that decide for nearly everything (a default or its halves), each
    /// with the length of the longest of these.
    pub leading: BTreeMap<(Family, TableId), u8>,
    /// What the administrator should know: cut off by a limit, or a gateway of no use.
    pub notes: Vec<Note>,
}

/// One thing that the administrator should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note {
    /// Of this link.
    pub link: Option<Ifindex>,
    /// With what to do about it.
    pub text: String,
}

/// What was a moment ago and still counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanHistory {
    /// Links that had a default.
    pub uplinks: BTreeSet<TableKey>,
    /// Tables that main decides before, because it has too many routes.
    pub main_first: BTreeSet<TableKey>,
}

impl Default for PlannedTable {
    fn default() -> Self {
        Self {
            name: String::new(),
            fallback: false,
            next_hop: NextHop::Nothing,
            origin: None,
            defaults: Vec::new(),
            copies: BTreeMap::new(),
            follows: BTreeSet::new(),
            addresses: BTreeSet::new(),
            through: Through::Table,
            rules: BTreeMap::new(),
        }
    }
}

impl PlannedTable {
    /// The gateway of the first default, if it has one.
    pub fn gateway(&self) -> Option<IpAddr> {
        let unicast = self.defaults.iter().filter(|route| route.is_unicast());
        let first = unicast.min_by_key(|route| route.metric)?;
        first.hops.first().and_then(|hop| hop.gateway)
    }

    /// A default through the interface.
    pub fn has_default(&self) -> bool {
        self.next_hop != NextHop::Nothing
    }
}

impl Plan {
    /// What is kept between passes: without copies and rules, of which there may be thousands.
    #[must_use]
    pub fn without_copies(mut self) -> Self {
        for table in self.tables.values_mut() {
            table.copies = BTreeMap::new();
            table.follows = BTreeSet::new();
            table.rules = BTreeMap::new();
        }
        self
    }
}

/// What should stand in the kernel. With `fallback: main` a family of an interface is planned
/// only when it is whole (link up, gateway known); with `unreachable` its rules stay for as long
/// as the address does.
pub fn desired(snapshot: &Snapshot, policy: &Policy, planning: &Planning, history: &PlanHistory) -> Plan {
    let world = World::new(snapshot, policy, planning);
    let mut plan = Plan {
        notes: listed::misplaced(&snapshot.links, policy)
            .into_iter()
            .chain(listed::without_effect(&snapshot.links, policy))
            .collect(),
        leading: leading(snapshot),
        ..Plan::default()
    };
    let families = [Family::V4, Family::V6];
    let keys = || world.managed().flat_map(|link| families.map(|family| (link, family)));
    let choices: BTreeMap<TableKey, DefaultChoice> = keys()
        .map(|(link, family)| {
            (TableKey { ifindex: link.ifindex, family }, choose_default(&world, link, family))
        })
        .collect();
    for family in families {
        let uplinks = world.uplinks(family, &choices, &BTreeSet::new());
        plan.uplinks.extend(uplinks.iter().map(|ifindex| TableKey { ifindex: *ifindex, family }));
        let uplinks = world.uplinks(family, &choices, &history.uplinks);
        let main = by_prefix(&world, family);
        let neighbours = rp_filter::filtered(&world, &uplinks);
        let shape = |key: TableKey, through| Shape {
            table: TableId::for_interface(policy.table_base, key.ifindex),
            local_is_behind: world.local_is_behind(family),
            through,
        };
        for link in world.managed() {
            let key = TableKey { ifindex: link.ifindex, family };
            if let Some(conflict) = notes::conflict(snapshot, key, policy) {
                plan.conflicts.insert(key, conflict);
            }
            let Some(choice) = choices.get(&key) else { continue };
            let addresses = addresses(&world, link, family, &mut plan.notes);
            let Some(mut table) = table(&world, link, family, choice, addresses, &mut plan.notes) else {
                continue;
            };
            let copies = copies(&world, &main, link, &uplinks);
            let is_first = history.main_first.contains(&key);
            fill(&mut table, copies, &world, link, key, &main, &uplinks, is_first, &mut plan.notes);
            if family == Family::V4 {
                plan.notes.extend(rp_filter::notes(&world, link, &table, &neighbours));
            }
            let shape = shape(key, table.through);
            let names = listed::names_of(link);
            let mark = policy.mark_of(&names).map(|mark| Subject::from((family, mark)));
            let subjects = table.addresses.iter().copied().map(Subject::Address).chain(mark);
            table.rules = subjects.map(|subject| (subject, subject.rules(shape, policy))).collect();
            plan.tables.insert(key, table);
        }
        plan.unused_routes = unused_routes(&world, plan.unused_routes, &plan.tables, family, &uplinks);
    }
    plan
}

/// Adds what leaves through links that are uplinks to each table, and no net of another link's that a table copies
/// is around it. A point-to-point link's routes are copied even so.
fn unused_routes(
    world: &World<'_>,
    before: UnusedRoutes,
    tables: &BTreeMap<TableKey, PlannedTable>,
    family: Family,
    uplinks: &BTreeSet<Ifindex>,
) -> UnusedRoutes {
    let managed: BTreeSet<Ifindex> = world.managed().map(|link| link.ifindex).collect();
    let is_other = |link: &Ifindex| !managed.contains(link) && !world.is_point_to_point(*link);
    let links = uplinks.iter().copied().filter(is_other).collect();
    let tables = tables.iter().filter(|(key, _)| key.family == family);
    let nets = tables.flat_map(|(key, table)| {
        let is_around = |copied: &Copied| !copied.leaves_through(key.ifindex);
        table.copies.iter().filter(move |(_, copied)| is_around(copied)).map(|(prefix, _)| *prefix)
    });
    // What is no longer than this is read in any case; a host's prefix has nothing inside of it.
    let has_inside = |net: &Prefix| !(net.is_ipv4() && net.length() == 32 || net.length() == 128);
    before.with(family, &links, &nets.filter(has_inside).collect())
}

/// Listed by the policy, not loopback, not enslaved.
pub fn is_managed(link: &LinkState, policy: &Policy) -> bool {
    is_listed(link, policy) && link.flags & link_flag::LOOPBACK == 0 && link.controller == 0
}

/// Not of a range that no router takes as a source (0/8, 240/4, IPv4-mapped).
fn is_source(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => !matches!(ip.octets()[0], 0 | 240..),
        IpAddr::V6(ip) => ip.to_ipv4_mapped().is_none(),
    }
}

/// Usable addresses that no other link has or may have, as far as the limit lets them in. Of a link that is down none
/// that is shared with one that is up: with the fallback it would be unreachable.
fn addresses(world: &World<'_>, link: &LinkState, family: Family, notes: &mut Vec<Note>) -> BTreeSet<IpAddr> {
    let usable = link.addresses.iter().map(|known| &known.address).filter(|address| address.is_usable());
    let usable = usable.map(|address| address.ip).filter(|ip| Family::of(*ip) == family && is_source(*ip));
    let mut addresses = BTreeSet::new();
    for address in usable {
        let is_shared = world.policy.shared.contains(&address);
        let stands_aside =
            |other: &Ifindex| !is_shared || !link.is_up() && world.link(*other).is_some_and(LinkState::is_up);
        match world.others_with(address, link).find(stands_aside) {
            None => drop(addresses.insert(address)),
            Some(_) if is_shared => {}
            Some(other) => notes.push(notes::shared(world, link, address, other)),
        }
    }
    let limit = usize::try_from(world.policy.limits.addresses).unwrap_or(usize::MAX);
    if addresses.len() > limit {
        notes.push(Note {
            link: Some(link.ifindex),
            text: format!(
                "{} {family}: {} addresses, of which routing.limits.addresses lets {limit} in; the others get no rule: \
                 raise it",
                link.name,
                addresses.len()
            ),
        });
        if let Some(first_out) = addresses.iter().nth(limit).copied() {
            addresses.split_off(&first_out);
        }
    }
    addresses
}

/// A table without copies; `None` where nothing is to stand.
fn table(
    world: &World<'_>,
    link: &LinkState,
    family: Family,
    choice: &DefaultChoice,
    addresses: BTreeSet<IpAddr>,
    notes: &mut Vec<Note>,
) -> Option<PlannedTable> {
    let policy = world.policy;
    let note = |text: &String| Note { link: Some(link.ifindex), text: text.clone() };
    if addresses.is_empty() {
        return None;
    }
    let keeps_rules = policy.fallback == Fallback::Unreachable;
    let chosen = match choice {
        DefaultChoice::Blocked(text) => {
            notes.push(note(text));
            return None;
        }
        DefaultChoice::None(fault) => {
            let missing = fault.as_ref().map(note);
            notes.extend(missing.or_else(|| listed::without_gateway(link, family, policy)));
            if !keeps_rules {
                return None;
            }
            None
        }
        DefaultChoice::Chosen(chosen) => {
            notes.extend(chosen.passed_over.as_ref().map(note));
            Some(chosen)
        }
    };
    let deviceless = world.main(family).map(|route| &route.spec).filter(|spec| {
        spec.destination.is_default() && spec.leads_nowhere() && spec.metric != FALLBACK_METRIC
    });
    // main keeps apart what differs in the preferred source, which a copy does not have.
    let mut defaults: Vec<Spec> = Vec::new();
    for spec in chosen.iter().flat_map(|chosen| &chosen.defaults).chain(deviceless) {
        if !defaults.contains(spec) {
            defaults.push(spec.clone());
        }
    }
    defaults = split(defaults);
    if keeps_rules {
        defaults.push(Spec::plain(Prefix::everything(family), UNREACHABLE, FALLBACK_METRIC));
    }
    Some(PlannedTable {
        name: link.name.to_string(),
        fallback: keeps_rules,
        next_hop: chosen.map_or(NextHop::Nothing, |chosen: &ChosenDefault| chosen.next_hop),
        origin: chosen.map(|chosen| chosen.origin),
        defaults,
        addresses,
        ..PlannedTable::default()
    })
}

/// Puts the copies in, or has main asked first where they are too many.
#[expect(clippy::too_many_arguments, reason = "one call; each is another thing")]
fn fill(
    table: &mut PlannedTable,
    copies: Copies,
    world: &World<'_>,
    link: &LinkState,
    key: TableKey,
    main: &ByPrefix<'_>,
    uplinks: &BTreeSet<Ifindex>,
    is_main_first: bool,
    notes: &mut Vec<Note>,
) {
    let limit = usize::try_from(world.policy.limits.copies).unwrap_or(usize::MAX);
    let is_copied = |oif: Ifindex| oif == key.ifindex || !uplinks.contains(&oif);
    let more = world.snapshot.foreign.more.iter();
    let more: usize =
        more.filter(|((oif, f), _)| *f == key.family && is_copied(*oif)).map(|(_, count)| count).sum();
    let count = copies.copied.len() + copies.follows.len() + more;
    // Not to and fro: the way back is at three quarters.
    let most = if is_main_first { limit / 4 * 3 } else { limit };
    let by_choice = world.planning.specific_routes == SpecificRoutes::Main;
    notes.extend(notes::of_copies(&copies, link, key.family));
    if by_choice || count > most {
        table.through = Through::MainFirst;
        table.copies = copies.copied.into_iter().filter(|(prefix, _)| prefix.is_default_like()).collect();
        if !by_choice {
            notes.push(notes::too_many(link, key.family, count, limit));
        }
        return;
    }
    notes.extend(notes::covered(world, link, key.family, &copies, main));
    (table.copies, table.follows) = (copies.copied, copies.follows);
}

/// Tables of others that decide for nearly everything, and the longest of the prefixes that do.
fn leading(snapshot: &Snapshot) -> BTreeMap<(Family, TableId), u8> {
    let mut tables = BTreeMap::new();
    let foreign = &snapshot.foreign;
    for route in foreign.main.iter().chain(&foreign.wide) {
        let spec = &route.spec;
        let decides = spec.is_unicast() || spec.leads_nowhere() && spec.kind != crate::model::THROW;
        let is_all = spec.tos == 0 && spec.source.is_none();
        let is_wide = spec.destination.is_default() || spec.destination.is_default_like();
        if decides && is_all && is_wide {
            let longest = tables.entry((route.family(), route.table)).or_default();
            *longest = spec.destination.length().max(*longest);
        }
    }
    tables
}
