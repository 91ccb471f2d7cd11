//! What survives a restart of the worker: enough to tell what changed meanwhile, so that scripts
//! run for that and not for all again.
//!
//! It is written when every event has been handed to its scripts, or together with those that have not
//! run, so after a crash an event may run twice but is not lost. It counts only on the same boot, in the
//! same network namespace.

use super::State;
use super::gateway::DefaultNextHops;
use super::link::{Known, LinkState};
use super::link_phase::LinkPhase;
use super::managed::{HostLastReported, LastReported, LeaseReport, Managed};
use super::unfinished::{self, Restorer, SavedEvent};
use crate::model::{Address, DefaultNextHop, Lease, LinkLeases, Resolver, UnfinishedEvent, address_flag};
use protocol::{Ifindex, InterfaceName};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

const VERSION: u32 = 2;

/// The file's content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedState {
    version: u32,
    /// Boot id and network namespace.
    place: String,
    online: bool,
    /// What `manager.d` was told last, where a manager said it: state and connectivity.
    host: Option<HostLastReported>,
    links: Vec<SavedLink>,
    /// What was asked for and has not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(rename = "unrun")]
    unfinished: Vec<SavedEvent>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedLink {
    ifindex: u32,
    name: String,
    mtu: u32,
    #[serde(rename = "stage")]
    phase: String,
    gateway_lost: bool,
    /// What scripts were told last of its gateways, IPv4 and IPv6; a file of 0.1.0 has none.
    #[serde(default)]
    gateways: (Option<DefaultNextHop>, Option<DefaultNextHop>),
    /// It was routable by a default route; in a file of 0.1.0 every routable link was.
    #[serde(default)]
    leads: Option<bool>,
    /// What scripts were told last of a manager's two states.
    #[serde(rename = "told")]
    last_reported: (Option<String>, Option<String>),
    leases: (Option<Lease>, Option<Lease>),
    /// The leases and name servers that were reported last; a file of 0.1.0 has none.
    #[serde(default)]
    #[serde(rename = "told_leases")]
    reported_leases: (Option<Lease>, Option<Lease>),
    #[serde(default)]
    #[serde(rename = "told_resolver")]
    reported_resolver: Resolver,
    addresses: Vec<SavedAddress>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedAddress {
    ip: IpAddr,
    prefix_length: u8,
    scope: u8,
    peer: Option<IpAddr>,
    /// It was deprecated; in a file of 0.1.0 that is not told.
    #[serde(default)]
    deprecated: bool,
}

/// Why a saved state is not used.
#[derive(Debug)]
pub enum SavedError {
    /// Not the document that it should be.
    Malformed(serde_json::Error),
    /// Of another version of netevd.
    Version(u32),
    /// Of another boot or network namespace.
    UnusedRoutes,
}

impl State {
    /// What is to be saved, for this boot and namespace, with the events that have not run.
    pub fn save(&self, place: &str, unfinished: &[UnfinishedEvent]) -> SavedState {
        let links = self.links.values().filter(|link| link.monitored);
        SavedState {
            version: VERSION,
            place: place.to_owned(),
            online: self.online.unwrap_or_default(),
            host: self.host_last_reported.clone(),
            links: links.filter_map(saved_link).collect(),
            unfinished: unfinished::save(self, unfinished),
        }
    }

    /// A state that remembers `saved`, to be followed by a resynchronisation; what it finds
    /// changed since gives events.
    pub fn restore(saved: SavedState) -> State {
        let mut state =
            State { online: Some(saved.online), host_last_reported: saved.host, ..State::default() };
        let restorer = Restorer::new(&mut state, saved.unfinished);
        for link in saved.links {
            let id = state.new_link_id();
            if let Some(link) = link.restore(id) {
                state.put_link(link);
            }
        }
        state.unfinished = restorer.restore(&mut state);
        state
    }
}

impl SavedState {
    /// Reads a document.
    pub fn parse(text: &[u8], place: &str) -> Result<Self, SavedError> {
        let saved: SavedState = serde_json::from_slice(text).map_err(SavedError::Malformed)?;
        if saved.version != VERSION {
            return Err(SavedError::Version(saved.version));
        }
        if saved.place != place { Err(SavedError::UnusedRoutes) } else { Ok(saved) }
    }
}

fn saved_link(link: &LinkState) -> Option<SavedLink> {
    let announced = link.addresses.iter().filter(|known| known.announced).map(|known| &known.address);
    Some(SavedLink {
        ifindex: link.ifindex.get(),
        name: link.name.to_string(),
        mtu: link.mtu,
        phase: link.phase?.name().to_owned(),
        gateway_lost: link.gateway_lost,
        gateways: (link.gateways.v4, link.gateways.v6),
        leads: Some(link.leads),
        last_reported: link.last_reported.save(),
        leases: (link.leases.v4.as_deref().cloned(), link.leases.v6.as_deref().cloned()),
        reported_leases: (
            link.last_reported.leases.v4.as_deref().cloned(),
            link.last_reported.leases.v6.as_deref().cloned(),
        ),
        reported_resolver: link.last_reported.resolver.clone(),
        addresses: announced.map(SavedAddress::of).collect(),
    })
}

impl SavedAddress {
    pub(super) fn of(a: &Address) -> Self {
        Self {
            ip: a.ip,
            prefix_length: a.prefix_length,
            scope: a.scope,
            peer: a.peer,
            deprecated: a.flags & address_flag::DEPRECATED != 0,
        }
    }

    pub(super) fn address(&self) -> Address {
        Address {
            ip: self.ip,
            prefix_length: self.prefix_length,
            scope: self.scope,
            flags: if self.deprecated { address_flag::DEPRECATED } else { 0 },
            peer: self.peer,
            broadcast: None,
            label: None,
            preferred_lifetime: u32::MAX,
            valid_lifetime: u32::MAX,
        }
    }
}

impl SavedLink {
    fn restore(self, id: crate::model::LinkId) -> Option<LinkState> {
        let addresses =
            self.addresses.into_iter().map(|saved| Known { announced: true, address: saved.address() });
        let phase = LinkPhase::from_name(&self.phase)?;
        Some(LinkState {
            id,
            ifindex: Ifindex::try_from(self.ifindex).ok()?,
            name: InterfaceName::new(&self.name).ok()?,
            flags: 0,
            mtu: self.mtu,
            mac: None,
            kind: None,
            operstate: "unknown",
            controller: 0,
            addresses: addresses.collect(),
            phase: Some(phase),
            gateway_lost: self.gateway_lost,
            leads: self.leads.unwrap_or(phase == LinkPhase::Routable),
            named_gateways: Box::default(),
            gateways: DefaultNextHops { v4: self.gateways.0, v6: self.gateways.1 },
            monitored: true,
            managed: Managed::default(),
            last_reported: LastReported {
                leases: LinkLeases {
                    v4: self.reported_leases.0.map(Arc::new),
                    v6: self.reported_leases.1.map(Arc::new),
                },
                resolver: self.reported_resolver,
                ..LastReported::restore(self.last_reported)
            },
            leases: LinkLeases { v4: self.leases.0.map(Arc::new), v6: self.leases.1.map(Arc::new) },
            lease_report: LeaseReport::None,
            extra: None,
        })
    }
}

impl fmt::Display for SavedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SavedError::Malformed(error) => write!(f, "not a saved state: {error}"),
            SavedError::Version(version) => write!(f, "of format {version}, this is {VERSION}"),
            SavedError::UnusedRoutes => f.write_str("of another boot or network namespace"),
        }
    }
}

impl std::error::Error for SavedError {}
