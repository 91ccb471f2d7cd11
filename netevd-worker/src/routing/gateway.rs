//! Where a link's default comes from: the first of several sources that has one. Pure.

use super::listed;
use super::world::World;
use crate::kernel::{FullRoute, Spec, SpecHop};
use crate::model::UNICAST;
use crate::state::LinkState;
use protocol::{Family, GatewayCheck, GatewayName, NextHop, Prefix, TableId};
use std::collections::BTreeSet;
use std::net::IpAddr;

/// `RT_SCOPE_LINK`
const LINK_SCOPE: u8 = 253;

/// Which source has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// `routing.gateways`
    Policy,
    /// A default of main's through the link.
    Main,
    /// One of this table, to which a rule of another program leads.
    Table(TableId),
    /// A next hop of the kernel's that the manager or the lease names.
    Manager,
    /// The only next hop of the routes to the link's own subnets.
    Neighbour,
    /// The link needs none.
    PointToPoint,
}

/// A default of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChosenDefault {
    /// In the helper's words.
    pub(super) next_hop: NextHop,
    /// The routes.
    pub(super) defaults: Vec<Spec>,
    /// Its source.
    pub(super) origin: Origin,
    /// A gateway of the policy that is of no use, and why.
    pub(super) passed_over: Option<String>,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DefaultChoice {
    /// No source has one; why, where somebody ought to know.
    None(Option<String>),
    /// There is one that cannot be copied: nothing is installed.
    Blocked(String),
    /// This one.
    Chosen(ChosenDefault),
}

impl DefaultChoice {
    pub(super) fn is_some(&self) -> bool {
        matches!(self, DefaultChoice::Chosen(_))
    }
}

/// The default of a link that is up.
pub(super) fn choose_default(world: &World<'_>, link: &LinkState, family: Family) -> DefaultChoice {
    if !link.is_up() {
        return DefaultChoice::None(None);
    }
    let (named, useless) = named(world, link, family);
    if let Some(gateway) = named {
        return by_gateway(world, link, gateway, Origin::Policy);
    }
    let mut choice = unnamed(world, link, family);
    let why = |effect: &str| useless.map(|gateway| fault(world, link, gateway, effect));
    match &mut choice {
        DefaultChoice::None(fault) => *fault = why(&listed::effect(family, world.policy)),
        DefaultChoice::Chosen(chosen) => chosen.passed_over = why("the next source's is used"),
        DefaultChoice::Blocked(_) => {}
    }
    choice
}

/// The default of a link for which the policy has no gateway of use.
fn unnamed(world: &World<'_>, link: &LinkState, family: Family) -> DefaultChoice {
    let tables = [(TableId::MAIN, Origin::Main)].into_iter();
    for (table, origin) in tables.chain(world.led(link, family).map(|table| (table, Origin::Table(table)))) {
        let defaults: Vec<&FullRoute> = world.defaults(table, family, link.ifindex).collect();
        // Of a nexthop object without its next hops nobody can say through which link it leaves.
        let hidden = world.snapshot.foreign.of_table(table, family).find(|route| {
            let is_default = route.spec.destination.is_default() && route.spec.is_unicast();
            is_default && route.opaque && route.spec.hops.is_empty()
        });
        if let Some(opaque) = hidden.or_else(|| defaults.iter().copied().find(|route| route.opaque)) {
            return DefaultChoice::Blocked(format!(
                "{} {family}: its default route ({}) is of a kind that cannot be copied (an eBPF encapsulation, or a \
                 nexthop object without next hops), so nothing is installed for {family}; replace that route, or set \
                 routing.gateways: {{ {}: [ADDRESS] }}",
                link.name, opaque.spec, link.name
            ));
        }
        if !defaults.is_empty() {
            let copies = defaults.iter().map(|route| route.spec.through(|hop| hop.oif == link.ifindex));
            return chosen_default(NextHop::Table(table), copies.collect(), origin);
        }
    }
    if let Some(gateway) = link.believed_gateway(family) {
        let is_known = match world.policy.gateway_check {
            GatewayCheck::Known => world.known_gateway(link.ifindex, gateway).is_some(),
            GatewayCheck::OnLink => is_on_link(world, link, gateway),
        };
        if is_known && !world.is_own(gateway) {
            return by_gateway(world, link, gateway, Origin::Manager);
        }
    }
    if let Some(gateway) = neighbour(world, link, family) {
        return by_gateway(world, link, gateway, Origin::Neighbour);
    }
    if world.is_point_to_point(link.ifindex) && is_way_out(world, link, family) {
        let scope = if family == Family::V4 { LINK_SCOPE } else { 0 };
        let hops = vec![SpecHop::new(link.ifindex, None)];
        let default = Spec { scope, hops, ..Spec::plain(Prefix::everything(family), UNICAST, 0) };
        return chosen_default(NextHop::PointToPoint, vec![default], Origin::PointToPoint);
    }
    DefaultChoice::None(None)
}

fn chosen_default(next_hop: NextHop, defaults: Vec<Spec>, origin: Origin) -> DefaultChoice {
    DefaultChoice::Chosen(ChosenDefault { next_hop, defaults, origin, passed_over: None })
}

fn by_gateway(world: &World<'_>, link: &LinkState, gateway: IpAddr, origin: Origin) -> DefaultChoice {
    let onlink = world.known_gateway(link.ifindex, gateway) == Some(true);
    let hops = vec![SpecHop { onlink, ..SpecHop::new(link.ifindex, Some(gateway)) }];
    let default = Spec { hops, ..Spec::plain(Prefix::everything(Family::of(gateway)), UNICAST, 0) };
    chosen_default(NextHop::Gateway(gateway), vec![default], origin)
}

/// The policy's first gateway that is on-link, or the first of those that are of no use.
fn named(world: &World<'_>, link: &LinkState, family: Family) -> (Option<IpAddr>, Option<IpAddr>) {
    let names = listed::names_of(link);
    let mut useless = None;
    for name in world.policy.gateways_of(&names) {
        let gateway = match name {
            GatewayName::Address(gateway) if Family::of(*gateway) == family => Some(*gateway),
            GatewayName::Address(_) => None,
            GatewayName::First => first_host(world, link, family),
        };
        let Some(gateway) = gateway else { continue };
        let is_onlink = || world.known_gateway(link.ifindex, gateway) == Some(true);
        if !world.is_own(gateway) && (is_on_link(world, link, gateway) || is_onlink()) {
            return (Some(gateway), None);
        }
        useless.get_or_insert(gateway);
    }
    (None, useless)
}

/// Why a gateway of the policy is of no use, and what that means.
fn fault(world: &World<'_>, link: &LinkState, gateway: IpAddr, effect: &str) -> String {
    let (name, family) = (&link.name, Family::of(gateway));
    if world.is_own(gateway) {
        return format!(
            "{name} {family}: the gateway {gateway} is an address of this host, so {effect}; correct routing.gateways"
        );
    }
    format!(
        "{name} {family}: the gateway {gateway} is not on-link on {name}, so {effect}; the interface needs an address \
         in its subnet, or a route to it without a gateway"
    )
}

/// main's routes through the link without a gateway.
fn connected<'a>(world: &World<'a>, link: &LinkState, family: Family) -> impl Iterator<Item = &'a FullRoute> {
    let ifindex = link.ifindex;
    let is_direct = move |route: &&FullRoute| {
        route.spec.is_unicast()
            && !route.spec.destination.is_default()
            && route.spec.hops.iter().any(|hop| hop.oif == ifindex && hop.gateway.is_none())
    };
    world.main(family).filter(is_direct)
}

fn is_on_link(world: &World<'_>, link: &LinkState, gateway: IpAddr) -> bool {
    let is_link_local = matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local());
    is_link_local
        || connected(world, link, Family::of(gateway)).any(|route| {
            !route.spec.destination.is_default_like() && route.spec.destination.contains(gateway)
        })
}

/// The first host of the first of the link's connected subnets that has one.
fn first_host(world: &World<'_>, link: &LinkState, family: Family) -> Option<IpAddr> {
    let usable = link.addresses.iter().map(|known| &known.address).filter(|address| address.is_usable());
    let subnets = usable.filter(|address| Family::of(address.ip) == family && address.peer.is_none());
    let subnets: Vec<Prefix> = subnets.filter_map(crate::model::Address::subnet).collect();
    let is_connected =
        |subnet: &Prefix| connected(world, link, family).any(|route| route.spec.destination == *subnet);
    subnets
        .into_iter()
        .filter(is_connected)
        .filter_map(|subnet| subnet.first_host())
        .find(|host| !world.is_own(*host))
}

/// The only next hop of main's routes through the link to where the link has an address, never of others.
fn neighbour(world: &World<'_>, link: &LinkState, family: Family) -> Option<IpAddr> {
    let own: Vec<IpAddr> = link.addresses.iter().map(|known| known.address.ip).collect();
    let routes = world.main(family).filter(|route| {
        route.spec.is_unicast() && own.iter().any(|address| route.spec.destination.contains(*address))
    });
    let hops = routes.flat_map(|route| &route.spec.hops).filter(|hop| hop.oif == link.ifindex);
    let gateways = hops.filter_map(|hop| hop.gateway).filter(|gateway| Family::of(*gateway) == family);
    let gateways: BTreeSet<IpAddr> = gateways.filter(|gateway| !world.is_own(*gateway)).collect();
    (gateways.len() == 1).then(|| gateways.first().copied()).flatten()
}

/// A point-to-point link is meant as an uplink: by its name, or because half of the world leaves through it.
fn is_way_out(world: &World<'_>, link: &LinkState, family: Family) -> bool {
    let mut main = world.main(family).filter(|route| route.spec.is_unicast());
    listed::is_named(link, world.policy)
        || main.any(|route| route.spec.destination.is_default_like() && route.leaves_through(link.ifindex))
}
