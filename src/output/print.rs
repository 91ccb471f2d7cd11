//! The one place that writes to standard output and standard error. Whatever comes here is taken for
//! text from elsewhere: what could steer a terminal is spelt out, and only the styles of this program
//! become sequences of the terminal. tests/doc_sync/io_boundary.rs sees that nobody else writes.

use super::clean::{clean, escape, write_escaped};
use super::terminal_style::has_colours;
use std::fmt::Display;
use std::io::{self, Write};

/// How a text is meant. The values are its marks within a text: noncharacters, which Unicode leaves to
/// the inside of a program, and which are spelt out wherever a text from elsewhere has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// For headings.
    Strong,
    /// For what is as it should be.
    Good,
    /// For what needs a fix.
    Bad,
    /// For what is beside the point.
    Faint,
}

const MARKS: [(char, &str); 5] = [
    ('\u{fdd0}', "\u{1b}[1m"),
    ('\u{fdd1}', "\u{1b}[32m"),
    ('\u{fdd2}', "\u{1b}[31m"),
    ('\u{fdd3}', "\u{1b}[2m"),
    (END, "\u{1b}[0m"),
];
const END: char = '\u{fdd4}';

/// One line in a style, spelt out.
pub(crate) fn styled(style: Style, text: &str) -> String {
    let mark = match style {
        Style::Strong => '\u{fdd0}',
        Style::Good => '\u{fdd1}',
        Style::Bad => '\u{fdd2}',
        Style::Faint => '\u{fdd3}',
    };
    format!("{mark}{}{END}", clean(text))
}

/// Lines for people on standard output.
pub(crate) fn put(text: impl Display) -> io::Result<()> {
    io::stdout().write_all(fit(&text.to_string(), has_colours()).as_bytes())
}

/// A document of JSON or YAML on standard output.
pub(crate) fn put_document(text: &str) -> io::Result<()> {
    io::stdout().write_all(fit_document(text).as_bytes())
}

/// Lines for people on standard error.
pub(crate) fn complain(text: impl Display) -> io::Result<()> {
    io::stderr().write_all(fit(&text.to_string(), false).as_bytes())
}

/// Line breaks and tabs stay; styles become sequences where there are colours.
pub(crate) fn fit(text: &str, colours: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match MARKS.iter().find(|(mark, _)| *mark == c) {
            Some((_, sequence)) if colours => out.push_str(sequence),
            _ if c == '\n' || c == '\t' => out.push(c),
            _ => write_escaped(c, &mut out),
        }
    }
    out
}

/// Only strings have characters beyond ASCII, so that all of them can be escaped as in a string.
pub(super) fn fit_document(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c == '\n' { out.push(c) } else { escape(c, &mut out) }
    }
    out
}
