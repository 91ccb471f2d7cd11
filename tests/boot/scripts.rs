//! What scripts of administrators do every day works under the units as they are installed, and
//! what the units take from them is had again by the lines that the example names.

use crate::machine::Machine;
use crate::on_each_suite;
use std::fmt::Write as _;

/// Commands that have to succeed, by what they stand for.
const EVERY_DAY: [(&str, &str); 34] = [
    ("ip shows", "ip -j addr && ip route get 192.0.2.1 && ip rule"),
    ("sockets", "ss -tunl"),
    ("ping", "ping -c 1 -W 20 192.0.2.1"),
    ("ping by IPv6", "ping -c 1 -W 20 ::1"),
    (
        "curl by a unix socket",
        "curl -sSf --unix-socket /run/netevd/api.sock http://netevd/api/v1/openapi.yaml",
    ),
    ("curl by TCP", "curl -sS http://127.0.0.1:8088/"),
    ("the daemon's own client", "netevd status"),
    ("names", "getent hosts localhost"),
    ("systemctl", "systemctl is-active dbus.service && systemctl show -p Version"),
    ("busctl", "busctl --system list"),
    (
        "busctl calls",
        "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 org.freedesktop.DBus.Peer Ping",
    ),
    ("resolvectl", "resolvectl status"),
    ("networkctl", "networkctl list"),
    ("hostnamectl", "hostnamectl"),
    ("logger", "logger -t every-day hello"),
    ("systemd-cat", "echo hello | systemd-cat -t every-day"),
    (
        "a mail to the local server",
        "python3 -c 'import socket; s = socket.create_connection((\"127.0.0.1\", 8088)); s.sendall(b\"EHLO x\\r\\n\")'",
    ),
    (
        "python",
        "python3 -c 'import os, socket, subprocess, threading; \
        t = threading.Thread(target=print); t.start(); t.join(); subprocess.run([\"true\"], check=True)'",
    ),
    (
        "an interpreter that compiles",
        "luajit -e 'assert(jit.status()); local s = 0 for i = 1, 1e7 do s = s + i % 7 end'",
    ),
    ("perl", "perl -e 'print 1'"),
    ("bash", "bash -c 'ulimit -n 100; diff <(echo a) <(echo a)'"),
    (
        "files that were given",
        "for d in /var/lib /srv /opt /mnt /media /run; do \
        echo a >$d/given/f && chmod 640 $d/given/f && mv $d/given/f $d/given/g && rm $d/given/g || exit; done",
    ),
    ("owners that are right already", "touch /srv/given/o && chown netevd:netevd /srv/given/o"),
    ("temporary files", "f=$(mktemp) && mktemp -p /var/tmp && echo a >$f && sed -i s/a/b/ $f && grep b $f"),
    ("copies", "cp -p /etc/passwd /tmp/p && tar -cf /tmp/t -C /tmp p && tar -xf /tmp/t -C /srv/given"),
    ("locks", "flock /tmp/lock true"),
    ("time limits", "timeout 60 setsid -w true"),
    // The worker is in no list: no process of its user may look into it (ProtectProc=, PR_SET_DUMPABLE). The
    // brackets keep grep from finding itself.
    (
        "own processes",
        "ps -ef | grep -q '[s]rv/commands' && ! ps -ef | grep -q '[n]etevd-worker' && kill -0 $$",
    ),
    ("nice goes on without", "nice -n 5 true"),
    (
        "settings of the kernel",
        "cat /proc/sys/net/ipv4/ip_forward /proc/meminfo /proc/net/route /proc/uptime",
    ),
    ("settings of a link", "cat /sys/class/net/up0/operstate"),
    ("devices", "echo a >/dev/null && head -c 1 /dev/urandom >/dev/full 2>/dev/null; head -c 8 /dev/zero"),
    ("the state of networkd", "cat /run/systemd/netif/links/*"),
    ("leases of dhclient", "cat /var/lib/dhcp/dhclient.up0.leases"),
];

/// What the units refuse, and the lines of the example open.
const OPENED: [(&str, &str); 9] = [
    ("ProtectSystem=", "echo a >/etc/given"),
    ("ProtectHome=", "cat /home/open/file"),
    ("PrivateTmp=", "cat /tmp/outside"),
    ("PrivateDevices= and DevicePolicy=", "cat /dev/given"),
    ("ProtectProc=", "pidof systemd-networkd"),
    ("RestrictAddressFamilies=", "[ $(/opt/netevd/netevd-test-agent try socket-packet) = EPERM ]"),
    ("RestrictNamespaces=", "unshare --user true"),
    (
        "SystemCallArchitectures=",
        "! [ -e /usr/lib/narrow ] || /opt/netevd/netevd-test-agent try exec /usr/lib/narrow",
    ),
    ("SystemCallFilter=", "/opt/netevd/netevd-test-agent try trace-me"),
];

const SCRIPT: (&str, &str, u32) = ("/etc/netevd/mtu.d/10-run", "#!/bin/sh\nexec sh /srv/commands\n", 0o755);
/// The commands are one script, and have together more time than one script has by default.
const CONFIG: &str =
    "api: { enabled: true, bind_address: 127.0.0.1, port: 8088 }\nscripts: { timeout: 5m }\n";

/// Runs the commands by a script of netevd; each one's status and output.
fn by_a_script(machine: &Machine, commands: &[(&str, &str)]) -> Vec<(i32, String)> {
    crate::directives::prepare(machine);
    let mut text = String::from("cd /srv/out || exit\n");
    for (number, (_, command)) in commands.iter().enumerate() {
        let _ = writeln!(
            text,
            "(\n{command}\n) >run-{number} 2>&1 </dev/null\ns=$?\nprintf '\\n%d\\n' $s >>run-{number}"
        );
    }
    text.push_str("echo done >run-done\n");
    machine.write("/srv/commands", &text);
    machine.sh("ip link set up0 mtu 1400");
    machine.await_text("the script's commands", "cat /srv/out/run-done", |text| text == "done\n");
    let one = |number| {
        let text = machine.sh(&format!("cat /srv/out/run-{number}"));
        let (rest, status) = text.trim_end().rsplit_once('\n').unwrap_or(("", text.trim_end()));
        (status.parse().expect("a number"), rest.to_owned())
    };
    (0..commands.len()).map(one).collect()
}

#[test]
fn what_scripts_do_every_day_works() {
    let files = [
        SCRIPT,
        ("/etc/netevd/netevd.yaml.d/api.yaml", CONFIG, 0o644),
        ("/var/lib/dhcp/dhclient.up0.leases", "lease { }\n", 0o644),
    ];
    on_each_suite(&files, |machine| {
        let results = by_a_script(machine, &EVERY_DAY);
        let failed: Vec<_> = EVERY_DAY.iter().zip(&results).filter(|(_, (status, _))| *status != 0).collect();
        assert!(failed.is_empty(), "{failed:#?}");
        // logger does not wait until journald has read it.
        machine.await_text("both lines", "journalctl --no-pager -o cat -t every-day", |told| {
            told == "hello\nhello\n"
        });
    });
}

#[test]
fn what_the_units_take_from_scripts_the_example_s_lines_give_back() {
    on_each_suite(&[SCRIPT], |machine| {
        let results = by_a_script(machine, &OPENED);
        let open: Vec<_> = OPENED.iter().zip(&results).filter(|(_, (status, _))| *status == 0).collect();
        assert!(open.is_empty(), "the units permit it: {open:#?}");
    });
    let lenient = include_str!("../../systemd/examples/netevd-lenient.conf");
    let files = [SCRIPT, ("/etc/systemd/system/netevd.service.d/scripts.conf", lenient, 0o644)];
    on_each_suite(&files, |machine| {
        let results = by_a_script(machine, &OPENED);
        let shut: Vec<_> = OPENED.iter().zip(&results).filter(|(_, (status, _))| *status != 0).collect();
        assert!(shut.is_empty(), "still refused: {shut:#?}");
    });
}

#[test]
fn ip_runs_under_the_strict_example_with_the_line_that_it_names() {
    let strict = include_str!("../../systemd/examples/netevd-strict.conf");
    let more = "[Service]\nReadWritePaths=/srv\nSystemCallFilter=capset\n";
    let files = [
        SCRIPT,
        ("/etc/systemd/system/netevd.service.d/strict.conf", strict, 0o644),
        ("/etc/systemd/system/netevd.service.d/write.conf", more, 0o644),
    ];
    on_each_suite(&files, |machine| {
        let results = by_a_script(machine, &[("ip", "ip -j addr && ip route")]);
        assert_eq!(results[0].0, 0, "{results:?}");
    });
}
