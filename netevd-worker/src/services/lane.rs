//! One service's lane: a task with its own connections, demands in, outcomes out.

use super::failure::Failure;
use super::level::{Job, Level};
use super::{DEMANDS, Demand, Outcome, hostnamed, resolved};
use crate::backend::bus::{Bus, BusEvent, BusLost, Calls, Signals};
use std::pin::pin;
use std::time::Duration;
use tokio::sync::mpsc;

/// A demand that nobody answered is repeated after this.
const AGAIN: Duration = Duration::from_secs(30);

/// A lane for settings. `forgets`: a service that comes back is told everything again.
pub(super) fn set(bus: Bus, forgets: bool, outcomes: mpsc::Sender<Outcome>) -> mpsc::Sender<Demand> {
    let (sender, inbox) = mpsc::channel(DEMANDS);
    let mut lane = Lane { inbox, outcomes, level: Level::new(forgets) };
    // It ends when nobody demands anything any more.
    tokio::spawn(async move { lane.run(bus).await });
    sender
}

async fn carry_out(calls: &Calls, job: &Job) -> Result<Option<String>, Failure> {
    if let (true, Demand::Resolve { ifindex, link, .. }) = (job.after_revert, &job.demand) {
        resolved::revert(calls, *ifindex, link).await?;
    }
    perform(calls, &job.demand).await
}

async fn perform(calls: &Calls, demand: &Demand) -> Result<Option<String>, Failure> {
    match demand {
        Demand::Resolve { ifindex, link, dns, domains } => {
            resolved::resolve(calls, *ifindex, link, dns.as_deref(), domains.as_deref()).await?;
            Ok(None)
        }
        Demand::Revert { ifindex, link } => resolved::revert(calls, *ifindex, link).await.map(|()| None),
        Demand::HostName { name, .. } => hostnamed::set(calls, name).await,
        // Units have a lane of their own kind.
        Demand::Unit { .. } => Ok(None),
    }
}

struct Lane {
    inbox: mpsc::Receiver<Demand>,
    outcomes: mpsc::Sender<Outcome>,
    level: Level,
}

/// Nobody demands, or nobody listens, any more.
struct Gone;

impl Lane {
    async fn run(&mut self, mut bus: Bus) -> Result<(), Gone> {
        self.demanded().await?;
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
            for outcome in self.level.hindered(&lost.to_string()) {
                self.tell(outcome).await?;
            }
        }
    }

    /// Carries out what is due until the bus is lost.
    async fn session(&mut self, mut signals: Signals, calls: &Calls) -> Result<BusLost, Gone> {
        // Whether the service is there shows in its answers: asking may start it.
        if let Err(lost) = signals.next().await {
            return Ok(lost);
        }
        self.level.appeared();
        loop {
            while let Some(job) = self.level.job() {
                let result = self.meanwhile(carry_out(calls, &job)).await?;
                if let Some(outcome) = self.level.done(job, result) {
                    self.tell(outcome).await?;
                }
                if calls.is_closed() {
                    return Ok(BusLost::Closed("it is gone".to_owned()));
                }
            }
            let again = self.level.has_unanswered();
            tokio::select! {
                demanded = self.demanded() => demanded?,
                event = signals.next() => match event {
                    Ok(BusEvent::Appeared) => self.level.appeared(),
                    Ok(BusEvent::Vanished(_) | BusEvent::Signal(_)) => {}
                    Err(lost) => return Ok(lost),
                },
                () = crate::clock::sleep(AGAIN), if again => self.level.try_again(),
            }
        }
    }

    /// Waits for something, and takes demands while it lasts.
    async fn meanwhile<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Gone> {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return Ok(done),
                demanded = self.demanded() => demanded?,
            }
        }
    }

    /// Takes one demand. Cancel-safe but for telling that there are too many.
    async fn demanded(&mut self) -> Result<(), Gone> {
        let demand = self.inbox.recv().await.ok_or(Gone)?;
        match self.level.note(demand) {
            Ok(()) => Ok(()),
            Err(refused) => self.tell(refused).await,
        }
    }

    async fn tell(&self, outcome: Outcome) -> Result<(), Gone> {
        self.outcomes.send(outcome).await.map_err(|_| Gone)
    }
}
