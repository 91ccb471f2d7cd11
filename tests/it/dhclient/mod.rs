//! The backend dhclient with the real client and a real server: what scripts run when a lease is
//! gained, renewed, changed, lost.

mod changes;
mod files;

use crate::support::{Host, Record, wait_for};

/// Where the machine's dhclient writes.
const LEASES: &str = "/var/lib/dhcp/dhclient.up2.leases";

/// A machine whose dhclient has not begun: up2 is up and has nothing.
fn machine(test: &str) -> Option<Host> {
    let host = Host::with_managers(test, &["dhclient"])?;
    forget(&host);
    host.config("system: { backend: dhclient }\nmonitoring: { interfaces: [up2, \"eth*\"] }\n");
    host.recorder("routable", "10-record", "");
    Some(host)
}

/// Ends dhclient without a word, and takes away what it did.
fn forget(host: &Host) {
    if host.manager("dhclient").pid().is_some() {
        host.manager("dhclient").stop();
    }
    host.sh(&format!("rm -f {LEASES}; ip addr flush dev up2"));
}

/// What of `routable` ran for a link.
fn routable(records: &[Record], link: &str) -> Vec<Record> {
    records.iter().filter(|record| record.what() == ("routable", link)).cloned().collect()
}

/// Waits until so many leases stand in the file: a renewal adds one.
fn await_leases(host: &Host, count: usize) {
    let found = || host.read(LEASES).matches("fixed-address").count();
    wait_for(&format!("{count} leases"), || host.manager("dhclient").log(), || found() >= count);
}

/// Waits until the daemon has read every lease file as it is now: a lease that is written after
/// all others has its event.
fn await_read(host: &Host, number: u8) {
    let link = format!("eth{number}");
    host.veth(&link, u32::from(number) + 100);
    host.ip(&format!("addr add 192.0.2.{number}/24 dev {link}"));
    host.write(
        &format!("/var/lib/dhcp/dhclient.{link}.leases"),
        &format!(
            "lease {{\n  interface \"{link}\";\n  fixed-address 192.0.2.{number};\n  expire never;\n}}\n"
        ),
        0o644,
    );
    host.await_records(&format!("the lease of {link}"), |records| !routable(records, &link).is_empty());
}
