//! Whether a chain of records is whole. Reads line by line, holds one line, decides from the bytes
//! alone.

use super::entry::Kind;
use super::record::{Hash, Head, Record};
use std::io::{self, BufRead};
use std::mem;

/// Longer than any record; of a longer line only the hash counts.
const LINE_MAX: usize = 64 * 1024;
/// Findings that are kept; further ones are counted.
const FINDINGS_MAX: usize = 100;
/// The record that says of the line before that a crash has cut it off.
pub(super) const TORN: &str = "audit-torn";

/// Something to say about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file, as it was named.
    pub file: String,
    /// From 1; 0 for the file as a whole.
    pub line: u64,
    /// The record's number, where it can be read.
    pub id: Option<u64>,
    /// What is wrong, or worth knowing.
    pub text: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Records in all files.
    pub records: u64,
    /// The number of the first record.
    pub first: Option<u64>,
    /// The last record.
    pub head: Option<Head>,
    /// What is wrong; at most 100.
    pub faults: Vec<Finding>,
    /// Faults beyond these.
    pub more_faults: u64,
    /// What is as it may be and worth knowing: where the files begin, lines that a crash cut off.
    pub remarks: Vec<Finding>,
    /// The timestamp of the last record.
    pub(super) last_timestamp: Option<String>,
    /// The last line, whatever it is: its number in its file, and its hash.
    pub(super) last_line: Option<(u64, Hash)>,
    /// The last line is not a record, or has no end.
    pub(super) torn: bool,
    /// The last line has an end.
    pub(super) ended: bool,
}

/// Checks the files of one chain, in order. Each of `heads` is the hash of a line that has to be there.
pub fn verify<R: BufRead>(
    files: impl IntoIterator<Item = (String, io::Result<R>)>,
    heads: &[String],
) -> Report {
    let mut check =
        Check { wanted: heads.iter().map(|head| (head.clone(), false)).collect(), ..Check::default() };
    for (name, reader) in files {
        check.file = name;
        check.line = 0;
        let read = reader.and_then(|mut reader| check.read(&mut reader));
        if let Err(error) = read {
            check.line = 0;
            check.fault(None, format!("cannot be read: {error}"));
        }
    }
    check.finish()
}

#[derive(Default)]
struct Check {
    file: String,
    line: u64,
    report: Report,
    /// The hash of the line before.
    before: Option<Hash>,
    last_id: u64,
    /// A line that is no record; the next one may explain it.
    unexplained: Option<Finding>,
    wanted: Vec<(String, bool)>,
}

impl Check {
    fn read(&mut self, reader: &mut impl BufRead) -> io::Result<()> {
        let mut text = Vec::new();
        loop {
            let mut hash = <sha2::Sha256 as sha2::Digest>::new();
            let mut length = 0_u64;
            let mut ended = false;
            text.clear();
            while !ended {
                let chunk = reader.fill_buf()?;
                if chunk.is_empty() {
                    break;
                }
                let end = chunk.iter().position(|byte| *byte == b'\n');
                let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
                sha2::Digest::update(&mut hash, part);
                length += u64::try_from(part.len()).unwrap_or(u64::MAX);
                if text.len() <= LINE_MAX {
                    text.extend_from_slice(part);
                }
                let taken = part.len() + usize::from(end.is_some());
                ended = end.is_some();
                reader.consume(taken);
            }
            if !ended && length == 0 {
                return Ok(());
            }
            self.line += 1;
            let hash = Hash(sha2::Digest::finalize(hash).into());
            self.check(&text, hash, ended);
            if !ended {
                return Ok(());
            }
        }
    }

    fn check(&mut self, text: &[u8], hash: Hash, ended: bool) {
        for (wanted, found) in &mut self.wanted {
            *found |= wanted.eq_ignore_ascii_case(&hash.to_string());
        }
        let parsed = if text.len() > LINE_MAX {
            Err("it is longer than any record".to_owned())
        } else {
            serde_json::from_slice::<Record>(text).map_err(|error| error.to_string())
        };
        let before = self.before.replace(hash);
        self.report.last_line = Some((self.line, hash));
        self.report.ended = ended;
        self.report.torn = parsed.is_err() || !ended;
        let record = match parsed {
            Ok(record) => record,
            Err(error) => {
                self.explain(None);
                self.unexplained = Some(self.finding(None, format!("no record: {error}")));
                return;
            }
        };
        let id = Some(record.id);
        let is_note = record.event_type == Kind::ConfigChange && record.action == TORN;
        self.explain(is_note.then_some(&record));
        match before {
            Some(before) if record.previous != before.to_string() => self.fault(
                id,
                format!(
                    "it was written behind a line with the hash {}, but the line before has {before}: something \
                     between them was changed, removed or put in",
                    record.previous
                ),
            ),
            Some(_) if record.id <= self.last_id => {
                self.fault(id, format!("its number does not follow {}", self.last_id));
            }
            Some(_) => {}
            None if record.id == 1 && record.previous == Hash::default().to_string() => {}
            None => {
                let text = format!("begins with record {}; what came before is not here", record.id);
                let finding = self.finding(id, text);
                self.report.remarks.push(finding);
            }
        }
        if !ended {
            self.fault(id, "the line has no end: it is being written, or was cut off".to_owned());
        }
        self.last_id = record.id;
        self.report.first.get_or_insert(record.id);
        self.report.records += 1;
        self.report.head = Some(Head { id: record.id, hash });
        self.report.last_timestamp = Some(record.timestamp);
    }

    /// A line that was no record: told by the one behind it, or a fault.
    fn explain(&mut self, note: Option<&Record>) {
        let Some(mut finding) = self.unexplained.take() else { return };
        match note {
            Some(note) if self.report.remarks.len() < FINDINGS_MAX => {
                finding.text = format!("cut off by a crash, as record {} says", note.id);
                self.report.remarks.push(finding);
            }
            Some(_) => {}
            None => self.keep(finding),
        }
    }

    fn finish(mut self) -> Report {
        self.explain(None);
        self.line = 0;
        for (head, found) in mem::take(&mut self.wanted) {
            if !found {
                self.file = "--head".to_owned();
                self.fault(
                    None,
                    format!(
                        "no line has the hash {head}: the record of that moment was removed or rewritten"
                    ),
                );
            }
        }
        self.report
    }

    fn finding(&self, id: Option<u64>, text: String) -> Finding {
        Finding { file: self.file.clone(), line: self.line, id, text }
    }

    fn fault(&mut self, id: Option<u64>, text: String) {
        let finding = self.finding(id, text);
        self.keep(finding);
    }

    fn keep(&mut self, finding: Finding) {
        if self.report.faults.len() < FINDINGS_MAX {
            self.report.faults.push(finding);
        } else {
            self.report.more_faults += 1;
        }
    }
}
