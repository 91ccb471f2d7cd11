//! A machine, one format's package manager, and what the tests ask of both.

use crate::machine::Machine;
use crate::network::{NETWORK, UP1_MANAGED, is_whole};
use std::fs;
use std::path::PathBuf;

/// What differs between the formats.
pub(crate) struct Format {
    /// The suite that the machine is made of.
    pub(crate) suite: &'static str,
    /// How a package's file name ends.
    pub(crate) suffix: &'static str,
    /// Installs `$FILE`, which may be another version of what is installed.
    pub(crate) install: &'static str,
    pub(crate) upgrade: &'static str,
    pub(crate) remove: &'static str,
    /// Prints what is not as the package has it, one file each line.
    pub(crate) verify: &'static str,
    /// Prints the installed version.
    pub(crate) version: &'static str,
    /// Where helper and worker are.
    pub(crate) programs: &'static str,
    /// Debian's custom: the service runs after the installation. Else the administrator starts it.
    pub(crate) starts: bool,
    /// Where the administrator's edited configuration file is after the removal.
    pub(crate) kept: &'static str,
}

/// This version, and the same programs as the next one.
#[derive(Clone, Copy)]
pub(crate) enum Version {
    Now,
    Next,
}

/// The machine of one test.
pub(crate) struct Host {
    pub(crate) machine: Machine,
    pub(crate) format: &'static Format,
}

/// The configuration of every test: policy routing of up1, and a unit of root's for two events, one of
/// which comes with the start.
pub(crate) const UNITS: &str =
    "units: [{ on: [mtu, configured], link: \"up*\", start: \"mark@%i.service\" }]\n";
pub(crate) const SCRIPT: &str = "/etc/netevd/mtu.d/10-note";
pub(crate) const CONFFILE: &str = "/etc/iproute2/rt_protos.d/netevd.conf";
pub(crate) const POLKIT: &str = "/etc/polkit-1/rules.d/50-netevd.rules";

impl Host {
    /// Boots a machine without netevd, with both packages below /root.
    pub(crate) fn boot(format: &'static Format) -> Option<Self> {
        let mut files = NETWORK.to_vec();
        files.push((
            "/etc/systemd/system/mark@.service",
            "[Service]\nType=oneshot\nExecStart=touch /run/marked-%i\n",
            0o644,
        ));
        if !format.starts {
            // As Fedora and Arch have it: a package enables nothing by itself.
            files.push(("/etc/systemd/system-preset/99-default-disable.preset", "disable *\n", 0o644));
        }
        let machine = Machine::boot_without(format.suite, &files)?;
        // The root file system leaves out documentation; here it is part of what is looked at.
        machine.sh("rm -f /etc/dpkg/dpkg.cfg.d/*mmdebstrap*; mkdir -p /var/lib/pacman");
        for (name, version) in [("now", Version::Now), ("next", Version::Next)] {
            let file = package(name, format.suffix);
            fs::copy(&file, machine.path(&place(format, version))).expect("copied");
        }
        Some(Self { machine, format })
    }

    fn manage(&self, command: &str, version: Version) -> String {
        self.machine.sh(&format!("FILE={}; {command} 2>&1", place(self.format, version)))
    }

    /// Installs the package where none is.
    pub(crate) fn install(&self) -> String {
        self.manage(self.format.install, Version::Now)
    }

    /// Upgrades or downgrades to this version, and sees that it is installed.
    pub(crate) fn upgrade(&self, version: Version) -> String {
        let output = self.manage(self.format.upgrade, version);
        let installed = self.machine.sh(self.format.version);
        let next = installed.contains("99.0.0");
        assert_eq!(next, matches!(version, Version::Next), "{installed}\n{output}");
        output
    }

    pub(crate) fn remove(&self) -> String {
        self.machine.sh(&format!("{} 2>&1", self.format.remove))
    }

    /// Writes the configuration and a script.
    pub(crate) fn configure(&self) {
        self.machine.write("/etc/netevd/netevd.yaml", &format!("{UP1_MANAGED}{UNITS}"));
        self.machine.write(SCRIPT, "#!/bin/sh\necho \"$LINK $MTU\" >>/out/told\n");
        self.machine.sh(&format!("chmod 755 {SCRIPT}"));
    }

    /// Waits until up1 is under policy routing, and both sides know.
    pub(crate) fn await_routing(&self, when: &str) {
        self.machine.await_text(when, crate::RULES, is_whole);
        self.machine.await_text(when, "systemctl status netevd", |text| text.contains("policy routing on"));
        for unit in ["netevd", "netevd-priv"] {
            self.machine.await_state(unit, "active");
        }
    }

    /// Changes up0's MTU: a script runs, and a unit of root's is started through polkitd.
    pub(crate) fn event(&self, mtu: u32) {
        self.machine.sh(&format!("rm -f /run/marked-up0; ip link set up0 mtu {mtu}"));
        let line = format!("up0 {mtu}\n");
        self.machine.await_text("the script ran", "cat /out/told", |told| told.contains(&line));
        self.machine.await_text("the unit ran", "ls /run", |names| names.contains("marked-up0"));
    }

    /// The state of the service and whether it is enabled.
    pub(crate) fn state(&self, unit: &str) -> (String, String) {
        (self.machine.property(unit, "ActiveState"), self.machine.property(unit, "UnitFileState"))
    }
}

/// Where the package is in the machine.
fn place(format: &Format, version: Version) -> String {
    let name = match version {
        Version::Now => "now",
        Version::Next => "next",
    };
    format!("/root/{name}{}", format.suffix)
}

/// The one package of this format that `make test-packages-build` made.
fn package(version: &str, suffix: &str) -> PathBuf {
    let packages = std::env::var_os("NETEVD_TEST_PACKAGES").expect("make test-packages says where they are");
    let directory = PathBuf::from(packages).join(version);
    let entries = fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let found: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            name.ends_with(suffix) && !name.contains(".src.")
        })
        .collect();
    let [one] = found.as_slice() else { panic!("{}: {found:?}", directory.display()) };
    one.clone()
}
