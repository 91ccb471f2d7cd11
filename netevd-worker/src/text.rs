//! Text for people: what a terminal may be shown, and what a misspelt word was meant to be.

use std::fmt::Write as _;

/// `text` with control characters escaped, so that a script or a file name can neither forge a
/// log line nor steer a terminal. Tabs stay.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if (c.is_control() && c != '\t') || is_direction(c) {
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Characters that reorder what follows on a terminal (Unicode UAX #9).
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// `did you mean` for a misspelt word, or nothing when no candidate is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    // A third of the word may be wrong, but never the whole of a short one.
    let allowed = (word.chars().count() / 3).clamp(1, 4);
    let measured = candidates.into_iter().map(|c| (strsim::osa_distance(&word, &c.to_lowercase()), c));
    measured.filter(|(distance, _)| *distance <= allowed).min().map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_show() {
        assert_eq!(printable("a\x1b[31mb\r\n\tc é"), "a\\u{1b}[31mb\\r\\n\tc é");
        assert_eq!(printable("x\u{202e}y"), "x\\u{202e}y");
    }

    #[test]
    fn only_near_words_are_suggested() {
        assert_eq!(nearest("tabel_base", ["table_base", "gateways"]), Some("table_base"));
        assert_eq!(nearest("Fallback", ["fallback"]), Some("fallback"));
        assert_eq!(nearest("colour", ["table_base", "gateways"]), None);
        assert_eq!(nearest("x", ["to"]), None);
    }
}
