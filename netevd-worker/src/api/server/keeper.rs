//! Listens, seats, and follows reloads: the one task that knows who is connected.

use super::access::Peer;
use super::answer::Refusal;
use super::connection::{Desk, serve};
use super::context::Context;
use super::rest::Rest;
use super::seats::{Seats, Who};
use super::tcp::Tcp;
use super::{Orders, router, unix};
use crate::api::document::Listener;
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
const PAUSE_TOLD: Duration = Duration::from_secs(60);
/// For connections to end when the server does.
const FAREWELL: Duration = Duration::from_secs(3);

/// The file of the unix socket, in the runtime directory.
const SOCKET: &str = "api.sock";

pub(super) struct Keeper {
    context: Arc<Context>,
    router: Router,
    orders: watch::Receiver<Orders>,
    told: watch::Sender<Vec<Listener>>,
    stop: CancellationToken,
    path: PathBuf,
    unix: Result<UnixListener, String>,
    /// `None` when none is wanted.
    tcp: Option<Result<Tcp, String>>,
    seats: Seats,
    connections: JoinSet<()>,
    seated: HashMap<Id, Seated>,
    /// Nobody is let in before.
    paused: Option<Instant>,
    pause_told: Option<Instant>,
    retry: Option<Instant>,
}

/// One who is connected.
struct Seated {
    who: Who,
    rest: Arc<Rest>,
    task: AbortHandle,
}

impl Keeper {
    /// Listens at once, as far as that is possible.
    pub(super) fn new(
        context: Arc<Context>,
        runtime_dir: &Path,
        mut orders: watch::Receiver<Orders>,
        told: watch::Sender<Vec<Listener>>,
        stop: CancellationToken,
    ) -> Self {
        let path = runtime_dir.join(SOCKET);
        let group = orders.borrow_and_update().api.socket_group.clone();
        let mut keeper = Self {
            router: router::new(Arc::clone(&context)),
            context,
            orders,
            told,
            stop,
            unix: unix::open(&path, &group),
            path,
            tcp: None,
            seats: Seats::default(),
            connections: JoinSet::new(),
            seated: HashMap::new(),
            paused: None,
            pause_told: None,
            retry: None,
        };
        keeper.open_tcp();
        keeper.tell();
        keeper
    }

    /// Until the server is to end.
    pub(super) async fn run(mut self) {
        loop {
            let is_open = self.paused.is_none();
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = self.orders.changed() => match changed {
                    Ok(()) => self.arrange(),
                    // The server was dropped.
                    Err(_) => break,
                },
                accepted = accept_unix(&self.unix), if is_open => self.let_in_local(accepted),
                accepted = accept_tcp(&self.tcp), if is_open => self.let_in_remote(accepted),
                Some(ended) = self.connections.join_next_with_id() => {
                    let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
                    // Not there any more if it made room.
                    if let Some(seated) = self.seated.remove(&id) {
                        self.seats.free(seated.who);
                    }
                }
                () = at(self.paused) => self.paused = None,
                () = at(self.retry) => self.arrange(),
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
        let _ = timeout(FAREWELL, ending).await;
    }

    /// Makes the listeners what the orders say.
    fn arrange(&mut self) {
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
        self.tell();
    }

    fn open_tcp(&mut self) {
        let api = self.orders.borrow().api.clone();
        let before = self.tcp.take().and_then(Result::ok);
        let not_of = self.context.lesser_users();
        self.tcp = api.tcp().map(|address| Tcp::open(before, address, &api, &not_of, &self.stop));
    }

    /// To whom it concerns: `status`, and the log where something is new.
    fn tell(&mut self) {
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
        let before = self.told.send_replace(now.clone());
        for listener in now.iter().filter(|listener| !before.contains(listener)) {
            match &listener.error {
                None => tracing::info!("the API listens at {}", listener.address),
                Some(error) => tracing::error!("{error}"),
            }
        }
    }

    fn let_in_local(&mut self, accepted: io::Result<UnixStream>) {
        let known = accepted.and_then(|stream| Ok((stream.peer_cred()?, stream)));
        match known {
            Err(error) => self.pause(&error),
            Ok((from, stream)) => {
                let peer = Peer::Local { uid: from.uid(), pid: from.pid().unwrap_or(0) };
                match self.take_seat(Who::of(&peer)) {
                    Some(share) => self.seat(stream, peer, self.stop.clone(), share),
                    None => drop(stream.try_write(full().as_bytes())),
                }
            }
        }
    }

    fn let_in_remote(&mut self, accepted: io::Result<(TcpStream, SocketAddr)>) {
        let known = accepted.and_then(|(stream, far)| Ok((stream.local_addr()?, far, stream)));
        let (near, far, stream) = match known {
            Err(error) => return self.pause(&error),
            Ok(known) => known,
        };
        let Some(Ok(tcp)) = &self.tcp else { return };
        // An event is to be seen when it happens.
        let _ = stream.set_nodelay(true);
        let peer = Peer::Remote { far, near, gate: Arc::clone(&tcp.gate) };
        let closing = tcp.closing.clone();
        match self.take_seat(Who::of(&peer)) {
            Some(share) => self.seat(stream, peer, closing, share),
            None => drop(stream.try_write(full().as_bytes())),
        }
    }

    /// A seat that is free, or that of the connection that is idle longest; `None` where all are busy.
    fn take_seat(&mut self, who: Who) -> Option<Arc<Semaphore>> {
        let full = match self.seats.take(who) {
            Ok(share) => return Some(share),
            Err(full) => full,
        };
        let candidates = self.seated.iter().filter(|(_, seated)| seated.who.makes_room_for(who, full));
        let idle = candidates.filter_map(|(id, seated)| Some((seated.rest.idle_since()?, *id)));
        let (_, longest) = idle.min_by_key(|(since, _)| *since)?;
        let seated = self.seated.remove(&longest)?;
        seated.task.abort();
        self.seats.free(seated.who);
        self.seats.take(who).ok()
    }

    fn seat<S>(&mut self, stream: S, peer: Peer, closing: CancellationToken, share: Arc<Semaphore>)
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    {
        let who = Who::of(&peer);
        let rest = Arc::new(Rest::default());
        let desk = Desk {
            context: Arc::clone(&self.context),
            router: self.router.clone(),
            peer,
            closing,
            share,
            rest: Arc::clone(&rest),
        };
        let task = self.connections.spawn(serve(stream, desk));
        self.seated.insert(task.id(), Seated { who, rest, task });
    }

    /// Who hung up before being let in is no trouble; without descriptors, trying again at once would
    /// be a loop.
    fn pause(&mut self, error: &io::Error) {
        if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::NotConnected) {
            return;
        }
        let now = Instant::now();
        if self.pause_told.is_none_or(|told| now.duration_since(told) >= PAUSE_TOLD) {
            self.pause_told = Some(now);
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
