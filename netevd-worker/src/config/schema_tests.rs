//! The schema: the shipped file is it, its defaults are the configuration's, the examples satisfy it,
//! and it refuses what the reader refuses.

use super::super::{Config, compile};
use super::*;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn parsed() -> Value {
    serde_json::from_str(&schema()).expect("JSON")
}

#[test]
fn the_shipped_file_is_this_schema() {
    let path = root().join("examples/netevd.schema.json");
    if std::env::var_os("NETEVD_WRITE_MANUAL").is_some() {
        std::fs::write(&path, schema()).expect("writable");
    }
    let shipped = std::fs::read_to_string(&path).expect("shipped");
    assert!(shipped == schema(), "examples/netevd.schema.json is of another version: make man");
}

#[test]
fn the_defaults_are_those_of_the_configuration() {
    for key in &KEYS {
        let (first, rest) = key.path.split_once('.').unwrap_or((key.path, ""));
        let text = match rest {
            "" => format!("{first}: {}\n", key.default),
            rest => {
                let opened: String = rest.split('.').map(|name| format!("{{{name}: ")).collect();
                format!("{first}: {opened}{}{}\n", key.default, "}".repeat(rest.split('.').count()))
            }
        };
        let mut problems = Vec::new();
        let config = compile(&[(PathBuf::from("n.yaml"), text.clone())], &mut problems);
        assert_eq!((config, problems), (Config::default(), vec![]), "{text}");
        assert!(!key.about.is_empty() && key.about.matches('`').count() % 2 == 0, "{}", key.path);
    }
}

/// What is wrong with a value, by the part of JSON schema that this one is made of; patterns and formats
/// are for editors.
fn faults(schema: &Value, value: &Value, place: &str) -> Vec<String> {
    let mut found = Vec::new();
    let all = schema.as_object().expect("a schema");
    for (word, wants) in all {
        let is_good = match word.as_str() {
            "type" => match wants {
                Value::Array(types) => types.iter().any(|one| is_of(value, one)),
                one => is_of(value, one),
            },
            "enum" => wants.as_array().expect("a list").contains(value),
            "const" => wants == value,
            "minimum" => value.as_u64().is_none_or(|number| number >= wants.as_u64().expect("a number")),
            "maximum" => value.as_u64().is_none_or(|number| number <= wants.as_u64().expect("a number")),
            "minLength" => {
                value.as_str().is_none_or(|text| text.len() as u64 >= wants.as_u64().expect("a number"))
            }
            "maxLength" => {
                value.as_str().is_none_or(|text| text.len() as u64 <= wants.as_u64().expect("a number"))
            }
            "minItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 >= wants.as_u64().expect("a number"))
            }
            "maxItems" => {
                value.as_array().is_none_or(|list| list.len() as u64 <= wants.as_u64().expect("a number"))
            }
            "required" => value.as_object().is_none_or(|map| {
                wants
                    .as_array()
                    .expect("a list")
                    .iter()
                    .all(|name| map.contains_key(name.as_str().expect("a name")))
            }),
            "anyOf" => {
                wants.as_array().expect("a list").iter().any(|one| faults(one, value, place).is_empty())
            }
            "oneOf" => {
                wants
                    .as_array()
                    .expect("a list")
                    .iter()
                    .filter(|one| faults(one, value, place).is_empty())
                    .count()
                    == 1
            }
            "items" => {
                for item in value.as_array().into_iter().flatten() {
                    found.extend(faults(wants, item, &format!("{place}[]")));
                }
                true
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wants.get(name) {
                        found.extend(faults(schema, inner, &format!("{place}.{name}")));
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = schema["properties"].as_object();
                for (name, inner) in value.as_object().into_iter().flatten() {
                    match wants {
                        _ if known.is_some_and(|known| known.contains_key(name)) => {}
                        Value::Bool(false) => found.push(format!("{place}.{name} is unknown")),
                        schema => found.extend(faults(schema, inner, &format!("{place}.{name}"))),
                    }
                }
                true
            }
            "$schema" | "title" | "description" | "default" | "deprecated" | "pattern" | "format"
            | "propertyNames" => true,
            other => panic!("{other} is not looked at"),
        };
        if !is_good {
            found.push(format!("{place}: {value} against {word} {wants}"));
        }
    }
    found
}

fn is_of(value: &Value, name: &Value) -> bool {
    match name.as_str().expect("a type") {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("{other} is not looked at"),
    }
}

fn judge(text: &str) -> Vec<String> {
    faults(&parsed(), &serde_yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")), "")
}

#[test]
fn the_shipped_examples_satisfy_it() {
    let mut checked = 0;
    for entry in std::fs::read_dir(root().join("examples")).expect("examples").flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let text = std::fs::read_to_string(&path).expect("readable");
            assert_eq!(judge(&text), [""; 0], "{}", path.display());
            checked += 1;
        }
    }
    assert!(checked >= 7, "{checked}");
}

#[test]
fn it_says_what_the_reader_says() {
    // Good for both, bad for both.
    let cases = [
        ("system: {backend: kernel, log_level: debug}", true),
        ("system:", true),
        ("system: {backend: kernal}", false),
        ("system: {startup_events: 'yes'}", false),
        ("sytem: {}", false),
        ("routing: {limits: {objects: 5}, gateways: {eth1: [192.0.2.1], eth2: \"fe80::1\"}}", true),
        ("routing: {limits: {objects: 0}}", false),
        ("routing: {limits: {object: 1}}", false),
        ("routing: {gateways: {eth1: []}}", false),
        ("routing: {gateways: {eth1: first, eth2: [first, 192.0.2.1]}}", true),
        ("routing: {marks: {eth1: 0x650000/0xff0000}, shared: [192.0.2.9, \"2001:db8::9\"]}", true),
        ("routing: {marks: {eth1: [1/1]}}", false),
        ("routing: {marks: [1/1]}", false),
        ("routing: {shared: 192.0.2.9}", false),
        ("routing: {main_prefixes: [10.0.0.0/8, \"fc00::/7\", 192.0.2.1]}", true),
        ("routing: {main_prefixes: 10.0.0.0/8}", false),
        ("routing: {ignore_protocols: [bird, zebra, 186]}", true),
        ("routing: {ignore_protocols: [burd]}", false),
        ("routing: {ignore_protocols: [256]}", false),
        ("routing: {specific_routes: main, to_rules: false}", true),
        ("routing: {specific_routes: yes}", false),
        ("routing: {limits: {local_networks: 5}}", true),
        ("routing: {limits: {local_networks: 0}}", false),
        ("routing: {rule_priority: 32763}", false),
        ("scripts: {timeout: 90}", true),
        ("scripts: {timeout: 5 min, max_parallel: 1}", true),
        ("scripts: {user: netevd-scripts}", true),
        ("scripts: {user: 972}", true),
        ("scripts: {user: null}", true),
        ("scripts: {user: [root]}", false),
        ("scripts: {timeout: [1]}", false),
        ("units: [{on: routable, link: \"wg*\", start: a.service}]", true),
        ("units: [{on: [routable, mtu], stop: a.service}]", true),
        ("units: [{on: routable}]", false),
        ("units: [{on: mtu, start: a.service, stop: a.service}]", false),
        ("units: [{on: routabel, start: a.service}]", false),
        (
            "filters: [{match: {interface: [\"!a*\"], event: mtu, ip_family: ipv6, backend: [kernel], condition: startup}, action: log}]",
            true,
        ),
        (
            "filters: [{match_rule: {interface_pattern: a, event_type: [mtu]}, action: execute, scripts: [a, b]}, {default: ignore}]",
            true,
        ),
        ("filters: [{action: drop}]", false),
        ("filters: [{match: {}}]", false),
        ("filters: [{match: {backend: auto}, action: log}]", false),
        ("filters: [{default: log}]", false),
        ("backends: {networkmanager: {}, dhclient: {lease_files: [/a/*.leases]}}", true),
        ("backends: {networkmanager: {a: 1}}", false),
        ("api: {token_file: null, port: 0, bind_address: \"::1\"}", true),
        ("api: {port: 65536}", false),
        ("audit: {path: 5}", false),
        ("network: {links: eth0 eth1, use_dns: true}", true),
        ("network: {link: eth0}", false),
    ];
    for (text, is_good) in cases {
        let mut problems = Vec::new();
        compile(&[(PathBuf::from("n.yaml"), text.to_owned())], &mut problems);
        assert_eq!(
            !problems.iter().any(|problem| problem.is_error()),
            is_good,
            "the reader: {text}: {problems:?}"
        );
        assert_eq!(judge(text).is_empty(), is_good, "the schema: {text}: {:?}", judge(text));
    }
}
