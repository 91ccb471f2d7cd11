//! Every directive of the units has an effect, seen from /proc or by trying what it forbids.
//!
//! The tables in `directives/` hold one probe or more for each line of the unit files. A line without
//! one fails the test, so that nobody adds a directive without seeing that it does what it says.

mod helper;
mod others;
mod worker;

use crate::machine::Machine;
use crate::on_each_suite;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// How a directive's effect is seen. The texts are shell; of what is printed the outer white space
/// does not count, and ` or ` stands between what one systemd and another make of it.
#[derive(Clone, Copy)]
enum Probe {
    /// Run by root: in $P the main process's number, in $R its view of the file system, in $C its
    /// cgroup's directory. What it prints.
    Root(&'static str, &'static str),
    /// Run by a script of netevd. What it prints.
    Script(&'static str, &'static str),
    /// An attempt of the agent's under the same confinement in a unit of its own, all but the filter
    /// of system calls, which would hide the others. How it ends.
    Twin(&'static str, &'static str),
    /// The same with the filter.
    Filtered(&'static str, &'static str),
    /// Management, not confinement: what systemd itself says; the other tests show the effect.
    Told(&'static str, &'static str),
}
use Probe::{Filtered, Root, Script, Told, Twin};

type Row = (&'static str, &'static [Probe]);

/// Lines that are all about programs of 32 bits, which exist beside this architecture alone.
const NARROW: &str = if cfg!(target_arch = "x86_64") { "159" } else { "" };

/// The directives of a unit file: section, and the line with what continues it.
fn directives(unit: &str) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in unit.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        match line.strip_prefix('[') {
            Some(name) => section = name.trim_end_matches(']').to_owned(),
            None => found.push((section.clone(), line.to_owned())),
        }
    }
    found
}

/// Each line has a row, and each row a line.
fn complete(unit: &str, text: &str, rows: &[Row]) {
    let lines: Vec<String> = directives(text).into_iter().map(|(_, line)| line).collect();
    for line in &lines {
        let row = rows.iter().find(|(directive, _)| directive == line);
        assert!(row.is_some_and(|(_, probes)| !probes.is_empty()), "{unit}: no probe for {line}");
    }
    for (directive, _) in rows {
        assert!(lines.iter().any(|line| line == directive), "{unit}: no such line any more: {directive}");
    }
}

const UNITS: [(&str, &str, &[Row]); 3] = [
    ("netevd.service", include_str!("../../systemd/netevd.service"), worker::ROWS),
    ("netevd-priv.service", include_str!("../../systemd/netevd-priv.service"), helper::ROWS),
    ("netevd.socket", include_str!("../../systemd/netevd.socket"), others::SOCKET),
];

#[test]
fn every_directive_has_a_probe() {
    for (unit, text, rows) in UNITS {
        complete(unit, text, rows);
    }
    complete("netevd-strict.conf", others::STRICT_TEXT, others::STRICT);
}

/// Scripts are confined alike, whoever starts them.
#[test]
fn the_runner_of_scripts_is_confined_as_the_worker_is() {
    let confinement = |text: &str| -> Vec<String> {
        let lines = directives(text).into_iter().map(|(_, line)| line);
        lines
            .skip_while(|line| line != "CapabilityBoundingSet=")
            .take_while(|l| !l.starts_with("WantedBy="))
            .collect()
    };
    let worker = confinement(include_str!("../../systemd/netevd.service"));
    assert!(worker.len() > 20, "{worker:?}");
    assert_eq!(confinement(include_str!("../../systemd/netevd-scripts.service")), worker);
}

/// What is there for scripts and their limits to meet.
const PREPARE: &str = r"
    for directory in /var/lib /srv /opt /mnt /media /run; do install -d -o netevd $directory/given; done
    install -o netevd /dev/null /etc/given
    install -d /home/open && echo open >/home/open/file
    echo outside >/tmp/outside
    mknod -m 666 /srv/device c 10 237
    mknod -m 666 /srv/null c 1 3
    mknod -m 666 /dev/given c 1 3
    sysctl -qw net.ipv4.ping_group_range='0 2147483647'
";

/// A program of 32 bits that ends with 0.
const ELF: &str = r"printf '\177\105\114\106\001\001\001\000\000\000\000\000\000\000\000\000\002\000\003\000\001\000\000\000\124\200\004\010\064\000\000\000\000\000\000\000\000\000\000\000\064\000\040\000\001\000\000\000\000\000\000\000\001\000\000\000\000\000\000\000\000\200\004\010\000\200\004\010\135\000\000\000\135\000\000\000\005\000\000\000\000\020\000\000\270\001\000\000\000\061\333\315\200'";

/// What the tests below need in the machine.
fn files() -> Vec<(&'static str, &'static str, u32)> {
    vec![
        // Modules are kept out of sight where there are any.
        ("/usr/lib/modules/none", "", 0o644),
        ("/etc/netevd/mtu.d/10-probe", "#!/bin/sh\nexec sh /srv/probes\n", 0o755),
    ]
}

/// Puts it there.
pub(crate) fn prepare(machine: &Machine) {
    machine.sh(PREPARE);
    machine.sh("cp /opt/netevd/netevd-test-agent /usr/lib/agent");
    if cfg!(target_arch = "x86_64") {
        machine.sh(&format!("{ELF} >/usr/lib/narrow; chmod 755 /usr/lib/narrow"));
    }
}

/// Runs all probes of these units in this machine, and tells all that differ at once.
fn check(machine: &Machine, units: &[(&str, &str, &[Row])]) {
    prepare(machine);
    let scripts: BTreeSet<&str> =
        units.iter().flat_map(|(.., rows)| *rows).flat_map(|(_, p)| *p).filter_map(script).collect();
    let scripts: Vec<&str> = scripts.into_iter().collect();
    // All at once by one script: each probe's output in a file of its own, and a mark at the end.
    let mut text = String::from("cd /srv/out || exit\nTRY=\"/opt/netevd/netevd-test-agent try\"\n");
    for (number, probe) in scripts.iter().enumerate() {
        let _ = writeln!(text, "(\n{probe}\n) >probe-{number} 2>&1 </dev/null");
    }
    text.push_str("echo done >probes-done\n");
    machine.write("/srv/probes", &text);
    machine.sh("ip link set up0 mtu 1400");
    machine.await_text("the script's probes", "cat /srv/out/probes-done", |text| text == "done\n");

    let mut differ = String::new();
    for (unit, text, rows) in units {
        for (directive, probes) in *rows {
            for probe in *probes {
                let (what, found, expected) = match *probe {
                    Root(what, expected) => (what, as_root(machine, unit, what), expected),
                    Script(what, expected) => {
                        let number = scripts.iter().position(|probe| *probe == what).expect("it was run");
                        (what, machine.run(&format!("cat /srv/out/probe-{number}")).text, expected)
                    }
                    Twin(what, expected) => (what, twin(machine, text, what, false), expected),
                    Filtered(what, expected) => (what, twin(machine, text, what, true), expected),
                    Told(what, expected) => (what, machine.property(unit, what), expected),
                };
                if !expected.split(" or ").any(|expected| found.trim() == expected.trim()) {
                    let _ = writeln!(
                        differ,
                        "{unit}: {directive}\n  {what}\n  expected {expected:?}\n  found    {:?}",
                        found.trim()
                    );
                }
            }
        }
    }
    assert!(differ.is_empty(), "{differ}\n{}", machine.journal());
}

fn script(probe: &Probe) -> Option<&'static str> {
    match *probe {
        Script(what, _) => Some(what),
        _ => None,
    }
}

fn as_root(machine: &Machine, unit: &str, what: &str) -> String {
    let process = if unit.ends_with(".service") { machine.process(unit) } else { 0 };
    let group = machine.property(unit, "ControlGroup");
    machine.run(&format!("P={process}; R=/proc/$P/root; C=/sys/fs/cgroup{group}\n{what}")).text
}

/// `done`, an error, or the signal that the attempt died of.
fn twin(machine: &Machine, unit: &str, attempt: &str, filtered: bool) -> String {
    let mut text =
        String::from("[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\n");
    for (section, line) in directives(unit) {
        let key = line.split('=').next().unwrap_or_default();
        let own = ["Type", "ExecStart", "ExecStartPre", "ExecStopPost", "Restart", "RestartSec"]
            .contains(&key)
            || (key == "SystemCallFilter" && !filtered);
        if section == "Service" && !own {
            text.push_str(&line);
            text.push('\n');
        }
    }
    let _ = writeln!(text, "ExecStart=/usr/lib/agent try {attempt}");
    machine.write("/etc/systemd/system/twin.service", &text);
    machine.sh("systemctl daemon-reload");
    let started = machine.run("systemctl restart twin; systemctl status twin");
    let code = machine.property("twin", "ExecMainCode");
    let status = machine.property("twin", "ExecMainStatus");
    match (code.as_str(), status.parse().expect("a number")) {
        // CLD_EXITED
        ("1", 0) => "done".to_owned(),
        ("1", number) => format!("{:?}", nix::errno::Errno::from_raw(number)),
        (_, number) => nix::sys::signal::Signal::try_from(number)
            .map_or_else(|_| format!("not started: {}", started.text), |signal| format!("{signal:?}")),
    }
}

#[test]
fn every_directive_of_the_units_takes_effect() {
    on_each_suite(&files(), |machine| {
        check(machine, &UNITS);
        for (unit, most) in
            [("netevd.service", 14), ("netevd-scripts.service", 14), ("netevd-priv.service", 12)]
        {
            machine.sh(&format!("systemd-analyze --no-pager security --threshold={most} {unit}"));
        }
    });
}

#[test]
fn every_directive_of_the_strict_example_takes_effect() {
    let mut files = files();
    files.push(("/etc/systemd/system/netevd.service.d/strict.conf", others::STRICT_TEXT, 0o644));
    // As the example says: a directory is opened again where a script needs one.
    files.push((
        "/etc/systemd/system/netevd.service.d/write.conf",
        "[Service]\nReadWritePaths=/srv\n",
        0o644,
    ));
    on_each_suite(&files, |machine| {
        check(machine, &[("netevd.service", others::STRICT_TEXT, others::STRICT)]);
        machine.sh("systemd-analyze --no-pager security --threshold=8 netevd.service");
    });
}
