//! The system calls that the helper's filter permits, as docs/audit-guide.md lists them.

use crate::document::{is_made, text};
use std::fmt::Write as _;

const GUIDE: &str = "docs/audit-guide.md";

/// `int(0, CHANNEL)` for an auditor: which argument must be what.
fn argument(code: &str) -> String {
    let known = [
        ("int(0, CHANNEL)", "descriptor 3, the channel"),
        ("int(0, NETLINK)", "descriptor 4, netlink"),
        ("int(0, DOORBELL)", "descriptor 5, the doorbell"),
        ("int(0, libc::STDERR_FILENO)", "descriptor 2, the log"),
        ("int(0, libc::CLOCK_MONOTONIC)", "the monotonic clock"),
        ("int(0, libc::CLOCK_PROCESS_CPUTIME_ID)", "its own processor time"),
        ("NO_ADDRESS", "no address"),
        ("NO_MASK", "no signal mask"),
        ("READ_WRITE", "readable and writable, never executable"),
        ("PRIVATE", "anonymous, private"),
    ];
    let found = known.iter().find(|(name, _)| *name == code);
    found.unwrap_or_else(|| panic!("say in tests/doc_sync/calls.rs what {code} means")).1.to_owned()
}

/// `&[A, B], &[C]` as `A, B; or C`.
fn forms(code: &str) -> String {
    let forms = code.split("&[").skip(1).map(|form| form.trim_end_matches([' ', ',', ']']));
    let forms = forms.filter(|form| !form.is_empty()).map(|form| {
        // `int(0, X)` has a comma of its own.
        let whole =
            form.replace("), ", ")\n").replace("NO_ADDRESS, ", "NO_ADDRESS\n").replace("WRITE, ", "WRITE\n");
        whole.lines().map(argument).collect::<Vec<_>>().join(", ")
    });
    let forms: Vec<String> = forms.collect();
    if forms.is_empty() { "any".to_owned() } else { forms.join("; or ") }
}

#[test]
fn the_system_calls_in_the_guide_are_those_of_the_filter() {
    let source = text("netevd-priv/src/lockdown/calls.rs");
    let list = source.split("const CALLS: [Call; ").nth(1).and_then(|rest| rest.split("\n];").next());
    let list = list.expect("the list of calls");
    let count: usize = list.split(']').next().and_then(|n| n.parse().ok()).expect("a number");
    let mut table = String::from("| system call | arguments | why |\n|---|---|---|\n");
    let (mut why, mut seen) = (String::new(), 0);
    let mut fresh = true;
    for line in list.lines().skip(1).map(str::trim) {
        if let Some(comment) = line.strip_prefix("// ") {
            // A reason stands above one call, or above several that follow each other.
            why = if fresh { comment.to_owned() } else { format!("{why} {comment}") };
            fresh = false;
            continue;
        }
        fresh = true;
        let call = line.strip_prefix("(libc::SYS_").and_then(|rest| rest.split_once(", &["));
        let (name, rest) = call.unwrap_or_else(|| panic!("{line:?} is a call"));
        let arguments = forms(rest.strip_suffix("]),").expect("the end of a call"));
        let _ = writeln!(table, "| `{name}` | {arguments} | {} |", why.trim_end_matches('.'));
        seen += 1;
    }
    assert_eq!(seen, count);
    is_made(GUIDE, "calls", &table);
}
