//! The script directories of an event, merged: names in order over all roots, earlier ones mask.

use super::trust::Verdict;
use crate::event::EventKind;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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
    pub(super) fn directories(&self, kind: EventKind) -> impl Iterator<Item = PathBuf> {
        self.0.iter().map(move |root| root.join(kind.directory()))
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

/// Lists what an event would run, before any judgement.
pub(super) fn list(roots: &ScriptRoots, kind: EventKind) -> Listing {
    let mut listing = Listing::default();
    let mut merged: BTreeMap<OsString, PathBuf> = BTreeMap::new();
    for directory in roots.directories(kind) {
        match names(&directory) {
            Ok(names) => {
                for name in names.filter(|name| skip_reason(name).is_none()) {
                    let path = directory.join(&name);
                    merged.entry(name).or_insert(path);
                }
            }
            Err(error) => listing.unreadable.push((directory.clone(), unreadable(&directory, &error))),
        }
    }
    listing.scripts = merged.into_values().collect();
    listing
}

/// Whether there is anything that [`list`] would return.
pub(super) fn has_any(roots: &ScriptRoots, kind: EventKind) -> bool {
    roots.directories(kind).any(|directory| match names(&directory) {
        Ok(mut names) => names.any(|name| skip_reason(&name).is_none()),
        Err(_) => true,
    })
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
        io::ErrorKind::PermissionDenied => format!("chmod a+rx {word}"),
        _ => format!("ls -ld {word}"),
    };
    Verdict::Refused { component: directory.to_owned(), found: format!("cannot be listed: {error}"), cure }
}

/// Why a name is never run: hidden, or left over by an editor or a package manager.
pub(super) fn skip_reason(name: &OsStr) -> Option<&'static str> {
    let name = name.as_bytes();
    if name.starts_with(b".") {
        return Some("a hidden file");
    }
    let left = |mark: &[u8]| name.rsplit(|b| *b == b'.').next().is_some_and(|last| last.starts_with(mark));
    let dotted = name.contains(&b'.');
    if name.ends_with(b"~") || name.ends_with(b".bak") || name.ends_with(b".swp") {
        Some("a backup copy (~, .bak, .swp)")
    } else if dotted && (left(b"dpkg-") || left(b"rpm") || left(b"ucf-")) {
        Some("left by the package manager (.dpkg-*, .rpm*, .ucf-*)")
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
        ] {
            assert!(skip_reason(OsStr::new(skipped)).is_some(), "{skipped}");
        }
        for run in ["a", "10-a.sh", "rpm", "dpkg-old", "rpmsave", "a.b.sh", "a.bak.sh", "bak", "we+b"] {
            assert_eq!(skip_reason(OsStr::new(run)), None, "{run}");
        }
    }

    #[test]
    fn a_missing_directory_holds_nothing() {
        let roots = ScriptRoots::new(["/nonexistent/netevd"]);
        assert!(!has_any(&roots, EventKind::Routable));
        let listing = list(&roots, EventKind::Routable);
        assert!(listing.scripts.is_empty() && listing.unreadable.is_empty());
    }

    #[test]
    fn a_directory_that_is_a_file_is_told() {
        let roots = ScriptRoots::new(["/dev/null"]);
        let listing = list(&roots, EventKind::Routable);
        let verdict = listing.unreadable.first().map(|(_, verdict)| verdict.to_string()).unwrap_or_default();
        assert!(verdict.contains("/dev/null/routable.d cannot be listed"), "{verdict}");
    }
}
