//! What everything else speaks of: addresses, routes, links, leases, events and how runs ended. Values alone: nothing
//! here reads, waits or knows who uses it.

#![forbid(unsafe_code)]

mod address;
mod backend_kind;
mod event;
mod event_outcome;
mod lease;
mod link;
mod link_extra;
mod manager;
mod next_hop;
mod outcome;
mod protocols;
mod route;
mod unfinished;

pub use address::{Address, address_flag};
pub use backend_kind::Backend;
pub use event::*;
pub use event_outcome::EventOutcome;
pub use lease::{Lease, LinkLeases};
pub use link::{Facts, LinkFacts, Resolver};
pub use link_extra::{LinkExtra, Statistics};
pub use manager::ManagerFacts;
pub use next_hop::DefaultNextHop;
pub use outcome::{Completion, Outcome};
pub use protocols::Protocols;
pub use route::{
    BLACKHOLE, COPYABLE_PROTOCOLS, Hop, Hops, PROHIBIT, Route, RouteKey, THROW, UNICAST, UNREACHABLE,
};
pub use unfinished::UnfinishedEvent;
