//! Every key that this version understands, as data: its path, what may be written, its default, one
//! line of explanation, and how it is set. The schema, the manual page and the table of
//! docs/configuration.md are made from it.

use super::problem::Fault;
use super::routing::{
    set_gateways, set_ignore_protocols, set_main_prefixes, set_marks, set_policy_rules, set_shared,
};
use super::set::{backend, max_parallel, set_lease_files, set_monitoring, set_networkmanager};
use super::value::{
    absolute_path, boolean, choice, duration, group_name, integer, ip_address, optional_user,
};
use super::watching::{port, token_file};
use super::yaml::Node;
use super::{Config, LogLevel, SpecificRoutes, filters, units};
use crate::model::Backend;
use protocol::{Fallback, GatewayCheck, RULE_PRIORITY_MAX, TABLE_BASE_MAX};
use std::ops::RangeInclusive;
use std::time::Duration;

/// One key.
pub struct Key {
    /// Dotted path, as in documentation.
    pub path: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// The default, as it is written in YAML.
    pub default: &'static str,
    /// One line, with words of the configuration in backquotes.
    pub about: &'static str,
    /// Sets it, or adds to the faults and leaves the configuration as it was.
    pub(super) set: fn(&mut Config, &Node, &mut Vec<Fault>),
}

/// What may be written for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Boolean,
    /// A decimal number.
    Number(RangeInclusive<u32>),
    /// One of these words.
    Words(&'static [&'static str]),
    /// `500ms`, `30s`, `2m`, `1h`, or seconds.
    Duration(RangeInclusive<Duration>),
    /// A list of interface names and globs, `!` excludes.
    Patterns,
    /// A list of absolute paths, the last component of which may be a glob.
    Paths,
    /// An absolute path.
    Path,
    /// An absolute path, or null.
    OptionalPath,
    /// An IP address.
    Address,
    /// The name of a group.
    Group,
    /// The name or number of a user, or null.
    OptionalUser,
    /// A mapping from interfaces to addresses, or `first`.
    Gateways,
    /// A mapping from interfaces to marks.
    Marks,
    /// A list of IP addresses.
    Addresses,
    /// A list of prefixes.
    Prefixes,
    /// A list of routing protocols, names or numbers.
    Protocols,
    /// An empty mapping.
    Nothing,
    /// Rules for units.
    Units,
    /// Filters.
    Filters,
}

impl Kind {
    /// Whether an environment variable can hold it, and whether as words that are a list.
    pub(super) const fn in_a_variable(&self) -> Option<bool> {
        match self {
            Kind::Gateways | Kind::Marks | Kind::Nothing | Kind::Units | Kind::Filters => None,
            Kind::Patterns | Kind::Paths | Kind::Addresses | Kind::Prefixes | Kind::Protocols => Some(true),
            _ => Some(false),
        }
    }
}

const LIMIT: RangeInclusive<u32> = 1..=1_000_000;
const LEVELS: [(&str, LogLevel); 5] = [
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
pub(super) const BACKENDS: [(&str, Backend); 5] = [
    (Backend::Networkd.name(), Backend::Networkd),
    (Backend::NetworkManager.name(), Backend::NetworkManager),
    (Backend::Dhclient.name(), Backend::Dhclient),
    (Backend::Kernel.name(), Backend::Kernel),
    (Backend::Auto.name(), Backend::Auto),
];
const FALLBACKS: [(&str, Fallback); 2] = [("main", Fallback::Main), ("unreachable", Fallback::Unreachable)];
const CHECKS: [(&str, GatewayCheck); 2] = [("known", GatewayCheck::Known), ("on-link", GatewayCheck::OnLink)];
const SPECIFIC: [(&str, SpecificRoutes); 2] =
    [("copied", SpecificRoutes::Copied), ("main", SpecificRoutes::Main)];
const TIMEOUT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);

static LEVEL_NAMES: [&str; 5] = names(&LEVELS);
static BACKEND_NAMES: [&str; 5] = names(&BACKENDS);
static FALLBACK_NAMES: [&str; 2] = names(&FALLBACKS);
static CHECK_NAMES: [&str; 2] = names(&CHECKS);
static SPECIFIC_NAMES: [&str; 2] = names(&SPECIFIC);

const fn names<T: Copy, const N: usize>(words: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut names = [""; N];
    let mut place = 0;
    while place < N {
        names[place] = words[place].0;
        place += 1;
    }
    names
}

/// Stores a good value, records a bad one.
fn put<T>(slot: &mut T, value: Result<T, Fault>, faults: &mut Vec<Fault>) {
    match value {
        Ok(value) => *slot = value,
        Err(fault) => faults.push(fault),
    }
}

macro_rules! key {
    // A field and the reader of its value.
    ($path:literal, $kind:expr, $default:literal, $about:literal, $($field:ident).+, $read:expr) => {
        key!($path, $kind, $default, $about, |config, node, faults| {
            put(&mut config.$($field).+, $read(node), faults)
        })
    };
    ($path:literal, $kind:expr, $default:literal, $about:literal, $set:expr) => {
        Key { path: $path, kind: $kind, default: $default, about: $about, set: $set }
    };
}

/// A number within a range.
macro_rules! number {
    ($path:literal, $range:expr, $default:literal, $about:literal, $($field:ident).+) => {
        key!($path, Kind::Number($range), $default, $about, $($field).+, |node| integer(node, $range))
    };
}

/// The keys, in the order of the documentation.
pub(super) static KEYS: [Key; 41] = [
    key!(
        "system.log_level",
        Kind::Words(&LEVEL_NAMES),
        "info",
        "what is logged; `RUST_LOG` overrides it",
        system.log_level,
        |node| choice(node, &LEVELS)
    ),
    key!(
        "system.backend",
        Kind::Words(&BACKEND_NAMES),
        "systemd-networkd",
        "who manages the network; `kernel` is no manager (containers, minimal hosts), `auto` the first of the three that is there, else the kernel until one appears",
        system.backend,
        backend
    ),
    key!(
        "system.startup_events",
        Kind::Boolean,
        "true",
        "whether the state found at the first start since boot, or after `systemctl stop`, runs scripts",
        system.startup_events,
        boolean
    ),
    key!(
        "monitoring.interfaces",
        Kind::Patterns,
        "[]",
        "links whose events run scripts; `[]` is all but `lo`",
        set_monitoring
    ),
    key!(
        "routing.policy_rules",
        Kind::Patterns,
        "[]",
        "interfaces under policy routing, by any of their names; `[]` is none",
        set_policy_rules
    ),
    number!(
        "routing.table_base",
        1..=TABLE_BASE_MAX,
        "200",
        "an interface's table is this plus its ifindex",
        routing.table_base
    ),
    number!(
        "routing.rule_priority",
        1..=RULE_PRIORITY_MAX,
        "32000",
        "the rules are at this priority and the three behind it",
        routing.rule_priority
    ),
    key!(
        "routing.local_networks",
        Kind::Boolean,
        "true",
        "whether routes by other interfaces that are no uplinks (docker0, pods, wg0) are copied",
        planning.local_networks,
        boolean
    ),
    key!(
        "routing.specific_routes",
        Kind::Words(&SPECIFIC_NAMES),
        "copied",
        "whether routes more specific than a default are copied or left to main, which then reaches the subnets of other uplinks through those",
        planning.specific_routes,
        |node| choice(node, &SPECIFIC)
    ),
    key!(
        "routing.ignore_protocols",
        Kind::Protocols,
        "[]",
        "routing protocols whose routes are neither read nor copied (defaults are): full tables; their destinations go to the interface's gateway",
        set_ignore_protocols
    ),
    key!(
        "routing.main_prefixes",
        Kind::Prefixes,
        "[]",
        "destinations that are left to main, whatever the source",
        set_main_prefixes
    ),
    key!(
        "routing.to_rules",
        Kind::Boolean,
        "true",
        "whether addresses get `to` rules beside their `from` rules",
        routing.to_rules,
        boolean
    ),
    key!(
        "routing.marks",
        Kind::Marks,
        "{}",
        "the firewall's mark by interface: what has it goes by that interface's table; `netevd policy --nft` prints the rules that set it",
        set_marks
    ),
    key!(
        "routing.shared",
        Kind::Addresses,
        "[]",
        "addresses that may be on several interfaces at a time and get rules nevertheless",
        set_shared
    ),
    key!(
        "routing.fallback",
        Kind::Words(&FALLBACK_NAMES),
        "main",
        "when an interface's gateway is gone: its traffic may leave by another uplink (`main`) or never does",
        routing.fallback,
        |node| choice(node, &FALLBACKS)
    ),
    key!(
        "routing.gateways",
        Kind::Gateways,
        "{}",
        "gateways by interface, in order of preference; `first` is the first address of the interface's subnet",
        set_gateways
    ),
    key!(
        "routing.gateway_check",
        Kind::Words(&CHECK_NAMES),
        "known",
        "`known`: a gateway must stand in a route or above; `on-link`: it must be reached without another",
        routing.gateway_check,
        |node| choice(node, &CHECKS)
    ),
    number!(
        "routing.limits.addresses",
        LIMIT,
        "1024",
        "addresses with rules, for each interface",
        routing.limits.addresses
    ),
    number!(
        "routing.limits.copies",
        LIMIT,
        "4096",
        "prefixes that are copied, for each interface and family; beyond, they are left to main",
        routing.limits.copies
    ),
    number!(
        "routing.limits.objects",
        LIMIT,
        "16384",
        "rules and routes in all; also the burst of writes",
        routing.limits.objects
    ),
    number!(
        "routing.limits.writes_per_second",
        LIMIT,
        "2000",
        "what the helper writes to the kernel, after a burst",
        routing.limits.writes_per_second
    ),
    key!(
        "scripts.timeout",
        Kind::Duration(TIMEOUT),
        "30s",
        "how long one script may run",
        scripts.timeout,
        |node| duration(node, TIMEOUT)
    ),
    key!(
        "scripts.max_parallel",
        Kind::Number(1..=1024),
        "8",
        "processes at a time over all links",
        scripts.max_parallel,
        max_parallel
    ),
    key!(
        "scripts.user",
        Kind::OptionalUser,
        "null",
        "a user of their own for scripts, other than the daemon's; takes effect at a start",
        scripts.user,
        optional_user
    ),
    key!(
        "units",
        Kind::Units,
        "[]",
        "units that events start, stop, restart or reload",
        |config, node, faults| config.units = units::read(node, faults)
    ),
    key!(
        "filters",
        Kind::Filters,
        "[]",
        "which events run anything, and which scripts",
        |config, node, faults| config.filters = filters::read(node, faults)
    ),
    key!(
        "backends.systemd_networkd.emit_json",
        Kind::Boolean,
        "true",
        "whether scripts get `JSON`",
        backends.emit_json,
        boolean
    ),
    key!("backends.networkmanager", Kind::Nothing, "{}", "no keys yet", set_networkmanager),
    key!(
        "backends.dhclient.use_dns",
        Kind::Boolean,
        "false",
        "whether a lease's name servers go to systemd-resolved",
        backends.dhclient.use_dns,
        boolean
    ),
    key!(
        "backends.dhclient.use_domain",
        Kind::Boolean,
        "false",
        "whether its domains do",
        backends.dhclient.use_domain,
        boolean
    ),
    key!(
        "backends.dhclient.use_hostname",
        Kind::Boolean,
        "false",
        "whether its host name goes to systemd-hostnamed",
        backends.dhclient.use_hostname,
        boolean
    ),
    key!(
        "backends.dhclient.lease_files",
        Kind::Paths,
        "[]",
        "lease files beside `/var/lib/dhcp/*.leases` and `/var/lib/dhclient/*.leases`",
        set_lease_files
    ),
    key!(
        "api.enabled",
        Kind::Boolean,
        "false",
        "the API on TCP too; the unix socket is always there",
        api.enabled,
        boolean
    ),
    key!(
        "api.bind_address",
        Kind::Address,
        "127.0.0.1",
        "an address of this host; beyond loopback it needs `token_file`",
        api.bind_address,
        ip_address
    ),
    key!(
        "api.port",
        Kind::Number(0..=65_535),
        "9090",
        "with 0 the kernel chooses, `netevd status` shows it",
        api.port,
        port
    ),
    key!(
        "api.token_file",
        Kind::OptionalPath,
        "null",
        "a file with one line of 16 characters or more, which permits changes over TCP",
        api.token_file,
        token_file
    ),
    key!(
        "api.socket_group",
        Kind::Group,
        "netevd",
        "who may connect to the unix socket beside root and the daemon's user",
        api.socket_group,
        group_name
    ),
    key!("metrics.enabled", Kind::Boolean, "true", "whether `/metrics` is served", metrics.enabled, boolean),
    key!(
        "audit.enabled",
        Kind::Boolean,
        "false",
        "whether what happened, what was run and what was changed is written down",
        audit.enabled,
        boolean
    ),
    key!(
        "audit.path",
        Kind::Path,
        "/var/log/netevd/audit.log",
        "the file that is written to",
        audit.path,
        absolute_path
    ),
    number!(
        "audit.retention_days",
        1..=36_500,
        "90",
        "files of days before that are removed",
        audit.retention_days
    ),
];
