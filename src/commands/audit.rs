//! `netevd audit verify`: whether the audit log is whole. It asks no daemon and changes nothing.

use crate::cli::VerifyOptions;
use crate::{Failure, load, output, views};
use netevd_worker::audit::{Reader, files_of, verify};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What is shown.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Verification {
    /// `whole` or `broken`.
    pub result: String,
    /// The files, in the order in which they were read.
    pub files: Vec<String>,
    /// Records in them.
    pub records: u64,
    /// The number of the first one.
    pub first: Option<u64>,
    /// The last one: its number, and its line's hash.
    pub head: Option<HeadDocument>,
    /// What is wrong.
    pub faults: Vec<Location>,
    /// Faults beyond these.
    pub more_faults: u64,
    /// What is as it may be, and worth knowing.
    pub remarks: Vec<Location>,
}

/// The end of the chain.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HeadDocument {
    /// Its number.
    pub id: u64,
    /// SHA-256 of its line, in hex.
    pub hash: String,
}

/// One place.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Location {
    /// The file.
    pub file: String,
    /// From 1; null for the file as a whole.
    pub line: Option<u64>,
    /// The record's number, where it can be read.
    pub id: Option<u64>,
    /// For people.
    pub text: String,
}

/// Reads, and says what is wrong and where.
pub(crate) fn run(options: &VerifyOptions) -> Result<(), Failure> {
    let files = files(options)?;
    let opened = files.iter().map(|file| (file.display().to_string(), Reader::open(file)));
    let report = verify(opened, &options.head);
    let places = |findings: Vec<netevd_worker::audit::Finding>| {
        findings
            .into_iter()
            .map(|found| Location {
                file: found.file,
                line: Some(found.line).filter(|line| *line > 0),
                id: found.id,
                text: found.text,
            })
            .collect()
    };
    let is_whole = report.faults.is_empty();
    let shown = Verification {
        result: if is_whole { "whole" } else { "broken" }.to_owned(),
        files: files.iter().map(|file| file.display().to_string()).collect(),
        records: report.records,
        first: report.first,
        head: report.head.map(|head| HeadDocument { id: head.id, hash: head.hash() }),
        faults: places(report.faults),
        more_faults: report.more_faults,
        remarks: places(report.remarks),
    };
    output::show_own(&shown, options.format.format.unwrap_or_default(), views::audit::view)?;
    if is_whole { Ok(()) } else { Err(Failure::Shown) }
}

fn files(options: &VerifyOptions) -> Result<Vec<PathBuf>, Failure> {
    if !options.files.is_empty() {
        return Ok(options.files.clone());
    }
    let path = load(options.config.file.as_deref())?.config.audit.path;
    files_of(&path).map_err(|error| Failure::line(format!("{}: {error}", path.display())))
}
