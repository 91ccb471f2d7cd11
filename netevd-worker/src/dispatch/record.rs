//! What the dispatcher tells about its work: one completion a run, counts, verdicts told once.

use super::output::Labels;
use super::text::shown;
use super::trust::Verdict;
use crate::model::Outcome;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Totals in the life of a dispatcher.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Scripts that ran to whatever end.
    pub runs: u64,
    /// Scripts that ended with a status other than 0, or by a signal.
    pub failures: u64,
    /// Scripts ended at `scripts.timeout`; not among the failures.
    pub timeouts: u64,
    /// Scripts that no process came to be for.
    pub not_started: u64,
    /// Events, and route changes, that another one's run stood for: the sum of `SKIPPED`.
    pub skipped: u64,
    /// Scripts passed over because their path is not trusted or not executable.
    pub refused_scripts: u64,
    /// Events that found their queue full.
    pub refused_events: u64,
    /// Events, and changes of routes, for which nothing ran by the word of a filter.
    pub ignored_events: u64,
    /// Values that failed validation and were left out.
    pub rejected_values: u64,
}

impl Counts {
    pub(super) fn note(&mut self, outcome: &Outcome) {
        self.runs += u64::from(!matches!(outcome, Outcome::NotStarted(_)));
        match outcome {
            Outcome::Exited(0) => {}
            Outcome::Exited(_) | Outcome::Signalled(_) => self.failures += 1,
            Outcome::TimedOut => self.timeouts += 1,
            Outcome::NotStarted(_) => self.not_started += 1,
        }
    }
}

/// One line a run: info for success, warn else.
pub(super) fn log(labels: &Labels, outcome: &Outcome, duration: Duration, limit: Duration) {
    let Labels { link, event, id, script } = labels;
    let ms = duration.as_millis();
    match outcome {
        Outcome::Exited(0) => {
            tracing::info!(link, %event, event_id = id.0, script, ms, "{outcome}");
        }
        Outcome::TimedOut => tracing::warn!(
            link, %event, event_id = id.0, script, ms,
            "ended after {} s with its whole process group; if it needs longer, raise scripts.timeout",
            limit.as_secs_f32()
        ),
        _ => tracing::warn!(link, %event, event_id = id.0, script, ms, "{outcome}"),
    }
}

/// Verdicts that were told already; a script that stays refused is one line, not one an event.
#[derive(Debug, Default)]
pub(super) struct Verdicts {
    reported: HashMap<PathBuf, Verdict>,
}

/// Paths remembered; beyond it all are forgotten and told once more.
const VERDICTS_MAX: usize = 1_024;

impl Verdicts {
    /// Takes note of a script's verdict, and logs it when it is a refusal that is new.
    pub(super) fn note(&mut self, path: &Path, verdict: &Verdict) {
        if !matches!(verdict, Verdict::Refused { .. }) {
            if self.reported.remove(path).is_some() {
                tracing::info!(script = shown(path), "no longer refused: {verdict}");
            }
            return;
        }
        if self.reported.get(path) == Some(verdict) {
            return;
        }
        tracing::warn!(script = shown(path), "{verdict}");
        if self.reported.len() >= VERDICTS_MAX {
            self.reported.clear();
        }
        self.reported.insert(path.to_owned(), verdict.clone());
    }
}
