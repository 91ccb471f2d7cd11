//! What the helper has left once it serves, and how it refuses to start.

use crate::world::{World, policy};
use protocol::{Reply, Request, VERSION};
use std::process::{Command, Stdio};

#[test]
fn holds_net_admin_alone_and_six_descriptors() {
    let Some(world) = World::new() else { return };
    let helper = world.helper(&policy(&["eth1"]));
    let pid = helper.child.id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let field = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).expect("the field");
        line.split_whitespace().nth(1).expect("a value").to_owned()
    };
    assert_eq!(field("Name:"), "netevd-priv");
    for (name, value) in [
        ("CapPrm:", "0000000000001000"),
        ("CapEff:", "0000000000001000"),
        ("CapInh:", "0000000000000000"),
        ("CapAmb:", "0000000000000000"),
        ("CapBnd:", "0000000000000000"),
        ("NoNewPrivs:", "1"),
        // SECCOMP_MODE_FILTER
        ("Seccomp:", "2"),
        ("Threads:", "1"),
    ] {
        assert_eq!(field(name), value, "{name}");
    }
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).expect("its limits");
    for (name, value) in [
        ("Max core file size", "0"),
        ("Max processes", "0"),
        ("Max open files", "6"),
        ("Max locked memory", "0"),
        ("Max file size", "0"),
    ] {
        let line = limits.lines().find_map(|line| line.strip_prefix(name)).expect("the limit");
        assert!(line.split_whitespace().take(2).all(|word| word == value), "{name}: {line}");
    }
    // A process that is not dumpable shows its descriptors to the privileged only.
    if let Ok(entries) = std::fs::read_dir(format!("/proc/{pid}/fd")) {
        let mut numbers: Vec<_> = entries
            .map(|entry| entry.expect("an entry").file_name().into_string().expect("digits"))
            .collect();
        numbers.sort();
        assert_eq!(numbers, ["0", "1", "2", "3", "4", "5"]);
    }
}

#[test]
fn refuses_to_start_without_a_channel_and_says_how_it_is_started() {
    for (arguments, words) in [
        (&[][..], "started by `netevd start`"),
        (&["--fast"][..], "usage: netevd-priv"),
        (&["--version", "x"][..], "usage: netevd-priv"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_netevd-priv"))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("started");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(log.starts_with("netevd-priv: ") && log.contains(words), "{log}");
    }
    for option in ["--version", "--help"] {
        let output = Command::new(env!("CARGO_BIN_EXE_netevd-priv")).arg(option).output().expect("started");
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains("netevd-priv"));
    }
}

#[test]
fn refuses_to_start_with_a_policy_that_it_does_not_understand() {
    let Some(world) = World::new() else { return };
    let good = policy(&["eth1"]).to_string();
    for (text, words) in [
        (good.replace("fallback main", "fallback maybe"), "policy line 5"),
        (String::new(), "policy line 1"),
        (format!("{good}{}", "interface x\n".repeat(6000)), "more than 65536 bytes"),
    ] {
        let end = world.stranger(&text).wait();
        assert_eq!(end.status, 1);
        assert!(end.log.contains(words), "{words} in {}", end.log);
    }
}

#[test]
fn refuses_to_start_without_net_admin_and_says_what_it_found() {
    let Some(world) = World::new() else { return };
    let end = world.stranger_without("cap_net_admin", &policy(&["eth1"]).to_string()).wait();
    assert_eq!(end.status, 1);
    let words = "exactly CAP_NET_ADMIN must be permitted, found: ";
    assert!(end.log.contains(words), "{}", end.log);
}

/// What strace(1) makes fail, and what the helper says then.
fn start_without(world: &World, fault: &str) -> crate::world::Helper {
    world.stranger_with_fault(fault, &policy(&["eth1"]).to_string())
}

#[test]
fn refuses_to_start_when_a_step_of_the_lock_down_fails() {
    let Some(world) = World::new() else { return };
    for (fault, words) in [
        ("close_range:error=EPERM", "cannot lock down, close_range: EPERM"),
        ("capset:error=EPERM", "cannot reduce the capabilities: "),
        // The first one asks for the version.
        ("landlock_create_ruleset:error=ENOMEM:when=2", "cannot lock down, landlock_create_ruleset: "),
        ("landlock_restrict_self:error=EPERM", "cannot lock down, landlock_restrict_self: "),
        ("seccomp:error=EINVAL", "cannot lock down, seccomp: "),
    ] {
        let end = start_without(&world, fault).wait();
        assert_eq!(end.status, 1, "{fault}: {}", end.log);
        assert!(end.log.contains(words), "{fault}: {}", end.log);
    }
}

#[test]
fn says_which_guard_the_kernel_does_not_have_and_serves_without_it() {
    let Some(world) = World::new() else { return };
    for (fault, words) in [
        ("landlock_create_ruleset:error=ENOSYS", "this kernel has no Landlock"),
        ("landlock_create_ruleset:error=EOPNOTSUPP", "this kernel has no Landlock"),
        ("seccomp:error=ENOSYS", "this kernel has no seccomp filters"),
    ] {
        let mut helper = start_without(&world, fault);
        assert_eq!(helper.ask(Request::Hello { version: VERSION }), Reply::Ok, "{fault}");
        let end = helper.end();
        assert_eq!(end.status, 0, "{fault}: {}", end.log);
        assert!(end.log.contains(words), "{fault}: {}", end.log);
    }
}
