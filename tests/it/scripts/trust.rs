//! Scripts that are not run: the log line names the component and the command that fixes it.

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
        made: "rm -rf /srv/bad; mkdir -m 777 /srv/bad; mv /etc/netevd/configured.d/50-bad /srv/bad/; \
               ln -s /srv/bad/50-bad /etc/netevd/configured.d/50-bad",
        component: "/srv/bad",
        found: "writable by group and others",
        cure: "chmod go-w /srv/bad",
    },
    Fault {
        made: "rm -rf /srv/bad; mkdir -m 777 /srv/bad; mv /etc/netevd/configured.d /srv/bad/; \
               ln -s /srv/bad/configured.d /etc/netevd/configured.d",
        component: "/srv/bad",
        found: "writable by group and others",
        cure: "chmod go-w /srv/bad",
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

/// Makes the fault, sees that the script does not run and why, fixes it, and sees it run.
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

    // The command that it names does fix it. (A directory in a script's place has to go elsewhere,
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
    host.await_records("the fixed script ran", ran);
    let said =
        daemon.log().lines().filter(|line| line.contains("50-script") && line.contains("writable")).count();
    assert_eq!(said, 1, "said once, not at every event:\n{}", daemon.log());
}

#[test]
fn scripts_links_and_access_lists_of_root_count() {
    let Some(host) = machine("scripts_links_and_access_lists_of_root_count") else { return };
    // As stow and NixOS do: a file and a directory by links, through a store that a group may write to.
    host.write("/srv/store/one", &recorder(""), 0o755);
    host.write("/srv/store/two/20-two", &recorder(""), 0o755);
    host.sh("chmod 1775 /srv/store; chgrp 970 /srv/store; mkdir -p /etc/netevd/mtu.d; \
             ln -s ../../../srv/store/one /etc/netevd/mtu.d/10-one; ln -s /srv/store/two /usr/lib/netevd/mtu.d");
    // Of nobody but root and the one that its access list names.
    host.write("/etc/netevd/mtu.d/30-list", &recorder(""), 0o750);
    host.write("/etc/netevd/mtu.d/40-not-listed", &recorder(""), 0o750);
    host.sh("python3 -c '
import os, struct
entries = [(1, 7, 2**32 - 1), (2, 5, 970), (4, 5, 2**32 - 1), (16, 5, 2**32 - 1), (32, 0, 2**32 - 1)]
value = struct.pack(\"<I\", 2) + b\"\".join(struct.pack(\"<HHI\", *entry) for entry in entries)
os.setxattr(\"/etc/netevd/mtu.d/30-list\", \"system.posix_acl_access\", value)
'");
    host.recorder("mtu", "50-last", "");
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    let records = host.await_records("the last", |records| records.iter().any(|r| r.name() == "50-last"));
    let names: Vec<&str> = records.iter().map(Record::name).collect();
    assert_eq!(names, ["10-one", "20-two", "30-list", "50-last"]);
    daemon.await_log(&["WARN", "40-not-listed", "is not executable by uid 970"]);
    // A link of somebody else's is none of root's.
    host.sh("chown -h nobody /etc/netevd/mtu.d/10-one");
    host.ip("link set eth1 mtu 1401");
    daemon.await_log(&["WARN", "10-one", "is owned by uid 65534", "chown -h root"]);
}

#[test]
fn scripts_what_cannot_be_executed_is_shown_before_an_event() {
    let Some(host) = machine("scripts_what_cannot_be_executed_is_shown_before_an_event") else { return };
    host.write("/etc/netevd/mtu.d/10-empty", "", 0o755);
    host.write("/etc/netevd/mtu.d/20-windows", "#!/bin/sh\r\n:\r\n", 0o755);
    host.write("/etc/netevd/mtu.d/30-missing", "#!/nonexistent/sh\n", 0o755);
    host.write("/etc/netevd/mtu.d/40.disabled", &recorder(""), 0o755);
    host.sh("mkdir -p /usr/local/lib/netevd; mount -t tmpfs -o noexec,mode=755 x /usr/local/lib/netevd");
    host.write("/usr/local/lib/netevd/mtu.d/50-noexec", &recorder(""), 0o755);
    let listed = host.run(&["/opt/netevd/netevd", "list", "scripts"]).stdout;
    for part in [
        "10-empty",
        "is empty",
        "carriage return",
        "interpreter /nonexistent/sh is not there",
        "mounted noexec",
        "switched off by its name",
    ] {
        assert!(listed.contains(part), "{part}: {listed}");
    }
    let daemon = host.start_daemon();
    host.ip("link set eth1 mtu 1400");
    daemon.await_log(&["20-windows", "its first line ends in a carriage return"]);
    // And the command that it names helps.
    host.sh("sed -i 's/\\r$//' /etc/netevd/mtu.d/20-windows");
    host.ip("link set eth1 mtu 1401");
    daemon.await_log(&["exit status 0", "20-windows"]);

    // A directory that only root may search: the command names the one that is closed.
    host.write("/usr/lib/netevd/mtu.d/60-late", &recorder(""), 0o755);
    host.sh("chmod 700 /usr/lib/netevd");
    host.ip("link set eth1 mtu 1402");
    daemon.await_log(&["WARN", "to fix it: chmod a+rx /usr/lib/netevd "]);
    host.sh("chmod a+rx /usr/lib/netevd");
    host.ip("link set eth1 mtu 1403");
    host.await_run("mtu", "eth1");
}
