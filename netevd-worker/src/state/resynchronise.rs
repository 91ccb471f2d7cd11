//! How a dump changes the state, beside the messages that came while it was read.

use super::apply::identity;
use super::newer::{Newer, Subjects};
use super::{Changes, Interest, State};
use crate::kernel::{Dump, KernelMessage};
use crate::model::Address;
use protocol::Ifindex;
use std::collections::BTreeSet;

impl State {
    /// The whole truth after a start or a loss. First the dump, as far as no newer message is about the
    /// same: what is not in it is gone, what is there is applied. Then the messages, in order.
    pub fn resynchronise(
        &mut self,
        dump: Dump,
        newer: Newer,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) {
        let subjects = Subjects::of(&newer.messages, |ifindex| self.links.contains_key(&ifindex));
        // The routes of a first look are not news; GATEWAY tells what matters.
        let routes_of_dump = Interest { routes: interest.routes && !self.startup, ..*interest };
        let routes_of_messages = Interest { routes: newer.routes && !self.startup, ..*interest };
        // At the first look each link is looked at once, at the end.
        self.awaits_dump = self.startup;
        self.forget_what_is_missing(&dump, &subjects, interest, changes);
        for link in dump.links {
            if !subjects.has_link(link.ifindex) {
                self.absorb(KernelMessage::Link(link), interest, changes);
            }
        }
        // Those of links that only the messages introduce come after them.
        let mut late = Vec::new();
        for (ifindex, address) in dump.addresses {
            if subjects.has_address(ifindex, &address) {
                continue;
            }
            let is_known = self.links.contains_key(&ifindex);
            let address = KernelMessage::Address(ifindex, address);
            if is_known {
                self.absorb(address, interest, changes);
            } else {
                late.push(address);
            }
        }
        for route in dump.routes {
            if !subjects.has_route(&route) {
                self.absorb(KernelMessage::Route(route, false), &routes_of_dump, changes);
            }
        }
        let settled: Vec<Ifindex> = self.links.keys().copied().filter(|i| !subjects.has_link(*i)).collect();
        for ifindex in settled {
            self.evaluate(ifindex, changes);
        }
        self.evaluate_host(changes);
        // The dump has answered what was in doubt before it; what the messages put in doubt is for the next.
        changes.needs_resync = subjects.needs_resync;
        for message in newer.messages {
            self.apply(message, &routes_of_messages, changes);
        }
        for address in late {
            self.absorb(address, interest, changes);
        }
        self.awaits_dump = false;
        self.evaluate_all(changes);
        self.evaluate_host(changes);
        self.startup = false;
        changes.routing = true;
    }

    fn forget_what_is_missing(
        &mut self,
        dump: &Dump,
        subjects: &Subjects,
        interest: &Interest<'_>,
        changes: &mut Changes,
    ) {
        let present: BTreeSet<Ifindex> = dump.links.iter().map(|link| link.ifindex).collect();
        let is_gone = |ifindex: &Ifindex| !present.contains(ifindex) && !subjects.has_link(*ifindex);
        let gone: Vec<Ifindex> = self.links.keys().copied().filter(is_gone).collect();
        for route in self.routes.missing_from(&dump.routes) {
            if !subjects.has_route(&route) {
                self.absorb(KernelMessage::RouteGone(route), interest, changes);
            }
        }
        for (ifindex, address) in self.missing_addresses(dump) {
            if !subjects.has_address(ifindex, &address) {
                self.absorb(KernelMessage::AddressGone(ifindex, address), interest, changes);
            }
        }
        for ifindex in gone {
            self.absorb(KernelMessage::LinkGone(ifindex), interest, changes);
        }
    }

    fn missing_addresses(&self, dump: &Dump) -> Vec<(Ifindex, Address)> {
        let there: BTreeSet<_> = dump.addresses.iter().map(|(link, a)| (*link, identity(a))).collect();
        let known = self
            .links
            .values()
            .flat_map(|link| link.addresses.iter().map(|known| (link.ifindex, &known.address)));
        let missing = known.filter(|(link, address)| !there.contains(&(*link, identity(address))));
        missing.map(|(link, address)| (link, address.clone())).collect()
    }
}
