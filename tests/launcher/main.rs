//! `netevd start` with stand-ins for worker and helper: what the children are and may, and what
//! becomes of all when one of them, a signal or a bad configuration comes along.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

mod capabilities;
mod place;
#[path = "../support/skip.rs"]
mod skip;

use place::{
    Daemon, TestDirectory, WORKER, alone, await_that, is_gone, is_root, kill, skipped_without_root, status,
};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Numbers of the open descriptors, and what each is.
fn descriptors(pid: i32) -> Vec<(i32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).expect("a process");
    let mut found: Vec<_> = entries
        .flatten()
        .map(|entry| {
            let number = entry.file_name().to_string_lossy().parse().expect("a number");
            (number, fs::read_link(entry.path()).map(|l| l.display().to_string()).unwrap_or_default())
        })
        .collect();
    found.sort();
    found
}

#[test]
fn each_child_has_its_own_identity_and_only_what_it_needs() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("identity");
    // Descriptors and groups that the launcher itself inherits must not reach the children.
    place.program("netevd-worker", "#!/bin/sh\necho worker: $*\nexec sleep 1001\n");
    let daemon = place.start();
    let worker = daemon.child("1001");
    await_that("the helper runs", || daemon.children().len() == 2);
    let helper = daemon.helper();

    let (worker_uid, helper_uid) = (status(worker, "Uid"), status(helper, "Uid"));
    assert_ne!(worker_uid, helper_uid);
    for pid in [worker, helper] {
        for field in ["Uid", "Gid"] {
            let ids = status(pid, field);
            let mut ids = ids.split_whitespace();
            let first = ids.next().expect("four ids");
            assert!(first != "0" && ids.all(|id| id == first), "{field}");
        }
        assert_eq!(status(pid, "Groups"), "");
        assert_eq!(status(pid, "NoNewPrivs"), "1");
        assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).expect("a directory"), Path::new("/"));
        let own_session = fs::read_to_string(format!("/proc/{pid}/stat")).expect("a process");
        let session =
            own_session.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(3)).map(str::to_owned);
        assert_eq!(session, Some(pid.to_string()));
    }
    // SIGHUP waits for the worker's handler.
    assert_eq!([worker, helper].map(|pid| status(pid, "SigBlk")), ["0000000000000001", "0000000000000000"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(worker, set), "0000000000000000", "{set}");
        assert_eq!(status(helper, set), "0000000000001000", "{set}");
    }
    assert_eq!((status(worker, "Umask"), status(helper, "Umask")), ("0022".to_owned(), "0077".to_owned()));

    // Until sleep(1) has replaced its shell and loaded its libraries there are more.
    let has_only = |pid, count| descriptors(pid).iter().map(|(number, _)| *number).eq(0..count);
    await_that("the worker has six descriptors, the helper five", || {
        has_only(worker, 6) && has_only(helper, 5)
    });
    let (worker_has, helper_has) = (descriptors(worker), descriptors(helper));
    assert!(
        worker_has[3].1.starts_with("socket:") && worker_has[4].1.starts_with("socket:"),
        "{worker_has:?}"
    );
    assert!(worker_has[5].1.starts_with("pipe:"), "the bell: {worker_has:?}");
    assert!(helper_has[3].1.starts_with("socket:"), "{helper_has:?}");
    assert!(helper_has[4].1.starts_with("/memfd:netevd-policy"), "{helper_has:?}");
    let policy = fs::read_to_string(format!("/proc/{helper}/fd/4")).expect("readable");
    assert!(policy.starts_with("netevd-policy 2\ninterface eth1\n"), "{policy}");
    // The launcher keeps no end of the channel.
    await_that("the channel is the children's alone", || {
        descriptors(daemon.pid()).iter().all(|(_, what)| !what.starts_with("socket:"))
    });

    let environment = fs::read(format!("/proc/{helper}/environ")).expect("an environment");
    assert_eq!(
        environment.split(|b| *b == 0).filter(|v| !v.is_empty() && !v.starts_with(b"PWD=")).count(),
        1
    );
    assert!(place.log().contains("--channel 3 --netlink 4 --bell 5"), "{}", place.log());
    assert!(place.log().contains(&format!("--runtime-dir {}", place.at("run").display())));
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(place.at("run")).expect("made"));
    assert_eq!(Some(owner.to_string().as_str()), worker_uid.split_whitespace().next());
}

#[test]
fn the_worker_keeps_its_identity_over_a_restart() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("restart");
    // A script's background child holds the id, so that it is not simply the first free one.
    place.program("netevd-worker", &WORKER.replace("sleep 1", "system 'sleep 5 &'; sleep 1"));
    let uid = |daemon: &Daemon| status(daemon.worker(), "Uid");
    let mut daemon = place.start();
    let first = uid(&daemon);
    daemon.signal(15);
    assert!(daemon.end().success());
    assert_eq!(uid(&place.start()), first);
}

#[test]
fn the_policy_cannot_be_changed_any_more() {
    let place = TestDirectory::new("sealed");
    place.program("netevd-priv", "#!/bin/sh\n(echo x >>/proc/self/fd/4) 2>/dev/null && echo CHANGED\necho helper tried\nexec sleep 1002\n");
    let _daemon = place.start();
    await_that("the helper has tried", || place.log().contains("helper tried"));
    assert!(!place.log().contains("CHANGED"), "{}", place.log());
}

#[test]
fn when_one_child_dies_the_other_is_stopped() {
    for name in ["worker", "helper"] {
        let place = TestDirectory::new(&format!("dies-{name}"));
        let mut daemon = place.start();
        await_that("the helper runs", || daemon.children().len() == 2);
        let (worker, helper) = (daemon.worker(), daemon.helper());
        let (victim, said) = match name {
            "worker" => (worker, "netevd-worker was killed by SIGKILL"),
            _ => (helper, "netevd-priv was killed by SIGKILL"),
        };
        kill(victim, 9);
        assert_eq!(daemon.end().code(), Some(1));
        assert!(is_gone(worker) && is_gone(helper));
        assert!(place.log().contains(said), "{}", place.log());
    }
}

#[test]
fn a_child_that_exits_is_reported_with_its_status() {
    let place = TestDirectory::new("exits");
    place.program("netevd-priv", "#!/bin/sh\nexit 2\n");
    let mut daemon = Daemon::new(&mut place.command());
    assert_eq!(daemon.end().code(), Some(1));
    assert!(place.log().contains("netevd-priv exited with status 2"), "{}", place.log());
}

#[test]
fn sigterm_and_sigint_end_both_and_succeed() {
    for signal in [15, 2] {
        let place = TestDirectory::new(&format!("signal-{signal}"));
        let mut daemon = place.start();
        await_that("the helper runs", || daemon.children().len() == 2);
        let children = daemon.children();
        daemon.signal(signal);
        assert_eq!(daemon.end().code(), Some(0));
        assert!(children.into_iter().all(is_gone));
    }
}

#[test]
fn a_killed_launcher_takes_its_children_along() {
    let place = TestDirectory::new("killed");
    let mut daemon = place.start();
    await_that("the helper runs", || daemon.children().len() == 2);
    let children = daemon.children();
    daemon.signal(9);
    daemon.end();
    await_that("the children are gone", || children.iter().all(|pid| is_gone(*pid)));
}

#[test]
fn sighup_reloads_all_or_nothing() {
    let place = TestDirectory::new("reload");
    let daemon = place.start();
    await_that("the helper runs", || daemon.children().len() == 2);
    let before = daemon.children();

    place.write("n.yaml", "routing: { policy_rules: [eth1], tabel_base: 7 }\n");
    daemon.signal(1);
    await_that("the fault is reported", || place.log().contains("did you mean `table_base`?"));
    await_that("and what follows from it", || place.log().contains("the old one stays"));
    assert_eq!(daemon.children(), before);
    // The worker hears of it all the same: it refuses it itself, and tells whoever asks its API.
    let heard = |times: usize| place.log().matches("reloaded").count() == times;
    await_that("the worker is told of the fault", || heard(1));

    place.write("n.yaml", "routing: { policy_rules: [eth1] }\nscripts: { timeout: 5s }\n");
    daemon.signal(1);
    await_that("the worker is told", || heard(2));
    assert_eq!(daemon.children(), before);

    place.write("n.yaml", "routing: { policy_rules: [eth1, eth2] }\n");
    daemon.signal(1);
    await_that("both are new", || {
        let now = daemon.children();
        now.len() == 2 && now.iter().all(|pid| !before.contains(pid))
    });
    assert!(place.log().contains("the routing policy changed"), "{}", place.log());
}

#[test]
fn a_hang_up_waits_for_the_worker_s_handler() {
    let place = TestDirectory::new("hang-up");
    let go = place.at("go");
    let waits = format!("select undef, undef, undef, 0.01 until -e '{}';\n$SIG{{HUP}}", go.display());
    place.program("netevd-worker", &WORKER.replace("$SIG{HUP}", &waits));
    let daemon = place.start();
    let worker = daemon.worker();
    place.write("n.yaml", "routing: { policy_rules: [eth1] }\nscripts: { timeout: 5s }\n");
    daemon.signal(1);
    await_that("the signal waits", || status(worker, "ShdPnd") == "0000000000000001");
    fs::write(&go, "").expect("written");
    await_that("it is told", || place.log().contains("reloaded"));
    assert_eq!(daemon.worker(), worker);
}

#[test]
fn a_bell_that_is_rung_while_its_worker_ends_is_heard() {
    let place = TestDirectory::new("bell");
    let go = place.at("go");
    let rings = format!(
        "select undef, undef, undef, 0.01 until -e '{}'; open my $bell, '>&=', 5; syswrite $bell, '!'; exit 0",
        go.display()
    );
    place.program("netevd-worker", &WORKER.replace("exit 0", &rings));
    let daemon = place.start();
    let restarts = |times: usize| place.log().matches("the routing policy changed").count() == times;
    place.write("n.yaml", "routing: { policy_rules: [eth1, eth2] }\n");
    daemon.signal(1);
    await_that("processes start again", || restarts(1));
    // The configuration has been read; whoever writes now asks the old worker.
    place.write("n.yaml", "routing: { policy_rules: [eth2] }\n");
    fs::write(&go, "").expect("written");
    await_that("and again, with what was written last", || restarts(2));
}

#[test]
fn a_second_daemon_is_refused() {
    let place = TestDirectory::new("lock");
    let first = place.start();
    await_that("the helper runs", || first.children().len() == 2);
    let children = first.children();
    let said = place.log();
    let mut second = place.command();
    let second = alone(|| second.stderr(Stdio::piped()).output()).expect("ended");
    assert_eq!(second.status.code(), Some(1));
    let error = String::from_utf8_lossy(&second.stderr);
    // Started through unshare(1) the pid is the same: it executes in place.
    assert!(error.contains(&format!("a daemon runs already, pid {}", first.pid())), "{error}\n{said}");
    assert_eq!(first.children(), children);
}

#[test]
fn a_bad_configuration_starts_nothing() {
    let place = TestDirectory::new("config");
    place.write("n.yaml", "system: { backend: dhcpcd }\n");
    let mut daemon = Daemon::new(&mut place.command());
    assert_eq!(daemon.end().code(), Some(1));
    assert!(place.log().contains("n.yaml:1:20: error: unknown value `dhcpcd`"), "{}", place.log());
    assert!(!place.log().contains("worker: "));
}

#[test]
fn missing_programs_are_named() {
    let place = TestDirectory::new("missing");
    fs::remove_file(place.at("netevd-priv")).expect("removed");
    let mut daemon = Daemon::new(&mut place.command());
    assert_eq!(daemon.end().code(), Some(1));
    assert!(place.log().contains("netevd-priv was not found, looked at"), "{}", place.log());
}

#[test]
fn programs_in_a_private_directory_can_be_started() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("private");
    // A real program: a script could not be read from in there.
    for name in ["netevd-worker", "netevd-priv"] {
        alone(|| fs::copy("/bin/false", place.at(name))).expect("a copy");
    }
    fs::set_permissions(&place.0, PermissionsExt::from_mode(0o700)).expect("mode");
    let mut daemon = Daemon::new(&mut place.command());
    assert_eq!(daemon.end().code(), Some(1));
    assert!(place.log().contains("exited with status 1 unasked"), "{}", place.log());
}

#[test]
fn in_a_user_namespace_with_one_id_the_remaining_separation_is_said() {
    let place = TestDirectory::new("namespace");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]).arg(place.at("netevd"));
    command.arg("--config").arg(place.at("n.yaml")).arg("start").arg("--runtime-dir").arg(place.at("run"));
    place.with_log(&mut command);
    let daemon = Daemon::new(&mut command);
    await_that("it starts or is not allowed to", || {
        place.log().contains("worker: ") || place.log().contains("unshare:")
    });
    if place.log().contains("unshare:") {
        skip::skip(format_args!("no user namespaces here: {}", place.log()));
        return;
    }
    await_that("the helper runs", || daemon.children().len() == 2);
    assert!(place.log().contains("either may signal the other"), "{}", place.log());
    assert_eq!(status(daemon.worker(), "CapEff"), "0000000000000000");
    assert_eq!(status(daemon.worker(), "CapBnd"), "0000000000000000");
    await_that("the helper is what it will be", || status(daemon.helper(), "CapEff") == "0000000000001000");
}

#[test]
fn an_ordinary_user_gets_no_helper_and_is_told_so() {
    let place = TestDirectory::new("user");
    let mut command = Command::new(place.at("netevd"));
    command.arg("--config").arg(place.at("n.yaml")).arg("start").arg("--runtime-dir").arg(place.at("u/run"));
    fs::create_dir(place.at("u")).expect("a directory");
    place.with_log(&mut command);
    if is_root() {
        std::os::unix::fs::chown(place.at("u"), Some(65_534), Some(65_534)).expect("given away");
        command.uid(65_534).gid(65_534);
    }
    let daemon = Daemon::new(&mut command);
    await_that("the worker speaks", || place.log().contains("worker: "));
    assert!(place.log().contains("policy routing is off: that needs CAP_NET_ADMIN"), "{}", place.log());
    assert!(!place.log().contains("--channel"), "{}", place.log());
    assert_eq!(daemon.children().len(), 1);
    assert_eq!(status(daemon.children()[0], "NoNewPrivs"), "1");
}

#[test]
fn the_runner_has_an_identity_and_one_descriptor_of_its_own() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("runner");
    place.write("n.yaml", "routing: { policy_rules: [eth1] }\nscripts: { user: 61170 }\n");
    // One program is both.
    place.program(
        "netevd-worker",
        "#!/bin/sh\necho started: $*\ncase $1 in --run-scripts) exec sleep 1003 ;; esac\necho worker: $*\nexec sleep 1001\n",
    );
    let daemon = place.start();
    let (worker, runner) = (daemon.child("1001"), daemon.child("1003"));
    assert!(place.log().contains("started: --run-scripts 3\n"), "{}", place.log());
    assert!(place.log().contains("--channel 3 --netlink 4 --bell 5 --runner 6"), "{}", place.log());
    for field in ["Uid", "Gid"] {
        assert_eq!(status(runner, field).split_whitespace().collect::<Vec<_>>(), ["61170"; 4], "{field}");
    }
    assert_ne!(status(worker, "Uid"), status(runner, "Uid"));
    assert_eq!(status(runner, "Groups"), "");
    assert_eq!((status(runner, "NoNewPrivs"), status(runner, "Umask")), ("1".to_owned(), "0022".to_owned()));
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(runner, set), "0000000000000000", "{set}");
    }
    let has_only = |pid, count| descriptors(pid).iter().map(|(number, _)| *number).eq(0..count);
    await_that("the worker has seven descriptors, the runner four", || {
        has_only(worker, 7) && has_only(runner, 4)
    });
    assert!(descriptors(runner)[3].1.starts_with("socket:"));
    let environment = fs::read(format!("/proc/{runner}/environ")).expect("an environment");
    let names: Vec<_> = environment.split(|b| *b == 0).filter(|v| !v.is_empty()).collect();
    assert!(names.iter().all(|name| name.starts_with(b"PATH=") || name.starts_with(b"PWD=")));
}

#[test]
fn scripts_keep_the_caller_s_user_where_no_other_can_be_taken() {
    let place = TestDirectory::new("no-runner");
    place.write("n.yaml", "scripts: { user: 61170 }\n");
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user"]).arg(place.at("netevd")).arg("start");
    command.arg("--config").arg(place.at("n.yaml")).arg("--runtime-dir").arg(place.at("run"));
    place.with_log(&mut command);
    let _daemon = Daemon::new(&mut command);
    await_that("the worker speaks", || place.log().contains("worker: "));
    assert!(place.log().contains("scripts.user is set and has no effect"), "{}", place.log());
    assert!(!place.log().contains("--runner"), "{}", place.log());
}

/// A launcher that is no child of the test's; killed with its own when the test fails.
struct OnTerminal(std::path::PathBuf);

impl Drop for OnTerminal {
    fn drop(&mut self) {
        if let Some(pid) = fs::read_to_string(&self.0).ok().and_then(|pid| pid.trim().parse().ok())
            && std::thread::panicking()
        {
            kill(pid, 9);
        }
    }
}

#[test]
fn on_a_terminal_children_have_pipes_and_what_they_print_is_cleaned() {
    if skipped_without_root() {
        return;
    }
    let place = TestDirectory::new("terminal");
    place.program(
        "netevd-worker",
        "#!/bin/sh\nprintf 'worker: \\033[2Jout\\302\\2332J\\n'\nprintf 'err\\007\\n' >&2\nexec sleep 1001\n",
    );
    let start = format!(
        "echo $$ >{0}/pid; exec {0}/netevd start --config {0}/n.yaml --runtime-dir {0}/run",
        place.0.display()
    );
    let mut command = Command::new("script");
    command.args(["-qfec", &start]).arg(place.at("log")).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(Stdio::null());
    let mut terminal = alone(|| command.spawn()).expect("script(1)");
    let _end = OnTerminal(place.at("pid"));
    await_that("both lines are shown", || place.log().contains("out") && place.log().contains("err"));
    let log = place.log();
    assert!(log.contains("worker: \\u{1b}[2Jout\\u{9b}2J") && log.contains("err\\u{7}"), "{log:?}");
    let pid: i32 = fs::read_to_string(place.at("pid")).expect("there").trim().parse().expect("a pid");
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).expect("a process");
    let children: Vec<i32> = children.split_whitespace().map(|pid| pid.parse().expect("a pid")).collect();
    assert_eq!(children.len(), 2, "{children:?}");
    for child in &children {
        let found = descriptors(*child);
        assert!(found[1].1.starts_with("pipe:") && found[2].1.starts_with("pipe:"), "{found:?}");
        assert!(found.iter().all(|(_, what)| !what.contains("/dev/pts")), "{found:?}");
    }
    kill(pid, 9);
    terminal.wait().expect("ended");
    await_that("the children are gone", || children.iter().all(|pid| is_gone(*pid)));
}
