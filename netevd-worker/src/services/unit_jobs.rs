//! The order of demands for one unit: what starts or reloads it waits until the job of the demand before is over.
//!
//! systemd has one job for a unit. A start that comes while the unit's stop still waits, for units that stop
//! before it (BindsTo=, After=), replaces that stop: the unit stays active, and neither its ExecStop= nor its
//! ExecStart= runs for the link that was made again. A start that comes while a start runs is merged into it.
//! A stop or a restart goes at once: it is what ends a job, and what waits behind the job is pointless then.
//!
//! Decisions alone: who calls systemd says which jobs there are.

use super::ServiceRequest;
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
    waiting: Vec<ServiceRequest>,
}

impl Default for UnitJobs {
    fn default() -> Self {
        Self { units: HashMap::new(), room: MANY }
    }
}

/// Unit and verb, of a demand for a unit.
fn parts(request: &ServiceRequest) -> Option<(&str, Verb)> {
    match request {
        ServiceRequest::Unit { unit, verb, .. } => Some((unit, *verb)),
        ServiceRequest::Resolve { .. } | ServiceRequest::Revert { .. } | ServiceRequest::HostName { .. } => {
            None
        }
    }
}

impl UnitJobs {
    /// Whether this demand waits, if the job before it still exists.
    pub(super) fn holds(&self, request: &ServiceRequest) -> bool {
        parts(request).is_some_and(|(unit, verb)| {
            matches!(verb, Verb::Start | Verb::Reload) && self.units.contains_key(unit)
        })
    }

    /// Lets a demand wait. Returns the one that it stands for as well.
    pub(super) fn wait(&mut self, request: ServiceRequest) -> Option<ServiceRequest> {
        let (unit, verb) = parts(&request)?;
        let unit = self.units.get_mut(unit)?;
        let same = unit.waiting.iter().position(|older| parts(older).is_some_and(|(_, older)| older == verb));
        let older = same.map(|place| unit.waiting.remove(place));
        unit.waiting.push(request);
        older
    }

    /// A demand that does not wait is about to be made. Returns what it makes pointless.
    pub(super) fn supersede(&mut self, request: &ServiceRequest) -> Vec<ServiceRequest> {
        let known = parts(request).and_then(|(unit, _)| self.units.get_mut(unit));
        known.map(|unit| std::mem::take(&mut unit.waiting)).unwrap_or_default()
    }

    /// This job was made for it.
    pub(super) fn made(&mut self, request: &ServiceRequest, job: u32) {
        if let Some((unit, _)) = parts(request) {
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
    pub(super) fn keep(&mut self, jobs: &HashSet<u32>) -> Vec<ServiceRequest> {
        let mut due = Vec::new();
        self.units.retain(|_, unit| {
            let stays = jobs.contains(&unit.job);
            if !stays {
                due.append(&mut unit.waiting);
            }
            stays
        });
        self.room = MANY.max(2 * self.units.len());
        due.sort_by_key(|request| match request {
            ServiceRequest::Unit { event, .. } => Some(event.0),
            ServiceRequest::Resolve { .. }
            | ServiceRequest::Revert { .. }
            | ServiceRequest::HostName { .. } => None,
        });
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EventId;

    fn request(verb: Verb, unit: &str, event: u64) -> ServiceRequest {
        ServiceRequest::Unit { verb, unit: unit.to_owned(), event: EventId(event), link: "wg0".to_owned() }
    }

    #[test]
    fn a_start_waits_for_the_end_of_the_stop_before_it() {
        let mut jobs = UnitJobs::default();
        let (stop, start) = (request(Verb::Stop, "a", 1), request(Verb::Start, "a", 2));
        assert!(!jobs.holds(&stop) && !jobs.holds(&start));
        jobs.made(&stop, 7);
        assert!(jobs.holds(&start) && jobs.holds(&request(Verb::Reload, "a", 2)));
        assert!(!jobs.holds(&request(Verb::Start, "b", 2)), "another unit");
        assert_eq!(jobs.wait(start.clone()), None);
        assert_eq!(jobs.keep(&HashSet::from([7, 8])), []);
        assert!(jobs.has_waiting());
        assert_eq!(jobs.keep(&HashSet::from([8])), std::slice::from_ref(&start));
        assert!(!jobs.has_waiting() && !jobs.holds(&start));
    }

    #[test]
    fn a_stop_ends_what_runs_and_what_waits() {
        let mut jobs = UnitJobs::default();
        jobs.made(&request(Verb::Start, "a", 1), 7);
        let (older, newer) = (request(Verb::Start, "a", 2), request(Verb::Start, "a", 3));
        assert_eq!(jobs.wait(older.clone()), None);
        assert_eq!(jobs.wait(newer.clone()), Some(older), "one start of those that wait is enough");
        for verb in [Verb::Stop, Verb::Restart] {
            assert!(!jobs.holds(&request(verb, "a", 4)));
        }
        let stop = request(Verb::Stop, "a", 4);
        assert_eq!(jobs.supersede(&stop), [newer]);
        jobs.made(&stop, 8);
        assert!(jobs.holds(&request(Verb::Start, "a", 5)), "behind the stop");
        assert_eq!(jobs.keep(&HashSet::from([7])), []);
        assert!(!jobs.holds(&request(Verb::Start, "a", 5)));
    }

    #[test]
    fn what_is_over_is_forgotten_before_it_is_too_much() {
        let mut jobs = UnitJobs::default();
        for number in 0..1_000_u32 {
            if jobs.is_full() {
                jobs.keep(&HashSet::from([number.saturating_sub(1)]));
            }
            jobs.made(&request(Verb::Stop, &format!("unit-{number}"), 1), number);
            assert!(jobs.units.len() <= MANY);
        }
    }
}
