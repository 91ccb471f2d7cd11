//! The reconciler as a task of its own, so that a long pass delays no event: one plan goes in,
//! one report comes out, and the loop never hands in a second before the first is answered.

use crate::routing::{PassError, PassReport, Plan, Reconciler};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The loop's side.
pub(super) struct RoutingTask {
    plans: mpsc::Sender<(Arc<Plan>, bool)>,
    reports: mpsc::Receiver<Result<PassReport, PassError>>,
    busy: bool,
}

impl RoutingTask {
    /// Starts the task.
    pub(super) fn start(mut reconciler: Reconciler) -> Self {
        let (plans, mut inbox) = mpsc::channel::<(Arc<Plan>, bool)>(1);
        let (outbox, reports) = mpsc::channel(1);
        tokio::spawn(async move {
            while let Some((plan, fresh)) = inbox.recv().await {
                let report = reconciler.pass(plan, fresh).await;
                if outbox.send(report).await.is_err() {
                    return;
                }
            }
        });
        Self { plans, reports, busy: false }
    }

    /// A pass is under way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Starts a pass; only when none is under way. `fresh`: see [`Reconciler::pass`].
    pub(super) fn begin(&mut self, plan: Arc<Plan>, fresh: bool) {
        self.busy = self.plans.try_send((plan, fresh)).is_ok();
    }

    /// The report of the pass under way; pending for ever without one. Cancel-safe.
    pub(super) async fn report(&mut self) -> Option<Result<PassReport, PassError>> {
        if !self.busy {
            return std::future::pending().await;
        }
        let report = self.reports.recv().await;
        self.busy = false;
        report
    }
}
