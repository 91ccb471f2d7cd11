//! The multicast socket: bounded reading, and ENOBUFS as what it is.
//!
//! Not rtnetlink's own stream, whose queue is unbounded. The kernel's receive buffer is the only
//! queue here; when it overflows, [`Received::Overrun`] says that any number of messages is lost.

use crate::kernel::{KernelMessage, parse};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Above 32 KiB a larger buffer gains nothing, and no datagram of the kernel is larger.
const BUFFER: usize = 32 * 1024;
/// Datagrams a call: others get their turn on this thread in between.
const DATAGRAMS: usize = 64;
/// Wanted receive buffer in bytes; without privilege the kernel caps it at rmem_max.
const RECEIVE_BUFFER: usize = 16 << 20;

/// Bit of a group in `nl_groups` (`RTNLGRP_*`, linux/rtnetlink.h).
const fn group(number: u32) -> u32 {
    1 << (number - 1)
}

/// Link, IPv4 and IPv6 addresses, routes and rules.
const GROUPS: u32 = group(1) | group(5) | group(7) | group(8) | group(9) | group(11) | group(19);

/// What one call brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Messages, oldest first, were handed over; so many did not parse.
    Messages {
        /// Messages that did not parse.
        faults: usize,
    },
    /// Messages were lost: only a dump tells the truth now.
    Overrun,
}

/// The socket.
pub struct Multicast {
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
}

impl Multicast {
    /// Takes an inherited socket (opened and sized by root), or opens one within rmem_max.
    /// Needs a tokio runtime.
    pub fn new(inherited: Option<OwnedFd>) -> io::Result<Self> {
        let socket = match inherited {
            Some(descriptor) => crate::sys::netlink_socket(descriptor),
            None => {
                let mut socket = Socket::new(NETLINK_ROUTE)?;
                socket.set_rx_buf_sz(RECEIVE_BUFFER)?;
                socket.bind(&SocketAddr::new(0, GROUPS))?;
                socket
            }
        };
        socket.set_non_blocking(true)?;
        Ok(Self { socket: crate::sys::watch_socket(socket)?, buffer: Vec::with_capacity(BUFFER) })
    }

    /// Waits for messages and hands over what is there, at most 64 datagrams. Cancel-safe:
    /// nothing is taken from the socket before it is handed over.
    pub async fn receive(&mut self, mut each: impl FnMut(KernelMessage)) -> io::Result<Received> {
        let mut faults = 0;
        loop {
            let mut ready = self.socket.readable().await?;
            for taken in 0..DATAGRAMS {
                self.buffer.clear();
                let buffer = &mut self.buffer;
                match ready.try_io(|socket| socket.get_ref().recv_from(buffer, 0)) {
                    // Port 0 is the kernel; nobody else has a say here.
                    Ok(Ok((_, sender))) if sender.port_number() != 0 => {}
                    Ok(Ok(_)) => faults += parse(&self.buffer, &mut each),
                    Ok(Err(error)) if is(&error, Errno::ENOBUFS) => return Ok(Received::Overrun),
                    Ok(Err(error)) if is(&error, Errno::EINTR) => {}
                    Ok(Err(error)) => return Err(error),
                    Err(_would_block) if taken == 0 => break,
                    Err(_would_block) => return Ok(Received::Messages { faults }),
                }
                if taken + 1 == DATAGRAMS {
                    return Ok(Received::Messages { faults });
                }
            }
        }
    }

    /// Throws away what is queued, before a dump that tells more. Bounded: a storm that goes on
    /// is dealt with after the dump.
    pub fn discard(&mut self) {
        for _ in 0..100_000 {
            self.buffer.clear();
            match self.socket.get_ref().recv_from(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if is(&error, Errno::ENOBUFS) || is(&error, Errno::EINTR) => {}
                Err(_) => return,
            }
        }
    }
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd as _;

    /// RTM_NEWLINK for interface 1 without any attribute (rtnetlink(7)): a header of 16 bytes, and one of 16.
    fn forged() -> Vec<u8> {
        let mut message = vec![0; 32];
        message[0] = 32;
        message[4] = 16;
        message[20] = 1;
        message
    }

    /// CVE-2009-1185, CVE-2012-3520: daemons that took what other processes sent for the kernel's.
    #[tokio::test]
    async fn what_no_kernel_sent_is_nothing() {
        let mut own = Socket::new(NETLINK_ROUTE).expect("a socket");
        let address = own.bind_auto().expect("bound");
        let same = own.as_fd().try_clone_to_owned().expect("a descriptor");
        let mut multicast = Multicast::new(Some(same)).expect("a runtime");
        let forger = Socket::new(NETLINK_ROUTE).expect("a socket");
        if let Err(error) = forger.send_to(&forged(), &address, 0) {
            // The kernel itself permits it to CAP_NET_ADMIN alone.
            assert!(is(&error, Errno::EPERM), "{error}");
            return;
        }
        let mut taken = 0;
        let received = multicast.receive(|_| taken += 1).await.expect("readable");
        assert_eq!((received, taken), (Received::Messages { faults: 0 }, 0));
    }
}
