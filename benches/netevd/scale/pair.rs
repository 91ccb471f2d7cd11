//! A machine with a running daemon as its counters: processor time and memory of worker and helper, and when both
//! are quiet.

use crate::support::{Daemon, Host};
use std::fs;
use std::time::{Duration, Instant};

/// Nobody works, and nothing is due: longer than the daemon waits before it saves its state (200 ms).
const QUIET: Duration = Duration::from_millis(300);
/// What the daemon no longer needs of its start it gives back a minute after it.
const AT_REST: Duration = Duration::from_secs(61);
/// Against hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Worker and helper in a machine that ends with this process.
pub(super) struct Machine {
    pub(super) host: &'static Host,
    daemon: Daemon<'static>,
    started: Instant,
    /// Microseconds from the start to ready.
    pub(super) ready: f64,
    worker: u32,
    helper: u32,
}

/// Microseconds of processor time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Used {
    pub(super) worker: f64,
    pub(super) helper: f64,
}

/// Bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Memory {
    /// Anonymous pages (`RssAnon`): heap and stack, and none of the program.
    pub(super) worker: f64,
    pub(super) helper: f64,
    /// The worker's whole resident memory at its largest (`VmHWM`).
    pub(super) peak: f64,
}

impl Machine {
    /// Starts the daemon in a machine that was made ready for it.
    pub(super) fn start(host: Host) -> Self {
        // The machine's first process ends with the pipe that this process holds.
        let host: &'static Host = Box::leak(Box::new(host));
        let started = Instant::now();
        let daemon = host.launch();
        while !daemon.log().contains(" ready: ") {
            assert!(started.elapsed() < PATIENCE, "never ready:\n{}", daemon.log());
            std::thread::sleep(Duration::from_millis(1));
        }
        let ready = micros(started.elapsed());
        let child = |program| daemon.child(program).expect("it runs");
        let (worker, helper) = (child("netevd-worker"), child("netevd-priv"));
        let machine = Self { host, daemon, started, ready, worker, helper };
        machine.settle();
        machine
    }

    /// What both have used since they started.
    pub(super) fn used(&self) -> Used {
        Used { worker: self.cpu(self.worker), helper: self.cpu(self.helper) }
    }

    /// What both use for `work`, until they are quiet again.
    pub(super) fn cost(&self, work: impl FnOnce()) -> Used {
        let before = self.used();
        work();
        self.settle();
        let after = self.used();
        Used { worker: after.worker - before.worker, helper: after.helper - before.helper }
    }

    /// Now.
    pub(super) fn memory(&self) -> Memory {
        let of = |pid, name| self.bytes(pid, name);
        Memory {
            worker: of(self.worker, "RssAnon"),
            helper: of(self.helper, "RssAnon"),
            peak: of(self.worker, "VmHWM"),
        }
    }

    /// Of a daemon that has lived for a minute.
    pub(super) fn memory_at_rest(&self) -> Memory {
        std::thread::sleep(AT_REST.saturating_sub(self.started.elapsed()));
        self.settle();
        self.memory()
    }

    /// Waits until neither has used the processor for a while.
    pub(super) fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        let (mut last, mut since) = (self.used(), Instant::now());
        while since.elapsed() < QUIET {
            assert!(Instant::now() < deadline, "never quiet:\n{}", self.daemon.log());
            std::thread::sleep(Duration::from_millis(10));
            let now = self.used();
            if now != last {
                (last, since) = (now, Instant::now());
            }
        }
    }

    /// The mean of a histogram of /metrics, in microseconds.
    pub(super) fn mean(&self, name: &str) -> f64 {
        let metrics = self.host.get("/metrics").text();
        let value = |suffix: &str| -> f64 {
            let line = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(suffix));
            line.filter_map(|rest| rest.split(' ').next_back()?.parse::<f64>().ok()).sum()
        };
        value("_sum") / value("_count") * 1e6
    }

    /// A document: microseconds until its end, the best of a few, and its length in bytes.
    pub(super) fn document(&self, path: &str) -> (f64, f64) {
        let once = || {
            let began = Instant::now();
            let answer = self.host.get(path);
            let took = micros(began.elapsed());
            assert_eq!(answer.status, 200, "{path}: {}", answer.text());
            (took, count(answer.body.len()))
        };
        (0..5).map(|_| once()).min_by(|a, b| a.0.total_cmp(&b.0)).expect("some")
    }

    /// Of all threads that there are.
    fn cpu(&self, pid: u32) -> f64 {
        let tasks = fs::read_dir(self.host.path(&format!("/proc/{pid}/task"))).expect("it runs");
        let times = tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("schedstat")).ok());
        // Nanoseconds on a processor come first (proc(5)).
        times.filter_map(|text| text.split(' ').next()?.parse::<f64>().ok()).sum::<f64>() / 1e3
    }

    fn bytes(&self, pid: u32, name: &str) -> f64 {
        let status = self.host.read(&format!("/proc/{pid}/status"));
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|value| value.split_whitespace().next()?.parse::<f64>().ok());
        kib.expect("a field of status") * 1024.0
    }
}

/// Runs the agent's `bulk` to its end.
pub(super) fn bulk(host: &Host, words: &str) {
    let agent = ["/opt/netevd/netevd-test-agent", "bulk"];
    let words: Vec<&str> = agent.into_iter().chain(words.split(' ')).collect();
    let output = host.run(&words);
    assert_eq!(output.status, 0, "{words:?}: {}", output.stderr);
}

pub(super) fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

/// As a number to reckon with.
pub(super) fn count(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("less than four thousand million"))
}
