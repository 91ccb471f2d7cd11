//! Notices that the directories of one kind of event may have got or lost a script: inotify(7).
//!
//! For kinds of which the kernel is asked to be silent while nobody listens. It does not look at
//! files: [`super::Dispatcher::wanted`] does.

use super::ScriptRoots;
use super::mounts::Mounts;
use crate::model::EventKind;
use inotify::{Inotify, WatchMask};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Room for some 15 events at a read, which are not told apart; the kernel keeps the rest.
const BUFFER: usize = 1024;

/// Open eyes.
pub struct DirectoryWatch {
    inotify: Inotify,
    /// The same open file, for readiness.
    ready: AsyncFd<OwnedFd>,
    directories: Vec<PathBuf>,
    mounts: Mounts,
    buffer: Vec<u8>,
}

impl DirectoryWatch {
    /// Watches the directories of a kind, there or not. Fails where any of them cannot be watched: then
    /// nothing follows from silence. Needs a tokio runtime.
    pub fn new(roots: &ScriptRoots, kind: EventKind) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        let ready = crate::sys::watch_readable(inotify.as_fd().try_clone_to_owned()?)?;
        let directories = roots.directories(kind).collect();
        let mut watch = Self { inotify, ready, directories, mounts: Mounts::new(), buffer: vec![0; BUFFER] };
        watch.arm()?;
        Ok(watch)
    }

    /// Waits until something has happened to them. Cancel-safe. After an error it is of no use.
    pub async fn changed(&mut self) -> io::Result<()> {
        loop {
            let mut ready = self.ready.readable().await?;
            let mut seen = false;
            loop {
                match self.inotify.read_events(&mut self.buffer) {
                    Ok(_) => seen = true,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            ready.clear_ready();
            if seen {
                // What was made, moved or taken away may itself be to watch.
                return self.arm();
            }
        }
    }

    fn arm(&mut self) -> io::Result<()> {
        if let Some((point, kind)) =
            self.directories.iter().find_map(|directory| self.mounts.remote_fs(directory))
        {
            return Err(io::Error::other(format!("{} is of {kind}, not on this machine", point.display())));
        }
        self.directories.iter().try_for_each(|directory| self.watch(directory))
    }

    /// From the root of the file system down. What is missing is waited for in the directory above it:
    /// that is watched before a second look, so nothing is made unseen in between.
    fn watch(&self, directory: &Path) -> io::Result<()> {
        let itself = WatchMask::MOVE_SELF | WatchMask::DELETE_SELF;
        let names = WatchMask::CREATE | WatchMask::MOVE | WatchMask::DELETE;
        let mut way: Vec<&Path> = directory.ancestors().collect();
        way.reverse();
        let mut above = None;
        for path in way {
            if !self.add(path, itself)? {
                let Some(above) = above else { return Ok(()) };
                self.add(above, names)?;
                if !self.add(path, itself)? {
                    return Ok(());
                }
            }
            above = Some(path);
        }
        // The name itself may be a link that comes to lead elsewhere.
        directory.parent().map_or(Ok(true), |parent| self.add(parent, names))?;
        self.add(directory, names).map(drop)
    }

    /// False when there is no such directory.
    fn add(&self, path: &Path, mask: WatchMask) -> io::Result<bool> {
        match self.inotify.watches().add(path, mask | WatchMask::ONLYDIR | WatchMask::MASK_ADD) {
            Ok(_) => Ok(true),
            Err(error) if [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory].contains(&error.kind()) => {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::time::Duration;

    /// Whether it notices anything; a guard ends the wait for what does not come.
    async fn notices(watch: &mut DirectoryWatch) -> bool {
        tokio::time::timeout(Duration::from_secs(60), watch.changed()).await.is_ok_and(|seen| seen.is_ok())
    }

    async fn is_silent(watch: &mut DirectoryWatch) -> bool {
        tokio::time::timeout(Duration::from_millis(20), watch.changed()).await.is_err()
    }

    #[tokio::test]
    async fn directories_that_come_and_go_are_noticed() {
        let base = std::env::temp_dir().join(format!("netevd-watch-{}", std::process::id()));
        fs::create_dir_all(&base).expect("writable");
        let root = base.join("etc/netevd");
        let mut watch = DirectoryWatch::new(&ScriptRoots::new([&root]), EventKind::Routes).expect("watched");
        assert!(is_silent(&mut watch).await);
        let directory = root.join("routes.d");
        // Step by step, and each step is noticed.
        for path in [base.join("etc"), root.clone(), directory.clone()] {
            fs::create_dir(path).expect("writable");
            assert!(notices(&mut watch).await);
        }
        fs::write(directory.join("10-a"), "").expect("writable");
        assert!(notices(&mut watch).await, "a script");
        fs::rename(directory.join("10-a"), directory.join("20-b")).expect("there");
        assert!(notices(&mut watch).await, "another name");
        fs::remove_file(directory.join("20-b")).expect("there");
        assert!(notices(&mut watch).await, "none any more");
        let aside = base.join("aside");
        fs::rename(base.join("etc"), &aside).expect("there");
        assert!(notices(&mut watch).await, "moved away with all above it");
        fs::create_dir_all(&directory).expect("writable");
        assert!(notices(&mut watch).await, "another one in its place");
        while !is_silent(&mut watch).await {}
        fs::write(directory.join("10-a"), "").expect("writable");
        assert!(notices(&mut watch).await, "a script in the other one");
        fs::remove_dir_all(&base).expect("there");
    }

    #[tokio::test]
    async fn a_link_that_leads_elsewhere_is_noticed() {
        let base = std::env::temp_dir().join(format!("netevd-watch-link-{}", std::process::id()));
        let (one, two, root) = (base.join("one"), base.join("two"), base.join("netevd"));
        for path in [&one, &two, &root] {
            fs::create_dir_all(path).expect("writable");
        }
        let link = root.join("routes.d");
        std::os::unix::fs::symlink(&one, &link).expect("writable");
        let mut watch = DirectoryWatch::new(&ScriptRoots::new([&root]), EventKind::Routes).expect("watched");
        fs::write(one.join("10-a"), "").expect("writable");
        assert!(notices(&mut watch).await);
        let new = root.join("new");
        std::os::unix::fs::symlink(&two, &new).expect("writable");
        fs::rename(new, link).expect("writable");
        assert!(notices(&mut watch).await);
        while !is_silent(&mut watch).await {}
        fs::write(two.join("10-a"), "").expect("writable");
        assert!(notices(&mut watch).await);
        fs::remove_dir_all(&base).expect("there");
    }
}
