//! ISC dhclient: what its lease files say.

mod lease;

pub use lease::{Lease, LinkLeases};
