//! What a filter is asked about: one event, or one change of a route, with its link's values.

use super::field::Field;
use crate::model::{Backend, Detail, Event, EventKind, LinkFacts, RouteChange};
use protocol::Family;
use std::cell::OnceCell;
use std::net::IpAddr;
use std::sync::Arc;

/// One event; the link's values are looked up when the first filter needs them.
pub struct Subject<'a> {
    event: &'a Event,
    change: Option<&'a RouteChange>,
    backend: Backend,
    look_up: &'a dyn Fn() -> Option<Arc<LinkFacts>>,
    link: OnceCell<Option<Arc<LinkFacts>>>,
}

impl<'a> Subject<'a> {
    /// `backend` is what scripts would see in `BACKEND`; `look_up` gives the values of the event's
    /// link, `None` for events of the host.
    pub fn new(event: &'a Event, backend: Backend, look_up: &'a dyn Fn() -> Option<Arc<LinkFacts>>) -> Self {
        Self { event, change: None, backend, look_up, link: OnceCell::new() }
    }

    /// One of the event's changes of routes alone.
    pub fn of_change(&self, change: &'a RouteChange) -> Self {
        Self { change: Some(change), link: self.link.clone(), ..*self }
    }

    /// The event's kind.
    pub(super) fn kind(&self) -> EventKind {
        self.event.kind
    }

    /// `BACKEND`
    pub(super) fn backend(&self) -> Backend {
        self.backend
    }

    /// The link's values; `None` for the host.
    pub(super) fn link(&self) -> Option<&LinkFacts> {
        self.link.get_or_init(self.look_up).as_deref()
    }

    /// Whether the event is about this family: that of its address or route, else each of which the
    /// link has a usable address.
    pub(super) fn is_of(&self, family: Family) -> bool {
        match (&self.event.detail, self.change) {
            (_, Some(change)) => change.family() == family,
            (Detail::Address(address), _) => Family::of(address.ip) == family,
            (Detail::Gateway(change), _) => change.family == family,
            _ => self.has_address(Field::Address, &|ip| Family::of(ip) == family),
        }
    }

    pub(super) fn switch(&self, field: Field) -> Option<bool> {
        match field {
            Field::HasGateway => {
                Some(self.link().is_some_and(|link| link.gateway.is_some() || link.gateway6.is_some()))
            }
            Field::Startup => Some(self.event.startup),
            _ => None,
        }
    }

    pub(super) fn number(&self, field: Field) -> Option<u32> {
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        match field {
            Field::DnsCount => self.link().map(|link| count(link.dns.len())),
            Field::AddressCount => {
                self.link().map(|link| count(link.addresses.iter().filter(|a| a.is_usable()).count()))
            }
            Field::Mtu => self.link().map(|link| link.mtu),
            Field::RouteTable => self.change.map(|change| change.table),
            Field::RouteProtocol => self.change.map(|change| change.protocol.into()),
            _ => None,
        }
    }

    pub(super) fn has_text(&self, field: Field, is_it: &dyn Fn(&str) -> bool) -> bool {
        match field {
            Field::Interface => self.link().is_some_and(|link| is_it(link.name.as_str())),
            Field::Event => is_it(self.event.kind.name()),
            Field::State => is_it(self.event.state),
            Field::OldState => self.event.old_state.is_some_and(is_it),
            Field::Backend => is_it(self.backend.name()),
            Field::IpFamily => {
                let families = [(Family::V4, "ipv4"), (Family::V6, "ipv6")];
                families.into_iter().any(|(family, name)| is_it(name) && self.is_of(family))
            }
            _ => false,
        }
    }

    pub(super) fn has_address(&self, field: Field, is_it: &dyn Fn(IpAddr) -> bool) -> bool {
        match (field, &self.event.detail) {
            (Field::Address, Detail::Address(address)) => is_it(address.ip),
            (Field::Address, _) => {
                self.link().is_some_and(|link| link.addresses.iter().any(|a| a.is_usable() && is_it(a.ip)))
            }
            (Field::Gateway, _) => self.link().is_some_and(|link| {
                link.gateway.is_some_and(|ip| is_it(ip.into()))
                    || link.gateway6.is_some_and(|ip| is_it(ip.into()))
            }),
            _ => false,
        }
    }
}
