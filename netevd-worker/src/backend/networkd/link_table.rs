//! All of networkd's links and the reports that are ready. Pure: what was read comes in with the
//! time of it, reports come out in order.
//!
//! A signal decides; files and descriptions only go with it. A report of a state waits for them,
//! 20 ms for the file and 250 ms from the link's first sight for the description, and never longer
//! than until the next message about the same link. Reports of other links pass it.

use super::changes::Changes;
use super::link::{Files, Link};
use crate::backend::LinkReport;
use protocol::Ifindex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

/// Links beyond this number are not told of.
const MAX: usize = 8192;

/// The book of links.
#[derive(Debug, Default)]
pub(super) struct LinkTable {
    links: BTreeMap<Ifindex, Link>,
    waiting: BTreeSet<Ifindex>,
    ready: VecDeque<LinkReport>,
}

impl LinkTable {
    /// networkd said this of a link, in its message of this number; `files` as they are now. A
    /// message older than what is known changes nothing. True when the link is new here.
    pub(super) fn receive(
        &mut self,
        ifindex: Ifindex,
        serial: u32,
        changes: Changes,
        files: Option<Files>,
        now: Instant,
    ) -> bool {
        let new = !self.links.contains_key(&ifindex);
        if new && self.links.len() >= MAX {
            return false;
        }
        let link = self.links.entry(ifindex).or_insert_with(|| Link::new(now));
        if !link.advances(serial) {
            return new;
        }
        // What waited goes before what came, as it is.
        self.ready.extend(link.release());
        self.ready.extend(link.receive(ifindex, changes, files, now));
        self.flush(ifindex, now);
        new
    }

    /// The files of a link changed.
    pub(super) fn files_changed(&mut self, ifindex: Ifindex, files: Option<Files>, now: Instant) {
        if let Some(link) = self.links.get_mut(&ifindex) {
            link.files_changed(files);
            self.flush(ifindex, now);
        }
    }

    /// A link was described, or could not be.
    pub(super) fn described(
        &mut self,
        ifindex: Ifindex,
        described: Option<Vec<(&'static str, String)>>,
        now: Instant,
    ) {
        if let Some(link) = self.links.get_mut(&ifindex) {
            link.described(described);
            self.flush(ifindex, now);
        }
    }

    /// networkd does not know this link (any more).
    pub(super) fn forget(&mut self, ifindex: Ifindex) {
        if let Some(mut link) = self.links.remove(&ifindex) {
            self.ready.extend(link.release());
        }
        self.waiting.remove(&ifindex);
    }

    /// Lets go of what waited long enough.
    pub(super) fn tick(&mut self, now: Instant) {
        for ifindex in self.waiting.clone() {
            self.flush(ifindex, now);
        }
    }

    /// When [`LinkTable::tick`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|ifindex| self.links.get(ifindex)?.due()).min()
    }

    /// The next report.
    pub(super) fn next(&mut self) -> Option<LinkReport> {
        self.ready.pop_front()
    }

    /// True while a report of this link waits.
    pub(super) fn is_waiting(&self, ifindex: Ifindex) -> bool {
        self.waiting.contains(&ifindex)
    }

    /// The links known.
    pub(super) fn links(&self) -> impl Iterator<Item = Ifindex> + '_ {
        self.links.keys().copied()
    }

    fn flush(&mut self, ifindex: Ifindex, now: Instant) {
        let Some(link) = self.links.get_mut(&ifindex) else {
            self.waiting.remove(&ifindex);
            return;
        };
        if !link.is_held() {
            self.waiting.remove(&ifindex);
            self.ready.extend(link.new_facts_report(ifindex));
            return;
        }
        if link.due().is_some_and(|due| due > now) {
            self.waiting.insert(ifindex);
            return;
        }
        self.waiting.remove(&ifindex);
        let report = link.release();
        if report.as_ref().is_some_and(LinkReport::is_last) {
            self.links.remove(&ifindex);
        }
        self.ready.extend(report);
    }
}

#[cfg(test)]
#[path = "link_table_tests.rs"]
mod tests;
