//! Whose terminal a process has, and what it can do with it: `terminal`.
//!
//! Prints one JSON object: the process's `uid`, `tty_nr`, `leads_its_session`, `descriptors` 0 to 2, what
//! opening /dev/tty gives (`controlling`), and `typed`: where a character could be put into a terminal's
//! input (TIOCSTI), among its own descriptors and those of every other process of its user.

use crate::sys;
use nix::errno::Errno;
use serde_json::{Map, Value, json};
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};

/// Descriptors of others that are tried.
const LAST: i32 = 16;

pub(crate) fn run() {
    let own = std::process::id().to_string();
    // The shell above is the script.
    let script = nix::unistd::getppid().to_string();
    let stat = fs::read_to_string(format!("/proc/{script}/stat")).expect("a process");
    let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
    let mut descriptors = Map::new();
    for number in ["0", "1", "2"] {
        let leads = fs::read_link(format!("/proc/{script}/fd/{number}")).unwrap_or_default();
        descriptors.insert(number.to_owned(), Value::from(leads.display().to_string()));
    }
    let tty = OpenOptions::new().read(true).write(true).open("/dev/tty");
    let mut typed = Vec::new();
    if let Ok(tty) = &tty {
        try_to_type("/dev/tty".to_owned(), tty.as_raw_fd(), &mut typed);
    }
    for number in 0..3 {
        try_to_type(format!("own {number}"), number, &mut typed);
    }
    let uid = nix::unistd::geteuid().as_raw();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_other = name.parse::<i32>().is_ok() && name != own;
        if !is_other || !entry.metadata().is_ok_and(|found| found.uid() == uid) {
            continue;
        }
        let pidfd = sys::pidfd_open(name.parse().expect("a number"));
        for number in 0..LAST {
            let place = format!("/proc/{name}/fd/{number}");
            let opened =
                OpenOptions::new().read(true).custom_flags(libc::O_NOCTTY | libc::O_NONBLOCK).open(&place);
            let taken = pidfd.as_ref().ok().and_then(|pidfd| sys::pidfd_getfd(pidfd, number).ok());
            for descriptor in opened.ok().map(OwnedFd::from).into_iter().chain(taken) {
                try_to_type(format!("{name} {number}"), descriptor.as_raw_fd(), &mut typed);
            }
        }
    }
    let found = json!({
        "uid": uid,
        "tty_nr": fields[4].parse::<i64>().expect("a number"),
        "session": fields[3].parse::<i64>().expect("a number"),
        "leads_its_session": fields[3] == script,
        "descriptors": descriptors,
        "controlling": word(tty),
        "typed": typed,
        "status": status(&script),
    });
    println!("{found}");
}

fn try_to_type(what: String, number: i32, typed: &mut Vec<String>) {
    if sys::type_into(number, b'#').is_ok() {
        typed.push(what);
    }
}

/// The fields that tell how it is confined.
fn status(process: &str) -> Map<String, Value> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines
        .filter(|(name, _)| {
            let others = ["NoNewPrivs", "Seccomp", "Seccomp_filters", "Uid", "Gid", "Groups", "Umask"];
            name.starts_with("Cap") || others.contains(name)
        })
        .map(|(name, value)| (name.to_owned(), Value::from(value.trim())))
        .collect()
}

fn word(result: std::io::Result<File>) -> String {
    match result.map_err(|error| error.raw_os_error().unwrap_or_default()) {
        Ok(_) => "done".to_owned(),
        Err(number) => format!("{:?}", Errno::from_raw(number)),
    }
}
