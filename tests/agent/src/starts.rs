//! `starts COUNT`: starts and stops `netevd start`, and prints a JSON list of the nanoseconds
//! from before its exec to its line that says ready.

use crate::record::now;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

pub(crate) fn run(arguments: &[String]) {
    let count: usize = arguments.first().expect("COUNT").parse().expect("a number");
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = now();
        let mut command = Command::new("/opt/netevd/netevd");
        let mut daemon = command.arg("start").stderr(Stdio::piped()).spawn().expect("netevd starts");
        let mut lines = BufReader::new(daemon.stderr.take().expect("piped")).lines();
        let ready = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains(" ready")));
        times.push(now() - begun);
        assert!(ready.is_some(), "netevd says ready");
        let pid = Pid::from_raw(i32::try_from(daemon.id()).expect("a pid"));
        kill(pid, Signal::SIGTERM).expect("signalled");
        // Its last lines have to go somewhere.
        lines.for_each(drop);
        assert!(daemon.wait().expect("waited").success(), "netevd stops");
    }
    println!("{}", serde_json::Value::from(times));
}
