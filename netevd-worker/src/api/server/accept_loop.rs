//! Listens, seats, and follows reloads: the one task that knows who is connected.

use super::access::Peer;
use super::answer::Refusal;
use super::connection::{Session, serve};
use super::connection_limits::{ConnectionLimits, Who};
use super::context::Context;
use super::idle_state::IdleState;
use super::tcp::Tcp;
use super::{Orders, router, unix};
use crate::document::Listener;
use axum::Router;
use std::collections::HashMap;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::{AbortHandle, Id, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

/// Before a listener that failed is tried again.
const RETRY: Duration = Duration::from_secs(60);
/// After accept(2) failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two words about that.
const PAUSE_LOG_INTERVAL: Duration = Duration::from_secs(60);
/// For connections to end when the server does.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The file of the unix socket, in the runtime directory.
const SOCKET: &str = "api.sock";

pub(super) struct AcceptLoop {
    context: Arc<Context>,
    router: Router,
    orders: watch::Receiver<Orders>,
    reported: watch::Sender<Vec<Listener>>,
    stop: CancellationToken,
    path: PathBuf,
    unix: Result<UnixListener, String>,
    /// `None` when none is wanted.
    tcp: Option<Result<Tcp, String>>,
    limits: ConnectionLimits,
    connections: JoinSet<()>,
    serving: HashMap<Id, OpenConnection>,
    /// Nobody is let in before.
    paused: Option<Instant>,
    pause_logged: Option<Instant>,
    retry: Option<Instant>,
}

/// One who is connected.
struct OpenConnection {
    who: Who,
    idle_state: Arc<IdleState>,
    task: AbortHandle,
}

impl AcceptLoop {
    /// Listens at once, as far as that is possible.
    pub(super) fn new(
        context: Arc<Context>,
        runtime_dir: &Path,
        mut orders: watch::Receiver<Orders>,
        reported: watch::Sender<Vec<Listener>>,
        stop: CancellationToken,
    ) -> Self {
        let path = runtime_dir.join(SOCKET);
        let group = orders.borrow_and_update().api.socket_group.clone();
        let mut accept_loop = Self {
            router: router::new(Arc::clone(&context)),
            context,
            orders,
            reported,
            stop,
            unix: unix::open(&path, &group),
            path,
            tcp: None,
            limits: ConnectionLimits::default(),
            connections: JoinSet::new(),
            serving: HashMap::new(),
            paused: None,
            pause_logged: None,
            retry: None,
        };
        accept_loop.open_tcp();
        accept_loop.publish_listeners();
        accept_loop
    }

    /// Until the server is to end.
    pub(super) async fn run(mut self) {
        loop {
            let is_open = self.paused.is_none();
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.reconfigure(),
                    // The server was dropped.
                    Err(_) => break,
                },
                accepted = accept_unix(&self.unix), if is_open => self.accept_local(accepted),
                accepted = accept_tcp(&self.tcp), if is_open => self.accept_remote(accepted),
                Some(ended) = self.connections.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    // Not there any more if it made room.
                    if let Some(serving) = self.serving.remove(&id) {
                        self.limits.free(serving.who);
                    }
                }
                () = at(self.paused) => self.paused = None,
                () = at(self.retry) => self.reconfigure(),
            }
        }
        self.end().await;
    }

    async fn end(mut self) {
        if self.unix.is_ok() {
            // Whoever asks now is told that nobody is there.
            let _ = std::fs::remove_file(&self.path);
        }
        self.unix = Err("ended".to_owned());
        self.tcp = None;
        self.stop.cancel();
        let ending = async { while self.connections.join_next().await.is_some() {} };
        // Whoever does not go is cut off with the set.
        let _ = timeout(SHUTDOWN_TIMEOUT, ending).await;
    }

    /// Makes the listeners what the orders say.
    fn reconfigure(&mut self) {
        let group = self.orders.borrow_and_update().api.socket_group.clone();
        match &self.unix {
            Err(_) => self.unix = unix::open(&self.path, &group),
            Ok(_) => {
                if let Err(error) = unix::hand_over(&self.path, &group) {
                    // Somebody took the file away; those who are connected stay.
                    tracing::warn!("{}: {error}; listening again", self.path.display());
                    self.unix = unix::open(&self.path, &group);
                }
            }
        }
        self.open_tcp();
        self.publish_listeners();
    }

    fn open_tcp(&mut self) {
        let api = self.orders.borrow().api.clone();
        let before = self.tcp.take().and_then(Result::ok);
        let not_of = self.context.lesser_users();
        self.tcp = api.tcp().map(|address| Tcp::open(before, address, &api, &not_of, &self.stop));
    }

    /// To whom it concerns: `status`, and the log where something is new.
    fn publish_listeners(&mut self) {
        let listener = |address: String, error: Option<&String>| Listener {
            address,
            state: if error.is_none() { "listening" } else { "failed" }.to_owned(),
            error: error.cloned(),
        };
        let mut now = vec![listener(format!("unix:{}", self.path.display()), self.unix.as_ref().err())];
        now.extend(self.tcp.as_ref().map(|tcp| match tcp {
            Ok(tcp) => listener(tcp.url(), None),
            Err(error) => {
                let wanted = self.orders.borrow().api.tcp();
                listener(wanted.map(|address| format!("http://{address}")).unwrap_or_default(), Some(error))
            }
        }));
        let is_failed = now.iter().any(|listener| listener.error.is_some());
        self.retry = is_failed.then(|| Instant::now() + RETRY);
        let before = self.reported.send_replace(now.clone());
        for listener in now.iter().filter(|listener| !before.contains(listener)) {
            match &listener.error {
                None => tracing::info!("the API listens at {}", listener.address),
                Some(error) => tracing::error!("{error}"),
            }
        }
    }

    fn accept_local(&mut self, accepted: io::Result<UnixStream>) {
        let known = accepted.and_then(|stream| Ok((stream.peer_cred()?, stream)));
        match known {
            Err(error) => self.pause(&error),
            Ok((from, stream)) => {
                let peer = Peer::Local { uid: from.uid(), pid: from.pid().unwrap_or(0) };
                match self.admit(Who::of(&peer)) {
                    Some(memory_permit) => {
                        self.serve_connection(stream, peer, self.stop.clone(), memory_permit)
                    }
                    None => drop(stream.try_write(full().as_bytes())),
                }
            }
        }
    }

    fn accept_remote(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let known =
            accepted.and_then(|(stream, remote_address)| Ok((stream.local_addr()?, remote_address, stream)));
        let (local_address, remote_address, stream) = match known {
            Err(error) => return self.pause(&error),
            Ok(known) => known,
        };
        let Some(Ok(tcp)) = &self.tcp else { return };
        // An event is to be seen when it happens.
        let _ = stream.set_nodelay(true);
        let peer = Peer::Remote { remote_address, local_address, auth: Arc::clone(&tcp.auth) };
        let closing = tcp.closing.clone();
        match self.admit(Who::of(&peer)) {
            Some(memory_permit) => self.serve_connection(stream, peer, closing, memory_permit),
            None => drop(stream.try_write(full().as_bytes())),
        }
    }

    /// A seat that is free, or that of the connection that is idle longest; `None` where all are busy.
    fn admit(&mut self, who: Who) -> Option<Arc<Semaphore>> {
        let full = match self.limits.take(who) {
            Ok(memory_permit) => return Some(memory_permit),
            Err(full) => full,
        };
        let candidates = self.serving.iter().filter(|(_, serving)| serving.who.makes_room_for(who, full));
        let idle = candidates.filter_map(|(id, serving)| Some((serving.idle_state.idle_since()?, *id)));
        let (_, longest) = idle.min_by_key(|(since, _)| *since)?;
        let serving = self.serving.remove(&longest)?;
        serving.task.abort();
        self.limits.free(serving.who);
        self.limits.take(who).ok()
    }

    fn serve_connection<S>(
        &mut self,
        stream: S,
        peer: Peer,
        closing: CancellationToken,
        memory_permit: Arc<Semaphore>,
    ) where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let who = Who::of(&peer);
        let idle_state = Arc::new(IdleState::default());
        let session = Session {
            context: Arc::clone(&self.context),
            router: self.router.clone(),
            peer,
            closing,
            memory_permit,
            idle_state: Arc::clone(&idle_state),
        };
        let task = self.connections.spawn(serve(stream, session));
        self.serving.insert(task.id(), OpenConnection { who, idle_state, task });
    }

    /// Who hung up before being let in is no trouble; without descriptors, trying again at once would
    /// be a loop.
    fn pause(&mut self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::NotConnected) {
            return;
        }
        let now = Instant::now();
        if self.pause_logged.is_none_or(|reported| now.duration_since(reported) >= PAUSE_LOG_INTERVAL) {
            self.pause_logged = Some(now);
            tracing::warn!("the API lets nobody in, trying again each second: {error}; raise LimitNOFILE=");
        }
        self.paused = Some(now + PAUSE);
    }
}

/// For whom there is no seat.
fn full() -> String {
    let body = Refusal::unavailable("too many are connected; come again later").json();
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         retry-after: 1\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

async fn accept_unix(listener: &Result<UnixListener, String>) -> io::Result<UnixStream> {
    match listener {
        Ok(listener) => listener.accept().await.map(|(stream, _)| stream),
        Err(_) => pending().await,
    }
}

async fn accept_tcp(tcp: &Option<Result<Tcp, String>>) -> io::Result<(TcpStream, SocketAddr)> {
    match tcp {
        Some(Ok(tcp)) => TcpListener::accept(&tcp.listener).await,
        _ => pending().await,
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}
