//! In the place of netlink-sys's socket: what is sent goes to a model, what it answers is received.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixDatagram;

pub mod protocols {
    pub const NETLINK_ROUTE: isize = 0;
}

/// The other end.
pub(crate) trait Peer {
    /// A datagram was sent.
    fn sent(&mut self, datagram: &[u8]);
    /// The next datagram and the length that it is said to have, or the errno in its place.
    fn next(&mut self) -> Result<(Vec<u8>, usize), i32>;
}

thread_local! {
    static PEER: RefCell<Option<Box<dyn Peer>>> = const { RefCell::new(None) };
}

/// From now on sockets of this thread speak with this.
pub(crate) fn connect_to(peer: impl Peer + 'static) {
    PEER.set(Some(Box::new(peer)));
}

/// Options are set on a real socket, which carries nothing.
pub struct Socket(UnixDatagram);

pub struct SocketAddr;

impl SocketAddr {
    pub fn new(_port: u32, _groups: u32) -> Self {
        Self
    }
}

impl Socket {
    pub fn new(_protocol: isize) -> io::Result<Self> {
        UnixDatagram::unbound().map(Self)
    }

    pub fn set_rx_buf_sz(&mut self, _size: i32) -> io::Result<()> {
        Ok(())
    }

    pub fn set_netlink_get_strict_chk(&mut self, on: bool) -> io::Result<()> {
        assert!(on, "without strict checking a refused filter dumps everything");
        Ok(())
    }

    pub fn set_ext_ack(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    pub fn set_cap_ack(&mut self, _on: bool) -> io::Result<()> {
        Ok(())
    }

    pub fn bind_auto(&mut self) -> io::Result<SocketAddr> {
        Ok(SocketAddr)
    }

    pub fn connect(&self, _to: &SocketAddr) -> io::Result<()> {
        Ok(())
    }

    pub fn send(&self, datagram: &[u8], _flags: i32) -> io::Result<usize> {
        PEER.with_borrow_mut(|peer| peer.get_or_insert_default().sent(datagram));
        Ok(datagram.len())
    }

    pub fn recv(&self, buffer: &mut &mut [u8], _flags: i32) -> io::Result<usize> {
        let next = PEER.with_borrow_mut(|peer| peer.get_or_insert_default().next());
        let (datagram, length) = next.map_err(io::Error::from_raw_os_error)?;
        let fits = datagram.len().min(buffer.len());
        buffer[..fits].copy_from_slice(&datagram[..fits]);
        Ok(length)
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Default for Box<dyn Peer> {
    /// A kernel without anything in it.
    fn default() -> Self {
        Box::new(crate::model::Shared::default())
    }
}
