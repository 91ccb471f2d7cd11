//! The environment of a script: cleared, then exactly these variables.
//!
//! Always: `PATH LINK LINKINDEX STATE BACKEND ADDRESSES EVENT EVENT_ID STARTUP SKIPPED` and, for
//! scripts written for networkd-dispatcher, `IFACE AdministrativeState OperationalState ADDR
//! IP_ADDRS IP6_ADDRS`. For events of the host `LINK` is empty and `LINKINDEX` 0.
//! Where known: `OLD_STATE GATEWAY GATEWAY6 DNS DOMAINS MTU MAC`.
//! `routes`: `ACTION ROUTE_DESTINATION ROUTE_GATEWAY ROUTE_TABLE ROUTE_METRIC ROUTE_PROTOCOL
//! ROUTE_FAMILY` of the newest change; the document has all of them.
//! `address-*`: `ACTION ADDRESS PREFIXLEN FAMILY SCOPE`.
//! When needed: `NETEVD_REJECTED` (names of variables whose values failed validation and are
//! empty), `ADDRESSES_TRUNCATED=1`.
//!
//! Lists are separated by spaces. `ADDRESSES` holds the usable addresses as `address/length`,
//! `IP_ADDRS` and `IP6_ADDRS` the same by family without length, `ADDR` the first of them.
//! `OperationalState` is `STATE`; `AdministrativeState` is `configured` when `STATE` is configured
//! or routable or a usable address is there, else `configuring`.
//!
//! Limits: execve(2) refuses a string of 128 KiB, and all strings together beyond a quarter of the
//! stack limit. A list is cut after a whole item below [`LIST_MAX`] and within [`LISTS_MAX`] for
//! all lists; then `ADDRESSES_TRUNCATED` is 1, whichever list it was. The document has all.

use super::names;
use super::occasion::Occasion;
use super::validate::Checked;
use crate::event::{Action, Detail, EventKind, RouteChange};
use crate::facts::Address;

/// Bytes of one list.
const LIST_MAX: usize = 96 * 1024;
/// Bytes of all lists; what is left of 512 KiB holds everything else many times over.
const LISTS_MAX: usize = 448 * 1024;

/// `PATH` of every script.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// Builds the variables in the order above.
pub(super) fn build(occasion: &Occasion<'_>, checked: &Checked<'_>) -> Vec<(&'static str, String)> {
    let Occasion { event, link, backend, skipped, .. } = *occasion;
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
        ("BACKEND", backend.to_owned()),
        ("ADDRESSES", lists.join(usable.iter().map(|a| format!("{}/{}", a.ip, a.prefix_length)))),
        ("EVENT", event.kind.name().to_owned()),
        ("EVENT_ID", event.id.to_string()),
        ("STARTUP", u8::from(event.startup).to_string()),
        ("SKIPPED", skipped.to_string()),
        ("IFACE", name),
        ("AdministrativeState", administrative_state(event.state, !usable.is_empty()).to_owned()),
        ("OperationalState", event.state.to_owned()),
        ("ADDR", usable.first().map(|a| a.ip.to_string()).unwrap_or_default()),
        ("IP_ADDRS", lists.join(of_family(true))),
        ("IP6_ADDRS", lists.join(of_family(false))),
    ];
    if let Some(old) = event.old_state {
        set.push(("OLD_STATE", old.to_owned()));
    }
    if let Some(link) = link {
        if let Some(gateway) = link.gateway {
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
        Detail::Mtu { .. } | Detail::None => {}
    }
    if lists.is_cut {
        set.push(("ADDRESSES_TRUNCATED", "1".to_owned()));
    }
    let rejected: Vec<&str> = checked.rejected.iter().filter_map(|rejected| rejected.variable).collect();
    if !rejected.is_empty() {
        set.push(("NETEVD_REJECTED", rejected.join(" ")));
    }
    set
}

fn administrative_state(state: &str, has_address: bool) -> &'static str {
    let is_set_up = [EventKind::Configured, EventKind::Routable].iter().any(|kind| kind.name() == state);
    if is_set_up || has_address { "configured" } else { "configuring" }
}

fn route_variables(change: &RouteChange) -> [(&'static str, String); 7] {
    [
        ("ACTION", change.action.name().to_owned()),
        ("ROUTE_DESTINATION", destination(change)),
        ("ROUTE_GATEWAY", change.gateway.map(|gateway| gateway.to_string()).unwrap_or_default()),
        ("ROUTE_TABLE", names::route_table(change.table).into_owned()),
        ("ROUTE_METRIC", change.metric.to_string()),
        ("ROUTE_PROTOCOL", names::route_protocol(change.protocol).into_owned()),
        ("ROUTE_FAMILY", family(change.destination.is_ipv4()).to_owned()),
    ]
}

fn address_variables(kind: EventKind, address: &Address) -> [(&'static str, String); 5] {
    [
        ("ACTION", address_action(kind).to_owned()),
        ("ADDRESS", address.ip.to_string()),
        ("PREFIXLEN", address.prefix_length.to_string()),
        ("FAMILY", family(address.ip.is_ipv4()).to_owned()),
        ("SCOPE", names::scope(address.scope).into_owned()),
    ]
}

/// `default`, or the prefix.
pub(super) fn destination(change: &RouteChange) -> String {
    if change.destination.length() == 0 { "default".to_owned() } else { change.destination.to_string() }
}

/// What an event of this kind says of its address.
pub(super) fn address_action(kind: EventKind) -> &'static str {
    if kind == EventKind::AddressRemoved { Action::Removed.name() } else { Action::Added.name() }
}

/// `ipv4` or `ipv6`.
pub(super) fn family(is_ipv4: bool) -> &'static str {
    if is_ipv4 { "ipv4" } else { "ipv6" }
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
