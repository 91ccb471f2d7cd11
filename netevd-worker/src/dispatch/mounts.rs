//! Which paths lie on a file system that may not answer: one whose files come from another machine, or from a
//! process (proc_pid_mountinfo(5)).
//!
//! A look at such a path can put the caller into an uninterruptible sleep for as long as the server is
//! gone. So nothing here looks at one: components are followed from `/`, and the walk ends where such a
//! file system begins. The root file system counts as one that answers: the program itself is there.

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Component, Path, PathBuf};

/// Types of file systems whose files come from elsewhere; every `fuse.*` is one too.
const REMOTE_TYPES: [&str; 19] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "9p",
    "afs",
    "ceph",
    "coda",
    "fuse",
    "autofs",
    "glusterfs",
    "lustre",
    "orangefs",
    "ocfs2",
    "gfs2",
    "beegfs",
    "virtiofs",
    "ncpfs",
];
/// More links than this on the way are none that the kernel follows, path_resolution(7).
const LINKS_MAX: usize = 40;

/// The mounts that may not answer, as the kernel has them now.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// `None` where /proc does not have it: then every file system is taken for one that answers.
    table: Option<File>,
    remote_fs: Vec<(PathBuf, String)>,
}

impl Mounts {
    /// Reads the table.
    pub(super) fn new() -> Self {
        let mut mounts = Self { table: File::open("/proc/self/mountinfo").ok(), remote_fs: Vec::new() };
        mounts.read();
        mounts
    }

    /// One that there is.
    #[cfg(test)]
    pub(super) fn of(point: &str, kind: &str) -> Self {
        Self { table: None, remote_fs: vec![(point.into(), kind.to_owned())] }
    }

    /// The mount point and the type of the file system that may keep a look at this path waiting.
    pub(super) fn remote_fs(&mut self, path: &Path) -> Option<(PathBuf, String)> {
        if self.has_changed() {
            self.read();
        }
        if self.remote_fs.is_empty() {
            return None;
        }
        let mut left: Vec<OsString> = names(path);
        left.reverse();
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        while let Some(name) = left.pop() {
            if name == ".." {
                at.pop();
                continue;
            }
            at.push(name);
            if let Some(found) = self.remote_fs.iter().find(|(point, _)| *point == at) {
                return Some(found.clone());
            }
            if let Ok(target) = std::fs::read_link(&at) {
                links += 1;
                if links > LINKS_MAX {
                    return None;
                }
                if target.is_absolute() {
                    at = PathBuf::from("/");
                } else {
                    at.pop();
                }
                left.extend(names(&target).into_iter().rev());
            }
        }
        None
    }

    /// The kernel says so by POLLPRI, until the table is read.
    fn has_changed(&self) -> bool {
        let Some(table) = &self.table else { return false };
        let mut polled = [PollFd::new(table.as_fd(), PollFlags::POLLPRI)];
        poll(&mut polled, PollTimeout::ZERO).is_ok_and(|changed| changed > 0)
    }

    fn read(&mut self) {
        let Some(table) = &mut self.table else { return };
        let mut text = Vec::new();
        if table.rewind().and_then(|()| table.read_to_end(&mut text)).is_ok() {
            self.remote_fs = remote_mounts(&text);
        }
    }
}

/// The names of a path, `.` left out.
fn names(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

/// `36 35 98:0 /root /point rw,noatime master:1 - type source options`. Of several mounts on one point
/// the last one counts.
fn remote_mounts(table: &[u8]) -> Vec<(PathBuf, String)> {
    let mut all: Vec<(PathBuf, String)> = Vec::new();
    for line in table.split(|byte| *byte == b'\n') {
        let words: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
        let kind = words.iter().position(|word| *word == b"-").and_then(|dash| words.get(dash + 1));
        let (Some(point), Some(kind)) = (words.get(4), kind) else { continue };
        let point = PathBuf::from(OsString::from_vec(unescaped(point)));
        all.retain(|(other, _)| *other != point);
        all.push((point, String::from_utf8_lossy(kind).into_owned()));
    }
    all.retain(|(point, kind)| {
        point != Path::new("/") && (REMOTE_TYPES.contains(&kind.as_str()) || kind.starts_with("fuse."))
    });
    all
}

/// Space, tab, line feed and backslash are written as three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = word;
    while let Some((first, after)) = rest.split_first() {
        let digits = (*first == b'\\').then(|| after.get(..3)).flatten();
        let byte = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                rest = after;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_table_is_read_as_it_is_written() {
        let table = b"22 1 8:1 / / rw - fuse.root x rw\n\
            30 22 0:40 / /usr/local rw,relatime shared:1 - nfs4 server:/export rw\n\
            31 22 0:41 / /mnt/two\\040words rw - fuse.sshfs x rw\n\
            32 22 0:42 / /home rw - nfs server:/home rw\n\
            33 22 0:43 / /home rw - ext4 /dev/sda3 rw\n\
            broken\n";
        let expected = [("/usr/local", "nfs4"), ("/mnt/two words", "fuse.sshfs")];
        let expected: Vec<_> = expected.map(|(point, kind)| (point.into(), kind.to_owned())).into();
        assert_eq!(remote_mounts(table), expected);
    }

    #[test]
    fn links_on_the_way_are_followed_and_far_files_are_not_looked_at() {
        let base = std::env::temp_dir().join(format!("netevd-mounts-{}", std::process::id()));
        std::fs::create_dir_all(base.join("near")).expect("writable");
        symlink(base.join("far/below"), base.join("absolute")).expect("writable");
        symlink("near/../far", base.join("relative")).expect("writable");
        symlink("loop", base.join("loop")).expect("writable");
        let point = base.join("far");
        let mut mounts = Mounts { table: None, remote_fs: vec![(point.clone(), "nfs".to_owned())] };
        for (path, is_far) in [
            ("far", true),
            ("far/netevd/routable.d", true),
            ("absolute/routable.d", true),
            ("relative/x", true),
            ("near/x", false),
            ("farther", false),
            ("loop/x", false),
        ] {
            let found = mounts.remote_fs(&base.join(path)).map(|(point, _)| point);
            assert_eq!(found, is_far.then(|| point.clone()), "{path}");
        }
        std::fs::remove_dir_all(&base).expect("there");
    }
}
