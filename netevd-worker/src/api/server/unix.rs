//! The unix socket: never open to more than its mode and group say, not even while it is made.

use crate::accounts;
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, chown, getegid};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The worker's user and the group.
const MODE: u32 = 0o660;
const BACKLOG: i32 = 128;

/// Listens at `path`, in the place of a socket that an earlier life left there. The worker's lock
/// keeps two lives apart.
pub(super) fn open(path: &Path, group: &str) -> Result<UnixListener, String> {
    make(path, group).map_err(|error| {
        format!(
            "the API does not listen at {}: {error}; is the directory there, and the daemon's?",
            path.display()
        )
    })
}

fn make(path: &Path, group: &str) -> io::Result<UnixListener> {
    let aside = aside(path);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    // bind(2) makes the file with the mode of the socket's own inode, less the umask.
    fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
    bind(socket.as_raw_fd(), &UnixAddr::new(&aside)?)?;
    hand_over(&aside, group)?;
    listen(&socket, Backlog::new(BACKLOG)?)?;
    // Whoever connects finds the old socket or the new one.
    fs::rename(&aside, path)?;
    UnixListener::from_std(StdListener::from(socket))
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("sock.new")
}

/// Gives it its group and its mode, in this order.
pub(super) fn hand_over(path: &Path, group: &str) -> io::Result<()> {
    let own = getegid();
    let gid = group_for(group).filter(|gid| *gid == own || may_give(path, *gid, group)).unwrap_or(own);
    if fs::symlink_metadata(path)?.gid() != gid.as_raw() {
        chown(path, None, Some(gid))?;
    }
    fs::set_permissions(path, Permissions::from_mode(MODE))
}

fn group_for(group: &str) -> Option<Gid> {
    match accounts::group(group) {
        Ok(Some(gid)) => Some(Gid::from_raw(gid)),
        Ok(None) => {
            tracing::info!(
                "there is no group {group} (api.socket_group): the API's socket has the daemon's own"
            );
            None
        }
        Err(error) => {
            tracing::warn!("group {group} (api.socket_group) cannot be looked up: {error}");
            None
        }
    }
}

/// Tries it: only members of a group may give it a file.
fn may_give(path: &Path, gid: Gid, group: &str) -> bool {
    chown(path, None, Some(gid))
        .inspect_err(|error| {
            tracing::warn!(
                "the API's socket cannot be given to group {group} (api.socket_group): {error}; it has the \
             daemon's own group. To fix it, make the daemon's user a member: usermod -aG {group} USER"
            );
        })
        .is_ok()
}
