//! What a script prints: line by line into the log, capped, never a reason to wait.
//!
//! Target `script`, fields `link`, `event`, `event_id`, `script`; standard output at info, standard
//! error at warn. A line is at most [`LINE_MAX`] bytes, a run at most [`LINES_MAX`] lines; one
//! more line tells how many were dropped. Control characters are escaped, what is not UTF-8 shows
//! as U+FFFD.

use crate::model::{EventId, EventKind};
use crate::text::printable;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// Bytes of a line that are shown.
pub(super) const LINE_MAX: usize = 1_024;
/// Lines of a run that are shown.
pub(super) const LINES_MAX: usize = 200;
/// What is read at once after the exit: more than the pipes hold (pipe(7): at most 1 MiB each for
/// an unprivileged owner), so that only a child that goes on writing is cut off here.
const DRAIN_MAX: usize = 2 * 1024 * 1024;
/// How long a run that is over its lines is left unread between two reads, so that an endless
/// printer costs its own time and not the daemon's.
const BRAKE: Duration = Duration::from_millis(10);
const BUFFER: usize = 16 * 1024;

/// Whose output it is.
#[derive(Debug)]
pub(super) struct Labels {
    pub(super) link: String,
    pub(super) event: EventKind,
    pub(super) id: EventId,
    pub(super) script: String,
}

/// Both pipes of one run.
#[derive(Debug)]
pub(super) struct Output {
    out: Stream,
    err: Stream,
    log: Log,
    buffer: Box<[u8]>,
}

#[derive(Debug)]
struct Stream {
    pipe: Option<Receiver>,
    lines: Lines,
    is_error: bool,
}

#[derive(Debug)]
struct Log {
    labels: Rc<Labels>,
    left: usize,
    dropped: u64,
}

impl Output {
    /// Takes the reading ends of a script's pipes; must be called within the runtime.
    pub(super) fn new(out: Option<OwnedFd>, err: Option<OwnedFd>, labels: Rc<Labels>) -> io::Result<Self> {
        let (out, err) =
            (out.map(Receiver::from_owned_fd).transpose()?, err.map(Receiver::from_owned_fd).transpose()?);
        Ok(Self {
            out: Stream { pipe: out, lines: Lines::default(), is_error: false },
            err: Stream { pipe: err, lines: Lines::default(), is_error: true },
            log: Log { labels, left: LINES_MAX, dropped: 0 },
            buffer: vec![0; BUFFER].into_boxed_slice(),
        })
    }

    /// True while somebody may still write.
    pub(super) fn is_open(&self) -> bool {
        self.out.pipe.is_some() || self.err.pipe.is_some()
    }

    /// Reads until both pipes are closed. Cancel-safe: what was read is logged or kept.
    pub(super) async fn follow(&mut self) {
        while self.is_open() {
            let Self { out, err, log, buffer } = self;
            tokio::select! {
                () = out.readable(), if out.pipe.is_some() => { out.read(buffer, log); }
                () = err.readable(), if err.pipe.is_some() => { err.read(buffer, log); }
            }
            if self.log.left == 0 {
                tokio::time::sleep(BRAKE).await;
            }
        }
        self.log.log_dropped();
    }

    /// Reads what is there now, without waiting.
    pub(super) fn drain(&mut self) {
        let Self { out, err, log, buffer } = self;
        for stream in [out, err] {
            let mut read = 0;
            while read < DRAIN_MAX {
                match stream.read(buffer, log) {
                    0 => break,
                    n => read += n,
                }
            }
        }
        log.log_dropped();
    }
}

impl Stream {
    async fn readable(&self) {
        if let Some(pipe) = &self.pipe {
            // An error shows again in the read that follows.
            let _ = pipe.readable().await;
        }
    }

    /// Reads once; 0 when there is nothing now or no more.
    fn read(&mut self, buffer: &mut [u8], log: &mut Log) -> usize {
        let Some(pipe) = &self.pipe else { return 0 };
        let is_error = self.is_error;
        match pipe.try_read(buffer) {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => 0,
            Ok(0) | Err(_) => {
                self.pipe = None;
                self.lines.finish(|line| log.line(line, is_error));
                0
            }
            Ok(n) => {
                self.lines.feed(buffer.get(..n).unwrap_or_default(), |line| log.line(line, is_error));
                n
            }
        }
    }
}

impl Log {
    fn line(&mut self, line: &[u8], is_error: bool) {
        if self.left == 0 {
            self.dropped += 1;
            return;
        }
        self.left -= 1;
        self.write(&printable(&String::from_utf8_lossy(line)), is_error);
    }

    fn log_dropped(&mut self) {
        if self.dropped > 0 {
            self.write(&format!("... {} more lines dropped", self.dropped), true);
            self.dropped = 0;
        }
    }

    fn write(&self, text: &str, is_error: bool) {
        let Labels { link, event, id, script } = &*self.labels;
        if is_error {
            tracing::warn!(target: "script", link, %event, event_id = id.0, script, "{text}");
        } else {
            tracing::info!(target: "script", link, %event, event_id = id.0, script, "{text}");
        }
    }
}

/// Splits a stream into lines of at most [`LINE_MAX`] bytes; the rest of a longer one is left out.
#[derive(Debug, Default)]
struct Lines {
    partial: Vec<u8>,
    is_started: bool,
}

impl Lines {
    fn feed(&mut self, bytes: &[u8], mut line: impl FnMut(&[u8])) {
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            let (text, is_whole) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = LINE_MAX.saturating_sub(self.partial.len());
            self.partial.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
            self.is_started = true;
            if is_whole {
                self.finish(&mut line);
            }
        }
    }

    /// The end of a line, or of the stream with a line begun.
    fn finish(&mut self, mut line: impl FnMut(&[u8])) {
        if self.is_started {
            line(self.partial.strip_suffix(b"\r").unwrap_or(&self.partial));
        }
        self.partial.clear();
        self.is_started = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(pieces: &[&[u8]]) -> Vec<String> {
        let mut found = Vec::new();
        let mut lines = Lines::default();
        for piece in pieces {
            lines.feed(piece, |line| found.push(String::from_utf8_lossy(line).into_owned()));
        }
        lines.finish(|line| found.push(String::from_utf8_lossy(line).into_owned()));
        found
    }

    #[test]
    fn lines_are_put_together_and_cut() {
        assert_eq!(lines(&[b"a\nb", b"c\r\n\nd"]), ["a", "bc", "", "d"]);
        assert_eq!(lines(&[b""]), Vec::<String>::new());
        let long = vec![b'x'; 5_000];
        assert_eq!(lines(&[&long, &long, b"\nnext\n"]), ["x".repeat(1_024), "next".to_owned()]);
        assert_eq!(lines(&[b"\xff\n"]), ["\u{fffd}"]);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_stream_is_cut(text in "[a\n]{0,40}", cut in 0usize..40) {
            let cut = cut.min(text.len());
            let (a, b) = text.as_bytes().split_at(cut);
            prop_assert_eq!(lines(&[a, b]), lines(&[text.as_bytes()]));
            prop_assert_eq!(lines(&[a, b]), text.lines().map(str::to_owned).collect::<Vec<_>>());
        }
    }
}
