//! The values that an event keeps of its link, on their way over a restart: those that scripts are given in
//! variables. What else the link had is that of the link as it is restored.

use super::saved::SavedAddress;
use super::saved_detail::word;
use crate::model::{Brief, EventValues, Lease, LinkFacts, LinkLeases, ManagerFacts};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedValues {
    administrative: Option<String>,
    manager: Option<SavedManager>,
    leases: (Option<Lease>, Option<Lease>),
    /// Those of a whole link.
    whole: Option<SavedWhole>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedManager {
    device_type: Option<String>,
    connection_id: Option<String>,
    connection_uuid: Option<String>,
    dns: Vec<IpAddr>,
    domains: Vec<String>,
    ntp: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedWhole {
    state: String,
    mtu: u32,
    mac: Option<String>,
    addresses: Vec<SavedAddress>,
    gateway: Option<Ipv4Addr>,
    gateway6: Option<Ipv6Addr>,
    dns: Vec<IpAddr>,
    domains: Vec<String>,
}

impl SavedValues {
    pub(super) fn of(then: &EventValues) -> Option<Self> {
        match then {
            EventValues::Present => None,
            EventValues::Brief(brief) => {
                Some(Self::new(brief.administrative, brief.manager.as_deref(), &brief.leases, None))
            }
            EventValues::Whole(link) => {
                let whole = SavedWhole {
                    state: link.state.to_owned(),
                    mtu: link.mtu,
                    mac: link.mac.clone(),
                    addresses: link.addresses.iter().map(SavedAddress::of).collect(),
                    gateway: link.gateway,
                    gateway6: link.gateway6,
                    dns: link.dns.clone(),
                    domains: link.domains.clone(),
                };
                Some(Self::new(link.administrative, link.manager.as_deref(), &link.leases, Some(whole)))
            }
        }
    }

    fn new(
        administrative: Option<&str>,
        manager: Option<&ManagerFacts>,
        leases: &LinkLeases,
        whole: Option<SavedWhole>,
    ) -> Self {
        Self {
            administrative: administrative.map(str::to_owned),
            manager: manager.map(|manager| SavedManager {
                device_type: manager.device_type.map(str::to_owned),
                connection_id: manager.connection_id.clone(),
                connection_uuid: manager.connection_uuid.clone(),
                dns: manager.dns.clone(),
                domains: manager.domains.clone(),
                ntp: manager.ntp.clone(),
            }),
            leases: (leases.v4.as_deref().cloned(), leases.v6.as_deref().cloned()),
            whole,
        }
    }

    /// The values again, of a link whose other values are these; `None` when a word means nothing here.
    pub(super) fn restore(&self, base: &LinkFacts) -> Option<EventValues> {
        let administrative = match &self.administrative {
            Some(name) => Some(word(name)?),
            None => None,
        };
        let manager = self.manager.as_ref().map(|saved| {
            Arc::new(ManagerFacts {
                device_type: saved.device_type.as_deref().and_then(word),
                connection_id: saved.connection_id.clone(),
                connection_uuid: saved.connection_uuid.clone(),
                dns: saved.dns.clone(),
                domains: saved.domains.clone(),
                ntp: saved.ntp.clone(),
                ..ManagerFacts::default()
            })
        });
        let leases =
            LinkLeases { v4: self.leases.0.clone().map(Arc::new), v6: self.leases.1.clone().map(Arc::new) };
        let Some(whole) = &self.whole else {
            return Some(EventValues::Brief(Box::new(Brief { administrative, manager, leases })));
        };
        Some(EventValues::Whole(Arc::new(LinkFacts {
            state: word(&whole.state)?,
            administrative,
            mtu: whole.mtu,
            mac: whole.mac.clone(),
            addresses: whole.addresses.iter().map(SavedAddress::address).collect(),
            gateway: whole.gateway,
            gateway6: whole.gateway6,
            dns: whole.dns.clone(),
            domains: whole.domains.clone(),
            manager,
            leases,
            ..base.clone()
        })))
    }
}

#[cfg(test)]
mod tests {
    use crate::backend::{LinkReport, Report, StateName};
    use crate::fixtures::{address, index, link};
    use crate::kernel::{KernelMessage, link_flag};
    use crate::model::{EventKind, EventValues, ManagerFacts, UnfinishedEvent};
    use crate::state::{Changes, Interest, SavedState, State};

    #[test]
    fn an_event_keeps_its_connection_over_a_restart() {
        let interest = Interest { monitors: &|_| true, routes: false };
        let (mut state, mut changes) = (State::default(), Changes::default());
        let up = link_flag::UP | link_flag::LOWER_UP;
        state.apply(KernelMessage::Link(link(2, "eth0", up)), &interest, &mut changes);
        state.apply(KernelMessage::Address(index(2), address("192.0.2.2", 0)), &interest, &mut changes);
        let facts = ManagerFacts {
            device_type: Some("ethernet"),
            connection_id: Some("old one".to_owned()),
            dns: vec!["192.0.2.53".parse().expect("an address")],
            ..ManagerFacts::default()
        };
        let activated = LinkReport {
            administrative: Some(StateName { name: "activated", event: Some(EventKind::Activated) }),
            facts: Some(facts.into()),
            ..LinkReport::new(index(2))
        };
        state.report(Report::Link(activated), &mut changes);
        state.apply(KernelMessage::AddressGone(index(2), address("192.0.2.2", 0)), &interest, &mut changes);
        let unfinished: Vec<UnfinishedEvent> =
            changes.events.iter().map(|event| UnfinishedEvent { event: event.clone(), last: None }).collect();
        let text = serde_json::to_vec(&state.save("here", &unfinished)).expect("written");
        let mut restored = State::restore(SavedState::parse(&text, "here").expect("read"));
        let back = restored.take_unfinished();
        let of =
            |kind: EventKind| back.iter().find(|unfinished| unfinished.event.kind == kind).expect("there");
        let EventValues::Whole(then) = &of(EventKind::Activated).event.then else { panic!("{back:?}") };
        let connection = then.manager.as_ref().and_then(|manager| manager.connection_id.as_deref());
        assert_eq!((connection, then.administrative), (Some("old one"), Some("activated")));
        assert_eq!((then.addresses.len(), then.dns.len(), then.name.as_str()), (1, 1, "eth0"));
        let EventValues::Brief(then) = &of(EventKind::AddressRemoved).event.then else { panic!("{back:?}") };
        assert_eq!(then.manager.as_ref().and_then(|manager| manager.device_type), Some("ethernet"));
    }
}
