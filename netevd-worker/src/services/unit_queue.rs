//! The lane of systemd: each demand for a unit once, in order for each unit, whatever comes of it.

use super::unit_jobs::UnitJobs;
use super::{Outcome, REQUESTS, ServiceRequest, systemd};
use crate::backend::bus::{BusLost, Calls};
use std::collections::HashSet;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Between two looks whether the jobs are over for whose end something waits: the first, and the longest.
/// The signal of a job's end (JobRemoved) would wake the worker for each job of the machine.
const FIRST_POLL: Duration = Duration::from_millis(20);
const MAX_LENGTH: Duration = Duration::from_secs(1);

/// Why a demand was not made.
const POINTLESS: &str =
    "not asked for: a later event asked for the same unit while this waited for the end of its last job";

/// Demands go in; without a sender the task makes those that wait, and ends.
pub(super) type Started = (mpsc::Sender<ServiceRequest>, JoinHandle<()>);

pub(super) fn start(outcomes: mpsc::Sender<Outcome>) -> Started {
    start_at(outcomes, None)
}

/// At this address of a bus, else the system's.
fn start_at(outcomes: mpsc::Sender<Outcome>, address: Option<&'static str>) -> Started {
    let (sender, inbox) = mpsc::channel(REQUESTS);
    let queue = UnitQueue {
        inbox,
        outcomes,
        address,
        connection: None,
        jobs: UnitJobs::default(),
        pause: FIRST_POLL,
        poll_at: Instant::now(),
    };
    (sender, tokio::spawn(queue.run()))
}

struct UnitQueue {
    inbox: mpsc::Receiver<ServiceRequest>,
    outcomes: mpsc::Sender<Outcome>,
    address: Option<&'static str>,
    connection: Option<Calls>,
    jobs: UnitJobs,
    pause: Duration,
    poll_at: Instant,
}

/// Nobody listens any more.
struct Gone;

impl UnitQueue {
    async fn run(mut self) {
        loop {
            let request = tokio::select! {
                request = self.inbox.recv() => match request {
                    Some(request) => Some(request),
                    None => return self.finish().await,
                },
                () = tokio::time::sleep_until(self.poll_at), if self.jobs.has_waiting() => None,
            };
            let went_on = match request {
                Some(request) => self.take(request).await,
                None => self.poll_jobs().await,
            };
            if went_on.is_err() {
                return;
            }
        }
    }

    async fn take(&mut self, request: ServiceRequest) -> Result<(), Gone> {
        if self.jobs.is_full() || self.jobs.holds(&request) {
            self.poll_jobs().await?;
        }
        if self.jobs.holds(&request) {
            if !self.jobs.has_waiting() {
                self.pause = FIRST_POLL;
                self.poll_at = Instant::now() + FIRST_POLL;
            }
            return match self.jobs.wait(request) {
                Some(older) => self.send_outcome(older, Err(POINTLESS.to_owned())).await,
                None => Ok(()),
            };
        }
        for older in self.jobs.supersede(&request) {
            self.send_outcome(older, Err(POINTLESS.to_owned())).await?;
        }
        self.ask(request).await
    }

    /// The worker ends. What waits is asked for now: systemd starts a unit after its stop, where that has begun.
    async fn finish(&mut self) {
        for request in self.jobs.keep(&HashSet::new()) {
            if self.ask(request).await.is_err() {
                return;
            }
        }
    }

    /// Makes the demands whose time has come. Where systemd does not say which jobs there are, that is of all.
    async fn poll_jobs(&mut self) -> Result<(), Gone> {
        let jobs = match self.connected().await {
            Ok(calls) => systemd::jobs(calls).await.unwrap_or_default(),
            Err(_) => HashSet::new(),
        };
        for request in self.jobs.keep(&jobs) {
            self.ask(request).await?;
        }
        self.pause = (2 * self.pause).min(MAX_LENGTH);
        self.poll_at = Instant::now() + self.pause;
        Ok(())
    }

    async fn ask(&mut self, request: ServiceRequest) -> Result<(), Gone> {
        let ServiceRequest::Unit { verb, unit, .. } = &request else { return Ok(()) };
        let result = match self.connected().await {
            Ok(calls) => systemd::act(calls, *verb, unit).await.map_err(|failure| failure.text().to_owned()),
            Err(error) => Err(error.to_string()),
        };
        if let Ok(Some(job)) = result {
            self.jobs.made(&request, job);
        }
        self.send_outcome(request, result.map(|_| None)).await
    }

    async fn connected(&mut self) -> Result<&Calls, BusLost> {
        match self.connection.take().filter(|calls| !calls.is_closed()) {
            Some(calls) => Ok(self.connection.insert(calls)),
            None => {
                let calls = Calls::connect(systemd::SERVICE, self.address).await?;
                Ok(self.connection.insert(calls))
            }
        }
    }

    async fn send_outcome(
        &self,
        request: ServiceRequest,
        result: Result<Option<String>, String>,
    ) -> Result<(), Gone> {
        self.outcomes.send(Outcome { request, result }).await.map_err(|_| Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::bus::private::PrivateBus;
    use crate::config::Verb;
    use crate::model::EventId;
    use futures_util::StreamExt;
    use std::collections::BTreeSet;
    use zbus::{Connection, MessageStream, OwnedObjectPath};

    /// Takes calls as systemd does: each makes a job, which lasts as long as the test says.
    struct Systemd {
        connection: Connection,
        calls: MessageStream,
        last: u32,
        jobs: BTreeSet<u32>,
    }

    impl Systemd {
        async fn on(bus: &PrivateBus) -> Self {
            let (connection, calls) = bus.service(systemd::SERVICE).await;
            Self { connection, calls, last: 0, jobs: BTreeSet::new() }
        }

        /// Answers the next call, and says what it was.
        async fn answer(&mut self) -> String {
            loop {
                let call = self.calls.next().await.expect("the bus is there").expect("a message");
                let header = call.header();
                let path = |job: u32| {
                    let path = format!("/org/freedesktop/systemd1/job/{job}");
                    OwnedObjectPath::try_from(path).expect("a path")
                };
                let member = header.member().map(ToString::to_string).unwrap_or_default();
                if member == "ListJobs" {
                    let listed = |job: &u32| {
                        let word = |text: &str| text.to_owned();
                        (*job, word("a.service"), word("stop"), word("waiting"), path(*job), path(*job))
                    };
                    let listed: Vec<_> = self.jobs.iter().map(listed).collect();
                    self.connection.reply(&header, &listed).await.expect("sent");
                    return member;
                }
                let Some(verb) = member.strip_suffix("Unit") else { continue };
                self.last += 1;
                self.jobs.insert(self.last);
                let (unit, mode): (String, String) = call.body().deserialize().expect("ss");
                assert_eq!(mode, "replace");
                self.connection.reply(&header, &path(self.last)).await.expect("sent");
                return format!("{verb} {unit}");
            }
        }

        /// The next call that is no question.
        async fn asked(&mut self) -> String {
            loop {
                let call = self.answer().await;
                if call != "ListJobs" {
                    return call;
                }
            }
        }
    }

    fn request(verb: Verb, unit: &str, event: u64) -> ServiceRequest {
        let unit = format!("{unit}.service");
        ServiceRequest::Unit { verb, unit, event: EventId(event), link: "wg0".to_owned() }
    }

    fn run<F: Future>(test: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(60), test).await.expect("no hang") })
    }

    #[test]
    fn a_start_waits_for_its_unit_s_stop_and_no_other_unit_does() {
        run(async {
            let bus = PrivateBus::start();
            let mut service = Systemd::on(&bus).await;
            let (outbox, mut outcomes) = mpsc::channel(16);
            let (demands, task) = start_at(outbox, Some(bus.address().leak()));
            let (stop, start) = (request(Verb::Stop, "a", 1), request(Verb::Start, "a", 2));
            demands.send(stop.clone()).await.expect("there");
            assert_eq!(service.answer().await, "Stop a.service");
            demands.send(start.clone()).await.expect("there");
            for _ in 0..3 {
                assert_eq!(service.answer().await, "ListJobs", "the stop is not over");
            }
            demands.send(request(Verb::Start, "b", 3)).await.expect("there");
            assert_eq!(service.asked().await, "Start b.service");
            service.jobs.clear();
            assert_eq!(service.asked().await, "Start a.service");
            // The start runs. A later one waits, and a stop makes it pointless and goes at once.
            let later = request(Verb::Start, "a", 4);
            demands.send(later.clone()).await.expect("there");
            assert_eq!(service.answer().await, "ListJobs");
            demands.send(request(Verb::Stop, "a", 5)).await.expect("there");
            assert_eq!(service.asked().await, "Stop a.service");
            let mut reported = Vec::new();
            for _ in 0..5 {
                let Outcome { request, result } = outcomes.recv().await.expect("one");
                reported.push((request, result.is_ok()));
            }
            let expected =
                [(stop, true), (request(Verb::Start, "b", 3), true), (start, true), (later, false)];
            assert_eq!(reported[..4], expected);
            assert_eq!(reported[4], (request(Verb::Stop, "a", 5), true));
            // The end of the worker loses nothing that waits.
            demands.send(request(Verb::Start, "a", 6)).await.expect("there");
            assert_eq!(service.answer().await, "ListJobs");
            drop(demands);
            assert_eq!(service.asked().await, "Start a.service");
            task.await.expect("it ends");
            assert_eq!(outcomes.recv().await.expect("one").request, request(Verb::Start, "a", 6));
        });
    }
}
