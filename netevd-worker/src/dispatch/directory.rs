//! The script directories of an event, merged: names in order over all roots, earlier ones mask.
//!
//! Names are remembered for as long as their directory is unchanged, so that an event costs a
//! look at each directory and not its reading. What a name stands for is judged at every run.

use super::remote_fs::RemoteFs;
use super::trust::Verdict;
use crate::model::EventKind;
use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A directory that was changed this short a time ago may be changed again within the same tick
/// of its file system's clock, unseen; its names are not remembered yet.
const SETTLED: Duration = Duration::from_secs(2);

/// The directories that hold `<event>.d`, in order of precedence. Names must be absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptRoots(Vec<PathBuf>);

impl Default for ScriptRoots {
    /// The administrator's, the site's, the distribution's.
    fn default() -> Self {
        Self::new(["/etc/netevd", "/usr/local/lib/netevd", "/usr/lib/netevd"])
    }
}

impl ScriptRoots {
    /// These, the first one masking the others.
    pub fn new<P: Into<PathBuf>>(roots: impl IntoIterator<Item = P>) -> Self {
        Self(roots.into_iter().map(Into::into).collect())
    }

    /// The roots in order.
    pub fn iter(&self) -> impl Iterator<Item = &Path> {
        self.0.iter().map(PathBuf::as_path)
    }

    /// The directories of one kind of event, in order.
    pub(super) fn directories(&self, kind: EventKind) -> impl Iterator<Item = PathBuf> + use<> {
        let directories: Vec<PathBuf> = self.0.iter().map(|root| root.join(kind.directory())).collect();
        directories.into_iter()
    }
}

/// What an event's directories hold.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Files to judge and run, in bytewise order of their names over all roots.
    pub(super) scripts: Vec<PathBuf>,
    /// Directories that are there and cannot be listed.
    pub(super) unreadable: Vec<(PathBuf, Verdict)>,
}

/// The directories below the roots, and their names as far as they are remembered.
pub(super) struct Directories {
    roots: ScriptRoots,
    /// At most one for each root and kind of event.
    seen: HashMap<PathBuf, Seen>,
    pub(super) remote_fs: RemoteFs,
}

struct Seen {
    /// `None`: read while the directory had not settled, good for this once.
    mark: Option<Mark>,
    /// Those that may be run, in no order.
    names: Vec<OsString>,
}

/// What changes with a directory's names: device, inode, and modification time to the nanosecond.
type Mark = (u64, u64, i64, i64);

impl Directories {
    pub(super) fn new(roots: ScriptRoots) -> Self {
        Self { roots, seen: HashMap::new(), remote_fs: RemoteFs::new(list_remote) }
    }

    /// Where they are.
    pub(super) fn roots(&self) -> &ScriptRoots {
        &self.roots
    }

    /// Lists what an event would run, before any judgement.
    pub(super) fn list(&mut self, kind: EventKind) -> Listing {
        let mut listing = Listing::default();
        let mut merged: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for directory in self.roots.directories(kind) {
            match self.runnable(&directory) {
                Ok(names) => {
                    for name in names {
                        merged.entry(name.clone()).or_insert_with(|| directory.join(name));
                    }
                }
                Err(error) => {
                    listing.unreadable.push((directory.clone(), unreadable(&directory, &error)));
                }
            }
        }
        listing.scripts = merged.into_values().collect();
        listing
    }

    /// Whether there is anything that [`Directories::list`] would return.
    pub(super) fn has_any(&mut self, kind: EventKind) -> bool {
        let mut directories = self.roots.directories(kind);
        directories.any(|directory| self.runnable(&directory).map_or(true, |names| !names.is_empty()))
    }

    /// A directory of this kind that lies on a file system that may not answer.
    pub(super) fn remote_directory(&mut self, kind: EventKind) -> Option<PathBuf> {
        self.roots.directories(kind).find(|directory| self.remote_fs.point(directory).is_some())
    }

    fn runnable(&mut self, directory: &Path) -> io::Result<&[OsString]> {
        let before = self.seen.get(directory).map_or(&[][..], |seen| &seen.names);
        if let Some(names) = self.remote_fs.names(directory, before) {
            let names = names.map_err(|(kind, text)| io::Error::new(kind, text))?;
            self.seen.insert(directory.to_owned(), Seen { mark: None, names });
            return Ok(self.seen.get(directory).map_or(&[], |seen| &seen.names));
        }
        let found = match std::fs::metadata(directory) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(&[]),
            Err(error) => return Err(error),
        };
        let mark = (found.dev(), found.ino(), found.mtime(), found.mtime_nsec());
        if self.seen.get(directory).is_none_or(|seen| seen.mark != Some(mark)) {
            let mark = is_settled(&found).then_some(mark);
            let names = names(directory)?.filter(|name| skip_reason(name).is_none()).collect();
            self.seen.insert(directory.to_owned(), Seen { mark, names });
        }
        Ok(self.seen.get(directory).map_or(&[], |seen| &seen.names))
    }
}

/// For a thread that may wait.
fn list_remote(directory: &Path) -> Result<Vec<OsString>, (io::ErrorKind, String)> {
    let names = names(directory).map_err(|error| (error.kind(), error.to_string()))?;
    Ok(names.filter(|name| skip_reason(name).is_none()).collect())
}

/// False for a while after a change, and for a time that is still to come.
fn is_settled(found: &Metadata) -> bool {
    let age = found.modified().ok().and_then(|changed| SystemTime::now().duration_since(changed).ok());
    age.is_some_and(|age| age > SETTLED)
}

/// The names in a directory, in no order; none when there is no such directory.
pub(super) fn names(directory: &Path) -> io::Result<impl Iterator<Item = OsString> + use<>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => Some(entries),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(entries.into_iter().flatten().filter_map(|entry| entry.ok().map(|entry| entry.file_name())))
}

/// The verdict on a directory that could not be listed.
pub(super) fn unreadable(directory: &Path, error: &io::Error) -> Verdict {
    let word = super::text::quoted(directory);
    let cure = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            format!("chmod a+rx {}", super::text::quoted(closed(directory).unwrap_or(directory)))
        }
        _ => format!("ls -ld {word}"),
    };
    Verdict::Refused { component: directory.to_owned(), found: format!("cannot be listed: {error}"), cure }
}

/// The first directory on the way that the caller may not search.
fn closed(directory: &Path) -> Option<&Path> {
    let mut way: Vec<&Path> = directory.ancestors().collect();
    way.reverse();
    let is_denied = |path: &&Path| {
        path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
    };
    way.into_iter().find(is_denied)?.parent()
}

/// Why a name is never run: hidden, or left over by an editor or a package manager.
pub(super) fn skip_reason(name: &OsStr) -> Option<&'static str> {
    let name = name.as_bytes();
    if name.starts_with(b".") {
        return Some("a hidden file");
    }
    let left = |mark: &[u8]| name.rsplit(|b| *b == b'.').next().is_some_and(|last| last.starts_with(mark));
    let dotted = name.contains(&b'.');
    let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix.as_bytes()));
    if ends(&["~", ".bak", ".swp", ".swo", ".orig", ".rej", ".save", ".old", ".new"]) {
        Some("a copy (~, .bak, .swp, .swo, .orig, .rej, .save, .old, .new)")
    } else if ends(&[".disabled", ".off"]) {
        Some("switched off by its name (.disabled, .off)")
    } else if name.starts_with(b"README") {
        Some("documentation (README*)")
    } else if ends(&[".pacnew"]) || dotted && (left(b"dpkg-") || left(b"rpm") || left(b"ucf-")) {
        Some("left by the package manager (.dpkg-*, .rpm*, .ucf-*, .pacnew)")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_never_run() {
        for skipped in [
            ".hidden",
            "a~",
            "a.bak",
            "a.swp",
            "a.dpkg-old",
            "a.dpkg-dist",
            "a.dpkg-new",
            "a.rpmsave",
            "a.rpmnew",
            "a.rpmorig",
            "a.ucf-dist",
            "a.ucf-old",
            "a.sh.dpkg-old",
            "a.disabled",
            "a.off",
            "a.orig",
            "a.rej",
            "a.save",
            "a.old",
            "a.new",
            "a.pacnew",
            ".a.swo",
            "a.swo",
            "README",
            "README.md",
        ] {
            assert!(skip_reason(OsStr::new(skipped)).is_some(), "{skipped}");
        }
        for run in [
            "a", "10-a.sh", "rpm", "dpkg-old", "rpmsave", "a.b.sh", "a.bak.sh", "bak", "we+b", "old",
            "10-off", "readme",
        ] {
            assert_eq!(skip_reason(OsStr::new(run)), None, "{run}");
        }
    }

    #[test]
    fn a_missing_directory_holds_nothing() {
        let mut directories = Directories::new(ScriptRoots::new(["/nonexistent/netevd"]));
        assert!(!directories.has_any(EventKind::Routable));
        let listing = directories.list(EventKind::Routable);
        assert!(listing.scripts.is_empty() && listing.unreadable.is_empty());
    }

    #[test]
    fn a_directory_that_is_a_file_is_told() {
        let listing = Directories::new(ScriptRoots::new(["/dev/null"])).list(EventKind::Routable);
        let verdict = listing.unreadable.first().map(|(_, verdict)| verdict.to_string()).unwrap_or_default();
        assert!(verdict.contains("/dev/null/routable.d cannot be listed"), "{verdict}");
    }

    /// Sets a directory's modification time.
    fn age(directory: &Path, seconds: i64) {
        use nix::sys::stat::{UtimensatFlags, utimensat};
        use nix::sys::time::TimeSpec;
        let time = TimeSpec::new(1_700_000_000 + seconds, 0);
        let flags = UtimensatFlags::FollowSymlink;
        utimensat(nix::fcntl::AT_FDCWD, directory, &time, &time, flags).expect("ours");
    }

    #[test]
    fn names_are_remembered_until_the_directory_changes() {
        let root = std::env::temp_dir().join(format!("netevd-directories-{}", std::process::id()));
        let directory = root.join("mtu.d");
        std::fs::create_dir_all(&directory).expect("writable");
        let add = |name: &str| std::fs::write(directory.join(name), "").expect("writable");
        let mut directories = Directories::new(ScriptRoots::new([&root]));
        let mut count = || directories.list(EventKind::Mtu).scripts.len();

        assert_eq!(count(), 0);
        add("a");
        assert_eq!(count(), 1, "seen at once, although it has not settled");
        age(&directory, 0);
        assert_eq!(count(), 1);
        add("b");
        age(&directory, 0);
        assert_eq!(count(), 1, "nothing tells of a change, so the directory is not read");
        age(&directory, 1);
        assert_eq!(count(), 2);
        std::fs::remove_file(directory.join("a")).expect("there");
        assert_eq!(count(), 1);
        std::fs::remove_dir_all(&root).expect("there");
        assert_eq!(count(), 0);
    }
}
