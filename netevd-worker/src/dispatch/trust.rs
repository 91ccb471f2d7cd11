//! Who may have written a script: every component of its path, from `/` down, is judged.
//!
//! As sshd's StrictModes: each component is opened with `O_PATH|O_NOFOLLOW` relative to the one before
//! and judged by its descriptor, so the judgement is about the objects that the path names and no text
//! is compared. A link is followed where it belongs to root, and its whole target is judged in the same
//! way. Whoever could change them between judgement and execution owns them, and is trusted.
//!
//! Limits: a POSIX ACL that lets somebody write shows in the group bits (they are its mask) and is
//! refused by them. In a user namespace the files of the real root appear as the overflow uid and are
//! refused: nobody in there can tell who that is.

use super::identity::Identity;
use super::path_walk::{PathWalk, names_of, plain_names};
use super::text::{quoted, shown};
use crate::text::printable;
use nix::fcntl::readlinkat;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat};
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

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
    /// It is not run until somebody fixes something.
    Refused {
        /// The component of its path that is at fault.
        component: PathBuf,
        /// What was found there.
        found: String,
        /// A shell command that fixes it.
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
    let Some(mut left) = plain_names(path) else {
        return Err(refused(path, "is no absolute path without '..'", "name script roots from /".to_owned()));
    };
    if left.is_empty() {
        return Err(refused(path, "is a directory", format!("ls -ld {}", quoted(path))));
    }
    let mut walk = PathWalk::root().map_err(|e| missing(Path::new("/"), e))?;
    judge.directory(&walk.at, walk.last(), false)?;
    let mut links = 0;
    // Names of a link's target, which may lead through a directory like /nix/store.
    let mut of_target = 0_usize;
    while let Some(name) = left.pop() {
        let in_target = of_target > 0;
        of_target = of_target.saturating_sub(1);
        if name == ".." {
            walk.leave();
            continue;
        }
        let is_last = left.is_empty();
        let found = walk.open_next(&name)?;
        let at = walk.at.join(&name);
        let state = fstat(&found).map_err(|e| missing(&at, e))?;
        if kind(&state) != SFlag::S_IFLNK {
            if is_last {
                return judge.file(&at, &found);
            }
            judge.directory(&at, &found, in_target)?;
            walk.enter(at, found);
            continue;
        }
        judge.owner_of(&at, &state)?;
        links += 1;
        let target = readlinkat(&found, "").map(PathBuf::from).map_err(|e| missing(&at, e))?;
        if is_last && target == Path::new("/dev/null") {
            return Ok(Verdict::Masked { by: target });
        }
        if links > LINKS_MAX {
            let found = format!("leads through more than {LINKS_MAX} symbolic links");
            return Err(refused(&at, &found, format!("namei -l {}", quoted(path))));
        }
        if target.is_absolute() {
            walk = PathWalk::root().map_err(|e| missing(Path::new("/"), e))?;
        }
        let names = names_of(&target);
        of_target += names.len();
        left.extend(names.into_iter().rev());
    }
    // A link to a directory in a script's place.
    Err(refused(path, "is a directory, not a regular file", format!("mv {} elsewhere", quoted(path))))
}

/// More links than this are none that the kernel follows, path_resolution(7).
const LINKS_MAX: usize = 40;

struct Judge<'a> {
    owner: TrustedOwner,
    identity: &'a Identity,
}

impl Judge<'_> {
    /// Where a link leads through it, a group may write to a sticky directory (/nix/store): what is root's in
    /// it the group cannot replace.
    fn directory(&self, at: &Path, fd: &OwnedFd, in_target: bool) -> Result<(), Verdict> {
        let found = fstat(fd).map_err(|e| missing(at, e))?;
        if kind(&found) != SFlag::S_IFDIR {
            return Err(refused(at, "is not a directory", format!("ls -ld {}", quoted(at))));
        }
        self.owner_of(at, &found)?;
        let is_of_group = found.st_mode & (Mode::S_ISVTX | Mode::S_IWOTH).bits() == Mode::S_ISVTX.bits();
        if !(in_target && is_of_group) {
            not_writable(at, &found)?;
        }
        if self.identity.may_execute(&found, fd) {
            return Ok(());
        }
        let found = format!("cannot be searched by uid {} (mode {:04o})", self.identity.uid, bits(&found));
        Err(refused(at, &found, format!("chmod a+rx {}", quoted(at))))
    }

    fn file(&self, at: &Path, fd: &OwnedFd) -> Result<Verdict, Verdict> {
        let found = fstat(fd).map_err(|e| missing(at, e))?;
        if kind(&found) != SFlag::S_IFREG {
            let cure = format!("mv {} elsewhere", quoted(at));
            return Err(refused(at, &format!("is {}, not a regular file", kind_name(&found)), cure));
        }
        self.owner_of(at, &found)?;
        not_writable(at, &found)?;
        if found.st_mode & 0o6000 != 0 {
            let what = format!("is setuid or setgid (mode {:04o})", bits(&found));
            return Err(refused(at, &what, format!("chmod u-s,g-s {}", quoted(at))));
        }
        if !self.identity.may_execute(&found, fd) {
            let what = format!("is not executable by uid {} (mode {:04o})", self.identity.uid, bits(&found));
            return Err(refused(at, &what, format!("chmod a+rx {}", quoted(at))));
        }
        Ok(Verdict::Runs)
    }

    fn owner_of(&self, at: &Path, found: &FileStat) -> Result<(), Verdict> {
        if self.owner.accepts(found.st_uid) {
            return Ok(());
        }
        let unmapped = if found.st_uid == OVERFLOW_UID { ", which here may be an unmapped user" } else { "" };
        let what = format!("is owned by uid {}{unmapped}", found.st_uid);
        let how = if kind(found) == SFlag::S_IFLNK { "chown -h" } else { "chown" };
        Err(refused(at, &what, format!("{how} {} {}", self.owner.name(), quoted(at))))
    }
}

fn not_writable(at: &Path, found: &FileStat) -> Result<(), Verdict> {
    let writable = match found.st_mode & 0o022 {
        0 => return Ok(()),
        0o020 => "group",
        0o002 => "others",
        _ => "group and others",
    };
    let what = format!("is writable by {writable} (mode {:04o})", bits(found));
    Err(refused(at, &what, format!("chmod go-w {}", quoted(at))))
}

/// The default of /proc/sys/kernel/overflowuid (proc_sys_kernel(5)).
const OVERFLOW_UID: u32 = 65_534;

pub(super) fn kind(found: &FileStat) -> SFlag {
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

pub(super) fn refused(component: &Path, found: &str, cure: String) -> Verdict {
    Verdict::Refused { component: component.to_owned(), found: found.to_owned(), cure }
}

/// A component that cannot be opened or examined.
pub(super) fn missing(at: &Path, error: nix::Error) -> Verdict {
    let found = format!("cannot be examined: {}", io::Error::from(error));
    let cure = match (error, at.parent()) {
        (nix::Error::EACCES, Some(parent)) => format!("chmod a+rx {}", quoted(parent)),
        _ => format!("ls -ld {}", quoted(at)),
    };
    refused(at, &found, cure)
}

#[cfg(test)]
#[path = "trust_tests.rs"]
mod tests;
