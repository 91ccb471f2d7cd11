//! Where the helper connects when systemd runs both: one at a time, and nobody else.

use crate::accounts;
use crate::routing::{Helper, HelperError};
use nix::errno::Errno;
use nix::sys::socket::{SockFlag, accept4, getsockopt, sockopt::PeerCredentials};
use nix::unistd::Uid;
use std::convert::Infallible;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// The helper's user, as sysusers.d makes it.
pub(super) const HELPER_USER: &str = "netevd-priv";
/// After accept(2) failed for want of descriptors or memory.
const PAUSE: Duration = Duration::from_secs(1);

/// The listening socket, and who may come in.
pub(super) struct HelperListener {
    listener: AsyncFd<OwnedFd>,
    helper: Uid,
}

/// Why nobody can be let in.
#[derive(Debug)]
pub(super) enum HelperListenerError {
    /// The helper's user does not exist.
    NoUser(Option<io::Error>),
    /// The socket is of no use.
    Socket(io::Error),
}

impl HelperListener {
    /// With a listening socket that does not block.
    pub(super) fn new(listener: OwnedFd) -> Result<Self, HelperListenerError> {
        let user = accounts::user(HELPER_USER).map_err(|error| HelperListenerError::NoUser(Some(error)))?;
        let helper = Uid::from_raw(user.ok_or(HelperListenerError::NoUser(None))?.uid);
        Self::for_user(listener, helper)
    }

    fn for_user(listener: OwnedFd, helper: Uid) -> Result<Self, HelperListenerError> {
        Ok(Self {
            listener: crate::sys::watch_readable(listener).map_err(HelperListenerError::Socket)?,
            helper,
        })
    }

    /// Waits for a helper that greets. Whoever else comes is closed at once. Cancel-safe: who was
    /// being greeted is closed, and connects again.
    pub(super) async fn helper(&self) -> Helper {
        loop {
            let (channel, uid) = self.accept().await;
            if uid != self.helper {
                tracing::warn!(
                    "uid {uid} connected to the helper's socket, which is for {HELPER_USER} (uid {}); closed",
                    self.helper
                );
                continue;
            }
            match self.beside(Helper::connect(channel)).await {
                Ok(helper) => return helper,
                // It ended on its own, and has said why.
                Err(HelperError::Gone) => {}
                Err(error) => tracing::warn!("the helper connected, and: {error}; closed"),
            }
        }
    }

    /// Does `work`, which uses a helper, and closes meanwhile whoever connects.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> T {
        tokio::select! {
            done = work => done,
            never = self.reject() => match never {},
        }
    }

    async fn reject(&self) -> Infallible {
        loop {
            let (_closed, uid) = self.accept().await;
            tracing::warn!("uid {uid} connected while a helper is connected; closed");
        }
    }

    async fn accept(&self) -> (OwnedFd, Uid) {
        loop {
            match self.try_accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    tracing::warn!("the helper's socket: {error}; trying again in {} s", PAUSE.as_secs());
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<(OwnedFd, Uid)> {
        loop {
            let mut ready = self.listener.readable().await?;
            let taken = ready.try_io(|listener| {
                let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
                accept4(listener.as_raw_fd(), flags).map_err(io::Error::from)
            });
            match taken {
                Ok(Ok(number)) => {
                    let channel = crate::sys::inherited(number)?;
                    let uid = getsockopt(&channel, PeerCredentials)?.uid();
                    return Ok((channel, Uid::from_raw(uid)));
                }
                // It left before it was let in.
                Ok(Err(error)) if error.raw_os_error() == Some(Errno::ECONNABORTED as i32) => {}
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

impl fmt::Display for HelperListenerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HelperListenerError::NoUser(None) => {
                write!(f, "there is no user {HELPER_USER}: run systemd-sysusers, which makes it")
            }
            HelperListenerError::NoUser(Some(error)) => {
                write!(f, "the user {HELPER_USER} cannot be looked up: {error}")
            }
            HelperListenerError::Socket(error) => write!(f, "the helper's socket: {error}"),
        }
    }
}

impl std::error::Error for HelperListenerError {}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::sys::socket::{
        AddressFamily, Backlog, MsgFlags, SockType, UnixAddr, bind, connect, getsockname, listen, recv, send,
        socket,
    };
    use protocol::{MAX_FRAME, Reply, encode_reply};

    fn seqpacket() -> OwnedFd {
        socket(AddressFamily::Unix, SockType::SeqPacket, SockFlag::SOCK_CLOEXEC, None).expect("a socket")
    }

    fn listener() -> (OwnedFd, UnixAddr) {
        let listener = seqpacket();
        bind(listener.as_raw_fd(), &UnixAddr::new_unnamed()).expect("bound");
        listen(&listener, Backlog::new(8).expect("small")).expect("listening");
        let flags = nix::fcntl::FcntlArg::F_SETFL(nix::fcntl::OFlag::O_NONBLOCK);
        nix::fcntl::fcntl(&listener, flags).expect("set");
        let address = getsockname(listener.as_raw_fd()).expect("a name");
        (listener, address)
    }

    /// Connects, answers one frame, and returns whether the other side stays after it.
    fn visit(address: UnixAddr) -> std::thread::JoinHandle<(OwnedFd, bool)> {
        std::thread::spawn(move || {
            let own = seqpacket();
            connect(own.as_raw_fd(), &address).expect("connected");
            let mut frame = [0; MAX_FRAME];
            let greeted = recv(own.as_raw_fd(), &mut frame, MsgFlags::empty()).is_ok_and(|length| length > 0);
            if greeted {
                send(own.as_raw_fd(), &encode_reply(&Reply::Ok), MsgFlags::MSG_NOSIGNAL).expect("sent");
            }
            (own, greeted)
        })
    }

    fn run(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let guarded = async { tokio::time::timeout(Duration::from_secs(60), test).await };
        runtime.block_on(guarded).expect("within a minute");
    }

    #[test]
    fn one_helper_at_a_time() {
        run(async {
            let (listener, address) = listener();
            let helper_listener = HelperListener::for_user(listener, nix::unistd::geteuid()).expect("a door");
            let first = visit(address);
            let helper = helper_listener.helper().await;
            assert!(first.join().expect("ended").1);
            // While it is used, others are closed before they are greeted.
            let second = visit(address);
            let closed = async {
                while !second.is_finished() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            helper_listener.beside(closed).await;
            assert!(!second.join().expect("ended").1, "it was greeted");
            drop(helper);
            let third = visit(address);
            helper_listener.helper().await;
            assert!(third.join().expect("ended").1);
        });
    }

    #[test]
    fn nobody_else_comes_in() {
        run(async {
            let (listener, address) = listener();
            let helper_listener =
                HelperListener::for_user(listener, Uid::from_raw(4_000_000)).expect("a door");
            let stranger = visit(address);
            let rejected = async {
                while !stranger.is_finished() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            tokio::select! {
                _ = helper_listener.helper() => panic!("a stranger came in"),
                () = rejected => {}
            }
            assert!(!stranger.join().expect("ended").1, "it was greeted");
        });
    }
}
