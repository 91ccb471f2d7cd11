//! Events that the saved state carries over a restart: what was queued, or whose script was ended, when the
//! worker stopped.
//!
//! Texts of the file select words that the program knows, or a bounded number of new ones; links are
//! found by index and name, and one that is gone keeps what its scripts need.

use super::State;
use super::saved::SavedAddress;
use super::saved_detail::{SavedDetail, word};
use super::saved_values::SavedValues;
use crate::model::{Event, EventKind, Facts as _, LinkFacts, LinkId, LinkLeases, Track, UnfinishedEvent};
use crate::text::printable;
use protocol::{Ifindex, InterfaceName};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// Events that are carried over; the rest is named in the log.
const EVENTS_MAX: usize = 10_000;
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedEvent {
    kind: String,
    administrative: bool,
    state: String,
    old_state: Option<String>,
    startup: bool,
    time: SystemTime,
    /// `None` for the host.
    link: Option<SavedName>,
    detail: SavedDetail,
    /// The link's values when it happened, where the event keeps them.
    #[serde(default)]
    then: Option<Box<SavedValues>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedName {
    ifindex: u32,
    name: String,
    /// It was gone: its last values.
    last: Option<SavedLast>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLast {
    /// Incarnations under one index and name differ by this.
    number: u64,
    state: String,
    kind: Option<String>,
    mtu: u32,
    mac: Option<String>,
    addresses: Vec<SavedAddress>,
    dns: Vec<IpAddr>,
    domains: Vec<String>,
}

/// What is to be saved of them; those beyond the bound are named in the log.
pub(super) fn save(state: &State, unfinished: &[UnfinishedEvent]) -> Vec<SavedEvent> {
    for UnfinishedEvent { event, .. } in unfinished.iter().skip(EVENTS_MAX) {
        let name = state.link_of(event.link).map(|link| link.name.to_string()).unwrap_or_default();
        tracing::warn!(
            "{name} {} (event {}) does not run: too many wait for the next start",
            event.kind,
            event.id
        );
    }
    unfinished.iter().take(EVENTS_MAX).filter_map(|unfinished| save_one(state, unfinished)).collect()
}

fn save_one(state: &State, UnfinishedEvent { event, last }: &UnfinishedEvent) -> Option<SavedEvent> {
    let link = if event.link == LinkId::HOST {
        None
    } else if let Some(link) = state.link_of(event.link) {
        Some(SavedName { ifindex: link.ifindex.get(), name: link.name.to_string(), last: None })
    } else {
        let last = last.as_deref()?;
        let addresses = last.addresses.iter().map(SavedAddress::of).collect();
        let values = SavedLast {
            number: event.link.0,
            state: last.state.to_owned(),
            kind: last.kind.clone(),
            mtu: last.mtu,
            mac: last.mac.clone(),
            addresses,
            dns: last.dns.clone(),
            domains: last.domains.clone(),
        };
        Some(SavedName { ifindex: last.ifindex.get(), name: last.name.to_string(), last: Some(values) })
    };
    Some(SavedEvent {
        kind: event.kind.name().to_owned(),
        administrative: event.track == Track::Administrative,
        state: event.state.to_owned(),
        old_state: event.old_state.map(str::to_owned),
        startup: event.startup,
        time: event.time,
        link,
        detail: SavedDetail::of(&event.detail),
        then: SavedValues::of(&event.then).map(Box::new),
    })
}

/// Finds the links of saved events again, the gone ones first: they are older than what is there.
pub(super) struct Restorer {
    events: Vec<SavedEvent>,
    /// Number in the file, number now, last values.
    gone: Vec<(u64, LinkId, Arc<LinkFacts>)>,
}

impl Restorer {
    /// To be made before the state's links, so that their numbers are higher.
    pub(super) fn new(state: &mut State, events: Vec<SavedEvent>) -> Self {
        let mut gone: Vec<(u64, LinkId, Arc<LinkFacts>)> = Vec::new();
        let mut names: Vec<&SavedName> = events.iter().filter_map(|event| event.link.as_ref()).collect();
        names.sort_by_key(|name| name.last.as_ref().map(|last| last.number));
        for name in names {
            if let Some(last) =
                name.last.as_ref().filter(|last| !gone.iter().any(|(n, ..)| *n == last.number))
                && let Some(facts) = last.facts(name)
            {
                gone.push((last.number, state.new_link_id(), Arc::new(facts)));
            }
        }
        Self { events, gone }
    }

    /// The events, in order; one that means nothing here any more is named in the log.
    pub(super) fn restore(self, state: &mut State) -> Vec<UnfinishedEvent> {
        let Self { events, gone } = self;
        let mut restored = Vec::new();
        for saved in events.into_iter().take(EVENTS_MAX) {
            let (kind, name) = (saved.kind.clone(), saved.link.as_ref().map(|link| link.name.clone()));
            match saved.restore(state, &gone) {
                Some(unfinished) => restored.push(unfinished),
                None => tracing::warn!(
                    "{} {kind} did not run before the restart, and is not understood any more",
                    printable(name.as_deref().unwrap_or("host")),
                    kind = printable(&kind)
                ),
            }
        }
        restored
    }
}

impl SavedEvent {
    fn restore(self, state: &mut State, gone: &[(u64, LinkId, Arc<LinkFacts>)]) -> Option<UnfinishedEvent> {
        let (link, last) = match &self.link {
            None => (LinkId::HOST, None),
            Some(SavedName { last: Some(last), .. }) => {
                let (_, link, facts) = gone.iter().find(|(number, ..)| *number == last.number)?;
                (*link, Some(Arc::clone(facts)))
            }
            Some(SavedName { ifindex, name, .. }) => {
                let link = state.links.get(&Ifindex::try_from(*ifindex).ok()?)?;
                (link.name.as_str() == name).then_some((link.id, None))?
            }
        };
        let then = self.then.as_ref().and_then(|values| {
            let base = last.clone().or_else(|| state.link(link))?;
            values.restore(&base)
        });
        let event = Event {
            then: then.unwrap_or_default(),
            track: if self.administrative { Track::Administrative } else { Track::Operational },
            old_state: self.old_state.as_deref().and_then(word),
            startup: self.startup,
            time: self.time,
            ..state.event(link, EventKind::from_name(&self.kind)?, word(&self.state)?, self.detail.restore()?)
        };
        Some(UnfinishedEvent { event, last })
    }
}

impl SavedLast {
    fn facts(&self, name: &SavedName) -> Option<LinkFacts> {
        Some(LinkFacts {
            ifindex: Ifindex::try_from(name.ifindex).ok()?,
            name: InterfaceName::new(&name.name).ok()?,
            kind: self.kind.clone(),
            state: word(&self.state)?,
            administrative: None,
            operstate: "unknown",
            flags: 0,
            mtu: self.mtu,
            mac: self.mac.clone(),
            addresses: self.addresses.iter().map(SavedAddress::address).collect(),
            gateway: None,
            gateway6: None,
            dns: self.dns.clone(),
            domains: self.domains.clone(),
            manager: None,
            leases: LinkLeases::default(),
            controller: 0,
            extra: None,
            routes: Vec::new(),
        })
    }
}

impl State {
    /// The events that did not run before a restart, to run before all others. Once.
    pub fn take_unfinished(&mut self) -> Vec<UnfinishedEvent> {
        std::mem::take(&mut self.unfinished)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::address;
    use crate::kernel::{KernelMessage, link_flag};
    use crate::model::Detail;
    use crate::state::{Changes, Interest, SavedState};

    #[test]
    fn what_did_not_run_survives_with_its_link_and_values() {
        let interest = Interest { monitors: &|_| true, routes: true };
        let mut state = State::default();
        let mut changes = Changes::default();
        let up = link_flag::UP | link_flag::LOWER_UP;
        for (index, name) in [(2, "eth0"), (3, "wg0")] {
            let link = crate::fixtures::link(index, name, up);
            state.apply(KernelMessage::Link(link), &interest, &mut changes);
        }
        let ip = KernelMessage::Address(crate::fixtures::index(2), address("192.0.2.2", 0));
        state.apply(ip, &interest, &mut changes);
        state.apply(KernelMessage::LinkGone(crate::fixtures::index(3)), &interest, &mut changes);
        let again = KernelMessage::Link(crate::fixtures::link(4, "wg0", up));
        state.apply(again, &interest, &mut changes);
        let last = |link| changes.gone.iter().find(|(id, _)| *id == link).map(|(_, last)| Arc::clone(last));
        let unfinished: Vec<UnfinishedEvent> = changes
            .events
            .iter()
            .map(|event| UnfinishedEvent { event: event.clone(), last: last(event.link) })
            .collect();
        assert!(unfinished.len() > 8, "{unfinished:?}");

        let text = serde_json::to_vec(&state.save("here", &unfinished)).expect("written");
        let mut restored = State::restore(SavedState::parse(&text, "here").expect("read"));
        let back = restored.take_unfinished();
        let shown = |state: &State, unfinished: &UnfinishedEvent| {
            let UnfinishedEvent { event, last } = unfinished;
            let name = state.link_of(event.link).map(|link| link.name.to_string());
            let name = name.or_else(|| last.as_ref().map(|last| format!("{} (gone)", last.name)));
            (name, event.kind, event.state, event.old_state, event.track, event.time, event.startup)
        };
        let before: Vec<_> = unfinished.iter().map(|unfinished| shown(&state, unfinished)).collect();
        let after: Vec<_> = back.iter().map(|unfinished| shown(&restored, unfinished)).collect();
        assert_eq!(before, after);
        // The old wg0 is an older link than the new one, also by its number.
        let numbers = |gone: bool| {
            let wg = |unfinished: &&UnfinishedEvent| {
                shown(&restored, unfinished).0.as_deref() == Some(if gone { "wg0 (gone)" } else { "wg0" })
            };
            back.iter().find(wg).expect("there").event.link
        };
        assert!(numbers(true) < numbers(false));
        assert!(restored.take_unfinished().is_empty());
        // A detail survives as it is, lifetimes aside.
        let added =
            back.iter().find(|unfinished| unfinished.event.kind == EventKind::AddressAdded).expect("there");
        assert!(matches!(&added.event.detail, Detail::Address(a) if a.ip.to_string() == "192.0.2.2"));
    }
}
