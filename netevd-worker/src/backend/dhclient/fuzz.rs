//! What holds of any bytes that are read as a lease file.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

use super::file::LeaseFile;
use super::grammar::{Block, parse};
use crate::model::{Lease, LinkLeases};
use protocol::Family;
use std::time::SystemTime;

/// Checks the bytes as a file, and gives the leases that it tells of, of any interface.
pub(crate) fn leases(bytes: &[u8]) -> LinkLeases {
    let all = blocks(bytes);
    // A file is met half written: what is complete in its beginning means the same later on.
    let half = blocks(&bytes[..bytes.len() / 2]);
    assert_eq!(half, all[..half.len()], "the beginning of a file tells of other leases than the file");
    all.iter().filter_map(|block| block.lease.as_ref()).for_each(check);

    let file = LeaseFile::parse(bytes, SystemTime::UNIX_EPOCH);
    assert!(file.newest.len() <= all.len());
    assert!(!file.is_missed_in(&file, SystemTime::UNIX_EPOCH));
    let newest = |family| {
        let found = file.newest.iter().filter(|((_, of), _)| *of == family);
        found.filter_map(|(_, lease)| lease.clone()).next_back()
    };
    LinkLeases { v4: newest(Family::V4), v6: newest(Family::V6) }
}

fn blocks(bytes: &[u8]) -> Vec<Block> {
    let mut blocks = Vec::new();
    parse(bytes, |block| blocks.push(block));
    blocks
}

fn check(lease: &Lease) {
    let longest = if lease.address.is_ipv4() { 32 } else { 128 };
    assert!(lease.prefix_length.is_none_or(|length| length <= longest), "{lease:?}");
    assert!(lease.gateway().is_none_or(|gateway| lease.routes.is_empty() || !gateway.is_unspecified()));
    assert!(lease.routes.iter().all(|(_, length, _)| *length <= 32), "{lease:?}");
    // It outlives a restart in the file of the state.
    let text = serde_json::to_vec(lease).expect("a lease is written");
    let read: Lease = serde_json::from_slice(&text).expect("and read");
    assert_eq!(read, *lease);
    assert_eq!(read.expires, lease.expires);
}
