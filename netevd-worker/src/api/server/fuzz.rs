//! What holds of any text that somebody sends as a request's target or as credentials.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

use super::base64;
use super::query::Parameters;
use hyper::Uri;

/// Reads the text as a URI and asks for every kind of parameter; and as base64.
pub(crate) fn request(text: &str) {
    if let Some(bytes) = base64::decode(text) {
        assert_eq!(base64::decode(&base64::encode(&bytes)), Some(bytes));
    }
    let known = ["interface", "limit", "since", "event_type", "dry_run", "family", "state"];
    let Ok(uri) = text.parse::<Uri>() else { return };
    let parameters = match Parameters::of(&uri, &known) {
        Ok(parameters) => parameters,
        Err(refusal) => return assert!(is_short(&refusal.message), "{}", refusal.message),
    };
    let refusals = [
        parameters.number("limit", 1..=1_000).err(),
        parameters.flag("dry_run").err(),
        parameters.word("family", &[("ipv4", 4), ("ipv6", 6)]).err(),
        parameters.open_word("state").err(),
        parameters.interface().err(),
        parameters.kinds().err(),
    ];
    for refusal in refusals.into_iter().flatten() {
        assert!(is_short(&refusal.message), "{}", refusal.message);
    }
    if let Some(since) = parameters.one("since").ok().flatten()
        && let Some(time) = crate::timestamp::parse_rfc3339(since)
    {
        // Milliseconds are what is written.
        let written = crate::timestamp::rfc3339(time);
        let read = crate::timestamp::parse_rfc3339(&written).expect("it is of this form");
        assert_eq!(crate::timestamp::rfc3339(read), written, "{since}");
    }
}

/// Nobody makes an answer, or a line of the log, of any length or with control characters.
fn is_short(message: &str) -> bool {
    message.len() <= 2_048 && !message.chars().any(char::is_control)
}
