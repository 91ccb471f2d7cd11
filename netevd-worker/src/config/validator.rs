//! The walk over a document: every key is set, refused or reported, in one pass.

use super::Config;
use super::keys::{KEYS, Key};
use super::legacy;
use super::problem::{Fault, Span};
use super::yaml::{Node, Value, parse};
use crate::text::nearest;
use std::collections::BTreeMap;

/// Where each key was last set, over all files: to find an old and a new spelling side by side.
pub(super) type KeyPositions = BTreeMap<&'static str, String>;

/// Reads one text into `config`; `file` names it in messages. Good keys are set even when others
/// are bad, so that all faults are found; a caller with faults of severity error drops the result.
pub(super) fn apply(config: &mut Config, text: &str, file: &str, places: &mut KeyPositions) -> Vec<Fault> {
    let (root, mut faults) = parse(text);
    if let Some(root) = root {
        let mut validator = Validator { config, file, places, faults: Vec::new() };
        validator.section("", &root);
        faults.append(&mut validator.faults);
    }
    faults.sort_by_key(|fault| fault.span);
    faults
}

/// One pass over one document.
pub(super) struct Validator<'a> {
    pub(super) config: &'a mut Config,
    pub(super) file: &'a str,
    pub(super) places: &'a mut KeyPositions,
    pub(super) faults: Vec<Fault>,
}

impl Validator<'_> {
    fn section(&mut self, prefix: &str, node: &Node) {
        let entries = match &node.value {
            Value::Map(entries) => entries,
            // A section whose keys are all commented out.
            _ if node.is_null() => return,
            _ => {
                let what = if prefix.is_empty() { "the file".to_owned() } else { format!("`{prefix}`") };
                let help = format!("with the keys {}", children(prefix).join(", "));
                let message = format!("expected a mapping for {what}, found {}", node.found());
                return self.faults.push(Fault::error(node.span, message, help));
            }
        };
        for entry in entries {
            let path = if prefix.is_empty() { entry.key.clone() } else { format!("{prefix}.{}", entry.key) };
            if let Some(key) = find(&path) {
                self.key(key, entry.span, &entry.node);
            } else if !children(&path).is_empty() {
                self.section(&path, &entry.node);
            } else if path == legacy::SECTION {
                legacy::section(self, entry.span, &entry.node);
            } else if !legacy::renamed(self, &path, entry.span, &entry.node) {
                self.faults.push(unknown(prefix, &entry.key, entry.span));
            }
        }
    }

    /// Sets a key and remembers where.
    pub(super) fn key(&mut self, key: &Key, span: Span, node: &Node) {
        if let Some(other) = self.places.get(format!("network:{}", key.path).as_str()) {
            let message = format!("`{}` is set in the old spelling as well, at {other}", key.path);
            self.faults.push(Fault::error(span, message, "keep one of the two"));
        }
        self.places.insert(key.path, format!("{}:{}:{}", self.file, span.line, span.column));
        (key.set)(self.config, node, &mut self.faults);
    }
}

/// The key of this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The names directly below a section; empty if there is no such section.
pub(super) fn children(section: &str) -> Vec<&'static str> {
    let mut names = Vec::new();
    for key in &KEYS {
        let below = match section {
            "" => Some(key.path),
            _ => key.path.strip_prefix(section).and_then(|rest| rest.strip_prefix('.')),
        };
        let name = below.and_then(|rest| rest.split('.').next());
        names.extend(name.filter(|name| !names.contains(name)));
    }
    names
}

fn unknown(section: &str, key: &str, span: Span) -> Fault {
    let message = match section {
        "" => format!("unknown section `{key}`"),
        _ => format!("unknown key `{key}` in `{section}`"),
    };
    let siblings = children(section);
    let elsewhere = KEYS.iter().find(|k| k.path.rsplit('.').next() == Some(key));
    let help = match (nearest(key, siblings.iter().copied()), elsewhere) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, Some(other)) => format!("did you mean `{}`?", other.path),
        (None, None) => format!("there is: {}", siblings.join(", ")),
    };
    Fault::error(span, message, help)
}
