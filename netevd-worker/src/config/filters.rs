//! `filters:`: the section as it is written, checked and compiled.

use super::inside::Inside;
use super::problem::{Fault, Span};
use super::set::backend;
use super::units::{as_list, events};
use super::value::{choice, patterns};
use super::yaml::{Entry, Node, Value};
use crate::filter::{self, Action, Condition, DefaultAction, Filter, Filters};
use crate::model::Backend;
use crate::text::nearest;
use protocol::{Family, InterfaceName};
use std::sync::Arc;

/// The most filters, and the most scripts that one can name.
const FILTERS_MAX: usize = 1_024;
const SCRIPTS_MAX: usize = 256;
/// NAME_MAX of Linux.
const NAME_MAX: usize = 255;

const HELP: &str = r#"write - { match: { interface: "veth*" }, action: ignore }"#;
const KEYS: [(&str, Key); 5] = [
    ("match", Key::Match),
    ("match_rule", Key::Match),
    ("action", Key::Action),
    ("scripts", Key::Scripts),
    ("default", Key::Default),
];
const MATCHES: [(&str, Match); 7] = [
    ("interface", Match::Interface),
    ("interface_pattern", Match::Interface),
    ("event", Match::Event),
    ("event_type", Match::Event),
    ("ip_family", Match::Family),
    ("backend", Match::Backend),
    ("condition", Match::Condition),
];
const DEFAULTS: [(&str, DefaultAction); 2] =
    [("execute", DefaultAction::Execute), ("ignore", DefaultAction::Ignore)];
const FAMILIES: [(&str, Family); 2] = [("ipv4", Family::V4), ("ipv6", Family::V6)];

#[derive(Clone, Copy, PartialEq)]
enum Key {
    Match,
    Action,
    Scripts,
    Default,
}

#[derive(Clone, Copy, PartialEq)]
enum Match {
    Interface,
    Event,
    Family,
    Backend,
    Condition,
}

/// An entry of the list.
enum Item {
    Filter(Filter),
    Default(DefaultAction),
}

/// Reads the list; every entry that is good.
pub(super) fn read(node: &Node, faults: &mut Vec<Fault>) -> Filters {
    let mut filters = Filters::default();
    let items = match &node.value {
        Value::List(items) => items.as_slice(),
        _ if node.is_null() => &[],
        _ => {
            let message = format!("expected a list of filters, found {}", node.found());
            faults.push(Fault::error(node.span, message, HELP));
            return filters;
        }
    };
    if let Some(first) = items.get(FILTERS_MAX) {
        let message = format!("more than {FILTERS_MAX} filters");
        faults.push(Fault::error(first.span, message, "use globs, lists and conditions"));
        return filters;
    }
    let mut catches_all: Option<Span> = None;
    for (place, item) in items.iter().enumerate() {
        if let Some(before) = catches_all {
            let message =
                format!("this is never asked: the filter in line {} matches every event", before.line);
            faults.push(Fault::warning(item.span, message, "put it before that one, or leave it out"));
        }
        match entry(item, faults) {
            Some(Item::Default(_)) if place + 1 < items.len() => {
                let message = "`default` is what holds where no filter decides";
                faults.push(Fault::error(item.span, message, "put it behind the last filter"));
            }
            Some(Item::Default(default)) => filters.default_action = default,
            Some(Item::Filter(filter)) => {
                if filter.catches_all() {
                    catches_all.get_or_insert(item.span);
                }
                filters.list.push(filter);
            }
            None => {}
        }
    }
    filters
}

fn entry(item: &Node, faults: &mut Vec<Fault>) -> Option<Item> {
    let Value::Map(entries) = &item.value else {
        let message = format!("expected a filter with `match` and `action`, found {}", item.found());
        faults.push(Fault::error(item.span, message, HELP));
        return None;
    };
    let before = faults.len();
    let mut filter = Filter::default();
    let mut action = None;
    let mut scripts = None;
    let mut default = None;
    for (key, entry) in known(entries, &KEYS, "a filter", faults) {
        match key {
            Key::Match => matches(&entry.node, &mut filter, faults),
            Key::Action => action = put(choice(&entry.node, &Action::ALL), faults),
            Key::Scripts => scripts = Some((names(&entry.node, faults), entry.span)),
            Key::Default => default = Some((put(choice(&entry.node, &DEFAULTS), faults), entry.span)),
        }
    }
    if let Some((default, span)) = default {
        if entries.len() > 1 {
            let message = "`default` stands alone, as the last entry of the list";
            faults.push(Fault::error(span, message, "write - default: ignore"));
        }
        return default.filter(|_| faults.len() == before).map(Item::Default);
    }
    if action.is_none() && faults.len() == before {
        let help = "write `action: execute`, `ignore` or `log`";
        faults.push(Fault::error(item.span, "a filter needs `action`", help));
    }
    if let (Some((_, span)), Some(Action::Ignore | Action::Log)) = (&scripts, action) {
        let message = "`scripts` says which scripts run, so it goes with `action: execute` alone";
        faults.push(Fault::error(*span, message, "leave it out"));
    }
    filter.action = action?;
    filter.scripts = scripts.and_then(|(names, _)| names);
    (faults.len() == before).then_some(Item::Filter(filter))
}

/// The entries whose keys are known, each once whatever it is called; faults for the others.
fn known<'a, K: Copy + PartialEq>(
    entries: &'a [Entry],
    keys: &[(&'static str, K)],
    what: &str,
    faults: &mut Vec<Fault>,
) -> Vec<(K, &'a Entry)> {
    let mut found: Vec<(K, &Entry)> = Vec::new();
    for entry in entries {
        let names = keys.iter().map(|(name, _)| *name);
        let Some((_, key)) = keys.iter().find(|(name, _)| *name == entry.key) else {
            let help = match nearest(&entry.key, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there is: {}", names.collect::<Vec<_>>().join(", ")),
            };
            faults.push(Fault::error(
                entry.span,
                format!("unknown key `{}` in {what} of `filters`", entry.key),
                help,
            ));
            continue;
        };
        match found.iter().find(|(other, _)| other == key) {
            Some((_, other)) => {
                let message = format!("`{}` is another word for `{}`", entry.key, other.key);
                faults.push(Fault::error(
                    entry.span,
                    message,
                    format!("keep one: it stands in line {}", other.span.line),
                ));
            }
            None => found.push((*key, entry)),
        }
    }
    found
}

fn matches(node: &Node, filter: &mut Filter, faults: &mut Vec<Fault>) {
    let entries = match &node.value {
        Value::Map(entries) => entries,
        _ if node.is_null() => return,
        _ => {
            let message = format!("expected a mapping for `match`, found {}", node.found());
            return faults.push(Fault::error(
                node.span,
                message,
                r#"such as { interface: "wg*", event: routable }"#,
            ));
        }
    };
    for (key, Entry { node, .. }) in known(entries, &MATCHES, "`match`", faults) {
        match key {
            Match::Interface => {
                let list = as_list(node);
                if is_empty(&list) {
                    faults.push(Fault::error(
                        node.span,
                        "no interface in the list",
                        "leave `interface` out for all",
                    ));
                }
                filter.interface = patterns(&list, InterfaceName::MAX, faults).unwrap_or_default();
            }
            Match::Event => filter.events = events(node, faults),
            Match::Family => filter.family = put(choice(node, &FAMILIES), faults),
            Match::Backend => filter.backends = backends(node, faults),
            Match::Condition => filter.condition = condition(node, faults),
        }
    }
}

fn is_empty(list: &Node) -> bool {
    matches!(&list.value, Value::List(items) if items.is_empty())
}

fn put<T>(value: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    value.map_err(|fault| faults.push(fault)).ok()
}

fn backends(node: &Node, faults: &mut Vec<Fault>) -> Vec<Backend> {
    let list = as_list(node);
    if is_empty(&list) {
        faults.push(Fault::error(node.span, "no backend in the list", "leave `backend` out for all"));
    }
    let Value::List(items) = &list.value else { return Vec::new() };
    let in_force = |item: &Node| match backend(item)? {
        Backend::Auto => {
            let names = Backend::IN_FORCE.map(Backend::name).join(", ");
            Err(Fault::error(item.span, "`auto` comes to be another one, which is what events have", names))
        }
        backend => Ok(backend),
    };
    items.iter().filter_map(|item| put(in_force(item), faults)).collect()
}

fn condition(node: &Node, faults: &mut Vec<Fault>) -> Option<Condition> {
    let text = match &node.value {
        Value::Scalar { text, .. } if !node.is_null() => text,
        _ => {
            let message = format!("expected a condition, found {}", node.found());
            // A leading `!` without quotes is a YAML tag, which the parser takes away.
            let help = if node.is_null() {
                "one that begins with `!` needs quotation marks: \"!startup\""
            } else {
                "such as 'has_gateway && mtu >= 1400'"
            };
            faults.push(Fault::error(node.span, message, help));
            return None;
        }
    };
    let compiled = filter::parse(text).map_err(|wrong| Fault {
        inside: Some(Inside::new(text, wrong.place)),
        ..Fault::error(node.span, wrong.message, wrong.help)
    });
    put(compiled, faults)
}

/// File names of scripts. None at all is a filter under which only units are started.
fn names(node: &Node, faults: &mut Vec<Fault>) -> Option<Arc<[String]>> {
    let list = as_list(node);
    let Value::List(items) = &list.value else { return None };
    if let Some(item) = items.get(SCRIPTS_MAX) {
        let message = format!("more than {SCRIPTS_MAX} scripts in one filter");
        faults.push(Fault::error(item.span, message, "make several filters of it"));
        return None;
    }
    let name = |item: &Node| match &item.value {
        Value::Scalar { text, .. } if !item.is_null() && !text.is_empty() && text.len() <= NAME_MAX => {
            match text.rsplit_once('/') {
                None => Ok(text.clone()),
                Some((_, last)) => {
                    let message = "scripts are named without their directory, which the event decides";
                    Err(Fault::error(item.span, message, format!("write {last:?}")))
                }
            }
        }
        _ => {
            let message = format!("expected the file name of a script, found {}", item.found());
            Err(Fault::error(item.span, message, "such as \"10-vpn.sh\""))
        }
    };
    Some(items.iter().filter_map(|item| put(name(item), faults)).collect())
}
