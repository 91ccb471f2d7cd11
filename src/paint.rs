//! Colours, on a terminal and unless NO_COLOR is set (no-color.org).

use crate::output::has_colours;
use std::fmt::Display;

fn painted(code: &str, text: impl Display) -> String {
    if has_colours() { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
}

/// For headings.
pub(crate) fn bold(text: impl Display) -> String {
    painted("1", text)
}

/// For what is as it should be.
pub(crate) fn green(text: impl Display) -> String {
    painted("32", text)
}

/// For what somebody must mend.
pub(crate) fn red(text: impl Display) -> String {
    painted("31", text)
}

/// For what is left aside on purpose.
pub(crate) fn dim(text: impl Display) -> String {
    painted("2", text)
}
