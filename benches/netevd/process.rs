//! What the kernel and the metrics say about netevd's processes.

use crate::support::{Daemon, Host};
use std::collections::BTreeMap;

/// One of them.
pub(crate) struct Process<'h> {
    host: &'h Host,
    pid: u32,
}

impl<'h> Process<'h> {
    /// The daemon's child that runs this program.
    pub(crate) fn of(host: &'h Host, daemon: &Daemon<'_>, program: &str) -> Process<'h> {
        Process { host, pid: daemon.child(program).expect("it runs") }
    }

    /// A number of its /proc/PID/status: `VmRSS` and the like, in kB.
    pub(crate) fn status(&self, name: &str) -> u64 {
        field(&self.host.read(&format!("/proc/{}/status", self.pid)), name)
    }

    /// From now on `VmHWM` is the most since now (proc(5), clear_refs).
    pub(crate) fn forget_peak(&self) {
        std::fs::write(self.host.path(&format!("/proc/{}/clear_refs", self.pid)), "5").expect("root may");
    }

    /// Time on a processor, of all its threads, in nanoseconds.
    pub(crate) fn cpu(&self) -> u64 {
        let first = |text: String| text.split(' ').next().and_then(|word| word.parse::<u64>().ok());
        self.threads().iter().filter_map(|thread| first(self.host.read(&format!("{thread}/schedstat")))).sum()
    }

    /// Context switches of all its threads: how often it has slept and woken up, how often it was made to wait.
    pub(crate) fn switches(&self) -> [u64; 2] {
        ["voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"].map(|name| {
            self.threads()
                .iter()
                .map(|thread| field(&self.host.read(&format!("{thread}/status")), name))
                .sum()
        })
    }

    /// Whether its main thread is at work or waits for a lock of the kernel's, and does not sleep (proc_pid_stat(5)).
    pub(crate) fn works(&self) -> bool {
        let stat = self.host.read(&format!("/proc/{}/stat", self.pid));
        let state = stat.rsplit_once(") ").and_then(|(_, fields)| fields.chars().next());
        state.expect("it runs") != 'S'
    }

    fn threads(&self) -> Vec<String> {
        let tasks = format!("/proc/{}/task", self.pid);
        let list = std::fs::read_dir(self.host.path(&tasks)).expect("it runs");
        list.flatten().map(|entry| format!("{tasks}/{}", entry.file_name().to_string_lossy())).collect()
    }
}

/// The worker's metrics at one moment.
pub(crate) struct Metrics(BTreeMap<String, f64>);

impl Metrics {
    pub(crate) fn of(host: &Host) -> Metrics {
        let text = host.get("/metrics").text();
        let series = text.lines().filter(|line| !line.starts_with('#'));
        let parsed = series.filter_map(|line| line.rsplit_once(' '));
        Metrics(parsed.filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?))).collect())
    }

    /// The sum of all series of this name whose labels contain the word.
    pub(crate) fn sum(&self, name: &str, word: &str) -> f64 {
        let is = |series: &str| series.split('{').next() == Some(name) && series.contains(word);
        self.0.iter().filter(|(series, _)| is(series)).map(|(_, value)| value).sum()
    }
}

/// A number of a `/proc/PID/status`.
pub(crate) fn field(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|value| value.split_whitespace().next()?.parse().ok()).expect("a field of status")
}
