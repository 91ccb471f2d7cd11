//! YAML text to a tree of nodes that know their place. No meaning is given to anything here.
//!
//! The part of YAML that a configuration needs: one document of mappings, lists and scalars.
//! Anchors, aliases, merge keys and tags are refused: what is written is what holds.
//! Limits: 1 MiB of text, 16 levels.

use super::problem::{Fault, Span};
use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span as ParserSpan, StrInput};
use std::collections::HashMap;

/// The longest text that is read, in bytes.
pub(super) const TEXT_MAX: usize = 1 << 20;
const DEPTH_MAX: usize = 16;

/// A value and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Its place.
    pub span: Span,
    /// The value.
    pub value: Value,
}

/// What a node holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Any scalar; `plain` is false for quoted and block text, which is always a string.
    Scalar {
        /// After escape processing.
        text: String,
        /// Written without quotes.
        plain: bool,
    },
    /// A sequence.
    List(Vec<Node>),
    /// A mapping, in order of writing; no key stands twice.
    Map(Vec<Entry>),
}

/// One `key: value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    /// What it is set to.
    pub node: Node,
}

impl Node {
    /// Nothing written, `~` or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// What was found, for messages.
    pub(super) fn found(&self) -> String {
        match &self.value {
            _ if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, plain: true } => format!("`{text}`"),
            Value::Scalar { text, plain: false } => format!("the string {text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }
}

/// The document's root, if there is one, and every fault of form that was met on the way. After
/// a fault of syntax the root is `None`: what follows it could not be told.
pub(super) fn parse(text: &str) -> (Option<Node>, Vec<Fault>) {
    let mut builder = Builder { parser: Parser::new_from_str(text), faults: Vec::new() };
    match builder.document() {
        Ok(root) => (root, builder.faults),
        Err(Stop) => (None, builder.faults),
    }
}

/// Reading cannot go on; the fault is recorded.
struct Stop;

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    faults: Vec<Fault>,
}

impl<'a> Builder<'a> {
    fn event(&mut self) -> Result<(Event<'a>, Span), Stop> {
        match self.parser.next() {
            Some(Ok((event, span))) => Ok((event, place(span))),
            Some(Err(error)) => Err(self.syntax(&error)),
            None => Err(Stop),
        }
    }

    fn syntax(&mut self, error: &ScanError) -> Stop {
        let mark = error.marker();
        let span = Span { line: mark.line(), column: mark.col() + 1, width: 1 };
        self.faults.push(Fault::error(span, format!("no YAML: {}", error.info()), ""));
        Stop
    }

    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        let mut documents = 0usize;
        loop {
            match self.event()? {
                (Event::StreamEnd, _) => return Ok(root),
                (Event::DocumentStart(..), span) => {
                    documents += 1;
                    if documents > 1 {
                        let help = "put it into a file of its own";
                        self.faults.push(Fault::error(span, "a second document in one file", help));
                        return Err(Stop);
                    }
                }
                (Event::StreamStart | Event::DocumentEnd, _) => {}
                (event, span) => root = Some(self.node(event, span, 0)?),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, Stop> {
        if depth > DEPTH_MAX {
            self.faults.push(Fault::error(span, "nested more than 16 levels deep", ""));
            return Err(Stop);
        }
        if event.anchor_id().is_some() || event.is_alias() {
            let help = "write the value out";
            self.faults.push(Fault::error(span, "anchors and aliases are not accepted", help));
        }
        if let Some(tag) = event.tag() {
            let message = format!("the tag `{}` is not accepted", tag.original());
            self.faults.push(Fault::error(
                span,
                message,
                "a text that begins with `!` needs quotation marks",
            ));
        }
        let value = match event {
            Event::Scalar(text, style, ..) => {
                Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain }
            }
            Event::SequenceStart(..) => self.list(depth)?,
            Event::MappingStart(..) => self.map(depth)?,
            // An alias, already reported: an empty value stands in its place.
            _ => Value::Scalar { text: String::new(), plain: true },
        };
        Ok(Node { span, value })
    }

    fn list(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            match self.event()? {
                (Event::SequenceEnd, _) => return Ok(Value::List(items)),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Value, Stop> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut places: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = match self.event()? {
                (Event::MappingEnd, _) => return Ok(Value::Map(entries)),
                (event, span) => (event, span),
            };
            let key = self.node(event, span, depth + 1)?;
            let (event, value_span) = self.event()?;
            let mut node = self.node(event, value_span, depth + 1)?;
            if node.span.width == 0 {
                // Nothing is written there; the key is what can be pointed at.
                node.span = span;
            }
            let Value::Scalar { text, .. } = key.value else {
                let help = "write a plain word before the colon";
                self.faults.push(Fault::error(span, "a list or mapping as a key", help));
                continue;
            };
            if text == "<<" {
                let help = "write the keys out";
                self.faults.push(Fault::error(span, "merge keys are not accepted", help));
            } else if let Some(first) = places.get(&text) {
                let message = format!("the key `{text}` stands twice");
                self.faults.push(Fault::error(span, message, format!("it stands in line {first} already")));
            } else {
                places.insert(text.clone(), span.line);
                entries.push(Entry { key: text, span, node });
            }
        }
    }
}

/// The parser counts lines from 1 and columns from 0. The marks go under the first line only.
fn place(span: ParserSpan) -> Span {
    let width = match span.end.line() == span.start.line() {
        true => span.end.col().saturating_sub(span.start.col()),
        // To the end of the line; whoever shows it cuts it there.
        false => usize::MAX,
    };
    Span { line: span.start.line(), column: span.start.col() + 1, width }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        let of = |fault: Fault| {
            let span = fault.span.unwrap_or_default();
            (span.line, span.column, fault.message)
        };
        parse(text).1.into_iter().map(of).collect()
    }

    #[test]
    fn nodes_know_their_place() {
        let (root, faults) = parse("a:\n  - x\n  - 'y z'\nb: {c: 1}\n");
        assert!(faults.is_empty());
        let Some(Node { value: Value::Map(entries), .. }) = root else { panic!("a mapping") };
        let Value::List(items) = &entries[0].node.value else { panic!("a list") };
        assert_eq!(items[0].span, Span { line: 2, column: 5, width: 1 });
        assert_eq!(items[1].value, Value::Scalar { text: "y z".to_owned(), plain: false });
        assert_eq!(items[1].span, Span { line: 3, column: 5, width: 5 });
        let Value::Map(inner) = &entries[1].node.value else { panic!("a mapping") };
        assert_eq!((inner[0].span.line, inner[0].span.column), (4, 5));
    }

    #[test]
    fn faults_of_form_are_all_reported_with_their_place() {
        let text = "a: &x 1\nb: *x\na: 2\nc: !!int 3\nd: {<<: {e: 1}}\n";
        let found = faults(text);
        let expected = [
            (1, "anchors and aliases"),
            (2, "anchors and aliases"),
            (3, "the key `a` stands twice"),
            (4, "the tag `!!int`"),
            (5, "merge keys"),
        ];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for ((line, _, message), (expected_line, start)) in found.iter().zip(expected) {
            assert_eq!(*line, expected_line);
            assert!(message.starts_with(start), "{message}");
        }
    }

    #[test]
    fn what_is_no_yaml_has_a_place() {
        for (text, line) in [("a: [1, 2\nb: 3\n", 2), ("a: 'x\n", 1), ("a: 1\n- b\n", 2), ("a: }\n", 1)] {
            let found = faults(text);
            assert_eq!(found.len(), 1, "{text:?}: {found:?}");
            assert_eq!(found[0].0, line, "{text:?}: {found:?}");
            assert!(found[0].2.starts_with("no YAML: ") && found[0].2.len() > 12, "{found:?}");
        }
        let found = faults("a: 1\n---\nb: 2\n");
        assert_eq!((found[0].0, found[0].2.as_str()), (2, "a second document in one file"));
        let deep = faults(&format!("{}1{}", "[".repeat(20), "]".repeat(20)));
        assert_eq!(deep[0].2, "nested more than 16 levels deep");
    }

    #[test]
    fn an_empty_text_has_no_root() {
        assert_eq!(parse(""), (None, vec![]));
        assert_eq!(parse("# only a comment\n"), (None, vec![]));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-a-c:{}\\[\\]&*!|>'\"#,<? \t\n%\\PC]{0,60}") {
            let _ = parse(&text);
        }
    }
}
