//! The loop's side of the backend: when its reports count, and what they mean to the loop itself.

use super::{ManagerState, Worker};
use crate::backend::{LinkReport, Report};
use crate::kernel::KernelMessage;
use crate::model::{Backend, EventKind};
use crate::state::{Changes, LeaseWait};
use crate::worker::fatal::Fatal;
use futures_util::FutureExt as _;
use std::time::{Duration, Instant};

/// How long a manager may take to tell its state before the worker is ready without it.
const MANAGER_TIMEOUT: Duration = Duration::from_secs(3);
/// How long scripts for a new lease wait for the kernel to have what it says.
const KERNEL_TIMEOUT: Duration = Duration::from_millis(20);
/// How long they wait for its check for duplicates of an IPv6 address, which takes a second or two
/// (RFC 4862 section 5.4).
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a link with a leased address waits for the file that names it.
const FILE_TIMEOUT: Duration = Duration::from_millis(250);
/// Turns of the tasks between the bus's socket and a report: connection, signals, session.
const TURNS: usize = 6;
/// Reads of the kernel's messages before a report.
const BATCHES_BEFORE_REPORT: usize = 16;

impl Worker {
    /// What the manager says of what there is, before the first events: they are to be told in its
    /// words, once. A manager that has not spoken in time is taken for absent until it does.
    pub(super) async fn await_manager(&mut self) -> Changes {
        let mut changes = Changes::default();
        if self.backend == Backend::Kernel {
            return changes;
        }
        self.state.await_dump();
        self.state.under(self.backend);
        let until = tokio::time::Instant::now() + MANAGER_TIMEOUT;
        while let Ok(report) = tokio::time::timeout_at(until, self.source.next()).await {
            let is_last = matches!(report, Report::Synced | Report::Absent(_));
            self.note(&report);
            self.state.report(report, &mut changes);
            if is_last {
                return changes;
            }
        }
        tracing::warn!(
            "{} has not told its state within {} s; the kernel's view counts until it does",
            self.backend.name(),
            MANAGER_TIMEOUT.as_secs()
        );
        changes
    }

    /// A lease that is being written, or NetworkManager's word of a connection's end, is heard of before the
    /// kernel's messages count: with both waiting the backend's tasks need their turns first.
    pub(super) async fn receive_manager_reports(&mut self) {
        let turns = match self.backend {
            Backend::Dhclient => 1,
            Backend::NetworkManager => TURNS,
            _ => 0,
        };
        for _ in 0..turns {
            tokio::task::yield_now().await;
            while let Some(report) = self.source.next_now() {
                self.reported(report);
            }
        }
    }

    /// What the kernel has said by now: a manager speaks of links that it has read of there.
    /// What ends a connection does not wait for the kernel, which may speak of the next one already.
    pub(super) fn catch_up(&mut self, report: &Report, batch: &mut Vec<KernelMessage>) -> Result<(), Fatal> {
        if ends_a_connection(report) {
            return Ok(());
        }
        // In a storm there is always more; what a manager says waits for a part of it only.
        for _ in 0..BATCHES_BEFORE_REPORT {
            if self.resync.is_running() {
                break;
            }
            let Some(received) = self.multicast.receive(|m| batch.push(m)).now_or_never() else { break };
            self.received(received.map_err(Fatal::Multicast)?, batch);
        }
        Ok(())
    }

    /// One report. What waits behind it comes after what the kernel says in between: each is of its own moment.
    pub(super) fn reported(&mut self, report: Report) {
        let mut changes = Changes::default();
        self.note(&report);
        let is_leases = matches!(report, Report::Leases(_));
        self.state.report(report, &mut changes);
        if is_leases {
            self.services.apply_changes(&self.state);
            // What was waited for may be something else now.
            self.leases_at = None;
        }
        self.apply_changes(changes);
    }

    /// What a report means to the loop itself.
    pub(super) fn note(&mut self, report: &Report) {
        match report {
            Report::Chosen(backend) => {
                tracing::info!("backend auto: {}", backend.name());
                self.backend = *backend;
                self.manager_state = ManagerState::at_first(*backend);
                self.apply_backend();
            }
            Report::Synced => {
                self.manager_state = ManagerState::Up;
                tracing::info!("{} is there", self.backend.name());
            }
            Report::Absent(reason) => {
                self.manager_state = ManagerState::Down(reason.clone());
                tracing::warn!("{}: {reason}", self.backend.name());
            }
            Report::Link(_) | Report::Host(_) | Report::LeasesPending | Report::Leases(_) => {}
        }
    }

    /// What scripts are given depends on the backend.
    pub(super) fn apply_backend(&mut self) {
        self.dispatcher.set_backend(self.backend, self.config.backends.emit_json);
        self.dispatcher.list_begun(!self.config.units.is_empty());
        self.state.show_routes(self.backend == Backend::Networkd);
        self.state.expect_leases(self.backend == Backend::Dhclient);
        self.state.under(self.backend);
    }

    /// Sets the end of a wait that has begun.
    pub(super) fn wait_for_leases(&mut self, now: Instant) {
        let wait = self.state.lease_wait();
        if wait == self.leases_at.map(|(wait, _)| wait) {
            return;
        }
        self.leases_at = wait.map(|wait| {
            let patience = match wait {
                LeaseWait::ForKernel => KERNEL_TIMEOUT,
                LeaseWait::ForDuplicateCheck => CHECK_TIMEOUT,
                LeaseWait::ForFile => FILE_TIMEOUT,
            };
            (wait, now + patience)
        });
    }
}

/// NetworkManager says that a device has no connection any more, or will have none.
fn ends_a_connection(report: &Report) -> bool {
    use EventKind::{Deactivating, Disconnected, Failed, Unavailable, Unmanaged};
    let Report::Link(LinkReport { administrative: Some(word), operational: None, .. }) = report else {
        return false;
    };
    matches!(word.event, Some(Deactivating | Disconnected | Failed | Unavailable | Unmanaged))
}
