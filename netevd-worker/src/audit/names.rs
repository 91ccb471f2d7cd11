//! The names of rotated files: `audit.log.2026-03-01`, the day (UTC) of the last record in it.

use crate::timestamp::rfc3339;
use std::ffi::OsString;
use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// Days since 1970, in UTC.
pub fn days_of(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / DAY
}

/// The moment at which a day ends.
pub(super) fn end_of(day: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs((day + 1) * DAY)
}

/// `2026-03-01`
pub(super) fn date(day: u64) -> String {
    let mut text = rfc3339(UNIX_EPOCH + Duration::from_secs(day * DAY));
    text.truncate("2026-03-01".len());
    text
}

/// The day of a date in that form and no other.
fn day_of(text: &str) -> Option<u64> {
    let mut parts = text.split('-');
    let mut number = |digits: usize| {
        let part =
            parts.next().filter(|part| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit()))?;
        part.parse::<u64>().ok()
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    // As in `timestamp`, the other way round: years are counted from March, an era is 400 years.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let (era, year_of_era) = (year / 400, year % 400);
    let day_of_year = (153 * month + 2) / 5 + day.checked_sub(1)?;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    let days = (era * 146_097 + day_of_era).checked_sub(719_468)?;
    // What is no day of the calendar does not come back as it was.
    (date(days) == text).then_some(days)
}

/// The day of a record's timestamp.
pub(super) fn day_of_timestamp(text: &str) -> Option<u64> {
    text.split_once('T').and_then(|(date, _)| day_of(date))
}

/// Where the file of a day goes.
pub(super) fn rotated(path: &Path, day: u64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(date(day));
    PathBuf::from(name)
}

/// The rotated files of a log with their days, the oldest first.
///
/// # Errors
/// When the directory cannot be read.
pub(super) fn rotated_files(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    rotated_of(path, |entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
}

fn rotated_of(path: &Path, is_one: impl Fn(&DirEntry) -> bool) -> io::Result<Vec<(u64, PathBuf)>> {
    let (Some(directory), Some(own)) = (path.parent(), path.file_name()) else { return Ok(Vec::new()) };
    let own: OsString = own.to_owned();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let (Some(name), Some(own)) = (name.to_str(), own.to_str()) else { continue };
        let suffix = name.strip_prefix(own).and_then(|rest| rest.strip_prefix('.'));
        if let Some(day) = suffix.and_then(day_of)
            && is_one(&entry)
        {
            found.push((day, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// The files of a log in the order of their records: the rotated ones, then the one that is written to.
/// Whatever has such a name is one: who reads finds what is no file, and nothing is left out unseen.
///
/// # Errors
/// When its directory cannot be read.
pub fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = rotated_of(path, |_| true)?.into_iter().map(|(_, file)| file).collect();
    if path.symlink_metadata().is_ok() || files.is_empty() {
        files.push(path.to_owned());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_dates_are_days() {
        for day in (0..60_000).step_by(17).chain([11_016, 20_512, 20_513]) {
            assert_eq!(day_of(&date(day)), Some(day), "{}", date(day));
        }
        for text in
            ["", "2026-02-29", "2026-13-01", "2026-3-01", "2026-03-01.gz", "0000-01-01", "+026-03-01", "1"]
        {
            assert_eq!(day_of(text), None, "{text}");
        }
    }
}
