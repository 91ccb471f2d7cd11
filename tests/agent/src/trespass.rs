//! What one process can do to another without any privilege: `trespass PROCESS...`.
//!
//! Prints one JSON object a line for each PROCESS: `process`, and `tries`, by what was tried "done" or
//! the error; where there is a descriptor in it every number from 0 to 64 was, and all different
//! answers are listed. Looking is tried, and nothing is changed where it succeeds.

use crate::sys;
use nix::errno::Errno;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Files in /proc/PID that are opened for reading.
const READ: [&str; 9] =
    ["mem", "environ", "maps", "smaps", "auxv", "pagemap", "syscall", "root/etc/passwd", "cwd/etc/passwd"];
/// Files that are opened for writing.
const WRITTEN: [&str; 4] = ["mem", "clear_refs", "oom_score_adj", "coredump_filter"];
/// Directories that are listed.
const LISTED: [&str; 3] = ["fd", "fdinfo", "map_files"];
/// Links that are read.
const LINKS: [&str; 4] = ["exe", "root", "cwd", "ns/net"];
const LAST: i32 = 64;

pub(crate) fn run(processes: &[String]) {
    for process in processes {
        let number = process.parse().expect("a process id");
        println!("{}", json!({ "process": number, "tries": tries(number) }));
    }
}

/// `window PROGRAM UID`: root starts PROGRAM as UID with a pipe as descriptor 3 and stops it at the
/// first instruction after its exec, before the program has done anything for itself. Then a
/// process of the same UID trespasses on it.
pub(crate) fn window(arguments: &[String]) {
    let [program, id] = arguments else { panic!("usage: netevd-test-agent window PROGRAM UID") };
    let id: u32 = id.parse().expect("a user id");
    let (pipe, _other) = nix::unistd::pipe().expect("a pipe");
    let mut command = Command::new(program);
    sys::stop_at_exec(&mut command, id, pipe);
    let mut child = command.spawn().expect("started");
    let stopped = nix::sys::wait::waitpid(
        nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid")),
        Some(nix::sys::wait::WaitPidFlag::WUNTRACED),
    );
    assert!(matches!(stopped, Ok(nix::sys::wait::WaitStatus::Stopped(..))), "{stopped:?}");
    let own = std::env::current_exe().expect("a path");
    let status = Command::new(own).arg("trespass").arg(child.id().to_string()).uid(id).gid(id).status();
    child.kill().expect("killed");
    child.wait().expect("waited");
    assert!(status.expect("started").success());
}

fn tries(process: i32) -> Map<String, Value> {
    let at = |name: &str| format!("/proc/{process}/{name}");
    let mut tries = Map::new();
    let mut note = |what: String, answer: Value| {
        tries.insert(what, answer);
    };
    match sys::pidfd_open(process) {
        Ok(pidfd) => {
            let taken = (0..=LAST).map(|number| sys::pidfd_getfd(&pidfd, number).map(drop));
            note("take a descriptor".to_owned(), all(taken));
        }
        Err(error) => note("take a descriptor".to_owned(), Value::from(error.to_string())),
    }
    let opened = (0..=LAST).map(|number| fs::File::open(at(&format!("fd/{number}"))).map(drop));
    note("open a descriptor".to_owned(), all(opened));
    note("attach".to_owned(), word(sys::ptrace(libc::PTRACE_ATTACH, process)));
    note("seize".to_owned(), word(sys::ptrace(libc::PTRACE_SEIZE, process)));
    for (what, write) in [("read its memory", false), ("write its memory", true)] {
        note(what.to_owned(), word(sys::process_vm(process, 0x1000, write)));
    }
    note("compare descriptors".to_owned(), word(sys::kcmp(process)));
    for name in READ {
        note(format!("read {name}"), word(fs::File::open(at(name)).map(drop)));
    }
    for name in WRITTEN {
        note(format!("write {name}"), word(OpenOptions::new().write(true).open(at(name)).map(drop)));
    }
    for name in LISTED {
        note(format!("list {name}"), word(fs::read_dir(at(name)).map(drop)));
    }
    for name in LINKS {
        note(format!("follow {name}"), word(fs::read_link(at(name)).map(drop)));
    }
    let none = None::<nix::sys::signal::Signal>;
    let signalled = nix::sys::signal::kill(nix::unistd::Pid::from_raw(process), none);
    note("signal".to_owned(), word(signalled.map_err(io::Error::from)));
    note("limits".to_owned(), word(sys::prlimit(process)));
    tries
}

/// The different answers, in order.
fn all(results: impl Iterator<Item = io::Result<()>>) -> Value {
    let words: BTreeSet<String> = results.map(|result| name(&result)).collect();
    Value::from(words.into_iter().collect::<Vec<_>>().join(" "))
}

fn word(result: io::Result<()>) -> Value {
    Value::from(name(&result))
}

fn name(result: &io::Result<()>) -> String {
    match result {
        Ok(()) => "done".to_owned(),
        Err(error) => match error.raw_os_error() {
            Some(number) => format!("{:?}", Errno::from_raw(number)),
            None => error.to_string(),
        },
    }
}
