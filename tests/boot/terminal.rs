//! `netevd test` under systemd: the script gets what the daemon's own run of it gets, and nothing of the
//! terminal on which root types.

use crate::machine::Machine;
use crate::on_each_suite;
use serde_json::Value;

const SCRIPT: (&str, &str, u32) = (
    "/etc/netevd/mtu.d/10-look",
    "#!/bin/sh\n\
     found=$(/opt/netevd/netevd-test-agent terminal)\n\
     printf %s \"$found\" >/srv/out/new-$EVENT_ID\n\
     env | sort >/srv/out/env-$EVENT_ID\n\
     for place in /etc /usr /home /root /boot /srv/out /run /run/netevd /var/log/netevd /var/tmp /tmp /dev; do\n\
     for try in '[ -r $place ]' '[ -w $place ]' '[ -x $place ]'; do eval $try && printf 'y' || printf 'n'; done\n\
     done >/srv/out/places-$EVENT_ID\n\
     for try in nice trace-me socket-packet unshare-user personality realtime own-keyring; do\n\
     /opt/netevd/netevd-test-agent try $try; done >/srv/out/calls-$EVENT_ID 2>&1\n\
     cut -d ' ' -f 5,6 /proc/self/mountinfo | sort >/srv/out/mounts-$EVENT_ID\n\
     printf 'title\\033]0;x\\007\\n'\n\
     mv /srv/out/new-$EVENT_ID /srv/out/look-$EVENT_ID\n",
    0o755,
);
/// Root's shell on its own terminal; what was typed behind it is in /srv/out/typed.
const SESSION: &str = "#!/bin/bash\nstty -echo\nnetevd test mtu --link up0\necho status $?\n\
                       IFS= read -r -t 1 typed; printf %s \"$typed\" >/srv/out/typed\n";
/// The number that `netevd test` gives its event.
const OWN: &str = "1";

/// Each file of both runs: of the daemon's, and of the test's.
fn both(machine: &Machine, name: &str) -> (String, String) {
    let all = machine.sh(&format!("cd /srv/out && ls {name}-*"));
    let number = all.lines().filter_map(|file| file.rsplit('-').next()).find(|number| *number != OWN);
    let read = |number: &str| machine.sh(&format!("cat /srv/out/{name}-{number}"));
    (read(number.unwrap_or_else(|| panic!("no run of the daemon's: {all}"))), read(OWN))
}

fn judge(machine: &Machine, service: &str) {
    machine.sh("ip link set up0 mtu 1400");
    machine.await_text("the daemon's own run", "ls /srv/out", |text| text.contains("look-"));
    machine.write("/root/session", SESSION);
    let shown = machine.sh("script -qec 'bash /root/session' /dev/null </dev/null");
    assert!(shown.contains("status 0"), "{shown}\n{}", machine.journal());
    assert!(shown.contains(&format!("with the lines of {service}")), "{shown}");
    assert!(shown.contains("title\\u{1b}]0;x\\u{7}"), "{shown}");
    let (daemon, own) = both(machine, "look");
    let [daemon, own]: [Value; 2] = [&daemon, &own].map(|text| serde_json::from_str(text).expect("JSON"));
    // Seccomp, its filters, capabilities, identity, no_new_privs and umask.
    assert_eq!(own["status"], daemon["status"], "{own}\n{daemon}");
    assert_eq!(own["status"]["Seccomp"], "2");
    for found in [&own, &daemon] {
        assert_eq!((&found["tty_nr"], &found["controlling"]), (&0.into(), &"ENXIO".into()), "{found}");
        assert_eq!(found["typed"], Value::Array(Vec::new()), "{found}");
        for number in ["0", "1", "2"] {
            let leads = found["descriptors"][number].as_str().unwrap_or_default();
            assert!(leads.starts_with("pipe:"), "{found}");
        }
    }
    // No session of root's: its leader is the unit's process, as the worker is that of the daemon's run.
    assert_ne!(own["session"], daemon["session"]);
    assert_eq!(machine.sh("cat /srv/out/typed"), "", "typed into root's shell");
    for name in ["places", "calls"] {
        let (daemon, own) = both(machine, name);
        assert_eq!(own, daemon, "{name}");
    }
    // The daemon's own directories are mounts of their own in its unit, within what may be written here too;
    // and systemd 257 shows each unit its own pressure.
    let (daemon, own) = both(machine, "mounts");
    let others = |text: &str| -> Vec<String> {
        let own = ["/run/netevd ", "/var/log/netevd "];
        let is_own =
            |line: &str| own.iter().any(|place| line.starts_with(place)) || line.contains("memory.pressure");
        text.lines().filter(|line| !is_own(line)).map(str::to_owned).collect()
    };
    assert_eq!(others(&own), others(&daemon));
    // The same variables; the values are those of another event.
    let (daemon, own) = both(machine, "env");
    let names = |text: &str| {
        text.lines().filter_map(|l| l.split_once('=')).map(|(n, _)| n.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&own), names(&daemon));
    // Nothing of it is left.
    assert_eq!(machine.sh("systemctl list-units --all --no-legend 'netevd-test-*'"), "");
}

#[test]
fn a_tested_script_is_confined_as_the_daemon_s_and_has_no_terminal() {
    on_each_suite(&[SCRIPT], |machine| judge(machine, "netevd.service"));
}

#[test]
fn a_tested_script_of_its_own_user_is_confined_as_its_runner_confines() {
    let setting = ("/etc/netevd/netevd.yaml.d/scripts.yaml", "scripts: { user: netevd-scripts }\n", 0o644);
    on_each_suite(&[SCRIPT, setting], |machine| {
        machine.sh("systemctl enable --now netevd-scripts.socket");
        judge(machine, "netevd-scripts.service");
    });
}

#[test]
fn a_drop_in_confines_a_tested_script_too() {
    let strict = include_str!("../../systemd/examples/netevd-strict.conf");
    let more = "[Service]\nReadWritePaths=/srv\n";
    let files = [
        SCRIPT,
        ("/etc/systemd/system/netevd.service.d/strict.conf", strict, 0o644),
        ("/etc/systemd/system/netevd.service.d/write.conf", more, 0o644),
    ];
    on_each_suite(&files, |machine| {
        judge(machine, "netevd.service and 2 drop-ins");
        let (daemon, own) = both(machine, "places");
        assert_eq!(own, daemon);
    });
}

#[test]
fn what_cannot_be_handed_over_to_a_tested_script_s_unit_is_a_failure() {
    let who = ("/etc/netevd/routable.d/10-who", "#!/bin/sh\necho \"I am $(id -u)\"\n", 0o755);
    on_each_suite(&[who], |machine| {
        let shown = machine.sh("netevd test routable --user nobody 2>&1");
        assert!(shown.contains("I am 65534\n") && shown.contains("but as uid 65534 gid 65534"), "{shown}");
        for (line, said) in [
            // systemd passes over what it does not know, with a line in its log.
            ("NoSuchLine=yes", "NoSuchLine"),
            ("ReadWritePaths=%h/x", "ReadWritePaths= has the specifier %h"),
        ] {
            machine.sh("mkdir -p /etc/systemd/system/netevd.service.d");
            machine.write("/etc/systemd/system/netevd.service.d/more.conf", &format!("[Service]\n{line}\n"));
            machine.sh("systemctl daemon-reload");
            let output = machine.run("netevd test routable");
            assert_eq!(output.status, 1, "{line}: {}", output.text);
            assert!(output.text.contains(said) && !output.text.contains("I am"), "{line}: {}", output.text);
        }
        machine.sh("rm /etc/systemd/system/netevd.service.d/more.conf; systemctl daemon-reload");
        assert!(machine.sh("netevd test routable").contains("exit status 0"));
    });
}
