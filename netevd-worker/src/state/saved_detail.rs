//! What is particular to an event, and words of managers, as the saved state has them.

use super::saved::SavedAddress;
use crate::model::{
    Action, DefaultNextHop, Detail, EventKind, GatewayChange, Lease, LinkLeases, Resolver, RouteChange,
};
use protocol::{Family, Prefix};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

/// Words that no table has, in the life of a worker, and their length.
const WORDS_MAX: usize = 256;
const WORD_LENGTH: usize = 32;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) enum SavedDetail {
    None,
    Address(SavedAddress),
    Routes(Vec<SavedRoute>),
    Mtu(u32, u32),
    Device(String),
    Lease(Box<[Option<Lease>; 2]>),
    Dns(Box<Resolver>),
    /// IPv6 or IPv4, before, after.
    Gateway(bool, Option<DefaultNextHop>, Option<DefaultNextHop>),
    Host(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SavedRoute {
    action: String,
    destination: Prefix,
    gateway: Option<IpAddr>,
    table: u32,
    metric: u32,
    protocol: u8,
    scope: u8,
    route_type: u8,
}

impl SavedDetail {
    pub(super) fn of(detail: &Detail) -> Self {
        match detail {
            Detail::None => Self::None,
            Detail::Address(address) => Self::Address(SavedAddress::of(address)),
            Detail::Routes(changes) => Self::Routes(changes.iter().map(SavedRoute::of).collect()),
            Detail::Mtu { old, new } => Self::Mtu(*old, *new),
            Detail::Device { reason } => Self::Device((*reason).to_owned()),
            Detail::Lease { old } => {
                Self::Lease(Box::new([old.v4.as_deref().cloned(), old.v6.as_deref().cloned()]))
            }
            Detail::Dns { old } => Self::Dns(old.clone()),
            Detail::Gateway(change) => Self::Gateway(change.family == Family::V6, change.old, change.new),
            Detail::Host { connectivity } => Self::Host((*connectivity).to_owned()),
        }
    }

    pub(super) fn restore(self) -> Option<Detail> {
        Some(match self {
            Self::None => Detail::None,
            Self::Address(address) => Detail::Address(address.address()),
            Self::Routes(routes) => {
                Detail::Routes(routes.into_iter().map(SavedRoute::restore).collect::<Option<_>>()?)
            }
            Self::Mtu(old, new) => Detail::Mtu { old, new },
            Self::Device(reason) => Detail::Device { reason: word(&reason)? },
            Self::Lease(leases) => {
                let [v4, v6] = leases.map(|lease| lease.map(Arc::new));
                Detail::Lease { old: Box::new(LinkLeases { v4, v6 }) }
            }
            Self::Dns(old) => Detail::Dns { old },
            Self::Gateway(is_v6, old, new) => {
                let family = if is_v6 { Family::V6 } else { Family::V4 };
                Detail::Gateway(GatewayChange { family, old, new })
            }
            Self::Host(connectivity) => Detail::Host { connectivity: word(&connectivity)? },
        })
    }
}

impl SavedRoute {
    fn of(change: &RouteChange) -> Self {
        Self {
            action: change.action.name().to_owned(),
            destination: change.destination,
            gateway: change.gateway,
            table: change.table,
            metric: change.metric,
            protocol: change.protocol,
            scope: change.scope,
            route_type: change.route_type,
        }
    }

    fn restore(self) -> Option<RouteChange> {
        let actions = [Action::Added, Action::Removed, Action::Changed];
        Some(RouteChange {
            action: actions.into_iter().find(|action| action.name() == self.action)?,
            destination: self.destination,
            gateway: self.gateway,
            table: self.table,
            metric: self.metric,
            protocol: self.protocol,
            scope: self.scope,
            route_type: self.route_type,
        })
    }
}

/// A state or reason as it was compiled in; a bounded number of others is kept for as long as the
/// worker lives, since a manager's words are in its own tables.
pub(super) fn word(text: &str) -> Option<&'static str> {
    static WORDS: Mutex<Vec<&'static str>> = Mutex::new(Vec::new());
    word_of(text, &mut *WORDS.lock().ok()?)
}

fn word_of(text: &str, words: &mut Vec<&'static str>) -> Option<&'static str> {
    if let Some(kind) = EventKind::from_name(text) {
        return Some(kind.name());
    }
    let is_plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    if text.is_empty() || text.len() > WORD_LENGTH || !text.bytes().all(is_plain) {
        return None;
    }
    if let Some(known) = words.iter().find(|known| **known == text) {
        return Some(known);
    }
    if words.len() >= WORDS_MAX {
        return None;
    }
    let new: &'static str = text.to_owned().leak();
    words.push(new);
    Some(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_read_as_they_were_written() {
        let route = RouteChange {
            action: Action::Changed,
            destination: "10.0.0.0/8".parse().expect("a prefix"),
            gateway: "192.0.2.1".parse().ok(),
            table: 254,
            metric: 5,
            protocol: 16,
            scope: 0,
            route_type: 1,
        };
        for detail in [
            Detail::None,
            Detail::Routes(vec![route]),
            Detail::Mtu { old: 1500, new: 9000 },
            Detail::Device { reason: "user-requested" },
            Detail::Lease { old: Box::default() },
            Detail::Host { connectivity: "portal" },
            Detail::Dns {
                old: Box::new(Resolver { ntp: vec!["ntp.example".to_owned()], ..Resolver::default() }),
            },
            Detail::Gateway(GatewayChange {
                family: Family::V6,
                old: None,
                new: Some(DefaultNextHop::OnLink),
            }),
        ] {
            let text = serde_json::to_string(&SavedDetail::of(&detail)).expect("written");
            let read: SavedDetail = serde_json::from_str(&text).expect("read");
            assert_eq!(read.restore(), Some(detail), "{text}");
        }
    }

    #[test]
    fn no_text_of_a_file_becomes_more_than_a_word() {
        let mut words = Vec::new();
        for bad in ["", "../x", "Routable", "a b", "a\0", &"x".repeat(33)] {
            assert_eq!(word_of(bad, &mut words), None, "{bad:?}");
        }
        for number in 0..2 * WORDS_MAX {
            word_of(&format!("made-up-{number}"), &mut words);
        }
        assert_eq!(words.len(), WORDS_MAX);
        assert_eq!(word_of("one-more", &mut words), None);
        assert_eq!(word_of("routable", &mut words), Some("routable"));
    }
}
