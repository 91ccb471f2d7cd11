//! ISC dhclient: what its lease files say.

mod date;
mod grammar;
mod lease;
mod lexer;
mod options;

pub use lease::{Lease, LinkLeases};
