//! The process of a script, whoever is its parent: this one, or the runner.

use super::group;
use super::remote::Run;
use crate::runner::frame::Order;
use nix::sys::signal::Signal;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};
use tokio::io::unix::AsyncFd;

pub(super) enum Process {
    /// Our own child, and the pidfd that tells its exit.
    Own(Child, AsyncFd<OwnedFd>),
    /// The runner's.
    Runner(Run),
}

impl Process {
    /// Its number, which is its group's.
    pub(super) fn id(&self) -> u32 {
        match self {
            Process::Own(child, _) => child.id(),
            Process::Runner(run) => run.id(),
        }
    }

    /// Waits for the exit without reaping.
    pub(super) async fn exited(&self) {
        match self {
            // The readiness is never cleared: once exited, always exited. An error means that the
            // runtime ends, and this task with it.
            Process::Own(_, exit) => drop(exit.readable().await),
            Process::Runner(run) => run.exited().await,
        }
    }

    /// TERM to the group.
    pub(super) fn terminate(&self) {
        match self {
            Process::Own(child, _) => {
                group::signal(child.id(), Signal::SIGTERM);
                // A stopped process takes no TERM before it continues.
                group::signal(child.id(), Signal::SIGCONT);
            }
            Process::Runner(run) => run.order(Order::Terminate),
        }
    }

    /// KILL to the group.
    pub(super) fn kill(&self) {
        match self {
            Process::Own(child, _) => group::signal(child.id(), Signal::SIGKILL),
            Process::Runner(run) => run.order(Order::Kill),
        }
    }

    /// How it ended, after [`Process::exited`]; its number may mean another process from now on.
    pub(super) fn reap(self) -> Option<ExitStatus> {
        match self {
            Process::Own(mut child, _) => child.wait().ok(),
            Process::Runner(run) => Some(run.status()),
        }
    }
}
