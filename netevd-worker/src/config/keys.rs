//! Every key that this version understands, as data: its path, how it is written in the
//! environment, and how it is set.

use super::filters;
use super::problem::Fault;
use super::units;
use super::value::{
    absolute_path, boolean, choice, duration, gateways, group_name, integer, ip_address, paths, patterns,
};
use super::watching::{port, token_file};
use super::yaml::{Node, Value};
use super::{Backend, Config, LogLevel};
use protocol::{Fallback, GatewayCheck, InterfaceName, RULE_PRIORITY_MAX, TABLE_BASE_MAX};
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How a key's value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// One word or number.
    Scalar,
    /// A list of words.
    List,
    /// A mapping; not to be had as an environment variable.
    Map,
}

/// One key.
pub(super) struct Key {
    /// Dotted path, as in documentation.
    pub path: &'static str,
    /// See [`Shape`].
    pub shape: Shape,
    /// Sets it, or adds to the faults and leaves the configuration as it was.
    pub set: fn(&mut Config, &Node, &mut Vec<Fault>),
}

const LIMIT: RangeInclusive<u32> = 1..=1_000_000;
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
const BACKENDS: [(&str, Backend); 5] = [
    (Backend::Networkd.name(), Backend::Networkd),
    (Backend::NetworkManager.name(), Backend::NetworkManager),
    (Backend::Dhclient.name(), Backend::Dhclient),
    (Backend::Kernel.name(), Backend::Kernel),
    (Backend::Auto.name(), Backend::Auto),
];
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

/// Stores a good value, records a bad one.
fn put<T>(slot: &mut T, value: Result<T, Fault>, faults: &mut Vec<Fault>) {
    match value {
        Ok(value) => *slot = value,
        Err(fault) => faults.push(fault),
    }
}

macro_rules! scalar {
    ($path:literal, $($field:ident).+, $read:expr) => {
        Key {
            path: $path,
            shape: Shape::Scalar,
            set: |config, node, faults| put(&mut config.$($field).+, $read(node), faults),
        }
    };
}

/// The keys, in the order of the documentation.
pub(super) static KEYS: [Key; 34] = [
    scalar!("system.log_level", system.log_level, |node| choice(node, &LEVELS)),
    scalar!("system.backend", system.backend, backend),
    scalar!("system.startup_events", system.startup_events, boolean),
    Key { path: "monitoring.interfaces", shape: Shape::List, set: set_monitoring },
    Key { path: "routing.policy_rules", shape: Shape::List, set: set_policy_rules },
    scalar!("routing.table_base", routing.table_base, |node| integer(node, 1..=TABLE_BASE_MAX)),
    scalar!("routing.rule_priority", routing.rule_priority, |node| integer(node, 1..=RULE_PRIORITY_MAX)),
    scalar!("routing.local_networks", routing.local_networks, boolean),
    scalar!("routing.fallback", routing.fallback, fallback),
    Key { path: "routing.gateways", shape: Shape::Map, set: set_gateways },
    scalar!("routing.gateway_check", routing.gateway_check, gateway_check),
    scalar!("routing.limits.addresses", routing.limits.addresses, |node| integer(node, LIMIT)),
    scalar!("routing.limits.local_networks", routing.limits.local_networks, |node| integer(node, LIMIT)),
    scalar!("routing.limits.objects", routing.limits.objects, |node| integer(node, LIMIT)),
    scalar!("routing.limits.writes_per_second", routing.limits.writes_per_second, |node| integer(
        node, LIMIT
    )),
    scalar!("scripts.timeout", scripts.timeout, |node| duration(node, TIMEOUT)),
    scalar!("scripts.max_parallel", scripts.max_parallel, max_parallel),
    Key {
        path: "units",
        shape: Shape::Map,
        set: |config, node, faults| config.units = units::read(node, faults),
    },
    Key {
        path: "filters",
        shape: Shape::Map,
        set: |config, node, faults| config.filters = filters::read(node, faults),
    },
    scalar!("backends.systemd_networkd.emit_json", backends.emit_json, boolean),
    Key { path: "backends.networkmanager", shape: Shape::Map, set: set_networkmanager },
    scalar!("backends.dhclient.use_dns", backends.dhclient.use_dns, boolean),
    scalar!("backends.dhclient.use_domain", backends.dhclient.use_domain, boolean),
    scalar!("backends.dhclient.use_hostname", backends.dhclient.use_hostname, boolean),
    Key { path: "backends.dhclient.lease_files", shape: Shape::List, set: set_lease_files },
    scalar!("api.enabled", api.enabled, boolean),
    scalar!("api.bind_address", api.bind_address, ip_address),
    scalar!("api.port", api.port, port),
    scalar!("api.token_file", api.token_file, token_file),
    scalar!("api.socket_group", api.socket_group, group_name),
    scalar!("metrics.enabled", metrics.enabled, boolean),
    scalar!("audit.enabled", audit.enabled, boolean),
    scalar!("audit.path", audit.path, absolute_path),
    scalar!("audit.retention_days", audit.retention_days, |node| integer(node, 1..=36_500)),
];

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
fn set_networkmanager(_: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
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

fn set_lease_files(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    if let Some(list) = paths(node, faults) {
        config.backends.dhclient.lease_files = list;
    }
}

fn fallback(node: &Node) -> Result<Fallback, Fault> {
    choice(node, &[("main", Fallback::Main), ("unreachable", Fallback::Unreachable)])
}

fn gateway_check(node: &Node) -> Result<GatewayCheck, Fault> {
    choice(node, &[("known", GatewayCheck::Known), ("on-link", GatewayCheck::OnLink)])
}

fn max_parallel(node: &Node) -> Result<NonZeroUsize, Fault> {
    let number = integer(node, 1..=1024)?;
    let number = usize::try_from(number).ok().and_then(NonZeroUsize::new);
    number.ok_or_else(|| Fault::error(node.span, "no number of processes", ""))
}

fn set_monitoring(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
    if let Some(list) = patterns(node, faults) {
        config.monitoring = list;
    }
}

fn set_policy_rules(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
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
fn set_gateways(config: &mut Config, node: &Node, faults: &mut Vec<Fault>) {
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
