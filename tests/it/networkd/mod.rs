//! The backend systemd-networkd with the real one. What it cannot be made to say (a hostile
//! sender, a word that is none, a burst) is tested in netevd-worker/src/backend/networkd.

use crate::support::Host;

mod changes;
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
