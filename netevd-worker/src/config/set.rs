//! Keys whose values take more than one look.

use super::keys::BACKENDS;
use super::problem::Fault;
use super::value::{choice, gateways, integer, paths, patterns};
use super::yaml::{Node, Value};
use super::{Backend, Config};
use protocol::InterfaceName;
use std::num::NonZeroUsize;

/// In any case, as people write these names.
pub(super) fn backend(node: &Node) -> Result<Backend, Fault> {
    if let Value::Scalar { text, .. } = &node.value
        && let Some((_, backend)) = BACKENDS.iter().find(|(name, _)| name.eq_ignore_ascii_case(text))
    {
        return Ok(*backend);
    }
    choice(node, &BACKENDS)
}

/// The section has no keys yet, and may stand there empty.
pub(super) fn set_networkmanager(_: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    match &node.value {
        Value::Map(entries) => faults.extend(entries.iter().map(|entry| {
            let message = format!("unknown key `{}` in `backends.networkmanager`", entry.key);
            Fault::error(entry.span, message, "there is none; leave it empty")
        })),
        _ if node.is_null() => {}
        _ => {
            let message = format!("expected a mapping, found {}", node.found());
            faults.push(Fault::error(node.span, message, "write {}"));
        }
    }
}

pub(super) fn set_lease_files(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    if let Some(list) = paths(node, faults) {
        config.backends.dhclient.lease_files = list;
    }
}

pub(super) fn max_parallel(node: &Node) -> Result<NonZeroUsize, Fault> {
    let number = integer(node, 1..=1024)?;
    let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
    number.ok_or_else(|| Fault::error(node.span, "no number of processes", ""))
}

pub(super) fn set_monitoring(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    if let Some(list) = patterns(node, faults) {
        config.monitoring = list;
    }
}

pub(super) fn set_policy_rules(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let Some(list) = patterns(node, faults) else { return };
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

/// Merges by interface: a later file may change one and keep the others.
pub(super) fn set_gateways(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let message = format!("expected a mapping from interfaces to gateways, found {}", node.found());
            return faults.push(Fault::error(node.span, message, "write {eth1: [192.0.2.1]}"));
        }
    };
    for entry in entries {
        let name = InterfaceName::new(&entry.key);
        let addresses = gateways(&entry.node, faults);
        match (name, addresses) {
            (Ok(name), Some(addresses)) => {
                config.routing.gateways.insert(name, addresses);
            }
            (Err(bad), _) => {
                faults.push(Fault::error(entry.span, bad.to_string(), "globs are not possible here"))
            }
            (Ok(_), None) => {}
        }
    }
}
