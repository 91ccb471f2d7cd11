//! The system calls of a whole life of the helper, traced, against the list that is compiled in.

use crate::world::{
    End, HOST, Helper, World, add_rules, as_main, copy, del_routes, del_rules, follow, policy, via,
};
use protocol::{Fallback, Family, Policy, Refusal, Reply, Request};
use std::collections::BTreeSet;

/// The list's source: one line a call.
const LIST: &str = include_str!("../../src/lockdown/calls.rs");

fn listed() -> BTreeSet<&'static str> {
    let name = |part: &'static str| part.split(|c: char| !c.is_alphanumeric() && c != '_').next();
    LIST.split("(libc::SYS_").skip(1).filter_map(name).collect()
}

/// The calls of a trace by strace(1) after the one that installs the filter.
fn called(trace: &str) -> BTreeSet<&str> {
    let (_, after) = trace.split_once("seccomp(SECCOMP_SET_MODE_FILTER").expect("a filter is installed");
    // Each line begins with the process's number; what does not go on with a name and a
    // parenthesis tells of a signal or the end.
    let words = after.lines().skip(1).filter_map(|line| line.split_whitespace().nth(1));
    words.filter_map(|word| word.split_once('(')).map(|(name, _)| name).collect()
}

/// Everything that a helper does: each request, refusals, thousands of foreign rules to read; the first
/// check of everything is at its start.
fn a_whole_life(world: &World, mut helper: Helper) -> End {
    let (eth0, eth1) = (world.ifindex("eth0"), world.ifindex("eth1"));
    let adds = [
        copy(eth1, &["10.0.2.0/24", "172.17.0.0/16"]),
        as_main(eth1, Family::V4),
        via(eth1, "fe80::1"),
        follow(eth1, &["10.0.1.0/24"]),
        add_rules(eth1, &["10.0.2.5"]),
        add_rules(eth1, &["2001:db8:2::5"]),
    ];
    assert_eq!(helper.ask(Request::Hello { version: protocol::VERSION }), Reply::Ok);
    for request in &adds {
        assert_eq!(helper.ask(request), Reply::Ok, "{request:?}");
    }
    assert_eq!(helper.ask(add_rules(eth0, &["10.0.1.5"])), Reply::Refused(Refusal::NotListed));
    assert_eq!(helper.ask(Request::SyncBegin), Reply::Ok);
    for request in &adds {
        assert_eq!(helper.ask(request), Reply::Exists, "{request:?}");
    }
    assert_eq!(helper.ask(Request::SyncEnd), Reply::Ok);
    assert_eq!(helper.ask(del_routes(eth1, &["::/0"])), Reply::Ok);
    assert_eq!(helper.ask(del_rules(eth1, &["10.0.2.5"])), Reply::Ok);
    helper.end()
}

#[test]
fn a_whole_life_needs_the_listed_calls_and_no_other() {
    let Some(world) = World::new() else { return };
    world.ip(HOST);
    // Before the helper starts: what it reads first is what its memory grows by.
    let rules: String =
        (0..6000).map(|n| format!("rule add from 9.9.{}.{} lookup 7\n", n / 250, n % 250)).collect();
    world.batch(&rules);
    let policy = Policy { fallback: Fallback::Unreachable, ..policy(&["eth1"]) };
    let (helper, trace) = world.traced(&policy.to_string());
    let end = a_whole_life(&world, helper);
    let text = std::fs::read_to_string(&trace);
    std::fs::remove_file(trace).expect("strace(1) of Debian's strace has written it");
    let trace = text.expect("a trace");
    assert_eq!(end.status, 0, "{}\n{}", end.log, tail(&trace));
    assert_eq!(called(&trace), listed());
    assert_in_order(&trace);
}

/// The steps of the lock-down as the kernel saw and granted them, up to the first frame.
fn assert_in_order(trace: &str) {
    let steps = [
        "setsockopt(4, SOL_NETLINK, NETLINK_GET_STRICT_CHK, [1]",
        "close_range(6, 4294967295, 0)",
        "capset(",
        "prctl(PR_SET_DUMPABLE, SUID_DUMP_DISABLE)",
        "prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)",
        "landlock_create_ruleset({handled_access_fs=LANDLOCK_ACCESS_FS_EXECUTE|",
        "prlimit64(0, RLIMIT_NOFILE, {rlim_cur=6, rlim_max=6}, NULL)",
        "landlock_restrict_self(6, 0)",
        "seccomp(SECCOMP_SET_MODE_FILTER, 0, ",
        "ppoll([{fd=3, events=POLLIN}",
        "recvmsg(3, ",
    ];
    let start = trace.rfind("execve(").expect("the start of the helper");
    let mut rest = &trace[start..];
    for step in steps {
        let (_, after) = rest.split_once(step).unwrap_or_else(|| panic!("{step} is not where it belongs"));
        let (line, after) = after.split_once('\n').expect("a line");
        let result = line.rsplit("= ").find_map(|part| part.split(' ').next()?.parse::<u32>().ok());
        assert!(result.is_some(), "{step}{line}");
        rest = after;
    }
}

fn tail(trace: &str) -> String {
    let lines: Vec<_> = trace.lines().collect();
    lines[lines.len().saturating_sub(10)..].join("\n")
}
