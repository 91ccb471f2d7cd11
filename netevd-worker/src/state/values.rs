//! Leases, name servers and time servers: reported when they change, with every backend that knows them.

use super::managed::LeaseReport;
use super::{Changes, LinkState, State};
use crate::model::{Backend, Detail, EventKind, Lease, LinkLeases, Resolver};
use protocol::Ifindex;
use std::sync::Arc;

impl State {
    /// `lease` and `dns`, for what is other than scripts were told.
    pub(super) fn emit_values(&mut self, ifindex: Ifindex, changes: &mut Changes) {
        let Some(link) = self.links.get_mut(&ifindex).filter(|link| link.monitored) else { return };
        let is_known = match self.backend {
            Backend::Networkd | Backend::NetworkManager => link.managed.facts.is_some(),
            // `routable` is reported first, when the kernel has what the lease says.
            Backend::Dhclient => {
                self.leases_known
                    && !matches!(link.lease_report, LeaseReport::New { .. } | LeaseReport::Expected)
            }
            Backend::Kernel | Backend::Auto => false,
        };
        if !is_known {
            return;
        }
        let leases = link.leases_in_force();
        let resolver = link.resolver(&leases);
        let (id, state) = (link.id, link.state_name(&self.routes));
        let before = (link.last_reported.leases != leases)
            .then(|| std::mem::replace(&mut link.last_reported.leases, leases));
        let asked = (link.last_reported.resolver != resolver)
            .then(|| std::mem::replace(&mut link.last_reported.resolver, resolver));
        if let Some(old) = before {
            let event = self.event(id, EventKind::Lease, state, Detail::Lease { old: Box::new(old) });
            changes.events.push(event);
        }
        if let Some(old) = asked {
            let event = self.event(id, EventKind::Dns, state, Detail::Dns { old: Box::new(old) });
            changes.events.push(event);
        }
    }
}

impl LinkState {
    /// Those whose address the kernel has, or had when they were reported.
    fn leases_in_force(&self) -> LinkLeases {
        let has = |lease: &Lease| self.addresses.iter().any(|known| known.address.ip == lease.address);
        let in_force = |lease: Option<Arc<Lease>>, reported: &Option<Arc<Lease>>| {
            let is_reported =
                |lease: &Lease| reported.as_ref().is_some_and(|reported| reported.address == lease.address);
            lease.filter(|lease| has(lease) || is_reported(lease))
        };
        let LinkLeases { v4, v6 } = self.present_leases();
        LinkLeases {
            v4: in_force(v4, &self.last_reported.leases.v4),
            v6: in_force(v6, &self.last_reported.leases.v6),
        }
    }

    fn resolver(&self, leases: &LinkLeases) -> Resolver {
        self.managed.asked().unwrap_or_else(|| {
            let (dns, domains) = leases.resolver();
            Resolver { dns, domains, ntp: leases.ntp() }
        })
    }
}
