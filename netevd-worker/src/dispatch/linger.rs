//! Pipes that background children of finished scripts still hold: read on, for a bounded number.
//!
//! Closing them at once would kill such a child at its next line (SIGPIPE); not reading them would
//! block it when the pipe is full.

use super::output::Output;
use std::collections::VecDeque;
use tokio::task::{AbortHandle, JoinSet};

/// Pairs of pipes that are followed; beyond it the oldest pair is closed.
const LINGERING_MAX: usize = 32;

/// The readers.
#[derive(Debug, Default)]
pub(super) struct Lingering {
    readers: JoinSet<()>,
    oldest_first: VecDeque<AbortHandle>,
}

impl Lingering {
    /// Follows a run's output until its last writer closes it. Within a `LocalSet` only.
    pub(super) fn follow(&mut self, mut output: Output) {
        while self.readers.try_join_next().is_some() {}
        self.oldest_first.retain(|reader| !reader.is_finished());
        if self.oldest_first.len() >= LINGERING_MAX
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            oldest.abort();
        }
        let reader = self.readers.spawn_local(async move { output.follow().await });
        self.oldest_first.push_back(reader);
    }

    /// Closes all of them.
    pub(super) fn close(&mut self) {
        self.readers.abort_all();
        self.oldest_first.clear();
    }
}
