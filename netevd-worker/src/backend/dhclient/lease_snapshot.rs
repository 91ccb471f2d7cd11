//! All lease files together: who has which lease now, and when that changes by itself. Pure.

use super::file::LeaseFile;
use crate::model::LinkLeases;
use protocol::{Family, InterfaceName};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// The leases that hold at one time.
#[derive(Debug, Default, PartialEq)]
pub(super) struct LeaseSnapshot {
    /// By interface; who has none is not here.
    pub(super) leases: BTreeMap<InterfaceName, LinkLeases>,
    /// When the first of them ends.
    pub(super) until: Option<SystemTime>,
}

/// Of several files that mention an interface, the one that was written last counts. A lease that
/// has ended is none, also where an older one would still hold: the client has lost it.
pub(super) fn snapshot(files: &BTreeMap<PathBuf, LeaseFile>, now: SystemTime) -> LeaseSnapshot {
    let mut newest = BTreeMap::new();
    let mut in_order: Vec<(&Path, &LeaseFile)> = files.iter().map(|(path, file)| (&**path, file)).collect();
    in_order.sort_by_key(|(path, file)| (file.modified, *path));
    for (_, file) in in_order {
        newest.extend(file.newest.iter());
    }
    let mut snapshot = LeaseSnapshot::default();
    for ((interface, family), lease) in newest {
        let Some(lease) = lease.as_ref().filter(|lease| lease.holds_at(now)) else { continue };
        let leases = snapshot.leases.entry(interface.clone()).or_default();
        match family {
            Family::V4 => leases.v4 = Some(Arc::clone(lease)),
            Family::V6 => leases.v6 = Some(Arc::clone(lease)),
        }
        snapshot.until = snapshot.until.into_iter().chain(lease.expires).min();
    }
    snapshot
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn file(written: u64, text: &str) -> LeaseFile {
        let mut newest = BTreeMap::new();
        crate::backend::dhclient::grammar::parse(text.as_bytes(), |block| {
            newest.insert((block.interface, block.family), block.lease.map(Arc::new));
        });
        LeaseFile { modified: at(written), newest, incomplete: false }
    }

    fn lease(link: &str, address: &str, expire: &str) -> String {
        format!("lease {{ interface \"{link}\"; fixed-address {address}; expire {expire}; }}\n")
    }

    fn lease6(link: &str, address: &str, starts: u64, life: u64) -> String {
        let address = format!("iaaddr {address} {{ starts {starts}; max-life {life}; }}");
        format!("lease6 {{ interface \"{link}\"; ia-na 1 {{ starts {starts}; {address} }} }}\n")
    }

    fn shown(files: &[(&str, LeaseFile)], now: u64) -> (String, Option<u64>) {
        let mut map = BTreeMap::new();
        for (path, file) in files {
            let file = LeaseFile { newest: file.newest.clone(), ..*file };
            map.insert(PathBuf::from(path), file);
        }
        let snapshot = snapshot(&map, at(now));
        let mut text = Vec::new();
        for (link, leases) in &snapshot.leases {
            let both = [&leases.v4, &leases.v6];
            text.extend(both.into_iter().flatten().map(|lease| format!("{link} {}", lease.address)));
        }
        let until = snapshot.until.and_then(|until| until.duration_since(UNIX_EPOCH).ok());
        (text.join(", "), until.map(|until| until.as_secs()))
    }

    #[test]
    fn leases_hold_until_they_end() {
        let text = lease("eth0", "192.0.2.1", "epoch 100") + &lease6("eth0", "2001:db8::1", 50, 20);
        let files = [("a", file(1, &(text + &lease("eth1", "192.0.2.2", "never"))))];
        for (now, expected) in [
            (69, ("eth0 192.0.2.1, eth0 2001:db8::1, eth1 192.0.2.2", Some(70))),
            (70, ("eth0 192.0.2.1, eth1 192.0.2.2", Some(100))),
            (100, ("eth1 192.0.2.2", None)),
        ] {
            let (text, until) = shown(&files, now);
            assert_eq!((&*text, until), expected, "at {now}");
        }
    }

    #[test]
    fn an_older_lease_does_not_come_back() {
        let text = lease("eth0", "192.0.2.1", "never") + &lease("eth0", "192.0.2.2", "epoch 100");
        assert_eq!(shown(&[("a", file(1, &text))], 99).0, "eth0 192.0.2.2");
        assert_eq!(shown(&[("a", file(1, &text))], 101).0, "");
    }

    #[test]
    fn the_file_that_was_written_last_counts() {
        let old = || file(1, &lease("eth0", "192.0.2.1", "never"));
        let new = || file(2, &lease("eth0", "192.0.2.2", "never"));
        assert_eq!(shown(&[("a", old()), ("b", new())], 9).0, "eth0 192.0.2.2");
        assert_eq!(shown(&[("a", new()), ("b", old())], 9).0, "eth0 192.0.2.2");
        let v6 = || file(3, &lease6("eth0", "2001:db8::1", 1, 99));
        assert_eq!(shown(&[("a", old()), ("b", v6())], 9).0, "eth0 192.0.2.1, eth0 2001:db8::1");
    }
}
