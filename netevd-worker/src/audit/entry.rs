//! What is recorded, of each of the seven kinds, made of the program's own values.

use crate::document::{GatewayChangeDocument, Reload};
use crate::model::{Class, Completion, Detail, Event, EventKind, Outcome, RouteChange};
use crate::request::{Actor, Refused};
use crate::routing::Done;
use crate::services;
use crate::timestamp::rfc3339;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::SystemTime;

/// Route changes of one event that its record names.
const ROUTES_NAMED: usize = 16;

/// `event_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An address or routes changed, or the host's state.
    NetworkEvent,
    /// A script ran, or a unit was asked for.
    ScriptExecution,
    /// The configuration was read; the audit log itself began, ended, lost something.
    ConfigChange,
    /// Somebody asked the API for a change, or was refused.
    ApiRequest,
    /// A route of netevd's went in or out.
    RouteChange,
    /// A rule of netevd's went in or out.
    RuleChange,
    /// A link came, went, or changed its state or MTU; or its name servers.
    InterfaceChange,
}

/// `result`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the contract's three words")]
pub enum Verdict {
    Success,
    Failure,
    Partial,
}

/// One record, but for what places it in the chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub(super) time: SystemTime,
    pub(super) kind: Kind,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) resource: String,
    pub(super) result: Verdict,
    pub(super) details: Map<String, Value>,
}

impl Entry {
    fn new(
        kind: Kind,
        actor: impl Into<String>,
        action: impl Into<String>,
        resource: impl Into<String>,
    ) -> Self {
        Self {
            time: SystemTime::now(),
            kind,
            actor: actor.into(),
            action: action.into(),
            resource: resource.into(),
            result: Verdict::Success,
            details: Map::new(),
        }
    }

    /// One more member of `details`; null is left out.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        if !value.is_null() {
            self.details.insert(key.to_owned(), value);
        }
        self
    }

    /// With this end; it is success otherwise.
    #[must_use]
    pub fn ended(mut self, result: Verdict) -> Self {
        self.result = result;
        self
    }

    /// An event, when it is read: `interface_change` if it is about the link itself, `network_event`
    /// otherwise. `interface` is `None` for the host's; `backend` is who tells of states.
    pub fn event(event: &Event, interface: Option<&str>, backend: &'static str) -> Self {
        use EventKind::{LinkAdded, LinkRemoved, Mtu};
        let of_link =
            event.kind.class() == Class::State || matches!(event.kind, LinkAdded | LinkRemoved | Mtu);
        let kind = if of_link { Kind::InterfaceChange } else { Kind::NetworkEvent };
        let mut entry = Self::new(kind, backend, event.kind.name(), interface.unwrap_or("host"))
            .with("event_id", event.id.0)
            .with("state", event.state)
            .with("old_state", event.old_state)
            .with("startup", event.startup.then_some(true));
        entry.time = event.time;
        match &event.detail {
            Detail::None => entry,
            Detail::Address(address) => {
                entry.with("address", format!("{}/{}", address.ip, address.prefix_length))
            }
            Detail::Routes(changes) => {
                let named: Vec<String> = changes.iter().take(ROUTES_NAMED).map(route).collect();
                entry.with("route_changes", changes.len()).with("routes", named)
            }
            Detail::Mtu { old, new } => entry.with("mtu", json!({ "old": old, "new": new })),
            Detail::Gateway(change) => entry.with("gateway", json!(GatewayChangeDocument::from(change))),
            Detail::Device { reason } => entry.with("reason", *reason),
            Detail::Lease { .. } => entry.with("lease", true),
            Detail::Dns { old } => entry.with("old_dns", json!(old)),
            Detail::Host { connectivity } => entry.with("connectivity", *connectivity),
        }
    }

    /// A script's run. Values that were left out as malformed are in `rejected`.
    pub fn script(completion: &Completion, interface: &str) -> Self {
        let Completion { event, kind, script, outcome, duration, started, rejected, .. } = completion;
        let result = if *outcome == Outcome::Exited(0) { Verdict::Success } else { Verdict::Failure };
        let entry = Self::new(Kind::ScriptExecution, "netevd", "run", script.to_string_lossy())
            .ended(result)
            .with("event_id", event.0)
            .with("event_type", kind.name())
            .with("interface", interface)
            .with("started_at", rfc3339(*started))
            .with("duration_seconds", duration.as_secs_f64())
            .with("rejected", if rejected.is_empty() { Value::Null } else { json!(rejected) });
        match outcome {
            Outcome::Exited(code) => entry.with("exit_code", *code),
            Outcome::Signalled(number) => entry.with("signal", *number),
            Outcome::TimedOut => entry.with("timeout", true),
            Outcome::NotStarted(cause) => entry.with("error", cause.as_str()),
        }
    }

    /// What became of a demand to another service: a unit, name servers of a link, the host's name.
    pub fn service(outcome: &services::Outcome) -> Self {
        use services::ServiceRequest;
        let entry = match &outcome.request {
            ServiceRequest::Unit { verb, unit, event, link } => {
                Self::new(Kind::ScriptExecution, "netevd", format!("unit-{}", verb.name()), unit)
                    .with("event_id", event.0)
                    .with("interface", link.as_str())
            }
            ServiceRequest::Resolve { link, dns, domains, .. } => {
                Self::new(Kind::InterfaceChange, "netevd", "set-resolver", link.as_str())
                    .with(
                        "dns",
                        dns.as_ref()
                            .map(|servers| servers.iter().map(ToString::to_string).collect::<Vec<_>>()),
                    )
                    .with("domains", domains.clone())
            }
            ServiceRequest::Revert { link, .. } => {
                Self::new(Kind::InterfaceChange, "netevd", "revert-resolver", link.as_str())
            }
            ServiceRequest::HostName { name, link } => {
                Self::new(Kind::ConfigChange, "netevd", "set-host-name", name)
                    .with("interface", link.as_str())
            }
        };
        match &outcome.result {
            Ok(remark) => entry.with("remark", remark.clone()),
            Err(why) => entry.ended(Verdict::Failure).with("error", why.as_str()),
        }
    }

    /// The daemon began with this configuration.
    pub fn start(files: &[String]) -> Self {
        Self::new(Kind::ConfigChange, "netevd", "start", "configuration")
            .with("files", files)
            .with("version", env!("CARGO_PKG_VERSION"))
    }

    /// The configuration was to be read again.
    pub fn reload(actor: &Actor, outcome: &Result<Reload, Refused>) -> Self {
        let entry = Self::new(Kind::ConfigChange, name_of(actor), "reload", "configuration");
        match outcome {
            Ok(reload) => entry
                .with("outcome", reload.result.as_str())
                .with("files", reload.files.clone())
                .with("changed", reload.changed.clone()),
            Err(Refused { problems }) => entry.ended(Verdict::Failure).with(
                "problems",
                problems
                    .iter()
                    .map(|p| json!({ "origin": p.origin, "line": p.line, "column": p.column, "message": p.message }))
                    .collect::<Vec<_>>(),
            ),
        }
    }

    /// A request to the API that changes something, or that was refused; what is only read is not
    /// recorded. `path` without its query.
    pub fn api(actor: &Actor, method: &str, path: &str, status: u16) -> Self {
        let result = if status < 400 { Verdict::Success } else { Verdict::Failure };
        Self::new(Kind::ApiRequest, name_of(actor), method, path).ended(result).with("status", status)
    }

    /// A rule or route that the helper put in, replaced, took out, or refused.
    pub fn routing(done: &Done) -> Self {
        let kind = if done.is_rule { Kind::RuleChange } else { Kind::RouteChange };
        let entry = Self::new(kind, "netevd", done.action, done.object.as_str())
            .with("interface", done.interface.as_str())
            .with("ifindex", u32::from(done.key.ifindex));
        match done.error() {
            None => entry,
            Some(error) => entry.ended(Verdict::Failure).with("error", error),
        }
    }

    /// About the audit log itself.
    pub(super) fn own(action: &str, path: &std::path::Path, time: SystemTime) -> Self {
        let mut entry = Self::new(Kind::ConfigChange, "netevd", action, path.to_string_lossy());
        entry.time = time;
        entry
    }
}

/// Who, in one word: `uid 0 pid 4242`, `127.0.0.1:40112 with token`, `signal`, `netevd`.
fn name_of(actor: &Actor) -> String {
    match actor {
        Actor::Local { uid, pid } => format!("uid {uid} pid {pid}"),
        Actor::Remote { address, token: true } => format!("{address} with token"),
        Actor::Remote { address, token: false } => address.to_string(),
        Actor::Signal => "signal".to_owned(),
        Actor::Netevd => "netevd".to_owned(),
    }
}

fn route(change: &RouteChange) -> String {
    let RouteChange { action, destination, gateway, table, metric, protocol, .. } = change;
    let via = gateway.map(|gateway| format!(" via {gateway}")).unwrap_or_default();
    format!("{} {destination}{via} table {table} metric {metric} proto {protocol}", action.name())
}
