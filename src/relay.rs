//! What children print, where that is a terminal: by pipes whose other ends are copied here, cleaned. A
//! child of another user never holds a descriptor of the terminal, which would be open for reading too and
//! stay so after the end of this process.
//!
//! Where standard output or standard error is a file, a pipe or the journal, children write to it themselves.

use crate::output::{clean, complain, put};
use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// A longer line is shown in parts.
const LINE_MAX: u64 = 16 * 1024;
/// How long the end of this process waits for what children have printed.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Held by every copier until it ends.
static COPIERS: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);

/// Gives a command pipes in place of terminals.
pub(crate) fn prepare(command: &mut Command) {
    if std::io::stdout().is_terminal() {
        command.stdout(Stdio::piped());
    }
    if std::io::stderr().is_terminal() {
        command.stderr(Stdio::piped());
    }
}

/// Copies what it prints from now on.
pub(crate) fn begin(child: &mut Child) {
    if let Some(out) = child.stdout.take() {
        copy(out, put);
    }
    if let Some(err) = child.stderr.take() {
        copy(err, complain);
    }
}

/// Waits for what has been printed, when children have ended; what they left running may run indefinitely.
pub(crate) fn finish() {
    let held = COPIERS.lock().ok().and_then(|mut copiers| copiers.take());
    let Some((ours, ended)) = held else { return };
    drop(ours);
    let until = Instant::now() + TIMEOUT;
    while ended.recv_timeout(until.saturating_duration_since(Instant::now()))
        != Err(RecvTimeoutError::Disconnected)
    {
        if Instant::now() >= until {
            return;
        }
    }
}

fn copy(from: impl Read + Send + 'static, show: impl Fn(String) -> std::io::Result<()> + Send + 'static) {
    let held = COPIERS.lock().ok().map(|mut copiers| copiers.get_or_insert_with(channel).0.clone());
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while matches!(from.by_ref().take(LINE_MAX).read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            // A terminal that has gone: it is read on, so that the child can go on.
            let _ = show(format!("{}\n", clean(text)));
            line.clear();
        }
        drop(held);
    });
}
