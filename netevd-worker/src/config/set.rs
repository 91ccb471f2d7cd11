//! Keys whose values take more than one look.

use super::Config;
use super::keys::BACKENDS;
use super::problem::Fault;
use super::value::{choice, integer, paths, patterns};
use super::yaml::{Node, Value};
use crate::model::Backend;
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
    if let Some(list) = patterns(node, InterfaceName::MAX, faults) {
        config.monitoring = list;
    }
}
