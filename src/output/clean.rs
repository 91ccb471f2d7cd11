//! Text from the network, made fit for a terminal: what could steer it is spelt out.

use std::fmt::Write;

/// Control characters, and those that turn the direction of writing, as `\u{...}`.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let steers = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || steers {
            // Writing to a string does not fail.
            let _ = write!(out, "{}", c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_is_spelt_out() {
        assert_eq!(clean("we+b ä 東京 → é"), "we+b ä 東京 → é");
        assert_eq!(clean("a\u{1b}[31m\n\u{202e}b\u{7f}"), "a\\u{1b}[31m\\u{a}\\u{202e}b\\u{7f}");
    }
}
