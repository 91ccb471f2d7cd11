//! Start, status, stop, flush: what an administrator sees first.

use crate::wait::holds_for;
use crate::{RULES, is_whole, on_each_suite};
use std::time::Duration;

#[test]
fn the_services_start_with_the_machine_and_say_how_they_are() {
    on_each_suite(&[], |machine| {
        assert_eq!(machine.property("netevd", "ActiveState"), "active");
        assert_eq!(machine.property("netevd-priv", "ActiveState"), "active");
        machine.await_text("the status line", "systemctl status netevd", |text| {
            text.contains("Active: active (running)") && text.contains("links monitored, host online")
        });
        machine.await_text("policy routing in it", "systemctl status netevd", |text| {
            text.contains("policy routing on")
        });
        // No cycle in the order of units, no directive that this systemd does not know.
        let boot = machine.sh("journalctl -b --no-pager _PID=1");
        for word in ["ordering cycle", "netevd.service:", "netevd-priv.service:", "netevd.socket:"] {
            let line = boot.lines().find(|line| line.contains(word) && !line.contains("Deactivated"));
            assert_eq!(line, None, "{boot}");
        }
        let verified =
            machine.sh("systemd-analyze verify netevd.service netevd-priv.service netevd.socket 2>&1");
        assert!(!verified.contains("netevd"), "{verified}");
        let users = machine.sh("getent passwd netevd netevd-priv");
        assert_eq!(users.lines().count(), 2, "{users}");
        let socket =
            machine.sh("stat -c '%U:%G %a' /run/netevd-priv /run/netevd-priv/channel.sock /run/netevd");
        assert_eq!(socket, "root:root 755\nroot:netevd-priv 660\nnetevd:netevd 755\n");
        assert_eq!(machine.sh("stat -c '%U:%G %a' /run/netevd-priv/policy"), "root:root 644\n");
    });
}

#[test]
fn a_stop_leaves_the_kernel_alone_and_flush_clears_it() {
    on_each_suite(&[], |machine| {
        let refused = machine.run("netevd flush");
        assert_ne!(refused.status, 0, "{}", refused.text);
        assert!(refused.text.contains("a daemon runs already"), "{}", refused.text);
        let before = machine.ours();
        machine.sh("systemctl stop netevd");
        for unit in ["netevd.service", "netevd-priv.service", "netevd.socket"] {
            machine.await_state(unit, "inactive");
        }
        let log = machine.sh("journalctl --no-pager -u netevd -p warning");
        assert!(!log.contains("helper"), "a stop is no loss: {log}");
        assert_eq!(machine.ours(), before);
        // Messages of the kernel start nothing that was stopped.
        machine.sh(
            "ip link add d0 type veth peer name d1; ip link set d0 up; ip addr add 203.0.113.9/24 dev d0",
        );
        holds_for(Duration::from_secs(1), "it stays stopped", || {
            machine.property("netevd", "ActiveState") == "inactive"
        });
        let flushed = machine.sh("netevd flush");
        assert!(flushed.contains("removed"), "{flushed}");
        assert_eq!(machine.ours(), "");
        machine.sh("systemctl start netevd");
        machine.await_text("the rules are back", RULES, is_whole);
    });
}

#[test]
fn a_restart_keeps_the_rules_and_what_is_remembered() {
    on_each_suite(&[("/etc/netevd/configured.d/10-note", crate::RECORDER, 0o755)], |machine| {
        machine.await_text("the first run", "cat /out/records", |text| text.contains("configured.d/10-note"));
        machine.await_text("the memory", "cat /run/netevd/state.json", |text| text.contains("up1"));
        machine.await_text("both links told", "grep -o '\"LINK\":\"[a-z0-9]*\"' /out/records", |text| {
            text.contains("up0") && text.contains("up1")
        });
        let runs = machine.sh("wc -l </out/records");
        let worker = machine.process("netevd");
        let before = machine.ours();
        machine.sh("systemctl restart netevd");
        assert_ne!(machine.process("netevd"), worker);
        machine.await_text("policy routing is on", "systemctl status netevd", |text| {
            text.contains("policy routing on")
        });
        assert_eq!(machine.ours(), before);
        assert_eq!(machine.sh("wc -l </out/records"), runs, "nothing changed, so nothing runs");
    });
}

#[test]
fn the_strict_example_leaves_the_services_working() {
    let strict = include_str!("../../systemd/examples/netevd-strict.conf");
    let files = [
        // As the example says: a directory is opened again where a script needs one.
        ("/etc/systemd/system/netevd.service.d/strict.conf", strict, 0o644),
        ("/etc/systemd/system/netevd.service.d/write.conf", "[Service]\nReadWritePaths=/out\n", 0o644),
        ("/etc/netevd/mtu.d/10-note", crate::RECORDER, 0o755),
    ];
    on_each_suite(&files, |machine| {
        machine.sh("ip link set up0 mtu 1400");
        machine.await_text("the script ran", "cat /out/records", |text| text.contains("mtu.d/10-note"));
        machine.await_text("policy routing", "systemctl status netevd", |text| {
            text.contains("policy routing on")
        });
        let journal = machine.entries("LINK=up0 EVENT=mtu");
        assert!(!journal.is_empty(), "{}", machine.journal());
    });
}

#[test]
fn the_network_manager_that_runs_is_found() {
    let files = [
        ("/etc/netevd/netevd.yaml", "routing: { policy_rules: [up1] }\n", 0o644),
        ("/etc/netevd/routable.d/10-note", crate::RECORDER, 0o755),
    ];
    on_each_suite(&files, |machine| {
        let text = machine.await_text("both links are routable", "cat /out/records", |text| {
            ["up0", "up1"].iter().all(|link| text.contains(&format!("\"LINK\":\"{link}\"")))
        });
        assert!(text.contains("\"BACKEND\":\"systemd-networkd\""), "{text}");
        let log = machine.sh("journalctl --no-pager -u netevd -p warning");
        assert!(!log.contains("bus"), "{log}");
    });
}
