//! `scripts.user` under systemd: the runner is there once its socket is enabled, and follows the worker.

use crate::machine::Machine;
use crate::{RECORDER, on_each_suite};
use serde_json::Value;

const SETTING: (&str, &str, u32) =
    ("/etc/netevd/netevd.yaml.d/scripts.yaml", "scripts: { user: netevd-scripts }\n", 0o644);
const ENDLESS: &str = "#!/bin/sh\ntrap 'echo TERM >>/out/term; exit 0' TERM\necho $$ >>/out/endless\n\
                       while :; do sleep 0.05; done\n";

/// An event of its own, and its records by then.
fn mtu(machine: &Machine, mtu: u32) -> Vec<Value> {
    let before = machine.sh("cat /out/records").lines().count();
    machine.sh(&format!("ip link set up0 mtu {mtu}"));
    let text = machine.await_text("a run", "cat /out/records", |text| text.lines().count() > before);
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// Starts the endless script; its process.
fn endless(machine: &Machine, number: u32) -> String {
    let before = machine.run("cat /out/endless").text.lines().filter(|line| is_number(line)).count();
    machine.sh(&format!("ip link add v{number} type veth peer name w{number}"));
    let text = machine.await_text("it runs", "cat /out/endless", |text| {
        text.lines().filter(|line| is_number(line)).count() > before
    });
    text.lines().last().expect("a line").to_owned()
}

fn is_number(line: &str) -> bool {
    line.parse::<u32>().is_ok()
}

fn await_gone(machine: &Machine, process: &str) {
    let look = format!("test -e /proc/{process} || echo gone");
    machine.await_text("the script is gone", &look, |text| text == "gone\n");
}

#[test]
fn scripts_run_as_their_own_user_once_the_socket_is_enabled() {
    let reach = "#!/bin/sh\nfor socket in scripts channel; do\n\
                 /opt/netevd/netevd-test-agent reach /run/netevd-priv/$socket.sock $PPID; done >/out/reach\n\
                 kill -KILL $(systemctl show --value --property MainPID netevd) && echo KILLED >>/out/reach\n\
                 echo end >>/out/reach\n";
    let files = [
        SETTING,
        ("/etc/netevd/mtu.d/10-note", RECORDER, 0o755),
        ("/etc/netevd/routes.d/10-reach", reach, 0o755),
    ];
    on_each_suite(&files, |machine| {
        // Before, no script runs as anybody else, and the log says what to do.
        machine.sh("ip link set up0 mtu 1400");
        let cure = "systemctl enable --now netevd-scripts.socket";
        machine.await_text("the cure", "journalctl --no-pager -u netevd", |log| log.contains(cure));
        assert_eq!(machine.sh("cat /out/records"), "");
        machine.sh(cure);
        assert_eq!(machine.property("netevd-scripts.service", "ActiveState"), "inactive");
        assert_eq!(machine.sh("stat -c '%U:%G %a' /run/netevd-priv/scripts.sock"), "netevd:root 600\n");
        let runs = mtu(machine, 1300);
        let uid = machine.sh("id -u netevd-scripts").trim().to_owned();
        assert_eq!(runs[0]["status"]["Uid"], format!("{uid} {uid} {uid} {uid}"));
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(runs[0]["status"][set], "0000000000000000", "{set}");
        }
        assert_eq!(runs[0]["status"]["NoNewPrivs"], "1");
        assert_eq!(runs[0]["fds"], serde_json::json!([0, 1, 2]));
        let names: Vec<&String> = runs[0]["env"].as_object().expect("an object").keys().collect();
        assert!(!names.iter().any(|name| name.starts_with("LISTEN_")), "{names:?}");
        let worker = machine.process("netevd");
        machine.sh("ip route add 198.51.100.0/24 dev up0");
        let text = machine.await_text("it tried", "cat /out/reach", |text| text.ends_with("end\n"));
        assert!(!text.contains("KILLED"), "{text}");
        let found: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        assert_eq!(found.len(), 2, "{text}");
        for found in found {
            assert_eq!(found["connect"], "EACCES");
            for (number, result) in found["take"].as_object().expect("an object") {
                assert_eq!(result, "EPERM", "the runner's descriptor {number}");
            }
        }
        assert_eq!(machine.process("netevd"), worker);
        let verified = machine.sh("systemd-analyze verify netevd-scripts.service netevd-scripts.socket 2>&1");
        assert!(!verified.contains("netevd"), "{verified}");
        assert!(!machine.sh("journalctl -b --no-pager _PID=1").contains("ordering cycle"));
    });
}

#[test]
fn the_runner_follows_the_worker_and_comes_back() {
    let files = [
        SETTING,
        ("/etc/netevd/mtu.d/10-note", RECORDER, 0o755),
        ("/etc/netevd/link-added.d/10-endless", ENDLESS, 0o755),
    ];
    on_each_suite(&files, |machine| {
        machine.sh("systemctl enable --now netevd-scripts.socket; systemctl restart netevd");
        let runner = |machine: &Machine| machine.process("netevd-scripts.service");
        mtu(machine, 1400);
        let first = runner(machine);
        assert_ne!(first, 0);
        // A runner that is killed takes its scripts along, and the next script has another.
        let script = endless(machine, 1);
        machine.sh(&format!("kill -KILL {first}"));
        await_gone(machine, &script);
        mtu(machine, 1300);
        let second = runner(machine);
        assert!(second != 0 && second != first);
        // So does a worker that is killed.
        let script = endless(machine, 2);
        let worker = machine.process("netevd");
        machine.sh(&format!("kill -KILL {worker}"));
        await_gone(machine, &script);
        machine.await_text("another worker", "systemctl show --value --property StatusText netevd", |text| {
            text.contains("policy routing on") && ![0, worker].contains(&machine.process("netevd"))
        });
        mtu(machine, 1200);
        assert!(![0, second].contains(&runner(machine)));
        assert_eq!(machine.run("cat /out/term").text.matches("TERM\n").count(), 0);
        // A stop is in good order, and leaves nothing but the socket.
        let script = endless(machine, 3);
        machine.sh("systemctl stop netevd");
        await_gone(machine, &script);
        assert!(machine.run("cat /out/term").text.contains("TERM\n"), "it had its grace");
        machine.await_state("netevd-scripts.service", "inactive");
        assert_eq!(machine.property("netevd-scripts.service", "Result"), "success");
        assert_eq!(machine.property("netevd-scripts.socket", "ActiveState"), "active");
        // Else each link that is there would start one, eight in all, and nothing could run beside them.
        machine.sh("rm /etc/netevd/link-added.d/10-endless; systemctl start netevd");
        mtu(machine, 1100);
    });
}
