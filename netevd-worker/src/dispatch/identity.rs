//! As whom a script runs, and what that user may execute: mode bits, and the access list of a file that has
//! one, acl(5).

use super::trust::kind;
use nix::sys::stat::{FileStat, SFlag};
use std::os::fd::OwnedFd;

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
    pub(super) fn may_execute(&self, found: &FileStat, file: &OwnedFd) -> bool {
        let mode = found.st_mode;
        if self.uid == 0 {
            return kind(found) == SFlag::S_IFDIR || mode & 0o111 != 0;
        }
        if found.st_uid == self.uid {
            return mode & 0o100 != 0;
        }
        // With a list the group bits are its mask: without the bit in there nobody on it may execute.
        let list = if mode & 0o010 == 0 { None } else { crate::sys::access_list(file) };
        if let Some(may) = list.and_then(|list| self.is_permitted(&list)) {
            return may;
        }
        if self.gids.contains(&found.st_gid) { mode & 0o010 != 0 } else { mode & 0o001 != 0 }
    }

    /// By an access list as the kernel hands it out (include/uapi/linux/posix_acl_xattr.h): the entry of the
    /// user counts, else those of its groups, else that of the others. `None` for what is none.
    fn is_permitted(&self, list: &[u8]) -> Option<bool> {
        let (version, entries) = list.split_at_checked(4)?;
        if version != 2_u32.to_le_bytes() || entries.len() % 8 != 0 {
            return None;
        }
        let (mut user, mut groups, mut mask, mut others) = (None, None, true, false);
        // The owning group's entry has no number; whoever is in that group is judged by the mode bits.
        for entry in entries.chunks_exact(8) {
            let [tag_low, tag_high, low, high, id @ ..] = entry else { return None };
            let tag = u16::from_le_bytes([*tag_low, *tag_high]);
            let executes = u16::from_le_bytes([*low, *high]) & 1 != 0;
            let id = u32::from_le_bytes(id.try_into().ok()?);
            match tag {
                USER if id == self.uid => user = Some(executes),
                GROUP if self.gids.contains(&id) => groups = Some(groups.unwrap_or(false) || executes),
                MASK => mask = executes,
                OTHER => others = executes,
                _ => {}
            }
        }
        Some(user.or(groups).map_or(others, |executes| executes && mask))
    }
}

const USER: u16 = 0x02;
const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;

#[cfg(test)]
mod tests {
    use super::*;

    fn list(entries: &[(u16, u16, u32)]) -> Vec<u8> {
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, permissions, id) in entries {
            list.extend([tag.to_le_bytes(), permissions.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        list
    }

    #[test]
    fn the_most_specific_entry_counts_within_the_mask() {
        let identity = Identity { uid: 970, gids: vec![970, 44] };
        let (any, rx, rw) = (u32::MAX, 5, 6);
        for (entries, may) in [
            (&[(0x01, 7, any), (0x02, rx, 970), (0x04, 0, any), (0x10, rx, any), (0x20, 0, any)][..], true),
            // The mask takes it away; another user's entry gives nothing.
            (&[(0x01, 7, any), (0x02, rx, 970), (0x04, 0, any), (0x10, rw, any), (0x20, rx, any)], false),
            (&[(0x01, 7, any), (0x02, rx, 971), (0x04, 0, any), (0x10, rx, any), (0x20, 0, any)], false),
            // The user's own entry forbids what the others may.
            (&[(0x01, 7, any), (0x02, rw, 970), (0x04, 0, any), (0x10, 7, any), (0x20, rx, any)], false),
            // Any group that permits is enough.
            (&[(0x08, rw, 970), (0x08, rx, 44), (0x10, 7, any), (0x20, 0, any)], true),
            (&[(0x08, rw, 44), (0x10, 7, any), (0x20, rx, any)], false),
            (&[(0x08, rx, 45), (0x10, 7, any), (0x20, 0, any)], false),
            (&[(0x10, 7, any), (0x20, rx, any)], true),
        ] {
            assert_eq!(identity.is_permitted(&list(entries)), Some(may), "{entries:?}");
        }
        for broken in [&b""[..], b"\x03\0\0\0", b"\x02\0\0\0\x01"] {
            assert_eq!(identity.is_permitted(broken), None);
        }
    }
}
