//! The command line as people use it: output, exit status, the shipped example configurations.

#![allow(clippy::expect_used, clippy::panic, reason = "a test stops at the first surprise")]

#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

struct Scratch(PathBuf);

impl Scratch {
    /// Below the build's directory, whose ancestors nobody but their owner can write.
    fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a new directory");
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        let parent = path.parent().expect("a parent");
        fs::create_dir_all(parent).expect("a directory");
        fs::set_permissions(parent, PermissionsExt::from_mode(0o755)).expect("mode");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, PermissionsExt::from_mode(mode)).expect("mode");
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn netevd() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netevd"));
    command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    command
}

fn run(arguments: &[&str]) -> Output {
    netevd().args(arguments).output().expect("started")
}

/// Runs a copy that everybody can reach; as uid 65534 if the caller is root.
fn as_nobody(arguments: &[&str]) -> Output {
    let copy = std::env::temp_dir().join(format!("netevd-cli-{}-{}", arguments[0], std::process::id()));
    fs::copy(env!("CARGO_BIN_EXE_netevd"), &copy).expect("a copy");
    let mut command = Command::new(&copy);
    if is_root() {
        command.uid(65_534);
    }
    command.args(arguments);
    let output = loop {
        match command.output() {
            // A child that another thread forked while the copy was written still holds it open.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => std::thread::yield_now(),
            ended => break ended.expect("started"),
        }
    };
    let _ = fs::remove_file(&copy);
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

fn is_root() -> bool {
    std::os::unix::fs::MetadataExt::uid(&fs::metadata("/proc/self").expect("/proc")) == 0
}

#[test]
fn the_shipped_examples_are_good() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut checked = 0;
    for entry in fs::read_dir(examples).expect("examples").flatten() {
        let file = entry.path();
        if file.extension().is_some_and(|e| e == "yaml") {
            let output = run(&["validate", path(&file)]);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            assert_eq!(text(&output.stdout), format!("{}: good\n", file.display()));
            assert_eq!(text(&output.stderr), "");
            checked += 1;
        }
    }
    assert_eq!(checked, 7);
}

#[test]
fn the_full_example_shows_the_defaults_and_every_key() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/netevd.yaml");
    let source = netevd_worker::config::Source::new(Some(&example));
    let loaded = netevd_worker::config::load(&source, &std::collections::BTreeMap::new()).expect("good");
    assert_eq!(loaded.config, netevd_worker::config::Config::default());
    let written = fs::read_to_string(&example).expect("readable");
    for key in netevd_worker::config::keys() {
        let leaf = key.path.rsplit('.').next().expect("a name");
        assert!(written.contains(&format!("{leaf}: ")), "{}", key.path);
    }
}

#[test]
fn validate_reports_every_fault_with_its_place() {
    let scratch = Scratch::new("validate");
    let bad = scratch.write("n.yaml", "sytem: {}\nrouting: { fallback: nowhere }\n", 0o644);
    let output = run(&["validate", path(&bad)]);
    assert_eq!(output.status.code(), Some(1));
    let name = bad.display();
    let expected = format!(
        "{name}:1:1: error: unknown section `sytem`\n  1 | sytem: {{}}\n    | ^^^^^ did you mean `system`?\n\
         {name}:2:22: error: unknown value `nowhere`\n  2 | routing: {{ fallback: nowhere }}\n    |                      \
         ^^^^^^^ one of `main`, `unreachable`\n"
    );
    assert_eq!(text(&output.stderr), expected);
    assert_eq!(text(&output.stdout), "");
    let missing = run(&["--config", "/nonexistent/n.yaml", "validate"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).starts_with("/nonexistent/n.yaml: error: there is no such file"));
}

#[test]
fn validate_checks_each_file_with_its_drop_ins() {
    let scratch = Scratch::new("several");
    let good = scratch.write("good.yaml", "system: { backend: kernel }\n", 0o644);
    let drop_in = scratch.write("good.yaml.d/50-filters.yaml", "filters: [{ action: ignore }]\n", 0o644);
    let first = scratch.write("first.yaml", "system: { backend: kernal }\n", 0o644);
    let second = scratch.write("second.yaml", "", 0o644);
    let fault = "filters:\n- match: { condition: 'mtu => 1400' }\n  action: log\n";
    let faulty = scratch.write("second.yaml.d/10.yaml", fault, 0o644);
    let output = run(&["validate", path(&first), path(&good), path(&second)]);
    assert_eq!(output.status.code(), Some(1));
    let all = format!("{}: good\n{}: good\n", good.display(), drop_in.display());
    assert_eq!(text(&output.stdout), all, "a file with a fault does not keep others from being checked");
    let errors = text(&output.stderr);
    let expected = format!(
        "{}:1:20: error: unknown value `kernal`\n  1 | system: {{ backend: kernal }}\n    |                    ^^^^^^ did you \
         mean `kernel`?\n{}:2:28: error: `=>` compares nothing\n  2 | - match: {{ condition: 'mtu => 1400' }}\n    |            \
         \u{20}               ^^ write `>=`\n",
        first.display(),
        faulty.display()
    );
    assert_eq!(errors, expected);
    // What stands before another file's list and what it says together.
    scratch.write("good.yaml.d/60-more.yaml", "filters: [{ action: ignore }, { default: ignore }]\n", 0o644);
    let output = run(&["validate", path(&good)]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        text(&output.stderr).contains("60-more.yaml:1:31: warning: this is never asked"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn validate_prints_the_schema_that_is_shipped() {
    let output = run(&["validate", "--schema"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/netevd.schema.json");
    assert!(text(&output.stdout) == fs::read_to_string(shipped).expect("shipped"));
    for words in [&["validate", "--schema", "n.yaml"][..], &["validate", "--schema", "--config", "n.yaml"]] {
        let output = run(words);
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{words:?}");
    }
}

#[test]
fn an_unreadable_file_is_explained() {
    if is_root() {
        let scratch = Scratch::new("unreadable");
        let file = scratch.write("n.yaml", "", 0o600);
        let output = as_nobody(&["validate", path(&file)]);
        assert_eq!(output.status.code(), Some(1));
        let error = text(&output.stderr);
        assert!(error.contains("may not be read by uid 65534") && error.contains("chmod o+"), "{error}");
    } else {
        skip::skip("only root can become somebody who may not read a file");
    }
}

#[test]
fn policy_prints_what_the_helper_reads() {
    let scratch = Scratch::new("policy");
    let file =
        scratch.write("n.yaml", "routing: { policy_rules: [eth1], gateways: { eth1: 192.0.2.1 } }\n", 0o644);
    let output = netevd()
        .args(["policy", "--config", path(&file)])
        .env("NETEVD_ROUTING_FALLBACK", "unreachable")
        .output()
        .expect("started");
    assert_eq!(output.status.code(), Some(0));
    let policy: protocol::Policy = text(&output.stdout).parse().expect("a policy");
    assert!(policy.interfaces.matches("eth1") && policy.gateways_of(&["eth1"]).count() == 1);
    assert_eq!(policy.fallback, protocol::Fallback::Unreachable);
}

#[test]
fn warnings_do_not_fail() {
    let scratch = Scratch::new("warnings");
    let file = scratch.write("n.yaml", "network: { links: \"eth0 eth1\" }\n", 0o644);
    let output = run(&["validate", path(&file)]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("write `monitoring: { interfaces: [eth0, eth1] }`"));
}

#[test]
fn usage_errors_have_a_status_of_their_own() {
    for arguments in [
        &["nonsense"][..],
        &["start", "--nonsense"],
        &["list"],
        &["test"],
        &["test", "routable", "--address", "192.0.2.1"],
        &["test", "routable", "--address", "192.0.2.1/33"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty() && output.stdout.is_empty());
    }
    for arguments in [&["--help"][..], &["help", "start"], &["version"], &["--version"]] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty());
    }
    let help = text(&run(&["--help"]).stdout);
    for command in ["start", "validate", "test", "list", "policy", "flush", "version"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[test]
fn test_runs_a_script_as_the_worker_would() {
    let scratch = Scratch::new("test");
    let script = scratch.write(
        "mtu.d/10-show",
        "#!/bin/sh\necho \"$1 $2 $EVENT $MTU $#\"\ngrep -E '^(CapEff|NoNewPrivs)' /proc/self/status\ncat\n",
        0o755,
    );
    let output = run(&["test", path(&script)]);
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    if shown.contains("refused: ") {
        skip::skip(format_args!("the build's directory is not fit to hold scripts: {shown}"));
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{shown}{said}");
    assert!(shown.contains("eth0 mtu mtu 1500 2\n"), "{shown}");
    assert!(shown.contains("CapEff:\t0000000000000000\n") && shown.contains("NoNewPrivs:\t1\n"), "{shown}");
    assert!(shown.contains("{\"schema\":\"netevd.event.v1\","), "{shown}");
    assert!(shown.contains("  exit status 0, "), "{shown}");
    assert!(said.starts_with("netevd: event mtu, link eth0, as uid "), "{said}");

    let lo = run(&["test", path(&script), "--link", "lo", "--address", "198.51.100.7/24"]);
    assert!(text(&lo.stdout).contains("lo mtu mtu 65536 2\n"), "{}", text(&lo.stdout));
    assert!(text(&lo.stdout).contains("\"address\":\"198.51.100.7\",\"prefixlen\":24"));
}

#[test]
fn test_fails_when_a_script_does() {
    let scratch = Scratch::new("fails");
    let fails = scratch.write("routable.d/10-fails", "#!/bin/sh\nexit 3\n", 0o755);
    let slow = scratch.write("routable.d/20-slow", "#!/bin/sh\nsleep 100\n", 0o755);
    let open = scratch.write("routable.d/30-open", "#!/bin/sh\n", 0o777);
    let output = run(&["test", path(&open)]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("refused: "), "{}", text(&output.stdout));
    let output = run(&["test", path(&fails)]);
    if text(&output.stdout).contains("refused: ") {
        skip::skip(format_args!(
            "the build's directory is not fit to hold scripts: {}",
            text(&output.stdout)
        ));
        return;
    }
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("exit status 3"), "{}", text(&output.stdout));
    let output = netevd()
        .args(["test", path(&slow)])
        .env("NETEVD_SCRIPTS_TIMEOUT", "200ms")
        .output()
        .expect("started");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("timed out"), "{}", text(&output.stdout));
}

#[test]
fn test_says_what_is_no_event() {
    let output = run(&["test", "routeable"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("did you mean `routable`?"), "{}", text(&output.stderr));
}

#[test]
fn flush_needs_the_right_to_change_routing() {
    let output = as_nobody(&["flush"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("needs CAP_NET_ADMIN"), "{}", text(&output.stderr));
}

#[test]
fn list_scripts_tells_what_runs_and_what_mends_the_rest() {
    if !is_root() {
        skip::skip("only root can lay other script directories over the host's, in a mount namespace");
        return;
    }
    let script = "set -e; mount -t tmpfs -o mode=755 none /usr/local/lib; cd /usr/local/lib
        mkdir -p netevd/routable.d netevd/routeable.d netevd/activated.d; cd netevd/routable.d
        printf '#!/bin/sh\n' >../activated.d/10-nm; chmod 755 ../activated.d/10-nm
        for n in 10-good 20-open 30-off.bak; do printf '#!/bin/sh\n' >$n; chmod 755 $n; done
        chmod 775 20-open; ln -s /dev/null 40-null; exec \"$0\" list scripts";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, env!("CARGO_BIN_EXE_netevd")]);
    let output = command.output().expect("unshare(1)");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    if said.contains("unshare:") {
        skip::skip(format_args!("no mount namespace to be had: {said}"));
        return;
    }
    let directory = "/usr/local/lib/netevd/routable.d";
    assert_eq!(output.status.code(), Some(1), "{shown}{said}");
    assert!(shown.contains(&format!("  runs     {directory}/10-good\n")), "{shown}");
    assert!(shown.contains(&format!("  refused  {directory}/20-open\n")), "{shown}");
    assert!(shown.contains(&format!("to fix it: chmod go-w {directory}/20-open\n")), "{shown}");
    assert!(shown.contains(&format!("  skipped  {directory}/30-off.bak\n")), "{shown}");
    assert!(shown.contains(&format!("  masked   {directory}/40-null\n           by /dev/null\n")), "{shown}");
    assert!(
        shown.contains("netevd/routeable.d: no event has this directory; did you mean routable.d?"),
        "{shown}"
    );
    assert!(
        shown.contains("activated\n  never   no such event under system.backend: systemd-networkd\n"),
        "{shown}"
    );
    assert!(!shown.contains('\u{1b}'), "{shown}");
    assert!(said.ends_with("netevd: 1 script will not run\n"), "{said}");
}

#[test]
fn flush_removes_what_is_netevds_and_nothing_else() {
    let helper = Path::new(env!("CARGO_BIN_EXE_netevd")).with_file_name("netevd-priv");
    if !helper.exists() {
        skip::skip("netevd-priv is not built: cargo build --workspace");
        return;
    }
    let script = "set -e; ip link set lo up
        ip rule add from 192.0.2.1 lookup 202 priority 32002 protocol 110
        ip -6 rule add to 2001:db8::1 lookup 202 priority 32003 protocol 110
        ip route add unreachable default table 202 protocol 110
        ip rule add from 192.0.2.9 lookup 77 priority 100
        ip route add unreachable 198.51.100.0/24 table 77
        \"$0\" flush --runtime-dir /nonexistent; \"$0\" flush --runtime-dir /nonexistent
        ip rule; ip -6 rule; ip route show table all";
    let mut command = Command::new("unshare");
    if is_root() {
        command.arg("--net");
    } else {
        command.args(["--user", "--map-root-user", "--net"]);
    }
    let output =
        command.args(["sh", "-c", script, env!("CARGO_BIN_EXE_netevd")]).output().expect("unshare(1)");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    if said.contains("unshare:") {
        skip::skip(format_args!("no network namespace to be had: {said}"));
        return;
    }
    assert_eq!(output.status.code(), Some(0), "{shown}{said}");
    assert!(
        shown.starts_with("removed 2 rules and 1 route\nthere was nothing of netevd in the kernel\n"),
        "{shown}"
    );
    assert!(shown.contains("100:\tfrom 192.0.2.9 lookup 77"), "{shown}");
    assert!(shown.contains("unreachable 198.51.100.0/24 table 77"), "{shown}");
    assert!(!shown.contains("110") && !shown.contains("202"), "{shown}");
}
