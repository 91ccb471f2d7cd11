//! What the worker knows of links, addresses and routes, and what follows from each message.
//! Pure: messages in, events and marks out. One owner, no lock.

mod apply;
mod evaluate;
mod gateway;
mod link;
mod link_phase;
mod managed;
mod newer;
mod reports;
mod resynchronise;
#[cfg(test)]
mod resynchronise_tests;
mod routes;
mod saved;
mod saved_detail;
mod saved_values;
#[cfg(test)]
mod tests;
mod unfinished;
mod values;
#[cfg(test)]
mod values_tests;
mod waits;
#[cfg(test)]
mod waits_tests;

#[cfg(test)]
pub(crate) use apply::is_in_private_table;
pub use gateway::DefaultNextHops;
pub use link::{Known, LinkState};
pub use link_phase::{LinkPhase, PhaseInputs};
use managed::HostLastReported;
pub use managed::{LastReported, LeaseReport, Managed};
pub use newer::Newer;
pub use reports::LeaseWait;
pub use routes::{Routes, is_reported};
pub use saved::{SavedError, SavedState};

use crate::backend::HostReport;
use crate::model::{
    Backend, Class, Detail, Event, EventId, EventKind, EventValues, Facts, LinkFacts, LinkId, LinkLeases,
    Protocols, Track, UnfinishedEvent,
};
use protocol::{Ifindex, InterfaceName, Policy};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;
use waits::Waits;

/// Links that are remembered after their end.
const GONE_MAX: usize = 64;
/// Routes of a link that its facts list.
const ROUTES_SHOWN: usize = 1_000;

/// Which links run scripts, and whether route events are wanted at all.
pub struct Interest<'a> {
    /// True for the names of monitored links.
    pub monitors: &'a dyn Fn(&str) -> bool,
    /// A script waits in `routes.d`.
    pub routes: bool,
}

/// What followed from messages.
#[derive(Debug, Default)]
pub struct Changes {
    /// Events for scripts, in order.
    pub events: Vec<Event>,
    /// Links that are gone, with their last values.
    pub gone: Vec<(LinkId, Arc<LinkFacts>)>,
    /// Something that the routing plan depends on changed.
    pub routing: bool,
    /// A route of main's changed on which nothing depends but its copies.
    pub copies: bool,
    /// A rule or route of ours is gone, by our own hand or another's.
    pub ours_gone: bool,
    /// A link came, went or changed its name.
    pub links: bool,
    /// The kernel may have changed more than it said: dump again soon.
    pub needs_resync: bool,
}

/// The state.
#[derive(Debug)]
pub struct State {
    links: BTreeMap<Ifindex, LinkState>,
    /// The same by their numbers.
    ids: BTreeMap<LinkId, Ifindex>,
    routes: Routes,
    online: Option<bool>,
    /// Some link may have reached or left `routable` since the host was looked at.
    phases_changed: bool,
    /// What the manager says of links that the kernel has not told of yet.
    unknown_links: BTreeMap<Ifindex, Managed>,
    /// The last links that went: a manager may still speak of them.
    gone: VecDeque<(Ifindex, LinkId, Arc<LinkFacts>)>,
    /// The host in the manager's words, while it is there.
    host_report: Option<HostReport>,
    /// What `manager.d` was told last in a manager's words.
    host_last_reported: Option<HostLastReported>,
    /// Every interface's leases, as told last.
    leases: BTreeMap<InterfaceName, LinkLeases>,
    /// Whose words count, while it is there.
    manager: Option<Backend>,
    backend: Backend,
    waits: Waits,
    /// This link's wait is over: it does not begin again.
    released: Option<Ifindex>,
    /// Lease files have been read.
    leases_known: bool,
    /// Lease files are being written.
    leases_pending: bool,
    /// An address that is of a lease is expected in a file.
    expects_leases: bool,
    /// Facts have routes.
    shows_routes: bool,
    /// What the administrator says of gateways, where a helper follows it.
    policy: Option<Policy>,
    /// What is known of links is of before: no conclusions are drawn until the next dump.
    awaits_dump: bool,
    next_link: u64,
    next_event: u64,
    /// Events are those of the first look.
    startup: bool,
    /// Of before a restart.
    unfinished: Vec<UnfinishedEvent>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            links: BTreeMap::new(),
            ids: BTreeMap::new(),
            routes: Routes::default(),
            online: None,
            phases_changed: true,
            unknown_links: BTreeMap::new(),
            gone: VecDeque::new(),
            host_report: None,
            host_last_reported: None,
            leases: BTreeMap::new(),
            manager: None,
            backend: Backend::Kernel,
            waits: Waits::default(),
            released: None,
            leases_known: false,
            leases_pending: false,
            expects_leases: false,
            shows_routes: false,
            policy: None,
            awaits_dump: false,
            // 0 is the host.
            next_link: 1,
            next_event: 1,
            startup: true,
            unfinished: Vec::new(),
        }
    }
}

impl State {
    /// Every link, by ifindex.
    pub fn links(&self) -> impl Iterator<Item = &LinkState> {
        self.links.values()
    }

    /// The link of this number, while it is there.
    pub fn link_of(&self, id: LinkId) -> Option<&LinkState> {
        self.links.get(self.ids.get(&id)?)
    }

    /// The remembered routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// `STATE` of the host: the manager's word for it; without one whether some monitored link is
    /// routable.
    pub fn host(&self) -> &'static str {
        self.host_report.map_or(host_name(self.online.unwrap_or_default()), |host| host.state)
    }

    /// Reports may come before the first dump: what they mean for links is told after it.
    pub fn await_dump(&mut self) {
        self.awaits_dump = true;
    }

    /// The backend at work.
    pub fn under(&mut self, backend: Backend) {
        if backend != self.backend {
            (self.backend, self.manager, self.leases_known) = (backend, None, false);
        }
    }

    /// Whether facts of links list their routes.
    pub fn show_routes(&mut self, show: bool) {
        self.shows_routes = show;
    }

    /// Remembers all routes, or only those that are needed.
    pub fn remember_all_routes(&mut self, all: bool) {
        self.routes.remember_everything(all);
    }

    /// See [`Routes::ignore`].
    pub fn ignore_routes_of(&mut self, protocols: Protocols) -> bool {
        self.routes.ignore(protocols)
    }

    fn event(&mut self, link: LinkId, kind: EventKind, state: &'static str, detail: Detail) -> Event {
        let id = EventId(self.next_event);
        self.next_event += 1;
        let time = SystemTime::now();
        let then = self.keep(link, kind);
        Event {
            id,
            kind,
            track: Track::Operational,
            link,
            state,
            old_state: None,
            startup: self.startup,
            time,
            detail,
            then,
        }
    }

    /// What an event of this kind keeps of its link.
    fn keep(&self, link: LinkId, kind: EventKind) -> EventValues {
        let Some(state) = self.link_of(link) else { return EventValues::Present };
        match kind.class() {
            Class::State | Class::Value => self.link(link).map_or(EventValues::Present, EventValues::Whole),
            Class::Edge => EventValues::Brief(Box::new(state.brief())),
            Class::Batch => EventValues::Present,
        }
    }

    fn put_link(&mut self, link: LinkState) {
        self.ids.insert(link.id, link.ifindex);
        self.links.insert(link.ifindex, link);
    }

    fn take_link(&mut self, ifindex: Ifindex) -> Option<LinkState> {
        let link = self.links.remove(&ifindex)?;
        self.ids.remove(&link.id);
        self.phases_changed = true;
        Some(link)
    }

    fn new_link_id(&mut self) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        id
    }
}

impl Facts for State {
    fn link(&self, id: LinkId) -> Option<Arc<LinkFacts>> {
        let link = self.link_of(id)?;
        let mut facts = link.facts(&self.routes);
        if self.shows_routes {
            facts.routes = self.routes.of_link(link.ifindex).take(ROUTES_SHOWN).cloned().collect();
        }
        Some(Arc::new(facts))
    }

    fn name(&self, id: LinkId) -> Option<InterfaceName> {
        self.link_of(id).map(|link| link.name.clone())
    }
}

const fn host_name(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}
