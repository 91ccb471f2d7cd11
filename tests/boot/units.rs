//! `units:`: work that needs root is done by a unit, which polkit permits by the rule that the service
//! writes.

use crate::on_each_suite;

const UNITS: &str = r#"units:
- { on: configured, link: "wg*", start: "vpn-routes@%i.service" }
"#;
const RULE: &str = "/etc/polkit-1/rules.d/50-netevd.rules";
const OWN_RULE: &str = "// Nothing for netevd.\n";

#[test]
fn an_event_starts_a_unit_of_root_s_and_nothing_else_is_permitted() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/units.yaml", UNITS, 0o644),
        (
            "/etc/systemd/system/vpn-routes@.service",
            include_str!("../../examples/units/vpn-routes@.service"),
            0o644,
        ),
        (RULE, OWN_RULE, 0o644),
        ("/etc/netevd/vpn-routes/wg0", "route replace 10.20.0.0/16 dev wg0\n", 0o644),
        ("/etc/netevd/vpn-routes/wg1", "route replace 10.21.0.0/16 dev wg1\n", 0o644),
    ];
    on_each_suite(&files, |machine| {
        // A rule of the administrator's, which permits nothing, stays: it is refused, and the log says why.
        machine.sh("ip link add wg0 type veth peer name p0; ip link set p0 up; ip link set wg0 up");
        machine.sh("ip addr add 10.9.0.1/24 dev wg0");
        machine.await_text("the refusal", "journalctl --no-pager -u netevd LINK=wg0", |log| {
            log.contains("start vpn-routes@wg0.service") && log.contains("netevd policy --polkit")
        });
        assert_eq!(machine.sh("ip route show 10.20.0.0/16"), "");
        machine.sh("systemctl reload netevd");
        assert_eq!(machine.sh(&format!("cat {RULE}")), OWN_RULE);

        // Without it the reload writes the rule, and polkitd reads it.
        machine.sh(&format!("rm {RULE}; systemctl reload netevd"));
        assert_eq!(machine.sh(&format!("cat {RULE}")), machine.sh("netevd policy --polkit"));
        machine.sh("ip link add wg1 type veth peer name p1; ip link set p1 up; ip link set wg1 up");
        machine.sh("ip addr add 10.9.1.1/24 dev wg1");
        machine
            .await_text("the unit's route", "ip route show 10.21.0.0/16", |route| route.contains("dev wg1"));
        let told = machine.entries("-u netevd LINK=wg1");
        let told =
            |part: &str| told.iter().any(|entry| entry["MESSAGE"].as_str().is_some_and(|m| m.contains(part)));
        assert!(told("start vpn-routes@wg1.service"), "{}", machine.journal());

        // The worker's user may do exactly this.
        let as_worker = |words: &str| {
            let script = format!(
                "setpriv --reuid netevd --regid netevd --clear-groups systemctl --no-ask-password {words}"
            );
            machine.run(&script).status
        };
        assert_eq!(as_worker("start vpn-routes@wg0.service"), 0);
        for words in [
            "restart vpn-routes@wg0.service",
            "stop vpn-routes@wg0.service",
            "start vpn-routes.service",
            "start systemd-journal-flush.service",
            "stop netevd-priv.service",
            "reboot",
        ] {
            assert_ne!(as_worker(words), 0, "{words}");
        }
        // What no unit needs any more goes at the next start.
        machine.sh("rm /etc/netevd/netevd.yaml.d/units.yaml; systemctl restart netevd");
        machine.sh(&format!("! test -e {RULE}"));
    });
}
