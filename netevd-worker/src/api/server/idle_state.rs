//! Since when a connection is idle: between the end of an answer, or its beginning, and the first byte
//! of the next request. Whoever finds every seat taken gets that of the one that is idle longest.

use axum::body::Body;
use hyper::body::{Bytes, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::time::Instant;

/// What is known of one connection.
#[derive(Debug)]
pub(super) struct IdleState(Mutex<Now>);

#[derive(Debug)]
struct Now {
    idle_since: Option<Instant>,
    /// Bytes of an answer wait to be taken.
    is_stalled: bool,
}

impl Default for IdleState {
    /// Idle from now on.
    fn default() -> Self {
        Self(Mutex::new(Now { idle_since: Some(Instant::now()), is_stalled: false }))
    }
}

impl IdleState {
    /// `None` while a request is coming, or its answer is going.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let now = self.now();
        now.idle_since.filter(|_| !now.is_stalled)
    }

    /// A request has begun to come.
    pub(super) fn is_busy(&self) {
        self.now().idle_since = None;
    }

    /// The far end does not take what it is offered, or does again.
    pub(super) fn is_stalled(&self, is_stalled: bool) {
        self.now().is_stalled = is_stalled;
    }

    /// An answer's body, with whose end the connection is idle again.
    pub(super) fn watch(self: &Arc<Self>, body: Body) -> Body {
        Body::new(Watched { body, idle_state: Arc::clone(self) })
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // It is whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Watched {
    body: Body,
    idle_state: Arc<IdleState>,
}

impl hyper::body::Body for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.idle_state.now().idle_since = Some(Instant::now());
    }
}
