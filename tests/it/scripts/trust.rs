//! Scripts that are not run: the log line names the component and the command that mends it.

use super::{machine, prepare};
use crate::support::{Host, Record, recorder};

const DIRECTORY: &str = "/etc/netevd/configured.d";

/// What is wrong, made by a shell command; the component at fault; the cure.
struct Fault {
    made: &'static str,
    component: &'static str,
    found: &'static str,
    cure: &'static str,
}

const FAULTS: [Fault; 9] = [
    Fault {
        made: "chmod 775 /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "writable by group",
        cure: "chmod go-w",
    },
    Fault {
        made: "chmod 757 /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "writable by others",
        cure: "chmod go-w",
    },
    Fault {
        made: "chmod 4755 /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "setuid",
        cure: "chmod u-s,g-s",
    },
    Fault {
        made: "chmod 644 /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "not executable",
        cure: "chmod a+rx",
    },
    Fault {
        made: "rm /etc/netevd/configured.d/50-bad; mkdir /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "not a regular file",
        cure: "mv ",
    },
    Fault {
        made: "mv /etc/netevd/configured.d/50-bad /out/; ln -s /out/50-bad /etc/netevd/configured.d/50-bad",
        component: "/etc/netevd/configured.d/50-bad",
        found: "symbolic link to /out/50-bad",
        cure: "readlink -f",
    },
    Fault {
        made: "mv /etc/netevd/configured.d /out/; ln -s /out/configured.d /etc/netevd/configured.d",
        component: "/etc/netevd/configured.d",
        found: "symbolic link to /out/configured.d",
        cure: "readlink -f",
    },
    Fault {
        made: "chmod 777 /etc/netevd/configured.d",
        component: "/etc/netevd/configured.d",
        found: "writable by group and others",
        cure: "chmod go-w /etc/netevd/configured.d",
    },
    Fault {
        made: "chmod 775 /etc/netevd",
        component: "/etc/netevd",
        found: "writable by group",
        cure: "chmod go-w /etc/netevd",
    },
];

/// Makes the fault, sees that the script does not run and why, mends it, and sees it run.
fn refused_then_mended(host: &Host, fault: &Fault, turn: u32) {
    let path = format!("{DIRECTORY}/50-bad");
    host.sh("rm -rf /etc/netevd /out/50-bad /out/configured.d; : >/out/records");
    host.config(super::CONFIG);
    host.recorder("configured", "50-bad", "");
    host.write("/usr/lib/netevd/configured.d/99-last", &recorder(""), 0o755);
    host.sh(fault.made);
    let daemon = host.start_daemon();
    host.ip(&format!("addr add 192.0.2.{turn}/24 dev eth1"));
    let records = host.await_records("the script after it ran", |records| {
        records.iter().any(|record| record.name() == "99-last")
    });
    assert!(!records.iter().any(|record| record.name() == "50-bad"), "refused: {}", fault.made);
    let line = daemon.await_log(&["WARN", fault.component, fault.found, fault.cure]);
    let listed = host.run(&["/opt/netevd/netevd", "list", "scripts"]).stdout;
    assert!(
        listed.contains(&path) && listed.contains(fault.found) && listed.contains(fault.cure),
        "list scripts says the same as {line}:\n{listed}"
    );

    // The command that it names does mend it. (A directory in a script's place has to go elsewhere,
    // and where to is for people to say.)
    let cure = listed.lines().find_map(|line| line.trim().strip_prefix("to fix it: "));
    let cure = cure.unwrap_or_else(|| panic!("a command:\n{listed}"));
    host.ip("addr flush dev eth1");
    if !cure.starts_with("mv ") {
        host.sh(cure);
        host.ip(&format!("addr add 192.0.2.{turn}/24 dev eth1"));
        host.await_records(&format!("it runs after {cure}"), |records| {
            records.iter().any(|record| record.name() == "50-bad")
        });
        host.ip("addr flush dev eth1");
    }
    assert_eq!(daemon.stop().status, 0);
}

#[test]
fn scripts_refused_with_component_and_cure() {
    let Some(host) = machine("scripts_refused_with_component_and_cure") else { return };
    for (turn, fault) in (2..).zip(&FAULTS) {
        refused_then_mended(&host, fault, turn);
    }
}

#[test]
fn scripts_refused_when_another_user_owns_them() {
    let Some(host) = Host::with_users("scripts_refused_when_another_user_owns_them") else { return };
    prepare(&host);
    let faults = [
        Fault {
            made: "chown netevd /etc/netevd/configured.d/50-bad",
            component: "/etc/netevd/configured.d/50-bad",
            found: "owned by uid 970",
            cure: "chown root",
        },
        Fault {
            made: "chown nobody /etc/netevd",
            component: "/etc/netevd",
            found: "owned by uid 65534",
            cure: "chown root",
        },
    ];
    for (turn, fault) in (2..).zip(&faults) {
        refused_then_mended(&host, fault, turn);
    }
}

#[test]
fn scripts_run_once_mended_without_a_restart() {
    let Some(host) = machine("scripts_run_once_mended_without_a_restart") else { return };
    host.recorder("address-added", "50-script", "");
    host.sh("chmod 666 /etc/netevd/address-added.d/50-script");
    let daemon = host.start_daemon();
    host.ip("addr add 192.0.2.2/24 dev eth1");
    daemon.await_log(&["WARN", "50-script", "writable"]);
    host.ip("addr add 192.0.2.3/24 dev eth1");
    host.sh("chmod 755 /etc/netevd/address-added.d/50-script");
    host.ip("addr add 192.0.2.4/24 dev eth1");
    let ran = |records: &[Record]| records.iter().any(|record| record.env("ADDRESS") == "192.0.2.4");
    host.await_records("the mended script ran", ran);
    let said =
        daemon.log().lines().filter(|line| line.contains("50-script") && line.contains("writable")).count();
    assert_eq!(said, 1, "said once, not at every event:\n{}", daemon.log());
}
