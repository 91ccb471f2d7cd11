//! What standard output can show.

use std::io::IsTerminal;

/// Width where there is no terminal and `COLUMNS` is not set.
const USUAL: u16 = 100;
/// A frame cannot be narrower.
const NARROWEST: u16 = 20;

/// How to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TerminalStyle {
    /// Colours.
    pub(crate) colours: bool,
    /// Columns of a table.
    pub(crate) width: u16,
    /// More than ASCII.
    pub(crate) utf8: bool,
}

impl TerminalStyle {
    /// Of this process's standard output. `COLUMNS` goes before the terminal's own width.
    pub(crate) fn of_output() -> Self {
        let named = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
        let measured = || terminal_size::terminal_size().map(|(width, _)| width.0);
        let width = named.filter(|width| *width > 0).or_else(measured).unwrap_or(USUAL);
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().filter_map(|name| std::env::var(name).ok());
        let locale = locale.into_iter().find(|value| !value.is_empty()).unwrap_or_default().to_lowercase();
        Self {
            colours: has_colours(),
            width: width.max(NARROWEST),
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
        }
    }
}

/// On a terminal and unless NO_COLOR is set (no-color.org).
pub(crate) fn has_colours() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && std::io::stdout().is_terminal()
}
