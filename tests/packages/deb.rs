//! The .deb with dpkg, in Debian 12 and 13.

use crate::host::{CONFFILE, Format, Host, SCRIPT};
use crate::life::{ENABLED, live};

const fn format(suite: &'static str) -> Format {
    Format {
        suite,
        suffix: ".deb",
        install: "dpkg -i $FILE",
        upgrade: "dpkg -i $FILE",
        remove: "dpkg -r netevd",
        verify: "dpkg -V netevd",
        version: "dpkg-query -W -f '${Version}' netevd",
        programs: "/usr/lib/netevd",
        starts: true,
        kept: CONFFILE,
    }
}

static BOOKWORM: Format = format("bookworm");
static TRIXIE: Format = format("trixie");

#[test]
fn debian_12() {
    purged(live(&BOOKWORM));
}

#[test]
fn debian_13() {
    purged(live(&TRIXIE));
}

/// After its removal: purge, and an installation where no service may start.
fn purged(host: Option<Host>) {
    let Some(host) = host else { return };
    let machine = &host.machine;
    assert!(machine.path(CONFFILE).exists() && machine.path("/var/log/netevd").exists());
    machine.sh("dpkg -P netevd 2>&1");
    for place in [CONFFILE, "/var/log/netevd"] {
        assert!(!machine.path(place).exists(), "{place} is left");
    }
    assert_eq!(machine.sh(ENABLED), "");
    for place in [SCRIPT, "/etc/netevd/netevd.yaml"] {
        assert!(machine.path(place).exists(), "{place} is the administrator's");
    }
    // Users stay, so that their numbers are never given to others (Debian's policy).
    assert_eq!(machine.sh("getent passwd netevd netevd-priv netevd-scripts").lines().count(), 3);
    assert_eq!(machine.run("dpkg-query -W -f '${Status}' netevd").status, 1, "dpkg knows nothing of it");

    machine.write("/usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n");
    machine.sh("chmod 755 /usr/sbin/policy-rc.d");
    let output = host.install();
    assert_eq!(host.state("netevd"), ("inactive".to_owned(), "enabled".to_owned()), "{output}");
    machine.sh("systemctl start netevd");
    host.await_routing("policy routing when the administrator starts it");
}
