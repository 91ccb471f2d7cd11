//! One connection: HTTP/1.1 within limits, each request admitted or refused before anything else,
//! what changes or is refused told to the audit log.

use super::access::{Peer, admit};
use super::answer::{Refusal, harden, spare_dialogue};
use super::context::Context;
use super::guard::Guard;
use super::idle_state::IdleState;
use crate::audit::Entry;
use crate::request::Actor;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Incoming};
use hyper::http::request::Parts;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Between two requests of one connection.
const IDLE: Duration = Duration::from_secs(60);
/// The head of a request, in bytes and in headers.
const HEAD_BYTES: usize = 16 * 1024;
const HEADERS: usize = 64;
/// The body of a request, which nothing here needs, and how long it may take to come.
const BODY_BYTES: usize = 64 * 1024;
const BODY_TIME: Duration = Duration::from_secs(10);
/// What the end of the server leaves to answers on their way.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(2);
/// For a share of memory to become free.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of a path, for the audit log.
const PATH: usize = 256;

/// Whom a handler answers.
#[derive(Clone)]
pub(super) struct Caller {
    /// Who.
    pub(super) actor: Actor,
    /// May have something changed.
    pub(super) changing: Result<(), Refusal>,
    /// When streams end.
    pub(super) closing: CancellationToken,
    memory_permit: Arc<Semaphore>,
}

impl Caller {
    /// Takes so many KiB for an answer from what one user or one host may have on its way at a time;
    /// waits for those who do not read the answers before.
    pub(super) async fn reserve(&self, size: usize) -> Result<OwnedSemaphorePermit, Refusal> {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        let waiting = timeout(TIMEOUT, Arc::clone(&self.memory_permit).acquire_many_owned(size));
        match waiting.await {
            Ok(Ok(memory_permit)) => Ok(memory_permit),
            _ => Err(Refusal::unavailable("too many long answers are on their way to you; read them first")),
        }
    }
}

/// What all requests of one connection share.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) context: Arc<Context>,
    pub(super) router: Router,
    pub(super) peer: Peer,
    pub(super) closing: CancellationToken,
    /// Of what this user or host may have on its way.
    pub(super) memory_permit: Arc<Semaphore>,
    /// Whether it is idle.
    pub(super) idle_state: Arc<IdleState>,
}

/// Serves one connection to its end.
pub(super) async fn serve<S>(stream: S, session: Session)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let heads = Arc::new(AtomicU32::new(0));
    let io = TokioIo::new(Guard::new(stream, Arc::clone(&heads), Arc::clone(&session.idle_state)));
    let closing = session.closing.clone();
    let service = service_fn(move |request| {
        heads.fetch_add(1, Ordering::Relaxed);
        session.idle_state.is_busy();
        let session = session.clone();
        async move { Ok::<_, Infallible>(session.answer(request).await) }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(IDLE)
            .max_headers(HEADERS)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(io, service)
    );
    let result = tokio::select! {
        result = &mut connection => result,
        () = closing.cancelled() => {
            connection.as_mut().graceful_shutdown();
            timeout(SHUTDOWN_TIMEOUT, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = result {
        // Whoever goes away half-way, or talks something else than HTTP: no news for the administrator.
        tracing::debug!("a connection to the API ended: {error}");
    }
}

impl Session {
    async fn answer(self, request: Request<Incoming>) -> Response {
        let (head, body) = request.into_parts();
        let admission = admit(&self.peer, self.context.own_uid, &head);
        let noted = (head.method.clone(), head.uri.path().chars().take(PATH).collect::<String>());
        let is_head = head.method == Method::HEAD;
        let mut response = match admission.reading {
            Err(refusal) => {
                let mut response = refusal.into_response();
                spare_dialogue(&head.headers, response.headers_mut());
                response
            }
            Ok(()) => {
                let caller = Caller {
                    actor: admission.actor.clone(),
                    changing: admission.changing,
                    closing: self.closing.clone(),
                    memory_permit: Arc::clone(&self.memory_permit),
                };
                self.routed(head, body, caller).await
            }
        };
        if is_head {
            *response.body_mut() = Body::empty();
        }
        harden(response.headers_mut());
        let body = std::mem::take(response.body_mut());
        *response.body_mut() = self.idle_state.watch(body);
        self.note(&admission.actor, &noted, response.status());
        response
    }

    async fn routed(&self, mut head: Parts, body: Incoming, caller: Caller) -> Response {
        if head.method == Method::POST
            && let Err(refusal) = drain_body(body).await
        {
            return refusal.into_response();
        }
        head.extensions.insert(caller);
        let router = TowerToHyperService::new(self.router.clone());
        let Ok(response) = router.call(Request::from_parts(head, Body::empty())).await;
        response
    }

    /// Of what is read there is no record, but of who was refused.
    fn note(&self, actor: &Actor, (method, path): &(Method, String), status: StatusCode) {
        let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
        let is_change = *method == Method::POST
            && ![StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&status);
        if is_refused || is_change {
            self.context.audit.record(|| {
                let method: String = method.as_str().chars().take(PATH).collect();
                Entry::api(actor, &method, path, status.as_u16())
            });
        }
    }
}

/// Takes the body off the connection.
async fn drain_body(body: Incoming) -> Result<(), Refusal> {
    let too_large = || Refusal::too_large(format!("a body of more than {BODY_BYTES} bytes; none is needed"));
    if body.size_hint().lower() > u64::try_from(BODY_BYTES).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let mut body = Limited::new(body, BODY_BYTES);
    let swallowing = async {
        while let Some(frame) = body.frame().await {
            frame.map_err(|error| match error.is::<LengthLimitError>() {
                true => too_large(),
                false => Refusal::bad("the body of the request is not complete"),
            })?;
        }
        Ok(())
    };
    let slow = || Refusal::too_slow(format!("the body did not come within {} s", BODY_TIME.as_secs()));
    timeout(BODY_TIME, swallowing).await.unwrap_or_else(|_| Err(slow()))
}
