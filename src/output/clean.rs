//! Text from elsewhere, made fit for a terminal: what could steer it is spelt out.

use std::fmt::Write;

/// Control characters (C0, DEL and C1), and what turns the direction of writing, is not seen, or is
/// kept for the inside of programs (Unicode: bidirectional controls, invisible operators, tags,
/// interlinear annotation, noncharacters).
pub(crate) fn controls_terminal(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{fdd0}'..='\u{fdef}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// One line: all that steers as `\u{...}`, line breaks too.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        write_escaped(c, &mut out);
    }
    out
}

/// One character, spelt out if it steers.
pub(super) fn write_escaped(c: char, out: &mut String) {
    if controls_terminal(c) {
        // Writing to a string does not fail.
        let _ = write!(out, "{}", c.escape_unicode());
    } else {
        out.push(c);
    }
}

/// The same within a string of JSON or YAML, as both read it: `\uXXXX`, two of them beyond 16 bits.
pub(super) fn escape(c: char, out: &mut String) {
    if controls_terminal(c) {
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(out, "\\u{unit:04x}");
        }
    } else {
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_steers_is_spelt_out() {
        assert_eq!(clean("we+b ä 東京 → é"), "we+b ä 東京 → é");
        assert_eq!(clean("a\u{1b}[31m\n\u{202e}b\u{7f}"), "a\\u{1b}[31m\\u{a}\\u{202e}b\\u{7f}");
        assert_eq!(clean("\u{9b}2J\u{61c}\u{fdd0}"), "\\u{9b}2J\\u{61c}\\u{fdd0}");
    }

    #[test]
    fn a_string_of_json_stays_one() {
        let mut out = String::new();
        "\u{9b}a\u{202e}\u{e0041}".chars().for_each(|c| escape(c, &mut out));
        assert_eq!(out, "\\u009ba\\u202e\\udb40\\udc41");
    }
}
