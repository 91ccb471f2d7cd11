//! Filters on a real kernel, judged by what scripts wrote.

mod actions;
mod events;
mod reload;

use crate::support::Host;

/// Every kind of event that the kernel tells.
const KINDS: [&str; 13] = [
    "carrier",
    "no-carrier",
    "degraded",
    "configured",
    "routable",
    "gateway",
    "manager",
    "routes",
    "address-added",
    "address-removed",
    "link-added",
    "link-removed",
    "mtu",
];

/// A machine with eth0 (index 6) and eth1 (index 7), up, without addresses; every kind of event of
/// theirs is recorded, but for what these filters say.
fn machine(test: &str, filters: &str) -> Option<Host> {
    let host = Host::new(test)?;
    host.isp();
    host.veth("eth0", 6);
    host.veth("eth1", 7);
    for kind in KINDS {
        host.recorder(kind, "10-note", "");
    }
    configure(&host, filters);
    Some(host)
}

fn configure(host: &Host, filters: &str) {
    host.config(&format!(
        "system: {{ backend: kernel }}\nmonitoring: {{ interfaces: [\"eth*\", wg0] }}\nfilters:\n{filters}"
    ));
}

/// Events that are told whatever the filters say, for they are about another link: a wait for what came before.
fn everything_is_told(host: &Host, mtu: u32) {
    host.ip(&format!("link set eth0 mtu {mtu}"));
    host.await_records("eth0's mtu", |records| {
        records.iter().any(|record| record.what() == ("mtu", "eth0") && record.env("MTU") == mtu.to_string())
    });
}

/// Event and link of all runs.
fn ran(host: &Host) -> Vec<(String, String)> {
    host.records()
        .iter()
        .map(|record| (record.env("EVENT").to_owned(), record.env("LINK").to_owned()))
        .collect()
}
