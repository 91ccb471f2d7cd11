//! Styles of single words, on a terminal and unless NO_COLOR is set (no-color.org).

use crate::output::{Style, clean, has_colours, styled};
use std::fmt::Display;

fn painted(style: Style, text: impl Display) -> String {
    let text = text.to_string();
    if has_colours() { styled(style, &text) } else { clean(&text) }
}

/// For headings.
pub(crate) fn bold(text: impl Display) -> String {
    painted(Style::Strong, text)
}

/// For what is as it should be.
pub(crate) fn green(text: impl Display) -> String {
    painted(Style::Good, text)
}

/// For what needs a fix.
pub(crate) fn red(text: impl Display) -> String {
    painted(Style::Bad, text)
}

/// For what is left aside on purpose.
pub(crate) fn dim(text: impl Display) -> String {
    painted(Style::Faint, text)
}
