//! The environment of a script: cleared, then exactly these variables.
//!
//! Always: `PATH LINK LINKINDEX STATE BACKEND ADDRESSES EVENT EVENT_ID STARTUP SKIPPED` and, for
//! scripts written for networkd-dispatcher, `IFACE AdministrativeState OperationalState ADDR
//! IP_ADDRS IP6_ADDRS`. For events of the host `LINK` is empty and `LINKINDEX` 0.
//! Where known: `OLD_STATE GATEWAY GATEWAY6 DNS DOMAINS NTP MTU MAC`.
//! `routes`: `ACTION ROUTE_DESTINATION ROUTE_GATEWAY ROUTE_TABLE ROUTE_METRIC ROUTE_PROTOCOL
//! ROUTE_FAMILY` of the newest change; the document has all of them.
//! `address-*`: `ACTION ADDRESS PREFIXLEN FAMILY SCOPE DEPRECATED`.
//! `dns`: `OLD_DNS OLD_DOMAINS OLD_NTP`. `lease`: `ACTION`.
//! `gateway`: `ACTION FAMILY OLD_GATEWAY`, and `GATEWAY` is that of `FAMILY`, empty where there is none.
//! With a lease: `DHCP_*` of it, `OLD_DHCP_*` when it changed or ended.
//! Under NetworkManager: `NM_STATE NM_REASON NM_DEVICE_TYPE NM_CONNECTION_ID NM_CONNECTION_UUID`; in
//! events of the host `NM_STATE` and `NM_CONNECTIVITY`. Under systemd-networkd: `JSON`, or
//! `JSON_OMITTED=1` when it has more than [`LIST_MAX`] bytes; in events of the host `ONLINE_STATE`.
//! When needed: `NETEVD_REJECTED` (names of variables whose values failed validation and are
//! empty), `ADDRESSES_TRUNCATED=1`.
//!
//! Lists are separated by spaces. `ADDRESSES` holds the usable addresses as `address/length`,
//! `IP_ADDRS` and `IP6_ADDRS` the same by family without length, `ADDR` the first of them.
//! `OperationalState` is how far packets get, `AdministrativeState` is the manager's; without one it is
//! `configured` when `STATE` is configured or routable or a usable address is there, else `configuring`.
//!
//! All of these are of the event, as `at_event` of the document: a state's are those of when it was
//! reached; those of `address-*` and `routes` have the addresses and gateways of when the first script
//! starts. The link's values of that moment, as `link` of the document, are in `CURRENT_STATE
//! CURRENT_ADMINISTRATIVE_STATE CURRENT_ADDRESSES CURRENT_GATEWAY CURRENT_GATEWAY6 CURRENT_DNS
//! CURRENT_DOMAINS CURRENT_CONNECTION_ID CURRENT_CONNECTION_UUID`.
//!
//! Limits: execve(2) refuses a string of 128 KiB, and all strings together beyond a quarter of the
//! stack limit. A list is cut after a whole item below [`LIST_MAX`] and within [`LISTS_MAX`] for
//! all lists; then `ADDRESSES_TRUNCATED` is 1, whichever list it was. The document has all.

use super::lease::CheckedLeases;
use super::moment::is_administrative;
use super::networkd::{self, Json};
use super::script_context::{ScriptContext, Values};
use super::validate::Checked;
use crate::model::{
    Action, Address, Backend, DefaultNextHop, Detail, Event, EventKind, GatewayChange, LinkFacts,
    RouteChange, address_flag,
};
use crate::names;
use protocol::Family;

/// Bytes of one list.
const LIST_MAX: usize = 96 * 1024;
/// Bytes of all lists; what is left of 512 KiB holds everything else many times over.
const LISTS_MAX: usize = 448 * 1024;

/// `PATH` of every script.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Builds the variables in the order above.
pub(super) fn build(context: &ScriptContext<'_>, values: &Values<'_>) -> Vec<(&'static str, String)> {
    let ScriptContext { event, backend, emit_json, skipped, .. } = *context;
    let (link, checked) = (values.then, &values.checked);
    let mut lists = Lists { left: LISTS_MAX, is_cut: false };
    let usable: Vec<&Address> =
        link.iter().flat_map(|link| &link.addresses).filter(|address| address.is_usable()).collect();
    let of_family =
        |is_ipv4| usable.iter().filter(move |a| a.ip.is_ipv4() == is_ipv4).map(|a| a.ip.to_string());
    let name = link.map(|link| link.name.to_string()).unwrap_or_default();

    let mut set = vec![
        ("PATH", PATH.to_owned()),
        ("LINK", name.clone()),
        ("LINKINDEX", link.map_or(0, |link| link.ifindex.get()).to_string()),
        ("STATE", event.state.to_owned()),
        ("BACKEND", backend.name().to_owned()),
        ("ADDRESSES", lists.join(usable.iter().map(|a| format!("{}/{}", a.ip, a.prefix_length)))),
        ("EVENT", event.kind.name().to_owned()),
        ("EVENT_ID", event.id.to_string()),
        ("STARTUP", u8::from(event.startup).to_string()),
        ("SKIPPED", skipped.to_string()),
        ("IFACE", name),
        ("AdministrativeState", administrative_state(event, link, !usable.is_empty()).to_owned()),
        ("OperationalState", link.map_or(event.state, |link| link.state).to_owned()),
        ("ADDR", usable.first().map(|a| a.ip.to_string()).unwrap_or_default()),
        ("IP_ADDRS", lists.join(of_family(true))),
        ("IP6_ADDRS", lists.join(of_family(false))),
    ];
    if let Some(old) = event.old_state {
        set.push(("OLD_STATE", old.to_owned()));
    }
    if let Some(link) = link {
        if let Some(gateway) = link.gateway.filter(|_| event.kind != EventKind::Gateway) {
            set.push(("GATEWAY", gateway.to_string()));
        }
        if let Some(gateway) = link.gateway6 {
            set.push(("GATEWAY6", gateway.to_string()));
        }
        if !link.dns.is_empty() {
            set.push(("DNS", lists.join(link.dns.iter().map(ToString::to_string))));
        }
        if !checked.domains.is_empty() || checked.rejects("DOMAINS") {
            set.push(("DOMAINS", lists.join(checked.domains.iter().cloned())));
        }
        if !checked.ntp.is_empty() || checked.rejects("NTP") {
            set.push(("NTP", lists.join(checked.ntp.iter().cloned())));
        }
        set.push(("MTU", link.mtu.to_string()));
        if checked.mac.is_some() || checked.rejects("MAC") {
            set.push(("MAC", checked.mac.unwrap_or_default().to_owned()));
        }
    } else if let Detail::Mtu { new, .. } = event.detail {
        set.push(("MTU", new.to_string()));
    }
    match &event.detail {
        Detail::Address(address) => set.extend(address_variables(event.kind, address)),
        Detail::Routes(changes) => set.extend(changes.last().into_iter().flat_map(route_variables)),
        Detail::Gateway(change) => set.extend(gateway_variables(change)),
        Detail::Host { connectivity } if backend == Backend::NetworkManager => {
            set.push(("NM_STATE", event.state.to_owned()));
            set.push(("NM_CONNECTIVITY", (*connectivity).to_owned()));
        }
        Detail::Host { connectivity } => set.push(("ONLINE_STATE", (*connectivity).to_owned())),
        Detail::Lease { .. } => {
            set.extend(checked.lease_action(event.kind).map(|action| ("ACTION", action.name().to_owned())));
        }
        Detail::Dns { .. } => set.extend(old_resolver_variables(checked, &mut lists)),
        Detail::Mtu { .. } | Detail::Device { .. } | Detail::None => {}
    }
    if backend == Backend::NetworkManager
        && let Some(link) = link
    {
        set.extend(device_variables(event, link, checked));
    }
    if !checked.leases.is_empty() {
        set.extend(lease_variables(&checked.leases, &mut lists));
        set.push(("DHCP_LEASE", serde_json::to_string(&checked.leases.document()).unwrap_or_default()));
    }
    if let Some(old) = &checked.old_leases {
        set.extend(old_lease_variables(old, &mut lists));
    }
    if backend == Backend::Networkd
        && emit_json
        && let Some(link) = link
    {
        let mac = checked.mac.unwrap_or_default();
        // The types have nothing that could fail.
        match serde_json::to_string(&Json::new(link, mac, checked.domains)).unwrap_or_default() {
            json if json.len() < LIST_MAX => set.push(("JSON", json)),
            _ => set.push(("JSON_OMITTED", "1".to_owned())),
        }
        let status = networkd::status(link, checked).to_string();
        if status.len() < LIST_MAX {
            set.push(("json", status));
        }
    }
    if backend == Backend::Networkd
        && let Some(link) = link
    {
        set.push(("ESSID", networkd::essid(link).to_owned()));
    }
    if let Some(current) = context.link {
        set.extend(current_variables(current, &values.current, &mut lists));
    }
    if lists.is_cut {
        set.push(("ADDRESSES_TRUNCATED", "1".to_owned()));
    }
    let both = checked.rejected.iter().chain(&values.current.rejected);
    let rejected: Vec<&str> = both.filter_map(|rejected| rejected.variable).collect();
    if !rejected.is_empty() {
        set.push(("NETEVD_REJECTED", rejected.join(" ")));
    }
    set
}

fn administrative_state(event: &Event, link: Option<&LinkFacts>, has_address: bool) -> &'static str {
    if is_administrative(event) {
        return event.state;
    }
    if let Some(state) = link.and_then(|link| link.administrative) {
        return state;
    }
    let is_set_up = [EventKind::Configured, EventKind::Routable].iter().any(|k| k.name() == event.state);
    if is_set_up || has_address { "configured" } else { "configuring" }
}

/// The link's present.
fn current_variables(
    link: &LinkFacts,
    checked: &Checked<'_>,
    lists: &mut Lists,
) -> Vec<(&'static str, String)> {
    let usable = link.addresses.iter().filter(|address| address.is_usable());
    let mut set = vec![
        ("CURRENT_STATE", link.state.to_owned()),
        ("CURRENT_ADDRESSES", lists.join(usable.map(|a| format!("{}/{}", a.ip, a.prefix_length)))),
    ];
    if let Some(state) = link.administrative {
        set.push(("CURRENT_ADMINISTRATIVE_STATE", state.to_owned()));
    }
    if let Some(gateway) = link.gateway {
        set.push(("CURRENT_GATEWAY", gateway.to_string()));
    }
    if let Some(gateway) = link.gateway6 {
        set.push(("CURRENT_GATEWAY6", gateway.to_string()));
    }
    if !link.dns.is_empty() {
        set.push(("CURRENT_DNS", lists.join(link.dns.iter().map(ToString::to_string))));
    }
    if !checked.domains.is_empty() || checked.rejects("CURRENT_DOMAINS") {
        set.push(("CURRENT_DOMAINS", lists.join(checked.domains.iter().cloned())));
    }
    for (name, value) in [
        ("CURRENT_CONNECTION_ID", checked.connection_id),
        ("CURRENT_CONNECTION_UUID", checked.connection_uuid),
    ] {
        if value.is_some() || checked.rejects(name) {
            set.push((name, value.unwrap_or_default().to_owned()));
        }
    }
    set
}

fn device_variables(event: &Event, link: &LinkFacts, checked: &Checked<'_>) -> Vec<(&'static str, String)> {
    let mut set = vec![("NM_STATE", link.administrative.unwrap_or_default().to_owned())];
    if let Detail::Device { reason } = event.detail {
        set.push(("NM_REASON", reason.to_owned()));
    }
    if let Some(kind) = link.manager.as_deref().and_then(|manager| manager.device_type) {
        set.push(("NM_DEVICE_TYPE", kind.to_owned()));
    }
    for (name, value) in
        [("NM_CONNECTION_ID", checked.connection_id), ("NM_CONNECTION_UUID", checked.connection_uuid)]
    {
        if value.is_some() || checked.rejects(name) {
            set.push((name, value.unwrap_or_default().to_owned()));
        }
    }
    set
}

fn old_resolver_variables(checked: &Checked<'_>, lists: &mut Lists) -> Vec<(&'static str, String)> {
    let Some(old) = &checked.old_resolver else { return Vec::new() };
    vec![
        ("OLD_DNS", lists.join(old.dns.iter().map(ToString::to_string))),
        ("OLD_DOMAINS", lists.join(old.domains.iter().cloned())),
        ("OLD_NTP", lists.join(old.ntp.iter().cloned())),
    ]
}

fn lease_variables(leases: &CheckedLeases, lists: &mut Lists) -> [(&'static str, String); 7] {
    let [address, gateway, host_name, mask] = leases.scalars();
    [
        ("DHCP_ADDRESS", address),
        ("DHCP_GATEWAY", gateway),
        ("DHCP_DNS", lists.join(leases.dns().iter().map(ToString::to_string))),
        ("DHCP_DOMAIN", lists.join(leases.domains().into_iter())),
        ("DHCP_HOSTNAME", host_name),
        ("DHCP_SUBNET_MASK", mask),
        ("DHCP_NTP", lists.join(leases.ntp().into_iter())),
    ]
}

fn old_lease_variables(leases: &CheckedLeases, lists: &mut Lists) -> [(&'static str, String); 7] {
    const NAMES: [&str; 7] = [
        "OLD_DHCP_ADDRESS",
        "OLD_DHCP_GATEWAY",
        "OLD_DHCP_DNS",
        "OLD_DHCP_DOMAIN",
        "OLD_DHCP_HOSTNAME",
        "OLD_DHCP_SUBNET_MASK",
        "OLD_DHCP_NTP",
    ];
    let mut names = NAMES.into_iter();
    lease_variables(leases, lists).map(|(name, value)| (names.next().unwrap_or(name), value))
}

fn route_variables(change: &RouteChange) -> [(&'static str, String); 7] {
    [
        ("ACTION", change.action.name().to_owned()),
        ("ROUTE_DESTINATION", destination(change)),
        ("ROUTE_GATEWAY", change.gateway.map(|gateway| gateway.to_string()).unwrap_or_default()),
        ("ROUTE_TABLE", names::route_table(change.table).into_owned()),
        ("ROUTE_METRIC", change.metric.to_string()),
        ("ROUTE_PROTOCOL", names::route_protocol(change.protocol).into_owned()),
        ("ROUTE_FAMILY", names::family(change.destination.is_ipv4()).to_owned()),
    ]
}

fn gateway_variables(change: &GatewayChange) -> [(&'static str, String); 4] {
    let text = |way: Option<DefaultNextHop>| {
        way.and_then(DefaultNextHop::gateway).map(|ip| ip.to_string()).unwrap_or_default()
    };
    [
        ("ACTION", change.action().name().to_owned()),
        ("FAMILY", names::family(change.family == Family::V4).to_owned()),
        ("GATEWAY", text(change.new)),
        ("OLD_GATEWAY", text(change.old)),
    ]
}

fn address_variables(kind: EventKind, address: &Address) -> [(&'static str, String); 6] {
    [
        ("ACTION", address_action(kind).to_owned()),
        ("ADDRESS", address.ip.to_string()),
        ("PREFIXLEN", address.prefix_length.to_string()),
        ("FAMILY", names::family(address.ip.is_ipv4()).to_owned()),
        ("SCOPE", names::scope(address.scope).into_owned()),
        ("DEPRECATED", u8::from(address.flags & address_flag::DEPRECATED != 0).to_string()),
    ]
}

/// `default`, or the prefix.
pub(super) fn destination(change: &RouteChange) -> String {
    if change.destination.length() == 0 { "default".to_owned() } else { change.destination.to_string() }
}

/// What an event of this kind says of its address.
pub(super) fn address_action(kind: EventKind) -> &'static str {
    let action = match kind {
        EventKind::AddressRemoved => Action::Removed,
        EventKind::AddressChanged => Action::Changed,
        _ => Action::Added,
    };
    action.name()
}

/// What lists may still take.
struct Lists {
    left: usize,
    is_cut: bool,
}

impl Lists {
    fn join(&mut self, items: impl Iterator<Item = String>) -> String {
        let mut list = String::new();
        let bound = LIST_MAX.min(self.left);
        for item in items {
            if list.len() + 1 + item.len() >= bound {
                self.is_cut = true;
                break;
            }
            if !list.is_empty() {
                list.push(' ');
            }
            list.push_str(&item);
        }
        self.left = self.left.saturating_sub(list.len());
        list
    }
}

#[cfg(test)]
#[path = "environment_tests.rs"]
mod tests;
