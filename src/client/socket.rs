//! Connects to the API's unix socket. Root is not led elsewhere: what it connects to is the socket that
//! stands there, in a directory where nobody else could have put another, and who listens is a daemon's
//! user.

use crate::identity;
use netevd_worker::checked;
use nix::sys::stat::fstat;
use nix::unistd::{Gid, Uid, setegid};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tokio::net::UnixStream;

/// The connection; whom root does not believe is an error for people.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    if !Uid::effective().is_root() {
        return UnixStream::connect(path).await;
    }
    let socket = checked::socket(path)?;
    let place = format!("/proc/self/fd/{}", socket.as_raw_fd());
    let stream = match UnixStream::connect(&place).await {
        // Root without CAP_DAC_OVERRIDE, as in a container, is nobody special to the socket. With CAP_SETGID
        // it connects as a member of the socket's group; the daemon sees uid 0 all the same.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            let Some(_membership) = EffectiveGroup::of(&socket) else { return Err(error) };
            UnixStream::connect(&place).await?
        }
        done => done?,
    };
    let peer = stream.peer_cred()?.uid();
    match check_owner(path, peer)? {
        None => Ok(stream),
        Some(why) => Err(io::Error::other(why)),
    }
}

/// Another effective group, until it is dropped.
#[derive(Debug)]
struct EffectiveGroup {
    before: Gid,
}

impl EffectiveGroup {
    /// The file's; `None` where that is not permitted.
    fn of(socket: &OwnedFd) -> Option<Self> {
        let before = Gid::effective();
        let group = fstat(socket).ok()?.st_gid;
        setegid(Gid::from_raw(group)).ok()?;
        Some(Self { before })
    }
}

impl Drop for EffectiveGroup {
    fn drop(&mut self) {
        // Always permitted: it is the real or the saved id.
        let _ = setegid(self.before);
    }
}

/// Why the listener there is not believed. Of the socket it is the uid that called listen(2).
fn check_owner(path: &Path, peer: u32) -> io::Result<Option<String>> {
    if peer == Uid::effective().as_raw() {
        return Ok(None);
    }
    let mut above = path.ancestors().skip(1);
    let directory = above.next().unwrap_or(Path::new("/"));
    let found = std::fs::metadata(directory)?;
    let (owner, mode) = (found.uid(), found.mode());
    if mode & 0o022 != 0 || ![0, peer].contains(&owner) {
        return Ok(Some(format!(
            "uid {peer} listens there, in {} of uid {owner} with mode {:04o}, where others can put a socket",
            directory.display(),
            mode & 0o7777
        )));
    }
    if owner == peer && !identity::is_of_a_daemon(peer) {
        // Then the directory says who the daemon's user is, and only root may have given it away.
        for place in above {
            let found = std::fs::metadata(place)?;
            if found.uid() != 0 || found.mode() & 0o022 != 0 {
                return Ok(Some(format!(
                    "uid {peer} listens there, which is neither root nor a daemon's user: {} is not root's alone",
                    place.display()
                )));
            }
        }
    } else if owner != peer && !identity::is_of_a_daemon(peer) {
        return Ok(Some(format!("uid {peer} listens there, which is neither root nor a daemon's user")));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, chown};

    #[test]
    fn who_listens_is_believed_by_the_directory_that_root_gave() {
        if !Uid::effective().is_root() {
            assert!(std::env::var_os("NETEVD_TEST_REQUIRE").is_none(), "it is about root");
            eprintln!("SKIPPED: it is about root");
            return;
        }
        let place = std::env::temp_dir().join(format!("netevd-vouch-{}", std::process::id()));
        fs::create_dir(&place).expect("a new directory");
        let socket = place.join("api.sock");
        let said = |peer| check_owner(&socket, peer).expect("readable");
        let stranger = 54_321;
        assert_eq!(said(0), None);
        assert!(said(stranger).is_some_and(|why| why.contains("neither root nor")));
        // An id that root alone can take.
        assert_eq!(said(61_001), None);
        chown(&place, Some(stranger), None).expect("given away");
        // Below /tmp anybody could have made it.
        assert!(
            said(stranger).is_some_and(|why| why.contains("is not root's alone")),
            "{:?}",
            said(stranger)
        );
        assert!(said(61_001).is_some_and(|why| why.contains("others can put a socket")));
        chown(&place, Some(61_001), None).expect("given away");
        assert_eq!(said(61_001), None);
        fs::set_permissions(&place, Permissions::from_mode(0o777)).expect("mode");
        assert!(said(61_001).is_some_and(|why| why.contains("mode 0777")));
        fs::remove_dir_all(&place).expect("removed");
    }
}
