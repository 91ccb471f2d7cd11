//! YAML from JSON: block style; whatever could be read as something else than a plain word is
//! written as a JSON string, which YAML 1.2 is a superset of.

use super::tree::Tree;

/// The document, with a newline at the end.
pub(super) fn write(tree: &Tree) -> String {
    let mut out = String::new();
    match tree {
        Tree::List(items) if !items.is_empty() => block(tree, 0, &mut out),
        Tree::Map(members) if !members.is_empty() => block(tree, 0, &mut out),
        _ => {
            out.push_str(&flat(tree));
            out.push('\n');
        }
    }
    out
}

/// A list or map with something in it; the cursor stands where its first line begins.
fn block(tree: &Tree, depth: usize, out: &mut String) {
    let indent = |out: &mut String| (0..depth).for_each(|_| out.push_str("  "));
    match tree {
        Tree::List(items) => {
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    indent(out);
                }
                out.push_str("- ");
                if is_block(item) {
                    block(item, depth + 1, out);
                } else {
                    out.push_str(&flat(item));
                    out.push('\n');
                }
            }
        }
        Tree::Map(members) => {
            for (number, (name, value)) in members.iter().enumerate() {
                if number > 0 {
                    indent(out);
                }
                out.push_str(&scalar(name));
                out.push(':');
                if is_block(value) {
                    out.push('\n');
                    (0..=depth).for_each(|_| out.push_str("  "));
                    block(value, depth + 1, out);
                } else {
                    out.push(' ');
                    out.push_str(&flat(value));
                    out.push('\n');
                }
            }
        }
        _ => {}
    }
}

fn is_block(tree: &Tree) -> bool {
    match tree {
        Tree::List(items) => !items.is_empty(),
        Tree::Map(members) => !members.is_empty(),
        _ => false,
    }
}

/// What fits behind a key.
fn flat(tree: &Tree) -> String {
    match tree {
        Tree::Null => "null".to_owned(),
        Tree::Bool(value) => value.to_string(),
        Tree::Number(number) => number.to_string(),
        Tree::Text(text) => scalar(text),
        Tree::List(_) => "[]".to_owned(),
        Tree::Map(_) => "{}".to_owned(),
    }
}

/// Also those words that YAML 1.1 takes for something else.
const OTHERS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

fn scalar(text: &str) -> String {
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/');
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./+@".contains(c);
    if begins && text.chars().all(plain) && !OTHERS.contains(&text.to_ascii_lowercase().as_str()) {
        text.to_owned()
    } else {
        // A string has nothing that could fail to be written.
        serde_json::to_string(text).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn yaml(value: &Value) -> String {
        write(&serde_json::from_value(value.clone()).expect("a tree"))
    }

    #[test]
    fn blocks_are_indented() {
        let value = json!({"a": [], "b": {"c": 1, "d": [{"e": null, "f": true}, [1, "x y"]]}, "g": "on"});
        let expected =
            "a: []\nb:\n  c: 1\n  d:\n    - e: null\n      f: true\n    - - 1\n      - \"x y\"\ng: \"on\"\n";
        assert_eq!(yaml(&value), expected);
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ -~]{0,12}".prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from),
            proptest::sample::select(vec![
                "null",
                "~",
                "1e3",
                "0x1f",
                "Off",
                "-",
                "a: b",
                "2026-03-01",
                "a #b",
                "/x"
            ])
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-z_:# ]{1,6}", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_reads_as_what_it_was(value in any_value()) {
            let text = yaml(&value);
            let read: Value = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
            prop_assert_eq!(read, value, "{}", text);
        }
    }
}
