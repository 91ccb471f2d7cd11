//! Connects to the API's unix socket, which is its user's and its group's alone.

use nix::unistd::{Gid, Uid, setegid};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tokio::net::UnixStream;

/// Root without CAP_DAC_OVERRIDE, as in a container, is nobody special to the socket. With CAP_SETGID it
/// connects as a member of the socket's group; the daemon sees uid 0 all the same.
pub(super) async fn connect(path: &Path) -> io::Result<UnixStream> {
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && Uid::effective().is_root() => {
            let Some(_membership) = EffectiveGroup::of(path) else { return Err(error) };
            UnixStream::connect(path).await
        }
        done => done,
    }
}

/// Another effective group, until it is dropped.
#[derive(Debug)]
struct EffectiveGroup {
    before: Gid,
}

impl EffectiveGroup {
    /// The file's; `None` where that is not permitted.
    fn of(path: &Path) -> Option<Self> {
        let before = Gid::effective();
        let group = std::fs::metadata(path).ok()?.gid();
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
