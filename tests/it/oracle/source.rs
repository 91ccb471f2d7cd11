//! Where the default of a link's table comes from, and which links are uplinks.

use super::kernel::World;
use super::link::Link;
use super::policy::Policy;
use super::prefix::Prefix;
use super::route::{Hop, Route, UNICAST, Via};
use super::rule::TABLE_MAIN;
use std::net::IpAddr;

/// The defaults of a table, before their metrics are made distinct.
pub(super) enum Source {
    Defaults(Vec<Route>),
    Nothing,
    /// main has one that cannot be copied: nothing is installed.
    Blocked,
}

impl Source {
    pub(super) fn find(world: &World, policy: &Policy, link: &Link, is_v4: bool) -> Source {
        if !link.is_up() {
            return Source::Nothing;
        }
        if let Some((gateway, onlink)) = configured(world, policy, link, is_v4) {
            return Source::Defaults(vec![by_gateway(link, is_v4, gateway, onlink)]);
        }
        for table in std::iter::once(TABLE_MAIN).chain(led_tables(world, policy, link, is_v4)) {
            let found: Vec<&Route> = defaults(world, table, link.index, is_v4).collect();
            if found.iter().any(|route| route.is_beyond_copy()) || beyond(world, table, link.index, is_v4) {
                return Source::Blocked;
            }
            if !found.is_empty() {
                let of_link =
                    |route: &Route| route.living().filter(|hop| hop.link == link.index).cloned().collect();
                let mut copies: Vec<Route> = Vec::new();
                for copy in found.into_iter().map(|route| route.copy(of_link(route))) {
                    // Of two that differ by a leg elsewhere the same is left.
                    if !copies.contains(&copy) {
                        copies.push(copy);
                    }
                }
                return Source::Defaults(copies);
            }
        }
        if let Some((gateway, onlink)) = only_next_hop(world, link, is_v4) {
            return Source::Defaults(vec![by_gateway(link, is_v4, gateway, onlink)]);
        }
        let half =
            || world.main(is_v4).any(|route| route.prefix.is_default_like() && route.leaves(link.index));
        if link.is_point_to_point() && (policy.lists_literally(link) || half()) {
            let hop = Hop::plain(link.index, Via::Nothing, false);
            return Source::Defaults(vec![Route::made(UNICAST, Prefix::default(is_v4), 0, vec![hop])]);
        }
        Source::Nothing
    }

    pub(super) fn is_some(&self) -> bool {
        matches!(self, Source::Defaults(_))
    }
}

/// Another uplink than L, in the eyes of L: through this link leaves a default, or could.
pub(super) fn is_uplink(world: &World, policy: &Policy, link: &Link, is_v4: bool) -> bool {
    let has = |table: u32| defaults(world, table, link.index, is_v4).next().is_some();
    let listed = || policy.lists(link) && Source::find(world, policy, link, is_v4).is_some();
    has(TABLE_MAIN) || led_tables(world, policy, link, is_v4).into_iter().any(has) || listed()
}

fn by_gateway(link: &Link, is_v4: bool, gateway: IpAddr, onlink: bool) -> Route {
    let hop = Hop::plain(link.index, Via::Gateway(gateway), onlink);
    Route::made(UNICAST, Prefix::default(is_v4), 0, vec![hop])
}

/// A table's defaults with a living hop through this link.
fn defaults(world: &World, table: u32, link: u32, is_v4: bool) -> impl Iterator<Item = &Route> {
    let of = move |r: &&Route| r.table == table && r.is_v4() == is_v4 && r.is_default() && r.counts();
    world.routes.iter().filter(of).filter(move |route| route.leaves(link) && route.protocol != 110)
}

/// A default of which the kernel says an id alone: any link may be meant.
fn beyond(world: &World, table: u32, _link: u32, is_v4: bool) -> bool {
    let of = |r: &&Route| r.table == table && r.is_v4() == is_v4 && r.is_default() && r.counts();
    world.routes.iter().filter(of).any(|route| route.hops.is_empty() && route.is_beyond_copy())
}

/// The first usable gateway that the configuration names: it is reached directly, or another program's route says
/// `onlink` of it.
fn configured(world: &World, policy: &Policy, link: &Link, is_v4: bool) -> Option<(IpAddr, bool)> {
    let onlink = |gateway: IpAddr| {
        let has = |hop: &Hop| hop.link == link.index && hop.onlink && hop.via == Via::Gateway(gateway);
        let others = |r: &&Route| r.protocol != 110 && r.is_v4() == is_v4 && r.counts();
        world.routes.iter().filter(others).any(|route| route.living().any(has))
    };
    let connected = |gateway: &IpAddr| {
        let direct = |route: &&Route| {
            route.kind == UNICAST
                && route.prefix.length > 0
                && route.living().any(|hop| hop.link == link.index && hop.via == Via::Nothing)
        };
        world.main(is_v4).filter(direct).any(|route| route.prefix.contains(*gateway))
    };
    let first = || {
        // A subnet of two addresses has no first host beside them.
        let most = if is_v4 { 30 } else { 126 };
        let mut subnets = world.addresses_of(link.index, is_v4).filter(|a| a.is_usable() && a.length <= most);
        subnets.find_map(|a| first_host(a.local, a.length))
    };
    let named = policy.gateways(link).filter_map(|gateway| gateway.or_else(first));
    let mut named =
        named.filter(|gateway| gateway.is_ipv4() == is_v4).map(|gateway| (gateway, onlink(gateway)));
    named.find(|(gateway, onlink)| *onlink || connected(gateway))
}

fn first_host(address: IpAddr, length: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(ip) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - length))?;
            IpAddr::V4(((ip.to_bits() & mask) + 1).into())
        }
        IpAddr::V6(ip) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - length))?;
            IpAddr::V6(((ip.to_bits() & mask) + 1).into())
        }
    })
}

/// Tables to which a leading rule goes, in the order of the rules.
fn led_tables(world: &World, policy: &Policy, link: &Link, is_v4: bool) -> Vec<u32> {
    let addresses: Vec<IpAddr> = world.addresses_of(link.index, is_v4).map(|a| a.local).collect();
    let ours: Vec<u32> = world.links.iter().filter(|l| policy.lists(l)).map(Link::table).collect();
    let leading = world.rules.iter().filter(|rule| rule.is_v4 == is_v4 && rule.leads(&addresses, &ours));
    let mut tables = Vec::new();
    for rule in leading {
        if !tables.contains(&rule.table) {
            tables.push(rule.table);
        }
    }
    tables
}

/// The next hop of the only route through this link to the subnet of one of its addresses.
fn only_next_hop(world: &World, link: &Link, is_v4: bool) -> Option<(IpAddr, bool)> {
    let own: Vec<IpAddr> = world.addresses_of(link.index, is_v4).map(|a| a.local).collect();
    let mut found = Vec::new();
    for route in world.main(is_v4).filter(|r| r.kind == UNICAST && own.iter().any(|a| r.prefix.contains(*a)))
    {
        for hop in route.living().filter(|hop| hop.link == link.index) {
            let Via::Gateway(gateway) = hop.via else { continue };
            if !world.addresses.iter().any(|a| a.local == gateway) && !found.contains(&(gateway, hop.onlink))
            {
                found.push((gateway, hop.onlink));
            }
        }
    }
    match found.as_slice() {
        [first, rest @ ..] if rest.iter().all(|(gateway, _)| *gateway == first.0) => Some(*first),
        _ => None,
    }
}
