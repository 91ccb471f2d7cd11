//! One lease file: its end is read, and of each interface and family the newest block kept.

use super::grammar;
use crate::model::Lease;
use protocol::{Family, InterfaceName};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes that are read of a file, from its end; dhclient rewrites its file after 20 leases, so a
/// real one has a few kilobytes.
const MAX: u64 = 4 << 20;
/// Interfaces of one file that are remembered.
const MAX_LINKS: usize = 4096;

/// What a file says.
#[derive(Debug)]
pub(super) struct LeaseFile {
    /// When it was last written: of two files with leases for one interface, the later one counts.
    pub(super) modified: SystemTime,
    /// The last block of each interface and family; `None` where it takes the lease away.
    pub(super) newest: BTreeMap<(InterfaceName, Family), Option<Arc<Lease>>>,
    /// It was being written: there is more to come.
    pub(super) incomplete: bool,
}

impl LeaseFile {
    /// Reads a regular file. Does not wait, whatever the path is.
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let mut file =
            File::options().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
        let before = file.metadata()?;
        if !before.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut text = Vec::new();
        let skipped = before.len().saturating_sub(MAX);
        if skipped > 0 {
            file.seek(SeekFrom::Start(skipped))?;
        }
        (&mut file).take(MAX).read_to_end(&mut text)?;
        let after = file.metadata()?;
        let text = if skipped > 0 { from_first_block(&text) } else { &text[..] };
        let mut read = Self::parse(text, after.modified()?);
        let mark = |found: &std::fs::Metadata| (found.len(), found.mtime(), found.mtime_nsec());
        read.incomplete |= mark(&before) != mark(&after);
        Ok(read)
    }

    pub(super) fn parse(text: &[u8], modified: SystemTime) -> Self {
        let mut newest = BTreeMap::new();
        let parsed = grammar::parse(text, |block| {
            let key = (block.interface, block.family);
            if newest.len() < MAX_LINKS || newest.contains_key(&key) {
                newest.insert(key, block.lease.map(Arc::new));
            }
        });
        Self { modified, newest, incomplete: parsed.incomplete }
    }

    /// True if `newer`, the same file read later, does not mention a lease that holds at `now`. A
    /// file that is rewritten in place is seen so; dhclient itself ends a lease by saying that.
    pub(super) fn is_missed_in(&self, newer: &Self, now: SystemTime) -> bool {
        let holds = |lease: &Option<Arc<Lease>>| lease.as_ref().is_some_and(|lease| lease.holds_at(now));
        self.newest.iter().any(|(key, lease)| holds(lease) && !newer.newest.contains_key(key))
    }
}

/// From the first line on that begins a block; where a block was cut in two, quotes and braces
/// mean nothing.
fn from_first_block(text: &[u8]) -> &[u8] {
    let start = text.windows(6).position(|window| window == b"\nlease");
    start.and_then(|start| text.get(start..)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn block(link: &str, last: u8) -> String {
        format!(
            "lease {{\n  interface \"{link}\";\n  fixed-address 192.0.2.{last};\n  expire epoch 2000000000;\n}}\n"
        )
    }

    fn parse(text: &str) -> LeaseFile {
        LeaseFile::parse(text.as_bytes(), UNIX_EPOCH)
    }

    fn addresses(file: &LeaseFile) -> Vec<String> {
        let each = file.newest.iter().map(|((link, _), lease)| match lease {
            Some(lease) => format!("{link} {}", lease.address),
            None => format!("{link} none"),
        });
        each.collect()
    }

    #[test]
    fn the_last_block_of_an_interface_counts() {
        let text = block("eth0", 1) + &block("eth1", 2) + &block("eth0", 3);
        assert_eq!(addresses(&parse(&text)), ["eth0 192.0.2.3", "eth1 192.0.2.2"]);
        let text = text + &block("eth0", 3).replace("}", "released;}");
        assert_eq!(addresses(&parse(&text)), ["eth0 none", "eth1 192.0.2.2"]);
    }

    #[test]
    fn a_lease_that_is_no_longer_mentioned() {
        let now = UNIX_EPOCH + Duration::from_secs(1_999_999_999);
        let old = parse(&(block("eth0", 1) + &block("eth1", 2)));
        assert!(old.is_missed_in(&parse(&block("eth1", 2)), now));
        assert!(old.is_missed_in(&parse(""), now));
        assert!(!old.is_missed_in(&parse(&(block("eth1", 2) + &block("eth0", 9))), now));
        assert!(!old.is_missed_in(&parse(""), now + Duration::from_secs(2)), "they have ended");
        let released = block("eth1", 2) + &block("eth0", 1).replace("}", "released;}");
        assert!(!old.is_missed_in(&parse(&released), now));
    }

    #[test]
    fn of_a_file_too_large_the_end_is_read() {
        let path = std::env::temp_dir().join(format!("netevd-leases-{}", std::process::id()));
        let mut text = block("eth9", 9);
        // The cut falls into a comment that would open a block, and a string that it would close.
        text += "#\"{";
        text += &"\"{".repeat(2 << 20);
        text += "\n";
        text += &block("eth0", 1);
        std::fs::write(&path, &text).expect("writable");
        let read = LeaseFile::read(&path).expect("readable");
        std::fs::remove_file(&path).expect("there");
        assert_eq!(addresses(&read), ["eth0 192.0.2.1"]);
        assert!(!read.incomplete);
    }

    #[test]
    fn what_is_no_file_is_an_error() {
        assert!(LeaseFile::read(Path::new("/tmp")).is_err());
        assert!(LeaseFile::read(Path::new("/dev/zero")).is_err());
        assert!(LeaseFile::read(Path::new("/nonexistent/x.leases")).is_err());
    }
}
