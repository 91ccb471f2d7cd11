//! The kernel as a source: multicast messages and dumps, turned into plain values.
//!
//! Knows neither state nor routing nor scripts. Reading needs no privilege (rtnetlink(7)).

mod dump;
mod extra;
mod link;
pub mod look;
mod message;
mod multicast;
mod route;
mod rule;
mod view;

pub use dump::{Dump, DumpError, Dumper, ManagedDump};
pub use extra::{LinkExtra, Statistics};
pub use link::{Link, link_flag};
pub use message::{KernelMessage, parse};
pub use multicast::{Multicast, Received};
pub use route::{COPYABLE_PROTOCOLS, Hop, Route, RouteKey, UNICAST, UNREACHABLE};
pub use rule::Rule;
pub use view::{RouteWish, SeenHop, SeenRoute, SeenRule, View};
