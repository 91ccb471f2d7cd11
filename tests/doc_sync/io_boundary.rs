//! What stands between root's terminal and other users has one place each: the function that opens what they
//! may have put there (`netevd-worker/src/checked.rs`), and the one that prints what they may have written
//! (`src/output/print.rs`). The tree is searched for whatever goes around them.

use crate::document::text;
use crate::source::files;
use std::collections::BTreeSet;

/// Ways to open a file, a directory or a socket.
const OPENS: [&str; 15] = [
    "File::open(",
    "File::create(",
    "File::create_new(",
    "File::options(",
    "OpenOptions::new(",
    "fs::read(",
    "fs::read_to_string(",
    "fs::read_dir(",
    "fs::write(",
    "fs::copy(",
    "openat(",
    "fcntl::open(",
    "UnixStream::connect(",
    "UnixDatagram::",
    "UnixAddr::new(",
];
/// Ways to print. clap prints what is wrong with the caller's own words, before there are any others.
const PRINTS: [&str; 6] = ["stdout()", "stderr()", "println!", "eprintln!", "print!(", "eprint!("];

/// Opens that do not go through `checked`, file by file: how many, and why they need not.
const OPENED: [(&str, usize, &str); 20] = [
    ("netevd-worker/src/accounts.rs", 2, "/etc/passwd and /etc/group, which are root's"),
    (
        "netevd-worker/src/api/server/token.rs",
        1,
        "the configuration names it: not waited for, a regular file alone, and nothing of it is said",
    ),
    ("netevd-worker/src/audit/file.rs", 2, "the worker writes its own log; no command of root's does"),
    (
        "netevd-worker/src/audit/names.rs",
        1,
        "lists the log's directory; whatever is named is opened by `checked`",
    ),
    ("netevd-worker/src/checked.rs", 4, "this is the way"),
    (
        "netevd-worker/src/config/load.rs",
        2,
        "the configuration: who may write it may do everything; a pipe is welcome",
    ),
    (
        "netevd-worker/src/dispatch/directory.rs",
        1,
        "lists the script directories; each file is judged by `trust`",
    ),
    ("netevd-worker/src/dispatch/group.rs", 2, "/proc"),
    (
        "netevd-worker/src/dispatch/remote.rs",
        1,
        "the worker connects to systemd's socket, in a directory of root's",
    ),
    ("netevd-worker/src/dispatch/mounts.rs", 1, "/proc/self/mountinfo"),
    ("netevd-worker/src/dispatch/start_on_remote_fs.rs", 1, "a script that was judged, by the worker alone"),
    (
        "netevd-worker/src/dispatch/startable.rs",
        1,
        "the first line of a script that was judged good or did not start",
    ),
    (
        "netevd-worker/src/dispatch/path_walk.rs",
        2,
        "O_PATH and O_NOFOLLOW, component by component: nothing is read",
    ),
    ("src/binaries.rs", 1, "O_PATH of the programs beside this one"),
    ("src/client/socket.rs", 3, "what `checked` opened, for root; an ordinary user has no more to lose"),
    (
        "src/commands/policy.rs",
        2,
        "a new file (O_EXCL), moved to its place: nothing that is there is opened; /proc",
    ),
    ("src/commands/test/unit.rs", 1, "the units' files, where systemd reads them"),
    ("src/identity.rs", 3, "/proc"),
    ("src/runtime.rs", 1, "lists the runtime directory after `checked` opened it, to see that it is empty"),
    ("src/sys.rs", 1, "/dev/null"),
];
/// What of those modules no command calls: the daemon's own ends of the API and of the managers.
const OF_THE_DAEMON: [&str; 2] = ["netevd-worker/src/api/server/unix.rs", "netevd-worker/src/backend/"];
/// Prints elsewhere, file by file.
const PRINTED: [(&str, usize, &str); 3] = [
    ("src/output/print.rs", 3, "this is the place"),
    ("src/output/terminal_style.rs", 1, "asks whether it is a terminal"),
    ("src/relay.rs", 2, "asks whether it is a terminal"),
];

/// A file without its tests and comments.
fn program(path: &str) -> String {
    let text = text(path);
    let lines: Vec<&str> = text.lines().collect();
    let is_test = |at: usize| {
        lines[at].starts_with("#[cfg(test)]")
            && lines[at + 1..].iter().take(2).any(|l| l.starts_with("mod tests"))
    };
    let end = (0..lines.len()).find(|at| is_test(*at)).unwrap_or(lines.len());
    let code = lines[..end].iter().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| [*line, "\n"]).collect()
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.ends_with("tests.rs")
        || path.contains("/tests/")
        || ["manual.rs", "fixtures.rs", "fuzz.rs"].contains(&name)
}

/// The command line, and the modules of the worker's crate that it names, with what those lean on.
fn of_commands() -> Vec<String> {
    let own = files("src");
    let mut modules = BTreeSet::from(["accounts".to_owned()]);
    for path in &own {
        for part in text(path).split("netevd_worker::").skip(1) {
            modules
                .insert(part.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default().to_owned());
        }
    }
    let of_crate = files("netevd-worker/src").into_iter().filter(|path| {
        let below = path.trim_start_matches("netevd-worker/src/");
        modules.contains(below.split(['/', '.']).next().unwrap_or_default())
    });
    let of_crate = of_crate.filter(|path| !OF_THE_DAEMON.iter().any(|of| path.starts_with(of)));
    own.into_iter().chain(of_crate).filter(|path| !is_test(path)).collect()
}

fn hits(program: &str, needles: &[&str]) -> usize {
    needles.iter().map(|needle| program.matches(needle).count()).sum()
}

fn compare(paths: &[String], needles: &[&str], permitted: &[(&str, usize, &str)], instead: &str) {
    let mut wrong = Vec::new();
    for path in paths {
        let found = hits(&program(path), needles);
        let known = permitted.iter().find(|(file, ..)| file == path).map_or(0, |(_, count, _)| *count);
        if found != known {
            wrong.push(format!("{path}: {found} and not {known}"));
        }
    }
    for (file, _, reason) in permitted {
        assert!(
            paths.iter().any(|path| path == file) && !reason.is_empty(),
            "{file} is permitted and not there"
        );
    }
    assert!(wrong.is_empty(), "not through {instead}; use it, or say here why not:\n{}", wrong.join("\n"));
}

#[test]
fn every_open_of_a_command_goes_through_the_checked_function() {
    let paths = of_commands();
    assert!(paths.iter().any(|path| path.starts_with("netevd-worker/src/dispatch/")), "{paths:?}");
    compare(&paths, &OPENS, &OPENED, "netevd_worker::checked");
}

#[test]
fn every_print_of_a_command_goes_through_the_one_place() {
    let paths: Vec<_> = files("src").into_iter().filter(|path| !is_test(path)).collect();
    compare(&paths, &PRINTS, &PRINTED, "output::put, put_document or complain");
}
