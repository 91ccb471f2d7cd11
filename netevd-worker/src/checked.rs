//! The one way by which root's commands open what another user may have put there: the lock, the audit
//! log, the API's socket and token. No link is followed, nothing is waited for, and what was opened is
//! judged by its descriptor before anything is read. tests/doc_sync/io_boundary.rs sees that no other way is taken.
//!
//! Whose a file may be: root's, the caller's, or of the user whose directory it is in. In another
//! user's directory it must have one name, or that user could have linked somebody else's file there.

use nix::fcntl::OFlag;
use nix::libc;
use nix::unistd::geteuid;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// A regular file, for reading.
///
/// # Errors
/// The kernel's, or for people what was found there.
pub fn open(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().read(true))
}

/// The same, made if it is not there and written to: a lock.
///
/// # Errors
/// As [`open`].
pub fn open_or_make(path: &Path) -> io::Result<File> {
    regular(path, OpenOptions::new().read(true).write(true).create(true).mode(0o644))
}

/// The text of a file of at most this number of bytes.
///
/// # Errors
/// As [`open`], and when it is longer or not UTF-8.
pub fn read(path: &Path, most: u64) -> io::Result<String> {
    let mut text = String::new();
    let length = open(path)?.take(most + 1).read_to_string(&mut text)?;
    match u64::try_from(length) {
        Ok(length) if length <= most => Ok(text),
        _ => Err(io::Error::other(format!("it has more than {most} bytes"))),
    }
}

/// A directory, which is no link.
///
/// # Errors
/// As [`open`].
pub fn directory(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path);
    opened.map_err(|error| explained(path, error))
}

/// A socket, as something to connect to by `/proc/self/fd`: what is connected to is what was judged.
///
/// # Errors
/// As [`open`].
pub fn socket(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let found = opened.metadata()?;
    if !found.file_type().is_socket() {
        return Err(no(&found, "socket", path));
    }
    Ok(opened.into())
}

fn regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let opened = options.custom_flags(flags.bits()).open(path).map_err(|error| explained(path, error))?;
    let found = opened.metadata()?;
    if !found.is_file() {
        return Err(no(&found, "regular file", path));
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let (own, place) = (geteuid().as_raw(), fs::metadata(directory.unwrap_or(Path::new(".")))?.uid());
    if ![0, own, place].contains(&found.uid()) {
        let text = format!("it belongs to uid {}, and its directory to uid {place}", found.uid());
        return Err(io::Error::other(text));
    }
    if ![0, own].contains(&place) && found.nlink() != 1 {
        let text = format!("it has {} names, in a directory of uid {place}", found.nlink());
        return Err(io::Error::other(text));
    }
    Ok(opened)
}

/// What the kernel did not open for what it is.
fn explained(path: &Path, error: io::Error) -> io::Error {
    let odd = [libc::ELOOP, libc::ENXIO, libc::ENOTDIR, libc::EISDIR];
    match fs::symlink_metadata(path) {
        Ok(found) if error.raw_os_error().is_some_and(|number| odd.contains(&number)) => no(
            &found,
            if error.raw_os_error() == Some(libc::ENOTDIR) { "directory" } else { "regular file" },
            path,
        ),
        _ => error,
    }
}

fn no(found: &Metadata, wanted: &str, path: &Path) -> io::Error {
    let kind = found.file_type();
    let what = match kind {
        kind if kind.is_symlink() => {
            let target = fs::read_link(path).unwrap_or_default();
            return io::Error::other(format!(
                "it is a symbolic link to {:?} of uid {}, which is not followed",
                target,
                found.uid()
            ));
        }
        kind if kind.is_fifo() => "a named pipe",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_file() => "a file",
        _ => "a device",
    };
    io::Error::other(format!("it is {what} of uid {}, and no {wanted}", found.uid()))
}

#[cfg(test)]
#[path = "checked_tests.rs"]
mod tests;
