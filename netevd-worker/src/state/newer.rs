//! What the kernel said since a dump was begun, and which objects that was about. Of those the last
//! message is the newest truth, and the dump, read at some time in between, may be older or newer
//! than any of them: it has no say. All others have not changed since before the first message, so
//! that the dump comes before the messages.

use super::apply::{AddressIdentity, identity};
use crate::kernel::KernelMessage;
use crate::model::{Address, Route, RouteKey};
use protocol::Ifindex;
use std::collections::BTreeSet;

/// The messages.
#[derive(Debug, Default)]
pub struct Newer {
    /// All that waited when the dump was there, oldest first, from before it was begun.
    pub messages: Vec<KernelMessage>,
    /// Their routes are news to scripts.
    pub routes: bool,
}

/// What they are about.
#[derive(Debug, Default)]
pub(super) struct Subjects {
    links: BTreeSet<Ifindex>,
    /// Of the links those that were gone at some time; with them went all that they had.
    ended: BTreeSet<Ifindex>,
    addresses: BTreeSet<(Ifindex, AddressIdentity)>,
    routes: BTreeSet<RouteKey>,
    /// An address was told of a link that was not known by then: a message before was lost, and so is
    /// this one. The dump is asked, which may be older.
    pub(super) needs_resync: bool,
}

impl Subjects {
    /// Of messages to a state that has these links.
    pub(super) fn of(messages: &[KernelMessage], knows: impl Fn(Ifindex) -> bool) -> Self {
        let mut all = Self::default();
        for message in messages {
            match message {
                // A partial message introduces nothing and changes nothing.
                KernelMessage::Link(link) if link.mtu.is_some() && link.name.is_some() => {
                    all.links.insert(link.ifindex);
                }
                KernelMessage::LinkGone(ifindex) => {
                    all.links.insert(*ifindex);
                    all.ended.insert(*ifindex);
                }
                KernelMessage::Route(route, _) | KernelMessage::RouteGone(route) => {
                    all.routes.insert(route.key());
                }
                _ => {}
            }
        }
        // The other links are known, from the dump at the latest.
        let mut unknown: BTreeSet<Ifindex> = all.links.iter().copied().filter(|link| !knows(*link)).collect();
        for message in messages {
            match message {
                KernelMessage::Link(link) if all.links.contains(&link.ifindex) => {
                    unknown.remove(&link.ifindex);
                }
                KernelMessage::LinkGone(ifindex) => {
                    unknown.insert(*ifindex);
                }
                KernelMessage::Address(ifindex, address) | KernelMessage::AddressGone(ifindex, address) => {
                    if unknown.contains(ifindex) {
                        all.needs_resync = true;
                    } else {
                        all.addresses.insert((*ifindex, identity(address)));
                    }
                }
                _ => {}
            }
        }
        all
    }

    pub(super) fn has_link(&self, ifindex: Ifindex) -> bool {
        self.links.contains(&ifindex)
    }

    pub(super) fn has_address(&self, ifindex: Ifindex, address: &Address) -> bool {
        self.ended.contains(&ifindex) || self.addresses.contains(&(ifindex, identity(address)))
    }

    pub(super) fn has_route(&self, route: &Route) -> bool {
        self.routes.contains(&route.key())
    }
}
