//! A quiet point: what must be so whenever nothing happens. Each is awaited, none is slept for.

use crate::machine::Machine;
use crate::oracle::{Kernel, Policy};
use crate::support::{Footprint, wait_within};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A guard against hangs: a repair after many wipes waits up to a minute, by design.
const PATIENCE: Duration = Duration::from_secs(600);

/// What holds on the whole machine from the first quiet point on.
pub(crate) struct Rest {
    /// Names of all processes, each as often as it is there.
    processes: BTreeMap<String, usize>,
    kernel: Kernel,
    /// Descriptors of launcher, worker and helper.
    descriptors: Option<Vec<Vec<String>>>,
    /// Foreign objects that no action touches.
    steady: BTreeSet<String>,
    /// Rules of somebody else's that actions have added.
    pub(crate) rules: BTreeSet<(u32, u32)>,
}

/// One quiet point's figures, of the worker and the helper.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The worker's process, which is another one after a restart.
    pub(crate) worker: u32,
    pub(crate) memory: [Footprint; 2],
    pub(crate) at: Instant,
}

impl Rest {
    /// Before the daemon is started.
    pub(crate) fn of(machine: &Machine<'_>) -> Self {
        let kernel = Kernel::new(machine.host);
        let mut processes = processes(machine);
        processes.extend(["netevd", "netevd-worker", "netevd-priv"].map(|name| (name.to_owned(), 1)));
        Rest { processes, kernel, descriptors: None, steady: steady(machine), rules: BTreeSet::new() }
    }

    /// Waits until all of it is so.
    pub(crate) fn hold(&mut self, machine: &Machine<'_>) -> Figures {
        let host = machine.host;
        let log = || host.log();
        wait_within(PATIENCE, "no event waits and no script runs", log, || {
            machine.daemon().assert_alive();
            let Some(status) = host.try_api("/api/v1/status") else { return false };
            status["events_waiting"] == 0 && status["scripts_running"] == 0
        });
        self.routing_holds(machine);
        let disagreements = || host.disagreements();
        wait_within(
            PATIENCE,
            "API and ip agree",
            || disagreements().join("\n") + &host.log(),
            || disagreements().is_empty(),
        );
        assert_eq!(steady(machine), self.steady, "nothing foreign has changed");
        let rules = foreign_rules(machine);
        assert_eq!(rules, self.rules, "the rules of others are those that they have");

        let explain = || format!("{:?}\n{:#?}\n{}", self.processes, host.processes(), host.log());
        wait_within(PATIENCE, "no zombie, no orphan, no script", explain, || {
            host.zombies().is_empty() && processes(machine) == self.processes
        });
        // A reload may have replaced them.
        let footprints = || -> Vec<Footprint> {
            machine.daemon().pids().into_iter().map(|pid| host.footprint(pid)).collect()
        };
        // Each start has a log of its own, and a worker reads its own mounts by its number.
        let place = |place: &String| match place.as_str() {
            log if log.starts_with("/out/netevd.") => "log".to_owned(),
            mounts if mounts.starts_with("/proc/") && mounts.ends_with("/mountinfo") => "mounts".to_owned(),
            other => other.to_owned(),
        };
        let now = || -> Vec<Vec<String>> {
            footprints().iter().map(|one| one.descriptors.iter().map(place).collect()).collect()
        };
        let expected = self.descriptors.get_or_insert_with(now).clone();
        wait_within(
            PATIENCE,
            "the same descriptors",
            || format!("{expected:?}\n{:?}\n{}", now(), host.log()),
            || now() == expected,
        );
        let [_, worker, helper] = footprints().try_into().expect("three processes");
        let pid = machine.daemon().child("netevd-worker").unwrap_or(0);
        Figures { worker: pid, memory: [worker, helper], at: Instant::now() }
    }

    /// The kernel has exactly what the design says of what the kernel has.
    fn routing_holds(&self, machine: &Machine<'_>) {
        self.kernel.await_exact_within(PATIENCE, machine.host, &Policy::of(&machine.managed), "at rest");
    }
}

/// But for the agent that reads the kernel for us, which is started from outside and stays.
fn processes(machine: &Machine<'_>) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let agent = "netevd-test-age";
    for process in machine.host.processes().into_iter().filter(|one| one.parent != 0 || one.name != agent) {
        *names.entry(process.name).or_default() += 1;
    }
    names
}

/// The table 4711 and what points to it, which nobody touches.
fn steady(machine: &Machine<'_>) -> BTreeSet<String> {
    let objects = machine.host.foreign();
    objects.into_iter().filter(|line| line.contains("\"4711\"")).collect()
}

/// The priorities and sources of the rules that actions make.
fn foreign_rules(machine: &Machine<'_>) -> BTreeSet<(u32, u32)> {
    let rules = machine.host.ip_json("rule");
    let rule = |rule: &serde_json::Value| {
        let priority = u32::try_from(rule["priority"].as_u64()?).ok()?;
        let network = rule["src"].as_str()?.strip_prefix("10.77.")?.split('.').next()?.parse().ok()?;
        (rule["protocol"] != "110").then_some((priority, network))
    };
    rules.as_array().into_iter().flatten().filter_map(rule).collect()
}
