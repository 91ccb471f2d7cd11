//! What every handler can reach: the loop by questions, the kernel by looks, and what the server
//! itself knows.

use super::Orders;
use super::answer::Refusal;
use super::kernel_queries::KernelQueries;
use crate::audit::Audit;
use crate::dispatch::{Identity, TrustedOwner};
use crate::document::Listener;
use crate::metrics::Handle;
use crate::request::{ApiRequest, ApiSender};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

/// How long an answer of the loop is waited for: it answers between two events.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) struct Context {
    pub(super) api_sender: ApiSender,
    pub(super) metrics: Handle,
    pub(super) audit: Audit,
    /// An ordinary user's daemon, and whose.
    pub(super) own_uid: Option<u32>,
    /// As whom scripts run.
    pub(super) scripts_run_as: Identity,
    pub(super) queries: KernelQueries,
    pub(super) orders: watch::Receiver<Orders>,
    pub(super) listeners: watch::Receiver<Vec<Listener>>,
}

impl Context {
    /// Asks the loop.
    pub(super) async fn ask<T>(
        &self,
        make: impl FnOnce(oneshot::Sender<T>) -> ApiRequest,
    ) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        let question = make(reply);
        let asking = async {
            self.api_sender.send(question).await.ok()?;
            answer.await.ok()
        };
        match timeout(TIMEOUT, asking).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => Err(Refusal::unavailable("the daemon is ending")),
            Err(_) => Err(Refusal::unavailable(format!(
                "the daemon did not answer within {} s; its log says what it is at",
                TIMEOUT.as_secs()
            ))),
        }
    }

    /// `/metrics` is served.
    pub(super) fn has_metrics(&self) -> bool {
        self.orders.borrow().metrics_enabled
    }

    /// As whom the worker and scripts run, where that is somebody less than who configures the daemon.
    pub(super) fn lesser_users(&self) -> Vec<u32> {
        let users = [nix::unistd::geteuid().as_raw(), self.scripts_run_as.uid];
        users.into_iter().filter(|uid| *uid != 0 && Some(*uid) != self.own_uid).collect()
    }

    /// Whose scripts run.
    pub(super) fn trusted(&self) -> TrustedOwner {
        self.own_uid.map_or(TrustedOwner::ROOT, TrustedOwner::user)
    }
}
