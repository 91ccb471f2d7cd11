//! The API as its clients meet it: every field against what `ip -j` shows or a script has noted, who
//! may ask what, and what clients that behave badly can do.

mod access;
mod bounds;
mod description;
mod errors;
mod events;
mod fields;
mod listeners;
mod properties;
mod storm;
mod stream;

use crate::support::{Host, wait_for};
use serde_json::Value;
use std::collections::BTreeSet;

/// Two uplinks, of which eth1 is managed; TCP on loopback, without a token.
const CONFIG: &str = "\
system: { backend: kernel }
routing:
  policy_rules: [eth1]
api: { enabled: true }
";
/// Where `CONFIG` listens.
const TCP: &str = "127.0.0.1:9090";

/// A machine with this configuration, and the daemon's to start.
fn machine(test: &str, config: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.two_uplinks();
    host.config(config);
    Some(host)
}

/// Waits until this holds of a document, and returns it.
fn await_document(host: &Host, path: &str, what: &str, is: impl Fn(&Value) -> bool) -> Value {
    let mut found = Value::Null;
    wait_for(
        what,
        || format!("{path}: {}\n{}", host.api(path), host.log()),
        || {
            found = host.api(path);
            is(&found)
        },
    );
    found
}

/// The values of a list of objects by one of their members.
fn texts<'a>(list: &'a Value, member: &str) -> BTreeSet<&'a str> {
    array(list).iter().filter_map(|one| one[member].as_str()).collect()
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("no list: {value}"))
}

/// The members of an object.
fn members(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}")).keys().map(String::as_str).collect()
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split_whitespace().collect()
}
