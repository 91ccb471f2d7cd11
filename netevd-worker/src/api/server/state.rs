//! What the event loop knows, and the kernel's counters beside it: status, interfaces, events,
//! scripts, health, metrics; and the one change that can be asked for, a reload.

use super::answer::{Answer, Refusal, document, document_with, long_document, text};
use super::connection::Caller;
use super::connection_limits::KIB;
use super::context::Context;
use super::kernel_queries::{Counters, RouteQuery, RoutesFound};
use super::query::{Parameters, bad, digits, shown};
use crate::api::seen;
use crate::dispatch::{ScriptRoots, on_thread, survey};
use crate::document::{
    Check, Events, InterfaceDetail, InterfaceDocument, Interfaces, Scripts, StatisticsDocument, Status,
};
use crate::journal::EVENTS;
use crate::metrics::{Gauges, OPENMETRICS, TEXT, wants_openmetrics};
use crate::names;
use crate::request::{ApiRequest, EventQuery, Since};
use crate::timestamp::parse_rfc3339;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, State};
use hyper::header::ACCEPT;
use hyper::{HeaderMap, StatusCode, Uri};
use protocol::{InterfaceName, PROTOCOL};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Events in one answer, unless more are asked for.
const EVENTS_LISTED: usize = 100;
/// Routes of one link that its document lists.
const ROUTES_LISTED: usize = 1_000;
/// KiB of an answer with one link and all that belongs to it, or with many.
const LINK_SIZE: usize = 512;
/// Routes of ours: counted, not listed.
const OURS: RouteQuery =
    RouteQuery { family: None, table: None, protocol: Some(PROTOCOL), oif: None, limit: 0 };

type FromPath = Result<Path<String>, PathRejection>;

/// `GET /api/v1/status`
pub(super) async fn status(State(context): State<Arc<Context>>, uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    let mut status = status_of(&context).await?;
    let (rules, routes) = ours(&context).await?;
    (status.rules_managed, status.routes_managed) = (rules, routes.count());
    document(&status)
}

/// What the event loop says, and the listeners.
async fn status_of(context: &Context) -> Result<Status, Refusal> {
    let mut status = context.ask(ApiRequest::Status).await?;
    status.listeners = context.listeners.borrow().clone();
    status.problems.extend(status.listeners.iter().filter_map(|listener| listener.error.clone()));
    if !status.problems.is_empty() {
        "degraded".clone_into(&mut status.status);
    }
    Ok(status)
}

/// What problems are about: their first words, and the label's value.
const PROBLEMS: [(&str, &str); 7] = [
    ("netlink", "netlink"),
    ("bus", "bus"),
    ("configuration", "configuration"),
    ("backend", "backend"),
    ("helper", "helper"),
    ("routing", "routing"),
    ("audit log", "audit"),
];
/// Those of a listener begin with its address.
const OF_LISTENERS: &str = "listener";

/// How many problems there are of each kind.
fn by_kind(problems: &[String]) -> Vec<(&'static str, u64)> {
    let kind = |text: &String| {
        let first = text.split_once(": ").map_or("", |(first, _)| first);
        PROBLEMS.iter().find(|(words, _)| *words == first).map_or(OF_LISTENERS, |(_, kind)| kind)
    };
    let count = |wanted| problems.iter().map(kind).filter(|kind| *kind == wanted).count();
    let kinds = PROBLEMS.iter().map(|(_, kind)| *kind).chain([OF_LISTENERS]);
    kinds.map(|kind| (kind, u64::try_from(count(kind)).unwrap_or(u64::MAX))).collect()
}

async fn ours(context: &Context) -> Result<(u64, RoutesFound), Refusal> {
    let (rules, routes) = tokio::try_join!(context.queries.rules(), context.queries.routes(OURS))?;
    let rules = rules.iter().filter(|rule| rule.protocol == PROTOCOL).count();
    Ok((u64::try_from(rules).unwrap_or(u64::MAX), routes))
}

/// KiB of an answer with so many links: of one without addresses it has 280 bytes, and 90 for each of them.
fn links_size(links: u64) -> usize {
    let links = usize::try_from(links).unwrap_or(usize::MAX);
    LINK_SIZE.saturating_add(links / 2).min(KIB)
}

/// `GET /api/v1/interfaces`
pub(super) async fn interfaces(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    let parameters = Parameters::of(&uri, &["state", "type", "statistics"])?;
    let (state, kind) = (parameters.open_word("state")?, parameters.open_word("type")?);
    let has_statistics = parameters.flag("statistics")?;
    let links = context.ask(ApiRequest::Status).await?.interfaces_total;
    let share = caller.reserve(links_size(links)).await?;
    let mut interfaces = context.ask(ApiRequest::Interfaces).await?;
    interfaces.retain(|link| {
        state.is_none_or(|state| link.state == state) && kind.is_none_or(|kind| link.kind == kind)
    });
    if has_statistics {
        let counters = context.queries.counters().await?;
        interfaces.iter_mut().for_each(|link| add_statistics(link, &counters));
    }
    long_document(
        share,
        &Interfaces { count: u64::try_from(interfaces.len()).unwrap_or(u64::MAX), interfaces },
    )
}

/// Null stays where the link has gone meanwhile.
fn add_statistics(link: &mut InterfaceDocument, counters: &Counters) {
    link.statistics = counters.get(&link.index).map(|counters| StatisticsDocument {
        rx_bytes: counters.rx_bytes,
        tx_bytes: counters.tx_bytes,
        rx_packets: counters.rx_packets,
        tx_packets: counters.tx_packets,
        rx_errors: counters.rx_errors,
        tx_errors: counters.tx_errors,
        rx_dropped: counters.rx_dropped,
        tx_dropped: counters.tx_dropped,
        multicast: counters.multicast,
        collisions: counters.collisions,
    });
}

/// `GET /api/v1/interfaces/{name}`
pub(super) async fn interface(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    name: FromPath,
    uri: Uri,
) -> Answer {
    Parameters::of(&uri, &[])?;
    let name = part(name)?;
    let none = || Refusal::not_found(format!("there is no interface {}", shown(&name)));
    let asked = InterfaceName::new(&name).map_err(|_| none())?;
    let share = caller.reserve(LINK_SIZE).await?;
    let detail = context.ask(|reply| ApiRequest::Interface(asked, reply)).await?;
    let mut detail: Box<InterfaceDetail> = detail.ok_or_else(none)?;
    let names = context.ask(ApiRequest::Names).await?;
    let query =
        RouteQuery { oif: Some(detail.interface.index), limit: ROUTES_LISTED, ..RouteQuery::default() };
    // Together, so that they share a turn.
    let queries = &context.queries;
    let (counters, found, rules) =
        tokio::try_join!(queries.counters(), queries.routes(query), queries.rules())?;
    add_statistics(&mut detail.interface, &counters);
    detail.routes = found.routes.into_iter().map(|route| seen::route(route, &names.links)).collect();
    let link = Some(detail.interface.name.as_str());
    detail.rules = rules
        .iter()
        .filter(|rule| rule.protocol == PROTOCOL)
        .map(|rule| seen::rule(rule, &names.links, names.policy.table_base))
        .filter(|rule| rule.interface.as_deref() == link)
        .collect();
    long_document(share, &detail)
}

fn part(part: FromPath) -> Result<String, Refusal> {
    let Path(part) = part.map_err(|error| Refusal::bad(format!("the path cannot be read: {error}")))?;
    Ok(part)
}

/// `GET /api/v1/events`
pub(super) async fn events(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    let parameters = Parameters::of(&uri, &["limit", "interface", "event_type", "since"])?;
    let query = EventQuery {
        limit: parameters.number("limit", 1..=EVENTS)?.unwrap_or(EVENTS_LISTED),
        interface: parameters.interface()?.map(|name| name.as_str().to_owned()),
        kinds: parameters.kinds()?,
        since: parameters.one("since")?.map(since).transpose()?,
    };
    // Most events take less than a KiB.
    let share = caller.reserve(query.limit + 64).await?;
    let page = context.ask(|reply| ApiRequest::Events(query, reply)).await?;
    let count = u64::try_from(page.events.len()).unwrap_or(u64::MAX);
    long_document(share, &Events { events: page.events, count, has_more: page.has_more })
}

fn since(text: &str) -> Result<Since, Refusal> {
    let id = digits(text).and_then(|digits| digits.parse().ok()).map(Since::Id);
    id.or_else(|| parse_rfc3339(text).map(Since::Time)).ok_or_else(|| {
        bad(
            "since",
            text,
            "an event's id, or a time by RFC 3339, such as 2026-03-01T09:30:00Z (write + as %2B)",
        )
    })
}

/// `GET /api/v1/events/{id}`
pub(super) async fn event(State(context): State<Arc<Context>>, id: FromPath, uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    let text = part(id)?;
    let id = digits(&text).and_then(|digits| digits.parse().ok());
    let id = id.ok_or_else(|| bad("id", &text, "an event's id, a whole number"))?;
    let event = context.ask(|reply| ApiRequest::Event(id, reply)).await?;
    let none = || Refusal::not_found(format!("event {id} is not among the newest {EVENTS}"));
    document(&event.ok_or_else(none)?)
}

/// How long the script directories may take.
const SCRIPTS_TIMEOUT: Duration = Duration::from_secs(5);

/// `GET /api/v1/scripts`
pub(super) async fn scripts(State(context): State<Arc<Context>>, uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    let runs = context.ask(ApiRequest::Runs).await?;
    let mut runs: HashMap<_, _> =
        runs.into_iter().map(|runs| (runs.path.display().to_string(), runs)).collect();
    // A directory may be on a file system that does not answer.
    let (owner, identity) = (context.trusted(), context.scripts_run_as.clone());
    let found = on_thread(SCRIPTS_TIMEOUT, move || survey(&ScriptRoots::default(), owner, &identity)).await;
    let found =
        found.ok_or_else(|| Refusal::unavailable("a script directory does not answer: netevd status"))?;
    let mut scripts = Scripts::from(found);
    for script in &mut scripts.scripts {
        if let Some(known) = runs.remove(&script.path) {
            (script.runs, script.failures, script.last_run) = (known.runs, known.failures, Some(known.last));
        }
    }
    document(&scripts)
}

/// `GET /health`
pub(super) async fn health(State(context): State<Arc<Context>>, uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    let health = context.ask(ApiRequest::Health).await?;
    let is_healthy = health.status == "healthy";
    document_with(if is_healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &health)
}

/// `GET /metrics`
pub(super) async fn metrics(State(context): State<Arc<Context>>, headers: HeaderMap, uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    if !context.has_metrics() {
        return Err(Refusal::not_found("metrics are off: metrics.enabled is false in the configuration"));
    }
    let status = status_of(&context).await?;
    let checks = context.ask(ApiRequest::Health).await?.checks;
    let (routing_rules, routes) = ours(&context).await?;
    // What is not needed here fails nobody.
    let is_good = |check: &Check| check.status != "failed";
    let by_table = routes.tables.into_iter();
    let gauges = Gauges {
        uptime: Duration::try_from_secs_f64(status.uptime_seconds).unwrap_or_default(),
        interfaces: status.interfaces_total,
        script_queue_length: status.events_waiting,
        routing_rules,
        routes: by_table.map(|(table, count)| (names::route_table(table).into_owned(), count)).collect(),
        checks: vec![
            ("netlink", is_good(&checks.netlink)),
            ("dbus", is_good(&checks.dbus)),
            ("config", is_good(&checks.config)),
            ("backend", is_good(&checks.backend)),
            ("helper", is_good(&checks.helper)),
        ],
        problems: by_kind(&status.problems),
    };
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let is_open = accepted.into_iter().any(wants_openmetrics);
    let kind = if is_open { OPENMETRICS } else { TEXT };
    Ok(text(StatusCode::OK, kind, context.metrics.encode(&gauges, is_open)))
}

/// `POST /api/v1/reload`
pub(super) async fn reload(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    caller.changing?;
    let dry_run = Parameters::of(&uri, &["dry_run"])?.flag("dry_run")?;
    let actor = caller.actor;
    match context.ask(|reply| ApiRequest::Reload { dry_run, actor, reply }).await? {
        Ok(reload) => document(&reload),
        Err(refused) => Err(Refusal::invalid_configuration(
            "the configuration is faulty; the one before stays in force",
            serde_json::json!({ "problems": refused.problems }),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_of_one_kind() {
        let texts =
            ["routing: eth1 ipv4: x", "routing: y", "audit log: full", "tcp 127.0.0.1:9090: port in use"];
        let counts = by_kind(&texts.map(str::to_owned));
        assert_eq!(counts.iter().map(|(_, count)| count).sum::<u64>(), 4);
        let of = |kind| counts.iter().find(|(known, _)| *known == kind).map(|(_, count)| *count);
        assert_eq!([of("routing"), of("audit"), of("listener"), of("bus")], [2, 1, 1, 0].map(Some));
    }
    use crate::document::AddressDocument;

    #[test]
    fn a_list_of_links_reserves_what_it_takes_and_no_more_than_there_is() {
        let address = AddressDocument {
            ip: [0x2001, 0xdb8, 1, 2, 3, 4, 5, 6].into(),
            prefix: 128,
            family: "ipv6".to_owned(),
            scope: "global".to_owned(),
            flags: vec!["permanent".to_owned()],
            peer: Some([0x2001, 0xdb8, 1, 2, 3, 4, 5, 7].into()),
        };
        let link = InterfaceDocument {
            name: "veth0123456789a".to_owned(),
            index: 100_000,
            state: "degraded".to_owned(),
            administrative_state: None,
            operstate: "lowerlayerdown".to_owned(),
            kind: "veth".to_owned(),
            mac_address: Some("00:00:5e:00:53:01".to_owned()),
            mtu: 1_500,
            addresses: vec![address],
            flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"].map(str::to_owned).to_vec(),
            monitored: true,
            managed: false,
            statistics: None,
        };
        for count in [1_u16, 2_000, 10_000] {
            let interfaces = vec![link.clone(); count.into()];
            let json = serde_json::to_string(&Interfaces { count: count.into(), interfaces }).expect("JSON");
            assert!(json.len().div_ceil(1_024) <= links_size(count.into()), "{count}: {} bytes", json.len());
        }
        assert_eq!(links_size(u64::MAX), KIB);
    }
}
