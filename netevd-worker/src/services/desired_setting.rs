//! What is to be set, by link or for the host: the newest demand counts, until it is superseded.
//! Pure: who calls the service says what came of it.

use super::failure::Failure;
use super::{Outcome, ServiceRequest};
use protocol::Ifindex;
use std::collections::{BTreeMap, VecDeque};

/// Links that are remembered; more than any host has uplinks with leases.
const MAX: usize = 1024;

/// What a demand is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Subject {
    Link(Ifindex),
    Host,
}

/// A demand that is being carried out.
#[derive(Clone, Debug)]
pub(super) struct Job {
    subject: Subject,
    number: u64,
    pub(super) request: ServiceRequest,
    /// What was there before is to be taken back first.
    pub(super) after_revert: bool,
}

/// The demands.
#[derive(Debug, Default)]
pub(super) struct DesiredSetting {
    wanted: BTreeMap<Subject, Wanted>,
    /// What is to be done, oldest first, each subject once.
    due: VecDeque<Subject>,
    /// A service that comes back has forgotten, and is told everything again.
    forgets: bool,
    next: u64,
}

#[derive(Debug)]
struct Wanted {
    request: ServiceRequest,
    /// Which demand for this subject.
    number: u64,
    /// It follows a revert that was not carried out.
    after_revert: bool,
    /// Taken by the service, or refused for good.
    settled: bool,
    /// Answered by nobody: to be tried again after a while.
    unanswered: bool,
    /// What was told of it last.
    reported: Option<Result<Option<String>, String>>,
}

impl DesiredSetting {
    /// With nothing wanted.
    pub(super) fn new(forgets: bool) -> Self {
        Self { forgets, ..Self::default() }
    }

    /// A demand; the one before it for the same subject is forgotten, but for a revert, which a
    /// new setting does not replace: it may set less. Refuses what would be too much.
    pub(super) fn note(&mut self, request: ServiceRequest) -> Result<(), Outcome> {
        let subject = match &request {
            ServiceRequest::Resolve { ifindex, .. } | ServiceRequest::Revert { ifindex, .. } => {
                Subject::Link(*ifindex)
            }
            ServiceRequest::HostName { .. } | ServiceRequest::Unit { .. } => Subject::Host,
        };
        if self.wanted.len() >= MAX && !self.wanted.contains_key(&subject) {
            let result = Err(format!("more than {MAX} links with settings of their own"));
            return Err(Outcome { request, result });
        }
        self.next += 1;
        let is_open = |old: &Wanted| {
            !old.settled && (old.after_revert || matches!(old.request, ServiceRequest::Revert { .. }))
        };
        let wanted = Wanted {
            after_revert: self.wanted.get(&subject).is_some_and(is_open),
            request,
            number: self.next,
            settled: false,
            unanswered: false,
            reported: None,
        };
        self.wanted.insert(subject, wanted);
        self.mark(subject);
        Ok(())
    }

    /// The next one to carry out.
    pub(super) fn job(&mut self) -> Option<Job> {
        let subject = self.due.pop_front()?;
        let wanted = self.wanted.get(&subject)?;
        let Wanted { number, after_revert, .. } = *wanted;
        Some(Job { subject, number, after_revert, request: wanted.request.clone() })
    }

    /// What came of it; an outcome if that is news.
    pub(super) fn done(&mut self, job: Job, result: Result<Option<String>, Failure>) -> Option<Outcome> {
        let settled = !matches!(result, Err(Failure::Absent(_) | Failure::Unanswered(_)));
        let unanswered = matches!(result, Err(Failure::Unanswered(_)));
        let result = result.map_err(|failure| failure.text().to_owned());
        if let Some(wanted) = self.wanted.get_mut(&job.subject).filter(|wanted| wanted.number == job.number) {
            (wanted.settled, wanted.unanswered) = (settled, unanswered);
            wanted.after_revert &= !settled;
            if wanted.reported.as_ref() == Some(&result) {
                return None;
            }
            wanted.reported = Some(result.clone());
            if settled && matches!(wanted.request, ServiceRequest::Revert { .. }) {
                self.wanted.remove(&job.subject);
            }
        }
        Some(Outcome { request: job.request, result })
    }

    /// Nothing can be done for this reason; outcomes for whom that is news.
    pub(super) fn blocked(&mut self, reason: &str) -> Vec<Outcome> {
        let result = Err(reason.to_owned());
        let open = self.wanted.values_mut().filter(|wanted| !wanted.settled);
        let unreported = open.filter(|wanted| wanted.reported.as_ref() != Some(&result));
        unreported
            .map(|wanted| {
                wanted.reported = Some(result.clone());
                Outcome { request: wanted.request.clone(), result: result.clone() }
            })
            .collect()
    }

    /// The service is there (again): what it has not taken is due, and all if it forgets.
    pub(super) fn appeared(&mut self) {
        let forgets = self.forgets;
        self.mark_all(|wanted| forgets || !wanted.settled);
    }

    /// A while has passed: what was not answered is due.
    pub(super) fn try_again(&mut self) {
        self.mark_all(|wanted| wanted.unanswered);
    }

    /// Whether [`DesiredSetting::try_again`] would make something due.
    pub(super) fn has_unanswered(&self) -> bool {
        self.wanted.values().any(|wanted| wanted.unanswered)
    }

    fn mark_all(&mut self, which: impl Fn(&Wanted) -> bool) {
        let due: Vec<Subject> =
            self.wanted.iter().filter(|(_, wanted)| which(wanted)).map(|(subject, _)| *subject).collect();
        for subject in due {
            self.mark(subject);
        }
    }

    fn mark(&mut self, subject: Subject) {
        if !self.due.contains(&subject) {
            self.due.push_back(subject);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::index;
    use protocol::InterfaceName;

    fn link() -> InterfaceName {
        InterfaceName::new("eth0").expect("a name")
    }

    fn resolve(n: u32, domain: &str) -> ServiceRequest {
        ServiceRequest::Resolve {
            ifindex: index(n),
            link: link(),
            dns: None,
            domains: Some(vec![domain.to_owned()]),
        }
    }

    fn revert(n: u32) -> ServiceRequest {
        ServiceRequest::Revert { ifindex: index(n), link: link() }
    }

    fn note(desired: &mut DesiredSetting, request: ServiceRequest) {
        desired.note(request).expect("there is room");
    }

    /// Does everything that is due, with one result.
    fn drain(
        desired: &mut DesiredSetting,
        result: &Result<Option<String>, Failure>,
    ) -> (Vec<ServiceRequest>, usize) {
        let (mut done, mut reported) = (Vec::new(), 0);
        while let Some(job) = desired.job() {
            done.push(job.request.clone());
            reported += usize::from(desired.done(job, result.clone()).is_some());
        }
        (done, reported)
    }

    #[test]
    fn the_newest_demand_of_a_link_counts_in_the_order_of_links() {
        let mut desired = DesiredSetting::new(true);
        for request in [resolve(3, "a"), resolve(2, "b"), resolve(3, "c")] {
            note(&mut desired, request);
        }
        assert_eq!(drain(&mut desired, &Ok(None)), (vec![resolve(3, "c"), resolve(2, "b")], 2));
        assert!(desired.job().is_none());
    }

    #[test]
    fn one_that_is_superseded_while_it_runs_does_not_settle_the_new_one() {
        let mut desired = DesiredSetting::new(false);
        note(&mut desired, resolve(2, "a"));
        let job = desired.job().expect("due");
        note(&mut desired, resolve(2, "b"));
        assert!(desired.done(job, Ok(None)).is_some(), "it was done");
        assert_eq!(drain(&mut desired, &Ok(None)).0, [resolve(2, "b")]);
    }

    #[test]
    fn what_an_absent_service_did_not_take_is_repeated_when_it_appears() {
        for forgets in [false, true] {
            let mut desired = DesiredSetting::new(forgets);
            note(&mut desired, resolve(2, "a"));
            let absent = Err(Failure::Absent("away".to_owned()));
            assert_eq!(drain(&mut desired, &absent), (vec![resolve(2, "a")], 1));
            desired.try_again();
            assert!(desired.job().is_none(), "its coming is awaited");
            desired.appeared();
            assert_eq!(drain(&mut desired, &absent), (vec![resolve(2, "a")], 0), "told once");
            desired.appeared();
            assert_eq!(drain(&mut desired, &Ok(None)), (vec![resolve(2, "a")], 1));
            desired.appeared();
            let (again, reported) = drain(&mut desired, &Ok(None));
            assert_eq!((again.len(), reported), (usize::from(forgets), 0), "forgets: {forgets}");
        }
    }

    #[test]
    fn what_was_not_answered_is_tried_again_and_what_was_refused_is_not() {
        let mut desired = DesiredSetting::new(false);
        note(&mut desired, resolve(2, "a"));
        drain(&mut desired, &Err(Failure::Unanswered("silence".to_owned())));
        assert!(desired.has_unanswered());
        desired.try_again();
        assert_eq!(drain(&mut desired, &Err(Failure::Refused("no".to_owned()))).0.len(), 1);
        assert!(!desired.has_unanswered());
        desired.try_again();
        desired.appeared();
        assert!(desired.job().is_none());
    }

    #[test]
    fn a_link_that_was_reverted_is_forgotten() {
        let mut desired = DesiredSetting::new(true);
        note(&mut desired, resolve(2, "a"));
        drain(&mut desired, &Ok(None));
        note(&mut desired, revert(2));
        assert_eq!(drain(&mut desired, &Ok(None)).0, [revert(2)]);
        desired.appeared();
        assert!(desired.job().is_none() && desired.wanted.is_empty());
    }

    #[test]
    fn a_setting_does_not_replace_a_revert_that_is_still_to_come() {
        let mut desired = DesiredSetting::new(true);
        note(&mut desired, revert(2));
        note(&mut desired, resolve(2, "a"));
        note(&mut desired, resolve(2, "b"));
        let job = desired.job().expect("due");
        assert!(job.after_revert && job.request == resolve(2, "b"));
        desired.done(job, Ok(None));
        desired.appeared();
        assert!(desired.job().is_some_and(|job| !job.after_revert));
    }

    #[test]
    fn a_hindrance_is_told_once_to_those_who_wait() {
        let mut desired = DesiredSetting::new(true);
        note(&mut desired, resolve(2, "a"));
        drain(&mut desired, &Ok(None));
        note(&mut desired, resolve(3, "b"));
        assert_eq!(desired.blocked("no bus").len(), 1);
        assert_eq!(desired.blocked("no bus").len(), 0);
        assert_eq!(desired.blocked("still none").len(), 1);
    }

    #[test]
    fn it_is_bounded() {
        let mut desired = DesiredSetting::new(true);
        for n in 1..=1024 {
            note(&mut desired, resolve(n, "a"));
        }
        assert!(desired.note(resolve(5000, "a")).is_err());
        note(&mut desired, resolve(7, "b"));
    }
}
