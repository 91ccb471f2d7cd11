//! A running backend, as the loop sees it: a task, and the reports that it sends.

use super::{REPORTS, Report, auto, dhclient, networkd, networkmanager};
use crate::config::Dhclient;
use crate::model::Backend;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// A backend at work. It ends with this value.
#[derive(Debug)]
pub struct Source {
    reports: mpsc::Receiver<Report>,
    /// `None` for the kernel alone, which needs no task.
    task: Option<AbortOnDropHandle<()>>,
}

impl Source {
    /// Starts the task of this backend. Within a tokio runtime only.
    pub fn start(backend: Backend, dhclient: &Dhclient) -> Self {
        let (outbox, reports) = mpsc::channel(REPORTS);
        let files = dhclient.lease_files.clone();
        let task = match backend {
            Backend::Kernel => None,
            other => Some(AbortOnDropHandle::new(tokio::spawn(run(other, outbox, files)))),
        };
        Self { reports, task }
    }

    /// The next report; pending forever without a manager. Cancel-safe.
    pub async fn next(&mut self) -> Report {
        match self.reports.recv().await {
            Some(report) => report,
            None if self.task.is_none() => std::future::pending().await,
            // A task of ours that ends has panicked, which was said.
            None => {
                self.task = None;
                Report::Absent("its task in netevd-worker has failed; restart netevd".to_owned())
            }
        }
    }

    /// A report that is there already.
    pub fn next_now(&mut self) -> Option<Report> {
        self.reports.try_recv().ok()
    }
}

/// Runs a backend forever.
pub(super) async fn run(backend: Backend, outbox: mpsc::Sender<Report>, lease_files: Vec<String>) {
    match backend {
        Backend::Dhclient => dhclient::run(outbox, lease_files).await,
        Backend::Auto => Box::pin(auto::run(outbox, lease_files)).await,
        Backend::NetworkManager => networkmanager::run(outbox).await,
        Backend::Networkd => networkd::run(outbox).await,
        Backend::Kernel => std::future::pending().await,
    }
}
