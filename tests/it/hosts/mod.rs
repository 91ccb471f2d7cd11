//! Do no harm: hosts that people have, made after public reports. Whatever was answered before netevd started is
//! answered with it, by packets; only the uplink changes.

mod advertised;
mod containers;
mod defaults;
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
