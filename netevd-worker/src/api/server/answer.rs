//! Answers as they stand on the wire: JSON, compact, never to be stored, and one form for what went
//! wrong.

use crate::api::document::{ErrorBody, ErrorDocument};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{HeaderMap, StatusCode};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::OwnedSemaphorePermit;

/// How browsers and other clients are told to show the token.
const CHALLENGES: [&str; 2] = [r#"Bearer realm="netevd""#, r#"Basic realm="netevd", charset="UTF-8""#];

/// Why there is no other answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) details: Value,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), details: Value::Null }
    }

    /// 400
    pub(super) fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// 401: no token, or a wrong one.
    pub(super) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// 403
    pub(super) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// 404
    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// 405; `Allow` is the router's to add.
    pub(super) fn method_not_allowed(message: impl Into<String>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
    }

    /// 408
    pub(super) fn too_slow(message: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "bad_request", message)
    }

    /// 413
    pub(super) fn too_large(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "bad_request", message)
    }

    /// 400: the configuration on the disk is faulty.
    pub(super) fn invalid_configuration(message: impl Into<String>, details: Value) -> Self {
        Self { details, ..Self::new(StatusCode::BAD_REQUEST, "invalid_configuration", message) }
    }

    /// 500
    pub(super) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message)
    }

    /// 503
    pub(super) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
    }

    /// What belongs to it, for programs.
    pub(super) fn with(mut self, details: Value) -> Self {
        self.details = details;
        self
    }

    /// As it stands in an answer's body.
    pub(super) fn json(&self) -> String {
        let error = ErrorBody {
            code: self.code.to_owned(),
            message: self.message.clone(),
            details: self.details.clone(),
        };
        // Strings and values: nothing that could fail.
        serde_json::to_string(&ErrorDocument { error }).unwrap_or_default()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = text(self.status, "application/json", self.json());
        if self.status == StatusCode::UNAUTHORIZED {
            for challenge in CHALLENGES {
                response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        response
    }
}

/// What handlers give back.
pub(super) type Answer = Result<Response, Refusal>;

/// A document.
pub(super) fn document<T: Serialize>(document: &T) -> Answer {
    document_with(StatusCode::OK, document)
}

/// A document with another status than 200.
pub(super) fn document_with<T: Serialize>(status: StatusCode, document: &T) -> Answer {
    match serde_json::to_string(document) {
        Ok(json) => Ok(text(status, "application/json", json)),
        Err(error) => Err(Refusal::internal(format!("the answer cannot be written: {error}"))),
    }
}

/// A document that takes memory until its reader has it, from the reader's share.
pub(super) fn long_document<T: Serialize>(mut share: OwnedSemaphorePermit, document: &T) -> Answer {
    let json = serde_json::to_string(document)
        .map_err(|error| Refusal::internal(format!("the answer cannot be written: {error}")))?;
    let needed = json.len().div_ceil(1_024);
    // What it turned out not to need is for the next one.
    drop(share.split(share.num_permits().saturating_sub(needed)));
    let kept = Bytes::from_owner(Kept { json, _share: share });
    Ok(text(StatusCode::OK, "application/json", Body::from(kept)))
}

/// An answer and what it takes of somebody's share; both go when the connection has it.
struct Kept {
    json: String,
    _share: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        self.json.as_bytes()
    }
}

/// Any text.
pub(super) fn text(status: StatusCode, kind: &'static str, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// What every answer has: it is of this moment, it is what it says, and no page may frame it.
pub(super) fn harden(headers: &mut HeaderMap) {
    for (name, value) in [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ] {
        // The dashboard has a policy of its own.
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
}
