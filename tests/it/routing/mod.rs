//! Source-based policy routing.

mod changes;
mod conflicts;
mod crashes;
mod full_table;
mod ipv6;
mod links;
mod marks;
mod operations;
mod packets;
mod problems;
mod random;
mod silent;
mod start;
mod wipes;
