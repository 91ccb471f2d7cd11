//! Process groups of scripts: signalling them, and seeing whether anything of one is left.

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs;

/// Sends a signal to the group that `leader`, a child not yet reaped, was started as.
pub(super) fn signal(leader: u32, signal: Signal) {
    if let Ok(group) = i32::try_from(leader) {
        // ESRCH: nobody is left, which is what signals are for here.
        let _ = killpg(Pid::from_raw(group), signal);
    }
}

/// True when anything but its leader, which is not reaped yet, lives in a group. Where /proc does not
/// show the leader (there is none, or it hides processes of other users) nobody can tell, so true.
pub(super) fn has_members(leader: u32) -> bool {
    if !std::path::Path::new(&format!("/proc/{leader}")).exists() {
        return true;
    }
    let Ok(processes) = fs::read_dir("/proc") else { return true };
    processes
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| *pid != leader)
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok())
        .any(|stat| lives_in(&stat, leader))
}

/// Reads proc_pid_stat(5): `pid (comm) state ppid pgrp ...`; comm may hold anything.
fn lives_in(stat: &str, group: u32) -> bool {
    let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_ascii_whitespace();
    let is_alive = fields.next().is_some_and(|state| !matches!(state, "Z" | "X"));
    is_alive && fields.nth(1).and_then(|pgrp| pgrp.parse().ok()) == Some(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_be_hostile() {
        assert!(lives_in("12 (a) S 1 99 99 0) S 1 7 7 0 -1", 7));
        assert!(!lives_in("12 (a) S 1 99 99 0) S 1 7 7 0 -1", 99));
        assert!(!lives_in("12 (a) Z 1 7 7 0 -1", 7));
        assert!(!lives_in("", 0));
    }
}
