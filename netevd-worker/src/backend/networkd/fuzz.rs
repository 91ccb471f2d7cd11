//! What holds of any bytes that networkd's files, paths and messages may consist of.
#![allow(clippy::expect_used, clippy::panic, reason = "a broken promise has to end the run")]

use super::{changes, describe, file, link::Files, link_table::LinkTable, path};
use crate::backend::LinkReport;
use std::time::{Duration, Instant};
use zbus::Message;

/// Reads the bytes as a link's state file, as its lease file, as a description and as a path.
pub(crate) fn files(bytes: &[u8]) -> Vec<LinkReport> {
    let link = file::parse(bytes);
    assert!(link.dns.len() <= 256 && link.domains.len() <= 256 && link.ntp.len() <= 256);
    let router = file::router(bytes);
    let lease = file::lease(bytes).map(std::sync::Arc::new);
    assert!(router.is_none_or(|router| !router.is_unspecified()));
    let text = String::from_utf8_lossy(bytes);
    let described = describe::parse(&text);
    for (_, value) in described.iter().flatten() {
        assert!(!value.is_empty());
    }
    if let Some(ifindex) = path::link_of(&text) {
        assert_eq!(path::link_of(&path::path_of(ifindex)), Some(ifindex));
    }

    // As the session does: a signal, the files beside it, the description after it.
    let (ifindex, now) = (protocol::Ifindex::try_from(2).expect("valid"), Instant::now());
    let mut table = LinkTable::default();
    let word = |text: &Option<String>, name: &str| text.clone().map(|text| (name.to_owned(), Some(text)));
    let properties =
        [word(&link.operational, "OperationalState"), word(&link.administrative, "AdministrativeState")];
    let reported = changes::of_link(&properties.into_iter().flatten().collect(), &[]);
    table.receive(ifindex, 1, reported, Some(Files { link, router, lease }), now);
    table.described(ifindex, described, now);
    drain(&mut table, now)
}

/// Understands a message as a signal about a link, about the host, and as an answer.
pub(crate) fn message(message: &Message) -> Vec<LinkReport> {
    let (mut table, now) = (LinkTable::default(), Instant::now());
    let body = message.body();
    if let Ok((_, properties, invalidated)) = changes::of_signal(&body) {
        let host = changes::of_host(&properties, &invalidated);
        let link = changes::of_link(&properties, &invalidated);
        assert!(link.faults.iter().chain(&host.faults).all(|text| !text.chars().any(char::is_control)));
        let ifindex = message.header().path().and_then(|path| path::link_of(path.as_str()));
        if let Some(ifindex) = ifindex {
            table.receive(ifindex, message.primary_header().serial_num().get(), link, None, now);
        }
    }
    if let Ok(properties) = changes::of_answer(&body) {
        changes::of_host(&properties, &[]);
        changes::of_link(&properties, &[]);
    }
    let text: &str = body.deserialize().unwrap_or_default();
    describe::parse(text);
    drain(&mut table, now)
}

/// Every report, at the latest when nothing more is waited for.
fn drain(table: &mut LinkTable, now: Instant) -> Vec<LinkReport> {
    let late = now + Duration::from_secs(10);
    table.tick(late);
    assert!(table.deadline().is_none_or(|deadline| deadline > late), "a report waits forever");
    std::iter::from_fn(|| table.next()).collect()
}
