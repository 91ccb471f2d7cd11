//! The older flat `network:` section, and keys under an older name: accepted with a warning that shows today's
//! spelling.

use super::problem::{Fault, Span};
use super::validator::{Validator, find};
use super::value::boolean;
use super::yaml::{Node, Value};
use crate::text::nearest;

/// The section's name.
pub(super) const SECTION: &str = "network";

/// A key's older path, today's, and what marks the place as set by the old one.
pub(super) const RENAMED: [(&str, &str, &str); 1] =
    [("routing.limits.local_networks", "routing.limits.copies", "network:routing.limits.copies")];

/// Reads a key under its older path. False where this is none.
pub(super) fn renamed(validator: &mut Validator<'_>, path: &str, span: Span, node: &Node) -> bool {
    let Some((old, today, mark)) = RENAMED.iter().find(|(old, ..)| *old == path) else { return false };
    let Some(key) = find(today) else { return false };
    if !is_set_anew(validator, old, today, span) {
        validator.places.insert(mark, format!("{}:{}:{}", validator.file, span.line, span.column));
        (key.set)(validator.config, node, &mut validator.faults);
        let leaf = today.rsplit('.').next().unwrap_or(today);
        validator.faults.push(Fault::warning(
            span,
            format!("`{old}` is the old spelling of `{today}`"),
            format!("write `{leaf}`"),
        ));
    }
    true
}

/// Old key, the key that took its place, and what marks the place as set by the old one.
const LISTS: [(&str, &str, &str); 2] = [
    ("links", "monitoring.interfaces", "network:monitoring.interfaces"),
    ("routing_policy_rules", "routing.policy_rules", "network:routing.policy_rules"),
];
/// The same for switches.
const SWITCHES: [(&str, &str, &str); 4] = [
    ("emit_json", "backends.systemd_networkd.emit_json", "network:backends.systemd_networkd.emit_json"),
    ("use_dns", "backends.dhclient.use_dns", "network:backends.dhclient.use_dns"),
    ("use_domain", "backends.dhclient.use_domain", "network:backends.dhclient.use_domain"),
    ("use_hostname", "backends.dhclient.use_hostname", "network:backends.dhclient.use_hostname"),
];

/// The section's keys, and whether each holds a list.
pub(super) fn names() -> impl Iterator<Item = (&'static str, bool)> {
    let lists = LISTS.iter().map(|(old, ..)| (*old, true));
    lists.chain(SWITCHES.iter().map(|(old, ..)| (*old, false)))
}

/// Reads the section.
pub(super) fn section(validator: &mut Validator<'_>, span: Span, node: &Node) {
    let entries = match &node.value {
        Value::Map(entries) => entries.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let message = format!("expected a mapping for `{SECTION}`, found {}", node.found());
            return validator.faults.push(Fault::error(node.span, message, "such as `links: \"eth0 eth1\"`"));
        }
    };
    if entries.is_empty() {
        validator.faults.push(Fault::warning(
            span,
            "`network` is the old spelling",
            "leave it out: it is empty",
        ));
    }
    for entry in entries {
        let name = entry.key.as_str();
        if let Some((_, path, mark)) = LISTS.iter().find(|(old, ..)| *old == name) {
            list(validator, name, path, mark, entry.span, &entry.node);
        } else if let Some(known) = SWITCHES.iter().find(|(old, ..)| *old == name) {
            switch(validator, known, entry.span, &entry.node);
        } else {
            let known = LISTS.iter().chain(&SWITCHES).map(|(old, ..)| *old);
            let help = match nearest(name, known.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is: {}", known.collect::<Vec<_>>().join(", ")),
            };
            let message = format!("unknown key `{name}` in `{SECTION}`");
            validator.faults.push(Fault::error(entry.span, message, help));
        }
    }
}

fn list(
    validator: &mut Validator<'_>,
    name: &str,
    path: &'static str,
    mark: &'static str,
    span: Span,
    node: &Node,
) {
    let list = split(node);
    if is_set_anew(validator, name, path, span) {
        return;
    }
    validator.places.insert(mark, format!("{}:{}:{}", validator.file, span.line, span.column));
    let Some(key) = find(path) else { return };
    (key.set)(validator.config, &list, &mut validator.faults);
    let (section, leaf) = path.split_once('.').unwrap_or((path, ""));
    let words = match &list.value {
        Value::List(items) => items.iter().map(word).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let message = format!("`{SECTION}.{name}` is the old spelling");
    validator.faults.push(Fault::warning(
        span,
        message,
        format!("write `{section}: {{ {leaf}: [{words}] }}`"),
    ));
}

fn switch(
    validator: &mut Validator<'_>,
    (name, path, mark): &(&str, &'static str, &'static str),
    span: Span,
    node: &Node,
) {
    if is_set_anew(validator, name, path, span) {
        return;
    }
    validator.places.insert(mark, format!("{}:{}:{}", validator.file, span.line, span.column));
    let Some(key) = find(path) else { return };
    (key.set)(validator.config, node, &mut validator.faults);
    if let Ok(value) = boolean(node) {
        let today = path.split('.').rev().fold(value.to_string(), |inner, part| match inner.as_str() {
            "true" | "false" => format!("{part}: {inner}"),
            _ => format!("{part}: {{ {inner} }}"),
        });
        let message = format!("`{SECTION}.{name}` is the old spelling");
        validator.faults.push(Fault::warning(span, message, format!("write `{today}`")));
    }
}

/// Reports a key whose new spelling stands beside the old one.
fn is_set_anew(validator: &mut Validator<'_>, name: &str, path: &str, span: Span) -> bool {
    let Some(other) = validator.places.get(path) else { return false };
    let message = format!("`{name}` is the old spelling of `{path}`, which is set at {other}");
    validator.faults.push(Fault::error(span, message, format!("keep `{path}` alone")));
    true
}

/// A text of several words as a list, each word with its place; anything else as it is.
pub(super) fn split(node: &Node) -> Node {
    let Value::Scalar { text, plain } = &node.value else { return node.clone() };
    let items = text.split([' ', '\t', '\n', ',']).filter(|word| !word.is_empty()).map(|word| {
        // Quotes shift the text by one column; with escapes in it the place is that of the whole.
        let offset = word.as_ptr().addr() - text.as_ptr().addr();
        let before = text.get(..offset).map_or(0, |t| t.chars().count()) + usize::from(!plain);
        let width = word.chars().count();
        let span = match node.span.width == text.chars().count() + if *plain { 0 } else { 2 } {
            true => Span { column: node.span.column + before, width, ..node.span },
            false => node.span,
        };
        Node { span, value: Value::Scalar { text: word.to_owned(), plain: false } }
    });
    Node { span: node.span, value: Value::List(items.collect()) }
}

fn word(node: &Node) -> String {
    match &node.value {
        Value::Scalar { text, .. } if text.starts_with(['!', '*']) => format!("\"{text}\""),
        Value::Scalar { text, .. } => text.clone(),
        _ => String::new(),
    }
}
