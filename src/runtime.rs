//! The runtime directory, and the lock in it that admits one daemon at a time.
//!
//! Nothing is removed at exit: the worker's replay state lives here, and an unlinked lock would
//! let a third daemon lock a new file while a second one holds the old. The directory belongs to
//! the worker, who could replace the lock; what it gains is a second daemon.

use crate::identity::{Identity, SPARE};
use netevd_worker::checked;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Uid, fchown};
use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Root's runtime directory.
pub(crate) const SYSTEM: &str = "/run/netevd";
/// What a dry run's directory has at the end of its name: it may stand beside a daemon.
const DRY_RUN: &str = "-dry-run";
const LOCK: &str = "lock";

/// The directory while this process is the one daemon that uses it.
#[derive(Debug)]
pub(crate) struct Runtime {
    path: PathBuf,
    is_given: bool,
    // Held, not read: the lock ends with the descriptor.
    _lock: Flock<File>,
}

/// Why the directory cannot be used.
#[derive(Debug)]
pub(crate) enum RuntimeError {
    /// An ordinary user without `XDG_RUNTIME_DIR` and without `--runtime-dir`.
    NoPlace,
    /// Another daemon holds the lock.
    Running {
        /// The directory.
        path: PathBuf,
        /// What the lock file says, where it can be read.
        pid: Option<u32>,
    },
    /// It is there and not fit.
    Unfit {
        /// The directory or the lock in it.
        path: PathBuf,
        /// What was found.
        found: String,
        /// What to do.
        cure: String,
    },
    /// The lock file is missing and cannot be made in another user's directory.
    NoLock {
        /// The directory.
        path: PathBuf,
        /// Its uid.
        owner: u32,
    },
    /// A call failed.
    Failed {
        /// On what.
        path: PathBuf,
        /// What was tried, as an infinitive.
        action: &'static str,
        /// Why.
        error: io::Error,
    },
}

/// The directory to use: as named, else root's, else the user's own; a dry run's stands beside it.
pub(crate) fn directory(
    named: Option<&Path>,
    user_runtime: Option<&str>,
    dry_run: bool,
) -> Result<PathBuf, RuntimeError> {
    let suffix = if dry_run { DRY_RUN } else { "" };
    match (named, user_runtime) {
        (Some(path), _) => std::path::absolute(path).map_err(failed(path, "make absolute")),
        (None, _) if Uid::effective().is_root() => Ok(PathBuf::from(format!("{SYSTEM}{suffix}"))),
        (None, Some(base)) if base.starts_with('/') => Ok(Path::new(base).join(format!("netevd{suffix}"))),
        (None, _) => Err(RuntimeError::NoPlace),
    }
}

/// The uid of the directory, if it is there: the worker's of the last time.
pub(crate) fn owner(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir).map(|found| found.uid())
}

/// An error if a daemon uses the directory now, and when what stands there does not say.
pub(crate) fn not_running(path: &Path) -> Result<(), RuntimeError> {
    let name = path.join(LOCK);
    let file = match checked::open(&name) {
        Ok(file) => file,
        Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::PermissionDenied].contains(&error.kind()) => {
            return Ok(());
        }
        Err(error) => return Err(unfit_lock(name, error.to_string())),
    };
    match Flock::lock(file, FlockArg::LockSharedNonblock) {
        Err((file, Errno::EWOULDBLOCK)) => {
            Err(RuntimeError::Running { path: path.to_owned(), pid: pid_in(file) })
        }
        _ => Ok(()),
    }
}

impl Runtime {
    /// Makes the directory if need be, takes the lock, and gives the directory to `owner`
    /// (`None` leaves it to the caller) if that is permitted.
    pub(crate) fn open(path: &Path, owner: Option<Identity>) -> Result<Self, RuntimeError> {
        match DirBuilder::new().mode(0o755).create(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, "create")(error)),
        }
        let directory = checked::directory(path).map_err(failed(path, "open"))?;
        fit(path, &directory, owner)?;
        let found = directory.metadata().map_err(failed(path, "look at"))?;
        let lock = lock(path).or_else(|error| recreate_lock(path, &directory, found.uid(), error))?;
        let mut is_given = true;
        if let Some(owner) = owner
            && (found.uid(), found.gid()) != (owner.uid.as_raw(), owner.gid.as_raw())
        {
            // Only now: a second daemon must not take the directory away from the first.
            match fchown(&directory, Some(owner.uid), Some(owner.gid)) {
                Ok(()) => {}
                Err(Errno::EPERM) => is_given = false,
                Err(errno) => return Err(failed(path, "give away")(errno.into())),
            }
        }
        Ok(Self { path: path.to_owned(), is_given, _lock: lock })
    }

    /// Whether the directory belongs to the owner that it was opened for.
    pub(crate) fn is_given(&self) -> bool {
        self.is_given
    }

    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Refuses what was not made for this purpose: /tmp, a home directory, somebody else's.
fn fit(path: &Path, directory: &File, owner: Option<Identity>) -> Result<(), RuntimeError> {
    let found = directory.metadata().map_err(failed(path, "look at"))?;
    let unfit = |found: String, cure: String| RuntimeError::Unfit { path: path.to_owned(), found, cure };
    let own = Uid::effective().as_raw();
    let known = found.uid() == own
        || owner.is_some_and(|owner| owner.uid.as_raw() == found.uid())
        || (owner.is_some() && SPARE.contains(&found.uid()));
    if !known {
        let found = format!("it belongs to uid {}", found.uid());
        return Err(unfit(found, "name a directory of netevd's own with --runtime-dir".to_owned()));
    }
    if found.mode() & 0o022 != 0 {
        let found = format!("others may write to it (mode {:04o})", found.mode() & 0o7777);
        return Err(unfit(found, format!("chmod go-w {}", path.display())));
    }
    let lock = path.join(LOCK);
    let used_before = fs::symlink_metadata(&lock).is_ok();
    let empty = fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
    if !used_before && !empty && own == found.uid() {
        let cure = "name a new or empty directory with --runtime-dir".to_owned();
        return Err(unfit("it holds files that are not netevd's".to_owned(), cure));
    }
    Ok(())
}

fn lock(path: &Path) -> Result<Flock<File>, RuntimeError> {
    let name = path.join(LOCK);
    // The directory is the worker's, so what stands there may be anything: no link is followed,
    // nothing is waited for, and the file must be this user's own and have one name.
    let file = checked::open_or_make(&name).map_err(|error| match error.raw_os_error() {
        Some(_) => failed(&name, "open")(error),
        None => unfit_lock(name.clone(), error.to_string()),
    })?;
    let found = file.metadata().map_err(failed(&name, "look at"))?;
    if found.nlink() != 1 || found.uid() != Uid::effective().as_raw() {
        let text = format!(
            "no plain file of uid {} (owner {}, {} names)",
            Uid::effective(),
            found.uid(),
            found.nlink()
        );
        return Err(unfit_lock(name, text));
    }
    let mut lock = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => lock,
        Err((file, Errno::EWOULDBLOCK)) => {
            return Err(RuntimeError::Running { path: path.to_owned(), pid: pid_in(file) });
        }
        Err((_, errno)) => return Err(failed(&name, "lock")(errno.into())),
    };
    lock.set_len(0)
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(failed(&name, "write"))?;
    Ok(lock)
}

/// Where the lock file is gone, root without CAP_DAC_OVERRIDE cannot make one in the worker's directory:
/// CAP_CHOWN makes it root's for that moment. `owner` has it, and `error` came of the first attempt.
fn recreate_lock(
    path: &Path,
    directory: &File,
    owner: u32,
    error: RuntimeError,
) -> Result<Flock<File>, RuntimeError> {
    let own = Uid::effective();
    match &error {
        RuntimeError::Failed { error, .. }
            if error.kind() == io::ErrorKind::PermissionDenied && owner != own.as_raw() => {}
        _ => return Err(error),
    }
    if fchown(directory, Some(own), None).is_err() {
        return Err(RuntimeError::NoLock { path: path.to_owned(), owner });
    }
    let taken = lock(path);
    fchown(directory, Some(Uid::from_raw(owner)), None)
        .map_err(|errno| failed(path, "give back")(errno.into()))?;
    taken
}

fn unfit_lock(path: PathBuf, found: String) -> RuntimeError {
    RuntimeError::Unfit { found, cure: format!("rm {}", path.display()), path }
}

fn pid_in(file: File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn failed(path: &Path, action: &'static str) -> impl Fn(io::Error) -> RuntimeError {
    let path = path.to_owned();
    move |error| RuntimeError::Failed { path: path.clone(), action, error }
}

impl fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPlace => f.write_str(
                "XDG_RUNTIME_DIR is not set: log in by a session that sets it, or give --runtime-dir a directory \
                 of your own",
            ),
            Self::Running { path, pid: Some(pid) } => {
                write!(f, "a daemon runs already, pid {pid} (it holds {}/{LOCK}): stop it first", path.display())
            }
            Self::Running { path, pid: None } => {
                write!(f, "a daemon runs already (it holds {}/{LOCK}): stop it first", path.display())
            }
            Self::NoLock { path, owner } => write!(
                f,
                "cannot make {}/{LOCK}: Permission denied; the directory belongs to uid {owner}, which needs \
                 CAP_CHOWN or CAP_DAC_OVERRIDE here, or remove the directory",
                path.display()
            ),
            Self::Unfit { path, found, cure } => write!(f, "{}: {found}: {cure}", path.display()),
            Self::Failed { path, action, error } => write!(f, "cannot {action} {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for RuntimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("netevd-runtime-{name}-{}", std::process::id()));
            fs::create_dir(&path).expect("a new directory");
            Self(path)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_second_daemon_learns_the_pid_of_the_first() {
        let scratch = Scratch::new("lock");
        let path = scratch.0.join("run");
        assert!(not_running(&path).is_ok());
        let first = Runtime::open(&path, None).expect("the first");
        assert!(not_running(&path).is_err());
        let second = Runtime::open(&path, None).expect_err("the second");
        assert!(second.to_string().contains(&format!("pid {}", std::process::id())), "{second}");
        drop(first);
        assert!(not_running(&path).is_ok());
        Runtime::open(&path, None).expect("after the first");
    }

    #[test]
    fn directories_of_others_are_left_alone() {
        let scratch = Scratch::new("fit");
        fs::write(scratch.0.join("somebody-s"), "").expect("a file");
        let error = Runtime::open(&scratch.0, None).expect_err("not empty").to_string();
        assert!(error.contains("not netevd's"), "{error}");
        let error = Runtime::open(Path::new("/tmp"), None).expect_err("for all").to_string();
        assert!(error.contains("others may write") || error.contains("belongs to"), "{error}");
    }

    #[test]
    fn a_lock_that_is_a_link_is_not_followed() {
        let scratch = Scratch::new("link");
        let victim = scratch.0.join("victim");
        fs::write(&victim, "precious").expect("a file");
        let path = scratch.0.join("run");
        fs::create_dir(&path).expect("a directory");
        std::os::unix::fs::symlink(&victim, path.join(LOCK)).expect("a link");
        Runtime::open(&path, None).expect_err("a link");
        fs::remove_file(path.join(LOCK)).expect("removed");
        fs::hard_link(&victim, path.join(LOCK)).expect("a second name");
        Runtime::open(&path, None).expect_err("two names");
        assert_eq!(fs::read_to_string(&victim).expect("still there"), "precious");
    }

    #[test]
    fn the_place_without_root() {
        let named = directory(Some(Path::new("/x/y")), None, false).expect("as named");
        assert_eq!(named, Path::new("/x/y"));
        if Uid::effective().is_root() {
            assert_eq!(directory(None, Some("/run/user/0"), false).expect("root's"), Path::new(SYSTEM));
        } else {
            let place = directory(None, Some("/run/user/7"), false).expect("the user's");
            assert_eq!(place, Path::new("/run/user/7/netevd"));
            assert!(directory(None, None, false).is_err());
        }
    }
}
