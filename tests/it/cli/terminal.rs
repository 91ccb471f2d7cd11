//! Root's terminal stays root's: no process of another user that a command starts holds a descriptor of it,
//! and what such a process prints arrives cleaned.

use super::NETEVD;
use crate::support::{Host, wait_for};
use serde_json::Value;

/// A terminal for the machine alone, and the program that tries to type into it.
fn place(test: &str) -> Option<Host> {
    let host = Host::with_users(test)?;
    host.sh(
        "mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts /dev/pts; ln -s pts/ptmx /dev/ptmx",
    );
    Some(host)
}

/// Runs a command on a new terminal whose leader is root's shell; what was typed behind it is in /out/typed.
fn on_a_terminal(host: &Host, command: &str) -> String {
    let script = format!(
        "stty -echo; {command}; echo status $?; IFS= read -r -t 1 typed; printf %s \"$typed\" >/out/typed"
    );
    host.write("/root/session", &format!("#!/bin/bash\n{script}\n"), 0o755);
    host.sh("script -qec 'bash /root/session' /out/typescript </dev/null >/dev/null 2>&1 || true");
    host.read("/out/typescript")
}

#[test]
fn cli_a_tested_script_has_no_terminal() {
    let Some(host) = place("cli_a_tested_script_has_no_terminal") else { return };
    host.write(
        "/etc/netevd/routable.d/10-type",
        "#!/bin/sh\nfound=$(/opt/netevd/netevd-test-agent terminal)\nprintf %s \"$found\" >/out/terminal\n\
         printf 'a\\033]0;title\\007b\\302\\2332Jc\\342\\200\\256d\\n'\nprintf 'e\\033[2Jf' >&2\n",
        0o755,
    );
    for setting in ["", "scripts: { user: netevd-scripts }\n"] {
        host.config(setting);
        host.sh("rm -f /out/terminal");
        let shown = on_a_terminal(&host, &format!("{NETEVD} test routable"));
        assert!(shown.contains("status 0"), "{shown}");
        let found: Value = serde_json::from_str(&host.read("/out/terminal")).expect("JSON");
        assert_eq!(found["uid"], if setting.is_empty() { 970 } else { 972 });
        assert_eq!((&found["tty_nr"], &found["controlling"]), (&0.into(), &"ENXIO".into()), "{found}");
        assert_eq!(found["leads_its_session"], true, "{found}");
        for number in ["0", "1", "2"] {
            assert!(found["descriptors"][number].as_str().is_some_and(|d| d.starts_with("pipe:")), "{found}");
        }
        // Descriptors of the script's own, and of every other process of its user.
        assert_eq!(found["typed"], Value::Array(Vec::new()), "{found}");
        assert_eq!(host.read("/out/typed"), "", "typed into root's shell");
        assert!(shown.contains("a\\u{1b}]0;title\\u{7}b\\u{9b}2Jc\\u{202e}d"), "{shown}");
        assert!(shown.contains("e\\u{1b}[2Jf"), "{shown}");
        assert!(shown.contains("systemd does not run here"), "what differs is said: {shown}");
    }
}

#[test]
fn cli_an_interrupted_test_ends_its_script() {
    let Some(host) = place("cli_an_interrupted_test_ends_its_script") else { return };
    host.write("/etc/netevd/routable.d/10-slow", "#!/bin/sh\necho $$ >/out/slow\nexec sleep 300\n", 0o755);
    let mut child = host.command(&[NETEVD, "test", "routable"]).spawn().expect("started");
    wait_for("it runs", || host.read("/out/slow"), || !host.read("/out/slow").is_empty());
    let script = host.read("/out/slow").trim().to_owned();
    host.sh("kill -INT $(pgrep -x netevd)");
    assert_eq!(child.wait().expect("ended").code(), Some(1));
    wait_for("the script has gone", String::new, || !host.path(&format!("/proc/{script}")).exists());
}

#[test]
fn cli_a_daemon_s_children_have_no_terminal() {
    let Some(host) = place("cli_a_daemon_s_children_have_no_terminal") else { return };
    host.config("scripts: { user: netevd-scripts }\nsystem: { backend: kernel }\n");
    host.isp();
    host.veth("eth1", 7);
    host.write(
        "/etc/netevd/carrier.d/10-steer",
        "#!/bin/sh\nprintf 'steer\\033[2J\\n'\nsetsid sleep 300 & echo $! >/out/left\n",
        0o755,
    );
    host.write("/root/session", &format!("#!/bin/bash\necho $$ >/out/pid\nexec {NETEVD} start\n"), 0o755);
    let mut terminal = host
        .command(&["script", "-qfec", "bash /root/session", "/out/typescript"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("started");
    let log = || host.read("/out/typescript");
    wait_for("the daemon is ready", log, || log().contains("ready:") && log().contains("steer"));
    assert!(!log().contains("\u{1b}[2J"), "{}", log());
    let pid = host.read("/out/pid").trim().to_owned();
    let children = host.sh(&format!("cat /proc/{pid}/task/{pid}/children"));
    assert_eq!(children.split_whitespace().count(), 3, "{children}");
    let left = host.read("/out/left").trim().to_owned();
    let of = |process: &str| host.sh(&format!("cd /proc/{process}/fd && for n in *; do readlink $n; done"));
    for process in children.split_whitespace().chain([left.as_str()]) {
        let found = of(process);
        assert!(!found.contains("/dev/pts") && !found.contains("/dev/tty"), "{process}: {found}");
        let stat = host.read(&format!("/proc/{process}/stat"));
        let tty = stat.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(4).map(str::to_owned));
        assert_eq!(tty.as_deref(), Some("0"), "{stat}");
    }
    // What stays behind when the launcher is killed has nothing to read either.
    host.sh(&format!("kill -KILL {pid}"));
    let _ = terminal.wait();
    if host.path(&format!("/proc/{left}")).exists() {
        let found = of(&left);
        assert!(!found.contains("/dev/pts"), "{found}");
    }
}
