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
        fs::remove_file(directory.join("lock")).expect("removed");
        std::os::unix::fs::symlink("/dev/null", directory.join("lock")).expect("a link");
        assert!(matches!(Lock::take(&directory), Err(LockError::Failed(..))), "a link is not followed");
        fs::remove_dir_all(&directory).expect("removed");
    }
}
