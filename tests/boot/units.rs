//! `units:`: work that needs root is done by a unit, which polkit permits by the rule that the service
//! writes.

use crate::on_each_suite;
use crate::wait::wait_for;

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

const RULES: &str = r#"units:
- { on: routable, link: ["wg*", "!wg9"], start: "vpn-routes@%i.service" }
- { on: [carrier, routable], link: "eth[0-3]", start: "firewall@%i.service" }
- { on: off, link: "eth[0-3]", stop: "firewall@%i.service" }
- { on: routable, start: "any-%e@%i.service" }
- { on: routable, link: eth0, restart: fixed.service }
"#;

/// Names of links that a command of a unit could read as more than a name; the kernel takes the first ones.
const HOSTILE: [&str; 12] = [
    "wg$(id)",
    "wg;x",
    "wg`x`",
    "wg\"}x",
    "wg'x",
    "wg{x",
    "wg}x",
    "wg\\x",
    "-wg",
    "wg|x",
    "eth0\"};x",
    r#"eth0" }; add rule inet filter input accept; add element inet filter uplinks { "eth0"#,
];

/// What polkit, by the rule that netevd made, says to the worker about each of these.
fn polkit_says(machine: &crate::machine::Machine, asked: &[(&str, &str, &str)]) -> Vec<bool> {
    let mut script = String::from("P=$(systemctl show --value -p MainPID netevd)\n");
    for (action, verb, unit) in asked {
        let unit = unit.replace('\'', r"'\''");
        script.push_str(&format!(
            "pkcheck --process $P --action-id org.freedesktop.systemd1.{action} --detail verb '{verb}' \
             --detail unit '{unit}' >/dev/null 2>&1; echo $?\n"
        ));
    }
    machine.write("/srv/asks", &script);
    machine.sh("sh /srv/asks").lines().map(|line| line == "0").collect()
}

/// As systemd-escape(1) makes it.
fn instance(machine: &crate::machine::Machine, template: &str, link: &str) -> String {
    machine.write("/srv/name", link);
    machine.sh(&format!("systemd-escape --template={template} -- \"$(cat /srv/name)\"")).trim().to_owned()
}

#[test]
fn the_rule_permits_the_links_of_each_entry_with_its_verb_and_no_other_name() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/units.yaml", RULES, 0o644),
        (
            "/etc/systemd/system/vpn-routes@.service",
            "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n",
            0o644,
        ),
    ];
    on_each_suite(&files, |machine| {
        machine.sh(&format!("netevd policy --polkit >{RULE}; systemctl restart polkit"));
        let mut asked: Vec<(bool, String, &str, String)> = Vec::new();
        let mut ask =
            |expected, verb, unit: String| asked.push((expected, "manage-units".to_owned(), verb, unit));
        for (template, verb, good, bad) in [
            (
                "vpn-routes@.service",
                "start",
                &["wg0", "wg", "wg-home.1", "wg+x@y"][..],
                &["wg9", "eth0", "w", "wgwgwgwgwgwgwgwg"][..],
            ),
            ("firewall@.service", "start", &["eth0", "eth3"], &["eth4", "eth", "eth00", "wg0"]),
            ("firewall@.service", "stop", &["eth0", "eth3"], &["eth4", "wg0"]),
            ("any-routable@.service", "start", &["wg9", "eth7", "_x"], &["lo"]),
        ] {
            for link in good {
                let unit = instance(machine, template, link);
                ask(true, verb, unit.clone());
                for other in [
                    "stop",
                    "restart",
                    "reload",
                    "try-restart",
                    "reload-or-restart",
                    "kill",
                    "set-property",
                    "clean",
                    "",
                    "undefined",
                    "start\n",
                    "START",
                ] {
                    if other != verb && !(template.starts_with("firewall") && other == "stop") {
                        ask(false, other, unit.clone());
                    }
                }
            }
            for link in bad.iter().chain(&HOSTILE) {
                ask(false, verb, instance(machine, template, link));
            }
            ask(false, verb, template.to_owned());
            ask(false, verb, template.replace('@', "@eth0.service.wg0"));
            ask(false, verb, format!("x{}", instance(machine, template, good[0])));
            ask(false, verb, format!("{}\nx", instance(machine, template, good[0])));
        }
        ask(true, "restart", "fixed.service".to_owned());
        ask(false, "start", "fixed.service".to_owned());
        ask(false, "restart", "fixedXservice".to_owned());
        ask(false, "start", instance(machine, "any-carrier@.service", "eth0"));
        for action in ["manage-unit-files", "reload-daemon", "set-environment"] {
            asked.push((false, action.to_owned(), "start", instance(machine, "vpn-routes@.service", "wg0")));
        }
        let questions: Vec<_> =
            asked.iter().map(|(_, action, verb, unit)| (action.as_str(), *verb, unit.as_str())).collect();
        let answers = polkit_says(machine, &questions);
        assert_eq!(answers.len(), asked.len());
        let wrong: Vec<_> =
            asked.iter().zip(&answers).filter(|((expected, ..), said)| expected != *said).collect();
        assert!(wrong.is_empty(), "{wrong:#?}\n{}", machine.sh(&format!("cat {RULE}")));

        // Jobs of other modes: polkit is not told the mode, and systemd isolates no unit that does not say so.
        let as_worker = |words: &str| {
            machine.run(&format!(
                "setpriv --reuid netevd --regid netevd --clear-groups systemctl --no-ask-password {words}"
            ))
        };
        let isolated = as_worker("--job-mode=isolate start vpn-routes@wg0.service");
        assert_ne!(isolated.status, 0, "{}", isolated.text);
        assert_eq!(as_worker("--job-mode=replace start vpn-routes@wg0.service").status, 0);
        assert_ne!(as_worker("--job-mode=isolate start vpn-routes@wg9.service").status, 0);
    });
}

/// Says what it was given.
const NFT: &str = "#!/bin/sh\nprintf '%s|' \"$@\" >>/srv/nft\necho >>/srv/nft\n";

#[test]
fn a_link_s_name_is_data_to_the_example_units_and_the_worker_asks_for_no_other() {
    let firewall = "units:\n- { on: carrier, link: [\"eth*\", \"wg*\"], start: \"firewall@%i.service\" }\n";
    let files = [
        ("/etc/netevd/netevd.yaml.d/units.yaml", firewall, 0o644),
        (
            "/etc/systemd/system/firewall@.service",
            include_str!("../../examples/units/firewall@.service"),
            0o644,
        ),
        ("/etc/systemd/system/mtu@.service", include_str!("../../examples/units/mtu@.service"), 0o644),
        (
            "/etc/systemd/system/vpn-routes@.service",
            include_str!("../../examples/units/vpn-routes@.service"),
            0o644,
        ),
        ("/etc/netevd/vpn-routes/wg0", "", 0o644),
        ("/usr/sbin/nft", NFT, 0o755),
    ];
    on_each_suite(&files, |machine| {
        machine.sh(&format!("netevd policy --polkit >{RULE}; systemctl restart polkit"));
        machine.sh("mkdir -p /etc/systemd/system/firewall@.service.d; \
            printf '[Service]\\nReadWritePaths=/srv\\n' >/etc/systemd/system/firewall@.service.d/srv.conf; systemctl daemon-reload");
        machine.sh("ip link add eth0 type veth peer name p0; ip link set p0 up; ip link set eth0 up");
        machine.await_text("nft was run", "cat /srv/nft", |text| text.ends_with("|\n"));
        assert_eq!(machine.sh("cat /srv/nft"), "add|element|inet|filter|uplinks|{|\"eth0\"|}|\n");

        // Whoever starts it, and be it root.
        for link in HOSTILE {
            for template in ["firewall@.service", "mtu@.service", "vpn-routes@.service"] {
                let unit = instance(machine, template, link);
                let started = machine
                    .run(&format!("systemctl start '{unit}'; systemctl show -p Result --value '{unit}'"));
                let refused = started.text.contains("exit-code") || template.starts_with("vpn-routes");
                assert!(refused, "{unit}: {}", started.text);
            }
        }
        assert_eq!(machine.sh("cat /srv/nft"), "add|element|inet|filter|uplinks|{|\"eth0\"|}|\n");
        let unit = instance(machine, "mtu@.service", "eth0");
        machine.sh(&format!("systemctl start {unit}"));
        machine.sh("ip -o link show eth0 | grep 'mtu 1420'");

        // A link of such a name: the worker says so and asks for nothing.
        machine.write("/srv/name", "wg$(id);x");
        machine.sh("ip link add \"$(cat /srv/name)\" type veth peer name p1; ip link set p1 up; ip link set \"$(cat /srv/name)\" up");
        let log = "journalctl --no-pager -u netevd";
        let text =
            machine.await_text("the refusal", log, |log| log.contains("not asked for: the link's name"));
        assert!(text.contains(r"start firewall@wg\x24\x28id\x29\x3bx.service"), "{text}");
        assert!(
            !machine
                .sh("systemctl list-units --all --no-legend 'firewall@*'")
                .contains(r"wg\x24\x28id\x29\x3bx")
        );
    });
}

const MARKS: &str = "routing:\n  marks: { up1: 0x650000/0xff0000 }\n";

/// This host's nft with all that it is linked with, in a directory of its own: the machines have none.
fn bring_nft(machine: &crate::machine::Machine) {
    let listed = std::process::Command::new("ldd").arg("/usr/sbin/nft").output().expect("ldd");
    let listed = String::from_utf8(listed.stdout).expect("text");
    let mut loader = None;
    machine.sh("mkdir -p /opt/nft");
    for file in listed.split_whitespace().filter(|word| word.starts_with('/')).chain(["/usr/sbin/nft"]) {
        let name = file.rsplit('/').next().expect("a name");
        std::fs::copy(file, machine.path("/opt/nft").join(name)).expect("copied");
        loader = loader.or(name.starts_with("ld-linux").then(|| name.to_owned()));
    }
    let loader = loader.expect("nft is installed (nftables) and has a loader");
    let wrapper = format!("#!/bin/sh\nexec /opt/nft/{loader} --library-path /opt/nft /opt/nft/nft \"$@\"\n");
    machine.write("/usr/sbin/nft", &wrapper);
    machine.sh("chmod 755 /usr/sbin/nft; nft --version");
}

#[test]
fn the_marks_are_loaded_and_removed_by_their_unit() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/marks.yaml", MARKS, 0o644),
        (
            "/etc/systemd/system/netevd-marks.service",
            include_str!("../../examples/units/netevd-marks.service"),
            0o644,
        ),
    ];
    on_each_suite(&files, |machine| {
        bring_nft(machine);
        machine.sh("nft add table inet other");
        machine.await_text("netevd's rule for the mark", "ip rule", |rules| {
            rules.contains("from all fwmark 0x650000/0xff0000 lookup")
        });
        machine.sh("systemctl enable --now netevd-marks.service");
        let list = "nft list table inet netevd_marks";
        let loaded = machine.sh(list);
        assert!(loaded.contains("iifname \"up1\"") && loaded.contains("type route hook output"), "{loaded}");
        // Loaded again it is the same, also when somebody flushed everything.
        machine.sh("systemctl reload netevd-marks.service");
        assert_eq!(machine.sh(list), loaded);
        machine.sh("nft flush ruleset; nft add table inet other; systemctl reload netevd-marks.service");
        assert_eq!(machine.sh(list), loaded);
        machine.sh("systemctl stop netevd-marks.service");
        assert_eq!(machine.sh("nft list tables").trim(), "table inet other");
        // A table that somebody else deleted is no failure.
        machine.sh(
            "systemctl start netevd-marks.service; nft flush ruleset; systemctl stop netevd-marks.service",
        );
        assert_eq!(machine.property("netevd-marks.service", "Result"), "success");
    });
}

const LIVES: &str = r#"units:
- { on: link-added, link: "wg*", start: "mark@%i.service" }
- { on: link-removed, link: "wg*", stop: "mark@%i.service" }
"#;
const MARK: &str = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
                    ExecStart=/bin/true\nExecStop=/bin/sleep 0.2\n";

#[test]
fn the_unit_of_a_link_that_is_made_again_is_active() {
    let files = [
        ("/etc/netevd/netevd.yaml.d/units.yaml", LIVES, 0o644),
        ("/etc/systemd/system/mark@.service", MARK, 0o644),
        // Slow scripts of the old link: nothing of the new one may overtake them.
        ("/etc/netevd/no-carrier.d/10-slow", "#!/bin/sh\nsleep 0.1\n", 0o755),
        ("/etc/netevd/link-removed.d/10-slow", "#!/bin/sh\nsleep 0.1\n", 0o755),
    ];
    on_each_suite(&files, |machine| {
        let asked = |verb: &str| {
            let told = machine.entries("-u netevd LINK=wg0");
            let part = format!("{verb} mark@wg0.service: asked");
            told.iter().filter(|e| e["MESSAGE"].as_str().is_some_and(|m| m.contains(&part))).count()
        };
        machine.sh("ip link add wg0 type veth peer name p0");
        for round in 1..=10 {
            machine.sh("printf 'link del wg0\\nlink add wg0 type veth peer name p0\\n' | ip -batch -");
            wait_for(
                "both jobs",
                || machine.journal(),
                || asked("stop") == round && asked("start") == round + 1,
            );
            machine
                .await_text("the unit", "systemctl is-active mark@wg0.service", |state| state == "active\n");
        }
        let show = "systemctl show --value --property Job mark@wg0.service";
        machine.await_text("no job left", show, |job| job.trim() == "0" || job.trim().is_empty());
        assert_eq!(machine.property("mark@wg0.service", "ActiveState"), "active");
        machine.sh("ip link del wg0");
        machine.await_text("its end", "systemctl is-active mark@wg0.service", |state| state == "inactive\n");
    });
}

const SLOW: &str = r#"units:
- { on: link-added, link: "wg*", start: "ends@%i.service" }
- { on: link-added, link: "wg*", start: "begins@%i.service" }
- { on: link-added, link: "wg*", start: "bound@%i.service" }
- { on: link-removed, link: "wg*", stop: "ends@%i.service" }
- { on: link-removed, link: "wg*", stop: "begins@%i.service" }
- { on: link-removed, link: "wg*", stop: "bound@%i.service" }
"#;
/// Its stop is slow; its start is; it stops after another unit, whose stop is slow.
const SLOW_UNITS: [(&str, &str, u32); 4] = [
    (
        "/etc/systemd/system/ends@.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sh -c 'echo start >>/srv/log/ends.%i'\n\
         ExecStop=/bin/sh -c 'sleep 2; echo stop >>/srv/log/ends.%i'\n",
        0o644,
    ),
    (
        "/etc/systemd/system/begins@.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh -c 'echo start >>/srv/log/begins.%i; sleep 2; echo done >>/srv/log/begins.%i'\n",
        0o644,
    ),
    (
        "/etc/systemd/system/bound@.service",
        "[Unit]\nWants=tail@%i.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh -c 'echo start >>/srv/log/bound.%i'\nExecStop=/bin/sh -c 'echo stop >>/srv/log/bound.%i'\n",
        0o644,
    ),
    (
        "/etc/systemd/system/tail@.service",
        "[Unit]\nBindsTo=bound@%i.service\nAfter=bound@%i.service\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
         ExecStart=/bin/sh -c 'echo start >>/srv/log/tail.%i'\nExecStop=/bin/sleep 2\n",
        0o644,
    ),
];

#[test]
fn units_of_twenty_links_that_are_made_again_have_stopped_and_are_active() {
    let rules = [("/etc/netevd/netevd.yaml.d/units.yaml", SLOW, 0o644)];
    let files: Vec<_> = rules.iter().chain(&SLOW_UNITS).copied().collect();
    on_each_suite(&files, |machine| {
        let batch = |lines: &dyn Fn(u32) -> String| {
            machine.write("/srv/batch", &(0..20).map(lines).collect::<String>());
            machine.sh("ip -batch /srv/batch");
        };
        let logs = |unit: &str, condition: &dyn Fn(&str) -> bool| {
            let all = || {
                let log = |n: u32| machine.path(&format!("/srv/log/{unit}.wg{n}"));
                (0..20).map(|n| std::fs::read_to_string(log(n)).unwrap_or_default()).collect::<Vec<_>>()
            };
            let explain = || format!("{:?}\n{}", all(), machine.sh("systemctl list-jobs"));
            wait_for(&format!("20 of 20 logs of {unit}"), explain, || all().iter().all(|log| condition(log)));
        };
        machine.sh("mkdir /srv/log");
        batch(&|n| format!("link add wg{n} type veth peer name p{n}\n"));
        logs("ends", &|log| log == "start\n");
        logs("tail", &|log| log == "start\n");
        logs("begins", &|log| log.starts_with("start\n"));
        batch(&|n| format!("link del wg{n}\nlink add wg{n} type veth peer name p{n}\n"));
        logs("ends", &|log| log == "start\nstop\nstart\n");
        logs("bound", &|log| log == "start\nstop\nstart\n");
        logs("tail", &|log| log == "start\nstart\n");
        logs("begins", &|log| log.matches("start\n").count() == 2 && log.ends_with("start\ndone\n"));
        let show = "for u in ends begins bound tail; do for n in $(seq 0 19); do echo $u@wg$n; done; done | \
                    xargs systemctl is-active | sort | uniq -c";
        machine.await_text("all are active", show, |states| {
            states.split_whitespace().collect::<Vec<_>>() == ["80", "active"]
        });
        assert_eq!(machine.sh("systemctl list-jobs --no-legend").trim(), "", "{}", machine.journal());
        // A restart of the daemon does not lose the start that waits for the stop.
        machine.sh("printf 'link del wg0\\nlink add wg0 type veth peer name p0\\n' | ip -batch -");
        let stops =
            "journalctl --no-pager -u netevd LINK=wg0 | grep -c 'stop ends@wg0.service: asked' || true";
        machine.await_text("the stop", stops, |count| count.trim() == "2");
        machine.sh("systemctl restart netevd");
        let log = "cat /srv/log/ends.wg0; systemctl is-active ends@wg0";
        machine.await_text("the start", log, |log| log == "start\nstop\nstart\nstop\nstart\nactive\n");
    });
}
