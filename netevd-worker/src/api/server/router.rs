//! Which path is answered by whom.

use super::answer::{Answer, Refusal};
use super::context::Context;
use super::query::shown;
use super::{page, state, stream, tables};
use axum::Router;
use axum::routing::{get, post};
use hyper::{Method, Uri};
use std::sync::Arc;

/// All paths. Reading answers HEAD as well.
pub(super) fn new(context: Arc<Context>) -> Router {
    Router::new()
        .route("/", get(page::dashboard))
        .route("/openapi.yaml", get(page::description))
        .route("/health", get(state::health))
        .route("/metrics", get(state::metrics))
        .route("/api/v1/openapi.yaml", get(page::description))
        .route("/api/v1/status", get(state::status))
        .route("/api/v1/interfaces", get(state::interfaces))
        .route("/api/v1/interfaces/{name}", get(state::interface))
        .route("/api/v1/routes", get(tables::routes))
        .route("/api/v1/rules", get(tables::rules))
        .route("/api/v1/events", get(state::events))
        .route("/api/v1/events/stream", get(stream::stream))
        .route("/api/v1/events/{id}", get(state::event))
        .route("/api/v1/scripts", get(state::scripts))
        .route("/api/v1/reload", post(state::reload))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(context)
}

async fn no_such_path(uri: Uri) -> Answer {
    Err(Refusal::not_found(format!("there is no {}; /api/v1/openapi.yaml has every path", shown(uri.path()))))
}

async fn no_such_method(method: Method, uri: Uri) -> Answer {
    let path = shown(uri.path());
    Err(Refusal::method_not_allowed(format!(
        "{path} does not know {}; the header Allow has what it knows",
        shown(method.as_str())
    )))
}
