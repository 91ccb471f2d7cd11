//! `systemctl reload`: all of a configuration or nothing, the helper's policy included.

use crate::{BOTH_MANAGED, UP1_MANAGED, on_each_suite};

const CONFIG: &str = "/etc/netevd/netevd.yaml";

#[test]
fn a_changed_routing_policy_is_taken_by_both_sides() {
    on_each_suite(&[], |machine| {
        let (worker, helper) = (machine.process("netevd"), machine.process("netevd-priv"));
        machine.write(CONFIG, BOTH_MANAGED);
        machine.sh("systemctl reload netevd");
        machine.await_text("up0 is managed too", crate::RULES, |ours| {
            ours.contains("from 192.0.2.2 ") && ours.contains("default via 192.0.2.1 dev up0")
        });
        assert_eq!(machine.process("netevd"), worker, "a reload is no restart");
        assert_ne!(machine.process("netevd-priv"), helper, "the policy is read at its start alone");
        assert_eq!(machine.property("netevd", "ActiveState"), "active");
        machine.write(CONFIG, UP1_MANAGED);
        machine.sh("systemctl reload netevd");
        machine.await_text("up0 is given up", crate::RULES, |ours| {
            !ours.contains("192.0.2.2 ") && crate::is_whole(ours)
        });
        // Nothing about routing: the helper stays.
        let helper = machine.process("netevd-priv");
        machine.write(CONFIG, &format!("{UP1_MANAGED}scripts: {{ timeout: 7s }}\n"));
        machine.sh("systemctl reload netevd");
        machine.await_text("it is reloaded", "journalctl --no-pager -u netevd", |log| {
            log.matches("configuration reloaded").count() == 3
        });
        assert_eq!(machine.process("netevd-priv"), helper);
    });
}

#[test]
fn a_faulty_configuration_is_refused_and_nothing_changes() {
    on_each_suite(&[], |machine| {
        let (worker, helper) = (machine.process("netevd"), machine.process("netevd-priv"));
        let before = machine.ours();
        machine.write(CONFIG, "routing: { policy_rulez: [up0] }\n");
        let refused = machine.run("systemctl reload netevd");
        assert_ne!(refused.status, 0);
        machine.await_text("the fault is told", "journalctl --no-pager -u netevd", |log| {
            log.contains("policy_rulez") && log.contains("policy_rules")
        });
        assert_eq!(machine.property("netevd", "ActiveState"), "active");
        // Also when somebody sends the signal without asking first: the status line says it.
        machine.sh(&format!("kill -HUP {worker}"));
        machine.await_text("the status", "systemctl show --property StatusText netevd", |text| {
            text.contains("Reload refused")
        });
        assert_eq!(machine.property("netevd", "ActiveState"), "active");
        assert_eq!((machine.process("netevd"), machine.process("netevd-priv")), (worker, helper));
        assert_eq!(machine.ours(), before);
        machine.write(CONFIG, UP1_MANAGED);
        machine.sh("systemctl reload netevd");
        machine.await_text("fixed", "systemctl show --property StatusText netevd", |text| {
            !text.contains("Reload refused") && text.contains("policy routing on")
        });
    });
}
