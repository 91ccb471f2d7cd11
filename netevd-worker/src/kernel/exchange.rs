//! One socket for dumps: a request, and the messages that answer it, handed over one by one and never
//! kept. A million routes cost time here and no memory.
//!
//! Not rtnetlink, whose connection parses every message into values of its own and queues them without
//! bound. What it hides is visible here: a dump that the kernel refuses under strict checking ends in an
//! errno inside `NLMSG_DONE` and looks like an empty success otherwise; one that was interrupted by a
//! change carries `NLM_F_DUMP_INTR`.

use super::raw::{Messages, Raw};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc::{NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP};
use std::fmt;
use std::io;
use tokio::io::unix::AsyncFd;

/// No datagram of the kernel is larger.
const BUFFER: usize = 32 * 1024;
/// Datagrams before the others on this thread get their turn: some thousand routes.
const DATAGRAMS: usize = 4;

/// Why a dump brought nothing.
#[derive(Debug)]
pub enum DumpError {
    /// No socket, or it broke.
    Socket(io::Error),
    /// The kernel refused; the text names what was asked.
    Refused(&'static str, io::Error),
    /// It ended before `NLMSG_DONE`.
    Incomplete(&'static str),
}

/// The socket; one dump at a time, as the kernel demands.
pub(super) struct Exchange {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    sequence: u32,
}

impl Exchange {
    /// Opens it; needs a tokio runtime.
    pub(super) fn open() -> Result<Self, DumpError> {
        let open = || {
            let socket = Socket::new(NETLINK_ROUTE)?;
            // Connected to the kernel it takes messages from nobody else.
            socket.connect(&SocketAddr::new(0, 0))?;
            // Else filters are ignored and a table of a million is told for one of three.
            socket.set_netlink_get_strict_chk(true)?;
            socket.set_non_blocking(true)?;
            crate::sys::watch_socket(socket)
        };
        let socket = open().map_err(DumpError::Socket)?;
        Ok(Self { socket, buffer: Vec::with_capacity(BUFFER), sequence: 0 })
    }

    /// Calls `each` for every message of a dump; false when changes meanwhile made it inexact.
    pub(super) async fn dump(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        mut each: impl FnMut(&Raw<'_>),
    ) -> Result<bool, DumpError> {
        self.ask(request).map_err(DumpError::Socket)?;
        let mut clean = true;
        for turn in 1_usize.. {
            if !self.receive().await.map_err(DumpError::Socket)? {
                clean = false;
                continue;
            }
            for message in Messages::of(&self.buffer) {
                let message = message.map_err(|_| DumpError::Incomplete(what))?;
                // The rest of a dump that was given up.
                if message.sequence != self.sequence {
                    continue;
                }
                clean &= message.flags & NLM_F_DUMP_INTR == 0;
                match i32::from(message.kind) {
                    NLMSG_DONE | NLMSG_ERROR => return finished(what, code(&message), clean),
                    NLMSG_NOOP => {}
                    _ => each(&message),
                }
            }
            if turn % DATAGRAMS == 0 {
                tokio::task::yield_now().await;
            }
        }
        Err(DumpError::Incomplete(what))
    }

    /// One question that is no dump: hands over what answers it, or the errno of the kernel's.
    pub(super) async fn one(
        &mut self,
        what: &'static str,
        request: RouteNetlinkMessage,
        mut each: impl FnMut(&Raw<'_>),
    ) -> Result<(), DumpError> {
        self.send(request, NLM_F_REQUEST).map_err(DumpError::Socket)?;
        loop {
            if !self.receive().await.map_err(DumpError::Socket)? {
                return Err(DumpError::Incomplete(what));
            }
            for message in Messages::of(&self.buffer) {
                let message = message.map_err(|_| DumpError::Incomplete(what))?;
                if message.sequence != self.sequence {
                    continue;
                }
                if i32::from(message.kind) == NLMSG_ERROR {
                    let error = io::Error::from_raw_os_error(code(&message).saturating_neg());
                    return Err(DumpError::Refused(what, error));
                }
                each(&message);
                return Ok(());
            }
        }
    }

    fn ask(&mut self, request: RouteNetlinkMessage) -> io::Result<()> {
        self.send(request, NLM_F_REQUEST | NLM_F_DUMP)
    }

    fn send(&mut self, request: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut message = NetlinkMessage::from(request);
        message.header.flags = flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.get_ref().send(&bytes, 0).map(drop)
    }

    /// Waits for the next datagram of the kernel's; false when one was lost on the way.
    async fn receive(&mut self) -> io::Result<bool> {
        loop {
            let mut ready = self.socket.readable().await?;
            self.buffer.clear();
            let buffer = &mut self.buffer;
            let is = |error: &io::Error, errno: Errno| error.raw_os_error() == Some(errno as i32);
            match ready.try_io(|socket| socket.get_ref().recv(buffer, 0)) {
                Ok(Ok(_)) => return Ok(true),
                Ok(Err(error)) if is(&error, Errno::EINTR) => {}
                Ok(Err(error)) if is(&error, Errno::ENOBUFS) => return Ok(false),
                Ok(Err(error)) => return Err(error),
                Err(_would_block) => {}
            }
        }
    }
}

/// Both begin with it: 0, or an errno below it.
fn code(message: &Raw<'_>) -> i32 {
    message.payload.first_chunk().map_or(0, |bytes| i32::from_ne_bytes(*bytes))
}

fn finished(what: &'static str, code: i32, clean: bool) -> Result<bool, DumpError> {
    match code {
        0 => Ok(clean),
        code => match io::Error::from_raw_os_error(code.saturating_neg()) {
            // No such table, or no such link any more: there are none.
            error
                if [Some(Errno::ENOENT as i32), Some(Errno::ENODEV as i32)]
                    .contains(&error.raw_os_error()) =>
            {
                Ok(clean)
            }
            error => Err(DumpError::Refused(what, error)),
        },
    }
}

impl fmt::Display for DumpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DumpError::Socket(error) => write!(f, "netlink socket: {error}"),
            DumpError::Refused(what, error) => write!(f, "the kernel refused to dump {what}: {error}"),
            DumpError::Incomplete(what) => write!(f, "the dump of {what} ended early"),
        }
    }
}

impl std::error::Error for DumpError {}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_route::AddressFamily;
    use netlink_packet_route::route::{RouteMessage, RouteScope};

    fn request(scope: RouteScope) -> RouteNetlinkMessage {
        let mut request = RouteMessage::default();
        request.header.address_family = AddressFamily::Inet;
        request.header.scope = scope;
        RouteNetlinkMessage::GetRoute(request)
    }

    #[tokio::test]
    async fn a_refused_dump_is_an_error_and_no_empty_table() {
        let mut exchange = Exchange::open().expect("a socket");
        // Strict checking permits no scope in a dump request.
        let refused = exchange.dump("routes", request(RouteScope::Link), |_| {}).await;
        assert!(matches!(refused, Err(DumpError::Refused("routes", _))), "{refused:?}");
        // The socket is as good as before.
        assert!(exchange.dump("routes", request(RouteScope::Universe), |_| {}).await.is_ok());
    }

    #[tokio::test]
    async fn what_is_left_of_a_dump_is_not_in_the_next() {
        let mut exchange = Exchange::open().expect("a socket");
        exchange.ask(request(RouteScope::Universe)).expect("sent");
        let mut links = 0;
        let request = || RouteNetlinkMessage::GetLink(Default::default());
        // The kernel is busy with the first one until it has been read.
        for _ in 0..3 {
            links = 0;
            let dumped = exchange
                .dump("links", request(), |message| {
                    assert_eq!(message.kind, nix::libc::RTM_NEWLINK);
                    links += 1;
                })
                .await;
            if dumped.is_ok() {
                break;
            }
        }
        assert!(links > 0);
    }
}
