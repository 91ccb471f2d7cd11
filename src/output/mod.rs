//! How answers are shown: as text, table, JSON or YAML.

mod clean;
mod clock;
mod columns;
mod print;
mod table;
mod terminal_style;
mod tree;
mod view;
mod yaml;

pub(crate) use clean::clean;
pub(crate) use clock::{ago, bytes, took};
#[cfg(test)]
pub(crate) use print::fit;
pub(crate) use print::{Style, complain, put, put_document, styled};
pub(crate) use terminal_style::{TerminalStyle, has_colours};
pub(crate) use view::{Cell, Grid, Part, View};

use crate::Failure;
use clap::ValueEnum;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tree::Tree;

/// The form of what is shown: text and table for people, json and yaml the API's document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
#[allow(missing_docs, reason = "a text here would be printed as help, at length")]
pub(crate) enum Format {
    #[default]
    Text,
    Table,
    Json,
    Yaml,
}

/// Shows a document that came from the daemon.
pub(crate) fn show<T: DeserializeOwned>(
    document: &[u8],
    format: Format,
    view: impl FnOnce(&T) -> View,
) -> Result<(), Failure> {
    match format {
        Format::Json => put_document(&parse::<Tree>(document)?.json())?,
        Format::Yaml => put_document(&parse::<Tree>(document)?.yaml())?,
        Format::Text => put(view(&parse(document)?).text(TerminalStyle::of_output()))?,
        Format::Table => put(view(&parse(document)?).table(TerminalStyle::of_output()))?,
    }
    Ok(())
}

/// Shows a document that was made here.
pub(crate) fn show_own<T: Serialize + DeserializeOwned>(
    document: &T,
    format: Format,
    view: impl FnOnce(&T) -> View,
) -> Result<(), Failure> {
    show(&serde_json::to_vec(document).map_err(Failure::line)?, format, view)
}

/// A document as this program knows it.
pub(crate) fn parse<T: DeserializeOwned>(document: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(document).map_err(|error| {
        let ours = env!("CARGO_PKG_VERSION");
        Failure::line(format!(
            "the daemon's answer is not as netevd {ours} knows it ({error}); is the daemon of another version? \
             After an upgrade restart it; --format json shows the answer as it is"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::print::fit_document;
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// Any text, with more of what steers than chance gives.
    fn any_text() -> impl Strategy<Value = String> {
        let steering = proptest::sample::select(vec![
            '\u{0}',
            '\u{7}',
            '\u{8}',
            '\t',
            '\n',
            '\r',
            '\u{1b}',
            '\u{7f}',
            '\u{80}',
            '\u{85}',
            '\u{9b}',
            '\u{9d}',
            '\u{61c}',
            '\u{200e}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{2069}',
            '\u{fdd0}',
            '\u{fdd4}',
            '\u{feff}',
            '\u{e0001}',
            '"',
            '\\',
            '[',
            'm',
        ]);
        prop::collection::vec(prop_oneof![steering, any::<char>()], 0..12)
            .prop_map(|all| all.into_iter().collect())
    }

    fn any_document() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any_text().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any_text(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    /// With the sequences of this program's own styles taken out.
    fn is_clean(text: &str, permitted: &str) -> bool {
        let mut text = text.to_owned();
        for own in ["\u{1b}[1m", "\u{1b}[32m", "\u{1b}[31m", "\u{1b}[2m", "\u{1b}[0m"] {
            text = text.replace(own, "");
        }
        text.chars().all(|c| permitted.contains(c) || !clean::controls_terminal(c))
    }

    proptest! {
        #[test]
        fn no_document_steers_and_each_reads_as_what_it_was(value in any_document()) {
            let bytes = serde_json::to_vec(&value).expect("JSON");
            let tree: Tree = serde_json::from_slice(&bytes).expect("a tree");
            let json = fit_document(&tree.json());
            prop_assert!(json.chars().all(|c| c == '\n' || !clean::controls_terminal(c)), "{:?}", json);
            prop_assert_eq!(&serde_json::from_str::<Value>(&json).expect("JSON"), &value);
            let yaml = fit_document(&tree.yaml());
            prop_assert!(yaml.chars().all(|c| c == '\n' || !clean::controls_terminal(c)), "{:?}", yaml);
            let read: Value = serde_yaml::from_str(&yaml).unwrap_or_else(|e| panic!("{e}\n{yaml}"));
            prop_assert_eq!(&read, &value);
        }

        #[test]
        fn no_text_and_no_table_steers(a in any_text(), b in any_text(), colours in any::<bool>()) {
            let mut grid = Grid::new(&["ONE", "TWO"]);
            grid.row([Cell::new(&a).good(), Cell::list([&b, &a]).bad()]);
            let cells = vec![("name", Cell::new(&b).strong()), ("other", Cell::list([&a, &b]))];
            let parts = vec![
                Part::Heading(Cell::new(&a).strong()),
                Part::Pairs(cells),
                Part::Grid(grid, "nothing"),
                Part::Lines(vec![Cell::new(&b).faint()]),
            ];
            let view = View(parts);
            let terminal = TerminalStyle { colours, width: 60, utf8: true };
            for text in [fit(&view.text(terminal), colours), fit(&view.table(terminal), colours)] {
                prop_assert!(is_clean(&text, "\n"), "{:?}", text);
                prop_assert!(colours || !text.contains('\u{1b}'), "{:?}", text);
            }
        }

        /// Also where somebody forgot to clean it before.
        #[test]
        fn nothing_steers_that_comes_to_the_printing_place(text in any_text(), colours in any::<bool>()) {
            let shown = fit(&text, colours);
            prop_assert!(is_clean(&shown, "\n\t"), "{:?}", shown);
            prop_assert!(colours || !shown.contains('\u{1b}'), "{:?}", shown);
            let styled = fit(&styled(Style::Bad, &text), true);
            let inside = styled.strip_prefix("\u{1b}[31m").and_then(|rest| rest.strip_suffix("\u{1b}[0m"));
            prop_assert!(inside.is_some_and(|inside| !inside.chars().any(clean::controls_terminal)), "{:?}", styled);
        }
    }
}
