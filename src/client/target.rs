//! A request's path and query, escaped as RFC 3986 wants it.

use std::fmt::{Display, Write};

/// A path below `/api/v1`, and its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target(String);

impl Target {
    /// `/api/v1/` and these segments.
    pub(crate) fn new(segments: &[&str]) -> Self {
        let mut text = String::from("/api/v1");
        for segment in segments {
            text.push('/');
            escape(segment, &mut text);
        }
        Self(text)
    }

    /// Adds a parameter.
    pub(crate) fn with(mut self, name: &str, value: impl Display) -> Self {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        escape(&value.to_string(), &mut self.0);
        self
    }

    /// Adds a parameter that was given.
    pub(crate) fn with_some(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// As it stands in the request's first line.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' => {
                out.push(byte.into());
            }
            // Writing to a string does not fail.
            _ => drop(write!(out, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let target = Target::new(&["interfaces", "we+b/ä"]).with("state", "a&b c").with_some("x", None::<u8>);
        assert_eq!(target.as_str(), "/api/v1/interfaces/we%2Bb%2F%C3%A4?state=a%26b%20c");
        let target = Target::new(&["events"]).with("limit", 5).with("event_type", "a-b,c");
        assert_eq!(target.as_str(), "/api/v1/events?limit=5&event_type=a-b,c");
    }
}
