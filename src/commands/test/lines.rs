//! What a script prints, as whole lines, each cleaned before it is shown.

use crate::output::{clean, complain, put};

/// A line that is longer is shown in parts.
const MAX: usize = 16 * 1024;

/// Both streams, up to their last line breaks.
#[derive(Debug, Default)]
pub(super) struct Lines {
    buffered: [Vec<u8>; 2],
}

impl Lines {
    /// The next piece of a stream.
    pub(super) fn take(&mut self, is_error: bool, piece: &[u8]) {
        let [out, err] = &mut self.buffered;
        let buffered = if is_error { err } else { out };
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            buffered.extend_from_slice(part);
            if part.ends_with(b"\n") || buffered.len() > MAX {
                show(is_error, &std::mem::take(buffered));
            }
        }
    }

    /// What has no line break behind it.
    pub(super) fn finish(self) {
        for (buffered, is_error) in self.buffered.iter().zip([false, true]) {
            if !buffered.is_empty() {
                show(is_error, buffered);
            }
        }
    }
}

/// Where it was meant to go. Who closed that stream does not want to know, and the script runs on.
fn show(is_error: bool, line: &[u8]) {
    let line = fit(line);
    let _ = if is_error { complain(line) } else { put(line) };
}

/// Tabs stay, and so does the one line break.
fn fit(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    let parts: Vec<String> = text.split('\t').map(clean).collect();
    format!("{}\n", parts.join("\t"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cleaned_and_keeps_its_tabs() {
        assert_eq!(fit(b"a\tb\r\n"), "a\tb\n");
        assert_eq!(
            fit("\u{1b}]0;x\u{7}\u{9b}2J\u{202e}\u{fdd0}".as_bytes()),
            "\\u{1b}]0;x\\u{7}\\u{9b}2J\\u{202e}\\u{fdd0}\n"
        );
        assert_eq!(fit(b"\x9b2J"), "\u{fffd}2J\n", "a C1 character without UTF-8 is none");
    }

    #[test]
    fn a_stream_without_line_breaks_is_held_no_longer_than_that() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.take(true, b"0123456789abcdef0123456789abcdef");
            assert!(lines.buffered[1].len() <= MAX + 32);
        }
    }
}
