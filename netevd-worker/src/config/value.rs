//! From a node to a typed value, or a fault that says what was expected and how to write it.

use super::problem::Fault;
use super::yaml::{Node, Value};
use crate::text::nearest;
use protocol::PatternList;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

pub(super) type Checked<T> = Result<T, Fault>;

pub(super) fn expected(node: &Node, what: &str, help: impl Into<String>) -> Fault {
    Fault::error(node.span, format!("expected {what}, found {}", node.found()), help)
}

/// A word or number: a scalar that is not null.
pub(super) fn scalar<'a>(node: &'a Node, what: &str, help: &str) -> Checked<&'a str> {
    match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => Ok(text),
        _ => Err(expected(node, what, help)),
    }
}

/// `true` or `false`, as YAML 1.2 spells them.
pub(super) fn boolean(node: &Node) -> Checked<bool> {
    let Value::Scalar { text, plain } = &node.value else {
        return Err(expected(node, "true or false", "write `true` or `false`"));
    };
    match (text.as_str(), text.to_lowercase().as_str()) {
        ("true", _) if *plain => Ok(true),
        ("false", _) if *plain => Ok(false),
        (_, "true" | "yes" | "on" | "y" | "1") => Err(expected(node, "true or false", "write `true`")),
        (_, "false" | "no" | "off" | "n" | "0") => Err(expected(node, "true or false", "write `false`")),
        _ => Err(expected(node, "true or false", "write `true` or `false`")),
    }
}

/// A decimal number within `range`.
pub(super) fn integer(node: &Node, range: RangeInclusive<u32>) -> Checked<u32> {
    let what = format!("a number from {} to {}", range.start(), range.end());
    match &node.value {
        Value::Scalar { text, plain: true } if text.bytes().all(|b| b.is_ascii_digit()) => {
            match text.parse::<u32>() {
                Ok(number) if range.contains(&number) => Ok(number),
                _ => Err(expected(node, &what, "")),
            }
        }
        Value::Scalar { text, plain: false } if text.parse::<u32>().is_ok() => {
            Err(expected(node, &what, format!("write {text} without quotes")))
        }
        _ => Err(expected(node, &what, "")),
    }
}

/// One of the words of a table.
pub(super) fn choice<T: Copy>(node: &Node, words: &[(&'static str, T)]) -> Checked<T> {
    let mut names = words.iter().map(|(name, _)| *name);
    let all = words.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let text = scalar(node, "a word", &format!("one of {all}"))?;
    if let Some((_, value)) = words.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let help = match nearest(text, names.by_ref()) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("one of {all}"),
    };
    Err(Fault::error(node.span, format!("unknown value {}", node.found()), help))
}

/// `500ms`, `30s`, `2m`, `1h`, or plain seconds.
pub(super) fn duration(node: &Node, range: RangeInclusive<Duration>) -> Checked<Duration> {
    const HELP: &str = "a whole number with `ms`, `s`, `m` or `h`, such as `30s`";
    let text = scalar(node, "a duration", HELP)?;
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit.trim_start() {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" | "min" => 60_000,
        "h" => 3_600_000,
        _ => return Err(expected(node, "a duration", HELP)),
    };
    let number: u64 = number.parse().map_err(|_| expected(node, "a duration", HELP))?;
    let found = number.checked_mul(milliseconds).map(Duration::from_millis);
    match found {
        Some(found) if range.contains(&found) => Ok(found),
        _ => {
            let what = format!("a duration from {:?} to {}s", range.start(), range.end().as_secs());
            Err(expected(node, &what, ""))
        }
    }
}

/// A list's items; a single word is no list, so that `eth0 eth1` is not taken for one name.
pub(super) fn items<'a>(node: &'a Node, what: &str) -> Checked<&'a [Node]> {
    match &node.value {
        Value::List(items) => Ok(items),
        Value::Scalar { text, .. } if !node.is_null() => {
            let help = format!("write [{}]", text.split_whitespace().collect::<Vec<_>>().join(", "));
            Err(expected(node, what, help))
        }
        _ => Err(expected(node, what, "an empty list is written []")),
    }
}

/// Interface names of up to `longest` bytes and globs, `!` excludes. Each bad item is a separate fault.
pub(super) fn patterns(node: &Node, longest: usize, faults: &mut Vec<Fault>) -> Option<PatternList> {
    let items = items(node, "a list of interface names").map_err(|f| faults.push(f)).ok()?;
    let before = faults.len();
    let mut list = PatternList::default();
    for item in items {
        if let Err(fault) = pattern(item, longest)
            .and_then(|text| list.push(text).map_err(|bad| Fault::error(item.span, bad.to_string(), "")))
        {
            faults.push(fault);
        }
    }
    (faults.len() == before).then_some(list)
}

fn pattern(item: &Node, longest: usize) -> Checked<&str> {
    if let Value::Scalar { text, plain: true } = &item.value
        && text.is_empty()
    {
        // A leading `!` without quotes is a YAML tag, which the parser takes away.
        return Err(expected(item, "an interface name", "a name with `!` in front needs quotes: \"!veth*\""));
    }
    let text = scalar(item, "an interface name", "")?;
    let bare = text.strip_prefix('!').unwrap_or(text);
    if bare.len() > longest && !bare.contains(['*', '?', '[']) {
        let message =
            format!("the name {bare:?} is longer than {longest} bytes, so no interface can have it");
        return Err(Fault::error(item.span, message, ""));
    }
    Ok(text)
}

/// Absolute paths, the last component of which may be a glob.
pub(super) fn paths(node: &Node, faults: &mut Vec<Fault>) -> Option<Vec<String>> {
    let items = items(node, "a list of paths").map_err(|f| faults.push(f)).ok()?;
    let before = faults.len();
    let list = items.iter().filter_map(|item| path(item).map_err(|fault| faults.push(fault)).ok()).collect();
    (faults.len() == before).then_some(list)
}

fn path(item: &Node) -> Checked<String> {
    let text = scalar(item, "a path", "")?;
    let (directory, file) = text.rsplit_once('/').unwrap_or(("", text));
    if !text.starts_with('/') || file.is_empty() || text.contains('\0') {
        return Err(expected(item, "the absolute path of a file", "such as /var/lib/dhcp/*.leases"));
    }
    if directory.contains(['*', '?', '[']) || text.split('/').any(|part| part == "..") {
        let message = "only the last component may be a glob, and none may be `..`";
        return Err(Fault::error(item.span, message, ""));
    }
    Ok(text.to_owned())
}

/// One absolute path, as it is.
pub(super) fn absolute_path(node: &Node) -> Checked<PathBuf> {
    let text = scalar(node, "a path", "")?;
    if !text.starts_with('/') || text.ends_with('/') || text.contains('\0') {
        return Err(expected(node, "the absolute path of a file", "such as /var/log/netevd/audit.log"));
    }
    Ok(PathBuf::from(text))
}

/// An address of this host, or all of them.
pub(super) fn ip_address(node: &Node) -> Checked<IpAddr> {
    let text = scalar(node, "an address", "such as 127.0.0.1 or \"::1\"")?;
    text.parse().map_err(|_| expected(node, "an address", "such as 127.0.0.1 or \"::1\""))
}

/// The name of a group, as useradd(8) permits it, or its number.
pub(super) fn group_name(node: &Node) -> Checked<String> {
    account(node, "the name of a group")
}

/// The name or number of a user, or null.
pub(super) fn optional_user(node: &Node) -> Checked<Option<String>> {
    if node.is_null() { Ok(None) } else { account(node, "the name or number of a user").map(Some) }
}

fn account(node: &Node, what: &str) -> Checked<String> {
    let text = scalar(node, what, "")?;
    let is_good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '$');
    if text.is_empty() || text.len() > 64 || !text.chars().all(is_good) || text.starts_with('-') {
        return Err(expected(node, what, "such as netevd"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::parse;

    fn node(text: &str) -> Node {
        parse(text).0.expect("a document")
    }

    #[test]
    fn durations() {
        let range = Duration::from_millis(100)..=Duration::from_secs(86_400);
        for (text, milliseconds) in [
            ("30s", 30_000),
            ("2m", 120_000),
            ("500ms", 500),
            ("45", 45_000),
            ("1h", 3_600_000),
            ("5 s", 5_000),
        ] {
            assert_eq!(
                duration(&node(text), range.clone()),
                Ok(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for text in ["", "s", "1.5s", "-1s", "30x", "99ms", "25h", "99999999999999999999s", "[1]", "1e3"] {
            let node = if text.is_empty() { node("''") } else { node(text) };
            assert!(duration(&node, range.clone()).is_err(), "{text}");
        }
    }

    #[test]
    fn booleans_have_one_spelling() {
        assert_eq!((boolean(&node("true")), boolean(&node("false"))), (Ok(true), Ok(false)));
        for (text, help) in [("yes", "write `true`"), ("\"true\"", "write `true`"), ("Off", "write `false`")]
        {
            assert_eq!(boolean(&node(text)).map_err(|f| f.help), Err(help.to_owned()));
        }
    }

    #[test]
    fn integers_stay_in_range() {
        assert_eq!(integer(&node("200"), 1..=1000), Ok(200));
        for text in ["0", "1001", "-1", "2.0", "0x10", "1_000", "'200'", "99999999999", "two"] {
            assert!(integer(&node(text), 1..=1000).is_err(), "{text}");
        }
        assert_eq!(
            integer(&node("'200'"), 1..=1000).map_err(|f| f.help),
            Err("write 200 without quotes".into())
        );
    }
}
