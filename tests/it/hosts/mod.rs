//! Do no harm: hosts that people have, made after public reports. Whatever was answered before netevd started is
//! answered with it, by packets; only the uplink changes.

mod advertised;
mod choices;
mod containers;
mod defaults;
mod ipv6;
mod later;
mod many;
mod named;
mod nexthops;
mod others;
mod prefixes;
mod published;
mod reach;
mod separate;
mod site;
mod statics;
mod vpn;
