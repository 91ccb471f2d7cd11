//! Every family: name, help, labels, buckets. docs/metrics.md tells what each is for.

use crate::kernel::KernelMessage;
use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;
use std::borrow::Cow;
use std::sync::atomic::AtomicU64;

/// Labels with their values.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type Counters<const N: usize> = Family<Labels<N>, Counter>;
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// A gauge whose name ends in `_total`, as the contract has it: no type is claimed for it, which is
/// what such a name is permitted.
#[derive(Clone, Debug, Default)]
pub(super) struct Untyped(pub(super) Gauge<u64, AtomicU64>);

impl TypedMetric for Untyped {
    const TYPE: MetricType = MetricType::Unknown;
}

impl EncodeMetric for Untyped {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> std::fmt::Result {
        encoder.encode_gauge(&self.0.get())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

/// All of them. Clones are the same ones.
#[derive(Clone)]
pub(super) struct Families {
    pub(super) uptime: Gauge<f64, AtomicU64>,
    pub(super) events: Counters<3>,
    pub(super) event_duration: Histograms,
    pub(super) event_to_script: Histogram,
    pub(super) interfaces: Untyped,
    pub(super) state_changes: Counters<2>,
    pub(super) rules: Untyped,
    pub(super) routes: Family<Labels<1>, Untyped>,
    pub(super) script_executions: Counters<2>,
    pub(super) script_duration: Histograms,
    pub(super) script_failures: Counters<2>,
    pub(super) script_queue: Gauge<u64, AtomicU64>,
    pub(super) coalesced: Counter,
    pub(super) dbus_calls: Counters<2>,
    pub(super) dbus_errors: Counter,
    netlink_family: Counters<1>,
    /// The members of that family, in the order of [`MESSAGES`]: a storm looks none of them up.
    pub(super) netlink_messages: [Counter; MESSAGES.len()],
    pub(super) netlink_errors: Counter,
    pub(super) netlink_overruns: Counter,
    pub(super) resyncs: Counter,
    pub(super) resync_duration: Histogram,
    pub(super) checks: Family<Labels<1>, Gauge>,
    pub(super) problems: Family<Labels<1>, Gauge<u64, AtomicU64>>,
    pub(super) helper_requests: Counters<2>,
    pub(super) helper_duration: Histogram,
    pub(super) external_wipes: Counter,
    pub(super) reload_successful: Gauge,
    pub(super) audit_records: Counter,
    pub(super) audit_lost: Counter,
    pub(super) audit_errors: Counter,
}

/// The kernel's messages, in the order of [`message`].
pub(super) const MESSAGES: [&str; 8] = [
    "RTM_NEWLINK",
    "RTM_DELLINK",
    "RTM_NEWADDR",
    "RTM_DELADDR",
    "RTM_NEWROUTE",
    "RTM_DELROUTE",
    "RTM_NEWRULE",
    "RTM_DELRULE",
];

/// Its place in [`MESSAGES`].
pub(super) const NEW_ROUTE: usize = 4;
pub(super) const ROUTE_GONE: usize = 5;

pub(super) fn message(message: &KernelMessage) -> usize {
    match message {
        KernelMessage::Link(_) => 0,
        KernelMessage::LinkGone(_) => 1,
        KernelMessage::Address(..) => 2,
        KernelMessage::AddressGone(..) => 3,
        KernelMessage::Route(..) => NEW_ROUTE,
        KernelMessage::RouteGone(_) => ROUTE_GONE,
        KernelMessage::Rule(_) => 6,
        KernelMessage::RuleGone(_) => 7,
    }
}

/// Labels of `netevd_events_total`.
pub(super) fn event(kind: &'static str, interface: Cow<'static, str>, backend: &'static str) -> Labels<3> {
    [("type", Cow::Borrowed(kind)), ("interface", interface), ("backend", Cow::Borrowed(backend))]
}

/// Labels of `netevd_interface_state_changes_total`.
pub(super) fn state(interface: Cow<'static, str>, state: &'static str) -> Labels<2> {
    [("interface", interface), ("state", Cow::Borrowed(state))]
}

/// From an event to its scripts: tenths of a millisecond to a queue that is far behind.
fn event_seconds() -> Histogram {
    Histogram::new([0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// A script: an empty shell to `scripts.timeout`.
fn script_seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0])
}

/// A dump: a host's dozen routes to a full table's million.
fn resync_seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0])
}

/// A request to the helper: 30 microseconds to the ten seconds that are waited for.
fn helper_seconds() -> Histogram {
    Histogram::new([0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.1, 1.0, 10.0])
}

impl Families {
    /// All of them at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let messages: Counters<1> = Family::default();
        let members =
            MESSAGES.map(|name| messages.get_or_create_owned(&[("message_type", Cow::Borrowed(name))]));
        let families = Self {
            uptime: Gauge::default(),
            events: Family::default(),
            event_duration: Family::new_with_constructor(event_seconds),
            event_to_script: event_seconds(),
            interfaces: Untyped::default(),
            state_changes: Family::default(),
            rules: Untyped::default(),
            routes: Family::default(),
            script_executions: Family::default(),
            script_duration: Family::new_with_constructor(script_seconds),
            script_failures: Family::default(),
            script_queue: Gauge::default(),
            coalesced: Counter::default(),
            dbus_calls: Family::default(),
            dbus_errors: Counter::default(),
            netlink_family: messages,
            netlink_messages: members,
            netlink_errors: Counter::default(),
            netlink_overruns: Counter::default(),
            resyncs: Counter::default(),
            resync_duration: resync_seconds(),
            checks: Family::default(),
            problems: Family::default(),
            helper_requests: Family::default(),
            helper_duration: helper_seconds(),
            external_wipes: Counter::default(),
            reload_successful: Gauge::default(),
            audit_records: Counter::default(),
            audit_lost: Counter::default(),
            audit_errors: Counter::default(),
        };
        families.clone().name(registry);
        families
    }

    /// Counters lose the `_total` here that the encoder gives them back.
    fn name(self, registry: &mut Registry) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("netevd", "The running version", version);
        let r = registry;
        r.register("netevd_uptime_seconds", "Since the worker began", self.uptime);
        r.register("netevd_events", "Events that were read", self.events);
        let help = "From the reading of an event to the end of its last script";
        r.register("netevd_event_duration_seconds", help, self.event_duration);
        let help = "From the reading of an event to the start of its first script";
        r.register("netevd_event_to_script_seconds", help, self.event_to_script);
        r.register("netevd_interfaces_total", "Interfaces of the host, now", self.interfaces);
        let help = "States that an interface has reached";
        r.register("netevd_interface_state_changes", help, self.state_changes);
        let help = "Routing policy rules of netevd in the kernel, now";
        r.register("netevd_routing_rules_total", help, self.rules);
        let help = "Routes of netevd in the kernel by routing table, now";
        r.register("netevd_routes_total", help, self.routes);
        r.register("netevd_script_executions", "Scripts that ran to whatever end", self.script_executions);
        r.register(
            "netevd_script_duration_seconds",
            "From a script's start to its end",
            self.script_duration,
        );
        let help = "Scripts that did not end with status 0, or did not start";
        r.register("netevd_script_failures", help, self.script_failures);
        r.register(
            "netevd_script_queue_length",
            "Events that wait for their scripts, now",
            self.script_queue,
        );
        let help = "Events and route changes that the run for another one stood for";
        r.register("netevd_events_coalesced", help, self.coalesced);
        r.register("netevd_dbus_calls", "Method calls on the system bus", self.dbus_calls);
        let help = "Failed method calls, and losses of the system bus";
        r.register("netevd_dbus_errors", help, self.dbus_errors);
        r.register("netevd_netlink_messages", "Messages of the kernel that were read", self.netlink_family);
        let help = "Messages of the kernel that were not understood";
        r.register("netevd_netlink_errors", help, self.netlink_errors);
        let help = "How often the kernel had more to tell than the receive buffer holds";
        r.register("netevd_netlink_overruns", help, self.netlink_overruns);
        r.register("netevd_resyncs", "How often the kernel's whole state was read", self.resyncs);
        let help = "How long reading the kernel's whole state took";
        r.register("netevd_resync_duration_seconds", help, self.resync_duration);
        r.register("netevd_check_ok", "The checks of /health: 1 good, 0 not", self.checks);
        let help = "The problems of `netevd status` by what they are about, now";
        r.register("netevd_problems", help, self.problems);
        r.register("netevd_helper_requests", "Requests to the privileged helper", self.helper_requests);
        let help = "From a request to the privileged helper to its answer";
        r.register("netevd_helper_request_duration_seconds", help, self.helper_duration);
        let help = "Rules and fallback routes of netevd that another program deleted";
        r.register("netevd_external_wipes", help, self.external_wipes);
        let help = "Whether the configuration was read without an error when it was last read: 1 yes, 0 no";
        r.register("netevd_config_last_reload_successful", help, self.reload_successful);
        r.register("netevd_audit_records", "Records that the audit log has got", self.audit_records);
        let help = "Records that the audit log lacks: the disk, or a full queue";
        r.register("netevd_audit_records_lost", help, self.audit_lost);
        let help = "How often the audit log could not be opened, written or rotated";
        r.register("netevd_audit_errors", help, self.audit_errors);
    }
}
