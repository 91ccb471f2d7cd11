//! `GET /api/v1/events/stream`: server-sent events, one message each time an event changes, or the host as a whole.
//!
//! A reader that falls behind is told from the ring again; nothing comes twice or out of order. A
//! stream is no task: what its reader does not take is not made.

use super::answer::{Answer, Refusal, text};
use super::connection::Caller;
use super::context::Context;
use super::query::{Parameters, bad};
use crate::request::{ApiRequest, Change, ChangeKind, Followed, StreamPosition};
use axum::body::Body;
use axum::extract::{Extension, State};
use futures_util::stream::unfold;
use http_body_util::StreamBody;
use hyper::body::{Bytes, Frame};
use hyper::{HeaderMap, StatusCode, Uri};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// A silent connection is kept in the memory of what lies between, and a dead one is found.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// At most so many of `tail`: the ring has no more.
const TAIL: usize = crate::journal::EVENTS;

struct Reader {
    /// While a backlog waits to be sent: its share of what its reader may have on its way.
    share: Option<OwnedSemaphorePermit>,
    caller: Caller,
    context: Arc<Context>,
    closing: CancellationToken,
    /// Up to where it was told, once nothing is missed any more.
    place: StreamPosition,
    missed: VecDeque<Change>,
    changes: broadcast::Receiver<Change>,
}

/// Resumes after `Last-Event-ID` or `since`; begins with the last `tail` changes; else with what
/// comes from now on.
pub(super) async fn stream(
    State(context): State<Arc<Context>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    uri: Uri,
) -> Answer {
    let parameters = Parameters::of(&uri, &["since", "tail"])?;
    let tail = parameters.number("tail", 0..=TAIL)?;
    let since = match parameters.one("since")? {
        Some(text) => Some(
            text.parse().map_err(|()| bad("since", text, "a place of the stream, as in the messages' id"))?,
        ),
        None => None,
    };
    // What another program's stream left there means no place of ours, and is not worth a refusal
    // that a browser would never get over.
    let resumed = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let after = resumed.or(since);
    if tail.is_some() && since.is_some() {
        return Err(Refusal::bad("since and tail exclude each other"));
    }
    let tail = tail.filter(|tail| *tail > 0 && after.is_none());
    // A place of no life of the worker: the whole ring.
    const BEGINNING: StreamPosition = StreamPosition { instance: 0, revision: 0 };
    let from = after.or(tail.map(|_| BEGINNING));
    // Before it is made, as much as it can be; an event is reckoned at a KiB.
    let mut share = if from.is_some() { Some(caller.reserve(TAIL).await?) } else { None };
    let followed = context.ask(|reply| ApiRequest::Follow(from, reply)).await?;
    let now = StreamPosition { instance: followed.instance, revision: followed.revision };
    let Followed { missed, changes, .. } = followed;
    let mut missed = VecDeque::from(missed);
    if let Some(tail) = tail {
        missed.drain(..missed.len().saturating_sub(tail));
        missed.shrink_to_fit();
    }
    // What it does not have is free for others.
    drop(share.as_mut().and_then(|share| share.split(TAIL.saturating_sub(missed.len()))));
    let closing = caller.closing.clone();
    let reader = Reader { share, caller, context, closing, place: now, missed, changes };
    // Said at once, so that the other side knows that it listens.
    let greeting = futures_util::stream::once(async { frame(": netevd\n\n".to_owned()) });
    let messages = futures_util::StreamExt::chain(
        greeting,
        unfold(reader, |mut reader| async move {
            let message = reader.next().await?;
            Some((frame(message), reader))
        }),
    );
    Ok(text(StatusCode::OK, "text/event-stream", Body::new(StreamBody::new(messages))))
}

fn frame(text: String) -> Result<Frame<Bytes>, Infallible> {
    Ok(Frame::data(Bytes::from(text)))
}

impl Reader {
    /// `None` is the end: the server stops, or this door closes.
    async fn next(&mut self) -> Option<String> {
        loop {
            if self.closing.is_cancelled() {
                return None;
            }
            if let Some(change) = self.missed.pop_front() {
                return Some(message(&change));
            }
            self.missed.shrink_to_fit();
            self.share = None;
            let received = tokio::select! {
                () = self.closing.cancelled() => return None,
                received = timeout(KEEP_ALIVE, self.changes.recv()) => received,
            };
            match received {
                Err(_) => return Some(": still here\n\n".to_owned()),
                Ok(Ok(change)) => {
                    self.place = change.place;
                    return Some(message(&change));
                }
                Ok(Err(RecvError::Closed)) => return None,
                Ok(Err(RecvError::Lagged(_))) => {
                    let place = Some(self.place);
                    self.share = Some(self.caller.reserve(TAIL).await.ok()?);
                    let followed = self.context.ask(|reply| ApiRequest::Follow(place, reply)).await.ok()?;
                    self.place = StreamPosition { instance: followed.instance, revision: followed.revision };
                    (self.missed, self.changes) = (followed.missed.into(), followed.changes);
                    // The one that counts may be among what it was too slow for.
                    self.missed.extend(followed.state);
                }
            }
        }
    }
}

/// JSON has no line end outside of strings, and escapes it inside.
fn message(change: &Change) -> String {
    match change.kind {
        ChangeKind::Event => format!("id: {}\nevent: event\ndata: {}\n\n", change.place, change.json),
        ChangeKind::State => format!("event: state\ndata: {}\n\n", change.json),
    }
}
