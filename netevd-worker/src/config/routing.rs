//! The values of `routing:`: gateways, marks, addresses, prefixes and protocols.

use super::problem::Fault;
use super::value::{Checked, expected, items, patterns, scalar};
use super::yaml::{Node, Value};
use super::{Config, IGNORED_MAX};
use crate::model::Protocols;
use crate::names::{ROUTE_PROTOCOLS, route_protocol};
use crate::text::nearest;
use protocol::{GatewayName, InterfaceName, Mark, PROTOCOL, Pattern, Prefix};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `RTPROT_KERNEL`
const KERNEL: u8 = 2;

pub(super) fn set_policy_rules(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let Some(list) = patterns(node, Pattern::MAX, faults) else { return };
    if list.includes_nothing() && !list.is_empty() {
        let help = "name the interfaces as well, or begin with \"*\"";
        faults.push(Fault::error(
            node.span,
            "only exclusions, so no interface is under policy routing",
            help,
        ));
        return;
    }
    config.routing.interfaces = list;
}

pub(super) fn set_gateways(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let words = ("gateways", "write {eth1: [192.0.2.1]}");
    by_interface(node, words, gateways, &mut config.routing.gateways, faults);
}

pub(super) fn set_marks(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let words = ("marks", "write {eth1: 0x650000/0xff0000}");
    let read = |node: &Node, faults: &mut Vec<Fault>| mark(node).map_err(|fault| faults.push(fault)).ok();
    by_interface(node, words, read, &mut config.routing.marks, faults);
    let Value::Map(entries) = &node.value else { return };
    // All are set, so that a later file can exchange two.
    for entry in entries {
        let Some(mark) = config.routing.mark_of(&[&entry.key]) else { continue };
        let others = config.routing.marks.iter().filter(|(name, _)| name.as_str() != entry.key);
        for (name, other) in others.filter(|(_, other)| may_both_hold(mark, **other)) {
            let message = format!("a packet can have this mark and {other}, which is that of {name}");
            let help = "give each interface another value, and all of them one mask";
            faults.push(Fault::error(entry.node.span, message, help));
        }
    }
}

/// Whether one packet's mark can satisfy both.
fn may_both_hold(one: Mark, other: Mark) -> bool {
    let common = one.mask & other.mask;
    one.value & common == other.value & common
}

/// Merges by interface: a later file may change one and keep the others.
fn by_interface<T>(
    node: &Node,
    (what, help): (&str, &str),
    read: impl Fn(&Node, &mut Vec<Fault>) -> Option<T>,
    values: &mut BTreeMap<InterfaceName, T>,
    faults: &mut Vec<Fault>,
) {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let message = format!("expected a mapping from interfaces to {what}, found {}", node.found());
            return faults.push(Fault::error(node.span, message, help));
        }
    };
    for entry in entries {
        let value = read(&entry.node, faults);
        match (InterfaceName::alternative(&entry.key), value) {
            (Ok(name), Some(value)) => {
                values.insert(name, value);
            }
            (Err(bad), _) => {
                faults.push(Fault::error(entry.span, bad.to_string(), "globs are not possible here"))
            }
            (Ok(_), None) => {}
        }
    }
}

/// The gateways of an interface: a list, or a single one.
fn gateways(node: &Node, faults: &mut Vec<Fault>) -> Option<Vec<GatewayName>> {
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if items.is_empty() {
        faults.push(Fault::error(node.span, "no gateway in the list", "leave the interface out instead"));
        return None;
    }
    collect(items, gateway, |gateway| format!("the gateway {gateway} is listed twice"), faults)
}

fn gateway(item: &Node) -> Checked<GatewayName> {
    const WHAT: &str = "the address of a gateway, or `first`";
    const HELP: &str = "such as 192.0.2.1 or fe80::1; first is the first address of the interface's subnet";
    let text = scalar(item, WHAT, HELP)?;
    if text == "first" {
        return Ok(GatewayName::First);
    }
    let Ok(address) = text.parse::<IpAddr>() else {
        let help = match text.split_once(['/', '%']) {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => format!("write {address}"),
            _ => HELP.to_owned(),
        };
        return Err(expected(item, WHAT, help));
    };
    match no_unicast(address) {
        None => Ok(GatewayName::Address(address)),
        Some(fault) => Err(Fault::error(item.span, format!("{address} is {fault}, which is no gateway"), "")),
    }
}

/// Why no host can have it as its address on a link.
fn no_unicast(address: IpAddr) -> Option<&'static str> {
    match address {
        _ if address.is_unspecified() => Some("the unspecified address"),
        _ if address.is_loopback() => Some("a loopback address"),
        _ if address.is_multicast() => Some("a multicast address"),
        IpAddr::V4(a) if a.octets()[0] >= 240 || a.octets()[0] == 0 => Some("a reserved address"),
        IpAddr::V6(a) if a.to_ipv4_mapped().is_some() => Some("an IPv4 address in IPv6 spelling"),
        _ => None,
    }
}

/// `0x650000/0xff0000`; decimal numbers are understood as well.
fn mark(node: &Node) -> Checked<Mark> {
    const WHAT: &str = "a mark and its mask";
    const HELP: &str = "such as 0x650000/0xff0000: the mask has the bits that no other program uses";
    let text = scalar(node, WHAT, HELP)?;
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) if !digits.starts_with('+') => u32::from_str_radix(digits, 16).ok(),
        None if !text.starts_with('+') => text.parse::<u32>().ok(),
        _ => None,
    };
    let Some((value, mask)) = text.split_once('/') else {
        let help = number(text).map_or(HELP.to_owned(), |value| {
            format!("write {value:#x}/0xffffffff, or a smaller mask that leaves bits to other programs")
        });
        return Err(expected(node, WHAT, help));
    };
    let (Some(value), Some(mask)) = (number(value), number(mask)) else {
        return Err(expected(node, WHAT, HELP));
    };
    if value == 0 {
        let message = "the mark 0 is that of packets that nobody has marked";
        return Err(Fault::error(node.span, message, HELP));
    }
    if value & !mask != 0 {
        let message = format!("the mark {value:#x} has bits outside its mask {mask:#x}");
        return Err(Fault::error(node.span, message, format!("write {value:#x}/{:#x}", mask | value)));
    }
    Ok(Mark { value, mask })
}

pub(super) fn set_shared(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let Some(items) = list(node, "a list of addresses", faults) else { return };
    if let Some(list) = collect(items, shared, |address| format!("{address} is listed twice"), faults) {
        config.routing.shared = list.into_iter().collect();
    }
}

fn shared(item: &Node) -> Checked<IpAddr> {
    const WHAT: &str = "an address";
    let text = scalar(item, WHAT, "such as 192.0.2.9")?;
    let address: IpAddr = text.parse().map_err(|_| expected(item, WHAT, "such as 192.0.2.9"))?;
    match no_unicast(address) {
        None => Ok(address),
        Some(fault) => {
            Err(Fault::error(item.span, format!("{address} is {fault}, which gets no rules anyway"), ""))
        }
    }
}

pub(super) fn set_main_prefixes(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let Some(items) = list(node, "a list of prefixes", faults) else { return };
    if let Some(list) = collect(items, prefix, |prefix| format!("{prefix} is listed twice"), faults) {
        config.routing.main_prefixes = list;
    }
}

fn prefix(item: &Node) -> Checked<Prefix> {
    const WHAT: &str = "a prefix";
    let text = scalar(item, WHAT, "such as 10.0.0.0/8")?;
    let Ok(prefix) = text.parse::<Prefix>() else {
        // With its host bits cleared, where that is all that is wrong.
        let cleared = text
            .split_once('/')
            .and_then(|(address, length)| Some((address.parse().ok()?, length.parse().ok()?)))
            .and_then(|(address, length)| Prefix::containing(address, length).ok());
        let help = cleared.map_or("such as 10.0.0.0/8".to_owned(), |prefix| format!("write {prefix}"));
        return Err(expected(item, WHAT, help));
    };
    if prefix.is_default() {
        let message = format!("{prefix} would leave every destination to main");
        let help = "name the networks that are not reached through the interface's gateway";
        return Err(Fault::error(item.span, message, help));
    }
    Ok(prefix)
}

pub(super) fn set_ignore_protocols(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let Some(items) = list(node, "a list of routing protocols", faults) else { return };
    if items.len() > IGNORED_MAX {
        let message = format!("{} protocols, of which at most {IGNORED_MAX} can be ignored", items.len());
        return faults.push(Fault::error(node.span, message, "leave out those that no program here uses"));
    }
    let twice = |number: &u8| format!("{} is listed twice", route_protocol(*number));
    if let Some(list) = collect(items, route_protocol_number, twice, faults) {
        let mut protocols = Protocols::default();
        list.into_iter().for_each(|number| protocols.insert(number));
        config.planning.ignored_protocols = protocols;
    }
}

fn route_protocol_number(item: &Node) -> Checked<u8> {
    const WHAT: &str = "the name or number of a routing protocol";
    const HELP: &str = "such as bird, zebra or 186: ip route shows it behind proto";
    let text = scalar(item, WHAT, HELP)?;
    let named = ROUTE_PROTOCOLS.iter().find(|(_, name)| *name == text).map(|(number, _)| *number);
    let Some(number) = named.or_else(|| text.parse().ok()) else {
        let help = match nearest(text, ROUTE_PROTOCOLS.iter().map(|(_, name)| *name)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => HELP.to_owned(),
        };
        return Err(expected(item, WHAT, help));
    };
    let fault = match number {
        KERNEL => "routes of the kernel are the connected subnets, which are always needed",
        PROTOCOL => "routes of this protocol are netevd's",
        _ => return Ok(number),
    };
    Err(Fault::error(item.span, fault, "take it out"))
}

fn list<'a>(node: &'a Node, what: &str, faults: &mut Vec<Fault>) -> Option<&'a [Node]> {
    items(node, what).map_err(|fault| faults.push(fault)).ok()
}

/// All items, or none where one is bad or twice in the list.
fn collect<T: PartialEq>(
    items: &[Node],
    read: impl Fn(&Node) -> Checked<T>,
    twice: impl Fn(&T) -> String,
    faults: &mut Vec<Fault>,
) -> Option<Vec<T>> {
    let before = faults.len();
    let mut found = Vec::new();
    for item in items {
        match read(item) {
            Ok(value) if found.contains(&value) => {
                faults.push(Fault::error(item.span, twice(&value), "leave one of them out"));
            }
            Ok(value) => found.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    (faults.len() == before).then_some(found)
}

#[cfg(test)]
#[path = "routing_tests.rs"]
mod tests;
