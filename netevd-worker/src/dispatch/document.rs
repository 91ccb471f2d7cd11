//! The JSON document on a script's standard input, schema `netevd.event.v1`, always complete.
//!
//! | field | type | there |
//! |---|---|---|
//! | `schema` | `"netevd.event.v1"` | always |
//! | `id` | number, as `EVENT_ID` | always |
//! | `time` | string, RFC 3339 UTC with milliseconds: when the daemon read the event | always |
//! | `event`, `state`, `backend` | string | always |
//! | `old_state` | string or null | always |
//! | `startup` | boolean: it replays what was there before the daemon | always |
//! | `skipped` | number, as `SKIPPED` | always |
//! | `at_event` | object or null (events of the host): the link's values when the event happened | always |
//! | `link` | object or null (events of the host): the link's values when the first script starts | always |
//! | `link.name`, `link.operstate` | string; here and below, in `at_event` the same | in `link` |
//! | `link.index`, `link.mtu` | number | in `link` |
//! | `link.kind`, `link.mac` | string or null | in `link` |
//! | `link.flags` | array of strings, netdevice(7) without `IFF_` | in `link` |
//! | `link.addresses` | array of address objects, usable or not | in `link` |
//! | `link.gateway`, `link.gateway6` | string or null | in `link` |
//! | `link.dns`, `link.domains`, `link.ntp` | array of strings | in `link` |
//! | `link.state` | string, as `OperationalState` | in `link` |
//! | `link.administrative_state` | string or null, the manager's | in `link` |
//! | `link.lease` | object or null: `ipv4` and `ipv6`, each a lease object where there is one | in `link` |
//! | `link.connection` | object or null: `id`, `uuid`, `device_type`, of NetworkManager | in `link` |
//! | `link.networkd` | the object of `JSON` | in `link`, under systemd-networkd |
//! | `reason` | string: why NetworkManager reached the state | its states |
//! | `lease_action` | string: `added`, `changed`, `removed` | `lease` |
//! | `old_lease` | as `link.lease`: what the link had before | `lease`, and `routable` for a changed lease |
//! | `old_dns` | object: `dns`, `domains`, `ntp`, arrays of strings: what the link had before | `dns` |
//! | `connectivity` | string: NetworkManager's connectivity, networkd's OnlineState | `manager`, where known |
//! | `address` | `action` and the fields of an address object | `address-*` |
//! | `routes` | array of route objects, oldest first | `routes` |
//! | `truncated` | `true`: the oldest of more than 4,096 changes are missing | then only |
//! | `gateway` | `action`, `family`, `old` and `new` (string or null) | `gateway` |
//! | `mtu` | `{"old": number, "new": number}`, bytes | `mtu` |
//! | `rejected` | array of the fields whose values failed validation and are null or empty | then only |
//!
//! An address object: `address` string, `prefixlen` number, `family` `ipv4|ipv6`, `scope` string,
//! `label`, `peer`, `broadcast` string or null, `flags` array of strings as ip-address(8) prints
//! them, `preferred_lifetime`, `valid_lifetime` number of seconds or null forever.
//! A route object: `action` `added|removed|changed`, `destination` (`default` or a prefix),
//! `gateway` string or null, `table`, `protocol`, `scope`, `type` string (a name or the number),
//! `metric` number, `family`.
//! A lease object: `address`, `server` string, `prefixlen`, `mtu` number, `routers`, `dns`, `ntp`,
//! `search` array of strings, `routes` array of `{destination, gateway}`, `domain`, `hostname`,
//! `expires` (RFC 3339) string; what is unknown is null.

use super::environment::{address_action, destination};
use super::lease;
use super::networkd::Json;
use super::script_context::{ScriptContext, Values};
use super::validate::Checked;
use crate::document::GatewayChangeDocument;
use crate::model;
use crate::model::{Action, Backend, Detail, LinkFacts, Resolver, RouteChange};
use crate::names;
use crate::timestamp::rfc3339;
use serde::Serialize;
use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The value of `schema`.
pub const SCHEMA: &str = "netevd.event.v1";

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    id: u64,
    time: String,
    event: &'static str,
    state: &'static str,
    old_state: Option<&'static str>,
    backend: &'static str,
    startup: bool,
    skipped: u64,
    at_event: Option<Link<'a>>,
    link: Option<Link<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<ChangedAddress<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    routes: Option<Vec<Route>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway: Option<GatewayChangeDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mtu: Option<Mtu>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_lease: Option<lease::Document<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_action: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_dns: Option<&'a Resolver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connectivity: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<&'static str>,
}

#[derive(Serialize)]
struct Link<'a> {
    name: &'a str,
    index: u32,
    kind: Option<&'a str>,
    mac: Option<&'a str>,
    mtu: u32,
    flags: Vec<&'static str>,
    operstate: &'static str,
    addresses: Vec<Address<'a>>,
    gateway: Option<Ipv4Addr>,
    gateway6: Option<Ipv6Addr>,
    dns: &'a [IpAddr],
    domains: &'a [String],
    ntp: &'a [String],
    state: &'static str,
    administrative_state: Option<&'static str>,
    lease: Option<lease::Document<'a>>,
    connection: Option<Connection<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    networkd: Option<Json<'a>>,
}

#[derive(Serialize)]
struct Connection<'a> {
    id: Option<&'a str>,
    uuid: Option<&'a str>,
    device_type: &'static str,
}

#[derive(Serialize)]
struct ChangedAddress<'a> {
    action: &'static str,
    #[serde(flatten)]
    address: Address<'a>,
}

#[derive(Serialize)]
struct Address<'a> {
    address: IpAddr,
    prefixlen: u8,
    family: &'static str,
    scope: Cow<'static, str>,
    label: Option<&'a str>,
    peer: Option<IpAddr>,
    broadcast: Option<Ipv4Addr>,
    flags: Vec<&'static str>,
    preferred_lifetime: Option<u32>,
    valid_lifetime: Option<u32>,
}

#[derive(Serialize)]
struct Route {
    action: &'static str,
    destination: String,
    gateway: Option<IpAddr>,
    table: Cow<'static, str>,
    metric: u32,
    protocol: Cow<'static, str>,
    family: &'static str,
    scope: Cow<'static, str>,
    r#type: Cow<'static, str>,
}

#[derive(Serialize)]
struct Mtu {
    old: u32,
    new: u32,
}

/// Builds the document, one line with a final newline, so that `read` of a shell takes it whole.
pub(super) fn build<'a>(
    context: &ScriptContext<'a>,
    values: &'a Values<'a>,
) -> Result<Vec<u8>, serde_json::Error> {
    let ScriptContext { event, link, backend, skipped, truncated, .. } = *context;
    let (mut address, mut routes, mut mtu) = (None, None, None);
    let (mut gateway, mut reason, mut connectivity) = (None, None, None);
    match &event.detail {
        // What the link had before is with the checked values.
        Detail::None | Detail::Lease { .. } | Detail::Dns { .. } => {}
        Detail::Device { reason: why } => reason = Some(*why),
        Detail::Host { connectivity: how } => connectivity = Some(*how),
        Detail::Address(changed) => {
            address =
                Some(ChangedAddress { action: address_action(event.kind), address: Address::from(changed) });
        }
        Detail::Routes(changes) => routes = Some(changes.iter().map(Route::from).collect()),
        Detail::Gateway(change) => gateway = Some(GatewayChangeDocument::from(change)),
        Detail::Mtu { old, new } => mtu = Some(Mtu { old: *old, new: *new }),
    }
    let mut bytes = serde_json::to_vec(&Document {
        schema: SCHEMA,
        id: event.id.0,
        time: rfc3339(event.time),
        event: event.kind.name(),
        state: event.state,
        old_state: event.old_state,
        backend: backend.name(),
        startup: event.startup,
        skipped,
        at_event: values.then.map(|then| Link::new(then, &values.checked, backend)),
        link: link.map(|link| Link::new(link, &values.current, backend)),
        address,
        routes,
        truncated,
        gateway,
        mtu,
        reason,
        old_lease: values.checked.old_leases.as_ref().map(lease::CheckedLeases::document),
        lease_action: values.checked.lease_action(event.kind).map(Action::name),
        old_dns: values.checked.old_resolver.as_ref(),
        connectivity,
        rejected: values.rejected(),
    })?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl<'a> Link<'a> {
    fn new(link: &'a LinkFacts, checked: &'a Checked<'a>, backend: Backend) -> Self {
        let device_type = link.manager.as_deref().and_then(|manager| manager.device_type);
        Self {
            name: link.name.as_str(),
            index: link.ifindex.get(),
            kind: checked.kind,
            mac: checked.mac,
            mtu: link.mtu,
            flags: names::link_flags(link.flags),
            operstate: link.operstate,
            addresses: link.addresses.iter().map(Address::from).collect(),
            gateway: link.gateway,
            gateway6: link.gateway6,
            dns: &link.dns,
            domains: checked.domains,
            ntp: &checked.ntp,
            state: link.state,
            administrative_state: link.administrative,
            lease: (!checked.leases.is_empty()).then(|| checked.leases.document()),
            connection: device_type.map(|device_type| Connection {
                id: checked.connection_id,
                uuid: checked.connection_uuid,
                device_type,
            }),
            networkd: (backend == Backend::Networkd)
                .then(|| Json::new(link, checked.mac.unwrap_or_default(), checked.domains)),
        }
    }
}

impl<'a> From<&'a model::Address> for Address<'a> {
    fn from(address: &'a model::Address) -> Self {
        // include/net/addrconf.h: INFINITY_LIFE_TIME is all ones.
        let finite = |seconds| Some(seconds).filter(|s| *s != u32::MAX);
        Self {
            address: address.ip,
            prefixlen: address.prefix_length,
            family: names::family(address.ip.is_ipv4()),
            scope: names::scope(address.scope),
            label: address.label.as_deref(),
            peer: address.peer,
            broadcast: address.broadcast,
            flags: names::address_flags(address.flags, address.ip.is_ipv4()),
            preferred_lifetime: finite(address.preferred_lifetime),
            valid_lifetime: finite(address.valid_lifetime),
        }
    }
}

impl From<&RouteChange> for Route {
    fn from(change: &RouteChange) -> Self {
        Self {
            action: change.action.name(),
            destination: destination(change),
            gateway: change.gateway,
            table: names::route_table(change.table),
            metric: change.metric,
            protocol: names::route_protocol(change.protocol),
            family: names::family(change.destination.is_ipv4()),
            scope: names::scope(change.scope),
            r#type: names::route_type(change.route_type),
        }
    }
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
