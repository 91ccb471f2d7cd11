//! What a script may do: nothing that its user may not.

use super::{machine, prepare};
use crate::support::Host;

#[test]
fn scripts_have_no_capability_no_new_privileges_and_three_descriptors() {
    let name = "scripts_have_no_capability_no_new_privileges_and_three_descriptors";
    let Some(host) = machine(name) else { return };
    host.recorder("configured", "10-note", "");
    let _daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let run = host.await_run("configured", "eth1").0;
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(run["status"][set], "0000000000000000", "{set}");
    }
    assert_eq!(run["status"]["NoNewPrivs"], "1");
    assert_eq!(run["fds"], serde_json::json!([0, 1, 2]));
    assert_eq!(run["cwd"], "/");
}

#[test]
fn scripts_run_as_netevd_and_cannot_reach_the_network_configuration() {
    let name = "scripts_run_as_netevd_and_cannot_reach_the_network_configuration";
    let Some(host) = Host::with_users(name) else { return };
    prepare(&host);
    host.recorder("configured", "10-note", "");
    host.script(
        "configured",
        "20-try",
        "#!/bin/sh\nexec >/out/tried 2>&1\nip addr add 192.0.2.99/24 dev eth0 && echo CHANGED\n\
         ip rule add priority 1 from 192.0.2.99 lookup 7 && echo CHANGED\n\
         kill -KILL $(pidof netevd-priv) && echo KILLED\n\
         for fd in 0 1 2 3 4; do readlink /proc/$PPID/fd/$fd && echo PEEKED; done\necho end\n",
    );
    let daemon = host.start_daemon();
    let helper = daemon.child("netevd-priv").expect("the helper runs");
    host.ip("addr add 192.0.2.2/24 dev eth1");
    let run = host.await_run("configured", "eth1").0;
    assert_eq!(run["status"]["Uid"], "970 970 970 970");
    assert_eq!(run["status"]["Gid"], "970 970 970 970");
    assert_eq!(run["status"]["Groups"], "");
    crate::support::wait_for("the script ended", || host.log(), || host.read("/out/tried").contains("end\n"));
    let tried = host.read("/out/tried");
    for done in ["CHANGED", "KILLED", "PEEKED"] {
        assert!(!tried.contains(done), "{tried}");
    }
    assert_eq!(daemon.child("netevd-priv"), Some(helper));
}
