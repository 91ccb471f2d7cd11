//! The way from `/` to a script, one name after the other, each opened in the directory before it.

use super::trust::{Verdict, missing};
use nix::fcntl::{AT_FDCWD, OFlag, openat};
use nix::sys::stat::Mode;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

/// The names of an absolute path without `..`, the first one last.
pub(super) fn plain_names(path: &Path) -> Option<Vec<OsString>> {
    let mut names =
        path.is_absolute().then(|| names_of(path)).filter(|names| !names.iter().any(|name| name == ".."))?;
    names.reverse();
    Some(names)
}

pub(super) fn names_of(path: &Path) -> Vec<OsString> {
    let name = |component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}

/// The directories from `/` to where the walk has got.
pub(super) struct PathWalk {
    pub(super) at: PathBuf,
    directories: Vec<OwnedFd>,
    root: OwnedFd,
}

impl PathWalk {
    pub(super) fn root() -> nix::Result<Self> {
        let root = openat(AT_FDCWD, "/", directory_flags(), Mode::empty())?;
        Ok(Self { at: PathBuf::from("/"), directories: Vec::new(), root })
    }

    pub(super) fn last(&self) -> &OwnedFd {
        self.directories.last().unwrap_or(&self.root)
    }

    pub(super) fn open_next(&self, name: &OsStr) -> Result<OwnedFd, Verdict> {
        openat(self.last().as_fd(), name, directory_flags(), Mode::empty())
            .map_err(|e| missing(&self.at.join(name), e))
    }

    pub(super) fn enter(&mut self, at: PathBuf, directory: OwnedFd) {
        self.at = at;
        self.directories.push(directory);
    }

    pub(super) fn leave(&mut self) {
        self.at.pop();
        self.directories.pop();
    }
}

fn directory_flags() -> OFlag {
    OFlag::O_PATH | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}
