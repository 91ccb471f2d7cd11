//! The reconciler as a task of its own, so that a long pass delays no event: one plan goes in,
//! one report comes out, and the loop never hands in a second before the first is answered.
//!
//! With a door the task outlives its helper: it tells the loss, waits for the next one, and
//! begins with it as at the start. Without one the loss is the end.

use super::helper_listener::HelperListener;
use super::helper_unit::HelperUnit;
use crate::kernel::{DumpError, Dumper};
use crate::metrics::Handle;
use crate::routing::{DryRun, Helper, HelperError, Order, PassError, PassReport, Reconciler};
use protocol::Policy;
use std::fmt;
use tokio::sync::{mpsc, watch};

/// What the task tells.
#[derive(Debug)]
pub(super) enum RoutingUpdate {
    /// A helper greeted; the first pass with it names everything.
    Connected,
    /// systemd starts it again and again, and it never gets as far as to greet: why.
    Failing(String),
    /// The pass is over; without a dump nothing was compared, and the next pass tries again.
    Passed(Result<PassReport, DumpError>),
    /// There is no helper; a pass under way has no report.
    Lost(Loss),
}

/// Why a helper is no longer there.
#[derive(Debug)]
pub(super) enum Loss {
    /// It went.
    Helper(HelperError),
    /// It was sent away, for it was started with an older policy.
    Policy,
}

/// The loop's side.
pub(super) struct RoutingTask {
    plans: mpsc::Sender<Order>,
    policy: watch::Sender<Policy>,
    update: mpsc::Receiver<RoutingUpdate>,
    busy: bool,
}

/// The task's side.
struct Task {
    plans: mpsc::Receiver<Order>,
    policy: watch::Receiver<Policy>,
    update: mpsc::Sender<RoutingUpdate>,
    /// Whether the loss of an idle helper is news. Where it is the end, whoever started both sides
    /// sees it too, and ends this one in good order.
    watchful: bool,
    metrics: Handle,
}

/// The loop is gone: nobody is there to tell.
struct LoopGone;

impl RoutingTask {
    /// With the one helper that there ever is, already greeted.
    pub(super) fn with_helper(mut helper: Helper, dumper: Dumper, policy: Policy, metrics: Handle) -> Self {
        let (own, mut task) = Self::new(policy, false, metrics);
        tokio::spawn(async move {
            helper.count_in(task.metrics.clone());
            let policy = task.policy.borrow_and_update().clone();
            let mut reconciler = Reconciler::new(helper, dumper, policy);
            let Ok(loss) = task.serve(&mut reconciler).await else { return };
            let _ = task.update.send(RoutingUpdate::Lost(loss)).await;
        });
        own
    }

    /// Without any helper: passes are only told.
    pub(super) fn dry_run(dumper: Dumper, policy: Policy, metrics: Handle) -> Self {
        let (own, mut task) = Self::new(policy, false, metrics);
        tokio::spawn(async move {
            let mut dry_run = DryRun::new(dumper);
            while let Some(order) = task.plans.recv().await {
                let policy = task.policy.borrow_and_update().clone();
                let report = dry_run.pass(&order, &policy).await;
                if task.send(RoutingUpdate::Passed(report)).await.is_err() {
                    return;
                }
            }
        });
        own
    }

    /// With the helpers that come by a door, one after the other.
    pub(super) fn with_listener(helper_listener: HelperListener, policy: Policy, metrics: Handle) -> Self {
        let (own, mut task) = Self::new(policy, true, metrics);
        tokio::spawn(async move { while task.serve_next(&helper_listener).await.is_ok() {} });
        own
    }

    fn new(policy: Policy, watchful: bool, metrics: Handle) -> (Self, Task) {
        let (plans, inbox) = mpsc::channel(1);
        let (outbox, update) = mpsc::channel(1);
        let (policy, known) = watch::channel(policy);
        let task = Task { plans: inbox, policy: known, update: outbox, watchful, metrics };
        (Self { plans, policy, update, busy: false }, task)
    }

    /// A pass is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Starts a pass; only when none is under way and a helper is there.
    pub(super) fn begin(&mut self, order: Order) {
        self.busy = self.plans.try_send(order).is_ok();
    }

    /// Another policy: a helper that was started with an older one is sent away.
    pub(super) fn set_policy(&self, policy: Policy) {
        self.policy.send_replace(policy);
    }

    /// What the task has to tell; `None` when it ended. Cancel-safe.
    pub(super) async fn update(&mut self) -> Option<RoutingUpdate> {
        let update = self.update.recv().await;
        if !matches!(update, Some(RoutingUpdate::Connected | RoutingUpdate::Failing(_))) {
            self.busy = false;
        }
        update
    }
}

impl Task {
    /// From one helper's greeting to its end.
    async fn serve_next(&mut self, helper_listener: &HelperListener) -> Result<(), LoopGone> {
        let mut unit = HelperUnit::new();
        let mut helper = loop {
            tokio::select! {
                helper = helper_listener.helper() => break helper,
                fault = unit.fault() => self.send(RoutingUpdate::Failing(fault)).await?,
                // A plan that was made before the loss was known; the next helper gets a new one.
                plan = self.plans.recv() => drop(plan.ok_or(LoopGone)?),
            }
        };
        // With it goes its connection to the bus.
        drop(unit);
        while self.plans.try_recv().is_ok() {}
        let dumper = match Dumper::new() {
            Ok(dumper) => dumper,
            // The helper is sent away and comes again: that is the pause before the next try.
            Err(error) => return self.send(RoutingUpdate::Passed(Err(error))).await,
        };
        let policy = self.policy.borrow_and_update().clone();
        helper.count_in(self.metrics.clone());
        let mut reconciler = Reconciler::new(helper, dumper, policy);
        self.send(RoutingUpdate::Connected).await?;
        let loss = helper_listener.beside(self.serve(&mut reconciler)).await?;
        // Closed before the loss is told: what follows may be a new helper.
        drop(reconciler);
        self.send(RoutingUpdate::Lost(loss)).await
    }

    /// Passes until the helper is lost.
    async fn serve(&mut self, reconciler: &mut Reconciler) -> Result<Loss, LoopGone> {
        loop {
            let order = tokio::select! {
                plan = self.plans.recv() => plan.ok_or(LoopGone)?,
                error = reconciler.lost(), if self.watchful => return Ok(Loss::Helper(error)),
                changed = self.policy.changed() => return changed.map(|()| Loss::Policy).map_err(|_| LoopGone),
            };
            let report = tokio::select! {
                report = reconciler.pass(&order) => report,
                changed = self.policy.changed() => return changed.map(|()| Loss::Policy).map_err(|_| LoopGone),
            };
            match report {
                Ok(report) => self.send(RoutingUpdate::Passed(Ok(report))).await?,
                Err(PassError::Dump(error)) => self.send(RoutingUpdate::Passed(Err(error))).await?,
                Err(PassError::Helper(error)) => return Ok(Loss::Helper(error)),
            }
        }
    }

    async fn send(&self, update: RoutingUpdate) -> Result<(), LoopGone> {
        self.update.send(update).await.map_err(|_| LoopGone)
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Helper(error) => error.fmt(f),
            Loss::Policy => f.write_str("the helper had another routing policy"),
        }
    }
}
