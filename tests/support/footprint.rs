//! What a process takes, as the kernel counts it (proc(5)): memory, descriptors, processor time; and
//! which processes there are in a machine.

use super::daemon::Daemon;
use super::host::Host;
use std::fs;

/// One look at a process. Memory in KiB.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// `RssAnon`: heap and stacks. The pages of the program come with its use and go at rest, and are never
    /// more than the program has.
    pub(crate) anonymous: u64,
    /// `Private_Dirty` of smaps_rollup: what it has written itself. Clean pages of the program are private
    /// or not depending on who else runs it. 0 where that is not to be read, as in a user namespace.
    pub(crate) dirty: u64,
    /// What its open descriptors lead to, without the numbers of sockets and pipes, sorted.
    pub(crate) descriptors: Vec<String>,
    /// `utime` and `stime` in clock ticks, of itself alone.
    pub(crate) ticks: u64,
}

/// One line of what ps(1) would show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    /// `Z` for one that nobody has waited for.
    pub(crate) state: char,
    /// The first 15 bytes of the program's name.
    pub(crate) name: String,
}

impl Host {
    /// A process of the machine; nothing but zeros once it is gone.
    pub(crate) fn footprint(&self, pid: u32) -> Footprint {
        let status = self.read(&format!("/proc/{pid}/status"));
        let rollup = self.read(&format!("/proc/{pid}/smaps_rollup"));
        let stat = self.read(&format!("/proc/{pid}/stat"));
        let fields = after_name(&stat);
        let tick = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        Footprint {
            anonymous: kib(&status, "RssAnon:"),
            dirty: kib(&rollup, "Private_Dirty:"),
            descriptors: self.descriptors(pid),
            // Fields 14 and 15, of which the third is the first here.
            ticks: tick(11) + tick(12),
        }
    }

    fn descriptors(&self, pid: u32) -> Vec<String> {
        let list = fs::read_dir(self.path(&format!("/proc/{pid}/fd")));
        let target = |entry: fs::DirEntry| {
            let link = fs::read_link(entry.path()).ok()?;
            let text = link.to_string_lossy();
            // `socket:[4711]` is another socket at each start.
            Some(text.split(":[").next().unwrap_or_default().to_owned())
        };
        let mut targets: Vec<String> =
            list.into_iter().flatten().filter_map(|entry| target(entry.ok()?)).collect();
        targets.sort();
        targets
    }

    /// Every process of the machine.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let list = fs::read_dir(self.path("/proc")).expect("/proc is mounted");
        let process = |name: String| {
            let pid = name.parse().ok()?;
            let stat = self.read(&format!("/proc/{pid}/stat"));
            let fields = after_name(&stat);
            let name = stat.split_once('(')?.1.rsplit_once(')')?.0.to_owned();
            Some(Process {
                pid,
                parent: fields.get(1)?.parse().ok()?,
                state: fields.first()?.chars().next()?,
                name,
            })
        };
        let mut all: Vec<Process> =
            list.flatten().filter_map(|entry| process(entry.file_name().into_string().ok()?)).collect();
        all.sort_by_key(|process| process.pid);
        all
    }

    /// Those that have ended and that nobody has waited for.
    pub(crate) fn zombies(&self) -> Vec<Process> {
        self.processes().into_iter().filter(|process| process.state == 'Z').collect()
    }
}

impl Daemon<'_> {
    /// Process ids (inside) of launcher, worker and helper, as far as they run.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let children = ["netevd-worker", "netevd-priv"].into_iter().filter_map(|name| self.child(name));
        [self.pid].into_iter().chain(children).collect()
    }
}

/// The fields of /proc/PID/stat after the name, which may hold anything.
fn after_name(stat: &str) -> Vec<&str> {
    stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace().collect()).unwrap_or_default()
}

/// The number of a line `KEY   NUMBER kB`.
fn kib(text: &str, key: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
