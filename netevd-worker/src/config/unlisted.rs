//! Gateways and marks of interfaces that `routing.policy_rules` does not list: they have no effect.

use super::Config;
use super::problem::{Fault, Origin, Problem};
use super::yaml::{Node, Value, parse};
use std::path::PathBuf;

const HELP: &str = "list it there, or take this out; right only if it is another name of a listed interface";

/// A warning for each, at the place where it was last written. What matches is known here, alternative names are not.
pub(super) fn warnings(config: &Config, texts: &[(PathBuf, String)]) -> Vec<Problem> {
    let gateways = config.routing.gateways.keys().map(|name| ("gateways", name.as_str()));
    let marks = config.routing.marks.keys().map(|name| ("marks", name.as_str()));
    let unlisted = gateways.chain(marks).filter(|(_, name)| !config.routing.interfaces.matches(name));
    // Neither can be set by a variable.
    unlisted.filter_map(|(key, name)| warning(key, name, texts)).collect()
}

fn warning(key: &str, name: &str, texts: &[(PathBuf, String)]) -> Option<Problem> {
    texts.iter().rev().find_map(|(path, text)| {
        let root = parse(text).0?;
        let map = child(child(&root, "routing")?, key)?;
        let Value::Map(entries) = &map.value else { return None };
        let span = entries.iter().find(|entry| entry.key == name)?.span;
        let message = format!("`routing.{key}` names {name}, which `routing.policy_rules` does not list");
        let fault = Fault::warning(span, message, HELP);
        Some(Problem::new(Origin::File(path.clone()), fault, text))
    })
}

fn child<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| entry.key == key).map(|entry| &entry.node)
}
