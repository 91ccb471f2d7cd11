//! The kernel's eyes on the directories of lease files: inotify(7), on directories only, for
//! dhclient writes its file in place and other programs put a new one there.
//!
//! A directory that is not there is waited for at its nearest ancestor that is. What happens to a
//! watched directory itself makes these eyes useless, which they say; then new ones are opened.

use super::lease_location::{LeaseLocation, is_absent};
use inotify::{EventMask, Inotify, WatchDescriptor, WatchMask};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Room for some 50 events at a read; the kernel keeps the rest.
const BUFFER: usize = 4096;
/// Changed paths that are told apart; with more, everything is looked at.
const MAX_CHANGED: usize = 256;

/// What has been seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// These files were written, made, taken away, or given other permissions.
    Files(BTreeSet<PathBuf>),
    /// Anything may have happened, also to the directories: open new eyes, and read everything.
    Anything,
}

impl Seen {
    /// Both.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Files(mut files), Self::Files(more)) => {
                files.extend(more);
                if files.len() > MAX_CHANGED { Self::Anything } else { Self::Files(files) }
            }
            _ => Self::Anything,
        }
    }
}

/// Open eyes.
pub(super) struct LeaseWatch {
    inotify: Inotify,
    /// The same open file, for readiness.
    ready: AsyncFd<OwnedFd>,
    watched: HashMap<WatchDescriptor, Watched>,
    buffer: Vec<u8>,
}

/// Why a directory is watched; both may be true of one.
#[derive(Default)]
struct Watched {
    /// For lease files in it. Several paths may lead to one directory.
    for_files: BTreeSet<PathBuf>,
    /// For these paths to begin to exist.
    for_names: BTreeSet<PathBuf>,
}

impl LeaseWatch {
    /// Watches all places. A directory that cannot be watched is told as a text for people, and
    /// does not hinder the others.
    pub(super) fn open(places: &[LeaseLocation]) -> io::Result<(Self, Vec<String>)> {
        let inotify = Inotify::init()?;
        let ready = crate::sys::watch_readable(inotify.as_fd().try_clone_to_owned()?)?;
        let mut lease_watch = Self { inotify, ready, watched: HashMap::new(), buffer: vec![0; BUFFER] };
        let directories: BTreeSet<&Path> = places.iter().map(|place| &*place.directory).collect();
        let mut faults = Vec::new();
        for directory in directories {
            // One that is moved takes its files along unseen. Those that may not be listed cannot be
            // watched, and are not moved by anybody but root.
            for ancestor in directory.ancestors().skip(1) {
                let _ = lease_watch.add(ancestor, WatchMask::MOVE_SELF);
            }
            if let Err((path, error)) = lease_watch.watch(directory) {
                faults.push(fault(&path, &error));
            }
        }
        Ok((lease_watch, faults))
    }

    /// Watches a directory; while it is not there, its nearest ancestor. Twice around, the way
    /// has changed in between; then the ancestor's events tell so at once.
    fn watch(&mut self, directory: &Path) -> Result<(), (PathBuf, io::Error)> {
        loop {
            match self.add(directory, in_directory()) {
                Ok(watched) => {
                    watched.for_files.insert(directory.to_owned());
                    return Ok(());
                }
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err((directory.to_owned(), error)),
            }
            let mut missing = directory;
            while let Some(parent) = missing.parent() {
                match self.add(parent, in_ancestor()) {
                    Ok(watched) => {
                        if !watched.for_names.insert(missing.to_owned()) {
                            return Ok(());
                        }
                        break;
                    }
                    Err(error) if is_absent(&error) => missing = parent,
                    Err(error) => return Err((parent.to_owned(), error)),
                }
            }
        }
    }

    fn add(&mut self, directory: &Path, mask: WatchMask) -> io::Result<&mut Watched> {
        let descriptor =
            self.inotify.watches().add(directory, mask | WatchMask::ONLYDIR | WatchMask::MASK_ADD)?;
        Ok(self.watched.entry(descriptor).or_default())
    }

    /// Waits until something has happened to a file of these places. Cancel-safe: an event that
    /// was read is told.
    pub(super) async fn seen(&mut self, places: &[LeaseLocation]) -> io::Result<Seen> {
        loop {
            let mut ready = self.ready.readable().await?;
            let events = match self.inotify.read_events(&mut self.buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let mut seen = Seen::Files(BTreeSet::new());
            for event in events {
                seen = seen.and(judge(self.watched.get(&event.wd), event.mask, event.name, places));
            }
            if seen != Seen::Files(BTreeSet::new()) {
                return Ok(seen);
            }
        }
    }
}

fn judge(watched: Option<&Watched>, mask: EventMask, name: Option<&OsStr>, places: &[LeaseLocation]) -> Seen {
    let lost = EventMask::Q_OVERFLOW
        | EventMask::IGNORED
        | EventMask::DELETE_SELF
        | EventMask::MOVE_SELF
        | EventMask::UNMOUNT;
    if mask.intersects(lost) {
        return Seen::Anything;
    }
    let mut files = BTreeSet::new();
    let (Some(watched), Some(name)) = (watched, name) else { return Seen::Files(files) };
    if watched.for_names.iter().any(|path| path.file_name() == Some(name)) {
        return Seen::Anything;
    }
    for directory in &watched.for_files {
        if places.iter().any(|place| place.directory == *directory && place.holds(name)) {
            files.insert(directory.join(name));
        }
    }
    Seen::Files(files)
}

fn in_directory() -> WatchMask {
    WatchMask::CREATE
        | WatchMask::MODIFY
        | WatchMask::CLOSE_WRITE
        | WatchMask::ATTRIB
        | WatchMask::MOVE
        | WatchMask::DELETE
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
}

fn in_ancestor() -> WatchMask {
    WatchMask::CREATE | WatchMask::MOVED_TO | WatchMask::DELETE_SELF | WatchMask::MOVE_SELF
}

fn fault(path: &Path, error: &io::Error) -> String {
    let path = path.display();
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => format!("fix it: chmod a+rx {path}"),
        io::ErrorKind::StorageFull => "raise it: sysctl fs.inotify.max_user_watches=65536".to_owned(),
        _ => format!("look: ls -ld {path}"),
    };
    format!("{path} cannot be watched for leases: {error}; {cure}")
}
