//! A side that is killed is back at once, and routing does not flap meanwhile.

use crate::machine::Machine;
use crate::on_each_suite;
use crate::wait::wait_for;
use std::time::{Duration, Instant};

/// Promised are two seconds; the rest is for a busy machine. Still less than what a watchdog or a start limit
/// would take (30 s): neither is the way back.
const BACK: Duration = Duration::from_secs(25);

/// Kills the main process of `unit`, and watches the kernel until another has taken its place and
/// policy routing is on again.
fn kill(machine: &Machine, unit: &str) -> Duration {
    let old = machine.process(unit);
    let before = machine.ours();
    machine.sh(&format!("kill -KILL {old}"));
    let began = Instant::now();
    wait_for(
        &format!("{unit} is back"),
        || machine.journal(),
        || {
            assert_eq!(machine.ours(), before, "routing flapped\n{}", machine.journal());
            let now = machine.process(unit);
            now != 0 && now != old && connections(machine) == "1\n"
        },
    );
    let took = began.elapsed();
    machine.await_text("it says so", "systemctl show --property StatusText netevd", |text| {
        text.contains("policy routing on")
    });
    assert_eq!(machine.ours(), before);
    took
}

/// Live connections between the two sides.
fn connections(machine: &Machine) -> String {
    machine.run("ss -Hxn state established 'src = /run/netevd-priv/channel.sock' | wc -l").text
}

#[test]
fn the_helper_is_killed() {
    on_each_suite(&[], |machine| {
        let worker = machine.process("netevd");
        let took = kill(machine, "netevd-priv");
        assert!(took < BACK, "{took:?}");
        assert_eq!(machine.process("netevd"), worker, "the worker goes on");
        // What goes wrong without a helper is fixed with the next one.
        machine.sh("systemctl stop netevd-priv; ip rule del proto 110 from 192.0.2.34");
        machine.await_text("it waits", "systemctl show --property StatusText netevd", |text| {
            text.contains("waiting for the helper")
        });
        machine.sh("systemctl start netevd-priv");
        machine.await_text("fixed", crate::RULES, crate::is_whole);
    });
}

#[test]
fn the_worker_is_killed() {
    // A script that does not heed TERM must not hold up the restart.
    let stubborn = "#!/bin/sh\ntrap '' TERM\necho $$ >/out/stubborn\nsleep 100 & wait; sleep 100\n";
    on_each_suite(&[("/etc/netevd/mtu.d/10-stubborn", stubborn, 0o755)], |machine| {
        machine.sh("ip link set up0 mtu 1400");
        machine.await_text("the script runs", "cat /out/stubborn", |text| text.trim().parse::<u32>().is_ok());
        let took = kill(machine, "netevd");
        assert!(took < BACK, "{took:?}");
        // What happened meanwhile and afterwards is seen.
        machine.sh("ip rule del proto 110 from 192.0.2.34");
        machine.await_text("fixed", crate::RULES, crate::is_whole);
    });
}

#[test]
fn a_worker_that_hangs_is_ended_by_the_watchdog() {
    // Long enough that a busy machine starves no healthy worker for half of it.
    let soon = "[Service]\nWatchdogSec=6s\n";
    on_each_suite(&[("/etc/systemd/system/netevd.service.d/soon.conf", soon, 0o644)], |machine| {
        let worker = machine.process("netevd");
        // Life signs come while nothing happens: it outlives several periods.
        let before = machine.property("netevd", "WatchdogTimestampMonotonic");
        wait_for(
            "three life signs",
            || machine.journal(),
            || {
                let now = machine.property("netevd", "WatchdogTimestampMonotonic");
                let number = |text: &str| text.parse::<u64>().expect("microseconds");
                number(&now) >= number(&before) + 9_000_000
            },
        );
        assert_eq!(machine.process("netevd"), worker);
        machine.sh(&format!("kill -STOP {worker}"));
        wait_for(
            "another worker",
            || machine.journal(),
            || ![0, worker].contains(&machine.process("netevd")),
        );
    });
}

/// The fault of a release that was tested with other programs than it shipped: the unit's filter
/// killed the helper before main, and nothing but the log said so.
#[test]
fn a_helper_that_dies_at_each_start_is_a_problem_with_its_signal_and_remedy() {
    let filter = "[Service]\nSystemCallFilter=~readlink readlinkat\n";
    let directory = "/etc/systemd/system/netevd-priv.service.d";
    on_each_suite(&[], |machine| {
        machine.sh(&format!("mkdir -p {directory}"));
        machine.write(&format!("{directory}/filter.conf"), filter);
        machine.sh("systemctl daemon-reload; systemctl restart netevd");
        let status = machine.await_text("status names it", "netevd status", |text| text.contains("SIGSYS"));
        assert!(status.starts_with(&format!("netevd {}: degraded", env!("CARGO_PKG_VERSION"))), "{status}");
        for part in
            ["netevd-priv is killed by SIGSYS", "systemctl edit netevd-priv.service", "SystemCallFilter="]
        {
            assert!(status.replace('\n', " ").contains(part), "no {part:?} in\n{status}");
        }
        let health = machine.run("curl -s --unix-socket /run/netevd/api.sock http://netevd/health").text;
        assert!(
            health.contains("\"helper\":{\"status\":\"failed\"") && health.contains("SIGSYS"),
            "{health}"
        );
        // What the remedy says, and no other command: systemd starts it again by itself.
        machine.sh(&format!("rm {directory}/filter.conf; systemctl daemon-reload"));
        machine.await_text("routing is on again", "netevd status", |text| text.contains(": ok\n"));
        machine.await_text("rules", crate::RULES, crate::is_whole);
    });
}

/// A worker that breaks the protocol as soon as its helper is there.
const ROGUE: &str = r#"
import socket
listener = None
for number in (3, 4):
    one = socket.socket(fileno=number)
    if one.family == socket.AF_UNIX:
        listener = one
listener.setblocking(True)
while True:
    helper, _ = listener.accept()
    helper.send(b"\xff" * 64)
    helper.recv(1)
    helper.close()
"#;

#[test]
fn a_helper_whose_worker_breaks_the_protocol_starts_every_five_seconds_and_comes_back() {
    let directory = "/etc/systemd/system/netevd.service.d";
    let rogue =
        "[Service]\nType=simple\nWatchdogSec=0\nExecStart=\nExecStart=/usr/bin/python3 /srv/rogue.py\n";
    on_each_suite(&[], |machine| {
        machine.write("/srv/rogue.py", ROGUE);
        machine.sh(&format!("mkdir -p {directory}"));
        machine.write(&format!("{directory}/rogue.conf"), rogue);
        machine.sh("systemctl daemon-reload; systemctl restart netevd");
        let status = "systemctl show --value -p ExecMainStatus netevd-priv";
        machine.await_text("it ended by the violation", status, |text| text.trim() == "2");
        let begun = "ExecMainStartTimestampMonotonic";
        let mut starts = vec![machine.property("netevd-priv", begun)];
        for _ in 0..2 {
            let last = starts.last().cloned().unwrap_or_default();
            let show = format!("systemctl show --value -p {begun} netevd-priv");
            let next =
                machine.await_text("another start", &show, |text| text.trim() != last && text.trim() != "0");
            starts.push(next.trim().to_owned());
        }
        let starts: Vec<u64> = starts.iter().map(|text| text.parse().expect("microseconds")).collect();
        assert!(
            starts.windows(2).all(|pair| pair[1] - pair[0] >= 5_000_000),
            "{starts:?}\n{}",
            machine.journal()
        );
        // The fault goes, and nobody starts the helper by hand.
        machine.sh(&format!("rm {directory}/rogue.conf; systemctl daemon-reload; systemctl restart netevd"));
        machine.await_text("rules", crate::RULES, crate::is_whole);
    });
}

/// Waits until the file /run/netevd/go is there, and says that it ran to its end.
const WAITS: &str = "#!/bin/sh\ntouch /run/netevd/waiting\nuntil [ -e /run/netevd/go ]; do sleep 0.02; done\n\
                     echo $EVENT $ADDRESS >>/run/netevd/ran\n";

#[test]
fn what_was_asked_for_and_did_not_run_runs_after_a_restart() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/quiet.yaml", "system: { startup_events: false }\n", 0o644),
        ("/etc/netevd/address-added.d/10-wait", WAITS, 0o755),
        ("/etc/netevd/address-removed.d/10-wait", WAITS, 0o755),
    ];
    on_each_suite(&files, |machine| {
        // A restart that is asked for, and one after a crash.
        for (number, restart) in [(1, "systemctl restart netevd"), (2, "systemctl kill -s KILL netevd")] {
            machine.sh("rm -f /run/netevd/go /run/netevd/waiting /run/netevd/ran");
            machine.sh(&format!("ip addr add 10.7.{number}.1/32 dev up1"));
            machine.await_text("the script", "ls /run/netevd", |names| names.contains("waiting"));
            // Behind the script that waits; nothing of it is seen in what is there afterwards.
            machine.sh(&format!(
                "ip addr add 10.7.{number}.2/32 dev up1; ip addr del 10.7.{number}.2/32 dev up1"
            ));
            let saved = format!("grep -oF 10.7.{number}.2 /run/netevd/state.json | wc -l");
            machine.await_text("the state with both events", &saved, |count| count.trim() == "2");
            machine.sh(restart);
            machine.sh("touch /run/netevd/go");
            let expected = format!(
                "address-added 10.7.{number}.1\naddress-added 10.7.{number}.2\naddress-removed 10.7.{number}.2\n"
            );
            machine.await_text(restart, "grep -F 10.7. /run/netevd/ran", |ran| ran == expected);
        }
        // After a stop that was asked for, the next start is a first one: the log of the stop names what is left.
        machine
            .sh("rm -f /run/netevd/go /run/netevd/waiting /run/netevd/ran; ip addr add 10.7.3.1/32 dev up1");
        machine.await_text("the script", "ls /run/netevd", |names| names.contains("waiting"));
        machine.sh("ip addr add 10.7.3.2/32 dev up1");
        let seen = "curl -s --unix-socket /run/netevd/api.sock http://netevd/api/v1/interfaces/up1";
        machine.await_text("the second address", seen, |text| text.contains("10.7.3.2"));
        machine.sh("systemctl stop netevd; systemctl start netevd; touch /run/netevd/go");
        let left = machine.entries("-u netevd LINK=up1");
        let named = "up1 address-added has not run to its end: it runs after a restart";
        let is_named =
            |entry: &&serde_json::Value| entry["MESSAGE"].as_str().is_some_and(|m| m.contains(named));
        assert!(left.iter().filter(is_named).count() >= 2, "{}", machine.journal());
        machine.sh("ip addr add 10.7.3.3/32 dev up1");
        machine.await_text("the next event", "cat /run/netevd/ran", |ran| ran == "address-added 10.7.3.3\n");
    });
}

/// Works for two seconds.
const WORKS: &str = "#!/bin/sh\n[ \"$MTU\" != 1500 ] || exit 0\necho $MTU >>/run/netevd/begun\nsleep 1; sleep 1\n\
                     echo $MTU >>/run/netevd/ended\n";

#[test]
fn a_script_lives_on_when_its_machine_or_service_was_paused_for_longer_than_its_timeout() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/timeout.yaml", "scripts: { timeout: 5 }\n", 0o644),
        ("/etc/netevd/mtu.d/10-works", WORKS, 0o755),
    ];
    on_each_suite(&files, |machine| {
        let worker = machine.process("netevd");
        for (number, pause) in
            [(1401, None), (1402, Some("systemctl freeze netevd; sleep 7; systemctl thaw netevd"))]
        {
            machine.sh(&format!("ip link set up1 mtu {number}"));
            let is_told = |text: &str| text.lines().any(|line| line == number.to_string());
            machine.await_text("the script", "cat /run/netevd/begun", is_told);
            match pause {
                None => machine.pause(Duration::from_secs(7)),
                Some(command) => drop(machine.sh(command)),
            }
            machine.await_text("its end", "cat /run/netevd/ended", is_told);
            let ended = || {
                let entries = machine.entries("-u netevd LINK=up1");
                let ended = entries.into_iter().filter(|entry| {
                    entry["MESSAGE"].as_str().is_some_and(|m| m.contains("exit status 0"))
                        && entry["EVENT"].as_str() == Some("mtu")
                });
                ended.collect::<Vec<_>>()
            };
            let count = number - 1400;
            wait_for("it is logged", || machine.journal(), || ended().len() == count);
            let entry = ended().pop().expect("just seen");
            let ms: u64 = entry["MS"].as_str().and_then(|ms| ms.parse().ok()).expect("a number");
            assert!(ms < 7_000, "what it ran, without the pause: {entry}");
        }
        assert_eq!(machine.process("netevd"), worker, "{}", machine.journal());
    });
}
