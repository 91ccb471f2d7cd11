//! What is wrong with a configuration: where, the line itself with a caret, and what to write.

use super::inside::Inside;
use std::fmt;
use std::path::{Path, PathBuf};

/// A place in a text; line and column count from 1, columns and width in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// Line from 1.
    pub line: usize,
    /// Column from 1.
    pub column: usize,
    /// Characters under the caret, on that line.
    pub width: usize,
}

/// Whether the configuration can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but says something that it should not.
    Warning,
}

/// A fault before it is known which text it stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Error or warning.
    pub severity: Severity,
    /// Where; `None` for the text as a whole.
    pub span: Option<Span>,
    /// Where within the text at `span`, when that has a grammar of its own.
    pub inside: Option<Inside>,
    /// What was found.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl Fault {
    /// An error at a place.
    pub fn error(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            span: Some(span),
            inside: None,
            message: message.into(),
            help: help.into(),
        }
    }

    /// A warning at a place.
    pub fn warning(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(span, message, help) }
    }

    /// An error of the text as a whole.
    pub fn whole(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { span: None, ..Self::error(Span::default(), message, help) }
    }
}

/// Where a setting was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
}

/// One fault, ready to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file or variable.
    pub origin: Origin,
    /// What, where in it, and what to do.
    pub fault: Fault,
    /// The line that the place is on, as it stands in the text.
    pub line: Option<String>,
}

/// Longest part of a line that is shown, in characters.
const SHOWN: usize = 160;

/// The lines as YAML counts them: a carriage return alone ends one too (YAML 1.2.2, 5.4).
pub(crate) fn lines(text: &str) -> Vec<&str> {
    text.lines().flat_map(|line| line.split('\r')).collect()
}

impl Problem {
    /// Joins a fault with the text that it was found in.
    pub fn new(origin: Origin, mut fault: Fault, text: &str) -> Self {
        if let (Some(span), Some(inside)) = (&mut fault.span, fault.inside.take()) {
            *span = inside.find(text, *span);
        }
        let line = fault.span.and_then(|span| lines(text).into_iter().nth(span.line.saturating_sub(1)));
        Self { origin, line: line.map(str::to_owned), fault }
    }

    /// A fault of a file that could not be read as text.
    pub fn of_file(path: &Path, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { origin: Origin::File(path.to_owned()), fault: Fault::whole(message, help), line: None }
    }

    /// True when the configuration cannot be used.
    pub fn is_error(&self) -> bool {
        self.fault.severity == Severity::Error
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::File(path) => path.display().fmt(f),
            Origin::Variable(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

impl fmt::Display for Problem {
    /// Without a line break at the end:
    /// ```text
    /// /etc/netevd/netevd.yaml:3:3: error: unknown key `table_bse`
    ///   3 |   table_bse: 200
    ///     |   ^^^^^^^^^ did you mean `table_base`?
    /// ```
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Fault { severity, span, message, help, .. } = &self.fault;
        write!(f, "{}:", self.origin)?;
        // A variable has one line, and its name says where to look.
        if let (Some(span), Origin::File(_)) = (span, &self.origin) {
            write!(f, "{}:{}:", span.line, span.column)?;
        }
        write!(f, " {severity}: {}", visible(message))?;
        let (Some(span), Some(line)) = (span, &self.line) else {
            return if help.is_empty() { Ok(()) } else { write!(f, "\n  {}", visible(help)) };
        };
        let excerpt = Excerpt::of(line, *span);
        let number = match self.origin {
            Origin::File(_) => span.line.to_string(),
            Origin::Variable(_) => String::new(),
        };
        let margin = " ".repeat(number.len());
        write!(f, "\n  {number} | {}\n  {margin} | {}{}", excerpt.line, excerpt.indent, excerpt.carets)?;
        if help.is_empty() { Ok(()) } else { write!(f, " {}", visible(help)) }
    }
}

/// The part of a line that is shown, and the marks below it.
struct Excerpt {
    line: String,
    indent: String,
    carets: String,
}

impl Excerpt {
    fn of(line: &str, span: Span) -> Self {
        let column = span.column.saturating_sub(1);
        let length = line.chars().count();
        // A long line is shown from shortly before the fault.
        let start = if length <= SHOWN { 0 } else { column.saturating_sub(40) };
        let shown: String = line.chars().skip(start).take(SHOWN).map(printable).collect();
        // Tabs are kept so that the caret stands where the terminal puts the fault.
        let indent = line.chars().skip(start).take(column - start);
        let indent = indent.map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
        let room = shown.chars().count().saturating_sub(column - start);
        Self { line: shown, indent, carets: "^".repeat(span.width.min(room).max(1)) }
    }
}

fn printable(c: char) -> char {
    if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }
}

/// Text from a file must not steer the terminal.
fn visible(text: &str) -> String {
    text.chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: Span) -> String {
        let origin = Origin::File("n.yaml".into());
        Problem::new(origin, Fault::error(span, "bad", "write it so"), text).to_string()
    }

    #[test]
    fn a_carriage_return_ends_a_line_too() {
        assert_eq!(lines("a\r\rb\r\nc\n"), ["a", "", "b", "c"]);
    }

    #[test]
    fn the_caret_stands_under_the_fault() {
        let text = "a: 1\n\tkéy: value\n";
        assert_eq!(
            shown(text, Span { line: 2, column: 7, width: 5 }),
            "n.yaml:2:7: error: bad\n  2 | \tkéy: value\n    | \t     ^^^^^ write it so"
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_fault() {
        let text = format!("{}X{}", "a".repeat(500), "b".repeat(500));
        let shown = shown(&text, Span { line: 1, column: 501, width: 1 });
        let lines: Vec<_> = shown.lines().collect();
        assert!(lines[1].len() < 200);
        assert_eq!(lines[1].find('X'), lines[2].find('^'));
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        let shown = shown("key: \u{1b}[31m\n", Span { line: 1, column: 6, width: 90 });
        assert!(!shown.contains('\u{1b}'));
        assert!(shown.contains("| key: \u{fffd}[31m\n"), "{shown}");
        assert!(shown.contains("      ^^^^^ write"), "{shown}");
    }
}
