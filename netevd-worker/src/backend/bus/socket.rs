//! The socket beneath a connection to the bus: without descriptors, and through the [`message_filter`].
//!
//! It never says that it takes descriptors (NEGOTIATE_UNIX_FD of the specification), so the bus gives it none:
//! signals with descriptors that a stranger sends cannot use up those of this process. They would be
//! closed by the kernel even so, as the bytes are read by read(2), which takes none along.
//!
//! [`message_filter`]: super::message_filter

use super::message_filter::{Accepted, MessageFilter, SenderCheck};
use nix::sys::socket::{Shutdown, shutdown};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream as StdUnixStream};
use std::sync::Arc;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use zbus::Address;
use zbus::address::transport::{Transport, UnixSocket};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::export::async_trait::async_trait;

/// Bytes that are read at a time.
const PIECE: usize = 16 * 1024;

/// A connected socket.
#[derive(Debug)]
pub(super) struct BusSocket {
    stream: UnixStream,
    sender_check: Option<Arc<SenderCheck>>,
}

impl BusSocket {
    /// Connects to this address. Through a door come its service's signals, without one answers alone.
    ///
    /// # Errors
    /// When nothing listens, or it is no socket of this machine.
    pub(super) async fn connect(address: &str, sender_check: Option<Arc<SenderCheck>>) -> io::Result<Self> {
        let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, what);
        let parsed: Address = address.parse().map_err(|error| wrong(format!("{address}: {error}")))?;
        let stream = match parsed.transport() {
            Transport::Unix(unix) => match unix.path() {
                UnixSocket::File(path) => UnixStream::connect(path).await?,
                UnixSocket::Abstract(name) => {
                    let place = SocketAddr::from_abstract_name(name.as_encoded_bytes())?;
                    let stream = StdUnixStream::connect_addr(&place)?;
                    stream.set_nonblocking(true)?;
                    UnixStream::from_std(stream)?
                }
                _ => return Err(wrong(format!("{address} is for those who listen"))),
            },
            // Only a socket of this machine says whose the far end is; and a host's name would be looked up
            // by modules of the C library, see [`crate::accounts`].
            _ => return Err(wrong(format!("{address}: only unix: addresses are taken"))),
        };
        Ok(Self { stream, sender_check })
    }
}

impl Socket for BusSocket {
    type ReadHalf = Reader;
    type WriteHalf = Writer;

    fn split(self) -> Split<Reader, Writer> {
        let (read, write) = self.stream.into_split();
        let reader = Reader {
            stream: read,
            sender_check: self.sender_check,
            filter: MessageFilter::default(),
            piece: vec![0; PIECE],
        };
        Split::new(reader, Writer(write))
    }
}

/// What comes in.
#[derive(Debug)]
pub(super) struct Reader {
    stream: OwnedReadHalf,
    sender_check: Option<Arc<SenderCheck>>,
    filter: MessageFilter,
    piece: Vec<u8>,
}

// Neither half says that it passes descriptors, which is what zbus then takes for granted.
#[async_trait]
impl ReadHalf for Reader {
    async fn recvmsg(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Vec<OwnedFd>)> {
        loop {
            let accepted = self.sender_check.as_deref().map_or(Accepted::Answers, Accepted::Signals);
            let count = self.filter.take(&accepted, buffer)?;
            if count > 0 {
                return Ok((count, Vec::new()));
            }
            self.stream.readable().await?;
            match self.stream.try_read(&mut self.piece) {
                Ok(0) => return Ok((0, Vec::new())),
                Ok(read) => self.filter.put(&self.piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// What goes out.
#[derive(Debug)]
pub(super) struct Writer(OwnedWriteHalf);

#[async_trait]
impl WriteHalf for Writer {
    async fn sendmsg(&mut self, buffer: &[u8], _: &[BorrowedFd<'_>]) -> io::Result<usize> {
        loop {
            self.0.writable().await?;
            match self.0.try_write(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return other,
            }
        }
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(shutdown(self.0.as_ref().as_raw_fd(), Shutdown::Write)?)
    }
}
