//! One daemon at a time in a runtime directory: flock(2) on its file `lock`.
//!
//! The launcher takes it itself; under systemd nobody else would. The same file, so that
//! `netevd start` and `netevd flush` see a running service.

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};
use nix::unistd::Uid;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The lock, held as long as this lives.
#[derive(Debug)]
pub(super) struct Lock {
    // Held, not read: the lock ends with the descriptor.
    _file: Flock<File>,
}

/// Why it is not held.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another daemon has it.
    Taken(PathBuf),
    /// A call failed.
    Failed(PathBuf, io::Error),
}

impl Lock {
    /// Takes it, and writes the process id into the file for whoever is refused.
    pub(super) fn take(runtime_dir: &Path) -> Result<Self, LockError> {
        let path = runtime_dir.join("lock");
        let failed = |error: io::Error| LockError::Failed(path.clone(), error);
        clear(&path).map_err(failed)?;
        let mut file = locked(&path)?;
        if file.metadata().map_err(failed)?.uid() != Uid::effective().as_raw() {
            // The launcher ran here before and left root's file. It is not held now; the directory
            // is ours, and a file of ours takes its place.
            fs::remove_file(&path).map_err(failed)?;
            file = locked(&path)?;
        }
        file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// Takes away what is no file and can be no daemon's lock: without `scripts.user` a script may have put it
/// into the directory, which is ours.
fn clear(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

fn locked(path: &Path) -> Result<Flock<File>, LockError> {
    let failed = |error: io::Error| LockError::Failed(path.to_owned(), error);
    let mut options = OpenOptions::new();
    options.read(true).custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits());
    let file = match options.clone().write(true).create(true).mode(0o644).open(path) {
        // Somebody else's can be locked all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => options.open(path),
        other => other,
    };
    match Flock::lock(file.map_err(failed)?, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((_, Errno::EWOULDBLOCK)) => Err(LockError::Taken(path.to_owned())),
        Err((_, errno)) => Err(failed(errno.into())),
    }
}

impl fmt::Display for LockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LockError::Taken(path) => {
                write!(f, "a daemon runs already (it holds {}): stop it first", path.display())
            }
            LockError::Failed(path, error) => write!(f, "cannot lock {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for LockError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time_and_the_pid_is_told() {
        let directory = std::env::temp_dir().join(format!("netevd-worker-lock-{}", std::process::id()));
        fs::create_dir(&directory).expect("a new directory");
        let first = Lock::take(&directory).expect("the first");
        let text = fs::read_to_string(directory.join("lock")).expect("there");
        assert_eq!(text.trim(), std::process::id().to_string());
        assert!(matches!(Lock::take(&directory), Err(LockError::Taken(_))));
        drop(first);
        Lock::take(&directory).expect("after the first");
        fs::remove_dir_all(&directory).expect("removed");
    }

    #[test]
    fn what_stands_in_its_place_keeps_no_worker_from_starting() {
        let directory = std::env::temp_dir().join(format!("netevd-worker-place-{}", std::process::id()));
        let (place, victim) = (directory.join("lock"), directory.join("victim"));
        for what in ["link", "pipe", "directory"] {
            fs::create_dir(&directory).expect("a new directory");
            fs::write(&victim, "precious").expect("written");
            match what {
                "link" => std::os::unix::fs::symlink(&victim, &place).expect("a link"),
                "pipe" => nix::unistd::mkfifo(&place, nix::sys::stat::Mode::S_IRUSR).expect("a pipe"),
                _ => fs::create_dir_all(place.join("of/directories")).expect("made"),
            }
            let lock = Lock::take(&directory).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(fs::symlink_metadata(&place).expect("there").is_file(), "{what}");
            assert_eq!(fs::read_to_string(&victim).expect("there"), "precious", "{what}");
            drop(lock);
            fs::remove_dir_all(&directory).expect("removed");
        }
    }
}
