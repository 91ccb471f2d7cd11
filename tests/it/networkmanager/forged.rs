//! Signals of somebody who is not NetworkManager.

use super::{events, machine};

#[test]
fn networkmanager_a_forged_signal_runs_nothing() {
    let test = "networkmanager_a_forged_signal_runs_nothing";
    let Some(host) = machine(test, &["activated", "disconnected", "failed", "deactivating"]) else { return };
    let daemon = host.start_daemon();
    host.await_run("activated", "nm1");
    let path = host.sh("nmcli -g GENERAL.DBUS-PATH device show nm1");
    let list = host.sh("busctl --no-pager --no-legend list --unique");
    // Ours among them; the others make nothing of it.
    let connections = list.lines().filter_map(|line| line.split_whitespace().next());
    // The policy lets everybody send signals: to all, which the match rules refuse, and to us by
    // our unique names, which they do not.
    let signal = format!("{} org.freedesktop.NetworkManager.Device StateChanged uuu 120 100 39", path.trim());
    let mut forged = format!("busctl emit {signal}\n");
    for connection in connections {
        forged.push_str(&format!("busctl emit --destination={connection} {signal}\n"));
    }
    for user in ["nobody", "netevd", "root"] {
        let done = host.run_as(user, &forged);
        assert_eq!(done.status, 0, "{done:?}");
    }
    daemon.await_log(&["a signal of :", "is not org.freedesktop.NetworkManager", "is ignored"]);
    // The bus keeps the order: what comes after the forged ones has come after them.
    host.sh("nmcli connection down nm1");
    host.await_run("disconnected", "nm1");
    assert_eq!(events(&host, "nm1"), ["activated", "deactivating", "disconnected"]);
}
