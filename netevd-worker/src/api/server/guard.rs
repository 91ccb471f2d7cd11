//! A connection's bytes, and the patience with them: the first byte must come within ten seconds, the head
//! of a request must be complete within ten seconds of its first byte, and who reads an answer must take
//! some of it within thirty.
//!
//! Timers exist only while something is half-way. Waiting for the next request is hyper's to limit.

use super::idle_state::IdleState;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// From the beginning to the first byte, and from that of each request to the end of its head.
pub(super) const HEAD: Duration = Duration::from_secs(10);
/// For so much of an answer to be taken.
pub(super) const STALL: Duration = Duration::from_secs(30);
const SOME: usize = 16 * 1024;

/// One connection.
pub(super) struct Guard<S> {
    stream: S,
    /// Heads that were complete, as whoever serves them counts.
    heads: Arc<AtomicU32>,
    seen: u32,
    /// Something has come.
    has_begun: bool,
    head_until: Option<Pin<Box<Sleep>>>,
    /// Since when the far end does not take all of what it is offered, and what it took since.
    stalled: Option<(Pin<Box<Sleep>>, usize)>,
    idle_state: Arc<IdleState>,
}

impl<S> Guard<S> {
    pub(super) fn new(stream: S, heads: Arc<AtomicU32>, idle_state: Arc<IdleState>) -> Self {
        let head_until = Some(Box::pin(sleep(HEAD)));
        Self { stream, heads, seen: 0, has_begun: false, head_until, stalled: None, idle_state }
    }

    /// After a write of which so much was taken.
    fn took(&mut self, taken: usize, offered: usize) {
        let Some((_, sum)) = &mut self.stalled else { return };
        *sum += taken;
        if taken == offered || *sum >= SOME {
            self.stalled = None;
            self.idle_state.is_stalled(false);
        }
    }

    /// Nothing could be written.
    fn stall(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        self.idle_state.is_stalled(true);
        let (until, _) = self.stalled.get_or_insert_with(|| (Box::pin(sleep(STALL)), 0));
        ready!(until.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the far end reads too slowly"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let heads = this.heads.load(Ordering::Relaxed);
        if heads != this.seen {
            this.seen = heads;
            this.head_until = None;
        }
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            if buffer.filled().len() > before && (!this.has_begun || this.head_until.is_none()) {
                this.has_begun = true;
                this.head_until = Some(Box::pin(sleep(HEAD)));
                this.idle_state.is_busy();
            }
            return Poll::Ready(result);
        }
        match &mut this.head_until {
            None => Poll::Pending,
            Some(until) => {
                ready!(until.as_mut().poll(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the request comes too slowly")))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guard<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Ready(result) => {
                self.took(*result.as_ref().unwrap_or(&0), bytes.len());
                Poll::Ready(result)
            }
            Poll::Pending => self.stall(cx).map(Err),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, slices) {
            Poll::Ready(result) => {
                self.took(*result.as_ref().unwrap_or(&0), slices.iter().map(|slice| slice.len()).sum());
                Poll::Ready(result)
            }
            Poll::Pending => self.stall(cx).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::Instant;

    fn guarded() -> (DuplexStream, Guard<DuplexStream>, Arc<IdleState>) {
        let (near, far) = duplex(64);
        let idle_state = Arc::new(IdleState::default());
        (far, Guard::new(near, Arc::default(), Arc::clone(&idle_state)), idle_state)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_ended_after_ten_seconds() {
        let (_far, mut guard, idle_state) = guarded();
        let start = Instant::now();
        let error = guard.read(&mut [0; 8]).await.expect_err("nothing comes");
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 10));
        assert_eq!(idle_state.idle_since(), Some(start));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte() {
        let (mut far, mut guard, idle_state) = guarded();
        let start = Instant::now();
        sleep(Duration::from_secs(9)).await;
        far.write_all(b"GET").await.expect("room");
        guard.read_exact(&mut [0; 3]).await.expect("it came");
        assert_eq!(idle_state.idle_since(), None);
        let error = guard.read(&mut [0; 8]).await.expect_err("no more comes");
        assert_eq!((error.kind(), start.elapsed().as_secs()), (io::ErrorKind::TimedOut, 19));
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_read_is_not_idle() {
        let (mut far, mut guard, idle_state) = guarded();
        assert!(idle_state.idle_since().is_some());
        let writing = tokio::spawn(async move {
            guard.write_all(&[b'x'; 100]).await.expect("taken in the end");
            guard
        });
        sleep(Duration::from_secs(1)).await;
        assert_eq!(idle_state.idle_since(), None, "half of it waits");
        far.read_exact(&mut [0; 100]).await.expect("the answer");
        let _guard = writing.await.expect("written");
        assert!(idle_state.idle_since().is_some());
    }
}
