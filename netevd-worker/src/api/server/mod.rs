//! The server: a unix socket always, TCP where it is configured, and what is answered there.
//!
//! One task ([`accept_loop`]) listens and counts who is connected; each connection is a task of its own
//! and asks the event loop by [`crate::request`]. What the loop does not keep (routes, rules, counters of
//! links) one more task ([`kernel_queries`]) reads from the kernel when it is asked for.
//!
//! Limits: nothing here changes anything but by asking the loop for a reload. Nobody connected means
//! no timer and no wake-up; a listener that failed is tried again every minute.

mod accept_loop;
mod access;
mod answer;
mod base64;
mod connection;
mod connection_limits;
mod context;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod guard;
mod idle_state;
mod kernel_queries;
mod page;
mod query;
mod router;
mod state;
mod stream;
mod tables;
mod tcp;
#[cfg(test)]
mod tests;
mod token;
mod unix;

use crate::audit::Audit;
use crate::config::Api;
use crate::dispatch::Identity;
use crate::document::Listener;
use crate::metrics::Handle;
use crate::request::ApiSender;
use accept_loop::AcceptLoop;
use context::Context;
use std::path::PathBuf;
use std::sync::Arc;
pub(super) use token::owner_fault as token_owner_fault;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What a server needs to know.
#[derive(Clone)]
pub struct Settings {
    /// Where `api.sock` goes; it exists, and is the worker's.
    pub runtime_dir: PathBuf,
    /// `api:`
    pub api: Api,
    /// `metrics.enabled`
    pub metrics_enabled: bool,
    /// An ordinary user's daemon: by the unix socket its own uid may do what else root alone may, and
    /// scripts of that user are trusted.
    pub own_uid_may_change: bool,
    /// For whom scripts are judged.
    pub scripts_run_as: Identity,
    /// For `/metrics`.
    pub metrics: Handle,
    /// Where changes and refusals are recorded.
    pub audit: Audit,
}

/// What a reload may change.
#[derive(Clone)]
struct Orders {
    api: Api,
    metrics_enabled: bool,
}

/// A running server. Dropped, it ends without a word to those who are connected.
pub struct Server {
    orders: watch::Sender<Orders>,
    listeners: watch::Receiver<Vec<Listener>>,
    stop: CancellationToken,
    accept_loop: JoinHandle<()>,
}

impl Server {
    /// Listens from now on; what cannot be listened on is in [`Server::problems`], and never the end
    /// of the daemon. Needs a tokio runtime.
    pub fn start(api_sender: ApiSender, settings: Settings) -> Server {
        let Settings {
            runtime_dir,
            api,
            metrics_enabled,
            own_uid_may_change,
            scripts_run_as,
            metrics,
            audit,
        } = settings;
        let (orders, ordered) = watch::channel(Orders { api, metrics_enabled });
        let (reported, listeners) = watch::channel(Vec::new());
        let context = Context {
            api_sender,
            metrics,
            audit,
            own_uid: own_uid_may_change.then(|| nix::unistd::geteuid().as_raw()),
            scripts_run_as,
            queries: kernel_queries::start(),
            orders: ordered.clone(),
            listeners: listeners.clone(),
        };
        let stop = CancellationToken::new();
        let accept_loop = AcceptLoop::new(Arc::new(context), &runtime_dir, ordered, reported, stop.clone());
        Server { orders, listeners, stop, accept_loop: tokio::spawn(accept_loop.run()) }
    }

    /// After a reload, also one that changed nothing: the token is read again, and what failed is
    /// tried again. Connections by the unix socket stay; those by TCP end where its settings or the
    /// token changed.
    pub fn reconfigure(&self, api: Api, metrics_enabled: bool) {
        self.orders.send_replace(Orders { api, metrics_enabled });
    }

    /// Why it does not listen where it should, each with what to do.
    pub fn problems(&self) -> Vec<String> {
        self.listeners.borrow().iter().filter_map(|listener| listener.error.clone()).collect()
    }

    /// Where it listens, or should.
    pub fn listeners(&self) -> Vec<Listener> {
        self.listeners.borrow().clone()
    }

    /// Until the unix socket listens, or is known to have failed.
    pub async fn listening(&self) {
        // Fails when the task has ended, which has nothing left to wait for.
        let _ = self.listeners.clone().wait_for(|listeners| !listeners.is_empty()).await;
    }

    /// Ends: streams are finished, answers on their way get two seconds, the socket's file goes.
    pub async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.accept_loop.await {
            tracing::error!("the API's server did not end well: {error}");
        }
    }
}
