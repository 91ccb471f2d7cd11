//! Who may have written a script: every component of its path, from `/` down, is judged.
//!
//! As sshd's StrictModes, but with no link anywhere below `/`: each component is opened with
//! `O_PATH|O_NOFOLLOW` relative to the one before and judged by its descriptor, so the judgement
//! is about the objects that the path names and no text is compared. Whoever could change them
//! between judgement and execution owns them, and is trusted.
//!
//! Limits: mode bits alone. A POSIX ACL that lets somebody write shows in the group bits (they
//! are its mask) and is refused by them. In a user namespace the files of the real root appear as
//! the overflow uid and are refused: nobody in there can tell who that is.

use super::text::{printable, quoted, shown};
use nix::fcntl::{AT_FDCWD, OFlag, openat, readlinkat};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// Whose files are run beside root's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrustedOwner {
    uid: u32,
}

impl TrustedOwner {
    /// Root alone: the system's daemon.
    pub const ROOT: TrustedOwner = TrustedOwner { uid: 0 };

    /// Root and this user: a daemon that an ordinary user runs.
    pub const fn user(uid: u32) -> Self {
        Self { uid }
    }

    fn accepts(self, uid: u32) -> bool {
        uid == 0 || uid == self.uid
    }

    fn name(self) -> String {
        if self.uid == 0 { "root".to_owned() } else { self.uid.to_string() }
    }
}

/// As whom a script would run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id and the supplementary ones.
    pub gids: Vec<u32>,
}

impl Identity {
    /// This process.
    pub fn current() -> Self {
        let mut gids = vec![nix::unistd::getegid().as_raw()];
        gids.extend(nix::unistd::getgroups().unwrap_or_default().into_iter().map(|g| g.as_raw()));
        Self { uid: nix::unistd::geteuid().as_raw(), gids }
    }

    /// Whether the execute (search) bit is there for this identity, path_resolution(7). Root
    /// searches any directory and executes what anyone may execute.
    fn may_execute(&self, found: &FileStat) -> bool {
        let mode = found.st_mode;
        if self.uid == 0 {
            return kind(found) == SFlag::S_IFDIR || mode & 0o111 != 0;
        }
        if found.st_uid == self.uid {
            mode & 0o100 != 0
        } else if self.gids.contains(&found.st_gid) {
            mode & 0o010 != 0
        } else {
            mode & 0o001 != 0
        }
    }
}

/// What becomes of a file in a script directory. [`fmt::Display`] gives one line for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is run.
    Runs,
    /// A file of the same name in an earlier root, or `/dev/null`, takes its place.
    Masked {
        /// That file.
        by: PathBuf,
    },
    /// Its name says that it is not meant to run.
    Skipped(&'static str),
    /// It is not run until somebody mends something.
    Refused {
        /// The component of its path that is at fault.
        component: PathBuf,
        /// What was found there.
        found: String,
        /// A shell command that mends it.
        cure: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Runs => f.write_str("runs"),
            Verdict::Masked { by } => write!(f, "masked by {}", shown(by)),
            Verdict::Skipped(reason) => write!(f, "skipped: {reason}"),
            Verdict::Refused { component, found, cure } => {
                let cure = printable(cure);
                write!(f, "refused: {} {found}; to fix it: {cure}", shown(component))
            }
        }
    }
}

/// Judges one script by its absolute path. Never [`Verdict::Skipped`]; [`Verdict::Masked`] only
/// for a link to `/dev/null`.
pub fn judge(path: &Path, owner: TrustedOwner, identity: &Identity) -> Verdict {
    walk(path, owner, identity).unwrap_or_else(|verdict| verdict)
}

fn walk(path: &Path, owner: TrustedOwner, identity: &Identity) -> Result<Verdict, Verdict> {
    let judge = Judge { owner, identity };
    let mut components = path.components();
    let rooted = components.next() == Some(Component::RootDir);
    let names: Option<Vec<&OsStr>> =
        components.map(|c| if let Component::Normal(name) = c { Some(name) } else { None }).collect();
    let (true, Some(names)) = (rooted, names) else {
        return Err(refused(path, "is no absolute path without '..'", "name script roots from /".to_owned()));
    };
    let mut at = PathBuf::from("/");
    let mut directory =
        openat(AT_FDCWD, "/", directory_flags(), Mode::empty()).map_err(|e| missing(&at, e))?;
    judge.directory(&at, &directory)?;
    let Some((file, parents)) = names.split_last() else {
        return Err(refused(path, "is a directory", format!("ls -ld {}", quoted(path))));
    };
    for name in parents {
        at.push(name);
        directory = descend(&directory, name, &at)?;
        judge.directory(&at, &directory)?;
    }
    let file = descend(&directory, file, path)?;
    judge.file(path, &file)
}

fn directory_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn descend(directory: &OwnedFd, name: &OsStr, at: &Path) -> Result<OwnedFd, Verdict> {
    openat(directory.as_fd(), name, directory_flags(), Mode::empty()).map_err(|e| missing(at, e))
}

struct Judge<'a> {
    owner: TrustedOwner,
    identity: &'a Identity,
}

impl Judge<'_> {
    fn directory(&self, at: &Path, fd: &OwnedFd) -> Result<(), Verdict> {
        let found = fstat(fd).map_err(|e| missing(at, e))?;
        match kind(&found) {
            SFlag::S_IFDIR => {}
            SFlag::S_IFLNK => return Err(link(at, fd)),
            _ => return Err(refused(at, "is not a directory", format!("ls -ld {}", quoted(at)))),
        }
        self.ownership(at, &found)?;
        if self.identity.may_execute(&found) {
            return Ok(());
        }
        let found = format!("cannot be searched by uid {} (mode {:04o})", self.identity.uid, bits(&found));
        Err(refused(at, &found, format!("chmod a+x {}", quoted(at))))
    }

    fn file(&self, at: &Path, fd: &OwnedFd) -> Result<Verdict, Verdict> {
        let found = fstat(fd).map_err(|e| missing(at, e))?;
        match kind(&found) {
            SFlag::S_IFREG => {}
            SFlag::S_IFLNK if readlinkat(fd, "").is_ok_and(|target| target == "/dev/null") => {
                return Ok(Verdict::Masked { by: PathBuf::from("/dev/null") });
            }
            SFlag::S_IFLNK => return Err(link(at, fd)),
            _ => {
                let cure = format!("mv {} elsewhere", quoted(at));
                return Err(refused(at, &format!("is {}, not a regular file", kind_name(&found)), cure));
            }
        }
        self.ownership(at, &found)?;
        if found.st_mode & 0o6000 != 0 {
            let what = format!("is setuid or setgid (mode {:04o})", bits(&found));
            return Err(refused(at, &what, format!("chmod u-s,g-s {}", quoted(at))));
        }
        if !self.identity.may_execute(&found) {
            let what = format!("is not executable by uid {} (mode {:04o})", self.identity.uid, bits(&found));
            return Err(refused(at, &what, format!("chmod a+rx {}", quoted(at))));
        }
        Ok(Verdict::Runs)
    }

    fn ownership(&self, at: &Path, found: &FileStat) -> Result<(), Verdict> {
        if !self.owner.accepts(found.st_uid) {
            let unmapped =
                if found.st_uid == OVERFLOW_UID { ", which here may be an unmapped user" } else { "" };
            let what = format!("is owned by uid {}{unmapped}", found.st_uid);
            return Err(refused(at, &what, format!("chown {} {}", self.owner.name(), quoted(at))));
        }
        let writable = match found.st_mode & 0o022 {
            0 => return Ok(()),
            0o020 => "group",
            0o002 => "others",
            _ => "group and others",
        };
        let what = format!("is writable by {writable} (mode {:04o})", bits(found));
        Err(refused(at, &what, format!("chmod go-w {}", quoted(at))))
    }
}

/// The default of /proc/sys/kernel/overflowuid (proc_sys_kernel(5)).
const OVERFLOW_UID: u32 = 65_534;

fn kind(found: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT
}

fn kind_name(found: &FileStat) -> &'static str {
    match kind(found) {
        SFlag::S_IFDIR => "a directory",
        SFlag::S_IFIFO => "a named pipe",
        SFlag::S_IFSOCK => "a socket",
        SFlag::S_IFCHR | SFlag::S_IFBLK => "a device",
        _ => "something unknown",
    }
}

fn bits(found: &FileStat) -> u32 {
    found.st_mode & 0o7777
}

fn refused(component: &Path, found: &str, cure: String) -> Verdict {
    Verdict::Refused { component: component.to_owned(), found: found.to_owned(), cure }
}

fn link(at: &Path, fd: &OwnedFd) -> Verdict {
    let target = readlinkat(fd, "").map(PathBuf::from).unwrap_or_default();
    let found = format!("is a symbolic link to {}", shown(&target));
    let word = quoted(at);
    let cure = format!("real=$(readlink -f {word}) && rm {word} && cp -a \"$real\" {word}");
    refused(at, &found, cure)
}

/// A component that cannot be opened or examined.
pub(super) fn missing(at: &Path, error: nix::Error) -> Verdict {
    let found = format!("cannot be examined: {}", io::Error::from(error));
    let cure = match (error, at.parent()) {
        (nix::Error::EACCES, Some(parent)) => format!("chmod a+x {}", quoted(parent)),
        _ => format!("ls -ld {}", quoted(at)),
    };
    refused(at, &found, cure)
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
