//! Answers as they stand on the wire: JSON, compact, never to be stored, and one form for what went
//! wrong.

use crate::document::{ErrorBody, ErrorDocument};
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
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

/// Leaves the challenge by Basic to whoever opens an address. A browser answers it with a dialogue and
/// holds the request back until somebody has filled that in; a page's script that asks every second
/// could neither say that the token changed nor stop asking. Such a script takes a document or a stream
/// by name. (`Sec-Fetch-Mode` would tell too, but browsers send it to hosts beyond loopback by TLS alone.)
pub(super) fn spare_dialogue(asked: &HeaderMap, answer: &mut HeaderMap) {
    let is_script = asked.get(ACCEPT).is_some_and(|kind| {
        ["application/json", "text/event-stream"].iter().any(|name| kind.as_bytes() == name.as_bytes())
    });
    if is_script && answer.contains_key(WWW_AUTHENTICATE) {
        answer.insert(WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGES[0]));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_opens_an_address_is_asked_by_a_dialogue_and_a_script_is_not() {
        for (accept, expected) in [
            (None, 2),
            (Some("*/*"), 2),
            (Some("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), 2),
            (Some("application/json"), 1),
            (Some("text/event-stream"), 1),
        ] {
            let mut asked = HeaderMap::new();
            if let Some(accept) = accept {
                asked.insert(ACCEPT, HeaderValue::from_static(accept));
            }
            let mut response = Refusal::unauthorized("the token is wrong").into_response();
            spare_dialogue(&asked, response.headers_mut());
            let challenges: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
            assert_eq!(challenges, CHALLENGES[..expected], "{accept:?}");
            let mut good = text(StatusCode::OK, "text/plain", "");
            spare_dialogue(&asked, good.headers_mut());
            assert!(!good.headers().contains_key(WWW_AUTHENTICATE));
        }
    }
}
