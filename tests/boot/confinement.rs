//! Who may do what: the two processes, and a script beside them.

use crate::on_each_suite;
use serde_json::Value;

const NONE: &str = "0000000000000000";
const NET_ADMIN: &str = "0000000000001000";
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

#[test]
fn the_worker_has_no_capability_and_the_helper_one() {
    on_each_suite(&[], |machine| {
        let (worker, helper) = (machine.process("netevd"), machine.process("netevd-priv"));
        for set in SETS {
            assert_eq!(machine.status_of(worker, set), NONE, "{set}");
        }
        for set in ["CapPrm", "CapEff"] {
            assert_eq!(machine.status_of(helper, set), NET_ADMIN, "{set}");
        }
        for set in ["CapInh", "CapAmb"] {
            assert_eq!(machine.status_of(helper, set), NONE, "{set}");
        }
        for process in [worker, helper] {
            assert_eq!(machine.status_of(process, "NoNewPrivs"), "1");
        }
        let owner = |process: u32| machine.sh(&format!("ps -o user:20= -p {process}"));
        assert_eq!(owner(worker).trim(), "netevd");
        assert_eq!(owner(helper).trim(), "netevd-priv");
        assert_eq!(
            machine.sh("stat -c %a /usr/lib/netevd/netevd-worker /usr/lib/netevd/netevd-priv"),
            "711\n711\n"
        );
        // The socket that systemd opened, with the kernel's double of 16 MiB, and not one within
        // rmem_max. Root may look; that a script may not is the test below.
        let reach = format!("/opt/netevd/netevd-test-agent reach /run/netevd-priv/channel.sock {worker}");
        let found = machine.sh(&reach);
        assert!(found.contains("\"netlink 33554432\""), "{found}");
    });
}

#[test]
fn a_script_reaches_neither_the_channel_nor_the_worker_s_descriptors() {
    let reach = "#!/bin/sh\nexec /opt/netevd/netevd-test-agent reach /run/netevd-priv/channel.sock $PPID \
                 >/out/reach\n";
    let files =
        [("/etc/netevd/mtu.d/10-reach", reach, 0o755), ("/etc/netevd/mtu.d/20-note", crate::RECORDER, 0o755)];
    on_each_suite(&files, |machine| {
        machine.sh("ip link set up0 mtu 1400");
        let text = machine.await_text("the script ran", "cat /out/reach", |text| text.ends_with("}\n"));
        let found: Value = serde_json::from_str(&text).expect("JSON");
        let uid = machine.sh("id -u netevd").trim().parse::<u64>().expect("a number");
        assert_eq!(found["uid"], uid);
        assert_eq!(found["connect"], "EACCES");
        for (number, result) in found["take"].as_object().expect("an object") {
            assert_eq!(result, "EPERM", "descriptor {number}");
        }
        let text = machine.await_text("the record", "cat /out/records", |text| text.contains("20-note"));
        let record: Value = serde_json::from_str(text.lines().next().expect("a line")).expect("JSON");
        let names: Vec<&String> = record["env"].as_object().expect("an object").keys().collect();
        for name in &names {
            let foreign =
                ["LISTEN_", "NOTIFY_", "WATCHDOG_", "JOURNAL_", "INVOCATION_", "SYSTEMD_", "CREDENTIALS_"];
            assert!(!foreign.iter().any(|prefix| name.starts_with(prefix)), "{names:?}");
        }
        assert_eq!(record["fds"], serde_json::json!([0, 1, 2]));
        for set in SETS {
            assert_eq!(record["status"][set], NONE, "{set}");
        }
        assert_eq!(record["status"]["NoNewPrivs"], "1");
        // A stranger at the socket is shown the door; root can connect to any.
        machine.sh("/opt/netevd/netevd-test-agent reach /run/netevd-priv/channel.sock 1");
        machine.await_text("told", "journalctl --no-pager -u netevd", |log| log.contains("uid 0 connected"));
        assert!(crate::is_whole(&machine.ours()));
    });
}

#[test]
fn a_script_cannot_speak_for_the_service() {
    let usurp = "#!/bin/sh\nexport NOTIFY_SOCKET=/run/systemd/notify\n\
                 systemd-notify --status=usurped STOPPING=1\nsystemd-notify MAINPID=$PPID WATCHDOG=trigger\n\
                 systemd-notify MAINPID=$$\necho end >/out/usurped\n";
    on_each_suite(&[("/etc/netevd/mtu.d/10-usurp", usurp, 0o755)], |machine| {
        let worker = machine.process("netevd");
        machine.sh("ip link set up0 mtu 1400");
        machine.await_text("the script ran", "cat /out/usurped", |text| text == "end\n");
        // systemd-notify(1) ends when what it said was read, by a barrier.
        assert!(!machine.property("netevd", "StatusText").contains("usurped"));
        assert_eq!(machine.property("netevd", "ActiveState"), "active");
        assert_eq!(machine.process("netevd"), worker);
    });
}
