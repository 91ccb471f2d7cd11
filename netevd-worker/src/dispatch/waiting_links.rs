//! Links that wait because `scripts.max_parallel` processes run: when that is a problem, and its text.

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

/// A shorter wait is no problem: scripts take a moment.
const LONG: Duration = Duration::from_secs(1);
/// Between two log lines.
const PAUSE: Duration = Duration::from_secs(60);

/// How many links wait, and since when some link has.
#[derive(Debug, Default)]
pub(super) struct WaitingLinks {
    links: usize,
    since: Option<Instant>,
    logged: Option<Instant>,
}

impl WaitingLinks {
    /// These links wait for a place.
    pub(super) fn note(&mut self, links: usize, now: Instant) {
        self.links = links;
        self.since = if links == 0 { None } else { self.since.or(Some(now)) };
    }

    /// A place is free.
    pub(super) fn end(&mut self, limit: NonZeroUsize) {
        let now = Instant::now();
        let is_silent = self.logged.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
        let waited = self.waited(now);
        if is_silent && waited.is_some() {
            self.logged = Some(now);
            tracing::warn!(
                "{} links waited for one of the {limit} processes that scripts.max_parallel permits, for {:.1} s: \
                 raise it, or make scripts faster",
                self.links,
                waited.unwrap_or_default().as_secs_f32()
            );
        }
    }

    /// How long some link has waited, where that is long.
    fn waited(&self, now: Instant) -> Option<Duration> {
        let waited = now.saturating_duration_since(self.since?);
        (waited >= LONG).then_some(waited)
    }

    pub(super) fn problem(&self, limit: NonZeroUsize, now: Instant) -> Option<String> {
        let waited = self.waited(now)?.as_secs();
        Some(format!(
            "{} links wait for one of the {limit} processes that scripts.max_parallel permits, since {waited} s: \
             raise it, or make scripts faster",
            self.links
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_long_wait_is_a_problem_and_it_ends() {
        let (mut waiting_links, limit, start) = (WaitingLinks::default(), NonZeroUsize::MIN, Instant::now());
        waiting_links.note(3, start);
        assert_eq!(waiting_links.problem(limit, start), None);
        waiting_links.note(2, start + LONG / 2);
        let problem = waiting_links.problem(limit, start + 2 * LONG).expect("two seconds");
        assert!(
            problem.starts_with("2 links wait for one of the 1 processes") && problem.contains("since 2 s")
        );
        waiting_links.note(0, start + 2 * LONG);
        waiting_links.note(1, start + 3 * LONG);
        assert_eq!(waiting_links.problem(limit, start + 3 * LONG), None);
    }
}
