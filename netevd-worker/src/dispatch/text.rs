//! Text for the log and for command lines that an administrator may copy.

use std::fmt::Write as _;
use std::path::Path;

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

/// A path for the log.
pub(super) fn shown(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// A path as one word of a POSIX shell.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+@".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
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
    fn a_path_is_one_word() {
        assert_eq!(quoted(Path::new("/etc/netevd/routable.d/10-a")), "/etc/netevd/routable.d/10-a");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
