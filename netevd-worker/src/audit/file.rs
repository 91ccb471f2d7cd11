//! The file: opened, appended to, rotated, and what is found in it after a crash. Owned by the writer's
//! thread; every call may wait for the disk.

use super::entry::Entry;
use super::names::{date, day_of_timestamp, days_of, end_of, rotated, rotated_files};
use super::record::{Head, line};
use super::verify::{Report, TORN, verify};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, RenameFlags, renameat2};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, Write as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What stays readable for root and the log's group alone.
const MODE: u32 = 0o640;

/// One log: the file that is written to, and the chain that goes on in it.
pub(super) struct Log {
    path: PathBuf,
    open: Option<Open>,
    head: Head,
    /// The day of the last record.
    day: u64,
}

struct Open {
    file: File,
    /// Bytes up to the end of the last whole line.
    length: u64,
}

impl Log {
    /// Nothing is opened yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, open: None, head: Head::default(), day: 0 }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn head(&self) -> Head {
        self.head
    }

    pub(super) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// When the file of today is to be put aside.
    pub(super) fn rotates_at(&self) -> SystemTime {
        end_of(self.day)
    }

    /// Opens the file, or makes it, and finds the end of the chain. Returns what has to be written
    /// down about that.
    ///
    /// # Errors
    /// For people: what was found, and what to do.
    pub(super) fn open(&mut self, now: SystemTime) -> Result<Vec<Entry>, String> {
        let shown = self.path.display().to_string();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(MODE)
            // A pipe would keep the thread forever.
            .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
            .open(&self.path)
            .map_err(|error| unopened(&self.path, &error))?;
        let with_path = |error: io::Error| format!("{shown}: {error}");
        if !file.metadata().map_err(with_path)?.is_file() {
            return Err(format!("{shown} is no regular file; set audit.path to another one"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(format!(
                    "{shown} is being written by another process; give each daemon an audit.path of its own"
                ));
            }
            Err(TryLockError::Error(error)) => return Err(with_path(error)),
        }
        let mut notes = Vec::new();
        let found = read(&shown, &file);
        let length = file.metadata().map_err(with_path)?.len();
        if length == 0 {
            self.day = days_of(now);
            notes.extend(self.continue_elsewhere(now));
        } else {
            notes.extend(self.take_up(&found, &mut file, now).map_err(with_path)?);
        }
        let length = file.metadata().map_err(with_path)?.len();
        self.open = Some(Open { file, length });
        Ok(notes)
    }

    /// An empty file: the chain goes on from memory, or from the newest file that was put aside.
    fn continue_elsewhere(&mut self, now: SystemTime) -> Option<Entry> {
        let mut entry = Entry::own("audit-file", &self.path, now);
        if self.head.id == 0 {
            let files = rotated_files(&self.path).unwrap_or_default();
            let (_, newest) = files.last()?;
            let file = File::open(newest).ok()?;
            let found = read(&newest.display().to_string(), &file);
            self.head = end_of_chain(&found);
            entry = entry.with("after_file", newest.to_string_lossy());
        }
        Some(entry.with("after", self.head.id))
    }

    /// A file with records: the chain goes on behind its last line, whatever that is.
    fn take_up(&mut self, found: &Report, file: &mut File, now: SystemTime) -> io::Result<Option<Entry>> {
        let own = self.head;
        let last_day = found.last_timestamp.as_deref().and_then(day_of_timestamp);
        self.day = last_day.unwrap_or_else(|| days_of(now));
        self.head = end_of_chain(found);
        self.head.id = self.head.id.max(own.id);
        let last = found.last_line.map(|(line, _)| line);
        if let Some(fault) = found.faults.iter().find(|fault| !found.torn || Some(fault.line) != last) {
            tracing::error!(
                "audit: {} does not verify: line {}: {}; netevd audit verify tells more",
                self.path.display(),
                fault.line,
                fault.text
            );
        }
        if found.torn {
            if !found.ended {
                file.write_all(b"\n")?;
            }
            tracing::warn!("audit: the last line of {} was cut off; a record says so", self.path.display());
            return Ok(Some(Entry::own(TORN, &self.path, now).with("after", found.head.map(|head| head.id))));
        }
        // Somebody put another file there.
        let replaced = own.id != 0 && own != self.head;
        Ok(replaced.then(|| {
            Entry::own("audit-file", &self.path, now).with("after", own.id).with("after_hash", own.hash())
        }))
    }

    /// Appends one record.
    ///
    /// # Errors
    /// For people. Nothing of it is in the file then, or the file is opened again before the next.
    pub(super) fn append(&mut self, entry: Entry, now: SystemTime) -> Result<(), String> {
        let Some(open) = &mut self.open else { return Err("it is not open".to_owned()) };
        let (mut text, head) = line(entry, self.head);
        text.push(b'\n');
        if let Err(error) = open.file.write_all(&text) {
            // What a full disk took of the line goes again, else the next one would be torn.
            if open.file.set_len(open.length).is_err() {
                self.open = None;
            }
            return Err(unwritten(&self.path, &error));
        }
        open.length += u64::try_from(text.len()).unwrap_or(0);
        self.head = head;
        self.day = self.day.max(days_of(now));
        Ok(())
    }

    /// Whether the file is still what `path` leads to, and as long as it was left. If another one is
    /// there now, ours is closed. A file that was shortened in place is told.
    pub(super) fn check(&mut self, now: SystemTime) -> Option<Entry> {
        let open = self.open.as_mut()?;
        let (Ok(ours), there) = (open.file.metadata(), std::fs::symlink_metadata(&self.path)) else {
            self.open = None;
            return None;
        };
        if !there.is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino())) {
            self.open = None;
            return None;
        }
        let was = std::mem::replace(&mut open.length, ours.len());
        (ours.len() < was).then(|| {
            Entry::own("audit-truncated", &self.path, now).with("bytes_before", was).with("bytes", ours.len())
        })
    }

    /// Puts the file aside if its last record is of an earlier day. `true`: a new one is to be opened.
    ///
    /// # Errors
    /// For people; the file goes on being written to, and is put aside a day later.
    pub(super) fn rotate(&mut self, now: SystemTime) -> Result<bool, String> {
        let today = days_of(now);
        if self.day >= today {
            return Ok(false);
        }
        let Some(open) = &self.open else { return Ok(false) };
        if open.length == 0 {
            self.day = today;
            return Ok(false);
        }
        let to = rotated(&self.path, self.day);
        let _ = open.file.sync_data();
        let moved = renameat2(AT_FDCWD, &self.path, AT_FDCWD, &to, RenameFlags::RENAME_NOREPLACE);
        if let Err(error) = moved {
            let day = std::mem::replace(&mut self.day, today);
            return Err(format!(
                "{} of {} cannot become {}: {error}; nothing is overwritten, its records go on in the same file",
                self.path.display(),
                date(day),
                to.display()
            ));
        }
        tracing::info!("audit: {} is now {}; head {}", self.path.display(), to.display(), self.head);
        self.open = None;
        Ok(true)
    }

    /// Removes the files of days that are longer ago than `retention` days; returns what to say.
    pub(super) fn retain(&self, retention: u32, now: SystemTime) -> Vec<Entry> {
        let oldest = days_of(now).saturating_sub(retention.into());
        let files = rotated_files(&self.path).unwrap_or_default();
        files
            .into_iter()
            .filter(|(day, _)| *day < oldest)
            .filter_map(|(_, file)| match std::fs::remove_file(&file) {
                Ok(()) => Some(Entry::own("audit-retention", &file, now).with("retention_days", retention)),
                Err(error) => {
                    tracing::warn!(
                        "audit: {} cannot be removed after {retention} days: {error}",
                        file.display()
                    );
                    None
                }
            })
            .collect()
    }

    /// To the disk, at the end.
    pub(super) fn sync(&self) {
        if let Some(open) = &self.open {
            let _ = open.file.sync_data();
        }
    }
}

/// What the next record stands behind. A last line that is no record has taken a number.
fn end_of_chain(found: &Report) -> Head {
    let id = found.head.map_or(0, |head| head.id);
    let is_record = found.head.map(|head| head.hash) == found.last_line.map(|(_, hash)| hash);
    Head { id: id + u64::from(!is_record), hash: found.last_line.map(|(_, hash)| hash).unwrap_or_default() }
}

/// Everything in a file, from its beginning.
fn read(name: &str, file: &File) -> Report {
    // Reads leave the place alone, and appending needs none.
    let reader = BufReader::with_capacity(64 * 1024, At { file, place: 0 });
    verify([(name.to_owned(), Ok(reader))], &[])
}

struct At<'a> {
    file: &'a File,
    place: u64,
}

impl io::Read for At<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.place)?;
        self.place += u64::try_from(count).unwrap_or(0);
        Ok(count)
    }
}

fn unopened(path: &Path, error: &io::Error) -> String {
    let shown = path.display();
    let help = match error.kind() {
        io::ErrorKind::NotFound => {
            let directory = path.parent().unwrap_or(path).display();
            format!(
                "; make its directory, writable by the worker's user: install -d -o netevd -g netevd -m 0750 {directory}"
            )
        }
        io::ErrorKind::PermissionDenied => "; it has to be writable by the worker's user".to_owned(),
        _ if error.raw_os_error() == Some(Errno::ELOOP as i32) => {
            "; it is a symbolic link, which is not followed".to_owned()
        }
        _ => String::new(),
    };
    format!("{shown} cannot be opened: {error}{help}")
}

fn unwritten(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be written: {error}", path.display())
}
