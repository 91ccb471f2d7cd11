//! What the daemon takes when it has nothing to do, before a storm and after it.

use crate::support::{Daemon, Footprint, Host, wait_for, wait_within};
use std::time::{Duration, Instant};

/// A guard against hangs. The worst of all storms works on for a few seconds, but a thousand scripts, one
/// after the other, take minutes beside other storms.
const PATIENCE: Duration = Duration::from_secs(900);
/// Without a clock tick for as long as this a process is idle: at any load that matters it would have
/// used dozens.
const IDLE: Duration = Duration::from_millis(400);

/// The daemon's processes at rest.
pub(super) struct Calm<'d> {
    host: &'d Host,
    daemon: &'d Daemon<'d>,
    pids: Vec<u32>,
    before: Vec<Footprint>,
}

impl<'d> Calm<'d> {
    /// Waits for rest and remembers what it takes.
    pub(super) fn of(host: &'d Host, daemon: &'d Daemon<'d>) -> Self {
        let pids = daemon.pids();
        assert_eq!(pids.len(), 3, "launcher, worker and helper: {}", daemon.log());
        let mut calm = Calm { host, daemon, pids, before: Vec::new() };
        calm.await_rest();
        calm.before = calm.now();
        calm
    }

    /// The worker's process id inside the machine.
    pub(super) fn worker(&self) -> u32 {
        self.pids[1]
    }

    /// No event waits, no script runs, and neither process uses the processor.
    pub(super) fn await_rest(&self) {
        let mut status = serde_json::Value::Null;
        wait_within(
            PATIENCE,
            "nothing waits and nothing runs",
            || self.daemon.log(),
            || {
                status = self.host.api("/api/v1/status");
                status["events_waiting"] == 0 && status["scripts_running"] == 0
            },
        );
        let ticks = || self.now().iter().map(|process| process.ticks).sum::<u64>();
        let mut last = (ticks(), Instant::now());
        wait_within(
            PATIENCE,
            "the processor is idle",
            || format!("{:?}", self.now()),
            || {
                let now = ticks();
                if now != last.0 {
                    last = (now, Instant::now());
                }
                last.1.elapsed() >= IDLE
            },
        );
    }

    /// Waits for rest, and then for the same processes to take what they took: the same descriptors,
    /// and at most `kib` more of memory than before, each. No zombie is left in the machine.
    pub(super) fn again(&self, kib: u64) {
        self.await_rest();
        assert_eq!(self.daemon.pids(), self.pids, "the same processes\n{}", self.daemon.log());
        let places = |all: &[Footprint]| all.iter().map(|one| one.descriptors.clone()).collect::<Vec<_>>();
        let before = places(&self.before);
        // The API's own connections close a moment after the answer.
        wait_for(
            "the same descriptors",
            || format!("{before:?}\n{:?}", places(&self.now())),
            || places(&self.now()) == before,
        );
        println!("memory {:?} -> {:?} at rest", memory(&self.before), memory(&self.now()));
        let explain = || format!("before {:#?}\nnow {:#?}", self.before, self.now());
        // Freed memory is given back to the kernel once a minute.
        wait_within(PATIENCE, &format!("memory is back within {kib} KiB"), explain, || {
            self.before.iter().zip(&self.now()).all(|(before, now)| {
                now.anonymous <= before.anonymous + kib && now.dirty <= before.dirty + kib
            })
        });
        println!("memory {:?} -> {:?} in the end", memory(&self.before), memory(&self.now()));
        wait_for("no zombie", || format!("{:?}", self.host.zombies()), || self.host.zombies().is_empty());
    }

    fn now(&self) -> Vec<Footprint> {
        self.pids.iter().map(|pid| self.host.footprint(*pid)).collect()
    }
}

/// Anonymous and written memory of each.
fn memory(all: &[Footprint]) -> Vec<(u64, u64)> {
    all.iter().map(|one| (one.anonymous, one.dirty)).collect()
}
