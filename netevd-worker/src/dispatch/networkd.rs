//! `JSON`: a link in the form that scripts written for older dispatchers read with jq.
//!
//! The keys and their spelling (`PreferedLft`) are those scripts' own; flags of links are one string
//! (`up|broadcast`), alternative names one string separated by spaces, scopes, protocols, types and
//! address flags numbers of rtnetlink(7). What nobody knows is empty or 0; no key is missing.
//! Statistics are those of the link's last message. `Routes` are the defaults of every table and
//! main's unicast routes.

use super::validate::{Checked, is_plain};
use crate::model;
use crate::model::{LinkFacts, Route, Statistics};
use crate::names;
use serde::Serialize;
use serde_json::{Value, json};
use std::net::IpAddr;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Json<'a> {
    index: u32,
    #[serde(rename = "MTU")]
    mtu: u32,
    tx_q_len: u32,
    name: &'a str,
    alternative_names: String,
    hardware_addr: &'a str,
    flags: String,
    raw_flags: u32,
    parent_index: u32,
    master_index: u32,
    alias: &'a str,
    statistics: Counters,
    encap_type: &'a str,
    /// Of the kernel, as `KernelOperState`.
    oper_state: &'a str,
    kernel_oper_state: &'a str,
    num_tx_queues: u32,
    num_rx_queues: u32,
    #[serde(rename = "GSOMaxSize")]
    gso_max_size: u32,
    #[serde(rename = "GSOMaxSegs")]
    gso_max_segs: u32,
    group: u32,
    promisc: u32,
    address_state: &'a str,
    carrier_state: &'a str,
    driver: &'a str,
    #[serde(rename = "IPv4AddressState")]
    ipv4_address_state: &'a str,
    #[serde(rename = "IPv6AddressState")]
    ipv6_address_state: &'a str,
    link_file: &'a str,
    model: &'a str,
    online_state: &'a str,
    operational_state: &'a str,
    path: &'a str,
    setup_state: &'a str,
    r#type: &'a str,
    vendor: &'a str,
    #[serde(rename = "ProductID")]
    product_id: &'a str,
    network_file: &'a str,
    #[serde(rename = "DNS")]
    dns: &'a [IpAddr],
    domains: &'a [String],
    #[serde(rename = "NTP")]
    ntp: Vec<&'a str>,
    address: Vec<Address<'a>>,
    routes: Vec<RouteEntry>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Counters {
    rx_packets: u64,
    tx_packets: u64,
    rx_bytes: u64,
    tx_bytes: u64,
    rx_errors: u64,
    tx_errors: u64,
    rx_dropped: u64,
    tx_dropped: u64,
    multicast: u64,
    collisions: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Address<'a> {
    #[serde(rename = "IP")]
    ip: IpAddr,
    family: u8,
    mask: u8,
    label: &'a str,
    flags: u32,
    scope: u8,
    peer: String,
    broadcast: String,
    prefered_lft: u32,
    valid_lft: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct RouteEntry {
    scope: u8,
    dst: Destination,
    src: String,
    gw: String,
    protocol: u8,
    priority: u32,
    table: u32,
    r#type: u8,
    tos: u8,
    flags: Vec<&'static str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Destination {
    #[serde(rename = "IP")]
    ip: IpAddr,
    mask: u8,
}

impl<'a> Json<'a> {
    /// Builds the object; `mac` and `domains` are checked already.
    pub(super) fn new(link: &'a LinkFacts, mac: &'a str, domains: &'a [String]) -> Self {
        let extra = link.extra.as_deref();
        let manager = link.manager.as_deref();
        let detail = |key: &str| {
            let text = manager.and_then(|manager| manager.details.get(key)).map_or("", String::as_str);
            if is_plain(text) { text } else { "" }
        };
        let number = |field: fn(&model::LinkExtra) -> u32| extra.map_or(0, field);
        let names = extra.map_or(&[][..], |extra| &extra.alternative_names);
        let layer = extra.map_or("", |extra| &extra.layer);
        Json {
            index: link.ifindex.get(),
            mtu: link.mtu,
            tx_q_len: number(|extra| extra.tx_queue_length),
            name: link.name.as_str(),
            alternative_names: names.iter().filter(|n| is_plain(n)).cloned().collect::<Vec<_>>().join(" "),
            hardware_addr: mac,
            flags: names::link_flags(link.flags).join("|").to_lowercase(),
            raw_flags: link.flags,
            parent_index: number(|extra| extra.parent),
            master_index: link.controller,
            alias: extra.map_or("", |extra| &extra.alias).trim_end_matches('\0'),
            statistics: Counters::from(extra.map(|extra| extra.statistics).unwrap_or_default()),
            encap_type: layer,
            oper_state: link.operstate,
            kernel_oper_state: link.operstate,
            num_tx_queues: number(|extra| extra.tx_queues),
            num_rx_queues: number(|extra| extra.rx_queues),
            gso_max_size: number(|extra| extra.gso_max_size),
            gso_max_segs: number(|extra| extra.gso_max_segments),
            group: number(|extra| extra.group),
            promisc: number(|extra| extra.promiscuity),
            address_state: detail("AddressState"),
            carrier_state: detail("CarrierState"),
            driver: detail("Driver"),
            ipv4_address_state: detail("IPv4AddressState"),
            ipv6_address_state: detail("IPv6AddressState"),
            link_file: detail("LinkFile"),
            model: detail("Model"),
            online_state: detail("OnlineState"),
            operational_state: link.state,
            path: detail("Path"),
            setup_state: link.administrative.unwrap_or_default(),
            r#type: match detail("Type") {
                "" => layer,
                text => text,
            },
            vendor: detail("Vendor"),
            product_id: detail("ProductID"),
            network_file: detail("NetworkFile"),
            dns: &link.dns,
            domains,
            ntp: manager
                .map_or(&[][..], |manager| &manager.ntp)
                .iter()
                .map(String::as_str)
                .filter(|server| is_plain(server))
                .collect(),
            address: link.addresses.iter().map(Address::from).collect(),
            routes: link.routes.iter().map(RouteEntry::from).collect(),
        }
    }
}

impl From<Statistics> for Counters {
    fn from(s: Statistics) -> Self {
        Self {
            rx_packets: s.rx_packets,
            tx_packets: s.tx_packets,
            rx_bytes: s.rx_bytes,
            tx_bytes: s.tx_bytes,
            rx_errors: s.rx_errors,
            tx_errors: s.tx_errors,
            rx_dropped: s.rx_dropped,
            tx_dropped: s.tx_dropped,
            multicast: s.multicast,
            collisions: s.collisions,
        }
    }
}

impl<'a> From<&'a model::Address> for Address<'a> {
    fn from(address: &'a model::Address) -> Self {
        Self {
            ip: address.ip,
            // AF_INET and AF_INET6.
            family: if address.ip.is_ipv4() { 2 } else { 10 },
            mask: address.prefix_length,
            label: address.label.as_deref().unwrap_or_default(),
            flags: address.flags,
            scope: address.scope,
            peer: address.peer.map(|peer| peer.to_string()).unwrap_or_default(),
            broadcast: address.broadcast.map(|broadcast| broadcast.to_string()).unwrap_or_default(),
            prefered_lft: address.preferred_lifetime,
            valid_lft: address.valid_lifetime,
        }
    }
}

impl From<&Route> for RouteEntry {
    fn from(route: &Route) -> Self {
        let gateway = route.hops.iter().find_map(|hop| hop.gateway);
        Self {
            scope: route.scope,
            dst: Destination { ip: route.destination.address(), mask: route.destination.length() },
            src: route.source.map(|source| source.to_string()).unwrap_or_default(),
            gw: gateway.map(|gateway| gateway.to_string()).unwrap_or_default(),
            protocol: route.protocol,
            priority: route.metric,
            table: route.table.0,
            r#type: route.route_type,
            // Routes of a TOS are not remembered.
            tos: 0,
            flags: if route.hops.len() > 1 { vec!["multipath"] } else { Vec::new() },
        }
    }
}

/// The wireless network that networkd names; empty without one.
pub(super) fn essid(link: &LinkFacts) -> &str {
    let details = link.manager.as_deref().map(|manager| &manager.details);
    details.and_then(|details| details.get("SSID")).map_or("", String::as_str).trim_matches(char::is_control)
}

/// `json`: what networkd-dispatcher takes from the lines of `networkctl status`, under their names. Its
/// scripts read `.Type`, `.State` and `.Address[0]`; every value but four is a list, and none is empty.
pub(super) fn status(link: &LinkFacts, checked: &Checked<'_>) -> Value {
    let manager = link.manager.as_deref();
    let detail = |key: &str| {
        manager.and_then(|manager| manager.details.get(key)).map(String::as_str).filter(|text| is_plain(text))
    };
    let setup = link.administrative.unwrap_or_default();
    let layer = link.extra.as_deref().map_or("", |extra| &extra.layer);
    let kind = detail("Type").unwrap_or(layer);
    let mut object = json!({
        "Type": kind,
        "OperationalState": link.state,
        "AdministrativeState": setup,
        "State": format!("{} ({setup})", link.state),
    });
    if kind == "wlan" {
        object["ESSID"] = json!(essid(link));
    }
    let texts = |list: &mut dyn Iterator<Item = String>| list.collect::<Vec<_>>();
    let one = |text: Option<&str>| text.map(str::to_owned).into_iter().collect::<Vec<_>>();
    let gateways =
        link.gateway.iter().map(ToString::to_string).chain(link.gateway6.iter().map(ToString::to_string));
    for (name, values) in [
        ("Link File", one(detail("LinkFile"))),
        ("Network File", one(detail("NetworkFile"))),
        ("Path", one(detail("Path"))),
        ("Driver", one(detail("Driver"))),
        ("Vendor", one(detail("Vendor"))),
        ("Model", one(detail("Model"))),
        // An older networkctl has the first name, systemd 252 the second.
        ("HW Address", one(checked.mac)),
        ("Hardware Address", one(checked.mac)),
        ("MTU", vec![link.mtu.to_string()]),
        ("Address", texts(&mut link.addresses.iter().map(|address| address.ip.to_string()))),
        ("Gateway", gateways.collect()),
        ("DNS", texts(&mut link.dns.iter().map(ToString::to_string))),
        ("Search Domains", checked.domains.to_vec()),
        ("NTP", checked.ntp.clone()),
        ("Online state", one(detail("OnlineState"))),
    ] {
        if !values.is_empty() {
            object[name] = json!(values);
        }
    }
    object
}
