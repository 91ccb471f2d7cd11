//! Scripts: which, in which order, with what they are given, and what they may do.

mod bounds;
mod directories;
mod privileges;
mod queues;
mod reach;
mod replay;
mod trust;
mod users;
mod values;

use crate::support::Host;

/// The kernel backend, with scripts for eth0 and eth1 alone.
const CONFIG: &str = "system: { backend: kernel }\nmonitoring: { interfaces: [\"eth*\"] }\n";

/// A machine with eth0 (index 6) and eth1 (index 7), up, without addresses.
fn machine(test: &str) -> Option<Host> {
    let host = Host::new(test)?;
    prepare(&host);
    Some(host)
}

fn prepare(host: &Host) {
    host.isp();
    host.veth("eth0", 6);
    host.veth("eth1", 7);
    host.config(CONFIG);
}
