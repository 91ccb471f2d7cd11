//! Routes and rules as documents: what the kernel has now, with the names that people know.

use super::answer::{Answer, Refusal, document, long_document};
use super::connection::Caller;
use super::context::Context;
use super::look::{RouteQuery, leads_nowhere};
use super::query::{Parameters, bad, digits};
use crate::api::ask::{Ask, Names};
use crate::api::document::{NextHopDocument, RouteDocument, Routes, RuleDocument, Rules};
use crate::kernel::{SeenRoute, SeenRule};
use crate::names;
use axum::extract::{Extension, State};
use hyper::Uri;
use protocol::{Family, Ifindex, PROTOCOL, Prefix, TableId};
use std::sync::Arc;

/// KiB of an answer with so many routes or rules.
const fn size(routes: usize) -> usize {
    routes / 3 + 64
}

/// Routes in one answer: by default, and at most.
const LIMIT: usize = 1_000;
const LIMITS: std::ops::RangeInclusive<usize> = 1..=10_000;

/// `GET /api/v1/routes`
pub(super) async fn routes(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    let parameters = Parameters::of(&uri, &["interface", "table", "family", "limit"])?;
    let family = parameters.word("family", &[("ipv4", Family::V4), ("ipv6", Family::V6)])?;
    let table = parameters.one("table")?.map(table_of).transpose()?;
    let limit = parameters.number("limit", LIMITS)?.unwrap_or(LIMIT);
    let interface = parameters.interface()?;
    let share = caller.reserve(size(limit)).await?;
    let names = context.ask(Ask::Names).await?;
    let oif = match interface {
        None => None,
        Some(name) => match names.links.iter().find(|(_, known)| **known == name) {
            Some((ifindex, _)) => Some(u32::from(*ifindex)),
            // No route goes by what is not there.
            None => return document(&Routes { routes: Vec::new(), count: 0, has_more: false }),
        },
    };
    let found = context.looker.routes(RouteQuery { family, table, protocol: None, oif, limit }).await?;
    let count = found.count();
    let routes: Vec<_> = found.routes.into_iter().map(|route| route_document(route, &names)).collect();
    let has_more = u64::try_from(routes.len()).is_ok_and(|listed| listed < count);
    long_document(share, &Routes { routes, count, has_more })
}

/// `GET /api/v1/rules`
pub(super) async fn rules(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
) -> Answer {
    Parameters::of(&uri, &[])?;
    let share = caller.reserve(size(LIMIT)).await?;
    let names = context.ask(Ask::Names).await?;
    let rules: Vec<_> =
        context.looker.rules().await?.iter().map(|rule| rule_document(rule, &names)).collect();
    long_document(share, &Rules { count: u64::try_from(rules.len()).unwrap_or(u64::MAX), rules })
}

/// A table's number, or one of the kernel's three names.
fn table_of(text: &str) -> Result<u32, Refusal> {
    let number = match text {
        "default" => Some(TableId::DEFAULT.0),
        "main" => Some(TableId::MAIN.0),
        "local" => Some(TableId::LOCAL.0),
        number => digits(number).and_then(|digits| digits.parse().ok()).filter(|number| *number > 0),
    };
    number.ok_or_else(|| bad("table", text, "main, local, default, or a number from 1 to 4294967295"))
}

pub(super) fn route_document(route: SeenRoute, names: &Names) -> RouteDocument {
    let link = |oif: Option<u32>| name_of(oif?, names);
    let first = route.hops.first().copied().unwrap_or_default();
    let next_hops = match route.hops.as_slice() {
        [] | [_] => Vec::new(),
        hops => hops
            .iter()
            .map(|hop| NextHopDocument { gateway: hop.gateway, interface: link(hop.oif) })
            .collect(),
    };
    let is_default = route.destination.length() == 0;
    RouteDocument {
        destination: if is_default { "default".to_owned() } else { route.destination.to_string() },
        family: family(Family::of(route.destination.address())).to_owned(),
        kind: names::route_type(route.kind).into_owned(),
        gateway: first.gateway,
        interface: if leads_nowhere(&route) { None } else { link(first.oif) },
        metric: route.metric,
        table: names::route_table(route.table).into_owned(),
        protocol: names::route_protocol(route.protocol).into_owned(),
        scope: names::scope(route.scope).into_owned(),
        source: route.source,
        next_hops,
        managed: route.protocol == PROTOCOL,
    }
}

pub(super) fn rule_document(rule: &SeenRule, names: &Names) -> RuleDocument {
    let is_ours = rule.protocol == PROTOCOL;
    let stands_for = || {
        let ifindex = TableId(rule.table?).interface(names.policy.table_base)?;
        name_of(ifindex.into(), names)
    };
    RuleDocument {
        priority: rule.priority,
        family: family(rule.family).to_owned(),
        from: selector(rule.source),
        to: selector(rule.destination),
        table: rule.table.map(|table| names::route_table(table).into_owned()),
        action: rule.action.to_owned(),
        interface: if is_ours { stands_for() } else { rule.iif.clone() },
        protocol: names::route_protocol(rule.protocol).into_owned(),
        managed: is_ours,
    }
}

fn name_of(ifindex: u32, names: &Names) -> Option<String> {
    let name = names.links.get(&Ifindex::try_from(ifindex).ok()?)?;
    Some(name.as_str().to_owned())
}

const fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

/// As ip-rule(8) shows it: one address without its length.
fn selector(prefix: Option<Prefix>) -> String {
    match prefix {
        None => "all".to_owned(),
        Some(prefix) if Prefix::host(prefix.address()) == prefix => prefix.address().to_string(),
        Some(prefix) => prefix.to_string(),
    }
}
