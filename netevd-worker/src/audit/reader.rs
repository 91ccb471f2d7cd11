//! A file of the log as root reads it, who did not write it: whatever is there ends, in bounded time and
//! memory.

use crate::checked;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Take};
use std::path::Path;

/// A file that is longer is not read. At 100 MB/s this one takes three minutes.
const FILE_MAX: u64 = 16 << 30;
/// A line that is longer is where reading ends: a hole in a file costs no disk and has no line break.
const LINE_MAX: usize = 1 << 20;

/// Lines of a file, up to the length that it had when it was opened.
#[derive(Debug)]
pub struct Reader {
    inner: BufReader<Take<File>>,
    /// Bytes since the last line break.
    line: usize,
}

impl Reader {
    /// Opens it, if it is a regular file of whom it may be.
    ///
    /// # Errors
    /// The kernel's, or for people what was found there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = checked::open(path)?;
        let length = file.metadata()?.len();
        if length > FILE_MAX {
            return Err(io::Error::other(format!(
                "it has {length} bytes, and no more than {FILE_MAX} are read: a log of one day is not that long"
            )));
        }
        Ok(Self { inner: BufReader::with_capacity(64 * 1024, file.take(length)), line: 0 })
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Reader {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.line > LINE_MAX {
            return Err(io::Error::other(format!(
                "a line has more than {LINE_MAX} bytes, which no record has; what follows is not read"
            )));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        let taken = self.inner.buffer().get(..count).unwrap_or_default();
        self.line = match taken.iter().rposition(|byte| *byte == b'\n') {
            Some(place) => taken.len() - place - 1,
            None => self.line + taken.len(),
        };
        self.inner.consume(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::verify;

    #[test]
    fn a_hole_and_an_endless_file_end_soon() {
        let path = std::env::temp_dir().join(format!("netevd-audit-hole-{}", std::process::id()));
        let file = File::create(&path).expect("writable");
        for (length, part) in [(FILE_MAX, "which no record has"), (FILE_MAX + 1, "are read")] {
            // A hole: it takes no space.
            file.set_len(length).expect("a file system with holes");
            let report = verify([("hole".to_owned(), Reader::open(&path))], &[]);
            assert_eq!(report.faults.len(), 1, "{report:?}");
            assert!(report.faults[0].text.contains(part), "{report:?}");
        }
        std::fs::remove_file(&path).expect("there");
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let path = std::env::temp_dir().join(format!("netevd-audit-lines-{}", std::process::id()));
        let text: String = (0..5_000).map(|n| format!("{}\n", "x".repeat(n % 700))).collect();
        std::fs::write(&path, &text).expect("writable");
        let lines: Vec<_> = Reader::open(&path).expect("a file").lines().map_while(Result::ok).collect();
        assert!(lines.iter().map(String::as_str).eq(text.lines()));
        std::fs::remove_file(&path).expect("there");
    }
}
