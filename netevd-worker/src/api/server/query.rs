//! Parameters of a request: strict, so that a misspelt one is told and not ignored.

use super::answer::Refusal;
use crate::model::EventKind;
use axum::extract::Query;
use hyper::Uri;
use protocol::InterfaceName;
use std::ops::RangeInclusive;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Only these names are legal.
    pub(super) fn of(uri: &Uri, known: &[&str]) -> Result<Self, Refusal> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| Refusal::bad(format!("the query cannot be read: {error}")))?;
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(Self(pairs)),
            Some((name, _)) => {
                let name = shown(name);
                Err(Refusal::bad(match known {
                    [] => format!("unknown parameter {name}: this path has none"),
                    known => format!("unknown parameter {name}: this path has {}", known.join(", ")),
                }))
            }
        }
    }

    /// The value of one that may stand once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            _ => Err(Refusal::bad(format!("{name} stands more than once"))),
        }
    }

    /// A whole number.
    pub(super) fn number(&self, name: &str, range: RangeInclusive<usize>) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let number = digits(value).and_then(|digits| digits.parse().ok());
        number.filter(|number| range.contains(number)).map(Some).ok_or_else(|| {
            bad(name, value, &format!("a whole number from {} to {}", range.start(), range.end()))
        })
    }

    /// `true` or `false`; `false` when it is not there.
    pub(super) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        match self.one(name)? {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(value) => Err(bad(name, value, "true or false")),
        }
    }

    /// One of a closed set of words.
    pub(super) fn word<T: Copy>(&self, name: &str, words: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let found = words.iter().find(|(word, _)| *word == value);
        let legal = || words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| bad(name, value, &legal()))
    }

    /// A word of an open set: letters, digits, `-`, `_`, `+`, `.`.
    pub(super) fn open_word(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let Some(value) = self.one(name)? else { return Ok(None) };
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_+.".contains(c);
        if (1..=64).contains(&value.len()) && value.chars().all(is_word) {
            return Ok(Some(value));
        }
        Err(bad(name, value, "one word as the answers have it"))
    }

    /// A name that a link may have.
    pub(super) fn interface(&self) -> Result<Option<InterfaceName>, Refusal> {
        let Some(value) = self.one("interface")? else { return Ok(None) };
        let name = InterfaceName::new(value);
        name.map(Some).map_err(|_| bad("interface", value, "the name of an interface, of 1 to 15 bytes"))
    }

    /// Kinds of events, repeated or in lists with commas.
    pub(super) fn kinds(&self) -> Result<Vec<EventKind>, Refusal> {
        let mut kinds = Vec::new();
        for (_, value) in self.0.iter().filter(|(name, _)| name == "event_type") {
            for word in value.split(',') {
                let legal = || EventKind::ALL.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(", ");
                let kind = EventKind::from_name(word).ok_or_else(|| bad("event_type", word, &legal()))?;
                if !kinds.contains(&kind) {
                    kinds.push(kind);
                }
            }
        }
        Ok(kinds)
    }
}

/// A parameter's value is none of the legal ones.
pub(super) fn bad(name: &str, value: &str, legal: &str) -> Refusal {
    Refusal::bad(format!("{name}={} is not possible; legal: {legal}", shown(value)))
        .with(serde_json::json!({ "parameter": name }))
}

/// Digits alone: no sign, no blank.
pub(super) fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

/// What somebody sent, short and printable.
pub(super) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(64).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters(query: &str, known: &[&str]) -> Result<Parameters, Refusal> {
        Parameters::of(&format!("/x?{query}").parse().expect("a URI"), known)
    }

    #[test]
    fn what_is_not_known_is_told() {
        let refusal = parameters("limt=3", &["limit", "table"]).expect_err("misspelt");
        assert_eq!(refusal.message, r#"unknown parameter "limt": this path has limit, table"#);
        let refusal = parameters("a=1", &[]).expect_err("none");
        assert!(refusal.message.contains("this path has none"), "{}", refusal.message);
    }

    #[test]
    fn values_are_checked() {
        let all = parameters(
            "limit=10&event_type=carrier,routable&event_type=carrier&dry_run=true",
            &["limit", "event_type", "dry_run"],
        )
        .expect("good");
        assert_eq!(all.number("limit", 1..=10).ok().flatten(), Some(10));
        assert_eq!(all.kinds().expect("kinds"), [EventKind::Carrier, EventKind::Routable]);
        assert_eq!(all.flag("dry_run").ok(), Some(true));
        for value in ["0", "11", "-1", "+1", "1.0", "", "a", "99999999999999999999999"] {
            let parameters = parameters(&format!("limit={value}"), &["limit"]).expect("read");
            let refusal = parameters.number("limit", 1..=10).expect_err(value);
            assert!(refusal.message.ends_with("legal: a whole number from 1 to 10"), "{}", refusal.message);
        }
        let twice = parameters("limit=1&limit=2", &["limit"]).expect("read");
        assert!(twice.one("limit").is_err());
        let kinds = parameters("event_type=carier", &["event_type"]).expect("read");
        assert!(kinds.kinds().expect_err("misspelt").message.contains("carrier"));
    }
}
