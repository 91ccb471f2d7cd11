//! Routes and rules as documents: what the kernel has now, with the names that people know.

use super::answer::{Answer, Refusal, document, long_document};
use super::connection::Caller;
use super::context::Context;
use super::kernel_queries::RouteQuery;
use super::query::{Parameters, bad, digits};
use crate::api::seen;
use crate::document::{Routes, Rules};
use crate::request::ApiRequest;
use axum::extract::{Extension, State};
use hyper::Uri;
use protocol::{Family, TableId};
use std::sync::Arc;

/// KiB of an answer with so many routes or rules.
const fn size(routes: usize) -> usize {
    routes * 2 / 5 + 64
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
    let names = context.ask(ApiRequest::Names).await?;
    let oif = match interface {
        None => None,
        Some(name) => match names.links.iter().find(|(_, known)| **known == name) {
            Some((ifindex, _)) => Some(u32::from(*ifindex)),
            // No route goes by what is not there.
            None => return document(&Routes { routes: Vec::new(), count: 0, has_more: false }),
        },
    };
    let found = context.queries.routes(RouteQuery { family, table, protocol: None, oif, limit }).await?;
    let count = found.count();
    let routes: Vec<_> = found.routes.into_iter().map(|route| seen::route(route, &names.links)).collect();
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
    let names = context.ask(ApiRequest::Names).await?;
    let rules: Vec<_> = context
        .queries
        .rules()
        .await?
        .iter()
        .map(|rule| seen::rule(rule, &names.links, names.policy.table_base))
        .collect();
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
