//! What is known of each script's runs, bounded.

use super::record::script_run;
use crate::document::ScriptRun;
use crate::model::{Completion, Outcome};
use crate::request::ScriptRuns;
use crate::timestamp::rfc3339;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Scripts that are remembered; of others beyond that nothing is known.
pub(super) const SCRIPTS: usize = 1_024;

/// All of them, by path.
#[derive(Debug, Default)]
pub(super) struct Scripts {
    known: BTreeMap<PathBuf, Known>,
}

#[derive(Debug)]
struct Known {
    runs: u64,
    failures: u64,
    last: ScriptRun,
}

impl Scripts {
    pub(super) fn started(&mut self, script: &Path, at: SystemTime) {
        let last = ScriptRun {
            script: script.display().to_string(),
            result: "running".to_owned(),
            exit_code: None,
            signal: None,
            started_at: rfc3339(at),
            duration_seconds: None,
            error: None,
        };
        if let Some(known) = self.known.get_mut(script) {
            known.last = last;
        } else if self.known.len() < SCRIPTS {
            self.known.insert(script.to_owned(), Known { runs: 0, failures: 0, last });
        }
    }

    pub(super) fn ended(&mut self, completion: &Completion) {
        let Some(known) = self.known.get_mut(&completion.script) else { return };
        known.runs += u64::from(!matches!(completion.outcome, Outcome::NotStarted(_)));
        known.failures += u64::from(completion.outcome != Outcome::Exited(0));
        known.last =
            script_run(&completion.script, completion.started, &completion.outcome, completion.duration);
    }

    pub(super) fn all(&self) -> Vec<ScriptRuns> {
        let of = |(path, known): (&PathBuf, &Known)| ScriptRuns {
            path: path.clone(),
            runs: known.runs,
            failures: known.failures,
            last: known.last.clone(),
        };
        self.known.iter().map(of).collect()
    }
}
