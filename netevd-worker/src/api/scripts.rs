//! What is found in the script directories, as a document. Runs are for whoever knows of them.

use crate::dispatch::{Entry, Survey, Verdict};
use crate::document::{ScriptDocument, Scripts, UnknownDirectoryDocument};

impl From<Survey> for Scripts {
    fn from(found: Survey) -> Self {
        let scripts: Vec<ScriptDocument> = found.entries.into_iter().map(ScriptDocument::from).collect();
        let strays = found.strays.into_iter().map(|stray| UnknownDirectoryDocument {
            path: stray.path.display().to_string(),
            nearest: stray.nearest.map(str::to_owned),
        });
        let count = u64::try_from(scripts.len()).unwrap_or(u64::MAX);
        Self { scripts, count, strays: strays.collect() }
    }
}

impl From<Entry> for ScriptDocument {
    fn from(entry: Entry) -> Self {
        let (verdict, reason) = match entry.verdict {
            Verdict::Runs => ("runs", None),
            Verdict::Masked { by } => ("masked", Some(format!("by {}", by.display()))),
            Verdict::Skipped(reason) => ("skipped", Some(reason.to_string())),
            Verdict::Refused { component, found, cure } => {
                ("refused", Some(format!("{} {found}; to fix it: {cure}", component.display())))
            }
        };
        Self {
            path: entry.path.display().to_string(),
            event_type: entry.kind.name().to_owned(),
            verdict: verdict.to_owned(),
            reason,
            runs: 0,
            failures: 0,
            last_run: None,
        }
    }
}
