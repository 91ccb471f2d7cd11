//! The configuration as a JSON schema (2020-12), for editors that complete and check YAML by one.
//!
//! It is made from the table of keys. It permits what the reader permits as far as a schema can say
//! it; conditions of filters, names of units and patterns are only checked by `netevd validate`.

use super::keys::{BACKENDS, KEYS, Key, Kind};
use super::legacy;
use crate::filter::Action;
use crate::model::{Backend, EventKind};
use crate::names::ROUTE_PROTOCOLS;
use protocol::{InterfaceName, Pattern};
use serde_json::{Map, Value, json};

/// The schema as text, with a line break at its end.
pub fn schema() -> String {
    let mut root = section();
    for key in &KEYS {
        insert(&mut root, key);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "netevd.yaml",
        "description": "Configuration of netevd, a network event daemon; see netevd.yaml(5).",
    });
    for (name, value) in root {
        schema[name] = value;
    }
    schema["properties"][legacy::SECTION] = older();
    for (old, today, _) in legacy::RENAMED {
        let pointer = |path: &str| format!("/properties/{}", path.replace('.', "/properties/"));
        let mut renamed = schema.pointer(&pointer(today)).cloned().unwrap_or_default();
        renamed["deprecated"] = json!(true);
        renamed["description"] = json!(format!("the old spelling of {today}"));
        let (section, leaf) = old.rsplit_once('.').unwrap_or(("", old));
        if let Some(section) = schema.pointer_mut(&pointer(section)) {
            section["properties"][leaf] = renamed;
        }
    }
    // The types have nothing that could fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default() + "\n"
}

/// A mapping, or nothing where all its keys are commented out.
fn section() -> Map<String, Value> {
    let mut section = Map::new();
    section.insert("type".to_owned(), json!(["object", "null"]));
    section.insert("additionalProperties".to_owned(), json!(false));
    section.insert("properties".to_owned(), json!({}));
    section
}

fn insert(root: &mut Map<String, Value>, key: &Key) {
    let mut names: Vec<&str> = key.path.split('.').collect();
    let leaf = names.pop().unwrap_or_default();
    let mut properties = root.get_mut("properties");
    for name in names {
        let Some(Value::Object(map)) = properties else { return };
        let inner = map.entry(name).or_insert_with(|| Value::Object(section()));
        properties = inner.get_mut("properties");
    }
    let mut schema = of_kind(&key.kind);
    schema["description"] = json!(key.about.replace('`', ""));
    schema["default"] = default(key);
    if let Some(Value::Object(map)) = properties {
        map.insert(leaf.to_owned(), schema);
    }
}

/// The default as JSON; what is neither a number nor another literal is a text.
pub(super) fn default(key: &Key) -> Value {
    serde_json::from_str(key.default).unwrap_or_else(|_| json!(key.default))
}

fn of_kind(kind: &Kind) -> Value {
    match kind {
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Number(range) => json!({ "type": "integer", "minimum": range.start(), "maximum": range.end() }),
        Kind::Words(words) => json!({ "enum": words }),
        Kind::Duration(range) => json!({ "anyOf": [
            { "type": "string", "pattern": "^[0-9]+ *(ms|s|m|min|h)?$" },
            { "type": "integer", "minimum": range.start().as_secs().max(1), "maximum": range.end().as_secs() },
        ] }),
        Kind::Patterns => json!({ "type": "array", "items": pattern() }),
        Kind::Paths => json!({ "type": "array", "items": path() }),
        Kind::Path => path(),
        Kind::OptionalPath => json!({ "anyOf": [path(), { "type": "null" }] }),
        Kind::Address => address(),
        Kind::OptionalUser => json!({ "anyOf": [
            { "type": "string", "minLength": 1, "maxLength": 64 }, { "type": "integer", "minimum": 0 },
            { "type": "null" }
        ] }),
        Kind::Group => json!({ "type": "string", "minLength": 1, "maxLength": 64 }),
        Kind::Gateways => by_interface(&one_or_more(&json!({ "anyOf": [address(), { "const": "first" }] }))),
        Kind::Marks => by_interface(&json!({
            "type": "string", "pattern": "^(0x[0-9a-fA-F]+|[0-9]+)/(0x[0-9a-fA-F]+|[0-9]+)$"
        })),
        Kind::Addresses => json!({ "type": "array", "items": address() }),
        Kind::Prefixes => json!({ "type": "array", "items": {
            "type": "string", "pattern": "^[0-9a-fA-F.:]+(/[0-9]+)?$"
        } }),
        Kind::Protocols => json!({ "type": "array", "maxItems": super::IGNORED_MAX, "items": { "anyOf": [
            { "enum": ROUTE_PROTOCOLS.iter().map(|(_, name)| name).collect::<Vec<_>>() },
            { "type": "integer", "minimum": 0, "maximum": 255 },
        ] } }),
        Kind::Nothing => json!({ "type": ["object", "null"], "additionalProperties": false }),
        Kind::Units => json!({ "type": ["array", "null"], "items": unit_rule() }),
        Kind::Filters => json!({
            "type": ["array", "null"],
            "maxItems": 1024,
            "items": { "anyOf": [filter(), {
                "type": "object",
                "additionalProperties": false,
                "required": ["default"],
                "properties": { "default": {
                    "enum": ["execute", "ignore"],
                    "description": "what holds where no filter decides; the last entry of the list",
                } },
            }] },
        }),
    }
}

fn by_interface(one: &Value) -> Value {
    json!({
        "type": ["object", "null"],
        "propertyNames": {
            "minLength": 1, "maxLength": InterfaceName::ALTERNATIVE_MAX, "pattern": "^[^\\s/:]+$"
        },
        "additionalProperties": one,
    })
}

fn pattern() -> Value {
    json!({ "type": "string", "minLength": 1, "maxLength": Pattern::MAX + 1, "pattern": "^!?[^\\s/:!][^\\s/:]*$" })
}

fn path() -> Value {
    json!({ "type": "string", "pattern": "^/.*[^/]$" })
}

fn address() -> Value {
    json!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
}

fn one_or_more(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "minItems": 1, "items": one }] })
}

fn one_or_any(one: &Value) -> Value {
    json!({ "anyOf": [one, { "type": "array", "items": one }] })
}

fn described(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

fn events() -> Value {
    let names: Vec<&str> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    one_or_more(&json!({ "enum": names }))
}

fn unit_rule() -> Value {
    let unit = json!({ "type": "string", "description": "a unit; %i is the link, %e the event" });
    let verbs = ["start", "stop", "restart", "reload"];
    let mut rule = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["on"],
        "oneOf": verbs.map(|verb| json!({ "required": [verb] })),
        "properties": {
            "on": described(events(), "events that trigger it"),
            "link": described(one_or_any(&pattern()), "links that trigger it; left out: every one"),
        },
    });
    for verb in verbs {
        rule["properties"][verb] = unit.clone();
    }
    rule
}

fn filter() -> Value {
    let backends: Vec<&str> =
        BACKENDS.iter().filter(|(_, backend)| *backend != Backend::Auto).map(|(name, _)| *name).collect();
    let older = |mut schema: Value| {
        schema["deprecated"] = json!(true);
        schema
    };
    let interface = described(one_or_more(&pattern()), "names or globs; \"!veth*\" excludes");
    let event = described(events(), "kinds of events");
    let matches = described(
        json!({
            "type": ["object", "null"],
            "additionalProperties": false,
            "properties": {
                "interface": interface,
                "interface_pattern": older(interface.clone()),
                "event": event,
                "event_type": older(event.clone()),
                "ip_family": { "enum": ["ipv4", "ipv6"] },
                "backend": one_or_more(&json!({ "enum": backends })),
                "condition": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": crate::filter::LENGTH_MAX,
                    "description": "such as has_gateway && mtu >= 1400; docs/filters.md has the language",
                },
            },
        }),
        "what has to be so; left out: every event",
    );
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["action"],
        "properties": {
            "match": matches,
            "match_rule": older(matches.clone()),
            "action": {
                "enum": Action::ALL.map(|(name, _)| name),
                "description": "execute or ignore and decide, or log and ask the next filter",
            },
            "scripts": described(
                one_or_any(&json!({ "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[^/]+$" })),
                "with execute: the only scripts that run, by their file names",
            ),
        },
    })
}

/// The section before the others were.
fn older() -> Value {
    let words = one_or_any(&json!({ "type": "string" }));
    let mut older = section();
    let properties: Map<String, Value> = legacy::names()
        .map(|(name, is_list)| {
            (name.to_owned(), if is_list { words.clone() } else { json!({ "type": "boolean" }) })
        })
        .collect();
    older.insert("properties".to_owned(), Value::Object(properties));
    older.insert("deprecated".to_owned(), json!(true));
    older.insert("description".to_owned(), json!("the old spelling; netevd validate shows today's"));
    Value::Object(older)
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
