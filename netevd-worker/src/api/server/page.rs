//! What is served as it was written: the API's description, and the dashboard with the policy by which a
//! browser runs its one script and its one style and loads nothing from elsewhere.

use super::answer::{Answer, text};
use super::base64;
use super::query::Parameters;
use hyper::StatusCode;
use hyper::Uri;
use hyper::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const PAGE: &str = include_str!("../page/index.html");
const DESCRIPTION: &str = include_str!("../openapi.yaml");

/// Names script and style by their hashes, so that no other text in the page can become code.
static POLICY: LazyLock<Option<HeaderValue>> = LazyLock::new(|| {
    let hash = |tag: &str| {
        let begin = PAGE.find(&format!("<{tag}>"))? + tag.len() + 2;
        let inside = &PAGE[begin..begin + PAGE[begin..].find(&format!("</{tag}>"))?];
        Some(base64::encode(&Sha256::digest(inside)))
    };
    HeaderValue::from_str(&format!(
        "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("script")?,
        hash("style")?
    ))
    .ok()
});

/// `GET /`
pub(super) async fn dashboard(uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    let mut response = text(StatusCode::OK, "text/html; charset=utf-8", PAGE);
    if let Some(policy) = &*POLICY {
        response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy.clone());
    }
    Ok(response)
}

/// `GET /api/v1/openapi.yaml`
pub(super) async fn description(uri: Uri) -> Answer {
    Parameters::of(&uri, &[])?;
    Ok(text(StatusCode::OK, "application/yaml", DESCRIPTION))
}
