//! The order of demands for one unit: what starts or reloads it waits until the job of the demand before is over.
//!
//! systemd has one job for a unit. A start that comes while the unit's stop still waits, for units that stop
//! before it (BindsTo=, After=), replaces that stop: the unit stays active, and neither its ExecStop= nor its
//! ExecStart= runs for the link that was made again. A start that comes while a start runs is merged into it.
//! A stop or a restart goes at once: it is what ends a job, and what waits behind the job is pointless then.
//!
//! Decisions alone: who calls systemd says which jobs there are.

use super::Demand;
use crate::config::Verb;
use std::collections::{HashMap, HashSet};

/// Jobs that are remembered before those that are over are looked for.
const MANY: usize = 64;

/// The last job of each unit, and what waits for its end.
#[derive(Debug)]
pub(super) struct UnitJobs {
    units: HashMap<String, Unit>,
    /// How many are remembered before a look.
    room: usize,
}

#[derive(Debug)]
struct Unit {
    job: u32,
    /// Each verb once, oldest first.
    waiting: Vec<Demand>,
}

impl Default for UnitJobs {
    fn default() -> Self {
        Self { units: HashMap::new(), room: MANY }
    }
}

/// Unit and verb, of a demand for a unit.
fn parts(demand: &Demand) -> Option<(&str, Verb)> {
    match demand {
        Demand::Unit { unit, verb, .. } => Some((unit, *verb)),
        Demand::Resolve { .. } | Demand::Revert { .. } | Demand::HostName { .. } => None,
    }
}

impl UnitJobs {
    /// Whether this demand waits, if the job before it still exists.
    pub(super) fn holds(&self, demand: &Demand) -> bool {
        parts(demand).is_some_and(|(unit, verb)| {
            matches!(verb, Verb::Start | Verb::Reload) && self.units.contains_key(unit)
        })
    }

    /// Lets a demand wait. Returns the one that it stands for as well.
    pub(super) fn wait(&mut self, demand: Demand) -> Option<Demand> {
        let (unit, verb) = parts(&demand)?;
        let unit = self.units.get_mut(unit)?;
        let same = unit.waiting.iter().position(|older| parts(older).is_some_and(|(_, older)| older == verb));
        let older = same.map(|place| unit.waiting.remove(place));
        unit.waiting.push(demand);
        older
    }

    /// A demand that does not wait is about to be made. Returns what it makes pointless.
    pub(super) fn supersede(&mut self, demand: &Demand) -> Vec<Demand> {
        let known = parts(demand).and_then(|(unit, _)| self.units.get_mut(unit));
        known.map(|unit| std::mem::take(&mut unit.waiting)).unwrap_or_default()
    }

    /// This job was made for it.
    pub(super) fn made(&mut self, demand: &Demand, job: u32) {
        if let Some((unit, _)) = parts(demand) {
            let known = self.units.entry(unit.to_owned()).or_insert(Unit { job, waiting: Vec::new() });
            known.job = job;
        }
    }

    /// Something waits: look again soon.
    pub(super) fn has_waiting(&self) -> bool {
        self.units.values().any(|unit| !unit.waiting.is_empty())
    }

    /// Many jobs are remembered, and some of them may be over.
    pub(super) fn is_full(&self) -> bool {
        self.units.len() >= self.room
    }

    /// Forgets the jobs that are over. Returns what waited for them.
    pub(super) fn keep(&mut self, jobs: &HashSet<u32>) -> Vec<Demand> {
        let mut due = Vec::new();
        self.units.retain(|_, unit| {
            let stays = jobs.contains(&unit.job);
            if !stays {
                due.append(&mut unit.waiting);
            }
            stays
        });
        self.room = MANY.max(2 * self.units.len());
        due.sort_by_key(|demand| match demand {
            Demand::Unit { event, .. } => Some(event.0),
            Demand::Resolve { .. } | Demand::Revert { .. } | Demand::HostName { .. } => None,
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    fn demand(verb: Verb, unit: &str, event: u64) -> Demand {
        Demand::Unit { verb, unit: unit.to_owned(), event: EventId(event), link: "wg0".to_owned() }
    }

    #[test]
    fn a_start_waits_for_the_end_of_the_stop_before_it() {
        let mut jobs = UnitJobs::default();
        let (stop, start) = (demand(Verb::Stop, "a", 1), demand(Verb::Start, "a", 2));
        assert!(!jobs.holds(&stop) && !jobs.holds(&start));
        jobs.made(&stop, 7);
        assert!(jobs.holds(&start) && jobs.holds(&demand(Verb::Reload, "a", 2)));
        assert!(!jobs.holds(&demand(Verb::Start, "b", 2)), "another unit");
        assert_eq!(jobs.wait(start.clone()), None);
        assert_eq!(jobs.keep(&HashSet::from([7, 8])), []);
        assert!(jobs.has_waiting());
        assert_eq!(jobs.keep(&HashSet::from([8])), std::slice::from_ref(&start));
        assert!(!jobs.has_waiting() && !jobs.holds(&start));
    }

    #[test]
    fn a_stop_ends_what_runs_and_what_waits() {
        let mut jobs = UnitJobs::default();
        jobs.made(&demand(Verb::Start, "a", 1), 7);
        let (older, newer) = (demand(Verb::Start, "a", 2), demand(Verb::Start, "a", 3));
        assert_eq!(jobs.wait(older.clone()), None);
        assert_eq!(jobs.wait(newer.clone()), Some(older), "one start of those that wait is enough");
        for verb in [Verb::Stop, Verb::Restart] {
            assert!(!jobs.holds(&demand(verb, "a", 4)));
        }
        let stop = demand(Verb::Stop, "a", 4);
        assert_eq!(jobs.supersede(&stop), [newer]);
        jobs.made(&stop, 8);
        assert!(jobs.holds(&demand(Verb::Start, "a", 5)), "behind the stop");
        assert_eq!(jobs.keep(&HashSet::from([7])), []);
        assert!(!jobs.holds(&demand(Verb::Start, "a", 5)));
    }

    #[test]
    fn what_is_over_is_forgotten_before_it_is_too_much() {
        let mut jobs = UnitJobs::default();
        for number in 0..1_000_u32 {
            if jobs.is_full() {
                jobs.keep(&HashSet::from([number.saturating_sub(1)]));
            }
            jobs.made(&demand(Verb::Stop, &format!("unit-{number}"), 1), number);
            assert!(jobs.units.len() <= MANY);
        }
    }
}
