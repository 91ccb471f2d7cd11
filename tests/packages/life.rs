//! The life of a package that every format has in common, step by step in one machine.

use crate::host::{CONFFILE, Format, Host, POLKIT, SCRIPT, Version};
use crate::machine::programs;
use crate::network::is_whole;
use crate::wait::wait_for;
use std::fs;

/// Prints what of netevd is enabled or masked.
pub(crate) const ENABLED: &str = "find /etc/systemd/system -name 'netevd*'";

/// From the installation to the removal, and once more from what the removal left.
pub(crate) fn live(format: &'static Format) -> Option<Host> {
    let host = Host::boot(format)?;
    installed(&host);
    configured(&host);
    killed(&host);
    upgraded(&host);
    choices_stay(&host);
    removed(&host);
    reinstalled(&host);
    Some(host)
}

fn installed(host: &Host) {
    let Host { machine, format } = host;
    let output = host.install();
    let expected = if format.starts { ("active", "enabled") } else { ("inactive", "disabled") };
    let state = host.state("netevd");
    assert_eq!((state.0.as_str(), state.1.as_str()), expected, "{output}");
    if !format.starts {
        machine.sh("systemctl enable --now netevd");
    }
    assert_eq!(machine.sh(format.verify), "", "files are as the package has them");
    let users = machine.sh("getent passwd netevd netevd-priv netevd-scripts");
    assert_eq!(users.lines().count(), 3, "{users}");
    // Byte for byte what was built and tested.
    for (name, directory, mode) in [
        ("netevd", "/usr/bin", "755"),
        ("netevd-worker", format.programs, "711"),
        ("netevd-priv", format.programs, "711"),
    ] {
        let place = format!("{directory}/{name}");
        let installed = fs::read(machine.path(&place)).unwrap_or_else(|e| panic!("{place}: {e}"));
        assert!(installed == fs::read(programs().join(name)).expect("built"), "{place} is another program");
        assert_eq!(machine.sh(&format!("stat -c '%a %U:%G' {place}")).trim(), format!("{mode} root:root"));
    }
    for place in ["/usr/share/bash-completion/completions/netevd", "/etc/netevd/routable.d"] {
        machine.sh(&format!("test -e {place}"));
    }
    machine.sh("ls /usr/share/man/man8/netevd.8*; ls /usr/share/doc/netevd/examples/netevd.yaml*");
    machine
        .await_text("it runs", "systemctl is-active netevd netevd-priv", |text| text == "active\nactive\n");
    // Without a configuration it changes nothing.
    assert_eq!(machine.run(crate::RULES).text, "");
    assert!(!machine.path(POLKIT).exists());
}

fn configured(host: &Host) {
    let machine = &host.machine;
    host.configure();
    machine.sh("systemctl reload netevd");
    host.await_routing("policy routing after the installation");
    // A helper that dies at its start is started again without end; the reload ends it once, with 0.
    for (property, value) in [("ExecMainCode", "0"), ("Result", "success")] {
        assert_eq!(machine.property("netevd-priv", property), value, "{}", machine.journal());
    }
    host.event(1400);
    assert!(machine.path(POLKIT).exists(), "the reload wrote polkit's rule");
}

fn killed(host: &Host) {
    let machine = &host.machine;
    let before = machine.ours();
    for unit in ["netevd", "netevd-priv"] {
        let process = machine.process(unit);
        machine.sh(&format!("kill -KILL {process}"));
        wait_for(
            "another process",
            || machine.journal(),
            || {
                let now = machine.process(unit);
                now != 0 && now != process
            },
        );
        host.await_routing("policy routing after a kill");
        assert_eq!(machine.ours(), before, "{unit} was killed");
    }
    host.event(1401);
}

/// Both ways, with a configuration file that the administrator has edited.
fn upgraded(host: &Host) {
    let machine = &host.machine;
    machine.sh(&format!("echo '# edited' >>{CONFFILE}"));
    let before = machine.ours();
    machine.sh("setsid ip monitor rule route >/root/monitor 2>&1 & echo $! >/root/monitor.pid");
    // The monitor works: somebody else's rules are seen, from the time on when it listens. The other number
    // comes after all of them.
    machine.await_text(
        "the monitor listens",
        "ip rule add priority 77 lookup main; ip rule del priority 77; cat /root/monitor",
        |text| text.contains("Deleted 77:"),
    );
    machine.sh("ip rule add priority 78 lookup main; ip rule del priority 78");
    machine.await_text("the monitor's last line", "cat /root/monitor", |text| text.contains("Deleted 78:"));
    let seen = machine.sh("cat /root/monitor");
    for version in [Version::Next, Version::Now] {
        let processes = (machine.process("netevd"), machine.process("netevd-priv"));
        let output = host.upgrade(version);
        host.await_routing("policy routing after an upgrade");
        let (worker, helper) = (machine.process("netevd"), machine.process("netevd-priv"));
        assert_ne!(worker, processes.0, "the new worker runs\n{output}");
        assert_ne!(helper, processes.1, "the new helper runs\n{output}");
        assert_eq!(machine.sh("cat /root/monitor"), seen, "no rule and no route changed\n{output}");
        assert_eq!(machine.ours(), before);
        assert!(machine.sh(&format!("cat {CONFFILE}")).ends_with("# edited\n"), "{output}");
        assert!(!output.contains("removed"), "{output}");
    }
    host.event(1402);
}

/// Disabled, enabled and masked units are so after an upgrade.
fn choices_stay(host: &Host) {
    let machine = &host.machine;
    let state = |unit: &str, active: &str, file: &str| {
        machine.await_state(unit, active);
        assert_eq!(host.state(unit), (active.to_owned(), file.to_owned()), "{unit}\n{}", machine.journal());
    };
    machine.sh("systemctl disable --now netevd 2>&1");
    host.upgrade(Version::Next);
    state("netevd", "inactive", "disabled");
    state("netevd-priv", "inactive", "static");
    assert!(is_whole(&machine.ours()), "an upgrade of a stopped netevd leaves the kernel alone");

    machine.sh("systemctl enable --now netevd netevd-scripts.socket 2>&1");
    host.upgrade(Version::Now);
    state("netevd-scripts.socket", "active", "enabled");
    host.await_routing("policy routing beside the socket of scripts");

    machine.sh("systemctl disable --now netevd-scripts.socket 2>&1; systemctl mask --now netevd 2>&1");
    host.upgrade(Version::Next);
    state("netevd", "inactive", "masked");
    state("netevd-scripts.socket", "inactive", "disabled");
    machine.sh("systemctl unmask netevd 2>&1; systemctl enable --now netevd 2>&1");
    host.upgrade(Version::Now);
    host.await_routing("policy routing after all");
}

/// Rules and routes go, what the administrator wrote stays.
fn removed(host: &Host) {
    let Host { machine, format } = host;
    let output = host.remove();
    assert!(output.contains("removed 2 rules"), "it is said: {output}");
    assert_eq!(machine.run(crate::RULES).text, "", "{output}");
    let monitor = machine.sh("cat /root/monitor");
    assert!(monitor.contains("Deleted") && monitor.contains("192.0.2.34"), "{monitor}");
    for unit in ["netevd.service", "netevd-priv.service", "netevd.socket", "netevd-scripts.socket"] {
        machine.await_state(unit, "inactive");
        assert_eq!(machine.property(unit, "LoadState"), "not-found", "{unit}\n{output}");
    }
    assert_eq!(machine.run("pgrep -l netevd").text, "");
    for place in [SCRIPT, "/etc/netevd/netevd.yaml", format.kept] {
        assert!(machine.path(place).exists(), "{place} is the administrator's\n{output}");
    }
    for place in [POLKIT, "/usr/bin/netevd", format.programs, "/usr/lib/systemd/system/netevd.service"] {
        assert!(!machine.path(place).exists(), "{place} is left\n{output}");
    }
    // dpkg remembers what was enabled, until a purge.
    if !format.starts {
        assert_eq!(machine.sh(ENABLED), "", "{output}");
    }
}

/// The configuration that stayed is taken up again; then even a stopped daemon's rules go.
fn reinstalled(host: &Host) {
    let Host { machine, format } = host;
    machine.sh("rm -f /run/marked-*");
    host.install();
    if !format.starts {
        machine.sh("systemctl enable --now netevd");
    }
    host.await_routing("policy routing after another installation");
    // The rule that the start wrote is in force for the events of the start.
    machine.await_text("the unit of the start", "ls /run", |names| names.contains("marked-up1"));
    host.event(1403);
    machine.sh("systemctl stop netevd");
    assert!(is_whole(&machine.ours()), "a stop leaves the kernel alone");
    let output = host.remove();
    assert!(output.contains("removed 2 rules"), "it is said: {output}");
    assert_eq!(machine.run(crate::RULES).text, "", "{output}");
}
