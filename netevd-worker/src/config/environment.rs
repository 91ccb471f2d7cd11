//! `NETEVD_<SECTION>_<KEY>` and `RUST_LOG` over what the files say.

use super::Config;
use super::keys::{KEYS, Key};
use super::legacy::{RENAMED, split};
use super::problem::{Fault, Origin, Problem, Severity, Span};
use super::validator::children;
use super::yaml::{Node, Value};
use crate::text::nearest;
use std::collections::BTreeMap;

const PREFIX: &str = "NETEVD_";

/// The variable of a key: `routing.table_base` is `NETEVD_ROUTING_TABLE_BASE`.
pub fn variable(path: &str) -> String {
    format!("{PREFIX}{}", path.replace('.', "_").to_uppercase())
}

/// Sets what the environment says. An empty variable is as good as none.
pub(super) fn apply(config: &mut Config, environment: &BTreeMap<String, String>) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in environment.iter().filter(|(_, value)| !value.is_empty()) {
        let faults = match name.strip_prefix(PREFIX) {
            Some(_) => setting(config, name, value),
            None if name == "RUST_LOG" => {
                config.system.log_directives = Some(value.clone());
                Vec::new()
            }
            None => continue,
        };
        let origin = Origin::Variable(name.clone());
        problems.extend(faults.into_iter().map(|fault| Problem::new(origin.clone(), fault, value)));
    }
    problems
}

fn setting(config: &mut Config, name: &str, value: &str) -> Vec<Fault> {
    let renamed = RENAMED.iter().find(|(old, ..)| variable(old) == name).map(|(_, today, _)| *today);
    let is_it = |key: &&Key| variable(key.path) == name || renamed == Some(key.path);
    let key = KEYS.iter().filter(|key| key.kind.in_a_variable().is_some()).find(is_it);
    let Some(key) = key else { return vec![unknown(name)] };
    let span = Span { line: 1, column: 1, width: value.chars().count() };
    let node = Node { span, value: Value::Scalar { text: value.to_owned(), plain: true } };
    let mut faults = Vec::new();
    let node = if key.kind.in_a_variable() == Some(true) { split(&node) } else { node };
    (key.set)(config, &node, &mut faults);
    if renamed.is_some() {
        let message = format!("the old spelling of {}", variable(key.path));
        faults.push(Fault::warning(span, message, "use that one"));
    }
    faults
}

/// Scripts see `NETEVD_REJECTED`, other programs may have variables of the same beginning: what
/// is not known is a warning, what belongs to a key that no variable can hold is an error.
fn unknown(name: &str) -> Fault {
    if let Some(key) = KEYS.iter().find(|key| variable(key.path) == name) {
        let message = format!("`{}` cannot be set by a variable", key.path);
        return Fault::whole(message, "write it into the file");
    }
    let known: Vec<String> =
        KEYS.iter().filter(|key| key.kind.in_a_variable().is_some()).map(|key| variable(key.path)).collect();
    let help = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("variables begin with NETEVD_ and a section: {}", children("").join(", ")),
    };
    Fault { severity: Severity::Warning, ..Fault::whole("no setting of this name; it is ignored", help) }
}
