//! Where lease files lie: a directory and a name, which may be a pattern.

use protocol::Pattern;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Debian's and Red Hat's.
const USUAL: [&str; 2] = ["/var/lib/dhcp/*.leases", "/var/lib/dhclient/*.leases"];
/// Files of one place that are read.
const MAX: usize = 256;

/// Files in one directory.
#[derive(Debug)]
pub(super) struct LeaseLocation {
    /// Absolute; it may not exist.
    pub(super) directory: PathBuf,
    name: Name,
}

#[derive(Debug)]
enum Name {
    Exactly(String),
    Like(Pattern),
    /// As `Like`, but not ISC's server, whose files are called dhcpd.leases and dhcpd6.leases, and
    /// are written for every client's request.
    Usual(Pattern),
}

impl LeaseLocation {
    /// The usual places and the configured ones; what is no place is told as a text for people.
    pub(super) fn all(configured: &[String]) -> (Vec<Self>, Vec<String>) {
        let mut faults = Vec::new();
        let mut places = Vec::new();
        for text in USUAL {
            match Self::new(text, Name::Usual) {
                Ok(place) => places.push(place),
                Err(fault) => faults.push(fault),
            }
        }
        for text in configured {
            match Self::new(text, Name::Like) {
                Ok(place) => places.push(place),
                Err(fault) => faults.push(fault),
            }
        }
        (places, faults)
    }

    fn new(text: &str, like: fn(Pattern) -> Name) -> Result<Self, String> {
        let fault = |what: &str| format!("{text:?} is not watched for leases: {what}");
        let path = Path::new(text);
        if !path.is_absolute() {
            return Err(fault("the path is not absolute"));
        }
        let (Some(directory), Some(name)) = (path.parent(), path.file_name().and_then(OsStr::to_str)) else {
            return Err(fault("the path names no file"));
        };
        if directory.to_string_lossy().contains(['*', '?', '[']) {
            return Err(fault("only the last component may be a pattern; list the directories one by one"));
        }
        let name = if name.contains(['*', '?', '[']) {
            like(Pattern::new(name).map_err(|error| fault(&error.to_string()))?)
        } else {
            Name::Exactly(name.to_owned())
        };
        Ok(Self { directory: directory.to_owned(), name })
    }

    /// True for the name of a file that belongs here. As in a shell, a pattern matches no hidden
    /// file.
    pub(super) fn holds(&self, name: &OsStr) -> bool {
        let Some(name) = name.to_str() else { return false };
        let shown = !name.starts_with('.');
        match &self.name {
            Name::Exactly(exactly) => exactly == name,
            Name::Like(pattern) => shown && pattern.matches(name),
            Name::Usual(pattern) => shown && !name.starts_with("dhcpd") && pattern.matches(name),
        }
    }

    /// The files that are there now, in order of their names; none if there is no directory.
    pub(super) fn files(&self) -> io::Result<Vec<PathBuf>> {
        if let Name::Exactly(name) = &self.name {
            return Ok(vec![self.directory.join(name)]);
        }
        let entries = match std::fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if is_absent(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut files: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.file_name()))
            .filter(|name| self.holds(name))
            .map(|name| self.directory.join(name))
            .take(MAX)
            .collect();
        files.sort_unstable();
        Ok(files)
    }
}

impl fmt::Display for LeaseLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match &self.name {
            Name::Exactly(name) => name,
            Name::Like(pattern) | Name::Usual(pattern) => pattern.as_str(),
        };
        write!(f, "{}", self.directory.join(name).display())
    }
}

/// Nothing of that name is there.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(configured: &str, name: &str) -> bool {
        let (places, faults) = LeaseLocation::all(&[configured.to_owned()]);
        assert!(faults.is_empty(), "{faults:?}");
        places.last().expect("three").holds(OsStr::new(name))
    }

    #[test]
    fn names() {
        for (configured, name, expected) in [
            ("/x/dhclient.leases", "dhclient.leases", true),
            ("/x/dhclient.leases", "dhclient.leases.bak", false),
            ("/x/*.lease", "dhclient--eth0.lease", true),
            ("/x/*.lease", "eth0.leases", false),
            ("/x/*", ".hidden", false),
            ("/x/.*", ".hidden", false),
            ("/x/dhcp*.leases", "dhcpd.leases", true),
        ] {
            assert_eq!(holds(configured, name), expected, "{name} at {configured}");
        }
    }

    #[test]
    fn the_usual_places_hold_no_file_of_the_server() {
        let (places, _) = LeaseLocation::all(&[]);
        let holds = |name: &str| places.iter().all(|place| place.holds(OsStr::new(name)));
        assert!(holds("dhclient.leases") && holds("dhclient6.eth0.leases") && holds("we+b.leases"));
        assert!(!holds("dhcpd.leases") && !holds("dhcpd6.leases") && !holds("dhclient.leases~"));
    }

    #[test]
    fn what_is_no_place() {
        for (text, fault) in [
            ("dhclient.leases", "not absolute"),
            ("/", "names no file"),
            ("/var/*/x.leases", "only the last component"),
            ("/x/[ab", "closes"),
        ] {
            let (places, faults) = LeaseLocation::all(&[text.to_owned()]);
            assert!(places.len() == 2 && faults.len() == 1, "{text}: {faults:?}");
            assert!(faults[0].contains(fault) && faults[0].contains(text), "{}", faults[0]);
        }
    }
}
