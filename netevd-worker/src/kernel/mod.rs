//! The kernel as a source: multicast messages and dumps, turned into plain values.
//!
//! Knows neither state nor routing nor scripts. Reading needs no privilege (rtnetlink(7)).

mod dump;
mod exchange;
mod extra;
mod filter;
mod full_route;
mod interest;
mod link;
mod message;
mod multicast;
mod raw;
mod route;
mod rule;
mod seen_route;
mod seen_rule;
mod unused_routes;
mod view;

pub use dump::{Dump, Dumper, ManagedDump};
pub use exchange::DumpError;
pub use full_route::{Attributes, FullRoute, HopAttributes, Spec, SpecHop};
pub use interest::RouteInterest;
pub use link::{Link, link_flag};
pub use message::{KernelMessage, Tally, parse};
pub use multicast::{Multicast, Received};
pub use rule::Rule;
pub use seen_route::{SeenHop, SeenMetric, SeenRoute};
pub use seen_rule::{SeenRule, host_or_prefix, range};
pub use unused_routes::UnusedRoutes;
pub use view::{Question, RouteSelection, View};
