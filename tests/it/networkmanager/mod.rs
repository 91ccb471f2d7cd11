//! netevd under the real NetworkManager, judged by what scripts were given.

mod forged;
mod lifetimes;
mod states;
mod values;

use crate::support::Host;

const CONFIG: &str = "system: { backend: NetworkManager }\n";

/// A machine with NetworkManager, both its links connected, and a recorder for each of these events.
fn machine(test: &str, events: &[&str]) -> Option<Host> {
    let host = Host::with_managers(test, &["nm"])?;
    host.config(CONFIG);
    for event in events {
        host.recorder(event, "10-record", "");
    }
    host.await_uplinks();
    Some(host)
}

/// The events of a link so far, in order.
fn events(host: &Host, link: &str) -> Vec<String> {
    host.records().iter().filter(|r| r.env("LINK") == link).map(|r| r.env("EVENT").to_owned()).collect()
}
