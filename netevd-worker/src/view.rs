//! From what the loop knows to documents. Pure.

use super::document::{
    AddressDocument, GatewayChangeDocument, GatewayDocument, InterfaceDetail, InterfaceDocument,
    QueueDocument,
};
use crate::model::{Address, DefaultNextHop, GatewayChange, LinkFacts};
use crate::names;
use crate::routing::{Origin, Plan, PlannedTable, TableKey};
use crate::state::{LinkState, Routes};
use protocol::{Family, Policy, TableId};
use std::net::IpAddr;

/// Policy routing, as far as documents tell of it.
pub(crate) struct Managing<'a> {
    /// The policy in force; `None` where there is no policy routing at all.
    pub(crate) policy: Option<&'a Policy>,
    /// The plan of the last pass.
    pub(crate) plan: &'a Plan,
}

impl Managing<'_> {
    /// Listed by the policy, not loopback, not enslaved.
    fn policy_of(&self, link: &LinkState) -> Option<&Policy> {
        self.policy.filter(|policy| crate::routing::is_managed(link, policy))
    }
}

/// A link in a list.
pub(crate) fn interface(link: &LinkState, routes: &Routes, managing: &Managing<'_>) -> InterfaceDocument {
    of_facts(&link.facts(routes), link.monitored, managing.policy_of(link).is_some())
}

fn of_facts(facts: &LinkFacts, monitored: bool, managed: bool) -> InterfaceDocument {
    let layer = || facts.extra.as_ref().map(|extra| extra.layer.clone()).unwrap_or_default();
    InterfaceDocument {
        name: facts.name.to_string(),
        index: facts.ifindex.get(),
        state: facts.state.to_owned(),
        administrative_state: facts.administrative.map(str::to_owned),
        operstate: facts.operstate.to_owned(),
        kind: facts.kind.clone().unwrap_or_else(layer),
        mac_address: facts.mac.clone(),
        mtu: facts.mtu,
        addresses: facts.addresses.iter().map(address).collect(),
        flags: names::link_flags(facts.flags).into_iter().map(str::to_owned).collect(),
        monitored,
        managed,
        statistics: None,
    }
}

/// A link on a page of its own. Rules, routes, statistics and events are left to whoever has them.
pub(crate) fn detail(
    link: &LinkState,
    routes: &Routes,
    managing: &Managing<'_>,
    controller: Option<String>,
    queue: QueueDocument,
) -> InterfaceDetail {
    let policy = managing.policy_of(link);
    let facts = link.facts(routes);
    let gateways = [Family::V4, Family::V6].into_iter().filter_map(|f| gateway(link, f, routes, managing));
    InterfaceDetail {
        gateways: gateways.collect(),
        table: policy.map(|policy| TableId::for_interface(policy.table_base, link.ifindex).0),
        controller,
        queue,
        interface: of_facts(&facts, link.monitored, policy.is_some()),
        dns_servers: facts.dns,
        domains: facts.domains,
        problems: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        events: Vec::new(),
    }
}

/// What policy routing uses, else what the kernel has, else what the manager or the lease names.
fn gateway(
    link: &LinkState,
    family: Family,
    routes: &Routes,
    managing: &Managing<'_>,
) -> Option<GatewayDocument> {
    let kernel = match routes.exit(link.ifindex, family) {
        Some(DefaultNextHop::Via(gateway)) => Some(Some(gateway)),
        Some(DefaultNextHop::OnLink) => Some(None),
        None => None,
    };
    let planned = managing.plan.tables.get(&TableKey { ifindex: link.ifindex, family });
    let planned = planned.filter(|table| table.has_default());
    let origin = planned.and_then(|table| table.origin);
    let believed = || link.believed_gateway(family).map(Some);
    let address = planned.map(PlannedTable::gateway).or(kernel).or_else(believed)?;
    let by_manager = link.managed.facts.as_deref().is_some_and(|facts| {
        [facts.gateway.map(IpAddr::V4), facts.gateway6.map(IpAddr::V6)].contains(&address)
    });
    let named = || if by_manager { "manager" } else { "lease" };
    let source = match origin {
        Some(Origin::Policy) => "configuration",
        Some(Origin::Main) => "kernel",
        Some(Origin::Table(_)) => "table",
        Some(Origin::Manager) => named(),
        Some(Origin::Neighbour) => "neighbour",
        Some(Origin::PointToPoint) => "point-to-point",
        None if kernel == Some(address) => "kernel",
        None => named(),
    };
    let table = match origin {
        Some(Origin::Table(table)) => Some(table.0),
        _ => None,
    };
    let family = names::family(family == Family::V4).to_owned();
    Some(GatewayDocument { family, address, source: source.to_owned(), table })
}

impl From<&GatewayChange> for GatewayChangeDocument {
    fn from(change: &GatewayChange) -> Self {
        Self {
            action: change.action().name().to_owned(),
            family: names::family(change.family == Family::V4).to_owned(),
            old: change.old.and_then(DefaultNextHop::gateway),
            new: change.new.and_then(DefaultNextHop::gateway),
        }
    }
}

/// An address on the wire.
pub(crate) fn address(address: &Address) -> AddressDocument {
    let flags = names::address_flags(address.flags, address.ip.is_ipv4());
    AddressDocument {
        ip: address.ip,
        prefix: address.prefix_length,
        family: names::family(address.ip.is_ipv4()).to_owned(),
        scope: names::scope(address.scope).into_owned(),
        flags: flags.into_iter().map(str::to_owned).collect(),
        peer: address.peer,
    }
}
