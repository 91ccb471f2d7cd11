//! One device: its state changes in order, and the reading that some of them wait for. Pure; the
//! time comes in, and what is to be told and read goes out.
//!
//! Signals and answers come by two connections, so that an answer may be newer than a signal that
//! is still on its way. The first reading says where the device stands; changes that led there are
//! recognised by their old state, which is not the one it stands in, and are not told again.
//!
//! Addresses and name servers come by signals as well, before the state that they lead to, so that
//! `activated` has them without asking.

use super::read::Reading;
use super::values::{Config, Properties};
use super::{dhcp, words};
use crate::backend::LinkReport;
use crate::model::{Lease, LinkLeases, ManagerFacts};
use protocol::Ifindex;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a change waits for a reading before it goes without.
const TIMEOUT: Duration = Duration::from_millis(500);
/// When the device is asked where it stands, after changes that do not join on to what is known.
const RESYNC_DELAY: Duration = Duration::from_millis(250);
/// When a device that did not answer is asked again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// Changes that may wait. With more the bus is not read for a moment; there nothing is lost.
const WAITING: usize = 1024;

/// NetworkManager's word that the device got into another state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) new: u32,
    pub(super) old: u32,
    pub(super) reason: u32,
}

#[derive(Debug)]
struct Waiting {
    change: Change,
    since: Instant,
    /// The number of the reading that it wants, the earliest begun after it came; 0 for none.
    reading: u64,
}

/// One device, by its object.
#[derive(Debug)]
pub(super) struct Device {
    link: Option<Ifindex>,
    /// The state that was reported last, and why it was reached.
    state: Option<u32>,
    reason: Option<&'static str>,
    /// All that is known, as it was told last or is to be told next.
    facts: Arc<ManagerFacts>,
    configs: [Option<(String, Config)>; 2],
    dhcps: [Option<(String, Option<Lease>)>; 2],
    waiting: VecDeque<Waiting>,
    /// Until a change joins on to the state that was read.
    joining: bool,
    /// Readings by number: wanted, begun, done.
    wanted: u64,
    begun: u64,
    done: u64,
    /// When another reading is wanted.
    at: Option<Instant>,
    removed: bool,
    /// A reading of another connection was put off.
    put_off: bool,
}

impl Device {
    /// A device of which nothing is known but that it is there.
    pub(super) fn new() -> Self {
        Self {
            link: None,
            state: None,
            reason: None,
            facts: Arc::default(),
            configs: [None, None],
            dhcps: [None, None],
            waiting: VecDeque::new(),
            joining: true,
            wanted: 1,
            begun: 0,
            done: 0,
            at: None,
            removed: false,
            put_off: false,
        }
    }

    /// True after the first reading: what there was has been told.
    pub(super) fn is_reported(&self) -> bool {
        self.done > 0
    }

    /// True when no more changes can be taken for now.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() >= WAITING
    }

    /// True when it is gone and all of it has been told.
    pub(super) fn is_over(&self) -> bool {
        self.removed && self.waiting.is_empty()
    }

    /// True when this object of addresses or of a lease is its own.
    pub(super) fn has_config(&self, path: &str) -> bool {
        self.configs.iter().flatten().any(|(config, _)| config == path)
            || self.dhcps.iter().flatten().any(|(dhcp, _)| dhcp == path)
    }

    /// The next moment at which something is due without any news; `may_read` is false while no
    /// reading can be begun anyway.
    pub(super) fn due(&self, may_read: bool) -> Option<Instant> {
        let patience =
            self.waiting.front().filter(|_| self.is_reported()).map(|waiting| waiting.since + TIMEOUT);
        let reading = self.at.filter(|_| may_read && !self.is_read());
        patience.into_iter().chain(reading).min()
    }

    /// NetworkManager says that the state changed.
    pub(super) fn changed(&mut self, change: Change, now: Instant) {
        let next = self.begun + 1;
        // Preparing has the connection. The others follow so closely that what was read then, or
        // told since, serves them.
        let is_blind = self.link.is_none() || (change.new == 100 && self.configs.iter().any(Option::is_none));
        let wants = is_blind || change.new == 40;
        if wants || matches!(change.new, 10 | 20 | 30 | 100 | 120) {
            // Where nothing waits for it the reading makes sure of what the signals said.
            self.wanted = next;
        }
        self.waiting.push_back(Waiting { change, since: now, reading: if wants { next } else { 0 } });
    }

    /// Its addresses or name servers changed.
    pub(super) fn config_changed(&mut self, path: &str, changed: &Properties, out: &mut Vec<LinkReport>) {
        for (config, values) in self.configs.iter_mut().flatten() {
            if config == path {
                values.update(changed);
            }
        }
        for (dhcp, lease) in self.dhcps.iter_mut().flatten() {
            if dhcp == path
                && let Some(new) = dhcp::lease(changed)
            {
                *lease = new;
            }
        }
        if self.is_read() {
            // What is being read may be older than this.
            self.wanted = self.begun + 1;
        }
        let known = (*self.facts).clone();
        if self.learn(known) && self.waiting.is_empty() && self.is_reported() {
            self.push_facts(out);
        }
    }

    /// NetworkManager says that it is gone.
    pub(super) fn removed(&mut self) {
        self.removed = true;
        if !self.is_reported() {
            self.waiting.clear();
        }
    }

    /// True when a reading is to be begun now, which counts as begun then. One at a time.
    pub(super) fn begin(&mut self, now: Instant) -> bool {
        let due = self.at.is_some_and(|at| at <= now);
        if self.is_read() || self.removed || !(due || self.wanted > self.begun) {
            return false;
        }
        if due {
            self.at = None;
        }
        self.begun += 1;
        self.wanted = self.wanted.max(self.begun);
        true
    }

    /// The reading begun last is done.
    pub(super) fn read(&mut self, reading: Reading, now: Instant, out: &mut Vec<LinkReport>) {
        let (first, reported) = (!self.is_reported(), out.len());
        // A modem gets its link on the way; one that did not answer at first is known only now.
        let linked = self.link.is_none() && reading.ifindex.is_some();
        self.done = self.begun;
        self.link = reading.ifindex.or(self.link);
        if self.is_ahead(&reading) && !std::mem::replace(&mut self.put_off, true) {
            // The end of the connection that is known is on its way, and is reported with its own values.
            self.at.get_or_insert(now + RESYNC_DELAY);
            return self.drain(now, out);
        }
        self.put_off = false;
        self.configs = reading.configs;
        self.dhcps = reading.dhcps;
        let mut facts = reading.facts;
        if facts.connection_id.is_none() && facts.connection_uuid.is_none() {
            // Whoever hears of the end of a connection wants to know of which.
            facts.connection_id.clone_from(&self.facts.connection_id);
            facts.connection_uuid.clone_from(&self.facts.connection_uuid);
        }
        let is_new = self.learn(facts);
        if let Some((state, reason)) = reading.state
            && (first || (self.waiting.is_empty() && (linked || (self.joining && self.state != Some(state)))))
        {
            self.push_report(state, reason, out);
        }
        self.drain(now, out);
        if !first && out.len() == reported && is_new {
            self.push_facts(out);
        }
    }

    /// The reading begun last brought nothing; it is begun again later.
    pub(super) fn not_read(&mut self, now: Instant, out: &mut Vec<LinkReport>) {
        self.done = self.begun;
        self.at = Some(now + RETRY_INTERVAL);
        self.drain(now, out);
    }

    /// Tells the changes that wait for nothing (any longer), in order.
    pub(super) fn drain(&mut self, now: Instant, out: &mut Vec<LinkReport>) {
        while self.is_reported()
            && let Some(next) = self.waiting.front()
        {
            let Change { new, old, reason } = next.change;
            if self.joining && self.state.is_some_and(|state| state != old) {
                // On the way to where the device was found.
                self.at.get_or_insert(now + RESYNC_DELAY);
                self.waiting.pop_front();
                continue;
            }
            let wants = next.reading > self.done && !self.removed;
            if wants && now.saturating_duration_since(next.since) < TIMEOUT {
                return;
            }
            self.joining = false;
            self.waiting.pop_front();
            self.push_report(new, reason, out);
        }
    }

    /// The reading is of another connection than the one whose end has not been told.
    fn is_ahead(&self, reading: &Reading) -> bool {
        let in_use = self.state.is_some_and(|state| (40..=110).contains(&state));
        let differs = |known: &String| reading.facts.connection_uuid.as_ref().is_some_and(|new| new != known);
        in_use && self.facts.connection_uuid.as_ref().is_some_and(differs)
    }

    /// Puts together what is known; true when it is something else than before.
    fn learn(&mut self, mut facts: ManagerFacts) -> bool {
        facts.dns.clear();
        facts.domains.clear();
        (facts.gateway, facts.gateway6) = (None, None);
        for (_, config) in self.configs.iter().flatten() {
            config.add_to(&mut facts);
        }
        let [v4, v6] = &self.dhcps;
        let lease = |dhcp: &Option<(String, Option<Lease>)>| dhcp.as_ref()?.1.clone().map(Arc::new);
        facts.leases = LinkLeases { v4: lease(v4), v6: lease(v6) };
        facts.ntp = facts.leases.ntp();
        let is_new = facts != *self.facts;
        if is_new {
            self.facts = Arc::new(facts);
        }
        is_new
    }

    fn is_read(&self) -> bool {
        self.begun > self.done
    }

    fn push_report(&mut self, state: u32, reason: u32, out: &mut Vec<LinkReport>) {
        self.state = Some(state);
        self.reason = Some(words::reason(reason));
        let (Some(link), Some(word)) = (self.link, words::device_state(state)) else { return };
        out.push(LinkReport {
            administrative: Some(word),
            reason: self.reason,
            facts: Some(self.facts.clone()),
            ..LinkReport::new(link)
        });
    }

    /// Tells where it stands once more.
    pub(super) fn push_again(&self, out: &mut Vec<LinkReport>) {
        let (Some(link), Some(word)) = (self.link, self.state.and_then(words::device_state)) else { return };
        out.push(LinkReport {
            administrative: Some(word),
            reason: self.reason,
            facts: Some(self.facts.clone()),
            ..LinkReport::new(link)
        });
    }

    fn push_facts(&self, out: &mut Vec<LinkReport>) {
        if let Some(link) = self.link {
            out.push(LinkReport { facts: Some(self.facts.clone()), ..LinkReport::new(link) });
        }
    }
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
