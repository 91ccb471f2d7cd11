//! networkd's directory `/run/systemd/netif`: its files read, and word of those that change.

use super::file;
use super::link::Files;
use crate::sys;
use inotify::{EventMask, Inotify, WatchMask};
use protocol::Ifindex;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::io::unix::AsyncFd;

/// A file is read up to here.
const MAX_LENGTH: u64 = 64 << 10;
/// Nearly every file fits, and so is read at once.
const USUAL: usize = 2048;

/// Where networkd keeps its files.
#[derive(Clone, Debug)]
pub(super) struct StateDirectory(PathBuf);

/// Files that changed.
#[derive(Debug)]
pub(super) enum Changed {
    /// Those of these links.
    Links(BTreeSet<Ifindex>),
    /// Perhaps any: the kernel's queue was full.
    Any,
}

impl StateDirectory {
    pub(super) fn system() -> Self {
        Self(PathBuf::from("/run/systemd/netif"))
    }

    #[cfg(test)]
    pub(super) fn at(directory: PathBuf) -> Self {
        Self(directory)
    }

    /// What the files of a link say now; `None` without a state file. A few microseconds: both are
    /// small and in memory.
    pub(super) fn read(&self, ifindex: Ifindex) -> Option<Files> {
        let link = file::parse(&self.bytes("links", ifindex)?);
        let lease = if link.lease { self.bytes("leases", ifindex) } else { None };
        let router = lease.as_deref().and_then(file::router);
        let lease = lease.as_deref().and_then(file::lease).map(Arc::new);
        Some(Files { link, router, lease })
    }

    fn bytes(&self, directory: &str, ifindex: Ifindex) -> Option<Vec<u8>> {
        let path = self.0.join(directory).join(ifindex.get().to_string());
        let mut bytes = Vec::with_capacity(USUAL);
        File::open(path).ok()?.take(MAX_LENGTH).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Word of changed state files. networkd writes a new file and renames it.
pub(super) struct Watch {
    inotify: Inotify,
    readable: AsyncFd<OwnedFd>,
}

impl Watch {
    /// From now on.
    ///
    /// # Errors
    /// When the directory is not there, or the user's inotify instances are used up.
    pub(super) fn new(place: &StateDirectory) -> io::Result<Self> {
        let inotify = Inotify::init()?;
        inotify.watches().add(place.0.join("links"), WatchMask::MOVED_TO)?;
        let readable = sys::watch_readable(inotify.as_fd().try_clone_to_owned()?)?;
        Ok(Self { inotify, readable })
    }

    /// The next changes.
    ///
    /// # Errors
    /// When the kernel does not tell any more.
    pub(super) async fn changed(&mut self) -> io::Result<Changed> {
        loop {
            let mut ready = self.readable.readable().await?;
            let mut buffer = [0; 4096];
            let events = match self.inotify.read_events(&mut buffer) {
                Ok(events) => events,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    continue;
                }
                Err(error) => return Err(error),
            };
            let mut links = BTreeSet::new();
            for event in events {
                if event.mask.contains(EventMask::Q_OVERFLOW) {
                    return Ok(Changed::Any);
                }
                let number = event.name.and_then(|name| name.to_str()?.parse::<u32>().ok());
                links.extend(number.and_then(|number| Ifindex::try_from(number).ok()));
            }
            return Ok(Changed::Links(links));
        }
    }
}
