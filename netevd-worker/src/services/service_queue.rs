//! One service's lane: a task with its own connections, demands in, outcomes out.

use super::desired_setting::{DesiredSetting, Job};
use super::failure::Failure;
use super::{Outcome, REQUESTS, ServiceRequest, hostnamed, resolved};
use crate::backend::bus::{Bus, BusEvent, BusLost, Calls, Signals};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// A demand that nobody answered is repeated after this.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);

/// A lane for settings. `forgets`: a service that comes back is told everything again.
pub(super) fn set(bus: Bus, forgets: bool, outcomes: mpsc::Sender<Outcome>) -> mpsc::Sender<ServiceRequest> {
    let (sender, inbox) = mpsc::channel(REQUESTS);
    let mut queue = ServiceQueue { inbox, outcomes, desired: DesiredSetting::new(forgets) };
    // It ends when nobody demands anything any more.
    tokio::spawn(async move { queue.run(bus).await });
    sender
}

async fn carry_out(calls: &Calls, job: &Job) -> Result<Option<String>, Failure> {
    if let (true, ServiceRequest::Resolve { ifindex, link, .. }) = (job.after_revert, &job.request) {
        resolved::revert(calls, *ifindex, link).await?;
    }
    perform(calls, &job.request).await
}

async fn perform(calls: &Calls, request: &ServiceRequest) -> Result<Option<String>, Failure> {
    match request {
        ServiceRequest::Resolve { ifindex, link, dns, domains } => {
            resolved::resolve(calls, *ifindex, link, dns.as_deref(), domains.as_deref()).await?;
            Ok(None)
        }
        ServiceRequest::Revert { ifindex, link } => {
            resolved::revert(calls, *ifindex, link).await.map(|()| None)
        }
        ServiceRequest::HostName { name, .. } => hostnamed::set(calls, name).await,
        // Units have a lane of their own kind.
        ServiceRequest::Unit { .. } => Ok(None),
    }
}

struct ServiceQueue {
    inbox: mpsc::Receiver<ServiceRequest>,
    outcomes: mpsc::Sender<Outcome>,
    desired: DesiredSetting,
}

/// Nobody demands, or nobody listens, any more.
struct Gone;

impl ServiceQueue {
    async fn run(&mut self, mut bus: Bus) -> Result<(), Gone> {
        self.take_request().await?;
        loop {
            let (signals, calls) = self.connect(&mut bus).await?;
            let lost = self.session(signals, &calls).await?;
            bus.lost(&lost);
        }
    }

    /// Connects, however long that takes.
    async fn connect(&mut self, bus: &mut Bus) -> Result<(Signals, Calls), Gone> {
        loop {
            let lost = match self.meanwhile(bus.connect()).await? {
                Ok(both) => return Ok(both),
                Err(lost) => lost,
            };
            for outcome in self.desired.blocked(&lost.to_string()) {
                self.send_outcome(outcome).await?;
            }
        }
    }

    /// Carries out what is due until the bus is lost.
    async fn session(&mut self, mut signals: Signals, calls: &Calls) -> Result<BusLost, Gone> {
        // Whether the service is there shows in its answers: asking may start it.
        if let Err(lost) = signals.next().await {
            return Ok(lost);
        }
        self.desired.appeared();
        loop {
            while let Some(job) = self.desired.job() {
                let result = self.meanwhile(carry_out(calls, &job)).await?;
                if let Some(outcome) = self.desired.done(job, result) {
                    self.send_outcome(outcome).await?;
                }
                if calls.is_closed() {
                    return Ok(BusLost::Closed("it is gone".to_owned()));
                }
            }
            let again = self.desired.has_unanswered();
            tokio::select! {
                take_request = self.take_request() => take_request?,
                event = signals.next() => match event {
                    Ok(BusEvent::Appeared) => self.desired.appeared(),
                    Ok(BusEvent::Vanished(_) | BusEvent::Signal(_)) => {}
                    Err(lost) => return Ok(lost),
                },
                () = crate::clock::sleep(RETRY_INTERVAL), if again => self.desired.try_again(),
            }
        }
    }

    /// Waits for something, and takes demands while it lasts.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                take_request = self.take_request() => take_request?,
            }
        }
    }

    /// Takes one demand. Cancel-safe but for telling that there are too many.
    async fn take_request(&mut self) -> Result<(), Gone> {
        let request = self.inbox.recv().await.ok_or(Gone)?;
        match self.desired.note(request) {
            Ok(()) => Ok(()),
            Err(refused) => self.send_outcome(refused).await,
        }
    }

    async fn send_outcome(&self, outcome: Outcome) -> Result<(), Gone> {
        self.outcomes.send(outcome).await.map_err(|_| Gone)
    }
}
