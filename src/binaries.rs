//! Where the two other programs are, and how a child with less rights can execute them.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The programs beside `netevd`.
#[derive(Debug)]
pub(crate) struct Binaries {
    /// `netevd-worker`
    pub worker: Program,
    /// `netevd-priv`
    pub helper: Program,
}

/// One program, found and open.
#[derive(Debug)]
pub(crate) struct Program {
    path: PathBuf,
    file: File,
    reachable: bool,
}

/// A program that could not be found.
#[derive(Debug)]
pub(crate) struct NotFound {
    name: &'static str,
    looked: Vec<(PathBuf, io::Error)>,
}

impl Binaries {
    /// Looks for both.
    pub(crate) fn find() -> Result<Self, NotFound> {
        Ok(Self { worker: Program::find("netevd-worker")?, helper: Program::find("netevd-priv")? })
    }
}

/// Beside this program, then where `make install` puts them, then `../libexec/netevd`.
fn places(own: &Path) -> [PathBuf; 3] {
    let beside = own.parent().unwrap_or(Path::new("/"));
    let prefix = beside.parent().unwrap_or(beside);
    [beside.to_owned(), prefix.join("lib/netevd"), prefix.join("libexec/netevd")]
}

fn find(name: &'static str, places: &[PathBuf]) -> Result<Program, NotFound> {
    let mut looked = Vec::new();
    for place in places {
        let path = place.join(name);
        // O_PATH needs no right to read: the binaries are installed with mode 0711.
        match File::options().read(true).custom_flags(libc::O_PATH).open(&path) {
            Ok(file) => {
                let reachable = is_reachable(&path);
                return Ok(Program { path, file, reachable });
            }
            Err(error) => looked.push((path, error)),
        }
    }
    Err(NotFound { name, looked })
}

/// Whether anybody may execute it, by every directory above it.
fn is_reachable(path: &Path) -> bool {
    path.ancestors()
        .all(|component| std::fs::metadata(component).is_ok_and(|found| found.mode() & 0o001 != 0))
}

impl Program {
    /// Looks for one of the programs that belong to this one.
    pub(crate) fn find(name: &'static str) -> Result<Self, NotFound> {
        let own = std::fs::read_link("/proc/self/exe").unwrap_or_else(|_| PathBuf::from("/usr/bin/netevd"));
        find(name, &places(&own))
    }

    /// Where it was found.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// What to execute. A build in a private home cannot be reached by its path once the
    /// child has an identity of its own; by the descriptor that was opened before it can.
    pub(crate) fn executable(&self) -> PathBuf {
        match self.reachable {
            true => self.path.clone(),
            false => PathBuf::from(format!("/proc/self/fd/{}", self.file.as_raw_fd())),
        }
    }
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let looked: Vec<_> =
            self.looked.iter().map(|(p, error)| format!("{} ({error})", p.display())).collect();
        write!(f, "{} was not found, looked at {}: install it beside netevd", self.name, looked.join(" and "))
    }
}

impl std::error::Error for NotFound {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_places_are_named_when_nothing_is_there() {
        let error = find("netevd-worker", &places(Path::new("/nonexistent/bin/netevd")))
            .expect_err("nothing")
            .to_string();
        assert!(error.contains("/nonexistent/bin/netevd-worker (No such file"), "{error}");
        assert!(error.contains("/nonexistent/lib/netevd/netevd-worker"), "{error}");
        assert!(error.contains("/nonexistent/libexec/netevd/netevd-worker"), "{error}");
    }
}
