//! The worker's end of the channel: one request, one reply.

use crate::metrics::Handle;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv, send};
use protocol::{CodecError, MAX_FRAME, Reply, Request, VERSION, decode_reply, encode_request};
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;

/// A helper that is silent for this many looks, this far apart, is given up. An answer takes less than a millisecond;
/// but each change waits for the kernel's lock of all network settings (rtnl), which is one for all namespaces: the end
/// of one with 5,000 links held it for 85 s. Not one long wait: a machine that was paused (a snapshot, a live
/// migration) would wake up with it over, and the helper's answer a moment away.
const LOOKS: u32 = 120;
const APART: Duration = Duration::from_secs(1);
/// After this many it is logged.
const LOGGED: u32 = 10;
/// Between two attempts when the helper's write budget is used up.
const BUSY_PAUSE: Duration = Duration::from_millis(100);

/// The helper, as the worker sees it.
pub struct Helper {
    channel: AsyncFd<OwnedFd>,
    metrics: Option<Handle>,
}

/// Why the helper gave no answer. All are final for this helper: whoever started it, the launcher
/// or systemd, starts another.
#[derive(Debug)]
pub enum HelperError {
    /// It closed the channel: it ended.
    Gone,
    /// It did not answer in time.
    Silent,
    /// The channel failed.
    Channel(io::Error),
    /// It answered something that is no reply.
    Frame(CodecError),
    /// It sent something unasked.
    Unasked,
    /// It did not accept our protocol version.
    Version(Reply),
}

impl Helper {
    /// Takes the channel and greets.
    pub async fn connect(channel: OwnedFd) -> Result<Self, HelperError> {
        nix::fcntl::fcntl(&channel, nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK))
            .map_err(|e| HelperError::Channel(e.into()))?;
        let channel = crate::sys::watch(channel).map_err(HelperError::Channel)?;
        let mut helper = Self { channel, metrics: None };
        match helper.call(&Request::Hello { version: VERSION }).await? {
            Reply::Ok => Ok(helper),
            other => Err(HelperError::Version(other)),
        }
    }

    /// Requests are counted from now on.
    pub fn count_in(&mut self, metrics: Handle) {
        self.metrics = Some(metrics);
    }

    /// One request; `Busy` is waited out.
    pub async fn call(&mut self, request: &Request) -> Result<Reply, HelperError> {
        loop {
            let began = Instant::now();
            let answer = self.answer(request).await;
            if let Some(metrics) = &self.metrics {
                let result = answer.as_ref().map_or("lost", name_of);
                metrics.helper_request(request.name(), result, began.elapsed());
            }
            match answer {
                Ok(Reply::Busy) => tokio::time::sleep(BUSY_PAUSE).await,
                other => return other,
            }
        }
    }

    /// Waits until it is lost, while nothing is asked of it. Cancel-safe.
    pub async fn lost(&mut self) -> HelperError {
        let mut byte = [0; 1];
        loop {
            let mut ready = match self.channel.readable().await {
                Ok(ready) => ready,
                Err(error) => return HelperError::Channel(error),
            };
            // Not taken: only its presence counts.
            let peeked =
                ready.try_io(|fd| recv(fd.as_raw_fd(), &mut byte, MsgFlags::MSG_PEEK).map_err(Into::into));
            match peeked {
                Ok(Ok(0)) => return HelperError::Gone,
                Ok(Ok(_)) => return HelperError::Unasked,
                Ok(Err(error)) => return gone_or(error),
                Err(_would_block) => {}
            }
        }
    }

    async fn answer(&mut self, request: &Request) -> Result<Reply, HelperError> {
        let mut exchange = pin!(self.exchange(request));
        for look in 1..=LOOKS {
            if let Ok(answer) = tokio::time::timeout(APART, exchange.as_mut()).await {
                return answer;
            }
            if look == LOGGED {
                tracing::warn!(
                    "routing: the helper has not answered for {} s: the kernel is busy with other network settings, \
                     or netevd-priv hangs; it is given up after {} s",
                    (APART * LOGGED).as_secs(),
                    (APART * LOOKS).as_secs()
                );
            }
        }
        Err(HelperError::Silent)
    }

    async fn exchange(&mut self, request: &Request) -> Result<Reply, HelperError> {
        let frame = encode_request(request);
        loop {
            let mut ready = self.channel.writable().await.map_err(HelperError::Channel)?;
            match ready.try_io(|fd| send(fd.as_raw_fd(), &frame, MsgFlags::MSG_NOSIGNAL).map_err(Into::into))
            {
                Ok(result) => {
                    result.map_err(gone_or)?;
                    break;
                }
                Err(_would_block) => {}
            }
        }
        let mut buffer = [0; MAX_FRAME + 1];
        loop {
            let mut ready = self.channel.readable().await.map_err(HelperError::Channel)?;
            let received =
                ready.try_io(|fd| recv(fd.as_raw_fd(), &mut buffer, MsgFlags::empty()).map_err(Into::into));
            match received {
                Ok(Ok(0)) => return Err(HelperError::Gone),
                Ok(Ok(length)) => {
                    return decode_reply(buffer.get(..length).unwrap_or_default())
                        .map_err(HelperError::Frame);
                }
                Ok(Err(error)) => return Err(gone_or(error)),
                Err(_would_block) => {}
            }
        }
    }
}

/// A reply in a word, as metrics show it.
fn name_of(reply: &Reply) -> &'static str {
    match reply {
        Reply::Ok => "ok",
        Reply::Exists => "exists",
        Reply::Absent => "absent",
        Reply::Refused(_) => "refused",
        Reply::Kernel(_) => "kernel_error",
        Reply::Busy => "busy",
    }
}

fn gone_or(error: io::Error) -> HelperError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPIPE | Errno::ECONNRESET) => HelperError::Gone,
        _ => HelperError::Channel(error),
    }
}

impl fmt::Display for HelperError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HelperError::Gone => f.write_str("the helper has ended"),
            HelperError::Silent => {
                write!(f, "the helper did not answer within {} s", (APART * LOOKS).as_secs())
            }
            HelperError::Channel(error) => write!(f, "the channel to the helper failed: {error}"),
            HelperError::Frame(error) => write!(f, "the helper sent {error}"),
            HelperError::Unasked => f.write_str("the helper sent what nobody asked for"),
            HelperError::Version(reply) => {
                write!(f, "the helper did not accept protocol {VERSION}: {reply:?}")
            }
        }
    }
}

impl std::error::Error for HelperError {}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socketpair};
    use protocol::{decode_request, encode_reply};

    fn greeted() -> (Helper, OwnedFd) {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let pair = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags);
        let (own, other) = pair.expect("a pair");
        let channel = crate::sys::watch(own).expect("watched");
        (Helper { channel, metrics: None }, other)
    }

    /// What was asked, if anything was.
    fn asked(other: &OwnedFd) -> Option<Request> {
        let mut frame = [0; MAX_FRAME];
        let length = recv(other.as_raw_fd(), &mut frame, MsgFlags::MSG_DONTWAIT).ok()?;
        Some(decode_request(&frame[..length]).expect("a request"))
    }

    /// The machine stands still for a minute between a request and its answer, which then comes.
    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_paused_has_lost_no_helper() {
        let (mut helper, other) = greeted();
        let pause = async {
            while asked(&other).is_none() {
                tokio::task::yield_now().await;
            }
            tokio::time::advance(Duration::from_secs(60)).await;
            // What is overdue is seen first, and the answer after it.
            tokio::task::yield_now().await;
            let reply = encode_reply(&Reply::Ok);
            send(other.as_raw_fd(), &reply, MsgFlags::MSG_NOSIGNAL).expect("sent");
        };
        let (answer, ()) = tokio::join!(helper.call(&Request::SyncEnd), pause);
        assert!(matches!(answer, Ok(Reply::Ok)), "{answer:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_helper_that_is_silent_is_given_up() {
        let (mut helper, other) = greeted();
        let began = tokio::time::Instant::now();
        assert!(matches!(helper.call(&Request::SyncEnd).await, Err(HelperError::Silent)));
        assert_eq!(began.elapsed().as_secs(), 120);
        assert_eq!(asked(&other), Some(Request::SyncEnd));
        assert_eq!(asked(&other), None, "it was asked once");
    }
}
