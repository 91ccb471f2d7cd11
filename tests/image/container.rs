//! A running container of the image.

use crate::namespace::Namespace;
use crate::wait::wait_for;
use crate::{podman, podman_command};
use std::fs;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Container {
    name: String,
}

/// A process in it, as /proc of the host shows it.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    pub(crate) program: String,
    pub(crate) uid: u32,
    pub(crate) effective: u64,
    pub(crate) bounding: u64,
}

impl Container {
    /// `podman run` with a root file system that cannot be written, without capabilities but those of
    /// `options`. Returns once the worker is ready.
    pub(crate) fn start(namespace: &Namespace, image: &str, options: &[&str]) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("netevd-{}-{number}", std::process::id());
        let mut arguments =
            vec!["run", "--detach", "--name", &name, "--read-only", "--tmpfs=/run:rw,mode=755"];
        arguments.push("--security-opt=no-new-privileges");
        let place = namespace.options();
        arguments.extend(place.iter().map(String::as_str));
        arguments.extend(options);
        arguments.push(image);
        podman(&arguments);
        let container = Self { name };
        container.await_log("the worker is ready", |log| log.contains(" ready: "));
        container
    }

    /// What it printed.
    pub(crate) fn log(&self) -> String {
        let output = podman_command(&["logs", &self.name]).output().expect("podman");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    pub(crate) fn await_log(&self, what: &str, is: impl Fn(&str) -> bool) {
        wait_for(what, || self.log(), || is(&self.log()));
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn inspect(&self, field: &str) -> String {
        podman(&["inspect", "--format", &format!("{{{{{field}}}}}"), &self.name]).trim().to_owned()
    }

    /// The launcher, and its children in the order of their start.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let launcher: i32 = self.inspect(".State.Pid").parse().expect("a pid");
        let children = fs::read_to_string(format!("/proc/{launcher}/task/{launcher}/children"));
        let children = children.unwrap_or_default();
        let children = children.split_whitespace().map(|pid| pid.parse().expect("a pid"));
        [launcher].into_iter().chain(children).filter_map(process).collect()
    }

    /// The child that executes this program.
    pub(crate) fn process(&self, program: &str) -> Process {
        let mut found = None;
        wait_for(
            program,
            || format!("{:?}\n{}", self.processes(), self.log()),
            || {
                found = self.processes().into_iter().find(|process| process.program == program);
                found.is_some()
            },
        );
        found.expect("found")
    }

    pub(crate) fn signal(&self, signal: &str) {
        podman(&["kill", "--signal", signal, &self.name]);
    }

    /// `podman exec`.
    pub(crate) fn exec(&self, command: &[&str]) -> Output {
        podman_command(&[&["exec", &self.name], command].concat()).output().expect("podman")
    }

    /// What a health check runs: its exit status and what it printed.
    pub(crate) fn health(&self) -> (Option<i32>, String) {
        let output = self.exec(&["/usr/bin/netevd", "status"]);
        let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        (output.status.code(), text)
    }

    /// `podman stop`, and the exit status.
    pub(crate) fn stop(&self) -> i32 {
        podman(&["stop", "--time", "10", &self.name]);
        self.inspect(".State.ExitCode").parse().expect("a status")
    }

    /// When it ended, in seconds of the day; and when it printed a line, by the runtime's clock.
    pub(crate) fn ended_and_said(&self, line: &str) -> (f64, f64) {
        let ended = self.inspect(".State.FinishedAt");
        let ended = ended.split_whitespace().nth(1).expect("a time");
        let file = fs::read_to_string(self.inspect(".HostConfig.LogConfig.Path")).expect("a log");
        let said = file.lines().find(|found| found.contains(line)).expect("the line");
        let said = said.split('T').nth(1).expect("a time").split(['+', '-', 'Z']).next().expect("a time");
        (seconds(ended), seconds(said))
    }
}

fn seconds(time: &str) -> f64 {
    time.split(':').fold(0.0, |sum, part| sum * 60.0 + part.parse::<f64>().expect("a number"))
}

/// `None` if it has ended meanwhile.
fn process(pid: i32) -> Option<Process> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
        line.and_then(|line| line.split_whitespace().next()).map(str::to_owned)
    };
    let set = |name: &str| u64::from_str_radix(&field(name)?, 16).ok();
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    let program = String::from_utf8_lossy(program);
    Some(Process {
        pid,
        program: program.rsplit('/').next().unwrap_or_default().to_owned(),
        uid: field("Uid")?.parse().ok()?,
        effective: set("CapEff")?,
        bounding: set("CapBnd")?,
    })
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- log of {}\n{}---", self.name, self.log());
        }
        let _ = podman_command(&["rm", "--force", "--volumes", "--time", "0", &self.name]).output();
    }
}
