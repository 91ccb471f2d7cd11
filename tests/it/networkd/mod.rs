//! The backend systemd-networkd with the real one; only what it cannot be made to say comes from
//! the test agent.

use crate::support::Host;

mod changes;
mod hostile;
mod restarts;
mod values;
mod wipes;

/// A machine whose networkd has set up its links.
fn machine(test: &str) -> Option<Host> {
    let host = Host::with_managers(test, &["networkd"])?;
    host.await_uplinks();
    host.config("system: { backend: systemd-networkd }\n");
    Some(host)
}

/// A link `tst0` with carrier that networkd sees and leaves alone, other end `tst0p` on the other
/// side, without addresses.
fn unmanaged_link(host: &Host) {
    host.veth("tst0", 50);
    host.await_networkd("tst0", "carrier", "unmanaged");
}
