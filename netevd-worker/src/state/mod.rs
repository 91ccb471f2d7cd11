//! What the worker knows of links, addresses and routes, and what follows from each message.
//! Pure: messages in, events and marks out. One owner, no lock.

mod apply;
mod climb;
mod link;
mod routes;
mod saved;
#[cfg(test)]
mod tests;

pub use climb::{Signs, Stage};
pub use link::{Known, LinkState};
pub use routes::{Exit, Routes, is_reported};
pub use saved::{SavedError, SavedState};

use crate::event::{Detail, Event, EventId, EventKind, LinkId};
use crate::facts::{Facts, LinkFacts};
use protocol::Ifindex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

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
    /// A rule or route of ours is gone, by our own hand or another's.
    pub ours_gone: bool,
    /// The kernel may have changed more than it said: dump again soon.
    pub doubt: bool,
}

/// The state.
#[derive(Debug)]
pub struct State {
    links: BTreeMap<Ifindex, LinkState>,
    routes: Routes,
    online: Option<bool>,
    next_link: u64,
    next_event: u64,
    /// Events are those of the first look.
    startup: bool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            links: BTreeMap::new(),
            routes: Routes::default(),
            online: None,
            // 0 is the host.
            next_link: 1,
            next_event: 1,
            startup: true,
        }
    }
}

impl State {
    /// Every link, by ifindex.
    pub fn links(&self) -> impl Iterator<Item = &LinkState> {
        self.links.values()
    }

    /// The remembered routes.
    pub fn routes(&self) -> &Routes {
        &self.routes
    }

    /// `STATE` of the host: some monitored link is routable, or none.
    pub fn host(&self) -> &'static str {
        host_name(self.online.unwrap_or_default())
    }

    /// Remembers all routes, or only those that are needed.
    pub fn remember_all_routes(&mut self, all: bool) {
        self.routes.remember_everything(all);
    }

    fn event(&mut self, link: LinkId, kind: EventKind, state: &'static str, detail: Detail) -> Event {
        let id = EventId(self.next_event);
        self.next_event += 1;
        let time = SystemTime::now();
        Event { id, kind, link, state, old_state: None, startup: self.startup, time, detail }
    }

    fn new_link_id(&mut self) -> LinkId {
        let id = LinkId(self.next_link);
        self.next_link += 1;
        id
    }
}

impl Facts for State {
    fn link(&self, id: LinkId) -> Option<Arc<LinkFacts>> {
        let link = self.links.values().find(|link| link.id == id)?;
        Some(Arc::new(link.facts(&self.routes)))
    }
}

const fn host_name(online: bool) -> &'static str {
    if online { "online" } else { "offline" }
}
