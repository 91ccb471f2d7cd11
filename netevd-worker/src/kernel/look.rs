//! One look at the kernel, for programs without an event loop of their own (the command line).
//! Blocks until it is done.

use crate::kernel::{Dump, DumpError, Dumper, ManagedDump, Route, RouteInterest};

/// Links, addresses and, of the routes that are always needed, those that `keep` chooses.
pub fn state(keep: impl Fn(&Route) -> bool) -> Result<Dump, DumpError> {
    let interest = RouteInterest { reported: false, private: false };
    runtime()?.block_on(async { Dumper::new()?.state(interest, keep).await })
}

/// All rules, and the routes of our protocol.
pub fn managed() -> Result<ManagedDump, DumpError> {
    runtime()?.block_on(async { Dumper::new()?.managed().await })
}

fn runtime() -> Result<tokio::runtime::Runtime, DumpError> {
    tokio::runtime::Builder::new_current_thread().enable_io().build().map_err(DumpError::Socket)
}
